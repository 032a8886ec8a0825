//! The way from hook to hook: arrival, forwarding, sending, and the second half over `lo`.

use std::net::Ipv4Addr;

use super::addresses::{self, Sort};
use super::answer;
use super::bits;
use super::conntrack::{self, Kind, Tracking};
use super::input::{self, Input, MTU};
use super::routing::Target;
use super::run::{Log, Passage, Run};
use super::source;
use super::traveller::{Socket, Traveller};
use super::witness::Witness;
use crate::journey::{Fate, Unjudged};
use crate::packet::{
    Defect, Direction, Family, InterfaceName, Origin, Packet, Protocol, Transport,
};
use crate::xtables::Hook;

/// The group to which every node belongs (RFC 1112).
const ALL_NODES: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// Where a packet that the node sends goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    /// By which interface; `lo` for the node itself.
    pub(super) interface: InterfaceName,
    /// The next hop, as a number; 0 for the destination itself.
    pub(super) gateway: u128,
    /// Whether it goes to all on the link, or to a group.
    pub(super) to_many: bool,
    /// Whether the node is one of many that the packet is for, so that a copy passes POSTROUTING
    /// before the packet does, to come back (`ip_mc_output` in net/ipv4/ip_output.c).
    pub(super) copied: bool,
}

impl Departure {
    /// To the node itself, over `lo`.
    const HOME: Self = Self {
        interface: InterfaceName::LOOPBACK,
        gateway: 0,
        to_many: false,
        copied: false,
    };

    /// To one, by an interface.
    fn to_one(interface: InterfaceName, gateway: u128) -> Self {
        Self {
            interface,
            gateway,
            to_many: false,
            copied: false,
        }
    }

    /// To all, or to a group, by an interface. The node belongs to all, and to the group of all nodes.
    fn to_many(interface: InterfaceName, family: Family, destination: u128) -> Self {
        let v4 = bits::v4(destination);
        let belongs = family == Family::V4 && (!v4.is_multicast() || v4 == ALL_NODES);
        Self {
            interface,
            gateway: 0,
            to_many: true,
            copied: belongs && interface != InterfaceName::LOOPBACK,
        }
    }
}

impl<W: Witness> Run<'_, W> {
    /// Judges a packet from its start.
    pub(super) fn judge(&mut self, packet: &Packet, log: &mut Log) -> Result<(), Unjudged> {
        check(packet)?;
        let (mut traveller, fate);
        match packet.origin {
            Origin::Arrives(interface) => {
                traveller = Traveller::new(packet, Socket::Nobody);
                fate = self.arrive(interface, &mut traveller, log)?;
            }
            Origin::Node => {
                traveller = Traveller::new(packet, Socket::Root);
                fate = self.send(&mut traveller, log)?;
            }
        }
        log.journey.fate = fate;
        self.witness.tied(&traveller.tracking);
        Ok(())
    }

    fn arrive(
        &mut self,
        interface: InterfaceName,
        packet: &mut Traveller<'_>,
        log: &mut Log,
    ) -> Result<Fate, Unjudged> {
        let ground = self.parts.ground;
        let Some(link) = ground.link(interface) else {
            let message = format!("no interface `{interface}`, by which the packet arrives");
            return Err(Unjudged::Other(message));
        };
        let bad_header =
            packet.family == Family::V4 && packet.packet.defect == Some(Defect::HeaderChecksum);
        let refused = packet.family == Family::V6 && input::is_refused_on_sight_v6(packet, false);
        if bad_header || refused {
            return Ok(Fate::Unhooked);
        }
        packet.in_interface = Some(interface);
        if self.pass(Hook::Prerouting, packet, log)? == Passage::Lost {
            return Ok(self.lost(packet.family, log));
        }
        match input::route(ground, link, packet) {
            Input::Local { to_many } => {
                packet.to_many = to_many;
                packet.to_node = true;
                self.deliver(packet, log)
            }
            Input::Forward { interface, gateway } => {
                packet.leaves_by = Some(interface);
                packet.gateway = gateway;
                self.forward(packet, log)
            }
            Input::Refused(error) => {
                if let Some(error) = error {
                    answer::refuse(self, error, packet, log)?;
                }
                Ok(self.lost(packet.family, log))
            }
        }
    }

    /// To the node itself. IPv4 puts fragments together before INPUT, so a lone one never gets there
    /// (`ip_local_deliver` in net/ipv4/ip_input.c); IPv6 does so behind it.
    fn deliver(&mut self, packet: &mut Traveller<'_>, log: &mut Log) -> Result<Fate, Unjudged> {
        if packet.family == Family::V4 && packet.is_fragment() {
            return Ok(self.lost(packet.family, log));
        }
        packet.out_interface = None;
        if self.pass(Hook::Input, packet, log)? == Passage::Lost {
            return Ok(self.lost(packet.family, log));
        }
        Ok(Fate::Local)
    }

    /// Through the node (`ip_forward` in net/ipv4/ip_forward.c).
    fn forward(&mut self, packet: &mut Traveller<'_>, log: &mut Log) -> Result<Fate, Unjudged> {
        if packet.family == Family::V4 && packet.hops <= 1 {
            answer::refuse(self, input::TIME_EXCEEDED_V4, packet, log)?;
            return Ok(self.lost(packet.family, log));
        }
        packet.hops -= 1;
        packet.out_interface = packet.leaves_by;
        if self.pass(Hook::Forward, packet, log)? == Passage::Lost {
            return Ok(self.lost(packet.family, log));
        }
        self.leave(packet, log)
    }

    /// What the node itself sends, by a raw socket that writes the internet header.
    fn send(&mut self, packet: &mut Traveller<'_>, log: &mut Log) -> Result<Fate, Unjudged> {
        // The socket is bound to no source, so the destination alone decides.
        let Some(departure) = self.departure(packet.family, packet.destination, None) else {
            return Ok(Fate::Unrouted(None));
        };
        let longest = if departure.interface == InterfaceName::LOOPBACK {
            65_536
        } else {
            MTU
        };
        if packet.length() > longest {
            return Ok(Fate::Unrouted(None));
        }
        if packet.family == Family::V4 && packet.source == 0 {
            // `raw_send_hdrinc` fills in the route's source: to none that is 127.0.0.1
            // (`ip_route_output_key_hash_rcu`).
            packet.source = match packet.destination {
                0 => bits::number(Ipv4Addr::LOCALHOST.into()),
                destination => answer::source_v4(self.parts.ground, destination),
            };
        }
        self.depart(packet, departure, log)
    }

    /// By which way a packet to an address leaves the node, perhaps by an interface that is settled;
    /// `None` where there is none.
    pub(super) fn departure(
        &self,
        family: Family,
        destination: u128,
        by: Option<InterfaceName>,
    ) -> Option<Departure> {
        // "This host" is the node (`ip_route_output_key_hash_rcu`; `rawv6_sendmsg`).
        if destination == 0 {
            return Some(Departure::HOME);
        }
        self.departure_by_route(family, destination, by)
    }

    /// The same by what the routes say, of `::` too.
    fn departure_by_route(
        &self,
        family: Family,
        destination: u128,
        by: Option<InterfaceName>,
    ) -> Option<Departure> {
        let to_group = addresses::is_group(family, destination);
        if to_group && family == Family::V6 {
            return self.departure_to_group_v6(destination, by);
        }
        match self.parts.ground.find_toward(family, destination, by)? {
            Target::Local(_) | Target::Anycast(_) => Some(Departure::HOME),
            Target::Broadcast(interface) => {
                Some(Departure::to_many(interface, family, destination))
            }
            // A group has no gateway (`__mkroute_output` in net/ipv4/route.c).
            Target::Unicast { interface, .. } if to_group => {
                Some(Departure::to_many(interface, family, destination))
            }
            Target::Unicast {
                interface, gateway, ..
            } => Some(Departure::to_one(interface, gateway)),
            Target::Blackhole | Target::Unreachable | Target::Prohibit => None,
        }
    }

    /// Each interface has a route to all groups, of which the first interface's comes first
    /// (`addrconf_add_mroute`); but the interface must have an address to speak from
    /// (`ip6_dst_lookup_tail`).
    fn departure_to_group_v6(
        &self,
        destination: u128,
        by: Option<InterfaceName>,
    ) -> Option<Departure> {
        let ground = self.parts.ground;
        let interface = by.or(ground.first_link())?;
        source::select_v6(ground, Some(interface), destination)?;
        Some(Departure::to_many(interface, Family::V6, destination))
    }

    /// The same, where the source is settled: to all or to a group an own address speaks by its interface
    /// (`ip_route_output_key_hash_rcu`).
    pub(super) fn departure_from(
        &self,
        family: Family,
        source: u128,
        destination: u128,
    ) -> Option<Departure> {
        if family == Family::V4
            && addresses::is_group(family, destination)
            && let Some(Target::Local(interface)) = self.parts.ground.find_local(family, source)
        {
            return Some(Departure::to_many(interface, family, destination));
        }
        self.departure(family, destination, None)
    }

    /// From the node, with a route.
    pub(super) fn depart(
        &mut self,
        packet: &mut Traveller<'_>,
        departure: Departure,
        log: &mut Log,
    ) -> Result<Fate, Unjudged> {
        set_departure(packet, departure);
        packet.in_interface = None;
        packet.out_interface = packet.leaves_by;
        if self.pass(Hook::Output, packet, log)? == Passage::Lost {
            return Ok(self.lost(packet.family, log));
        }
        self.leave(packet, log)
    }

    /// Out of the node, or back into it over `lo`.
    fn leave(&mut self, packet: &mut Traveller<'_>, log: &mut Log) -> Result<Fate, Unjudged> {
        packet.out_interface = packet.leaves_by;
        if packet.copied {
            let mut copy = packet.clone();
            copy.socket = Socket::Nobody;
            self.pass(Hook::Postrouting, &mut copy, log)?;
            // Both belong to one connection, which the copy may have had translated.
            packet.tracking = copy.tracking;
        }
        if self.pass(Hook::Postrouting, packet, log)? == Passage::Lost {
            return Ok(self.lost(packet.family, log));
        }
        match packet.leaves_by {
            Some(InterfaceName::LOOPBACK) => self.come_back(packet, log),
            Some(interface) => Ok(Fate::Sent(interface)),
            None => Ok(self.lost(packet.family, log)),
        }
    }

    /// The second half of the way from the node to itself. The packet keeps its mark, its connection
    /// (which leaving has entered in the table) and its route.
    fn come_back(&mut self, packet: &mut Traveller<'_>, log: &mut Log) -> Result<Fate, Unjudged> {
        // A port that chance chooses has given way.
        let is_settled = log.open.is_empty();
        if is_settled && conntrack::is_in_the_way(self.parts.connections, &packet.tracking) {
            return Ok(self.lost(packet.family, log));
        }
        if let Tracking::Linked(link) = &mut packet.tracking {
            link.entry.confirmed |= link.kind == Kind::New && link.direction == Direction::Original;
        }
        if packet.family == Family::V6 && input::is_refused_on_sight_v6(packet, true) {
            return Ok(self.lost(packet.family, log));
        }
        let by_chance = log.open.iter().any(|open| open.source);
        if by_chance && self.parts.program.asks_source_ports() {
            let message = "chance chooses the port with which a packet comes back".to_owned();
            return Err(Unjudged::Other(message));
        }
        packet.in_interface = Some(InterfaceName::LOOPBACK);
        packet.out_interface = None;
        let destination = packet.destination;
        if self.pass(Hook::Prerouting, packet, log)? == Passage::Lost {
            return Ok(self.lost(packet.family, log));
        }
        if is_for_strangers(packet) {
            return Ok(self.lost(packet.family, log));
        }
        if packet.destination != destination {
            let message = "a packet over lo is translated again".to_owned();
            return Err(Unjudged::Other(message));
        }
        self.deliver(packet, log)
    }

    /// Routes the node's own packet again after OUTPUT has changed it; `false` where it ends so
    /// (net/ipv4/netfilter.c, `ip_route_me_harder`; net/ipv6/netfilter.c).
    pub(super) fn reroute(&mut self, packet: &mut Traveller<'_>) -> bool {
        let ground = self.parts.ground;
        // `strict` in net/ipv6/netfilter.c, `ip6_route_me_harder`: the interface stays, for a group whether
        // or not there is an address to speak from. `lo`, by which goes what was for the node, is the only
        // one without a route to all groups (net/ipv6/addrconf.c, `addrconf_add_dev`).
        let near =
            packet.family == Family::V6 && addresses::sort(packet.destination) == Sort::LinkLocal;
        let stays =
            packet.family == Family::V6 && addresses::is_group(packet.family, packet.destination);
        // Nobody speaks from an address that is no single one's: it does not decide (net/ipv4/fib_frontend.c,
        // `__inet_dev_addr_type`). Of 0.0.0.0/8 only the first is such a one (include/linux/in.h,
        // `ipv4_is_zeronet`, since Linux 5.3).
        let many = packet.family == Family::V4
            && (addresses::is_group(packet.family, packet.source) || packet.source == 0);
        let source = match ground.find_local(packet.family, packet.source) {
            Some(Target::Broadcast(_)) => 0,
            _ if many => 0,
            _ => packet.source,
        };
        // To a group or to all by no interface of its own choice goes only who has that address
        // (net/ipv4/route.c, `ip_route_output_key_hash_rcu`).
        let to_all =
            packet.family == Family::V4 && addresses::is_group(packet.family, packet.destination);
        let speaks = matches!(
            ground.find_local(packet.family, source),
            Some(Target::Local(_))
        );
        if to_all && source != 0 && !speaks {
            return false;
        }
        let departure = match packet.family {
            Family::V4 => self.departure_from(packet.family, source, packet.destination),
            Family::V6 if stays => packet
                .leaves_by
                .filter(|by| *by != InterfaceName::LOOPBACK)
                .map(|by| Departure::to_many(by, Family::V6, packet.destination)),
            // It is the socket that takes `::` for the node, and asks but once (`rawv6_sendmsg`).
            Family::V6 => {
                let by = packet.leaves_by.filter(|_| near);
                self.departure_by_route(packet.family, packet.destination, by)
            }
        };
        let Some(departure) = departure else {
            return false;
        };
        if packet.family == Family::V4 && !input::may_leave(ground, source, departure.interface) {
            return false;
        }
        set_departure(packet, departure);
        true
    }
}

fn set_departure(packet: &mut Traveller<'_>, departure: Departure) {
    packet.leaves_by = Some(departure.interface);
    packet.gateway = departure.gateway;
    packet.to_node = departure.interface == InterfaceName::LOOPBACK;
    packet.copied = departure.copied;
    packet.to_many = departure.to_many && packet.family == Family::V4;
}

/// Whether it goes to a group that the node is not in (it is in 224.0.0.1).
fn is_for_strangers(packet: &Traveller<'_>) -> bool {
    let destination = bits::v4(packet.destination);
    packet.family == Family::V4 && destination.is_multicast() && destination != ALL_NODES
}

/// What the model does not follow.
fn check(packet: &Packet) -> Result<(), Unjudged> {
    let other = |message: &str| Err(Unjudged::Other(message.to_owned()));
    if packet.source.is_ipv4() != packet.destination.is_ipv4() {
        return other("the packet's addresses are of two families");
    }
    if let Transport::Other(protocol) = packet.transport {
        let known = [
            Protocol::TCP,
            Protocol::UDP,
            Protocol::UDP_LITE,
            Protocol::SCTP,
        ];
        if known.contains(&protocol) {
            return other("the packet names a transport and has zeros in its place");
        }
        if packet.source.is_ipv6() && protocol.is_extension_header() {
            return other("the packet names an extension header and has zeros in its place");
        }
    }
    Ok(())
}
