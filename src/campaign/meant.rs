//! A node's dump held against what Calico's resources mean there.
//!
//! The dump's rules are read as each backend reads them; what Felix would write for the resources stands
//! beside them, for two reasons. Packets are aimed at its rules as well as at the dump's, because a rule
//! that the dump lost attracts none. And where a packet goes wrong in the dump, the first rule at which its
//! way parts from the one through Felix's own rules is where the dump was changed; where Felix's own rules
//! do the same, it wasn't.

use std::collections::BTreeMap;

use super::source::Source;
use super::trial::{Expected, classify};
use super::{Options, Subject, Watch};
use crate::arm::plan::{Plan, Unplanned};
use crate::calico::Resources;
use crate::calico::resources::Api;
use crate::diff::judgement::{Division, Outcome};
use crate::diff::meaning::{End, sure};
use crate::generate::batch::Batches;
use crate::generate::bits::Seeded;
use crate::generate::ground::Ground;
use crate::generate::traffic::Traffic;
use crate::import::foreign::{has_felix, without_felix};
use crate::intent::Verdict;
use crate::journey::Step;
use crate::model::Connections;
use crate::packet::{Batch, Connection, Family, Packet};
use crate::render::Layout;
use crate::scenario::Scenario;
use crate::verdict::NotProgrammed;
use crate::xtables::set::Set;
use crate::xtables::{Backend, Firewall, Match, Rule, RuleId, ipset, save};

/// How many packets are put together at the most.
const SIZE: usize = 4000;

/// How many members of a set are named that it lacks, or has besides.
const MEMBERS: usize = 5;

/// What came of holding a dump against its resources.
#[derive(Debug)]
pub struct Meaning {
    /// In which layout Felix's own rules were written.
    pub layout: Layout,
    /// The families that Felix has rules of in the dump: the others are not judged.
    pub families: Vec<Family>,
    /// How many packets were judged, once for each backend's reading.
    pub packets: u64,
    /// How many of them do not do what is meant.
    pub unmeant: u64,
    /// Why some could not be judged, and how many.
    pub unjudged: BTreeMap<String, u64>,
    /// What does not do what is meant, the first packet of each kind.
    pub findings: Vec<Unmeant>,
}

/// A packet to which the dump does not do what is meant.
#[derive(Debug)]
pub struct Unmeant {
    /// How many there were like it: decided alike, by a last rule like it.
    pub like_it: u64,
    /// Whose reading of the rules.
    pub backend: Backend,
    /// The packet.
    pub packet: Packet,
    /// The connections that exist when it comes.
    pub connections: Vec<Connection>,
    /// What is meant.
    pub verdict: Verdict,
    /// Where it is to come out, in words, if it is.
    pub exit: Option<String>,
    /// Who decided so, and who allowed it before, in the policies' own names.
    pub decisions: Vec<String>,
    /// How it ends in the dump.
    pub found: Option<End>,
    /// How it ends by Felix's own rules.
    pub written: Option<End>,
    /// The known cause by which Felix's own rules differ from what is meant, where one covers it.
    pub cause: Option<&'static str>,
    /// The dump's rules that matched it.
    pub steps: Vec<Step>,
    /// Where its way parts from the one through Felix's own rules.
    pub parting: Option<Parting>,
}

impl Unmeant {
    /// Whether Felix's own rules do the same, so that the dump is not to blame.
    #[must_use]
    pub fn as_written(&self) -> bool {
        self.found == self.written
    }
}

/// Where a packet's way through the dump parts from the one through Felix's own rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The rule of Felix's that matches there, and its text.
    pub written: Option<(RuleId, String)>,
    /// The rule of the dump's that does, and its text.
    pub found: Option<(RuleId, String)>,
    /// What one of the two asks of sets whose members differ.
    pub sets: Vec<SetParting>,
}

/// How a set of the dump's differs from Felix's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetParting {
    /// Its name.
    pub name: String,
    /// Members that it lacks, the first few.
    pub lacks: Vec<String>,
    /// Members that it has besides, the first few.
    pub has: Vec<String>,
}

/// Why a dump is not judged.
#[derive(Debug, thiserror::Error)]
pub enum NotHeld {
    /// Felix never sees such resources.
    #[error(transparent)]
    Unplanned(#[from] Unplanned),
    /// The dump's rules can't be loaded.
    #[error(transparent)]
    Refused(#[from] NotProgrammed),
    /// Felix has written nothing there.
    #[error("no chain of the dump is Felix's")]
    NoFelix,
    /// The intent does not know the resources' era.
    #[error(transparent)]
    NotOfThisEra(#[from] crate::intent::NotOfThisEra),
}

/// The layout whose chains a dump has more of; the newer one where it has as many of both.
///
/// # Errors
///
/// Where no layout can write rules for the resources.
pub fn layout_of(subject: &Subject, resources: &Resources) -> Result<Layout, Unplanned> {
    let mut best = Err(None);
    for layout in Layout::ALL {
        match plan(subject, resources, layout) {
            Ok(plan) => {
                let count = rules_in_common(&subject.firewall, &plan.firewall);
                if best.as_ref().map_or(true, |(most, _)| count >= *most) {
                    best = Ok((count, layout));
                }
            }
            Err(why) => best = best.map_err(|_| Some(why)),
        }
    }
    match best {
        Ok((_, layout)) => Ok(layout),
        // There is a layout, so there is a reason.
        Err(why) => why.map_or(Ok(Layout::Modern), Err),
    }
}

/// How many rules two firewalls have in the same chains with the same text, which has Felix's hash.
fn rules_in_common(one: &Firewall, other: &Firewall) -> usize {
    let texts = |firewall: &Firewall| -> std::collections::BTreeSet<String> {
        let families = Family::BOTH.into_iter();
        let rules = families.flat_map(|family| firewall.ruleset(family).rules());
        rules
            .map(|(id, rule)| {
                format!(
                    "{}{}",
                    id.table,
                    save::print_rule(&id.chain, rule, id.family)
                )
            })
            .collect()
    };
    texts(one).intersection(&texts(other)).count()
}

/// What Felix would program for the resources beside what others have in the dump.
fn plan(subject: &Subject, resources: &Resources, layout: Layout) -> Result<Plan, Unplanned> {
    let scenario = Scenario {
        name: subject.name.clone(),
        why: None,
        node: subject.node.clone(),
        firewall: without_felix(&subject.firewall),
        resources: Some(resources.clone()),
        completed: Vec::new(),
        batch: Batch::default(),
        changed: None,
    };
    Plan::new(layout, &scenario)
}

/// Holds a dump against what resources mean on its node.
///
/// # Errors
///
/// [`NotHeld`] where there is nothing to be held against, or the dump can't be loaded.
pub fn hold(
    subject: &Subject,
    resources: &Resources,
    layout: Layout,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Meaning, NotHeld> {
    let families: Vec<Family> = Family::BOTH
        .into_iter()
        .filter(|family| has_felix(subject.firewall.ruleset(*family)))
        .collect();
    if families.is_empty() {
        return Err(NotHeld::NoFelix);
    }
    let written = plan(subject, resources, layout)?;
    let dumped = written.with_firewall(subject.firewall.clone())?;
    let mut court = Court {
        backends: &options.backends,
        families,
        written,
        dumped,
        kinds: BTreeMap::new(),
        meaning: Meaning {
            layout,
            families: Vec::new(),
            packets: 0,
            unmeant: 0,
            unjudged: BTreeMap::new(),
            findings: Vec::new(),
        },
    };
    for batch in batches(subject, resources.api, &court.written, options) {
        if watch.stop() {
            break;
        }
        court.hear(&batch)?;
    }
    Ok(court.close())
}

/// Packets aimed at the policies, at Felix's own rules and at the dump's, of each as many.
fn batches(subject: &Subject, api: Api, written: &Plan, options: &Options) -> Vec<Batch> {
    let share = Options {
        packets: (options.packets / 3).max(1),
        ..options.clone()
    };
    let intended = Subject {
        firewall: written.firewall.clone(),
        ..subject.clone()
    };
    let mut batches = Vec::new();
    if let Some(calico) = &written.calico {
        let ground = Ground::new(&written.node, &written.firewall);
        let traffic = Traffic::new(&calico.world, api, &written.node, &written.firewall);
        let count = usize::try_from(share.packets).unwrap_or(usize::MAX);
        let shots = traffic.shots(&mut Seeded::new(options.seed), count);
        batches.extend(Batches::new(&ground, shots.into_iter(), SIZE).map(|salvo| salvo.batch));
    }
    for one in [&intended, subject] {
        let source = Source::new(one, &share);
        batches.extend((0..).map_while(|unit| source.unit(unit)).flatten());
    }
    batches
}

/// What divergences of one kind have in common: who decided, and the dump's last rule.
type Kind = (Vec<String>, Option<RuleId>, bool);

/// Where the packets are heard.
struct Court<'a> {
    backends: &'a [Backend],
    families: Vec<Family>,
    written: Plan,
    dumped: Plan,
    kinds: BTreeMap<Kind, usize>,
    meaning: Meaning,
}

impl Court<'_> {
    fn hear(&mut self, batch: &Batch) -> Result<(), NotHeld> {
        let batch = Batch {
            connections: batch.connections.clone(),
            packets: batch
                .packets
                .iter()
                .filter(|packet| self.families.contains(&packet.family()))
                .cloned()
                .collect(),
            order: batch.order,
        };
        let expected = Expected::of(&mut self.dumped.bench()?, self.backends, &batch);
        for place in 0..batch.packets.len() {
            self.meaning.packets += 1;
            let said = expected.said(&self.dumped.node, [None, None], place);
            match said.outcome() {
                Outcome::Agree => {}
                Outcome::Unjudged(why) => {
                    *self.meaning.unjudged.entry(why.to_string()).or_default() += 1;
                }
                Outcome::Differ(division) => self.find(&batch, place, &expected, &division)?,
            }
        }
        Ok(())
    }

    fn find(
        &mut self,
        batch: &Batch,
        place: usize,
        expected: &Expected,
        division: &Division,
    ) -> Result<(), NotHeld> {
        self.meaning.unmeant += 1;
        let backend = division.backend();
        let packet = &batch.packets[place];
        let all = Connections::new(&batch.connections);
        let (answer, steps) = self.dumped.machine(backend).trace(&all, packet);
        let (by_felix, as_written) = self.written.machine(backend).trace(&all, packet);
        let Some(opinion) = expected.opinions.get(place) else {
            return Ok(());
        };
        let bench = self.dumped.bench()?;
        let decisions: Vec<String> = match &bench.calico {
            Some(oracle) => opinion
                .decisions()
                .map(|decision| oracle.judge.words(decision).to_string())
                .collect(),
            None => Vec::new(),
        };
        let found = sure(&answer);
        let last = steps.iter().rev().find(|step| step.matched.is_ok());
        let last = last.and_then(Step::rule_id);
        let kind = (decisions.clone(), last, found == Some(End::Lost));
        if let Some(known) = self.kinds.get(&kind) {
            self.meaning.findings[*known].like_it += 1;
            return Ok(());
        }
        self.kinds.insert(kind, self.meaning.findings.len());
        let parting = parting(
            (&self.written.firewall, &as_written),
            (&self.dumped.firewall, &steps),
        );
        let node = self.dumped.node.clone();
        let said = expected.said(&node, [None, None], place);
        let connections = expected.connections(batch, place);
        let class = classify(&mut self.dumped, packet, &connections, said, division);
        self.meaning.findings.push(Unmeant {
            like_it: 1,
            backend,
            packet: packet.clone(),
            connections,
            verdict: opinion.verdict,
            exit: opinion.exit.map(|exit| exit.to_string()),
            decisions,
            found,
            written: sure(&by_felix),
            cause: class.cause,
            steps: steps.into_iter().filter(is_match).collect(),
            parting,
        });
        Ok(())
    }

    fn close(self) -> Meaning {
        let mut meaning = self.meaning;
        meaning.families = self.families;
        // What the dump is to blame for comes first, and of that what there is most of.
        meaning
            .findings
            .sort_by_key(|one| (one.as_written(), std::cmp::Reverse(one.like_it)));
        meaning
    }
}

fn is_match(step: &Step) -> bool {
    step.matched.is_ok() && step.rule.is_some()
}

/// The first rule at which two ways part, written and found.
fn parting(written: (&Firewall, &[Step]), found: (&Firewall, &[Step])) -> Option<Parting> {
    let matched = |steps: &[Step]| -> Vec<RuleId> {
        let steps = steps.iter().filter(|step| is_match(step));
        steps.filter_map(Step::rule_id).collect()
    };
    let text = |firewall: &Firewall, id: &RuleId| {
        let rule = firewall.rule(id)?;
        Some(save::print_rule(&id.chain, rule, id.family))
    };
    let (wrote, has) = (matched(written.1), matched(found.1));
    let same = |at: &usize| {
        let (one, other) = (wrote.get(*at), has.get(*at));
        let texts = (
            one.and_then(|id| text(written.0, id)),
            other.and_then(|id| text(found.0, id)),
        );
        one.map(|id| id.table) == other.map(|id| id.table) && texts.0 == texts.1
    };
    let at = (0..wrote.len().max(has.len())).find(|at| !same(at))?;
    let of = |firewall: &Firewall, ids: &[RuleId]| {
        let id = ids.get(at)?;
        Some((id.clone(), text(firewall, id)?))
    };
    let (wrote, has) = (of(written.0, &wrote), of(found.0, &has));
    let asked = [(written.0, &wrote), (found.0, &has)];
    let rules = asked.into_iter().filter_map(|(firewall, one)| {
        let (id, _) = one.as_ref()?;
        firewall.rule(id)
    });
    let mut sets: Vec<SetParting> = Vec::new();
    for name in rules.flat_map(sets_of) {
        let sides = [written.0, found.0].map(|firewall| members(firewall, &name));
        let parting = SetParting::between(name, &sides);
        if let Some(parting) = parting.filter(|parting| !sets.contains(parting)) {
            sets.push(parting);
        }
    }
    Some(Parting {
        written: wrote,
        found: has,
        sets,
    })
}

/// The sets that a rule asks.
fn sets_of(rule: &Rule) -> impl Iterator<Item = String> + '_ {
    rule.matches.iter().filter_map(|one| match one {
        Match::Set(test) => Some(test.name.clone()),
        _ => None,
    })
}

/// The members of a set, as `ipset` writes them.
fn members(firewall: &Firewall, name: &str) -> Vec<String> {
    let sets: Vec<Set> = firewall
        .sets
        .iter()
        .filter(|set| set.name == name)
        .cloned()
        .collect();
    let text = ipset::print_save(&sets);
    let added = format!("add {name} ");
    let members = text.lines().filter_map(|line| line.strip_prefix(&added));
    members.map(str::to_owned).collect()
}

impl SetParting {
    fn between(name: String, [written, found]: &[Vec<String>; 2]) -> Option<Self> {
        let without = |all: &[String], other: &[String]| -> Vec<String> {
            let own = all.iter().filter(|one| !other.contains(one));
            own.take(MEMBERS).cloned().collect()
        };
        let parting = Self {
            name,
            lacks: without(written, found),
            has: without(found, written),
        };
        (!parting.lacks.is_empty() || !parting.has.is_empty()).then_some(parting)
    }
}
