//! A node for rules that came without one: inferred from the rules, each assumption said.
//!
//! An interface for every name that rules speak of, one or two for every beginning of a name and one
//! just outside it; the networks beside them as the rules suggest; workloads routed one by one, as
//! Calico does; a way out to everywhere else.

mod hints;
mod sets;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Interface, Node, ReversePath, Route, RouteKind};
use crate::packet::{Family, InterfaceName};
use crate::xtables::Firewall;
use hints::{Hints, special};

pub use sets::infer_sets;

/// A node that rules suggest, and every assumption in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inferred {
    /// The node.
    pub node: Node,
    /// What was assumed, a sentence each.
    pub assumptions: Vec<String>,
}

/// Beginnings of the names that orchestrators give to the node's end of a workload's link: Calico's,
/// OpenStack's, Azure's, Docker's and AWS's, Cilium's, libvirt's.
const WORKLOADS: [&str; 7] = ["cali", "tap", "azv", "veth", "eni", "lxc", "vnet"];

/// Beginnings of the names of interfaces that lead out of a node, the likeliest first.
const UPLINKS: [&str; 8] = ["eth", "ens", "enp", "eno", "em", "bond", "wl", "ppp"];

/// Infers the node of a firewall.
#[must_use]
pub fn infer(firewall: &Firewall) -> Inferred {
    let hints = Hints::of(firewall);
    let mut builder = Builder {
        hints: &hints,
        interfaces: Vec::new(),
        routes: Vec::new(),
        assumptions: Vec::new(),
    };
    builder.interfaces_of_rules();
    let uplink = builder.uplink();
    let mut families: Vec<Family> = hints.families.iter().copied().collect();
    if families.is_empty() {
        families.push(Family::V4);
    }
    for family in families {
        builder.networks(family);
        builder.workloads(family);
        builder.local_addresses(family, uplink);
        builder.default_route(family, uplink);
    }
    builder.finish()
}

struct Builder<'a> {
    hints: &'a Hints,
    interfaces: Vec<Interface>,
    routes: Vec<Route>,
    assumptions: Vec<String>,
}

impl Builder<'_> {
    fn assume(&mut self, sentence: String) {
        self.assumptions.push(sentence);
    }

    fn interfaces_of_rules(&mut self) {
        for name in &self.hints.names {
            self.add_interface(*name);
        }
        for prefix in &self.hints.prefixes {
            let exact = self
                .hints
                .names
                .iter()
                .any(|name| name.as_str().starts_with(prefix));
            let wanted = if exact { 1 } else { 2 };
            let names = (0..10).filter_map(|number| format!("{prefix}{number}").parse().ok());
            let free = names.filter(|name| !self.hints.names.contains(name));
            let chosen: Vec<InterfaceName> = free.take(wanted).collect();
            let listed: Vec<String> = chosen.iter().map(|name| format!("`{name}`")).collect();
            let stand = if listed.len() == 1 { "stands" } else { "stand" };
            self.assume(format!("{} {stand} for `{prefix}+`.", listed.join(" and ")));
            chosen.into_iter().for_each(|name| self.add_interface(name));
            self.just_outside(prefix);
        }
    }

    /// An interface that a beginning of a name misses by one letter.
    fn just_outside(&mut self, prefix: &str) {
        let mut letters: Vec<char> = prefix.chars().collect();
        let Some(last) = letters.pop().and_then(next_letter) else {
            return;
        };
        let name = letters.into_iter().chain([last, '0']).collect::<String>();
        let taken = self
            .hints
            .prefixes
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if let (false, Ok(name)) = (taken, name.parse()) {
            self.assume(format!("`{name}` lies just outside `{prefix}+`."));
            self.add_interface(name);
        }
    }

    fn add_interface(&mut self, name: InterfaceName) {
        if self.interface(name).is_none() {
            self.interfaces.push(Interface {
                name,
                addresses: Vec::new(),
                reverse_path: ReversePath::Off,
                route_localnet: false,
            });
        }
    }

    fn interface(&mut self, name: InterfaceName) -> Option<&mut Interface> {
        self.interfaces
            .iter_mut()
            .find(|interface| interface.name == name)
    }

    /// The interface by which everything else is reached.
    fn uplink(&mut self) -> InterfaceName {
        let names = || self.hints.names.iter().copied();
        let known = UPLINKS
            .iter()
            .find_map(|beginning| names().find(|name| name.as_str().starts_with(beginning)));
        if let Some(name) = known {
            self.assume(format!("`{name}` leads to everywhere else."));
            return name;
        }
        let name = InterfaceName::ETH0;
        self.assume(format!(
            "`{name}` is added, which no rule names: it leads to everywhere else."
        ));
        self.add_interface(name);
        name
    }

    /// Every interface but the workloads' gets an address and what lies behind it.
    fn networks(&mut self, family: Family) {
        let names: Vec<InterfaceName> = self.interfaces.iter().map(|one| one.name).collect();
        for (number, name) in names.into_iter().enumerate() {
            let hints = self.hints;
            let behind = hints
                .behind
                .iter()
                .filter(|(at, _)| *at == name)
                .map(|(_, net)| *net);
            let behind: Vec<IpNet> = behind
                .filter(|net| Family::of(net.addr()) == family)
                .collect();
            let connected = behind
                .iter()
                .copied()
                .filter(|net| net.prefix_len() + 2 <= net.max_prefix_len())
                .find(|net| !self.is_routed(*net));
            if !is_workload(name) {
                let (net, why) = match connected {
                    Some(net) => (net, "rules put this network there"),
                    None => (
                        spare_network(family, number),
                        "no rule says which network is there",
                    ),
                };
                self.connect(name, net, why);
            }
            for net in behind {
                if !self.is_routed(net) {
                    self.assume(format!("{net} lies behind `{name}`: rules put it there."));
                    self.route(net, name, None);
                }
            }
        }
    }

    /// Gives an interface the network's own address that rules name, or else its first.
    fn connect(&mut self, name: InterfaceName, net: IpNet, why: &str) {
        let named = self.hints.local.iter().find_map(|(at, address)| {
            let here = at.is_none_or(|at| at == name);
            (here && net.contains(address) && !is_edge(net, *address)).then_some(*address)
        });
        let Some(address) = named.or_else(|| net.hosts().find(|host| !is_edge(net, *host))) else {
            return;
        };
        if let Ok(address) = IpNet::new(address, net.prefix_len()) {
            self.assume(format!("`{name}` has the address {address}: {why}."));
            if let Some(interface) = self.interface(name) {
                interface.addresses.push(address);
            }
        }
    }

    /// Every workload has one address, routed to its interface.
    fn workloads(&mut self, family: Family) {
        let names: Vec<InterfaceName> = self.interfaces.iter().map(|one| one.name).collect();
        for (number, name) in names
            .into_iter()
            .enumerate()
            .filter(|(_, name)| is_workload(*name))
        {
            let routed = self.routes.iter().any(|route| {
                let here =
                    matches!(route.to, RouteKind::Unicast { interface, .. } if interface == name);
                here && Family::of(route.destination.addr()) == family
            });
            if routed {
                continue;
            }
            let known = self.hints.hosts.iter().copied().find(|host| {
                let own = self.hints.local.iter().any(|(_, address)| address == host);
                Family::of(*host) == family && !own && is_private(*host) && !self.is_near(*host)
            });
            let host = known.unwrap_or_else(|| spare_workload(family, number));
            self.assume(format!(
                "`{name}` leads to a workload with the address {host}."
            ));
            self.route(host.into(), name, None);
        }
    }

    /// The addresses that rules treat as the node's own and that no interface has yet.
    fn local_addresses(&mut self, family: Family, uplink: InterfaceName) {
        let local = self
            .hints
            .local
            .iter()
            .filter(|(_, address)| Family::of(*address) == family);
        for (at, address) in local.filter(|(_, address)| !special(*address)) {
            let mut nets = self
                .interfaces
                .iter()
                .flat_map(|interface| &interface.addresses);
            if nets.any(|net| net.addr() == *address || is_edge(*net, *address)) {
                continue;
            }
            let name = at.unwrap_or(uplink);
            self.assume(format!(
                "{address} is an address of the node, on `{name}`: rules for the node's own traffic name it."
            ));
            if let Some(interface) = self.interface(name) {
                interface.addresses.push((*address).into());
            }
        }
    }

    fn default_route(&mut self, family: Family, uplink: InterfaceName) {
        let everywhere: IpNet = match family {
            Family::V4 => IpNet::V4(ipnet::Ipv4Net::default()),
            Family::V6 => IpNet::V6(ipnet::Ipv6Net::default()),
        };
        let Some(interface) = self.interface(uplink) else {
            return;
        };
        let net = interface.addresses.iter().find(|net| {
            Family::of(net.addr()) == family && net.prefix_len() + 2 <= net.max_prefix_len()
        });
        let gateway = net.and_then(|net| {
            net.hosts()
                .find(|host| *host != net.addr() && !is_edge(*net, *host))
        });
        self.route(everywhere, uplink, gateway);
    }

    fn route(&mut self, destination: IpNet, interface: InterfaceName, via: Option<IpAddr>) {
        self.routes.push(Route {
            destination,
            to: RouteKind::Unicast { interface, via },
        });
    }

    /// Whether this very network is routed already.
    fn is_routed(&self, net: IpNet) -> bool {
        let mut connected = self
            .interfaces
            .iter()
            .flat_map(|interface| &interface.addresses);
        connected.any(|address| address.trunc() == net.trunc())
            || self.routes.iter().any(|route| route.destination == net)
    }

    /// Whether an address is routed to an interface already.
    fn is_near(&self, host: IpAddr) -> bool {
        let mut connected = self
            .interfaces
            .iter()
            .flat_map(|interface| &interface.addresses);
        connected.any(|net| net.contains(&host))
            || self
                .routes
                .iter()
                .any(|route| route.destination.contains(&host))
    }

    fn finish(mut self) -> Inferred {
        self.assume("No interface filters by reverse path, and the node forwards.".to_owned());
        Inferred {
            node: Node {
                name: "inferred".to_owned(),
                interfaces: self.interfaces,
                routes: self.routes,
                forwards_v4: true,
                forwards_v6: true,
            },
            assumptions: self.assumptions,
        }
    }
}

fn is_workload(name: InterfaceName) -> bool {
    WORKLOADS
        .iter()
        .any(|beginning| name.as_str().starts_with(beginning))
}

fn is_private(host: IpAddr) -> bool {
    match host {
        IpAddr::V4(host) => host.is_private(),
        IpAddr::V6(host) => host.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Whether an address is a network's first or last, which no node of it has.
fn is_edge(net: IpNet, address: IpAddr) -> bool {
    let wide = net.prefix_len() + 2 <= net.max_prefix_len();
    wide && (address == net.network() || address == net.broadcast())
}

fn next_letter(letter: char) -> Option<char> {
    let next = char::from_u32(u32::from(letter) + 1)?;
    next.is_ascii_alphanumeric().then_some(next)
}

/// A network that no one else uses: of 198.18.0.0/15, kept for benchmarks (RFC 2544), or of a unique
/// local prefix.
fn spare_network(family: Family, number: usize) -> IpNet {
    let [high, low] = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    let net = match family {
        Family::V4 => IpNet::new(Ipv4Addr::new(198, 18 + (high & 1), low, 0).into(), 24),
        Family::V6 => {
            let number = u16::from_be_bytes([high, low]);
            IpNet::new(
                Ipv6Addr::new(0xfd00, 0x18, number, 0, 0, 0, 0, 0).into(),
                64,
            )
        }
    };
    net.unwrap_or_default()
}

fn spare_workload(family: Family, number: usize) -> IpAddr {
    let number = u16::try_from(number).unwrap_or(u16::MAX).saturating_add(2);
    let [high, low] = number.to_be_bytes();
    match family {
        Family::V4 => Ipv4Addr::new(10, 65, high, low).into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 0x65, 0, 0, 0, 0, 0, number).into(),
    }
}
