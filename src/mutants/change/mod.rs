//! What each fault does.
//!
//! * [`rule`]: to a rule by itself; `target`: to what it does;
//! * [`chain`]: to a chain's rules;
//! * [`set`]: to a set.

pub(super) mod chain;
pub(super) mod rule;
pub(super) mod set;
mod target;

use std::net::IpAddr;

use crate::xtables::{Chain, Firewall, Rule, RuleId};

/// A rule, to be changed.
pub(super) fn rule_mut<'a>(firewall: &'a mut Firewall, id: &RuleId) -> Option<&'a mut Rule> {
    chain_mut(firewall, id)?.rules.get_mut(id.index)
}

/// A rule's chain, to be changed.
pub(super) fn chain_mut<'a>(firewall: &'a mut Firewall, id: &RuleId) -> Option<&'a mut Chain> {
    let table = firewall.ruleset_mut(id.family).table_mut(id.table)?;
    let mut chains = table.chains.iter_mut();
    chains.find(|chain| chain.name == id.chain)
}

/// The names of the chains beside a rule's.
pub(super) fn chain_names<'a>(firewall: &'a Firewall, id: &RuleId) -> Vec<&'a str> {
    let table = firewall.ruleset(id.family).table(id.table);
    let chains = table.map_or(&[][..], |table| &table.chains);
    chains.iter().map(|chain| chain.name.as_str()).collect()
}

/// The address behind an address.
pub(super) fn next(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((u32::from(v4).wrapping_add(1)).into()),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6).wrapping_add(1)).into()),
    }
}
