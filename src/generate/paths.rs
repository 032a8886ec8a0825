//! How packets get from a hook to a rule: the jumps on the way.

use std::collections::{BTreeMap, VecDeque};

use super::question::{Condition, Question, conditions};
use crate::packet::Family;
use crate::xtables::matches::States;
use crate::xtables::{Firewall, Hook, RuleId, Table, TableName, Target};

/// How many paths to a chain are followed: the shortest.
const PATHS: usize = 8;
/// How many jumps deep.
const DEPTH: usize = 16;

/// A way from a hook to a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The hook.
    pub hook: Hook,
    /// The rules that jump, from the built-in chain on: the chain's name, and the rule's index.
    pub jumps: Vec<(String, usize)>,
}

impl Path {
    /// The rules on the way to a rule, it itself the last.
    pub fn rules<'p>(&'p self, rule: &'p RuleId) -> impl Iterator<Item = RuleId> + 'p {
        let jumps = self.jumps.iter().map(|(chain, index)| RuleId {
            chain: chain.clone(),
            index: *index,
            ..rule.clone()
        });
        jumps.chain([rule.clone()])
    }
}

/// The shortest ways to every chain of a table.
#[derive(Clone, Debug)]
pub struct Paths {
    chains: BTreeMap<String, Vec<Path>>,
}

impl Paths {
    /// The paths of a table, by breadth first: of every length, in the order of the rules.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        let mut chains: BTreeMap<String, Vec<Path>> = BTreeMap::new();
        let mut queue = VecDeque::new();
        for hook in Hook::ALL {
            if table.chain(hook.chain()).is_some() {
                let path = Path {
                    hook,
                    jumps: Vec::new(),
                };
                queue.push_back((hook.chain().to_owned(), path));
            }
        }
        while let Some((name, path)) = queue.pop_front() {
            let known = chains.entry(name.clone()).or_default();
            if known.len() >= PATHS || path.jumps.len() > DEPTH {
                continue;
            }
            known.push(path.clone());
            let rules = table.chain(&name).map_or(&[][..], |chain| &chain.rules);
            for (index, rule) in rules.iter().enumerate() {
                if let Target::Jump(to) | Target::Goto(to) = &rule.target {
                    let mut longer = path.clone();
                    longer.jumps.push((name.clone(), index));
                    queue.push_back((to.clone(), longer));
                }
            }
        }
        Self { chains }
    }

    /// The paths to a chain.
    #[must_use]
    pub fn to(&self, chain: &str) -> &[Path] {
        self.chains.get(chain).map_or(&[], Vec::as_slice)
    }
}

/// The paths of all tables of a firewall.
#[derive(Clone, Debug)]
pub struct AllPaths(BTreeMap<(u8, TableName), Paths>);

impl AllPaths {
    /// The paths of a firewall.
    #[must_use]
    pub fn of(firewall: &Firewall) -> Self {
        let mut all = BTreeMap::new();
        for family in Family::BOTH {
            for table in &firewall.ruleset(family).tables {
                all.insert((family.bits(), table.name), Paths::of(table));
            }
        }
        Self(all)
    }

    /// The paths to a rule's chain.
    #[must_use]
    pub fn to(&self, rule: &RuleId) -> &[Path] {
        let paths = self.0.get(&(rule.family.bits(), rule.table));
        paths.map_or(&[], |paths| paths.to(&rule.chain))
    }
}

/// All that a packet must meet to come by a path to a rule and to match it. The rule's own
/// conditions are the last ones.
#[must_use]
pub fn conditions_of<'a>(firewall: &'a Firewall, path: &Path, rule: &RuleId) -> Vec<Condition<'a>> {
    let mut all = way_to(firewall, path, rule);
    add(&mut all, firewall, rule);
    all
}

/// All that a packet must meet to come by a path to a rule, whether it matches it or not.
#[must_use]
pub fn way_to<'a>(firewall: &'a Firewall, path: &Path, rule: &RuleId) -> Vec<Condition<'a>> {
    let mut all = vec![Condition::is(Question::At(path.hook))];
    if rule.table == TableName::Nat {
        all.push(Condition::is(Question::States(States::NEW)));
    }
    for id in path.rules(rule).take(path.jumps.len()) {
        add(&mut all, firewall, &id);
    }
    all
}

fn add<'a>(all: &mut Vec<Condition<'a>>, firewall: &'a Firewall, rule: &RuleId) {
    for condition in firewall.rule(rule).map(conditions).unwrap_or_default() {
        if !all.contains(&condition) {
            all.push(condition);
        }
    }
}
