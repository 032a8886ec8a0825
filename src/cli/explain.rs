//! `calidiff explain`: one packet's way.

use miette::miette;

use super::args::Explain;
use super::status::{Ending, Status};
use super::{ground, machine, terminal};
use crate::arm::{self, Failure, Judge};
use crate::campaign::Subject;
use crate::model::parting;
use crate::packet::{Connection, Packet};
use crate::report::explain::{Explanation, Otherwise, Telling};
use crate::xtables::{Backend, Firewall};

/// Explains a packet.
///
/// # Errors
///
/// Bad input; a machine that lacks what the kernel arms need.
pub fn run(options: &Explain) -> Result<Status, Ending> {
    let packet: Packet = options.packet.parse().map_err(Ending::bad_input)?;
    let connections = connections(options)?;
    let subject = subject(options)?;
    let ask = |judge| tell(judge, &subject, &packet, &connections);
    let (reading, model) = first_reading(options, ask)?;
    let mut otherwise = None;
    for backend in options.backends.each() {
        if backend != reading {
            otherwise = other_reading(
                &subject.firewall,
                &packet,
                &model,
                ask(Judge::Model(backend)),
            )?
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
        packet: &packet,
        connections: &connections,
        model,
        otherwise,
        kernels,
    };
    print!("{}", explanation.text(&terminal::palette()));
    Ok(if explanation.agreed() {
        Status::Agreed
    } else {
        Status::Diverged
    })
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
