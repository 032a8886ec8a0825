//! Where a fault is planted: at all rules of a kind, for that is what a slip of whoever writes them does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Fault;
use super::change::{self, chain_names};
use super::faults::Wants;
use super::tell::Tell;
use crate::diff::chains::is_of_policy;
use crate::diff::shape::{Shape, is_calicos};
use crate::generate::question::conditions;
use crate::packet::Family;
use crate::xtables::{Firewall, Rule, RuleId};

/// A kind of rules, and which part of them. Rules of policies and profiles ask anything beside anything:
/// they are told by the part alone, those of other chains by their whole shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// The shape of the rules, or of their chain.
    pub rules: Shape,
    /// Which of the questions, or the action; empty where the rules have no other.
    pub part: String,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part.as_str() {
            "" => self.rules.fmt(f),
            part => write!(f, "{}: {part}", self.rules),
        }
    }
}

/// Calico's rules in a firewall, by the shapes that sites name.
pub(super) struct Rules<'a> {
    firewall: &'a Firewall,
    by_shape: BTreeMap<Shape, Vec<(RuleId, &'a Rule)>>,
    /// The first rule of each chain.
    by_chain: BTreeMap<Shape, Vec<RuleId>>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(firewall: &'a Firewall) -> Self {
        let mut rules = Self {
            firewall,
            by_shape: BTreeMap::new(),
            by_chain: BTreeMap::new(),
        };
        let all = Family::BOTH.into_iter();
        for (id, rule) in all.flat_map(|family| firewall.ruleset(family).rules()) {
            if !is_calicos(&id.chain, rule) {
                continue;
            }
            if id.index == 0 && id.chain.starts_with("cali-") {
                let shape = Shape::of_chain(id.table, &id.chain);
                rules.by_chain.entry(shape).or_default().push(id.clone());
            }
            let shape = shape_of(&id, rule);
            rules.by_shape.entry(shape).or_default().push((id, rule));
        }
        rules
    }

    /// Every fault and where it applies, of rules whose like `seen` has not often had yet.
    pub(super) fn faults(&self, seen: &mut BTreeMap<Shape, usize>) -> BTreeSet<(Site, Fault)> {
        let mut found = BTreeSet::new();
        for shape in self.by_chain.keys() {
            let (rules, part) = (shape.clone(), "all rules".to_owned());
            found.insert((Site { rules, part }, Fault::EmptyChain));
        }
        for (id, rule) in self.by_shape.values().flatten() {
            let times = seen
                .entry(Shape::of(id.table, &id.chain, rule))
                .or_default();
            *times += 1;
            if *times > ENOUGH {
                continue;
            }
            for fault in Fault::ALL {
                let places = self.parts(*fault, id, rule).into_iter();
                found.extend(places.map(|part| {
                    let rules = shape_of(id, rule);
                    (Site { rules, part }, *fault)
                }));
            }
        }
        found
    }

    /// The parts of a rule to which a fault applies.
    fn parts(&self, fault: Fault, id: &RuleId, rule: &Rule) -> Vec<String> {
        match fault.wants() {
            Wants::Chain if matches!(fault, Fault::EmptyChain | Fault::FlipPolicy) => Vec::new(),
            Wants::Chain => vec![whole(id, rule)],
            Wants::Set => sets(rule).into_iter().map(|(part, _)| part).collect(),
            Wants::Rule => {
                let variants = self.variants(fault, id, rule).into_iter();
                variants.map(|changed| part(id, rule, &changed)).collect()
            }
        }
    }

    fn variants(&self, fault: Fault, id: &RuleId, rule: &Rule) -> Vec<Rule> {
        let names = match fault {
            Fault::WrongDirection | Fault::NextChain => chain_names(self.firewall, id),
            _ => Vec::new(),
        };
        change::rule::variants(fault, rule, &names)
    }

    /// Where a fault at a site shows, if it does: at which rules, and to which of the packets that come there.
    pub(super) fn tells(&self, site: &Site, fault: Fault) -> Vec<(RuleId, Tell)> {
        let rules = self.by_shape.get(&site.rules).into_iter().flatten();
        match fault.wants() {
            Wants::Rule => rules
                .filter_map(|(id, rule)| {
                    let changed = self.variant(site, fault, id, rule)?;
                    Some((id.clone(), Tell::of(rule, &changed)))
                })
                .collect(),
            Wants::Set => {
                let asked = rules.flat_map(|(_, rule)| sets(rule));
                let asked = asked.filter(|(part, _)| *part == site.part);
                let names: BTreeSet<&str> = asked.map(|(_, name)| name).collect();
                self.askers(&names)
            }
            Wants::Chain => self.tells_of_chains(site, fault),
        }
    }

    /// Every rule that asks for one of some sets, whatever its site.
    fn askers(&self, names: &BTreeSet<&str>) -> Vec<(RuleId, Tell)> {
        let rules = self.by_shape.values().flatten();
        let asking = rules.filter_map(|(id, rule)| {
            let name = change::set::asked(rule).find(|name| names.contains(name))?;
            Some((id.clone(), Tell::of_set(rule, name)))
        });
        asking.collect()
    }

    fn tells_of_chains(&self, site: &Site, fault: Fault) -> Vec<(RuleId, Tell)> {
        let chains = self.places(site, fault).into_iter();
        let tells = chains.flat_map(|(first, places)| {
            let at = |index| RuleId {
                index,
                ..first.clone()
            };
            let matched = |index| {
                let id = at(index);
                let rule = self.firewall.rule(&id)?;
                Some((id, Tell::MATCHED.unless_by_chance(rule)))
            };
            let tells: Vec<(RuleId, Tell)> = match fault {
                Fault::LoseRule | Fault::LosePortSplit | Fault::ReverseTargets => {
                    places.into_iter().filter_map(matched).collect()
                }
                // Neither shows to who matches neither.
                Fault::SwapWithNext => {
                    let pairs = places.into_iter().flat_map(|place| [place, place + 1]);
                    pairs.filter_map(matched).collect()
                }
                _ => vec![(at(0), Tell::Any)],
            };
            tells
        });
        tells.collect()
    }

    /// What a rule of a site becomes by a fault.
    fn variant(&self, site: &Site, fault: Fault, id: &RuleId, rule: &Rule) -> Option<Rule> {
        let mut variants = self.variants(fault, id, rule).into_iter();
        variants.find(|changed| part(id, rule, changed) == site.part)
    }

    /// The firewall with a fault at every rule of a site, and which rules those are; `None` where it
    /// applies to none.
    pub(super) fn plant(&self, site: &Site, fault: Fault) -> Option<(Firewall, Vec<RuleId>)> {
        let mut mutated = None;
        let mut planted = Vec::new();
        let mut firewall = || self.firewall.clone();
        let rules = self.by_shape.get(&site.rules);
        match fault.wants() {
            Wants::Rule => {
                for (id, rule) in rules? {
                    let Some(changed) = self.variant(site, fault, id, rule) else {
                        continue;
                    };
                    let mutated = mutated.get_or_insert_with(&mut firewall);
                    *change::rule_mut(mutated, id)? = changed;
                    planted.push(id.clone());
                }
            }
            Wants::Set => {
                let mut names = BTreeSet::new();
                for (id, rule) in rules? {
                    for (_, name) in sets(rule).iter().filter(|(part, _)| *part == site.part) {
                        planted.push(id.clone());
                        if names.insert(*name) {
                            let mutated = mutated.get_or_insert_with(&mut firewall);
                            let _ = change::set::change(fault, mutated, name);
                        }
                    }
                }
            }
            Wants::Chain => {
                for (first, places) in self.places(site, fault) {
                    let mutated = mutated.get_or_insert_with(&mut firewall);
                    if change::chain::change(fault, mutated, &first, &places).is_some() {
                        let each = places.iter().map(|index| RuleId {
                            index: *index,
                            ..first.clone()
                        });
                        planted.extend(each);
                    }
                }
            }
        }
        let mutated = mutated.filter(|mutated| mutated != self.firewall)?;
        Some((mutated, planted))
    }

    /// The rules of a site by their chains: the first of each, and the places of all.
    fn places(&self, site: &Site, fault: Fault) -> Vec<(RuleId, Vec<usize>)> {
        if fault == Fault::EmptyChain {
            let firsts = self.by_chain.get(&site.rules).into_iter().flatten();
            return firsts.map(|first| (first.clone(), vec![0])).collect();
        }
        let rules = self.by_shape.get(&site.rules).into_iter().flatten();
        let mut chains: Vec<(RuleId, Vec<usize>)> = Vec::new();
        for (id, _) in rules.filter(|(id, rule)| whole(id, rule) == site.part) {
            match chains.last_mut() {
                Some((first, places))
                    if first.family == id.family
                        && first.table == id.table
                        && first.chain == id.chain =>
                {
                    places.push(id.index);
                }
                _ => chains.push((id.clone(), vec![id.index])),
            }
        }
        chains
    }
}

/// How many rules of a shape are looked at for faults that apply to them: what applies hangs on values
/// too.
const ENOUGH: usize = 12;

fn shape_of(id: &RuleId, rule: &Rule) -> Shape {
    match is_of_policy(&id.chain) {
        true => Shape::of_chain(id.table, &id.chain),
        false => Shape::of(id.table, &id.chain, rule),
    }
}

/// The part that a fault of the rule as a whole is about.
fn whole(id: &RuleId, rule: &Rule) -> String {
    match is_of_policy(&id.chain) {
        true => Shape::action(&rule.target),
        false => String::new(),
    }
}

/// The part of a rule in which it differs from what it has become.
fn part(id: &RuleId, rule: &Rule, changed: &Rule) -> String {
    let kept = conditions(changed);
    let asked = conditions(rule);
    let differing = asked.iter().filter(|condition| !kept.contains(condition));
    let texts: Vec<String> = differing.map(Shape::question).collect();
    match texts.is_empty() || texts.len() == asked.len() {
        // Nothing that it asks, or everything.
        true if asked.len() != 1 || texts.is_empty() => whole(id, rule),
        true if !is_of_policy(&id.chain) => String::new(),
        _ => texts.join(" and "),
    }
}

/// The sets that a rule asks for, and the part that asks.
fn sets(rule: &Rule) -> Vec<(String, &str)> {
    use crate::generate::question::Question;
    let asked = conditions(rule).into_iter();
    let sets = asked.filter_map(|condition| match condition.question {
        Question::Set(test) => Some((Shape::question(&condition), test.name.as_str())),
        _ => None,
    });
    sets.collect()
}
