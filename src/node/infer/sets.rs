//! Sets that rules ask for and nobody brought: their kind and a few members, inferred from how rules
//! ask.

use std::net::IpAddr;

use ipnet::IpNet;

use super::hints::{Hints, SetUse, special};
use crate::node::{Node, RouteKind};
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

/// A workload, another host and a network: another choice of them for every set.
fn nets(family: Family, number: usize, hints: &Hints, node: &Node) -> Vec<IpNet> {
    let full = |route: &&crate::node::Route| {
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
    let networks = hints
        .networks
        .iter()
        .copied()
        .filter(|net| net.prefix_len() >= 8);
    let mut nets: Vec<IpNet> = Vec::new();
    let of_family = |net: &IpNet| Family::of(net.addr()) == family;
    let picks = [
        pick(workloads.filter(of_family), number),
        pick(hosts.filter(of_family), number),
        pick(networks.filter(of_family), number),
        Some(spare(family, number)),
    ];
    for net in picks.into_iter().flatten() {
        if !nets.contains(&net) {
            nets.push(net);
        }
    }
    nets
}

fn pick(nets: impl Iterator<Item = IpNet>, number: usize) -> Option<IpNet> {
    let nets: Vec<IpNet> = nets.collect();
    let place = number.checked_rem(nets.len())?;
    nets.get(place).copied()
}

/// A network of its own for every set, so that no two sets are the same.
fn spare(family: Family, number: usize) -> IpNet {
    let [_, third] = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    let net = match family {
        Family::V4 => IpNet::new(IpAddr::from([203, 0, 113, third.wrapping_mul(8)]), 29),
        Family::V6 => IpNet::new(
            IpAddr::from([0xfd00, 0x5e75, u16::from(third), 0, 0, 0, 0, 0]),
            64,
        ),
    };
    net.map(|net| net.trunc()).unwrap_or_default()
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
    format!(
        "The set `{}` was not given: it is taken for a hash:{} of {}.",
        set.name,
        kinds.join(","),
        members.join(", ")
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
