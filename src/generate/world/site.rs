//! The node, its networks and pools, and whose addresses there are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::rule::prefix;
use super::{Feature, Maker};
use crate::calico::configuration::Configuration;
use crate::calico::resources::{self, IpInIp, Pool};
use crate::generate::bits::Bits;
use crate::node::{Interface, Node, ReversePath, Route, RouteKind};
use crate::packet::{Family, InterfaceName};

/// What the node is called.
pub(super) const NAME: &str = "here";
/// What the other node is called.
pub(super) const OTHER: &str = "there";
/// The node's address.
pub(super) const OWN_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 40, 11);
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x192, 0x168, 0x40, 0, 0, 0, 0x11);
/// The other node's.
pub(super) const OTHER_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 40, 12);
pub(super) const OTHER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x192, 0x168, 0x40, 0, 0, 0, 0x12);
const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 40, 1);
const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x192, 0x168, 0x40, 0, 0, 0, 1);
/// The node's address on its second network, and a neighbour there.
const SECOND_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 255, 254)];
const SECOND_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 0xfffe),
];
/// The node's address on its tunnel.
pub(super) const TUNNEL: Ipv4Addr = Ipv4Addr::new(10, 65, 0, 64);
/// An interface whose name begins as the tunnel's does; the node's address there, and a neighbour.
const OTHER_TUNNEL: &str = "tunl1";
const OTHER_TUNNEL_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 66, 0, 1), Ipv4Addr::new(10, 66, 0, 9)];
/// Another that somebody gave it.
const TUNNEL_TOO: Ipv4Addr = Ipv4Addr::new(10, 65, 0, 65);
/// Addresses of nobody in particular: of the prefixes for documentation (RFC 5737, RFC 3849).
const STRANGER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);
const STRANGER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 9);

/// Where a scenario plays.
pub(super) struct Site {
    pub(super) node: Node,
    pub(super) pools: Vec<Pool>,
    /// The interfaces that lead elsewhere.
    pub(super) uplinks: Vec<InterfaceName>,
    /// Those who are there, for rules to speak of; a family each.
    people: [Vec<IpAddr>; 2],
}

impl Site {
    /// Addresses of those who are there.
    pub(super) fn people(&self, family: Family) -> &[IpAddr] {
        match family {
            Family::V4 => &self.people[0],
            Family::V6 => &self.people[1],
        }
    }

    /// Adds somebody.
    pub(super) fn meet(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(_) => self.people[0].push(address),
            IpAddr::V6(_) => self.people[1].push(address),
        }
    }

    /// Adds a route to an interface.
    pub(super) fn route(
        &mut self,
        destination: IpNet,
        interface: InterfaceName,
        via: Option<IpAddr>,
    ) {
        let to = RouteKind::Unicast { interface, via };
        let known = self.node.routes.iter();
        // Of two routes to one prefix the kernel refuses the second.
        if known.clone().all(|route| route.destination != destination) {
            self.node.routes.push(Route { destination, to });
        }
    }
}

/// The `number`th workload address of a node's block: those at the ends of prefixes first.
pub(super) fn workload_address(family: Family, block: u8, number: usize) -> IpAddr {
    let low = match number {
        0 => 1,
        1 => 0,
        2 => 63,
        3 => 62,
        other => u8::try_from(other).unwrap_or(u8::MAX),
    };
    match family {
        Family::V4 => IpAddr::from([10, 65, block, low]),
        Family::V6 => IpAddr::from([0xfd65, 0, 0, 0, 0, 0, u16::from(block), low.into()]),
    }
}

fn interface(name: &str) -> Option<InterfaceName> {
    name.parse().ok()
}

impl<B: Bits> Maker<'_, B> {
    /// The node without an interface.
    fn unconnected(&mut self) -> Site {
        Site {
            node: Node {
                name: NAME.to_owned(),
                interfaces: Vec::new(),
                routes: Vec::new(),
                forwards_v4: !self.at_times(Feature::OddNode, 1, 10),
                forwards_v6: !self.at_times(Feature::OddNode, 1, 10),
            },
            pools: Vec::new(),
            uplinks: Vec::new(),
            people: [Vec::new(), Vec::new()],
        }
    }

    /// Gives it its networks.
    fn connect(&mut self, site: &mut Site) {
        self.first_network(site);
        if self.has(Feature::SecondNetwork) {
            self.second_network(site);
        }
    }

    /// The node with its networks and these pools, and nothing else yet.
    pub(super) fn bare_site(&mut self, pools: Vec<Pool>) -> Site {
        let mut site = self.unconnected();
        site.pools = pools;
        self.connect(&mut site);
        site
    }

    /// The node with its networks, and the pools; nobody has a workload yet.
    pub(super) fn site(&mut self, configuration: &Configuration) -> Site {
        let mut site = self.unconnected();
        site.pools = self.pools();
        self.connect(&mut site);
        if configuration.ip_in_ip
            && let Some(name) = interface("tunl0")
        {
            let addresses = configuration.tunnel_address.into_iter().map(IpNet::from);
            let mut addresses: Vec<IpNet> = addresses.collect();
            if self.bits.chance(1, 4) {
                addresses.push(IpNet::from(IpAddr::from(TUNNEL_TOO)));
            }
            self.uplink(&mut site, name, addresses);
            if self.bits.chance(1, 8) {
                self.other_tunnel(&mut site);
            }
        }
        if self.has(Feature::OtherNode) {
            self.other_node(&mut site);
        }
        site
    }

    /// Adds an interface that leads elsewhere.
    pub(super) fn uplink(&mut self, site: &mut Site, name: InterfaceName, addresses: Vec<IpNet>) {
        let reverse_path = match self.at_times(Feature::OddNode, 1, 2) {
            true => self.bits.one([ReversePath::Strict, ReversePath::Loose]),
            false => ReversePath::Off,
        };
        for net in &addresses {
            site.meet(net.addr());
        }
        site.uplinks.push(name);
        site.node.interfaces.push(Interface {
            name,
            addresses,
            reverse_path,
            route_localnet: false,
        });
    }

    fn first_network(&mut self, site: &mut Site) {
        let v6 = self.has(Feature::V6);
        let own = [(OWN_V4.into(), 24), (OWN_V6.into(), 64)];
        let own = own
            .into_iter()
            .filter(|(address, _)| v6 || IpAddr::is_ipv4(address));
        let own = own.filter_map(|(address, length)| IpNet::new(address, length).ok());
        self.uplink(site, InterfaceName::ETH0, own.collect());
        if self.at_times(Feature::OddNode, 1, 4) {
            return;
        }
        let ways: [(IpAddr, IpAddr, IpAddr); 2] = [
            (
                Ipv4Addr::UNSPECIFIED.into(),
                GATEWAY_V4.into(),
                STRANGER_V4.into(),
            ),
            (
                Ipv6Addr::UNSPECIFIED.into(),
                GATEWAY_V6.into(),
                STRANGER_V6.into(),
            ),
        ];
        for (all, gateway, stranger) in ways {
            if v6 || all.is_ipv4() {
                site.route(prefix(all, 0), InterfaceName::ETH0, Some(gateway));
                site.meet(stranger);
            }
        }
    }

    fn second_network(&mut self, site: &mut Site) {
        let v6 = self.has(Feature::V6);
        let [own_v4, neighbour_v4] = SECOND_V4.map(IpAddr::from);
        let [own_v6, neighbour_v6] = SECOND_V6.map(IpAddr::from);
        let own = [(own_v4, 16), (own_v6, 64)];
        let own = own
            .into_iter()
            .filter(|(address, _)| v6 || address.is_ipv4());
        let own = own.filter_map(|(address, length)| IpNet::new(address, length).ok());
        if let Some(name) = interface("eth1") {
            self.uplink(site, name, own.collect());
        }
        site.meet(neighbour_v4);
        if v6 {
            site.meet(neighbour_v6);
        }
    }

    fn other_tunnel(&mut self, site: &mut Site) {
        let [own, neighbour] = OTHER_TUNNEL_V4.map(IpAddr::from);
        if let (Some(name), Ok(own)) = (interface(OTHER_TUNNEL), IpNet::new(own, 24)) {
            self.uplink(site, name, vec![own]);
            site.meet(neighbour);
        }
    }

    /// The way to the workloads of the other node: over its tunnel where there is one.
    fn other_node(&mut self, site: &mut Site) {
        let tunnel = site
            .uplinks
            .iter()
            .copied()
            .find(|name| name.as_str() == "tunl0");
        let ways: [(Family, IpAddr, u8); 2] = [
            (Family::V4, OTHER_V4.into(), 26),
            (Family::V6, OTHER_V6.into(), 122),
        ];
        for (family, other, length) in ways {
            if family == Family::V6 && !self.has(Feature::V6) {
                continue;
            }
            site.meet(other);
            let block = prefix(workload_address(family, 1, 1), length);
            match tunnel.filter(|_| family == Family::V4) {
                Some(tunnel) => site.route(block, tunnel, None),
                None => site.route(block, InterfaceName::ETH0, Some(other)),
            }
        }
    }

    /// The pools: that of the workloads, and around it or within it others.
    fn pools(&mut self) -> Vec<Pool> {
        let mut nets: Vec<&str> = vec!["10.65.0.0/16", "fd65::/64"];
        if self.has(Feature::NestedPools) {
            let more = [
                "10.65.0.0/26",
                "10.0.0.0/8",
                "192.168.0.0/16",
                "172.30.0.0/24",
                "fd65::/122",
                "fd00::/8",
            ];
            nets.extend(more.into_iter().filter(|_| self.bits.chance(1, 3)));
        }
        let nets: Vec<IpNet> = nets.iter().filter_map(|net| net.parse().ok()).collect();
        nets.into_iter().map(|net| self.pool(net)).collect()
    }

    fn pool(&mut self, net: IpNet) -> Pool {
        let v4 = net.addr().is_ipv4();
        Pool {
            net,
            nat_outgoing: self.at_times(Feature::NatOutgoing, 3, 4),
            ip_in_ip: match v4 && self.at_times(Feature::IpInIp, 3, 4) {
                true => self.bits.one([IpInIp::Always, IpInIp::CrossSubnet]),
                false => IpInIp::Never,
            },
            vxlan: IpInIp::Never,
            for_services: false,
        }
    }

    /// What the cluster knows of its nodes.
    pub(super) fn nodes(&mut self) -> Vec<resources::Node> {
        let v6 = self.has(Feature::V6);
        let node = |name: &str, v4, v6: Option<Ipv6Addr>| resources::Node {
            name: name.to_owned(),
            v4: Some(v4),
            v6,
            tunnel: None,
            vxlan: None,
            vxlan_v6: None,
        };
        let mut nodes = vec![node(NAME, OWN_V4, v6.then_some(OWN_V6))];
        if self.has(Feature::OtherNode) {
            nodes.push(node(OTHER, OTHER_V4, v6.then_some(OTHER_V6)));
        }
        nodes
    }
}
