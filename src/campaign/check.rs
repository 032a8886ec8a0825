//! Judges rulesets: packets aimed at every rule first, then random ones, on every backend.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::finding::{self, Divergence, Paths};
use super::parting::{Partings, Readings, refusal};
use super::source::Source;
use super::tally::Tally;
use super::{MakeArm, Options, Subject, Watch};
use crate::arm::{Arm, Failure, Judge};
use crate::diff::{Comparison, compare};
use crate::generate::edit::Edit;
use crate::generate::unhit::{Explanation, Reason, explain_unhit};
use crate::journey::Answer;
use crate::packet::{Batch, Family};
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall, RuleId};

/// How many divergences of one kind are kept whole; all are counted.
const KEPT_A_KIND: usize = 3;

/// What a check of one subject found.
#[derive(Debug)]
pub struct SubjectReport {
    /// Whom it is about.
    pub name: String,
    /// What was assumed about it.
    pub assumptions: Vec<String>,
    /// How many rules it has.
    pub rules: usize,
    /// How many pairs of rule and boundary there are, and how many were sent.
    pub pairs: Pairs,
    /// A report a backend.
    pub backends: Vec<BackendReport>,
    /// Where the backends part by themselves, each as its own kernel does.
    pub partings: Partings,
    /// The rules that no packet hit on some backend, each with the reason.
    pub never_hit: Vec<NeverHit>,
    /// How long it took.
    pub took: Duration,
}

/// Pairs of a rule and a boundary of one of its questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// How many there are.
    pub all: usize,
    /// For how many a packet was sent.
    pub sent: usize,
    /// For how many that packet reached the rule, so that the boundary was put to the test.
    pub reached: usize,
}

/// What a check found on one backend.
#[derive(Debug)]
pub struct BackendReport {
    /// The backend.
    pub backend: Backend,
    /// Why the tools, or the model, refused the rules. Where only one of the two did, that is a divergence.
    pub refused: Refusals,
    /// The counts.
    pub tally: Tally,
    /// How many divergences of each kind there were.
    pub kinds: BTreeMap<String, u64>,
    /// The first few of each kind, with both rule paths.
    pub divergences: Vec<(Divergence, Paths)>,
    /// How many rules its own counters say were hit.
    pub rules_hit: usize,
}

/// Who would not load the rules, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// What the model said.
    pub model: Option<NotProgrammed>,
    /// What the tools said.
    pub kernel: Option<NotProgrammed>,
}

impl Refusals {
    /// Whether model and tools differ on whether the rules can be loaded.
    #[must_use]
    pub fn differ(&self) -> bool {
        self.model.is_some() != self.kernel.is_some()
    }
}

/// A rule that no packet hit.
#[derive(Debug)]
pub struct NeverHit {
    /// Which.
    pub rule: RuleId,
    /// On which backends.
    pub backends: Vec<Backend>,
    /// Why, as the model has it.
    pub explanation: Explanation,
    /// On which backends the explanation was put to the test, and whether it held.
    pub confirmed: Vec<(Backend, bool)>,
}

impl NeverHit {
    /// Whether the explanation was put to the test on every backend concerned, and held.
    #[must_use]
    pub fn proved(&self) -> bool {
        self.confirmed.len() == self.backends.len() && self.confirmed.iter().all(|(_, held)| *held)
    }

    /// Whether there is a reason: a proved one, or that no packet here can bring what the rule asks.
    #[must_use]
    pub fn explained(&self) -> bool {
        self.proved() || matches!(self.explanation.reason, Reason::Beyond(_))
    }
}

impl SubjectReport {
    /// How many divergences there were, refusals on one side only among them, and packets on which the
    /// backends part for no known cause.
    #[must_use]
    pub fn diverged(&self) -> u64 {
        let backends = self.backends.iter();
        let of_kernels: u64 = backends
            .map(|backend| backend.tally.diverged + u64::from(backend.refused.differ()))
            .sum();
        of_kernels + self.partings.unknown()
    }

    /// The never-hit rules without a reason that holds.
    pub fn unexplained(&self) -> impl Iterator<Item = &NeverHit> {
        self.never_hit.iter().filter(|rule| !rule.explained())
    }
}

/// Checks one subject.
///
/// # Errors
///
/// Where an arm is broken: a fault of the machine or of this program, never a verdict.
pub fn check(
    subject: &Subject,
    options: &Options,
    make: MakeArm<'_>,
    watch: &dyn Watch,
) -> Result<SubjectReport, Failure> {
    let start = Instant::now();
    let source = Source::new(subject, options);
    let next = AtomicU64::new(0);
    let worker = || Worker::work(subject, options, make, watch, &source, &next);
    let results: Vec<Result<Worker, Failure>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs.max(1))
            .map(|_| scope.spawn(worker))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    let mut workers = results
        .into_iter()
        .collect::<Result<Vec<Worker>, Failure>>()?;
    let mut total = workers.pop().unwrap_or_default();
    workers.into_iter().for_each(|worker| total.add(worker));
    let partings = std::mem::take(&mut total.partings);
    let backends = total.report(subject, options, make)?;
    let never_hit = if options.explain {
        never_hit(subject, options.seed, &backends, make)?
    } else {
        Vec::new()
    };
    Ok(SubjectReport {
        name: subject.name.clone(),
        assumptions: subject.assumptions.clone(),
        rules: rules_of(&subject.firewall).count(),
        pairs: source.pairs(),
        backends: backends.into_iter().map(|(report, _)| report).collect(),
        partings,
        never_hit,
        took: start.elapsed(),
    })
}

fn rules_of(firewall: &Firewall) -> impl Iterator<Item = RuleId> + '_ {
    Family::BOTH
        .into_iter()
        .flat_map(|family| firewall.ruleset(family).rules().map(|(id, _)| id))
}

/// What one worker, and in the end all of them, found.
#[derive(Default)]
struct Worker {
    partings: Partings,
    sides: Vec<Side>,
}

/// One backend's share of it.
struct Side {
    backend: Backend,
    refused: Refusals,
    tally: Tally,
    kinds: BTreeMap<String, u64>,
    divergences: Vec<Divergence>,
    hits: BTreeMap<RuleId, u64>,
    found: Vec<Answer>,
}

impl Worker {
    fn work(
        subject: &Subject,
        options: &Options,
        make: MakeArm<'_>,
        watch: &dyn Watch,
        source: &Source<'_>,
        next: &AtomicU64,
    ) -> Result<Self, Failure> {
        let mut readings = Readings::new(subject, make)?;
        let mut partings = Partings {
            refused: readings.one_refuses(),
            ..Partings::default()
        };
        let given = subject.planted.as_ref().unwrap_or(&subject.firewall);
        let mut arms = Vec::new();
        for backend in &options.backends {
            let mut arm = make(Judge::Kernel(*backend))?;
            let refused = Refusals {
                model: readings.refused(*backend).cloned(),
                kernel: refusal(arm.program(&subject.node, given))?,
            };
            arms.push((arm, Side::new(*backend, refused)));
        }
        while !watch.stop() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(batches) = source.unit(number) else {
                break;
            };
            for batch in &batches {
                readings.fire(batch)?;
                readings.compare(number, batch, &subject.firewall, &mut partings)?;
                for (arm, side) in &mut arms {
                    if side.refused == Refusals::default() {
                        let diverged = side.fire(number, batch, &readings, arm.as_mut())?;
                        watch.judged(&subject.name, batch.packets.len() as u64, diverged);
                    }
                }
            }
        }
        let mut sides = Vec::new();
        for (mut arm, mut side) in arms {
            if side.refused.kernel.is_none() {
                side.hits.extend(arm.hits()?);
            }
            sides.push(side);
        }
        Ok(Self { partings, sides })
    }

    fn add(&mut self, other: Self) {
        self.partings.add(other.partings);
        for (mine, theirs) in self.sides.iter_mut().zip(other.sides) {
            mine.add(theirs);
        }
    }

    fn report(
        self,
        subject: &Subject,
        options: &Options,
        make: MakeArm<'_>,
    ) -> Result<Vec<(BackendReport, BTreeSet<RuleId>)>, Failure> {
        debug_assert_eq!(self.sides.len(), options.backends.len());
        self.sides
            .into_iter()
            .map(|side| side.report(subject, make))
            .collect()
    }
}

impl Side {
    fn new(backend: Backend, refused: Refusals) -> Self {
        Self {
            backend,
            refused,
            tally: Tally::default(),
            kinds: BTreeMap::new(),
            divergences: Vec::new(),
            hits: BTreeMap::new(),
            found: Vec::new(),
        }
    }

    /// Fires a batch, and holds what comes of it against the backend's reading; gives the number of
    /// divergences.
    fn fire(
        &mut self,
        number: u64,
        batch: &Batch,
        readings: &Readings,
        arm: &mut dyn Arm,
    ) -> Result<u64, Failure> {
        let mut found = std::mem::take(&mut self.found);
        arm.fire(batch, &mut found)?;
        let diverged = self.compare(number, batch, readings.answers(self.backend), &found);
        self.found = found;
        Ok(diverged)
    }

    /// Compares a batch's answers; gives the number of divergences.
    fn compare(
        &mut self,
        number: u64,
        batch: &Batch,
        expected: &[Answer],
        found: &[Answer],
    ) -> u64 {
        let before = self.tally.diverged;
        for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
            let comparison = compare(expected, found);
            self.tally.count(&comparison, found);
            if let Comparison::Differ(difference) = comparison {
                let packet = batch.packets[index].clone();
                self.keep(Divergence {
                    place: (number, index),
                    backend: self.backend,
                    connections: Divergence::connections_of(batch, &packet),
                    packet,
                    difference: *difference,
                    expected: expected.clone(),
                    found: found.clone(),
                });
            }
        }
        self.tally.diverged - before
    }

    fn keep(&mut self, divergence: Divergence) {
        let count = self.kinds.entry(divergence.kind()).or_default();
        *count += 1;
        if *count <= KEPT_A_KIND as u64 {
            self.divergences.push(divergence);
        }
    }

    fn add(&mut self, other: Self) {
        self.tally.add(&other.tally);
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.divergences.extend(other.divergences);
        for (rule, hits) in other.hits {
            *self.hits.entry(rule).or_default() += hits;
        }
    }

    fn report(
        mut self,
        subject: &Subject,
        make: MakeArm<'_>,
    ) -> Result<(BackendReport, BTreeSet<RuleId>), Failure> {
        let hit: BTreeSet<RuleId> = self
            .hits
            .iter()
            .filter(|(_, hits)| **hits > 0)
            .map(|(rule, _)| rule.clone())
            .collect();
        self.divergences.sort_by_key(|divergence| divergence.place);
        let mut kept: BTreeMap<String, usize> = BTreeMap::new();
        self.divergences.retain(|divergence| {
            let count = kept.entry(divergence.kind()).or_default();
            *count += 1;
            *count <= KEPT_A_KIND
        });
        let report = BackendReport {
            backend: self.backend,
            refused: self.refused,
            tally: self.tally,
            kinds: self.kinds,
            divergences: trace_all(subject, self.backend, self.divergences, make)?,
            rules_hit: hit.len(),
        };
        Ok((report, hit))
    }
}

/// Sends each divergence again, traced, on arms of its own.
fn trace_all(
    subject: &Subject,
    backend: Backend,
    divergences: Vec<Divergence>,
    make: MakeArm<'_>,
) -> Result<Vec<(Divergence, Paths)>, Failure> {
    if divergences.is_empty() {
        return Ok(Vec::new());
    }
    let mut model = make(Judge::Model(backend))?;
    let mut kernel = make(Judge::Kernel(backend))?;
    model.program(&subject.node, &subject.firewall)?;
    kernel.program(
        &subject.node,
        subject.planted.as_ref().unwrap_or(&subject.firewall),
    )?;
    divergences
        .into_iter()
        .map(|divergence| {
            let paths = finding::trace(&divergence, model.as_mut(), kernel.as_mut())?;
            Ok((divergence, paths))
        })
        .collect()
}

/// Explains every rule that some backend's counters say was never hit, and puts the explanations to
/// the test on those backends.
fn never_hit(
    subject: &Subject,
    seed: u64,
    backends: &[(BackendReport, BTreeSet<RuleId>)],
    make: MakeArm<'_>,
) -> Result<Vec<NeverHit>, Failure> {
    let judged: Vec<_> = backends
        .iter()
        .filter(|(report, _)| report.refused == Refusals::default())
        .collect();
    let missed: Vec<(RuleId, Vec<Backend>)> = rules_of(&subject.firewall)
        .map(|rule| {
            let missing = judged.iter().filter(|(_, hit)| !hit.contains(&rule));
            let names = missing.map(|(report, _)| report.backend).collect();
            (rule, names)
        })
        .filter(|(_, names): &(_, Vec<_>)| !names.is_empty())
        .collect();
    let mut arms: Vec<(Backend, Box<dyn Arm>)> = Vec::new();
    if !missed.is_empty() {
        for (report, _) in &judged {
            arms.push((report.backend, make(Judge::Kernel(report.backend))?));
        }
    }
    let mut explained = Vec::new();
    for (rule, mut backends) in missed {
        // Each backend's rules as it reads them: what the first one's reading explains of the others too
        // is said once.
        while let Some(reading) = backends.first().copied() {
            let never = explain(subject, seed, reading, &rule, &backends, &mut arms)?;
            backends.retain(|backend| !never.backends.contains(backend));
            explained.push(never);
        }
    }
    Ok(explained)
}

/// Explains a rule by a backend's reading, and keeps of the backends that and those of which the
/// explanation is not refuted.
fn explain(
    subject: &Subject,
    seed: u64,
    reading: Backend,
    rule: &RuleId,
    backends: &[Backend],
    arms: &mut [(Backend, Box<dyn Arm>)],
) -> Result<NeverHit, Failure> {
    let explanation = explain_unhit(reading, &subject.node, &subject.firewall, rule, seed);
    let mut concerned = Vec::new();
    let mut confirmed = Vec::new();
    for (backend, arm) in arms.iter_mut().filter(|(name, _)| backends.contains(name)) {
        let held = put_to_the_test(subject, &explanation, arm.as_mut())?;
        if held == Some(false) && *backend != reading {
            continue;
        }
        concerned.push(*backend);
        confirmed.extend(held.map(|held| (*backend, held)));
    }
    Ok(NeverHit {
        rule: rule.clone(),
        backends: concerned,
        explanation,
        confirmed,
    })
}

/// Loads what the explanation says would let the rule be hit, sends its packet, and looks whether it
/// was. `None` where the explanation has no such packet.
fn put_to_the_test(
    subject: &Subject,
    explanation: &Explanation,
    arm: &mut dyn Arm,
) -> Result<Option<bool>, Failure> {
    let Some(witness) = &explanation.witness else {
        return Ok(None);
    };
    let (node, firewall) = Edit::all(&explanation.edits, &subject.node, &subject.firewall);
    match arm.program(&node, &firewall) {
        Err(Failure::Refused(_)) => return Ok(Some(false)),
        outcome => outcome?,
    }
    let batch = Batch {
        connections: witness.connections.clone(),
        packets: vec![witness.packet.clone()],
        ..Batch::default()
    };
    arm.fire(&batch, &mut Vec::new())?;
    let hits = arm.hits()?;
    Ok(Some(hits.iter().any(|(rule, hits)| {
        *rule == explanation.rule && *hits > 0
    })))
}
