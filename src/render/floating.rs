//! The chains of floating addresses (felix, rules/nat.go).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::fragment::{Action, End};
use super::pieces::address;
use super::table::FelixRule;
use crate::calico::world::FloatingAddress;

/// The way in: each address outside is translated to the workload's.
#[must_use]
pub fn dnat(floating: &[FloatingAddress]) -> Vec<FelixRule> {
    let pairs = floating.iter().map(|one| (one.outside, one.inside));
    let rules = by_text(pairs).into_iter().map(|(outside, inside)| {
        FelixRule::when(
            [address(End::Destination, outside)],
            Action::Dnat(inside, None),
        )
    });
    rules.collect()
}

/// Only a workload that reached itself by its floating address needs its source changed: it would
/// take its own packet for a stray.
#[must_use]
pub fn snat(floating: &[FloatingAddress], translate: fn(IpAddr) -> Action) -> Vec<FelixRule> {
    let pairs = floating.iter().map(|one| (one.inside, one.outside));
    let rules = by_text(pairs).into_iter().map(|(inside, outside)| {
        let asks = [
            address(End::Destination, inside),
            address(End::Source, inside),
        ];
        FelixRule::when(asks, translate(outside))
    });
    rules.collect()
}

/// Pairs in the order of their texts; of several pairs with the same first address, the one whose
/// second comes first as text.
fn by_text(pairs: impl Iterator<Item = (IpAddr, IpAddr)>) -> Vec<(IpAddr, IpAddr)> {
    let mut sorted: BTreeMap<String, (String, IpAddr, IpAddr)> = BTreeMap::new();
    for (key, value) in pairs {
        let new = (value.to_string(), key, value);
        let entry = sorted.entry(key.to_string());
        entry
            .and_modify(|old| {
                if new.0 < old.0 {
                    old.clone_from(&new);
                }
            })
            .or_insert(new);
    }
    let pairs = sorted.into_values();
    pairs.map(|(_, key, value)| (key, value)).collect()
}
