//! Sets that rules ask for and nobody brought: their kind and a few members, inferred from how rules
//! ask.

use std::net::IpAddr;

use ipnet::IpNet;

use super::hints::{Hints, SetUse, special};
use crate::node::{Node, Route, RouteKind};
use crate::packet::{Family, Protocol};
use crate::xtables::Firewall;
use crate::xtables::matches::PortRange;
use crate::xtables::set::{Dimension, Element, Method, Part, Set};

/// The sets that rules ask for and that are not there, and every assumption in a sentence.
///
/// One dimension becomes `hash:net`, as Felix and Azure make them; a second one ports; a third
/// networks again.
#[must_use]
pub fn infer_sets(firewall: &Firewall, node: &Node) -> (Vec<Set>, Vec<String>) {
    let hints = Hints::of(firewall);
    let mut sets = Vec::new();
    let mut assumptions = Vec::new();
    for (number, (name, used)) in hints.sets.iter().enumerate() {
        if firewall.sets.iter().all(|set| set.name != *name) {
            let set = infer_set(name, used, number, &hints, node);
            assumptions.push(sentence(&set));
            sets.push(set);
        }
    }
    (sets, assumptions)
}

fn infer_set(name: &str, used: &SetUse, number: usize, hints: &Hints, node: &Node) -> Set {
    let dimensions = dimensions(used.sides.len());
    let nets = nets(used.family, number, hints, node);
    let elements = nets.into_iter().map(|net| Element {
        parts: parts(&dimensions, net),
        nomatch: false,
        extensions: Vec::new(),
    });
    Set {
        name: name.to_owned(),
        method: Method::Hash,
        family: used.family,
        netmask: None,
        markmask: None,
        range: None,
        options: Vec::new(),
        elements: elements.collect(),
        dimensions,
    }
}

/// `hash:net`, `hash:net,port`, `hash:ip,port,net`: which kinds there are, ipset(8) lists.
fn dimensions(sides: usize) -> Vec<Dimension> {
    match sides {
        0 | 1 => vec![Dimension::Net],
        2 => vec![Dimension::Net, Dimension::Port],
        _ => vec![Dimension::Ip, Dimension::Port, Dimension::Net],
    }
}

fn parts(dimensions: &[Dimension], net: IpNet) -> Vec<Part> {
    let part = |dimension: &Dimension| match dimension {
        Dimension::Port => Part::Port(
            Some(Protocol::TCP),
            PortRange {
                first: 8080,
                last: 8080,
            },
        ),
        Dimension::Ip => Part::Net(net.network().into()),
        _ => Part::Net(net),
    };
    dimensions.iter().map(part).collect()
}

/// How many hosts are made up to be members.
const STRANGERS: u8 = 24;

/// Half of the workloads, of the hosts that rules name and of some strangers, by a draw that is
/// another for every set, so that rules which ask for several sets at once, or for one and not the
/// other, find an address; and a network of the set's own.
fn nets(family: Family, number: usize, hints: &Hints, node: &Node) -> Vec<IpNet> {
    let full = |route: &&Route| {
        route.destination.prefix_len() == route.destination.max_prefix_len()
            && matches!(route.to, RouteKind::Unicast { .. })
    };
    let workloads = node
        .routes
        .iter()
        .filter(full)
        .map(|route| route.destination);
    let hosts = hints
        .hosts
        .iter()
        .copied()
        .filter(|host| !special(*host))
        .map(IpNet::from);
    let strangers = (1..=STRANGERS).map(|host| IpNet::from(stranger(family, host)));
    let candidates = workloads.chain(hosts.take(16)).chain(strangers);
    let mut nets: Vec<IpNet> = Vec::new();
    for (place, net) in candidates.enumerate() {
        if Family::of(net.addr()) == family && drawn(number, place) && !nets.contains(&net) {
            nets.push(net);
        }
    }
    nets.push(own_network(family, number));
    nets
}

/// Whether a candidate is drawn for a set: a coin by the middle bits of a product with the golden
/// ratio's fraction (Knuth, volume 3, 6.4).
fn drawn(set: usize, place: usize) -> bool {
    let pair = (set as u64) << 32 | place as u64;
    let mixed = pair.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40 & 1 == 1
}

fn stranger(family: Family, host: u8) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([198, 51, 100, host]),
        Family::V6 => IpAddr::from([0x2001, 0xdb8, 0x64, 0, 0, 0, 0, u16::from(host)]),
    }
}

/// A network of its own for every set, so that no two sets are the same.
fn own_network(family: Family, number: usize) -> IpNet {
    let [_, third] = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    let net = match family {
        Family::V4 => IpNet::new(IpAddr::from([203, 0, 113, third.wrapping_mul(8)]), 29),
        Family::V6 => IpNet::new(
            IpAddr::from([0x2001, 0xdb8, 0x5e75, u16::from(third), 0, 0, 0, 0]),
            64,
        ),
    };
    net.unwrap_or_default()
}

fn sentence(set: &Set) -> String {
    let kinds: Vec<&str> = set.dimensions.iter().map(|one| kind(*one)).collect();
    let members = set
        .elements
        .iter()
        .filter_map(|element| match &element.parts[..] {
            [Part::Net(net), ..] => Some(net.to_string()),
            _ => None,
        });
    let members: Vec<String> = members.collect();
    let shown = members.len().min(4);
    let more = match members.len() - shown {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "The set `{}` was not given: it is taken for a hash:{} of {}{more}.",
        set.name,
        kinds.join(","),
        members[..shown].join(", ")
    )
}

fn kind(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Ip => "ip",
        Dimension::Net => "net",
        Dimension::Port => "port",
        Dimension::Mac => "mac",
        Dimension::Interface => "iface",
        Dimension::Mark => "mark",
        Dimension::Set => "set",
    }
}
