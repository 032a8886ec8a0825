//! Packets that meet a rule as it is rendered, or just not: what policies ask for leads to few of them.

use std::net::{IpAddr, Ipv4Addr};

use super::Traffic;
use crate::generate::bits::Bits;
use crate::generate::draft::Draft;
use crate::generate::edges::edges;
use crate::generate::ground::Ground;
use crate::generate::paths::{AllPaths, conditions_of};
use crate::generate::question::{Condition, Question, conditions};
use crate::generate::solve::{Clause, solve};
use crate::packet::Family;
use crate::xtables::matches::States;
use crate::xtables::{Firewall, RuleId};

/// Calico's rules in a firewall, and the ways there.
#[derive(Debug)]
pub(super) struct Targets {
    /// The rules of each table.
    tables: Vec<Vec<RuleId>>,
    paths: AllPaths,
}

impl Targets {
    pub(super) fn of(firewall: &Firewall, families: &[Family]) -> Self {
        let mut tables: Vec<Vec<RuleId>> = Vec::new();
        for family in Family::BOTH
            .into_iter()
            .filter(|one| families.contains(one))
        {
            let rules = firewall.ruleset(family).rules();
            let own = rules.filter(|(id, _)| id.chain.starts_with("cali-"));
            for (id, _) in own {
                match tables.last_mut().filter(|table| is_beside(table, &id)) {
                    Some(table) => table.push(id),
                    None => tables.push(vec![id]),
                }
            }
        }
        Self {
            tables,
            paths: AllPaths::of(firewall),
        }
    }
}

fn is_beside(table: &[RuleId], id: &RuleId) -> bool {
    table
        .last()
        .is_some_and(|last| (last.family, last.table) == (id.family, id.table))
}

impl Traffic<'_> {
    /// At some rule of some table, each table's as often: what its way there and it itself ask, or at the edge
    /// of one of its questions.
    pub(super) fn at_rendered(&self, bits: &mut impl Bits) -> Option<Draft> {
        let targets = self.targets.as_ref()?;
        let table = bits.pick(&targets.tables)?;
        let rule = bits.pick(table)?;
        let path = bits.pick(targets.paths.to(rule))?;
        let asked = conditions_of(self.ground.firewall, path, rule);
        let translates = |one: &Condition<'_>| one.wanted && is_about_translation(one);
        let translates = asked.iter().any(translates);
        let wanted = asked.into_iter().filter(is_of_packet);
        let wanted: Vec<Clause<'_>> = wanted.map(|condition| vec![condition]).collect();
        let start = self.plain(bits, rule.family)?;
        let met = solve(&wanted, start, &self.ground, bits)?;
        let own = self.ground.firewall.rule(rule).map(conditions);
        let draft = beside(bits, &own.unwrap_or_default(), met, &self.ground);
        let draft = from_nobody_to_all(bits, draft);
        match translates {
            true => Some(self.as_translated(bits, draft)),
            false => Some(draft),
        }
    }
}

/// A neighbour along one of some questions, or the same.
fn beside(
    bits: &mut impl Bits,
    asked: &[Condition<'_>],
    draft: Draft,
    ground: &Ground<'_>,
) -> Draft {
    let condition = bits.pick(asked).filter(|_| bits.chance(2, 3));
    let near = condition.map(|condition| edges(condition.question, &draft, ground));
    let near = near.and_then(|near| bits.pick(&near).cloned());
    near.unwrap_or(draft)
}

/// What comes from 0.0.0.0 the kernel takes if it goes to nobody or to all, and to no other
/// (`ip_route_input_slow`); that a rule asks for the one does not lead to the other.
fn from_nobody_to_all(bits: &mut impl Bits, draft: Draft) -> Draft {
    let from_nobody = draft.base.source == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if !from_nobody || !bits.chance(1, 2) {
        return draft;
    }
    let to = bits.one([Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST]);
    let sent = draft.with(|packet| packet.destination = to.into());
    sent.unwrap_or(draft)
}

/// What no packet by itself meets: a connection has to be there.
fn is_about_translation(condition: &Condition<'_>) -> bool {
    match condition.question {
        Question::States(states) => states.intersects(States::SNAT.union(States::DNAT)),
        _ => false,
    }
}

/// Whether a packet can be chosen so. Marks are written on the way.
fn is_of_packet(condition: &Condition<'_>) -> bool {
    let is_mark = matches!(condition.question, Question::Mark(_));
    !is_mark && !condition.is_beyond() && !is_about_translation(condition)
}
