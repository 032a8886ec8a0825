//! `calidiff explain`: packets' ways.

use miette::miette;

use super::args::Explain;
use super::scenarios::Read;
use super::status::{Ending, Status};
use super::{ground, machine, resources, terminal};
use crate::arm::plan::Plan;
use crate::arm::{self, Failure, Judge};
use crate::campaign::Subject;
use crate::campaign::finding::Divergence;
use crate::diff::meaning::is_meant;
use crate::intent;
use crate::model::{Connections, parting};
use crate::packet::{Batch, Connection, Packet};
use crate::report::explain::{Explanation, Otherwise, Reason, Telling};
use crate::xtables::{Backend, Firewall};

/// Explains a packet, or every packet of a scenario.
///
/// # Errors
///
/// Bad input; a machine that lacks what the kernel arms need.
pub fn run(options: &Explain) -> Result<Status, Ending> {
    let packet = options.packet.as_deref().map(str::parse).transpose();
    let packet: Option<Packet> = packet.map_err(Ending::bad_input)?;
    let connections = connections(options)?;
    let Some(read) = ground::scenario(&options.ground)? else {
        let packet = packet.ok_or_else(|| Ending::bad_input(no_packet()))?;
        let subject = subject(options)?;
        return explain(options, &subject, None, &packet, &connections);
    };
    let is_whole = packet.is_none();
    let batch = batch(read.scenario.batch.clone(), packet, connections)?;
    let (mut status, left) = explain_all(options, &read, &batch)?;
    let behind = read.scenario.behind_change(&left).filter(|_| is_whole);
    if let Some(scenario) = behind {
        terminal::print("\n\nthe resources change\n\n\n");
        let layout = read.layout;
        let read = Read { scenario, layout };
        let (behind, _) = explain_all(options, &read, &read.scenario.batch)?;
        status = if behind == Status::Agreed {
            status
        } else {
            behind
        };
    }
    Ok(status)
}

/// Explains every packet of a batch at a scenario's rules; gives the connections that they leave, too.
fn explain_all(
    options: &Explain,
    read: &Read,
    batch: &Batch,
) -> Result<(Status, Vec<Connection>), Ending> {
    let mut plan = ground::plan(&options.ground, read)?;
    let subject = ground::planned(&read.scenario, &plan);
    let mut status = Status::Agreed;
    let mut known = plan.machine(Backend::Legacy).known(batch);
    let left = known.pop().unwrap_or_default();
    for (place, (packet, known)) in batch.packets.iter().zip(known).enumerate() {
        if place > 0 {
            terminal::print("\n\n");
        }
        let connections = Divergence::touching(&known, packet);
        match explain(options, &subject, Some(&mut plan), packet, &connections)? {
            Status::Agreed => {}
            other => status = other,
        }
    }
    Ok((status, left))
}

fn no_packet() -> miette::Report {
    miette!(
        help = "give one: --packet 'in=eth0 tcp 10.0.0.9:40000 > 172.16.1.1:80'",
        "there is no packet to be explained"
    )
}

/// A scenario's packets, or the one that is given, among the connections of both.
fn batch(
    scenario: Batch,
    packet: Option<Packet>,
    connections: Vec<Connection>,
) -> Result<Batch, Ending> {
    let mut batch = scenario;
    batch.connections.extend(connections);
    if let Some(packet) = packet {
        batch.packets = vec![packet];
    }
    match batch.packets.is_empty() {
        false => Ok(batch),
        true => Err(Ending::bad_input(no_packet())),
    }
}

/// Explains one packet.
fn explain(
    options: &Explain,
    subject: &Subject,
    plan: Option<&mut Plan>,
    packet: &Packet,
    connections: &[Connection],
) -> Result<Status, Ending> {
    let firewall = &subject.firewall;
    let rulesets = [&firewall.v4, &firewall.v6];
    let names = resources::names(&options.resources, &options.ground.dumps, rulesets)?;
    let ask = |judge| tell(judge, subject, packet, connections);
    let (reading, model) = first_reading(options, ask)?;
    let reason = match plan {
        Some(plan) => reason(plan, reading, packet, connections, &model)?,
        None => None,
    };
    let mut otherwise = None;
    for backend in options.backends.each() {
        if backend != reading {
            let told = ask(Judge::Model(backend));
            otherwise = other_reading(&subject.firewall, packet, &model, told)?
                .map(|other| (backend, other));
        }
    }
    let mut backends = options.backends.each();
    if let Some((backend, Otherwise::Refuses(_))) = &otherwise {
        backends.retain(|one| one != backend);
    }
    let mut kernels = Vec::new();
    if options.kernel {
        machine::enter()?;
        for backend in backends {
            kernels.push(ask(Judge::Kernel(backend))?);
        }
    }
    let explanation = Explanation {
        node: &subject.name,
        firewall: &subject.firewall,
        names: &names,
        packet,
        connections,
        reason,
        model,
        otherwise,
        kernels,
    };
    terminal::print(explanation.text(&terminal::palette()));
    Ok(if explanation.agreed() {
        Status::Agreed
    } else {
        Status::Diverged
    })
}

/// What Calico means for the packet, where it runs on the node, and whether the rules do so.
fn reason(
    plan: &mut Plan,
    reading: Backend,
    packet: &Packet,
    connections: &[Connection],
    model: &Telling,
) -> Result<Option<Reason>, Ending> {
    let Some(calico) = &plan.calico else {
        return Ok(None);
    };
    let refused = calico.refused(packet.family()).cloned();
    let layout = calico.layout;
    let firewall = plan.firewall.clone();
    let mut bench = plan
        .bench()
        .map_err(|why| Ending::bad_input(miette!("{why}")))?;
    let Some(oracle) = &mut bench.calico else {
        return Ok(None);
    };
    let known = Connections::new(connections);
    let opinion = oracle.opinion(packet, &intent::Connections::new(connections), &known);
    let base = oracle.without[reading.place()].judge(&known, packet);
    Ok(Some(Reason {
        meant: is_meant(&opinion, bench.node, &model.answer, &base),
        refused,
        ..Reason::new(layout, &oracle.judge, &opinion, &firewall, &model.steps)
    }))
}

/// The node that the packet comes to: of the seed's, slave1 unless said otherwise.
fn subject(options: &Explain) -> Result<Subject, Ending> {
    let first = ground::read(&options.ground)?.into_iter().next();
    first.ok_or_else(|| Ending::bad_input(miette!("there is no node for the packet to come to")))
}

fn connections(options: &Explain) -> Result<Vec<Connection>, Ending> {
    let texts = options.connections.iter();
    texts
        .map(|text| text.parse().map_err(Ending::bad_input))
        .collect()
}

/// The way of the packet as the first of the backends reads the rules that loads them.
fn first_reading(
    options: &Explain,
    ask: impl Fn(Judge) -> Result<Telling, Failure>,
) -> Result<(Backend, Telling), Failure> {
    let backends = options.backends.each();
    let last = backends.last().copied().unwrap_or(Backend::Legacy);
    for backend in backends {
        match ask(Judge::Model(backend)) {
            Err(Failure::Refused(_)) if backend != last => {}
            told => return Ok((backend, told?)),
        }
    }
    Ok((last, ask(Judge::Model(last))?))
}

/// What another reading makes of the packet, where that is something else.
fn other_reading(
    firewall: &Firewall,
    packet: &Packet,
    model: &Telling,
    told: Result<Telling, Failure>,
) -> Result<Option<Otherwise>, Failure> {
    match told {
        Err(Failure::Refused(why)) => Ok(Some(Otherwise::Refuses(why))),
        Err(broken) => Err(broken),
        Ok(other) if other.answer == model.answer => Ok(None),
        Ok(other) => {
            let (cause, rule) = parting(firewall, packet, &model.steps, &other.steps);
            Ok(Some(Otherwise::Parts {
                model: Box::new(other),
                cause,
                rule,
            }))
        }
    }
}

fn tell(
    judge: Judge,
    subject: &Subject,
    packet: &Packet,
    connections: &[Connection],
) -> Result<Telling, Failure> {
    let mut arm = arm::make(judge)?;
    arm.program(&subject.node, &subject.firewall)?;
    let (answer, steps) = arm.trace(packet, connections)?;
    Ok(Telling {
        arm: arm.name(),
        answer,
        steps,
    })
}
