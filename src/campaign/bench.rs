//! Model and kernel measured side by side, in one run: what is compared is measured in turns, so that
//! a noisy machine troubles both alike, and the median counts.

use std::ops::Range;
use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Subject;
use super::load::Load;
use crate::arm::Failure;
use crate::kernel::{KernelError, Room, Tools, in_rooms};
use crate::model::{Connections, Machine};
use crate::packet::Batch;
use crate::xtables::target::Xmark;
use crate::xtables::{Backend, Chain, Firewall, Rule, TableName, Target};

/// How often each thing is measured.
const ROUNDS: usize = 9;
/// How many packets judge a ruleset when rulesets are counted.
const PACKETS_A_RULESET: usize = 20;
/// How many namespaces of nft's a worker keeps in flight, so that their commits' waits overlap.
const POOL: usize = 32;

/// Everything measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// On which ruleset.
    pub subject: String,
    /// How many rules it has.
    pub rules: usize,
    /// Nanoseconds that the model spends on a packet, all packets of a check.
    pub model_mixed: f64,
    /// The same on the forwarded packets that the kernel is measured on.
    pub model_forwarded: f64,
    /// The kernel's, a backend each.
    pub backends: Vec<BackendFigures>,
}

/// What was measured on one backend.
#[derive(Clone, Debug, Serialize)]
pub struct BackendFigures {
    /// The backend.
    pub backend: Backend,
    /// Nanoseconds a forwarded packet with nobody looking: written, confirmed, delivered, read.
    pub unobserved: f64,
    /// Nanoseconds a forwarded packet with every point observed and its journey put together.
    pub observed: f64,
    /// Rulesets a second, spawning a tool for each: one worker.
    pub spawning: f64,
    /// How many namespaces a worker keeps in flight. Their tools are processes of their own, which run
    /// on whatever core is free.
    pub pool: usize,
    /// Rulesets a second as the arm does it: one worker.
    pub one_worker: f64,
    /// The same with two workers.
    pub two_workers: f64,
}

/// Measures on a subject.
///
/// # Errors
///
/// Where the model refuses the subject's rules, or the machine lacks something.
pub fn measure(subject: &Subject, backends: &[Backend], seed: u64) -> Result<Figures, Failure> {
    // Both readings ask as many questions of the same chains: either one's speed is the model's.
    let reading = backends.first().copied().unwrap_or(Backend::Legacy);
    let Load {
        mut machine,
        mixed,
        forwarded,
    } = Load::new(reading, subject, seed)?;
    let model_mixed = median((0..ROUNDS).map(|_| model_round(&mut machine, &mixed)));
    let model_forwarded =
        median((0..ROUNDS).map(|_| model_round(&mut machine, std::slice::from_ref(&forwarded))));
    let figures = |backend: &Backend| kernel(subject, *backend, &forwarded);
    Ok(Figures {
        subject: subject.name.clone(),
        rules: subject.firewall.v4.rules().count() + subject.firewall.v6.rules().count(),
        model_mixed,
        model_forwarded,
        backends: backends.iter().map(figures).collect::<Result<_, _>>()?,
    })
}

/// Nanoseconds a packet.
fn model_round(machine: &mut Machine, batches: &[Batch]) -> f64 {
    let connections: Vec<Connections> = batches
        .iter()
        .map(|batch| Connections::new(&batch.connections))
        .collect();
    let start = Instant::now();
    for (batch, connections) in batches.iter().zip(&connections) {
        for packet in &batch.packets {
            std::hint::black_box(machine.judge(connections, packet));
        }
    }
    a_packet(
        start.elapsed(),
        batches.iter().map(|batch| batch.packets.len()).sum(),
    )
}

fn a_packet(took: Duration, packets: usize) -> f64 {
    took.as_nanos() as f64 / packets.max(1) as f64
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn kernel(
    subject: &Subject,
    backend: Backend,
    forwarded: &Batch,
) -> Result<BackendFigures, Failure> {
    let broken = |error: KernelError| Failure::Broken {
        arm: backend.into(),
        message: error.to_string(),
    };
    let (unobserved, observed) =
        in_a_thread(|| packets(subject, backend, forwarded)).map_err(broken)?;
    let few = Batch {
        packets: forwarded
            .packets
            .iter()
            .take(PACKETS_A_RULESET)
            .cloned()
            .collect(),
        ..Batch::default()
    };
    let pool = if backend == Backend::Nft { POOL } else { 1 };
    let count = |pool| {
        if backend == Backend::Nft {
            40.max(pool * 8)
        } else {
            1_000
        }
    };
    let spawning = in_a_thread(|| {
        rulesets(
            subject,
            &few,
            &|backend| Room::with_tools(backend, Tools::Spawned),
            backend,
            1,
            count(1),
        )
    });
    let working =
        || in_a_thread(|| rulesets(subject, &few, &Room::new, backend, pool, count(pool)));
    let one_worker = working().map_err(broken)?;
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(working);
        (
            working(),
            other.join().unwrap_or_else(|panic| resume_unwind(panic)),
        )
    });
    Ok(BackendFigures {
        backend,
        unobserved,
        observed,
        spawning: spawning.map_err(broken)?,
        pool,
        one_worker,
        two_workers: one.map_err(broken)? + two.map_err(broken)?,
    })
}

/// Rooms belong to the thread that makes them; the caller stays in its own namespace.
fn in_a_thread<T: Send>(
    work: impl FnOnce() -> Result<T, KernelError> + Send,
) -> Result<T, KernelError> {
    std::thread::scope(|scope| {
        scope
            .spawn(work)
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Nanoseconds a packet: unobserved, observed.
fn packets(
    subject: &Subject,
    backend: Backend,
    forwarded: &Batch,
) -> Result<(f64, f64), KernelError> {
    let mut plain = Room::new(backend)?;
    refused(plain.program(&subject.node, &subject.firewall)?)?;
    plain.stop_observing()?;
    let mut observed = Room::new(backend)?;
    refused(observed.program(&subject.node, &subject.firewall)?)?;
    let mut journeys = Vec::new();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.forget_connections()?;
        let start = Instant::now();
        let out = plain.forward(&forwarded.packets)?;
        without.push(a_packet(start.elapsed(), out));
        let start = Instant::now();
        observed.fire(forwarded, &mut journeys)?;
        with.push(a_packet(start.elapsed(), journeys.len()));
    }
    Ok((median(without.into_iter()), median(with.into_iter())))
}

/// Rulesets a second: each differs from the one before, and judges a few packets.
fn rulesets(
    subject: &Subject,
    few: &Batch,
    make: &dyn Fn(Backend) -> Result<Room, KernelError>,
    backend: Backend,
    pool: usize,
    count: usize,
) -> Result<f64, KernelError> {
    let mut rooms: Vec<Room> = (0..pool).map(|_| make(backend)).collect::<Result<_, _>>()?;
    let variants: Vec<Firewall> = (0..64)
        .map(|number| variant(&subject.firewall, number))
        .collect();
    let mut journeys = Vec::new();
    let mut turn = |cases: Range<usize>| {
        let mut cases = cases.map(|number| [(&subject.node, &variants[number % variants.len()])]);
        let turned = in_rooms(
            &mut rooms,
            |_| cases.next(),
            |room, _, fate| {
                refused(fate)?;
                room.fire(few, &mut journeys)
            },
        );
        turned.map_err(|stopped| stopped.error)
    };
    turn(0..pool)?;
    let start = Instant::now();
    turn(pool..pool + count)?;
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

fn refused(outcome: Result<(), crate::verdict::NotProgrammed>) -> Result<(), KernelError> {
    outcome.map_err(|why| KernelError::Tool {
        tool: why.tool,
        doing: "load the rules that are measured".to_owned(),
        message: why.message,
    })
}

/// The same rules and one more that no other variant has.
fn variant(firewall: &Firewall, number: u32) -> Firewall {
    let mut firewall = firewall.clone();
    let target = Target::Mark(Xmark {
        value: number,
        mask: 0xff,
    });
    let rule = Rule {
        target,
        ..Rule::default()
    };
    if let Some(table) = firewall.v4.table_mut(TableName::Filter) {
        let rules = vec![rule];
        let name = "calidiff-variant".to_owned();
        table.chains.push(Chain {
            name,
            policy: None,
            counters: None,
            rules,
        });
    }
    firewall
}
