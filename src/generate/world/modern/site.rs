//! Tunnels, pools, and the addresses of services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::super::rule::prefix;
use super::super::site::{OTHER_V4, OTHER_V6, Site, TUNNEL, workload_address};
use super::super::{Feature, Maker};
use crate::calico::configuration::Configuration;
use crate::calico::configuration::modern::Modern;
use crate::calico::resources::{IpInIp, Node, Pool, ServiceNets};
use crate::generate::bits::Bits;
use crate::node::{Interface, ReversePath};
use crate::packet::{Family, InterfaceName};

/// The node's addresses on its VXLAN interfaces.
const VXLAN_V4: Ipv4Addr = Ipv4Addr::new(10, 65, 0, 66);
const VXLAN_V6: Ipv6Addr = Ipv6Addr::new(0xfd65, 0, 0, 0, 0, 0, 0, 0x66);
/// And on those of WireGuard.
const WIREGUARD_V4: Ipv4Addr = Ipv4Addr::new(10, 65, 0, 67);
const WIREGUARD_V6: Ipv6Addr = Ipv6Addr::new(0xfd65, 0, 0, 0, 0, 0, 0, 0x67);

/// The node's address on its third network, a neighbour there, and how long the prefix is.
const THIRD: [(IpAddr, IpAddr, u8); 2] = [
    (
        IpAddr::V4(Ipv4Addr::new(172, 20, 0, 7)),
        IpAddr::V4(Ipv4Addr::new(172, 20, 0, 9)),
        24,
    ),
    (
        IpAddr::V6(Ipv6Addr::new(0xfd20, 0, 0, 0, 0, 0, 0, 7)),
        IpAddr::V6(Ipv6Addr::new(0xfd20, 0, 0, 0, 0, 0, 0, 9)),
        64,
    ),
];

/// The addresses of services: two of the cluster's, one outside.
pub(super) const SERVICES_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(10, 96, 0, 10),
    Ipv4Addr::new(10, 96, 0, 11),
    Ipv4Addr::new(203, 0, 113, 200),
];
pub(super) const SERVICES_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd96, 0, 0, 0, 0, 0, 0, 0x10),
    Ipv6Addr::new(0xfd96, 0, 0, 0, 0, 0, 0, 0x11),
    Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 0x200),
];

/// The pools of workloads' addresses: one, or several side by side.
const POOLS_V4: [&[&str]; 4] = [
    &["10.65.0.0/16"],
    &["10.65.0.0/26", "10.65.1.0/24"],
    &["10.65.0.0/24", "10.65.1.0/26", "10.65.2.0/30"],
    &["10.64.0.0/10"],
];
const POOLS_V6: [&[&str]; 3] = [
    &["fd65::/64"],
    &["fd65::/122", "fd65::1:0/112"],
    &["fd65::/16"],
];
/// Pools beside them: of the node's network, of nobody, of services.
const MORE_POOLS: [&str; 5] = [
    "192.168.40.0/24",
    "172.30.0.0/24",
    "10.10.0.0/16",
    "fd00:192:168:40::/64",
    "fd66::/64",
];

impl<B: Bits> Maker<'_, B> {
    /// The node with its networks, the pools, and what the cluster knows of its nodes; nobody has a
    /// workload yet.
    pub(super) fn modern_site(&mut self, configuration: &Configuration) -> (Site, Vec<Node>) {
        let told = &configuration.modern;
        let pools = self.modern_pools(told);
        let any = |wraps: fn(&Pool) -> bool| pools.iter().any(wraps);
        let wraps_in_ip = told
            .ip_in_ip
            .unwrap_or(any(|pool| pool.ip_in_ip != IpInIp::Never));
        let wraps_in_vxlan = |family: Family| {
            let of_family = |pool: &&Pool| Family::of(pool.net.addr()) == family;
            let mut pools = pools.iter().filter(of_family);
            let told = told.vxlan.filter(|_| family == Family::V4);
            told.unwrap_or_else(|| pools.any(|pool| pool.vxlan != IpInIp::Never))
        };
        let vxlan = Family::BOTH.map(wraps_in_vxlan);
        let mut site = self.bare_site(pools);
        let mut nodes = self.nodes();
        if wraps_in_ip {
            nodes[0].tunnel = self.bits.chance(7, 8).then_some(TUNNEL);
            self.tunnel(&mut site, "tunl0", nodes[0].tunnel.map(IpAddr::from));
        }
        if vxlan[0] {
            nodes[0].vxlan = self.bits.chance(7, 8).then_some(VXLAN_V4);
            self.tunnel(&mut site, "vxlan.calico", nodes[0].vxlan.map(IpAddr::from));
        }
        if vxlan[1] {
            let own = self.has(Feature::V6) && self.bits.chance(7, 8);
            nodes[0].vxlan_v6 = own.then_some(VXLAN_V6);
            let own = nodes[0].vxlan_v6.map(IpAddr::from);
            self.tunnel(&mut site, "vxlan-v6.calico", own);
        }
        let wireguard = &told.wireguard;
        if wireguard.v4 {
            self.tunnel(&mut site, &wireguard.interface, Some(WIREGUARD_V4.into()));
        }
        if wireguard.v6 {
            let own = self.has(Feature::V6).then_some(WIREGUARD_V6.into());
            self.tunnel(&mut site, &wireguard.interface_v6, own);
        }
        if self.at_times(Feature::Wildcard, 1, 2) {
            self.nobodys_network(&mut site);
        }
        if self.has(Feature::Ipvs) {
            self.ipvs(&mut site);
        }
        if self.has(Feature::OtherNode) {
            self.modern_other_node(&mut site);
        }
        if self.has(Feature::KubeProxy) || self.has(Feature::ServiceLoops) {
            let v4 = SERVICES_V4.map(IpAddr::from);
            let v6 = SERVICES_V6.map(IpAddr::from);
            let all = v4.into_iter().chain(v6);
            let known: Vec<IpAddr> = all.filter(|_| self.bits.chance(1, 2)).collect();
            known.into_iter().for_each(|address| site.meet(address));
        }
        (site, nodes)
    }

    fn tunnel(&mut self, site: &mut Site, name: &str, own: Option<IpAddr>) {
        if let Ok(name) = name.parse() {
            let addresses = own.into_iter().map(IpNet::from);
            self.uplink(site, name, addresses.collect());
        }
    }

    /// A network by whose interface no host endpoint is called, but that of all others. Its name begins as
    /// those of others do that may have theirs, so that it is sought in one branch of the tree with them.
    fn nobodys_network(&mut self, site: &mut Site) {
        let names = ["eth2", "vlan7", "wlan0"].into_iter().filter(|name| {
            let begins = |one: &&InterfaceName| one.as_str().starts_with(&name[..1]);
            site.uplinks.iter().filter(begins).count() > 1
        });
        let names: Vec<&str> = names.collect();
        let name = self.bits.pick(&names).copied().unwrap_or("eth2");
        let Ok(name) = name.parse::<InterfaceName>() else {
            return;
        };
        let v6 = self.has(Feature::V6);
        let all = THIRD.into_iter().filter(|(own, _, _)| v6 || own.is_ipv4());
        let mut addresses = Vec::new();
        for (own, neighbour, length) in all {
            site.meet(neighbour);
            addresses.extend(IpNet::new(own, length));
        }
        site.node.interfaces.push(Interface {
            name,
            addresses,
            reverse_path: ReversePath::Off,
            route_localnet: false,
        });
    }

    /// The interface that bears services' addresses.
    fn ipvs(&mut self, site: &mut Site) {
        let Ok(name) = "kube-ipvs0".parse::<InterfaceName>() else {
            return;
        };
        let v4 = SERVICES_V4.map(IpAddr::from).into_iter();
        let v6 = SERVICES_V6.map(IpAddr::from).into_iter();
        let v6 = v6.filter(|_| self.has(Feature::V6));
        let addresses: Vec<IpNet> = v4.chain(v6).map(IpNet::from).collect();
        for net in &addresses {
            site.meet(net.addr());
        }
        site.node.interfaces.push(Interface {
            name,
            addresses,
            reverse_path: ReversePath::Off,
            route_localnet: false,
        });
    }

    /// The way to the workloads of the other node: over some tunnel where there is one.
    fn modern_other_node(&mut self, site: &mut Site) {
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
            let tunnels = site.node.interfaces.iter().filter(|interface| {
                let mut own = interface.addresses.iter();
                let is_tunnel = !interface.name.as_str().starts_with("eth");
                is_tunnel && own.any(|net| Family::of(net.addr()) == family && is_whole(*net))
            });
            let tunnels: Vec<InterfaceName> = tunnels.map(|interface| interface.name).collect();
            let tunnels: Vec<InterfaceName> = tunnels
                .into_iter()
                .filter(|name| name.as_str() != "kube-ipvs0")
                .collect();
            match self.bits.pick(&tunnels).copied() {
                Some(tunnel) => site.route(block, tunnel, None),
                None => site.route(block, InterfaceName::ETH0, Some(other)),
            }
        }
    }

    fn modern_pools(&mut self, told: &Modern) -> Vec<Pool> {
        let mut nets: Vec<&str> = Vec::new();
        match self.has(Feature::NestedPools) {
            true => {
                nets.extend(self.bits.one(POOLS_V4));
                nets.extend(self.bits.one(POOLS_V6));
                nets.extend(MORE_POOLS.into_iter().filter(|_| self.bits.chance(1, 3)));
            }
            false => nets.extend(["10.65.0.0/16", "fd65::/64"]),
        }
        let nets: Vec<IpNet> = nets.iter().filter_map(|net| net.parse().ok()).collect();
        nets.into_iter()
            .map(|net| self.modern_pool(net, told))
            .collect()
    }

    fn modern_pool(&mut self, net: IpNet, told: &Modern) -> Pool {
        let v4 = net.addr().is_ipv4();
        let modes = [IpInIp::Always, IpInIp::CrossSubnet];
        let ip_in_ip = v4 && self.mostly(Feature::IpInIp);
        let vxlan = self.mostly(Feature::Vxlan);
        let mode = self.bits.one(modes);
        // Never both.
        let (ip_in_ip, vxlan) = match (ip_in_ip, vxlan) {
            (true, true) => self
                .bits
                .one([(mode, IpInIp::Never), (IpInIp::Never, mode)]),
            (true, false) => (mode, IpInIp::Never),
            (false, true) => (IpInIp::Never, mode),
            (false, false) => (IpInIp::Never, IpInIp::Never),
        };
        // An address for outgoing NAT is of one family, and iptables takes it for no other.
        let address = told.nat_address.is_none_or(|own| own.is_ipv4() == v4);
        let translatable = address || self.at_times(Feature::Refusals, 1, 2);
        Pool {
            net,
            nat_outgoing: translatable && self.mostly(Feature::NatOutgoing),
            ip_in_ip,
            vxlan,
            for_services: self.at_times(Feature::ServiceLoops, 1, 6),
        }
    }

    /// The addresses of services, as BGP tells them.
    pub(super) fn service_nets(&mut self) -> Vec<ServiceNets> {
        if !self.has(Feature::ServiceLoops) {
            return Vec::new();
        }
        let mut nets = |nets: &[&str]| -> Vec<IpNet> {
            let parsed = nets.iter().filter_map(|net| net.parse().ok());
            parsed.filter(|_| self.bits.chance(2, 3)).collect()
        };
        vec![ServiceNets {
            name: "default".to_owned(),
            cluster: nets(&["10.96.0.0/16", "fd96::/112"]),
            external: nets(&["203.0.113.128/25", "2001:db8:f::/64"]),
            load_balancer: nets(&["203.0.113.200/32", "10.96.0.0/16", "198.51.100.0/24"]),
        }]
    }
}

fn is_whole(net: IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}
