//! The sets (felix 2.1.1, ipsets/ and intdataplane/masq_mgr.go): each group that a policy in use
//! speaks of, in both families, and the static ones that a rule asks.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::ground::Ground;
use super::names;
use super::nat;
use crate::packet::Family;
use crate::xtables::set::{Dimension, Element, Method, Part, Set};

/// The size that the kernel gives a hash set, and the most members that Felix allows one.
const OPTIONS: [&str; 4] = ["hashsize", "1024", "maxelem", "1048576"];

pub(super) fn render(ground: &Ground<'_>) -> Vec<Set> {
    let families = match ground.world.configuration.ipv6 {
        true => &Family::BOTH[..],
        false => &[Family::V4],
    };
    let mut sets = Vec::new();
    for (index, id) in &ground.peers {
        let members = &ground.world.peers(*index).members;
        for family in families {
            sets.push(set(*family, id, Dimension::Ip, members.iter().copied()));
        }
    }
    if ground.world.configuration.ip_in_ip {
        let nodes = ground.world.nodes.iter().copied().map(IpNet::from);
        sets.push(set(Family::V4, names::ALL_HOSTS, Dimension::Ip, nodes));
    }
    for family in families {
        if nat::masquerades(ground, *family) {
            let pools = ground.world.pools.iter();
            let outgoing = pools.clone().filter(|pool| pool.nat_outgoing);
            for (id, nets) in [
                (names::ALL_POOLS, pools.map(|pool| pool.net).collect()),
                (
                    names::MASQUERADED_POOLS,
                    outgoing.map(|pool| pool.net).collect::<Vec<_>>(),
                ),
            ] {
                sets.push(set(*family, id, Dimension::Net, nets.into_iter()));
            }
        }
    }
    sets
}

/// A set of those members that are of its family, each once, in order.
fn set(
    family: Family,
    id: &str,
    dimension: Dimension,
    members: impl Iterator<Item = IpNet>,
) -> Set {
    let own = members.filter(|net| Family::of(net.addr()) == family);
    let own: BTreeSet<IpNet> = own.map(|net| net.trunc()).collect();
    Set {
        name: names::set_name(family, id),
        method: Method::Hash,
        dimensions: vec![dimension],
        family,
        netmask: None,
        markmask: None,
        range: None,
        options: OPTIONS.map(str::to_owned).to_vec(),
        elements: own
            .into_iter()
            .map(|net| Element {
                parts: vec![Part::Net(net)],
                nomatch: false,
                extensions: Vec::new(),
            })
            .collect(),
    }
}
