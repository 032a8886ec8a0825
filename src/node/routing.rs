//! Where a node's routing sends a packet, when nothing else interferes.
//!
//! The ground of those who only ask where a packet goes. Whoever follows the kernel step by step (which
//! answer it sends, after which hook it gives up) does so itself.
//!
//! Sources: net/ipv4/route.c (`ip_route_input_slow`), net/ipv4/fib_frontend.c
//! (`__fib_validate_source`), net/ipv6/ip6_input.c, net/ipv6/ip6_output.c (`ip6_forward`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Interface, Node, ReversePath, RouteKind};
use crate::packet::{Family, InterfaceName, Packet};

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// To the node itself.
    Local,
    /// Out of an interface.
    Out(InterfaceName),
    /// Nowhere.
    Nowhere(NoWay),
}

/// Why a packet goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum NoWay {
    /// The header is refused on sight.
    #[error("its header is refused on sight")]
    Header,
    /// It is a piece that waits for the others.
    #[error("it is a fragment, and the others don't come")]
    Fragment,
    /// Nobody may send from there, or not by this interface.
    #[error("its source address is refused")]
    Source,
    /// Nobody may send there, or nobody here listens.
    #[error("its destination address is refused")]
    Destination,
    /// No route leads there.
    #[error("no route leads there")]
    Route,
    /// The node doesn't forward the family.
    #[error("the node forwards nothing of its family")]
    Forwarding,
    /// It has no hops left.
    #[error("it has no hops left")]
    Hops,
    /// What would answer it belongs to another connection.
    #[error("its answers would be another connection's")]
    Answers,
}

/// A node's routing, ready to be asked.
#[derive(Clone, Debug)]
pub struct Routing {
    entrances: Vec<Entrance>,
    v4: Table,
    v6: Table,
}

/// What an interface lets in.
#[derive(Clone, Copy, Debug)]
struct Entrance {
    interface: InterfaceName,
    reverse_path: ReversePath,
    route_localnet: bool,
    has_v4_address: bool,
}

/// One family's addresses and routes.
#[derive(Clone, Debug)]
struct Table {
    forwards: bool,
    /// The node's addresses, sorted, and where each stands.
    own: Vec<(u128, InterfaceName)>,
    /// Broadcast addresses (IPv4) and subnet-router anycast addresses (IPv6, RFC 4291, section
    /// 2.6.1) of its networks, sorted.
    shared: Vec<(u128, InterfaceName)>,
    /// The routes, the longest prefix first.
    routes: Vec<Line>,
    /// Where IPv6's groups are: by the first interface, if it has an address to speak from
    /// (`addrconf_add_mroute`, `ip6_dst_lookup_tail`).
    group: Option<InterfaceName>,
}

/// One route.
#[derive(Clone, Copy, Debug)]
struct Line {
    network: u128,
    mask: u128,
    to: Option<InterfaceName>,
}

impl Routing {
    /// A node's.
    #[must_use]
    pub fn new(node: &Node) -> Self {
        Self {
            entrances: node.interfaces.iter().map(Entrance::new).collect(),
            v4: Table::new(node, Family::V4),
            v6: Table::new(node, Family::V6),
        }
    }

    /// Where a packet goes that has arrived by an interface, and whose destination may have been
    /// translated on the way in.
    #[must_use]
    pub fn arriving(&self, by: InterfaceName, packet: &Packet, destination: IpAddr) -> Way {
        let entrance = self.entrance(by);
        match (packet.source, destination) {
            (IpAddr::V4(source), IpAddr::V4(to)) => {
                self.v4.arriving_v4(entrance, source, to, packet.hops)
            }
            // Headers are looked at as they come, before anybody translates anything.
            (IpAddr::V6(source), IpAddr::V6(to)) => match packet.destination {
                IpAddr::V6(seen) if refused_on_sight(source, seen) => Way::Nowhere(NoWay::Header),
                _ => self.v6.arriving_v6(entrance, source, to, packet.hops),
            },
            _ => Way::Nowhere(NoWay::Header),
        }
    }

    /// Where a packet goes that the node itself sends. Link-local destinations of IPv6 need an interface
    /// that a packet doesn't name: they go nowhere.
    #[must_use]
    pub fn sent(&self, source: IpAddr, destination: IpAddr) -> Way {
        match destination {
            IpAddr::V4(to) => self.v4.sent_v4(to),
            // What `lo` brings back is looked at as if it came from outside.
            IpAddr::V6(to) => match self.v6.sent_v6(to) {
                Way::Local if source.is_multicast() => Way::Nowhere(NoWay::Source),
                way => way,
            },
        }
    }

    /// Whether an address is one of the node's own.
    #[must_use]
    pub fn is_own(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => address.is_loopback() || self.v4.is_own(bits(address.into())),
            IpAddr::V6(_) => self.v6.is_own(bits(address)),
        }
    }

    /// What an interface lets in; one that the node doesn't have checks nothing.
    fn entrance(&self, interface: InterfaceName) -> Entrance {
        let known = self
            .entrances
            .iter()
            .find(|entrance| entrance.interface == interface);
        known.copied().unwrap_or(Entrance {
            interface,
            reverse_path: ReversePath::Off,
            route_localnet: false,
            has_v4_address: false,
        })
    }
}

impl Entrance {
    fn new(interface: &Interface) -> Self {
        Self {
            interface: interface.name,
            reverse_path: interface.reverse_path,
            route_localnet: interface.route_localnet,
            has_v4_address: interface.addresses.iter().any(|net| net.addr().is_ipv4()),
        }
    }

    /// Whether an address is of a loopback network, and none such may come in here.
    fn refuses_loopback(self, source: Ipv4Addr) -> bool {
        source.is_loopback() && !self.route_localnet
    }
}

impl Table {
    fn new(node: &Node, family: Family) -> Self {
        let here: Vec<(InterfaceName, IpNet)> = node
            .addresses()
            .filter(|(_, net)| Family::of(net.addr()) == family)
            .collect();
        let mut own: Vec<_> = here
            .iter()
            .map(|(interface, net)| (bits(net.addr()), *interface))
            .collect();
        own.sort_unstable();
        let mut shared: Vec<_> = here
            .iter()
            .filter(|(interface, _)| *interface != InterfaceName::LOOPBACK)
            .filter_map(|(interface, net)| Some((shared_address(*net)?, *interface)))
            .collect();
        shared.sort_unstable();
        let connected = here
            .iter()
            .filter(|(interface, net)| {
                *interface != InterfaceName::LOOPBACK && net.prefix_len() < net.max_prefix_len()
            })
            .map(|(interface, net)| Line::new(*net, Some(*interface)));
        let named = node
            .routes
            .iter()
            .filter(|route| Family::of(route.destination.addr()) == family)
            .map(|route| match route.to {
                RouteKind::Unicast { interface, .. } => {
                    Line::new(route.destination, Some(interface))
                }
                _ => Line::new(route.destination, None),
            });
        let mut routes: Vec<Line> = connected.chain(named).collect();
        // Stable: of two routes to one prefix the earlier counts.
        routes.sort_by_key(|line| line.mask.count_zeros());
        let first = node.interfaces.first().map(|interface| interface.name);
        Self {
            forwards: node.forwards(family),
            group: first.filter(|first| own.iter().any(|(_, at)| at == first)),
            own,
            shared,
            routes,
        }
    }

    fn is_own(&self, address: u128) -> bool {
        self.own_at(address).is_some()
    }

    fn own_at(&self, address: u128) -> Option<InterfaceName> {
        find(&self.own, address)
    }

    /// The best route: `None` where there is none, or it says that nothing goes there.
    fn route(&self, address: u128) -> Option<InterfaceName> {
        self.routes
            .iter()
            .find(|line| address & line.mask == line.network)?
            .to
    }

    fn arriving_v4(&self, entrance: Entrance, source: Ipv4Addr, to: Ipv4Addr, hops: u8) -> Way {
        if to.is_multicast() {
            // Every node listens to all hosts, and to no other group.
            if to != Ipv4Addr::new(224, 0, 0, 1) {
                return Way::Nowhere(NoWay::Destination);
            }
        }
        if to.is_multicast() || to.is_broadcast() {
            // Only here may somebody send who has no address yet; and what comes to all is not asked
            // whether it comes from a loopback network (`ip_route_input_slow` goes to `brd_input` first).
            let allowed = to.is_broadcast() || !entrance.refuses_loopback(source);
            let from = source.is_unspecified() || (allowed && self.may_send_v4(entrance, source));
            return local_if(from, NoWay::Source);
        }
        if to.is_unspecified() && source.is_unspecified() {
            // From none to none is to all (`ip_route_input_slow`).
            return Way::Local;
        }
        if to.is_unspecified() || (to.is_loopback() && !entrance.route_localnet) {
            return Way::Nowhere(NoWay::Destination);
        }
        if source.is_unspecified()
            || entrance.refuses_loopback(source)
            || !self.may_send_v4(entrance, source)
        {
            return Way::Nowhere(NoWay::Source);
        }
        let address = bits(to.into());
        if to.is_loopback() || self.is_own(address) || find(&self.shared, address).is_some() {
            return Way::Local;
        }
        self.forward(address, hops)
    }

    /// Whether a source may come by an entrance as far as the node's addresses and routes say.
    fn may_send_v4(&self, entrance: Entrance, source: Ipv4Addr) -> bool {
        let address = bits(source.into());
        if source.is_multicast() || source.is_broadcast() || self.is_own(address) {
            return false;
        }
        if entrance.reverse_path == ReversePath::Off {
            return true;
        }
        if source.is_loopback() || find(&self.shared, address).is_some() {
            return false;
        }
        match self.route(address) {
            None => false,
            Some(back) if back == entrance.interface => true,
            Some(_) => entrance.has_v4_address && entrance.reverse_path == ReversePath::Loose,
        }
    }

    fn arriving_v6(&self, entrance: Entrance, source: Ipv6Addr, to: Ipv6Addr, hops: u8) -> Way {
        if to.is_multicast() {
            return local_if(self.hears(entrance.interface, to), NoWay::Destination);
        }
        let address = bits(to.into());
        let anycast = self.forwards && find(&self.shared, address).is_some();
        // ::1 is not on the link that the packet comes from (net/ipv6/route.c, `rt6_need_strict`).
        if !to.is_loopback() && (self.is_own(address) || anycast) {
            return Way::Local;
        }
        // To none is to wherever a route leads: the kernel looks at the destination no further.
        match self.forward(address, hops) {
            // A link-local destination, and ::1, is one of the link that the packet comes from.
            Way::Out(out)
                if (to.is_unicast_link_local() || to.is_loopback())
                    && out != entrance.interface =>
            {
                Way::Nowhere(NoWay::Route)
            }
            Way::Out(out)
                if out != entrance.interface
                    && (source.is_unspecified() || source.is_unicast_link_local()) =>
            {
                Way::Nowhere(NoWay::Source)
            }
            way => way,
        }
    }

    /// Whether an interface has joined a group: all nodes, all routers where it forwards, and those
    /// of its own addresses (RFC 4291, section 2.8).
    fn hears(&self, interface: InterfaceName, group: Ipv6Addr) -> bool {
        const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        const ALL_ROUTERS: [Ipv6Addr; 2] = [
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2),
            Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 2),
        ];
        const SOLICITED: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
        const LAST: u128 = 0x00ff_ffff;
        let group_bits = bits(group.into());
        group == ALL_NODES
            || (self.forwards && ALL_ROUTERS.contains(&group))
            || (group_bits & !LAST == SOLICITED
                && self
                    .own
                    .iter()
                    .any(|(own, at)| *at == interface && own & LAST == group_bits & LAST))
    }

    fn forward(&self, address: u128, hops: u8) -> Way {
        let Some(out) = self.route(address) else {
            return Way::Nowhere(NoWay::Route);
        };
        if !self.forwards {
            Way::Nowhere(NoWay::Forwarding)
        } else if hops <= 1 {
            Way::Nowhere(NoWay::Hops)
        } else {
            Way::Out(out)
        }
    }

    fn sent_v4(&self, to: Ipv4Addr) -> Way {
        let address = bits(to.into());
        // To none is to itself (`ip_route_output_key_hash_rcu`).
        if to.is_loopback() || to.is_unspecified() || self.is_own(address) {
            return Way::Local;
        }
        let out = find(&self.shared, address).or_else(|| self.route(address));
        out.map_or(Way::Nowhere(NoWay::Route), Way::Out)
    }

    fn sent_v6(&self, to: Ipv6Addr) -> Way {
        let address = bits(to.into());
        let is_shared = self.forwards && find(&self.shared, address).is_some();
        if self.is_own(address) || is_shared || to.is_unspecified() {
            return Way::Local;
        }
        if to.is_multicast() {
            return self.group.map_or(Way::Nowhere(NoWay::Route), Way::Out);
        }
        self.route(address)
            .map_or(Way::Nowhere(NoWay::Route), Way::Out)
    }
}

impl Line {
    fn new(net: IpNet, to: Option<InterfaceName>) -> Self {
        Self {
            network: bits(net.network()),
            mask: bits(net.netmask()),
            to,
        }
    }
}

/// The address of a network that all of its nodes share: IPv4's last, which has one where there is
/// room (`fib_add_ifaddr`), IPv6's first.
fn shared_address(net: IpNet) -> Option<u128> {
    match net {
        IpNet::V4(net) => (net.prefix_len() < 31).then(|| bits(net.broadcast().into())),
        IpNet::V6(net) => (net.prefix_len() < 127).then(|| bits(net.network().into())),
    }
}

/// What reaches no hook (`ip6_rcv_core`): senders that can't be, and groups that don't leave a node.
fn refused_on_sight(source: Ipv6Addr, to: Ipv6Addr) -> bool {
    let narrow_group = to.is_multicast() && to.octets()[1] & 0x0f <= 1;
    source.is_multicast()
        || source.is_loopback()
        || source.to_ipv4_mapped().is_some()
        || to.is_loopback()
        || narrow_group
}

fn local_if(allowed: bool, otherwise: NoWay) -> Way {
    if allowed {
        Way::Local
    } else {
        Way::Nowhere(otherwise)
    }
}

fn find(sorted: &[(u128, InterfaceName)], address: u128) -> Option<InterfaceName> {
    let at = sorted.partition_point(|(known, _)| *known < address);
    let (known, interface) = sorted.get(at)?;
    (*known == address).then_some(*interface)
}

/// An address as a number; two of one family compare as their numbers do.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "\
name: node
interfaces:
  - name: eth0
    addresses: [192.168.1.1/24, fd00::1/64]
  - name: eth1
    addresses: [192.168.2.1/24]
    reverse_path: strict
  - name: cali1
    reverse_path: strict
  - name: loose
    addresses: [192.168.3.1/24]
    reverse_path: loose
    route_localnet: true
routes:
  - {destination: 10.1.0.1/32, to: {unicast: {interface: cali1}}}
  - {destination: 10.1.0.0/16, to: blackhole}
  - {destination: 10.0.0.0/8, to: {unicast: {interface: eth0, via: 192.168.1.254}}}
  - {destination: 2001:db8::/32, to: {unicast: {interface: eth0}}}
";

    fn routing() -> Routing {
        Routing::new(&crate::node::text::read("node.yaml", NODE).expect("a node"))
    }

    fn arrives(line: &str) -> Way {
        let packet: Packet = line.parse().expect("a packet");
        let crate::packet::Origin::Arrives(by) = packet.origin else {
            panic!("{line}: it does not arrive");
        };
        routing().arriving(by, &packet, packet.destination)
    }

    fn out(interface: &str) -> Way {
        Way::Out(interface.parse().expect("a name"))
    }

    #[test]
    fn the_longest_prefix_leads() {
        let way = |to: &str| arrives(&format!("in=eth0 proto=47 192.168.1.9 > {to}"));
        assert_eq!(way("10.1.0.1"), out("cali1"));
        assert_eq!(way("10.1.0.2"), Way::Nowhere(NoWay::Route));
        assert_eq!(way("10.2.0.1"), out("eth0"));
        assert_eq!(way("11.0.0.0"), Way::Nowhere(NoWay::Route));
        assert_eq!(way("192.168.2.7"), out("eth1"));
    }

    #[test]
    fn the_node_has_its_addresses_and_its_networks_last_ones() {
        let way = |to: &str| arrives(&format!("in=eth0 proto=47 192.168.1.9 > {to}"));
        for to in ["192.168.1.1", "192.168.2.1", "192.168.2.255", "224.0.0.1"] {
            assert_eq!(way(to), Way::Local, "{to}");
        }
        assert_eq!(way("192.168.2.0"), out("eth1"));
        for to in ["224.0.0.2", "127.0.0.1", "0.0.0.0"] {
            assert_eq!(way(to), Way::Nowhere(NoWay::Destination), "{to}");
        }
    }

    #[test]
    fn sources_that_can_not_be_are_refused() {
        let from = |by: &str, source: &str, to: &str| {
            arrives(&format!("in={by} proto=47 {source} > {to}"))
        };
        let refused = Way::Nowhere(NoWay::Source);
        for source in ["192.168.2.1", "127.0.0.9", "224.0.0.1", "0.0.0.0"] {
            assert_eq!(from("eth0", source, "10.1.0.1"), refused, "{source}");
        }
        assert_eq!(from("eth0", "0.0.0.0", "255.255.255.255"), Way::Local);
        assert_eq!(from("eth0", "0.0.0.0", "0.0.0.0"), Way::Local);
        assert_eq!(from("eth0", "127.0.0.9", "255.255.255.255"), Way::Local);
        assert_eq!(from("eth0", "127.0.0.1", "255.255.255.255"), refused);
        assert_eq!(from("eth0", "127.0.0.9", "224.0.0.1"), refused);
        assert_eq!(from("cali1", "10.1.0.1", "192.168.1.1"), Way::Local);
        assert_eq!(from("cali1", "10.2.0.1", "192.168.1.1"), refused);
        assert_eq!(from("loose", "10.2.0.1", "192.168.1.1"), Way::Local);
        assert_eq!(from("loose", "11.0.0.1", "192.168.1.1"), refused);
        assert_eq!(from("loose", "10.2.0.1", "127.0.0.1"), Way::Local);
    }

    #[test]
    fn version_six_has_its_own_refusals() {
        let way = |source: &str, to: &str| arrives(&format!("in=eth0 proto=47 {source} > {to}"));
        assert_eq!(way("fd00::9", "fd00::1"), Way::Local);
        assert_eq!(way("fd00::9", "fd00::"), Way::Local);
        assert_eq!(way("::", "fd00::1"), Way::Local);
        assert_eq!(way("fd00::9", "ff02::1"), Way::Local);
        assert_eq!(way("fe80::9", "ff02::1:ff00:1"), Way::Local);
        assert_eq!(way("fd00::9", "ff02::16"), Way::Nowhere(NoWay::Destination));
        assert_eq!(way("::1", "fd00::1"), Way::Nowhere(NoWay::Header));
        assert_eq!(way("fd00::9", "ff01::1"), Way::Nowhere(NoWay::Header));
        assert_eq!(way("fd00::9", "2001:db8::1"), out("eth0"));
        assert_eq!(way("fd00::9", "::"), Way::Nowhere(NoWay::Route));
        assert_eq!(way("fd00::9", "::1"), Way::Nowhere(NoWay::Header));
        let to_loopback: Packet = "in=eth0 proto=47 fd00::9 > 2001:db8::1"
            .parse()
            .expect("a packet");
        let translated = routing().arriving(
            "eth0".parse().expect("a name"),
            &to_loopback,
            Ipv6Addr::LOCALHOST.into(),
        );
        assert_eq!(translated, Way::Nowhere(NoWay::Route));
        let forwarded = arrives("in=eth1 proto=47 fe80::9 > 2001:db8::1");
        assert_eq!(forwarded, Way::Nowhere(NoWay::Source));
    }

    #[test]
    fn the_last_hop_is_not_forwarded() {
        let way = |hops| {
            arrives(&format!(
                "in=eth0 ttl={hops} proto=47 192.168.1.9 > 10.1.0.1"
            ))
        };
        assert_eq!(way(2), out("cali1"));
        assert_eq!(way(1), Way::Nowhere(NoWay::Hops));
    }

    #[test]
    fn the_node_reaches_itself_and_what_its_routes_reach() {
        let from = |from: &str, to: &str| {
            let address = |text: &str| text.parse().expect("an address");
            routing().sent(address(from), address(to))
        };
        let sent = |to: &str| {
            from(
                if to.contains(':') {
                    "fd00::1"
                } else {
                    "192.168.1.1"
                },
                to,
            )
        };
        assert_eq!(sent("0.0.0.0"), Way::Local);
        assert_eq!(sent("::"), Way::Local);
        assert_eq!(sent("ff02::1"), out("eth0"));
        assert_eq!(from("ff02::1", "fd00::1"), Way::Nowhere(NoWay::Source));
        assert_eq!(sent("127.9.9.9"), Way::Local);
        assert_eq!(sent("192.168.2.1"), Way::Local);
        assert_eq!(sent("192.168.2.255"), out("eth1"));
        assert_eq!(sent("10.1.0.1"), out("cali1"));
        assert_eq!(sent("11.0.0.1"), Way::Nowhere(NoWay::Route));
        assert_eq!(sent("fd00::1"), Way::Local);
        assert_eq!(sent("fd00::2"), out("eth0"));
        // No interface has a link-local address: nothing leads there, unless a default route does.
        assert_eq!(sent("fe80::1"), Way::Nowhere(NoWay::Route));
        assert_eq!(sent("2001:db8::1"), out("eth0"));
    }
}
