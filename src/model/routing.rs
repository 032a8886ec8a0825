//! Where packets go: the node's tables of routes and the kernel's rules about addresses
//! (net/ipv4/route.c, net/ipv4/fib_frontend.c, net/ipv6/route.c, net/ipv6/ip6_input.c).

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::bits;
use crate::node::{Interface, Node, ReversePath, RouteKind};
use crate::packet::{Family, InterfaceName};

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The node itself, by an address of this interface.
    Local(InterfaceName),
    /// Everyone on the link of this interface, the node included (IPv4).
    Broadcast(InterfaceName),
    /// The node, as one of those that bear the address of this interface's network (IPv6).
    Anycast(InterfaceName),
    /// Out of an interface.
    Unicast {
        /// Which.
        interface: InterfaceName,
        /// The next hop, as a number; 0 for the destination itself.
        gateway: u128,
        /// The source address that the route prefers, as a number; 0 for none.
        preferred: u128,
    },
    /// Nowhere, silently.
    Blackhole,
    /// Nowhere, with an error.
    Unreachable,
    /// Nowhere, with an error.
    Prohibit,
}

impl Target {
    /// The interface of the route.
    pub(super) fn interface(self) -> Option<InterfaceName> {
        match self {
            Self::Local(interface)
            | Self::Broadcast(interface)
            | Self::Anycast(interface)
            | Self::Unicast { interface, .. } => Some(interface),
            Self::Blackhole | Self::Unreachable | Self::Prohibit => None,
        }
    }
}

/// One family's routes, the longest prefix first.
#[derive(Clone, Debug, Default)]
struct Table {
    hosts: FxHashMap<u128, Target>,
    nets: Vec<Net>,
}

#[derive(Clone, Copy, Debug)]
struct Net {
    network: u128,
    mask: u128,
    target: Target,
}

impl Table {
    /// Adds a route that stands back where there is one to its prefix.
    fn add(&mut self, family: Family, net: IpNet, target: Target) {
        let (network, mask) = numbers(family, net);
        if net.prefix_len() == family.bits() {
            self.hosts.entry(network).or_insert(target);
        } else {
            self.nets.push(Net {
                network,
                mask,
                target,
            });
        }
    }

    /// Adds a route in the place of those to its prefix.
    fn replace(&mut self, family: Family, net: IpNet, target: Target) {
        let (network, mask) = numbers(family, net);
        if net.prefix_len() == family.bits() {
            self.hosts.remove(&network);
        }
        self.nets
            .retain(|one| (one.network, one.mask) != (network, mask));
        self.add(family, net, target);
    }

    fn sort(&mut self) {
        self.nets
            .sort_by_key(|net| std::cmp::Reverse(net.mask.count_ones()));
    }

    fn find(&self, address: u128) -> Option<Target> {
        if let Some(target) = self.hosts.get(&address) {
            return Some(*target);
        }
        self.nets
            .iter()
            .find(|net| address & net.mask == net.network)
            .map(|net| net.target)
    }

    /// Whether an address is the lowest of a network without a next hop, of more than two.
    fn is_lowest_of_link(&self, address: u128) -> bool {
        let mut nets = self.nets.iter();
        let net = nets.find(|net| address & net.mask == net.network);
        !self.hosts.contains_key(&address)
            && net.is_some_and(|net| {
                let on_link = matches!(net.target, Target::Unicast { gateway: 0, .. });
                on_link && net.network == address && net.mask.trailing_zeros() > 1
            })
    }

    /// The best route that leads by this interface.
    fn find_by(&self, address: u128, interface: InterfaceName) -> Option<Target> {
        let leads = |target: &Target| target.interface() == Some(interface);
        let host = self.hosts.get(&address).copied().filter(leads);
        host.or_else(|| {
            self.nets
                .iter()
                .filter(|net| address & net.mask == net.network)
                .map(|net| net.target)
                .find(leads)
        })
    }
}

fn numbers(family: Family, net: IpNet) -> (u128, u128) {
    let mask = bits::mask(family, net.prefix_len());
    (bits::number(net.network()), mask)
}

/// One address of an interface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    /// As a number.
    pub(super) address: u128,
    /// Its prefix length.
    pub(super) prefix: u8,
    /// Whether an address before it on the interface has the same network (IPv4).
    secondary: bool,
}

/// One interface with what routing asks of it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// Its name.
    pub(super) name: InterfaceName,
    /// Its IPv4 addresses in the order given.
    pub(super) v4: Vec<Address>,
    /// Its IPv6 addresses in the order given.
    pub(super) v6: Vec<Address>,
    /// `rp_filter`.
    pub(super) reverse_path: ReversePath,
    /// `route_localnet`.
    pub(super) route_localnet: bool,
}

impl Link {
    fn new(interface: &Interface) -> Self {
        let mut v4: Vec<Address> = Vec::new();
        let mut v6 = Vec::new();
        for net in &interface.addresses {
            let address = bits::number(net.addr());
            let prefix = net.prefix_len();
            if net.addr().is_ipv4() {
                let mask = bits::mask(Family::V4, prefix);
                let secondary = v4
                    .iter()
                    .any(|one| one.prefix == prefix && (one.address ^ address) & mask == 0);
                v4.push(Address {
                    address,
                    prefix,
                    secondary,
                });
            } else {
                v6.push(Address {
                    address,
                    prefix,
                    secondary: false,
                });
            }
        }
        Self {
            name: interface.name,
            v4,
            v6,
            reverse_path: interface.reverse_path,
            route_localnet: interface.route_localnet,
        }
    }

    fn loopback() -> Self {
        let own = |address: u128, prefix| Address {
            address,
            prefix,
            secondary: false,
        };
        Self {
            name: InterfaceName::LOOPBACK,
            v4: vec![own(0x7f00_0001, 8)],
            v6: vec![own(1, 128)],
            reverse_path: ReversePath::Off,
            route_localnet: false,
        }
    }

    /// Its addresses of one family, in the order given.
    pub(super) fn addresses(&self, family: Family) -> &[Address] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// The primary IPv4 addresses whose scope lets them serve beyond the node.
    fn speaking_v4(&self) -> impl Iterator<Item = &Address> {
        let beyond = self.name != InterfaceName::LOOPBACK;
        self.v4.iter().filter(move |one| beyond && !one.secondary)
    }
}

/// A node's interfaces and routes, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    links: Vec<Link>,
    local: [Table; 2],
    main: [Table; 2],
    forwards: [bool; 2],
}

fn side(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

impl Ground {
    /// The ground of a node.
    pub(super) fn new(node: &Node) -> Self {
        let mut links = vec![Link::loopback()];
        links.extend(node.interfaces.iter().map(Link::new));
        let mut ground = Self {
            links,
            local: [Table::default(), Table::default()],
            main: [Table::default(), Table::default()],
            forwards: [node.forwards_v4, node.forwards_v6],
        };
        ground.add_loopback();
        for interface in &node.interfaces {
            for net in &interface.addresses {
                ground.add_address(interface.name, *net);
            }
        }
        for route in &node.routes {
            let family = Family::of(route.destination.addr());
            let target = match route.to {
                RouteKind::Unicast { interface, via } => Target::Unicast {
                    interface,
                    gateway: via.map_or(0, bits::number),
                    preferred: 0,
                },
                RouteKind::Blackhole => Target::Blackhole,
                RouteKind::Unreachable => Target::Unreachable,
                RouteKind::Prohibit => Target::Prohibit,
            };
            ground.main[side(family)].replace(family, route.destination, target);
        }
        for table in ground.local.iter_mut().chain(&mut ground.main) {
            table.sort();
        }
        ground
    }

    /// 127/8 is local as a whole, its last address a broadcast; of IPv6 only `::1`.
    fn add_loopback(&mut self) {
        let lo = InterfaceName::LOOPBACK;
        let local = &mut self.local;
        let v4 =
            |octets: [u8; 4], length| ipnet::Ipv4Net::new(octets.into(), length).map(IpNet::V4);
        for (net, target) in [
            (v4([127, 0, 0, 1], 32), Target::Local(lo)),
            (v4([127, 255, 255, 255], 32), Target::Broadcast(lo)),
            (v4([127, 0, 0, 0], 8), Target::Local(lo)),
        ] {
            if let Ok(net) = net {
                local[0].add(Family::V4, net, target);
            }
        }
        local[1].hosts.insert(1, Target::Local(lo));
    }

    /// What an address brings along (net/ipv4/fib_frontend.c, `fib_add_ifaddr`; in IPv6 the
    /// connected route, and with forwarding the subnet-router address, `addrconf_join_anycast`).
    fn add_address(&mut self, interface: InterfaceName, net: IpNet) {
        let family = Family::of(net.addr());
        let at = side(family);
        let address = bits::number(net.addr());
        let own = Target::Local(interface);
        self.local[at].hosts.entry(address).or_insert(own);
        let length = net.prefix_len();
        if length == family.bits() {
            return;
        }
        let connected = Target::Unicast {
            interface,
            gateway: 0,
            preferred: if family == Family::V4 { address } else { 0 },
        };
        self.main[at].add(family, net.trunc(), connected);
        match family {
            Family::V4 if length < 31 => {
                let last = bits::number(net.broadcast());
                self.local[at]
                    .hosts
                    .entry(last)
                    .or_insert(Target::Broadcast(interface));
            }
            Family::V6 if length < 127 && self.forwards[at] => {
                let first = bits::number(net.network());
                if first != 0 {
                    self.local[at]
                        .hosts
                        .entry(first)
                        .or_insert(Target::Anycast(interface));
                }
            }
            _ => {}
        }
    }

    /// Whether the node forwards a family.
    pub(super) fn forwards(&self, family: Family) -> bool {
        self.forwards[side(family)]
    }

    /// The node's first interface besides `lo`.
    pub(super) fn first_link(&self) -> Option<InterfaceName> {
        self.links.get(1).map(|link| link.name)
    }

    /// The interface of a name.
    pub(super) fn link(&self, name: InterfaceName) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The route of an address: the local table first, then the main one.
    pub(super) fn find(&self, family: Family, address: u128) -> Option<Target> {
        let at = side(family);
        self.local[at]
            .find(address)
            .or_else(|| self.main[at].find(address))
    }

    /// Whether the kernel takes an IPv6 address for one that several bear: an anycast address, and the
    /// lowest address of a link's network whether or not this node bears it (include/net/ip6_route.h,
    /// `ipv6_anycast_destination`).
    pub(super) fn is_anycast(&self, address: u128) -> bool {
        let at = side(Family::V6);
        match self.local[at].find(address) {
            Some(target) => matches!(target, Target::Anycast(_)),
            None => self.main[at].is_lowest_of_link(address),
        }
    }

    /// The same as [`Ground::find`], in the local table only.
    pub(super) fn find_local(&self, family: Family, address: u128) -> Option<Target> {
        self.local[side(family)].find(address)
    }

    /// The route of an address; where an interface is given, the best that leads there (IPv6's
    /// `RT6_LOOKUP_F_IFACE`).
    pub(super) fn find_toward(
        &self,
        family: Family,
        address: u128,
        interface: Option<InterfaceName>,
    ) -> Option<Target> {
        let Some(interface) = interface else {
            return self.find(family, address);
        };
        let at = side(family);
        [&self.local[at], &self.main[at]]
            .into_iter()
            .find_map(|table| table.find_by(address, interface))
    }

    /// Whether an interface bears an address.
    pub(super) fn has_address(
        &self,
        interface: InterfaceName,
        family: Family,
        address: u128,
    ) -> bool {
        self.link(interface).is_some_and(|link| {
            link.addresses(family)
                .iter()
                .any(|own| own.address == address)
        })
    }

    /// Whether an address is one of the node's own.
    pub(super) fn is_own(&self, family: Family, address: u128) -> bool {
        self.links
            .iter()
            .flat_map(|link| link.addresses(family))
            .any(|own| own.address == address)
    }

    /// The IPv4 address that the routes of a local or broadcast address prefer: its network's first on
    /// its interface (net/ipv4/fib_frontend.c, `fib_add_ifaddr`: `prim`).
    pub(super) fn primary_v4(&self, interface: InterfaceName, address: u128) -> u128 {
        let networks = self.link(interface).into_iter().flat_map(|link| &link.v4);
        networks
            .filter(|one| !one.secondary)
            .find(|one| (one.address ^ address) & bits::mask(Family::V4, one.prefix) == 0)
            .map_or(address, |one| one.address)
    }

    /// The IPv4 address with which an interface speaks (net/ipv4/devinet.c, `inet_select_addr`):
    /// its first primary one, rather one in the network of `toward` (0: anyone); without any, another
    /// interface's. 0 where no interface has one. `lo`'s own has host scope and never serves.
    pub(super) fn select_v4(&self, interface: InterfaceName, toward: u128) -> u128 {
        let near = |one: &&Address| {
            let mask = bits::mask(Family::V4, one.prefix);
            toward == 0 || (one.address ^ toward) & mask == 0
        };
        let own = || self.link(interface).into_iter().flat_map(Link::speaking_v4);
        own()
            .find(near)
            .or_else(|| own().next())
            .or_else(|| self.links.iter().flat_map(Link::speaking_v4).next())
            .map_or(0, |one| one.address)
    }

    /// The first IPv4 address of an interface, primary or not.
    pub(super) fn first_v4(&self, interface: InterfaceName) -> Option<u128> {
        self.link(interface)?.v4.first().map(|one| one.address)
    }

    /// Every interface, `lo` first.
    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }
}

/// Whether an IPv4 number lies in 127/8.
pub(super) fn is_loopback_v4(address: u128) -> bool {
    bits::v4(address).is_loopback()
}
