//! The sets that rules ask, with their members (felix, ipsets/, intdataplane/masq_mgr.go and others,
//! labelindex/).
//!
//! A selector's set, a service's of addresses, and the static ones but for the node's own addresses hold
//! prefixes (`hash:net`); named ports' and a service's with its ports hold addresses with ports
//! (`hash:ip,port`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::asked::{Asked, AskedOfEnd};
use super::ground::Ground;
use super::mangle::dscp_endpoints;
use super::names;
use crate::calico::Selector;
use crate::calico::rule::NamedProtocol;
use crate::calico::world::{Selectable, World};
use crate::packet::{Family, Protocol};
use crate::render::fragment::{End, Fragment};
use crate::render::table::FelixTable;
use crate::xtables::matches::PortRange;
use crate::xtables::set::{Dimension, Element, Method, Part, Set};

/// The size that the kernel gives a hash set, and the most members that Felix allows one.
const OPTIONS: [&str; 4] = ["hashsize", "1024", "maxelem", "1048576"];

/// What tells the workloads that Istio serves without a sidecar: the workload's own label, else its
/// namespace's.
const ISTIO_LABELS: [&str; 2] = ["istio.io/dataplane-mode", "pcns.istio.io/dataplane-mode"];

/// A set's members.
enum Members {
    /// Single addresses.
    Addresses(Vec<IpAddr>),
    /// Prefixes.
    Nets(Vec<IpNet>),
    /// Addresses, each with a port.
    WithPorts(Vec<(IpAddr, Protocol, u16)>),
}

/// Adds the names of the sets that tables' rules ask.
pub(super) fn collect_names(tables: &[FelixTable], asked: &mut BTreeSet<String>) {
    let rules = tables.iter().flat_map(FelixTable::rules);
    for fragment in rules.flat_map(|rule| &rule.asks) {
        if let Fragment::Set(_, not) | Fragment::PortSet(_, not) = fragment {
            asked.insert(not.value.clone());
        }
    }
}

/// The sets of these names.
pub(super) fn render(ground: &Ground<'_>, asked: &BTreeSet<String>) -> Vec<Set> {
    let mut sets = Vec::new();
    for (id, members) in members(ground) {
        for family in Family::BOTH {
            let name = names::set_name(family, &id);
            if asked.contains(&name) {
                sets.push(set(family, name, &members));
            }
        }
    }
    sets
}

/// All sets that rules may ask, by their ids.
fn members(ground: &Ground<'_>) -> BTreeMap<String, Members> {
    let world = ground.world;
    let mut all = BTreeMap::new();
    let of_policies = ground
        .policies
        .iter()
        .map(|one| (&one.ingress, &one.egress));
    let profiles = ground.profiles.values().flatten();
    let of_profiles = profiles.map(|one| (&one.ingress, &one.egress));
    let rules = of_policies.chain(of_profiles);
    for rule in rules.flat_map(|(ingress, egress)| ingress.iter().chain(egress)) {
        for (end, side) in [
            (End::Source, &rule.source),
            (End::Destination, &rule.destination),
        ] {
            for asked in AskedOfEnd::of(end, side, rule.protocol).sets() {
                let entry = all.entry(asked.id());
                entry.or_insert_with(|| members_of(world, &asked));
            }
        }
    }
    let pools = world.pools.iter();
    let outgoing = pools.clone().filter(|pool| pool.nat_outgoing);
    let for_workloads = pools.filter(|pool| !pool.for_services);
    let nodes = || world.nodes.iter().copied().map(IpNet::from).collect();
    let dscp = dscp_endpoints(world).flat_map(|(addresses, _)| addresses);
    for (id, members) in [
        (names::ALL_HOSTS, Members::Nets(nodes())),
        (names::ALL_VXLAN, Members::Nets(nodes())),
        (
            names::THIS_HOST,
            Members::Addresses(ground.addresses.clone()),
        ),
        (
            names::MASQUERADED_POOLS,
            Members::Nets(outgoing.map(|pool| pool.net).collect()),
        ),
        (
            names::POOLS,
            Members::Nets(for_workloads.map(|pool| pool.net).collect()),
        ),
        (
            names::DSCP_SOURCES,
            Members::Nets(dscp.copied().map(IpNet::from).collect()),
        ),
        (names::ISTIO_WORKLOADS, Members::Nets(istio(world))),
    ] {
        all.insert(id.to_owned(), members);
    }
    all
}

fn members_of(world: &World, asked: &Asked) -> Members {
    let selected = |selector: &Selector| -> Vec<&Selectable> {
        let all = world.selectable.iter();
        all.filter(|one| selector.selects(&one.labels)).collect()
    };
    let behind = |service| world.services.get(service).into_iter().flatten();
    match asked {
        Asked::Selected(selector) => {
            let nets = selected(selector).into_iter().flat_map(|one| &one.nets);
            Members::Nets(nets.copied().collect())
        }
        Asked::NamedPort(selector, protocol, name) => {
            let selected = selected(selector).into_iter();
            Members::WithPorts(
                selected
                    .flat_map(|one| with_port(one, *protocol, name))
                    .collect(),
            )
        }
        Asked::Service(service) => Members::WithPorts(
            behind(service)
                .map(|one| (one.address, one.protocol, one.port))
                .collect(),
        ),
        Asked::ServiceAddresses(service) => {
            Members::Nets(behind(service).map(|one| one.address.into()).collect())
        }
    }
}

/// The addresses of somebody, with each port that is called so.
fn with_port(
    one: &Selectable,
    protocol: NamedProtocol,
    name: &str,
) -> Vec<(IpAddr, Protocol, u16)> {
    let ports = one.ports.iter();
    let ports = ports.filter(|port| port.name == name && port.protocol == protocol);
    let with_ports = ports.flat_map(|port| {
        let nets = one.nets.iter();
        nets.map(move |net| (net.addr(), protocol.protocol(), port.port))
    });
    with_ports.collect()
}

fn istio(world: &World) -> Vec<IpNet> {
    let served = world.selectable.iter().filter(|one| {
        let mut labels = ISTIO_LABELS.iter();
        let mode = labels.find_map(|label| one.labels.get(*label));
        mode.is_some_and(|mode| mode == "ambient")
    });
    served.flat_map(|one| &one.nets).copied().collect()
}

/// A set of those members that are of its family, each once, in order.
fn set(family: Family, name: String, members: &Members) -> Set {
    let own = |address: &IpAddr| Family::of(*address) == family;
    let (dimensions, parts): (Vec<Dimension>, BTreeSet<Vec<PartKey>>) = match members {
        Members::Addresses(addresses) => {
            let own = addresses.iter().filter(|address| own(address));
            let parts = own.map(|address| vec![PartKey::Net((*address).into())]);
            (vec![Dimension::Ip], parts.collect())
        }
        Members::Nets(nets) => {
            let own = nets.iter().filter(|net| own(&net.addr()));
            let parts = own.flat_map(|net| programmed(net.trunc()));
            let parts = parts.map(|net| vec![PartKey::Net(net)]);
            (vec![Dimension::Net], parts.collect())
        }
        Members::WithPorts(ports) => {
            let own = ports.iter().filter(|(address, ..)| own(address));
            let parts = own.map(|(address, protocol, port)| {
                vec![
                    PartKey::Net((*address).into()),
                    PartKey::Port(*protocol, *port),
                ]
            });
            (vec![Dimension::Ip, Dimension::Port], parts.collect())
        }
    };
    Set {
        name,
        method: Method::Hash,
        dimensions,
        family,
        netmask: None,
        markmask: None,
        range: None,
        options: OPTIONS.map(str::to_owned).to_vec(),
        elements: parts
            .into_iter()
            .map(|parts| Element {
                parts: parts.into_iter().map(PartKey::part).collect(),
                nomatch: false,
                extensions: Vec::new(),
            })
            .collect(),
    }
}

/// A prefix as Felix programs it: all addresses are two halves, because the kernel refuses a prefix of no
/// bits in a `hash:net` (felix, labelindex/, `extractCIDRsFromNetworkSet`).
fn programmed(net: IpNet) -> Vec<IpNet> {
    match net.prefix_len() {
        0 => net.subnets(1).into_iter().flatten().collect(),
        _ => vec![net],
    }
}

/// A part of an element, which has an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PartKey {
    Net(IpNet),
    Port(Protocol, u16),
}

impl PartKey {
    fn part(self) -> Part {
        match self {
            Self::Net(net) => Part::Net(net),
            Self::Port(protocol, port) => {
                let range = PortRange {
                    first: port,
                    last: port,
                };
                Part::Port(Some(protocol), range)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn istios_workloads_are_those_of_its_ambient_mode() -> Result<(), ipnet::AddrParseError> {
        let one = |net: &str, labels: &[(&str, &str)]| -> Result<Selectable, _> {
            let labels = labels.iter();
            Ok(Selectable {
                labels: labels
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
                nets: vec![net.parse::<IpNet>()?],
                ports: Vec::new(),
            })
        };
        let [own, of_namespace] = ISTIO_LABELS;
        let world = World {
            selectable: vec![
                one("10.0.0.1/32", &[(own, "ambient")])?,
                one("10.0.0.2/32", &[(of_namespace, "ambient")])?,
                one("10.0.0.3/32", &[(own, "none"), (of_namespace, "ambient")])?,
                one("10.0.0.4/32", &[(own, "sidecar")])?,
                one("10.0.0.5/32", &[])?,
            ],
            ..World::default()
        };
        let served: Vec<String> = istio(&world).iter().map(ToString::to_string).collect();
        assert_eq!(served, ["10.0.0.1/32", "10.0.0.2/32"]);
        Ok(())
    }

    #[test]
    fn all_addresses_are_two_halves() -> Result<(), ipnet::AddrParseError> {
        let nets = ["0.0.0.0/0", "10.0.0.0/8", "::/0"].map(str::parse);
        let nets: Vec<IpNet> = nets.into_iter().collect::<Result<_, _>>()?;
        for (family, halves) in [
            (Family::V4, &["0.0.0.0/1", "10.0.0.0/8", "128.0.0.0/1"][..]),
            (Family::V6, &["::/1", "8000::/1"]),
        ] {
            let set = set(family, "x".to_owned(), &Members::Nets(nets.clone()));
            let parts = set.elements.iter().flat_map(|element| &element.parts);
            let members: Vec<String> = parts
                .map(|part| match part {
                    Part::Net(net) => net.to_string(),
                    other => format!("{other:?}"),
                })
                .collect();
            assert_eq!(members, halves);
        }
        Ok(())
    }
}
