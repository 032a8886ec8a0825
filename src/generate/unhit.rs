//! Why no packet matches a rule, found by changing the firewall until one does.
//!
//! What is in the way of a packet that meets all the rule asks is taken away, one rule after the
//! other, until the packet comes through; then every change that was not needed is put back. The
//! changes that remain are the explanation, and the packet is its proof: whoever doubts it makes the
//! changes and sends the packet.

use std::collections::BTreeSet;
use std::fmt;

use super::bits::Seeded;
use super::coverage::Coverage;
use super::draft::Draft;
use super::edit::Edit;
use super::ground::Ground;
use super::lack::{lacks, newcomer};
use super::paths::{AllPaths, Path, conditions_of};
use super::question::{Condition, Question, conditions, module};
use super::random::Stream;
use super::search::{Search, clauses};
use super::standing::Shot;
use super::stop::{Stop, missed_mark, stop};
use crate::journey::Step;
use crate::model::Machine;
use crate::node::Node;
use crate::xtables::ruleset::InterfacePattern;
use crate::xtables::{Backend, Firewall, Hook, RuleId, Target};

/// How many changes are tried before the search gives up.
const EDITS: usize = 24;
/// How many packets are made until one shows what is in the way.
const DRAFTS: usize = 8;
/// How many paths to the rule are tried.
const PATHS: usize = 3;

/// Why no packet matches a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A packet does: the explanation's witness, with no changes.
    Hit,
    /// No rule that is reached from a hook calls its chain.
    Uncalled,
    /// These rules or policies stand before it and end, lead away or unmark every packet that would
    /// match.
    Shadowed,
    /// A set that it, or the way to it, asks for has no members.
    EmptySet(String),
    /// The node has no interface that it, or the way to it, asks for.
    NoInterface(String),
    /// Routing refuses the addresses that it asks for: loopback ones from outside.
    Unroutable,
    /// Its own questions, or those on the way to it, can't all be answered as it wants.
    Contradiction,
    /// It asks for something that no packet brings here (a module's name), such as the sender's
    /// process or the time.
    Beyond(String),
    /// None of these was found.
    Unknown,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit => f.write_str("a packet matches it after all"),
            Self::Uncalled => f.write_str("its chain is not reached from any hook"),
            Self::Shadowed => f.write_str("it is shadowed"),
            Self::EmptySet(set) => write!(f, "the set {set} is empty"),
            Self::NoInterface(name) => write!(f, "the node has no interface {name}"),
            Self::Unroutable => f.write_str("routing refuses the addresses that it asks for"),
            Self::Contradiction => {
                f.write_str("its questions and those on its way contradict each other")
            }
            Self::Beyond(module) => write!(f, "no packet here can meet `-m {module}`"),
            Self::Unknown => f.write_str("no reason was found"),
        }
    }
}

/// Why no packet matches a rule, and the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The rule.
    pub rule: RuleId,
    /// Why.
    pub reason: Reason,
    /// The changes after which the witness matches the rule; none of them can be spared.
    pub edits: Vec<Edit>,
    /// The packet that matches then; `None` where no proof was found.
    pub witness: Option<Shot>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.reason)?;
        for (number, edit) in self.edits.iter().enumerate() {
            write!(
                f,
                "{} {edit}",
                if number == 0 { "; it is hit" } else { "," }
            )?;
        }
        match &self.witness {
            Some(shot) => write!(f, " by {}", shot.packet),
            None => Ok(()),
        }
    }
}

/// Explains why no packet matches a rule of a firewall, as a backend reads it; the model must be able to
/// load it so.
#[must_use]
pub fn explain_unhit(
    backend: Backend,
    node: &Node,
    firewall: &Firewall,
    rule: &RuleId,
    seed: u64,
) -> Explanation {
    let case = Case {
        backend,
        node,
        firewall,
        rule,
        seed,
    };
    let paths = AllPaths::of(firewall).to(rule).len().clamp(1, PATHS);
    let proofs = (0..paths).filter_map(|number| case.prove(number));
    let shortest = proofs.min_by_key(|(edits, _)| edits.len());
    let hit = matches!(&shortest, Some((edits, _)) if edits.is_empty());
    let shortest = if hit {
        shortest
    } else {
        case.newcomer().or(shortest)
    };
    match shortest {
        Some((edits, draft)) => Explanation {
            reason: case.reason(&edits),
            rule: rule.clone(),
            edits,
            witness: Some(draft.shot),
        },
        None => Explanation {
            rule: rule.clone(),
            reason: case.beyond(rule).unwrap_or(Reason::Unknown),
            edits: Vec::new(),
            witness: None,
        },
    }
}

struct Case<'a> {
    backend: Backend,
    node: &'a Node,
    firewall: &'a Firewall,
    rule: &'a RuleId,
    seed: u64,
}

/// What a look at a changed firewall shows.
enum Look {
    /// This packet matches.
    Hit(Box<Draft>),
    /// This change may help.
    Change(Edit),
    /// Nothing helps.
    Stuck,
}

impl Case<'_> {
    /// An interface that is met by the beginning of a name and that no rule names in full, where the
    /// node has none; and the packet that matches because of it.
    fn newcomer(&self) -> Option<(Vec<Edit>, Draft)> {
        let rules = self.firewall.ruleset(self.rule.family).rules();
        let asked = rules.flat_map(|(_, rule)| conditions(rule));
        let patterns = asked.filter_map(|condition| match condition.question {
            Question::In(InterfacePattern::Prefix(prefix))
            | Question::Out(InterfacePattern::Prefix(prefix)) => Some(prefix),
            _ => None,
        });
        let prefixes: BTreeSet<&String> = patterns.filter(|prefix| !prefix.is_empty()).collect();
        prefixes.into_iter().find_map(|prefix| {
            let names = (0..100).filter_map(|number| format!("{prefix}{number}").parse().ok());
            let name = names
                .into_iter()
                .find(|name| self.node.interface(*name).is_none())?;
            let edits = vec![Edit::Connect(newcomer(name, self.rule.family))];
            let draft = self.hit(&edits, None)?;
            Some((edits, draft))
        })
    }

    /// Changes and a packet, by the path of a number.
    fn prove(&self, path: usize) -> Option<(Vec<Edit>, Draft)> {
        let mut edits = Vec::new();
        for _ in 0..EDITS {
            match self.look(&edits, path) {
                Look::Hit(draft) => return Some(self.needed(edits, *draft)),
                Look::Change(edit) if !edits.contains(&edit) => edits.push(edit),
                Look::Change(_) | Look::Stuck => return None,
            }
        }
        None
    }

    fn look(&self, edits: &[Edit], number: usize) -> Look {
        let (node, firewall) = Edit::all(edits, self.node, self.firewall);
        let paths = AllPaths::of(&firewall);
        let known = paths.to(self.rule);
        let Some(path) = known.get(number % known.len().max(1)) else {
            return self.call(edits);
        };
        let ground = Ground::new(&node, &firewall);
        if let Some(edit) = lacks(&ground, path, self.rule) {
            return Look::Change(edit);
        }
        let Ok(mut machine) = Machine::new(self.backend, &node, &firewall) else {
            return Look::Stuck;
        };
        let mut coverage = Coverage::new(&mut machine);
        let mut search = self.search(&ground, &paths);
        if let Some(draft) = search.find(self.rule, &mut coverage) {
            return Look::Hit(Box::new(draft));
        }
        let wanted = clauses(&firewall, path, self.rule);
        let mut drafts: Vec<Draft> = Vec::new();
        for _ in 0..DRAFTS {
            let Some(draft) = search.solve(self.rule.family, &wanted) else {
                break;
            };
            let steps = coverage.steps(&draft);
            if let Some(edit) = self.clear(&steps, path, &firewall) {
                return Look::Change(edit);
            }
            drafts.push(draft);
        }
        match drafts.first() {
            None => self.contradiction(&mut search, &firewall, path, edits),
            Some(draft) => self.unroutable(draft, edits),
        }
    }

    /// Routing ends every packet that the rule asks for: where it is for their loopback addresses,
    /// interfaces can be told to take them; else the rule itself must ask for less.
    fn unroutable(&self, draft: &Draft, edits: &[Edit]) -> Look {
        let packet = &draft.shot.packet;
        let loopback = packet.source.is_loopback() || packet.destination.is_loopback();
        if loopback && !edits.contains(&Edit::RouteLocalnet) {
            Look::Change(Edit::RouteLocalnet)
        } else {
            Look::Change(Edit::Relax(self.rule.clone()))
        }
    }

    /// The rule's chain is called by nobody: some hook that has its table calls it.
    fn call(&self, edits: &[Edit]) -> Look {
        let called = |hook: &Hook| {
            let edit = Edit::Call {
                family: self.rule.family,
                table: self.rule.table,
                hook: *hook,
                chain: self.rule.chain.clone(),
            };
            let (node, firewall) = Edit::all(std::slice::from_ref(&edit), self.node, self.firewall);
            let paths = AllPaths::of(&firewall);
            let path = paths.to(self.rule).first()?;
            let ground = Ground::new(&node, &firewall);
            let mut search = self.search(&ground, &paths);
            let wanted = clauses(&firewall, path, self.rule);
            Machine::new(self.backend, &node, &firewall).ok()?;
            search.solve(self.rule.family, &wanted)?;
            Some(edit)
        };
        let hooks = Hook::ALL
            .iter()
            .filter(|hook| self.rule.table.stands_at(**hook));
        match hooks.filter(|_| edits.is_empty()).find_map(called) {
            Some(edit) => Look::Change(edit),
            None => Look::Stuck,
        }
    }

    /// The way asks for what no packet brings together: the first rule of it without whose questions
    /// the others can be met, or the rule itself.
    fn contradiction(
        &self,
        search: &mut Search<'_, '_, Seeded>,
        firewall: &Firewall,
        path: &Path,
        edits: &[Edit],
    ) -> Look {
        let relaxed = |id: &RuleId| edits.contains(&Edit::Relax(id.clone()));
        let rules: Vec<RuleId> = path.rules(self.rule).filter(|id| !relaxed(id)).collect();
        let mut helps = |id: &&RuleId| {
            let asked = conditions_of(firewall, path, self.rule);
            let own = firewall.rule(id).map(conditions).unwrap_or_default();
            let rest = asked
                .into_iter()
                .filter(|condition| !own.contains(condition));
            let wanted: Vec<Vec<Condition<'_>>> = rest.map(|condition| vec![condition]).collect();
            search.solve(self.rule.family, &wanted).is_some()
        };
        let helping = rules.iter().find(|id| helps(id)).or_else(|| rules.first());
        match helping {
            Some(id) => Look::Change(Edit::Relax(id.clone())),
            None => Look::Stuck,
        }
    }

    /// Takes away what stopped a packet.
    fn clear(&self, steps: &[Step], path: &Path, firewall: &Firewall) -> Option<Edit> {
        match stop(steps, path, self.rule) {
            Stop::Rules(stack) => stack
                .last()
                .and_then(|step| step.rule_id())
                .map(Edit::Neutralise),
            Stop::Policy(step) => Hook::of_chain(&step.chain).map(|hook| Edit::AcceptAtEnd {
                family: step.family,
                table: step.table,
                hook,
            }),
            Stop::Unmet(id, at) => {
                let asked = firewall.rule(&id).map(conditions).unwrap_or_default();
                let culprit = asked
                    .iter()
                    .find_map(|condition| unmarked(condition, at, steps));
                let culprit = culprit.or_else(|| translated(steps, firewall));
                Some(culprit.map_or(Edit::Relax(id), Edit::Neutralise))
            }
            Stop::Unseen => None,
        }
    }

    /// The changes without which no packet is found that matches, and one that does; the other
    /// changes are put back.
    fn needed(&self, edits: Vec<Edit>, draft: Draft) -> (Vec<Edit>, Draft) {
        let mut needed = (edits, draft);
        for place in (0..needed.0.len()).rev() {
            let mut fewer = needed.0.clone();
            fewer.remove(place);
            if let Some(draft) = self.hit(&fewer, Some(&needed.1)) {
                needed = (fewer, draft);
            }
        }
        needed
    }

    /// A packet that matches after some changes: this one, or another.
    fn hit(&self, edits: &[Edit], draft: Option<&Draft>) -> Option<Draft> {
        let (node, firewall) = Edit::all(edits, self.node, self.firewall);
        let mut machine = Machine::new(self.backend, &node, &firewall).ok()?;
        let mut coverage = Coverage::new(&mut machine);
        if let Some(draft) = draft
            && coverage.note(draft).matches(self.rule)
        {
            return Some(draft.clone());
        }
        let paths = AllPaths::of(&firewall);
        let ground = Ground::new(&node, &firewall);
        self.search(&ground, &paths).find(self.rule, &mut coverage)
    }

    fn search<'g, 'f>(
        &self,
        ground: &'g Ground<'f>,
        paths: &'g AllPaths,
    ) -> Search<'g, 'f, Seeded> {
        let stream = Stream::new(ground, Seeded::new(self.seed), Vec::new());
        Search::new(ground, paths, stream, Seeded::new(!self.seed))
    }

    fn reason(&self, edits: &[Edit]) -> Reason {
        let reason = edits.iter().find_map(|edit| match edit {
            Edit::Call { .. } => Some(Reason::Uncalled),
            Edit::Fill { set, .. } => Some(Reason::EmptySet(set.clone())),
            Edit::Connect(interface) => Some(Reason::NoInterface(interface.name.to_string())),
            Edit::RouteLocalnet => Some(Reason::Unroutable),
            Edit::Relax(id) => Some(self.beyond(id).unwrap_or(Reason::Contradiction)),
            Edit::Neutralise(_) | Edit::AcceptAtEnd { .. } => None,
        });
        reason.unwrap_or(if edits.is_empty() {
            Reason::Hit
        } else {
            Reason::Shadowed
        })
    }

    /// What a rule asks for that no packet brings.
    fn beyond(&self, id: &RuleId) -> Option<Reason> {
        let asked = self.firewall.rule(id).map(conditions).unwrap_or_default();
        asked.iter().find_map(|condition| match condition.question {
            Question::Beyond(one) => Some(Reason::Beyond(module(one).to_owned())),
            _ => None,
        })
    }
}

/// The last rule that made a packet fail a question about its mark.
fn unmarked(condition: &Condition<'_>, at: &Step, steps: &[Step]) -> Option<RuleId> {
    let (test, wanted) = missed_mark(condition, at)?;
    let spoils = |step: &&Step| {
        step.before.matches(test.value, test.mask) == wanted
            && step.after.matches(test.value, test.mask) != wanted
    };
    steps.iter().rev().find(spoils).and_then(Step::rule_id)
}

/// The last rule that translated a packet.
fn translated(steps: &[Step], firewall: &Firewall) -> Option<RuleId> {
    let matched = steps
        .iter()
        .rev()
        .filter(|step| step.matched.is_ok())
        .filter_map(Step::rule_id);
    let translates = |id: &RuleId| {
        let target = firewall.rule(id).map(|rule| &rule.target);
        matches!(
            target,
            Some(
                Target::Dnat(_)
                    | Target::Snat(_)
                    | Target::Redirect(_)
                    | Target::Netmap { .. }
                    | Target::Masquerade(_)
            )
        )
    };
    matched.into_iter().find(translates)
}
