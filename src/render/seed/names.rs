//! Names of sets (felix 2.1.1, ipsets/ipset_defs.go), and those of chains, which every layout has.

use crate::calico::world::PeersBy;
use crate::hash;
use crate::packet::Family;
pub use crate::render::names::*;

/// The set of every node's addresses.
pub const ALL_HOSTS: &str = "all-hosts";
/// The set of the pools that leave with the node's address.
pub const MASQUERADED_POOLS: &str = "masq-ipam-pools";
/// The set of all pools.
pub const ALL_POOLS: &str = "all-ipam-pools";

/// The id of the set of a group.
#[must_use]
pub fn peers_id(by: &PeersBy) -> String {
    match by {
        PeersBy::Selector(selector) => hash::set_id("s", selector),
        PeersBy::Tag(tag) => hash::set_id("t", tag),
    }
}

/// A set's name in a family: up to Calico 3.0 a hyphen stands behind `cali4` and `cali6`.
#[must_use]
pub fn set_name(family: Family, id: &str) -> String {
    let family = match family {
        Family::V4 => "cali4",
        Family::V6 => "cali6",
    };
    hash::set_name(family, '-', id)
}
