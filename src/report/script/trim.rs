//! The rules of one packet's way, without the others: those that it matched, and the one that breaks it off, in
//! their own chains or, where that is too long, straight in the kernel's.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::journey::Step;
use crate::packet::Family;
use crate::xtables::set::{Part, Set};
use crate::xtables::{
    Chain, Firewall, Hook, Match, Policy, Rule, RuleId, Ruleset, TableName, Target,
};

/// The rules that matched, in their chains.
pub(super) fn in_their_chains(firewall: &Firewall, family: Family, steps: &[Step]) -> Ruleset {
    let matched: BTreeSet<RuleId> = decisive(steps).filter_map(Step::rule_id).collect();
    let mut trimmed = Ruleset::empty(family);
    for table in &firewall.ruleset(family).tables {
        for chain in &table.chains {
            let kept = chain.rules.iter().enumerate().filter(|(index, _)| {
                matched.contains(&RuleId {
                    family,
                    table: table.name,
                    chain: chain.name.clone(),
                    index: *index,
                })
            });
            let rules: Vec<Rule> = kept.map(|(_, rule)| plain(rule)).collect();
            let entered = matched.iter().any(|id| {
                let target = firewall.rule(id).map(|rule| &rule.target);
                id.table == table.name
                    && matches!(target, Some(Target::Jump(to) | Target::Goto(to)) if *to == chain.name)
            });
            if !rules.is_empty() || entered || chain.policy == Some(Policy::Drop) {
                let place = chain_mut(&mut trimmed, table.name, &chain.name, chain.policy);
                place.rules = rules;
            }
        }
    }
    trimmed
}

/// The rules that matched and did something else than jump or return, one behind the other in the kernel's
/// chains.
pub(super) fn in_the_kernels_chains(
    firewall: &Firewall,
    family: Family,
    steps: &[Step],
) -> Ruleset {
    let mut trimmed = Ruleset::empty(family);
    for table in &firewall.ruleset(family).tables {
        for chain in &table.chains {
            if chain.policy == Some(Policy::Drop) {
                chain_mut(&mut trimmed, table.name, &chain.name, chain.policy);
            }
        }
    }
    let mut placed = BTreeSet::new();
    for step in decisive(steps) {
        let Some(id) = step.rule_id() else {
            continue;
        };
        let Some(rule) = firewall.rule(&id) else {
            continue;
        };
        let passes = matches!(
            rule.target,
            Target::Jump(_) | Target::Goto(_) | Target::Return | Target::None
        );
        if !passes && placed.insert((step.hook, id)) {
            let policy = firewall
                .ruleset(family)
                .table(step.table)
                .and_then(|table| table.chain(step.hook.chain()))
                .and_then(|chain| chain.policy);
            let policy = policy.or(Some(Policy::Accept));
            let chain = chain_mut(&mut trimmed, step.table, step.hook.chain(), policy);
            chain.rules.push(plain(rule));
        }
    }
    trimmed
}

/// The steps whose rules matched, and the last of all: where a rule that did not match ends the way, it asked
/// for what the packet's header does not show, and the kernel drops it (`hotdrop`).
fn decisive(steps: &[Step]) -> impl Iterator<Item = &Step> {
    let last = steps.len().saturating_sub(1);
    let steps = steps.iter().enumerate();
    let decisive = steps.filter(move |(place, step)| step.matched.is_ok() || *place == last);
    decisive.map(|(_, step)| step)
}

/// A rule without what only tells where it comes from.
fn plain(rule: &Rule) -> Rule {
    let mut plain = rule.clone();
    plain.counters = None;
    plain
        .matches
        .retain(|one| !matches!(one, Match::Comment(_)));
    plain
}

/// The chain of a name, made where it is missing.
pub(super) fn chain_mut<'a>(
    ruleset: &'a mut Ruleset,
    table: TableName,
    name: &str,
    policy: Option<Policy>,
) -> &'a mut Chain {
    let tables = &mut ruleset.tables;
    let place = tables.iter().position(|one| one.name == table);
    let place = place.unwrap_or_else(|| {
        tables.push(crate::xtables::Table {
            name: table,
            chains: Vec::new(),
        });
        tables.len() - 1
    });
    let chains = &mut tables[place].chains;
    let place = chains.iter().position(|one| one.name == name);
    let place = place.unwrap_or_else(|| {
        chains.push(Chain {
            name: name.to_owned(),
            policy: policy.or_else(|| Hook::of_chain(name).map(|_| Policy::Accept)),
            counters: None,
            rules: Vec::new(),
        });
        chains.len() - 1
    });
    &mut chains[place]
}

/// The sets that rules ask, each with the members that hold one of these addresses.
pub(super) fn sets_of(firewall: &Firewall, rules: &Ruleset, addresses: &[IpAddr]) -> Vec<Set> {
    let asked = |set: &&Set| {
        rules.rules().any(|(_, rule)| {
            let mut matches = rule.matches.iter();
            matches.any(|one| matches!(one, Match::Set(test) if test.name == set.name))
        })
    };
    let holds = |part: &Part| match part {
        Part::Net(net) => addresses.iter().any(|address| net.contains(address)),
        _ => true,
    };
    let sets = firewall.sets.iter().filter(asked).cloned();
    let trimmed = sets.map(|mut set| {
        set.elements
            .retain(|element| element.parts.iter().any(holds));
        set
    });
    trimmed.collect()
}
