//! What packets are made of: a node's addresses and ways, and the constants of a firewall with their
//! neighbours.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::question::{Question, conditions};
use crate::node::{Node, ReversePath, RouteKind};
use crate::packet::{Family, InterfaceName};
use crate::xtables::matches::{HopsTest, PortRange};
use crate::xtables::ruleset::AddressMask;
use crate::xtables::set::{Part, Set};
use crate::xtables::{Firewall, Rule, Target};

/// Where a packet to an address goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the node itself.
    Local,
    /// Out of an interface.
    Out(InterfaceName),
    /// Nowhere.
    Nowhere,
}

/// Values of one family that are worth sending, each list sorted and without doubles.
#[derive(Clone, Debug, Default)]
pub struct Constants {
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Ports.
    pub ports: Vec<u16>,
    /// Protocol numbers.
    pub protocols: Vec<u8>,
    /// ICMP types and codes.
    pub icmp: Vec<(u8, u8)>,
    /// Marks.
    pub marks: Vec<u32>,
    /// Whole traffic class bytes.
    pub traffic_classes: Vec<u8>,
    /// Times to live.
    pub hops: Vec<u8>,
}

/// A node and a firewall as the makers of packets see them.
#[derive(Debug)]
pub struct Ground<'a> {
    /// The node.
    pub node: &'a Node,
    /// The firewall.
    pub firewall: &'a Firewall,
    routes: [Vec<Towards>; 2],
    translates_destinations: [bool; 2],
    constants: [Constants; 2],
    by_way: [Vec<(Way, Vec<IpAddr>)>; 2],
}

impl<'a> Ground<'a> {
    /// The ground of a node and its firewall.
    #[must_use]
    pub fn new(node: &'a Node, firewall: &'a Firewall) -> Self {
        let mut ground = Self {
            node,
            firewall,
            routes: Family::BOTH.map(|family| towards(node, family)),
            translates_destinations: Family::BOTH.map(|family| {
                let ruleset = firewall.ruleset(family);
                ruleset.bare_rules().any(changes_destination)
            }),
            constants: Default::default(),
            by_way: Default::default(),
        };
        ground.constants = Family::BOTH.map(|family| Collector::collect(&ground, family));
        ground.by_way = Family::BOTH.map(|family| ground.sorted_by_way(family));
        ground
    }

    fn sorted_by_way(&self, family: Family) -> Vec<(Way, Vec<IpAddr>)> {
        let mut ways: Vec<(Way, Vec<IpAddr>)> = Vec::new();
        for address in &self.constants(family).addresses {
            let way = self.way(*address);
            match ways.iter_mut().find(|(known, _)| *known == way) {
                Some((_, addresses)) => addresses.push(*address),
                None => ways.push((way, vec![*address])),
            }
        }
        ways
    }

    /// The known addresses to which packets go a way.
    #[must_use]
    pub fn on_way(&self, family: Family, way: Way) -> &[IpAddr] {
        let ways = match family {
            Family::V4 => &self.by_way[0],
            Family::V6 => &self.by_way[1],
        };
        let found = ways.iter().find(|(known, _)| *known == way);
        found.map_or(&[], |(_, addresses)| addresses)
    }

    /// The constants of a family.
    #[must_use]
    pub fn constants(&self, family: Family) -> &Constants {
        match family {
            Family::V4 => &self.constants[0],
            Family::V6 => &self.constants[1],
        }
    }

    /// The bits of the mark that rules of a family ask for or write.
    #[must_use]
    pub fn mark_bits(&self, family: Family) -> u32 {
        self.firewall
            .ruleset(family)
            .bare_rules()
            .fold(0, |bits, rule| {
                let written = match &rule.target {
                    Target::Mark(xmark) => xmark.mask | xmark.value,
                    _ => 0,
                };
                let asked = conditions(rule).into_iter().fold(0, |bits, condition| {
                    bits | match condition.question {
                        Question::Mark(test) => test.mask,
                        _ => 0,
                    }
                });
                // A mask of all ones is how rules write that they mean the whole mark, not a bit of it.
                [written, asked]
                    .into_iter()
                    .filter(|mask| *mask != u32::MAX)
                    .fold(bits, |a, b| a | b)
            })
    }

    /// Whether rules of a family change where packets go.
    #[must_use]
    pub fn translates_destinations(&self, family: Family) -> bool {
        self.translates_destinations[match family {
            Family::V4 => 0,
            Family::V6 => 1,
        }]
    }

    /// The set of a name.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<&'a Set> {
        self.firewall.sets.iter().find(|set| set.name == name)
    }

    /// The interfaces besides `lo`.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceName> + '_ {
        self.node.interfaces.iter().map(|interface| interface.name)
    }

    /// Where packets to an address go that come from elsewhere: those to all or to a group are the
    /// node's as well.
    #[must_use]
    pub fn way(&self, address: IpAddr) -> Way {
        if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Way::Local;
        }
        self.way_out(address)
    }

    /// Where the node's own packets to an address go, by the longest prefix; to none, to itself.
    #[must_use]
    pub fn way_out(&self, address: IpAddr) -> Way {
        if address.is_unspecified() {
            return Way::Local;
        }
        let routes = match address {
            IpAddr::V4(_) => &self.routes[0],
            IpAddr::V6(_) => &self.routes[1],
        };
        let address = number(address);
        let mut routes = routes.iter();
        let found = routes.find(|route| address & route.mask == route.network);
        found.map_or(Way::Nowhere, |route| route.way)
    }

    /// Whether routing lets a source address arrive by an interface: not the node's own, and what the
    /// reverse path filter allows; of IPv6 everything.
    #[must_use]
    pub fn may_come_from(&self, source: IpAddr, name: InterfaceName) -> bool {
        if source.is_ipv6() {
            return true;
        }
        let back = self.way(source);
        let filter = self
            .node
            .interface(name)
            .map(|interface| interface.reverse_path);
        back != Way::Local
            && match filter.unwrap_or_default() {
                ReversePath::Off => true,
                ReversePath::Loose => back != Way::Nowhere,
                ReversePath::Strict => back == Way::Out(name),
            }
    }

    /// The families for which the node has addresses, and hence packets.
    pub fn families(&self) -> impl Iterator<Item = Family> + '_ {
        Family::BOTH.into_iter().filter(|family| {
            let mut addresses = self.node.interfaces.iter().flat_map(|one| &one.addresses);
            let mut routes = self.node.routes.iter().map(|route| route.destination);
            addresses.any(|net| Family::of(net.addr()) == *family)
                || routes.any(|net| Family::of(net.addr()) == *family)
                || !self.firewall.ruleset(*family).tables.is_empty()
        })
    }
}

fn changes_destination(rule: &Rule) -> bool {
    matches!(
        rule.target,
        Target::Dnat(_) | Target::Redirect(_) | Target::Netmap { .. } | Target::Opaque { .. }
    )
}

/// Where packets under a prefix go. The makers of packets ask for little else: as numbers, for they are faster.
#[derive(Clone, Copy, Debug)]
struct Towards {
    network: u128,
    mask: u128,
    way: Way,
}

/// The routes of a family.
fn towards(node: &Node, family: Family) -> Vec<Towards> {
    let routes = routes(node).into_iter();
    let routes = routes.filter(|(net, _)| Family::of(net.addr()) == family);
    let routes = routes.map(|(net, way)| Towards {
        network: number(net.network()),
        mask: number(net.netmask()),
        way,
    });
    routes.collect()
}

/// Local addresses, broadcasts, connected networks and routes, the longest prefix first; of equals,
/// the node's own first.
fn routes(node: &Node) -> Vec<(IpNet, Way)> {
    let mut routes = Vec::new();
    for (interface, net) in node.addresses() {
        routes.push((IpNet::from(net.addr()), Way::Local));
        if interface == InterfaceName::LOOPBACK {
            routes.push((net.trunc(), Way::Local));
            continue;
        }
        if net.addr().is_ipv4() && net.prefix_len() < 31 {
            routes.push((IpNet::from(net.broadcast()), Way::Local));
        }
        // A router answers to its network's first address too (RFC 4291, section 2.6.1).
        if net.addr().is_ipv6() && net.prefix_len() < 127 && node.forwards_v6 {
            routes.push((IpNet::from(net.network()), Way::Local));
        }
        routes.push((net.trunc(), Way::Out(interface)));
    }
    for route in &node.routes {
        let way = match route.to {
            RouteKind::Unicast { interface, .. } => Way::Out(interface),
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => Way::Nowhere,
        };
        routes.push((route.destination, way));
    }
    routes.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
    routes
}

/// An address as a number.
#[must_use]
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address of a number; bits beyond the family's are lost.
#[must_use]
pub fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => {
            let low = u32::try_from(number & u128::from(u32::MAX)).unwrap_or(u32::MAX);
            Ipv4Addr::from_bits(low).into()
        }
        Family::V6 => Ipv6Addr::from_bits(number).into(),
    }
}

/// The addresses just before and just behind a range, and its ends; none twice.
#[must_use]
pub fn around(first: IpAddr, last: IpAddr) -> Vec<IpAddr> {
    let family = Family::of(first);
    let highest = u128::MAX >> (128 - u32::from(family.bits()));
    let (low, high) = (number(first), number(last));
    let before = low.checked_sub(1);
    let behind = high.checked_add(1).filter(|behind| *behind <= highest);
    let numbers = [before, Some(low), Some(high), behind];
    let around: BTreeSet<u128> = numbers.into_iter().flatten().collect();
    around
        .into_iter()
        .map(|number| address(family, number))
        .collect()
}

/// The lowest and the highest address under a mask.
#[must_use]
pub fn bounds(mask: AddressMask) -> (IpAddr, IpAddr) {
    let family = Family::of(mask.address);
    let bits = number(mask.mask);
    let low = number(mask.address) & bits;
    (address(family, low), address(family, low | !bits))
}

/// The ports just before and just behind a range, and its ends; none twice.
#[must_use]
pub fn around_ports(range: PortRange) -> Vec<u16> {
    let ports = [
        range.first.checked_sub(1),
        Some(range.first),
        Some(range.last),
        range.last.checked_add(1),
    ];
    let around: BTreeSet<u16> = ports.into_iter().flatten().collect();
    around.into_iter().collect()
}

/// The numbers just before and just behind a number, and itself; none twice.
#[must_use]
pub fn around_number(number: u8) -> Vec<u8> {
    let numbers = [number.checked_sub(1), Some(number), number.checked_add(1)];
    numbers.into_iter().flatten().collect()
}

/// Remote addresses that no rule or node needs to know: of the prefixes for documentation (RFC 5737,
/// RFC 3849).
const REMOTES: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 9)),
];

/// Addresses with a meaning of their own.
const SPECIAL: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::BROADCAST),
    IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)),
];

struct Collector {
    family: Family,
    addresses: BTreeSet<IpAddr>,
    ports: BTreeSet<u16>,
    protocols: BTreeSet<u8>,
    icmp: BTreeSet<(u8, u8)>,
    marks: BTreeSet<u32>,
    traffic_classes: BTreeSet<u8>,
    hops: BTreeSet<u8>,
}

impl Collector {
    fn collect(ground: &Ground<'_>, family: Family) -> Constants {
        let mut collector = Self {
            family,
            addresses: BTreeSet::new(),
            ports: BTreeSet::from([1, 53, 67, 80, 443, 1024, 40_000, 65_535]),
            protocols: BTreeSet::from([0, 4, 6, 17, 41, 47, 50, 132, 136, 255]),
            icmp: match family {
                Family::V4 => BTreeSet::from([(0, 0), (3, 3), (8, 0), (11, 0), (13, 0)]),
                Family::V6 => BTreeSet::from([(1, 4), (3, 0), (128, 0), (129, 0), (135, 0)]),
            },
            marks: BTreeSet::from([0, u32::MAX]),
            traffic_classes: BTreeSet::from([0]),
            hops: BTreeSet::from([1, 2, 64, 255]),
        };
        collector.node(ground.node);
        for rule in ground.firewall.ruleset(family).bare_rules() {
            for condition in conditions(rule) {
                collector.question(condition.question);
            }
            collector.target(&rule.target);
        }
        for set in &ground.firewall.sets {
            collector.set(set);
        }
        Constants {
            addresses: collector.addresses.into_iter().collect(),
            ports: collector.ports.into_iter().collect(),
            protocols: collector.protocols.into_iter().collect(),
            icmp: collector.icmp.into_iter().collect(),
            marks: collector.marks.into_iter().collect(),
            traffic_classes: collector.traffic_classes.into_iter().collect(),
            hops: collector.hops.into_iter().collect(),
        }
    }

    fn address(&mut self, address: IpAddr) {
        if Family::of(address) == self.family {
            self.addresses.insert(address);
        }
    }

    fn range(&mut self, first: IpAddr, last: IpAddr) {
        around(first, last)
            .into_iter()
            .for_each(|address| self.address(address));
        let middle = number(first).midpoint(number(last));
        self.address(address(Family::of(first), middle));
    }

    fn node(&mut self, node: &Node) {
        SPECIAL
            .into_iter()
            .chain(REMOTES)
            .for_each(|address| self.address(address));
        for (interface, net) in node.addresses() {
            self.address(net.addr());
            if interface != InterfaceName::LOOPBACK {
                self.address(net.network());
                self.address(net.broadcast());
                net.hosts()
                    .skip(1)
                    .take(2)
                    .for_each(|host| self.address(host));
            }
        }
        for route in &node.routes {
            let net = route.destination;
            if net.prefix_len() > 0 {
                net.hosts().take(2).for_each(|host| self.address(host));
            }
        }
    }

    fn question(&mut self, question: Question<'_>) {
        match question {
            Question::Source(mask) | Question::Destination(mask) => {
                let (first, last) = bounds(mask);
                self.range(first, last);
            }
            Question::SourceRange(first, last) | Question::DestinationRange(first, last) => {
                self.range(first, last);
            }
            Question::Ports(_, ranges) => {
                self.ports
                    .extend(ranges.iter().flat_map(|range| around_ports(*range)));
            }
            Question::Protocol(protocol) => {
                self.protocols.extend(around_number(protocol.0));
            }
            Question::Icmp(test, _) => {
                self.icmp.insert((test.kind, test.first_code));
                self.icmp.insert((test.kind, test.last_code));
            }
            Question::Mark(test) => {
                self.marks
                    .extend([test.value, test.mask, !test.mask, test.value ^ test.mask]);
            }
            Question::Hops(test) => {
                let (HopsTest::Equal(hops)
                | HopsTest::NotEqual(hops)
                | HopsTest::Below(hops)
                | HopsTest::Above(hops)) = test;
                self.hops.extend(around_number(hops));
            }
            Question::Dscp(value) => {
                self.traffic_classes
                    .extend(around_number(value).iter().map(|dscp| dscp << 2));
            }
            Question::Tos(value, mask) => self.traffic_classes.extend([value, value ^ mask]),
            _ => {}
        }
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Dnat(range) | Target::Snat(range) => {
                if let Some((first, last)) = range.addresses {
                    self.range(first, last);
                }
                if let Some(ports) = range.ports {
                    self.ports.extend(around_ports(ports));
                }
            }
            Target::Mark(xmark) => self.marks.extend([xmark.value, xmark.mask, !xmark.mask]),
            _ => {}
        }
    }

    fn set(&mut self, set: &Set) {
        for part in set.elements.iter().flat_map(|element| &element.parts) {
            match part {
                Part::Net(net) => self.range(net.network(), net.broadcast()),
                Part::Addresses(first, last) => self.range(*first, *last),
                Part::Port(_, range) => self.ports.extend(around_ports(*range)),
                Part::Icmp(_, kind, code) => {
                    self.icmp.insert((*kind, *code));
                }
                Part::Mark(mark) => {
                    self.marks.insert(*mark);
                }
                _ => {}
            }
        }
    }
}
