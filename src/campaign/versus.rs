//! Two rulesets on one node, against each other: packets aimed at both, and those that end differently.
//!
//! What counts is how a packet ends and as what it goes on, not which marks it bore on the way: two
//! rulesets may well say the same in other words.

use std::collections::BTreeMap;

use super::finding::Divergence;
use super::source::Source;
use super::tally::Ending;
use super::{MakeArm, Options, Subject, Watch};
use crate::arm::{Arm, Failure, Judge};
use crate::journey::{Answer, Fate, Headers, Possible, Step};
use crate::packet::{Batch, Connection, InterfaceName, Packet};
use crate::verdict::ArmName;
use crate::xtables::save::print_rule;
use crate::xtables::{Backend, Firewall, Match};

/// What came of holding two rulesets against each other.
#[derive(Debug)]
pub struct VersusReport {
    /// What each judge says, the model first.
    pub judges: Vec<JudgeReport>,
    /// The packets that end differently, those alike together, in the order in which they were found.
    pub changes: Vec<Change>,
}

/// What one judge says.
#[derive(Debug)]
pub struct JudgeReport {
    /// Which.
    pub arm: ArmName,
    /// How many packets it judged by both rulesets.
    pub packets: u64,
    /// How many of them end differently.
    pub changed: u64,
    /// How many could not be judged by one of the two, by reason.
    pub unjudged: BTreeMap<String, u64>,
}

/// Packets that end differently, and part at the same rules.
#[derive(Debug)]
pub struct Change {
    /// How they end by the first ruleset and by the second.
    pub endings: [Ending; 2],
    /// How many there are, for each judge.
    pub packets: Vec<u64>,
    /// The one that is said in the fewest words.
    pub packet: Packet,
    /// The connections that exist when it comes and that touch it.
    pub connections: Vec<Connection>,
    /// What became of it by the first ruleset and by the second, as the first judge has it that saw it.
    pub answers: [Answer; 2],
    /// The rules that matched, by the model, in both.
    pub paths: [Vec<Step>; 2],
    /// How many of them are the same, from the first on.
    pub shared: usize,
}

impl Change {
    /// How much there is to read of its example.
    fn length(&self) -> usize {
        let connections = self.connections.iter().map(ToString::to_string);
        let connections: usize = connections.map(|connection| connection.len()).sum();
        self.packet.to_string().len() + connections
    }
}

/// One judge before both rulesets.
struct Bench {
    arms: [Box<dyn Arm>; 2],
    answers: [Vec<Answer>; 2],
    report: JudgeReport,
}

/// What tells changes apart: how they end, and where their paths part.
type Kind = (Ending, Ending, Option<String>, Option<String>);

/// Holds two subjects, which are on the same node, against each other, on as many packets for each of
/// them as the options say; the backends are the kernels that are asked besides the model, which reads
/// the rules as the first of them does.
///
/// # Errors
///
/// [`Failure::Refused`] where one of the rulesets can't be loaded; [`Failure::Broken`] where an arm fails.
pub fn versus(
    subjects: &[Subject; 2],
    options: &Options,
    reading: Backend,
    make: MakeArm<'_>,
    watch: &dyn Watch,
) -> Result<VersusReport, Failure> {
    let kernels = options.backends.iter().copied().map(Judge::Kernel);
    let judges = std::iter::once(Judge::Model(reading)).chain(kernels);
    let benches = judges.map(|judge| Bench::new(judge, subjects, make));
    let mut duel = Duel {
        subjects,
        benches: benches.collect::<Result<_, _>>()?,
        kinds: BTreeMap::new(),
        changes: Vec::new(),
    };
    let aiming = Options {
        backends: vec![reading],
        ..options.clone()
    };
    for subject in subjects {
        let source = Source::new(subject, &aiming);
        let mut number = 0;
        while let Some(batches) = source.unit(number).filter(|_| !watch.stop()) {
            for batch in &batches {
                let changed = duel.fire(batch)?;
                let judged = batch.packets.len() * duel.benches.len();
                watch.judged(&subject.name, judged as u64, changed);
            }
            number += 1;
        }
    }
    let benches = duel.benches.into_iter();
    Ok(VersusReport {
        judges: benches.map(|bench| bench.report).collect(),
        changes: duel.changes,
    })
}

impl Bench {
    fn new(judge: Judge, subjects: &[Subject; 2], make: MakeArm<'_>) -> Result<Self, Failure> {
        let programmed = |subject: &Subject| -> Result<Box<dyn Arm>, Failure> {
            let mut arm = make(judge)?;
            arm.program(&subject.node, &subject.firewall)?;
            Ok(arm)
        };
        let [first, second] = subjects;
        let arms = [programmed(first)?, programmed(second)?];
        let report = JudgeReport {
            arm: arms[0].name(),
            packets: 0,
            changed: 0,
            unjudged: BTreeMap::new(),
        };
        Ok(Self {
            arms,
            answers: [Vec::new(), Vec::new()],
            report,
        })
    }

    fn fire(&mut self, batch: &Batch) -> Result<(), Failure> {
        for (arm, answers) in self.arms.iter_mut().zip(&mut self.answers) {
            arm.fire(batch, answers)?;
        }
        Ok(())
    }

    /// Counts a packet of the batch, and gives both answers where it ends differently.
    fn changed(&mut self, index: usize) -> Option<[Answer; 2]> {
        let [first, second] = [0, 1].map(|side| &self.answers[side][index]);
        self.report.packets += 1;
        let (ours, theirs) = match (first, second) {
            (Answer::Unjudged(why), _) | (_, Answer::Unjudged(why)) => {
                *self.report.unjudged.entry(why.to_string()).or_default() += 1;
                return None;
            }
            (Answer::Judged(ours), Answer::Judged(theirs)) => (ours, theirs),
        };
        if first == second || same_ends(ours, theirs) {
            return None;
        }
        self.report.changed += 1;
        Some([first.clone(), second.clone()])
    }
}

/// Both rulesets before all judges.
struct Duel<'s> {
    subjects: &'s [Subject; 2],
    benches: Vec<Bench>,
    kinds: BTreeMap<Kind, usize>,
    changes: Vec<Change>,
}

impl Duel<'_> {
    /// Judges a batch; gives how many verdicts changed.
    fn fire(&mut self, batch: &Batch) -> Result<u64, Failure> {
        for bench in &mut self.benches {
            bench.fire(batch)?;
        }
        let mut changed = 0;
        for (index, packet) in batch.packets.iter().enumerate() {
            for judge in 0..self.benches.len() {
                if let Some(answers) = self.benches[judge].changed(index) {
                    changed += 1;
                    self.keep(judge, batch, packet, answers)?;
                }
            }
        }
        Ok(changed)
    }

    fn keep(
        &mut self,
        judge: usize,
        batch: &Batch,
        packet: &Packet,
        answers: [Answer; 2],
    ) -> Result<(), Failure> {
        let connections = Divergence::connections_of(batch, packet);
        let Some(Bench { arms, .. }) = self.benches.first_mut() else {
            return Ok(());
        };
        let [first, second] = arms;
        let paths = [first, second].map(|arm| arm.trace(packet, &connections));
        let [first, second] = paths;
        let paths = [first?.1, second?.1].map(matched);
        let shared = shared(self.subjects, &paths);
        let parting = |side: usize| paths[side].get(shared).map(place);
        let endings = [Ending::of(&answers[0]), Ending::of(&answers[1])];
        let kind = (endings[0], endings[1], parting(0), parting(1));
        let judges = self.benches.len();
        let at = *self.kinds.entry(kind).or_insert(self.changes.len());
        let known = self.changes.get_mut(at);
        let mut packets = match &known {
            Some(known) => known.packets.clone(),
            None => vec![0; judges],
        };
        packets[judge] += 1;
        let change = Change {
            endings,
            packets,
            packet: packet.clone(),
            connections,
            answers,
            paths,
            shared,
        };
        match known {
            None => self.changes.push(change),
            Some(known) if change.length() < known.length() => *known = change,
            Some(known) => known.packets = change.packets,
        }
        Ok(())
    }
}

fn matched(mut steps: Vec<Step>) -> Vec<Step> {
    steps.retain(|step| step.matched.is_ok());
    steps
}

fn place(step: &Step) -> String {
    match step.rule_id() {
        Some(rule) => format!("{} {rule}", step.hook),
        None => format!("{} {}/{} end", step.hook, step.table, step.chain),
    }
}

/// How many steps of two paths are the same, from the first on: rules of the same text at the same hook,
/// wherever they stand in their chains.
fn shared(subjects: &[Subject; 2], [first, second]: &[Vec<Step>; 2]) -> usize {
    let both = first.iter().zip(second);
    let same = both.take_while(|(one, other)| {
        one.hook == other.hook
            && one.chain == other.chain
            && one.table == other.table
            && one.before == other.before
            && text(&subjects[0].firewall, one) == text(&subjects[1].firewall, other)
    });
    same.count()
}

/// What a step is, but for its place: its rule without comments, which say who wrote it, or what a
/// chain's end did.
fn text(firewall: &Firewall, step: &Step) -> String {
    let Some(rule) = step.rule_id().and_then(|id| firewall.rule(&id)) else {
        return step.did.clone();
    };
    let mut bare = rule.clone();
    bare.matches.retain(|one| !matches!(one, Match::Comment(_)));
    print_rule(&step.chain, &bare, step.family)
}

/// Whether every end that one ruleset allows a packet is one that the other allows it.
fn same_ends(ours: &[Possible], theirs: &[Possible]) -> bool {
    let within = |some: &[Possible], others: &[Possible]| {
        some.iter()
            .all(|one| others.iter().any(|other| End::of(one) == End::of(other)))
    };
    within(ours, theirs) && within(theirs, ours)
}

/// How a packet ends, and as what it goes on.
#[derive(PartialEq)]
enum End {
    Delivered(Option<Headers>, Vec<OpenPort>),
    Sent(InterfaceName, Option<Headers>, Vec<OpenPort>),
    /// Whether its sender was told.
    Dropped(bool),
    Unrouted,
    Unhooked,
}

/// A port that chance chooses: whether it is the source's, and the ends of its range.
type OpenPort = (bool, u16, u16);

impl End {
    fn of(one: &Possible) -> Self {
        let headers = one.journey.sights.last().map(|sight| sight.headers);
        let open = one.open.iter();
        let open = open.map(|open| (open.source, open.first, open.last));
        match one.journey.fate {
            Fate::Local => Self::Delivered(headers, open.collect()),
            Fate::Sent(interface) => Self::Sent(interface, headers, open.collect()),
            Fate::Dropped(_) => Self::Dropped(!one.journey.answers.is_empty()),
            Fate::Unrouted(_) => Self::Unrouted,
            Fate::Unhooked => Self::Unhooked,
        }
    }
}
