//! A packet in the making, and whether it meets a question as it stands.
//!
//! This asks the packet as it is sent: marks and addresses that rules change on its way are the
//! model's business, which judges every draft in the end.

use crate::packet::{
    Defect, Family, InterfaceName, Origin, Packet, Protocol, TcpFlags, Transport, Tuple,
};
use crate::xtables::Hook;
use crate::xtables::matches::{
    AddressTypes, ChunkScope, Chunks, HopsTest, IcmpTest, PacketType, PortRange, PortSide,
    RpfilterTest, SetSide, SetTest, States, StringTest,
};
use crate::xtables::ruleset::InterfacePattern;
use crate::xtables::set::{Element, Part, Set};

use super::ground::{Ground, Way, number};
use super::question::{Condition, Question};
use super::standing::{Shot, Standing};

/// A packet, what it shall be to connection tracking, and what is sent to have it so.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The packet before its standing shaped it.
    pub base: Packet,
    /// What it shall be to connection tracking.
    pub standing: Standing,
    /// What is sent.
    pub shot: Shot,
}

impl Draft {
    /// A draft; `None` where the packet can't stand so.
    #[must_use]
    pub fn new(base: Packet, standing: Standing) -> Option<Self> {
        let shot = standing.give(base.clone())?;
        Some(Self {
            base,
            standing,
            shot,
        })
    }

    /// The draft with its packet changed; with standing `New` where it can't keep its own.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Packet)) -> Option<Self> {
        let mut base = self.base.clone();
        change(&mut base);
        let (standing, shot) = match self.standing.give(base.clone()) {
            Some(shot) => (self.standing, shot),
            None => (Standing::New, Standing::New.give(base.clone())?),
        };
        Some(Self {
            base,
            standing,
            shot,
        })
    }

    /// The draft whose packet is sent to the letter, whatever connection tracking makes of it.
    #[must_use]
    pub fn verbatim(&self, change: impl FnOnce(&mut Packet)) -> Self {
        let mut draft = self.clone();
        change(&mut draft.shot.packet);
        draft
    }

    /// Whether it meets a condition.
    #[must_use]
    pub fn meets(&self, condition: &Condition<'_>, ground: &Ground<'_>) -> bool {
        condition.is_beyond() || self.answers(condition.question, ground) == condition.wanted
    }

    fn answers(&self, question: Question<'_>, ground: &Ground<'_>) -> bool {
        let packet = &self.shot.packet;
        let under =
            |address, mask, wanted| number(address) & number(mask) == number(wanted) & number(mask);
        match question {
            Question::At(hook) => self.passes(hook, ground),
            Question::Source(mask) => under(packet.source, mask.mask, mask.address),
            Question::Destination(mask) => under(packet.destination, mask.mask, mask.address),
            Question::SourceRange(first, last) => (first..=last).contains(&packet.source),
            Question::DestinationRange(first, last) => (first..=last).contains(&packet.destination),
            Question::SourceType(types) => types_of(packet.source, ground) & types.0 != 0,
            Question::DestinationType(types) => types_of(packet.destination, ground) & types.0 != 0,
            Question::In(pattern) => self
                .arrives_by(ground)
                .is_some_and(|name| named(pattern, name)),
            Question::Out(pattern) => self
                .leaves_by(ground)
                .is_some_and(|name| named(pattern, name)),
            Question::Protocol(protocol) => packet.protocol() == protocol,
            Question::Fragment => packet.fragment.is_some_and(|fragment| fragment.offset > 0),
            Question::Ports(side, ranges) => port_in(packet, side, ranges),
            Question::Flags(test) => match packet.transport {
                Transport::Tcp(tcp) => tcp.flags.0 & test.mask == test.compare,
                _ => false,
            },
            Question::Option(kind) => match packet.transport {
                Transport::Tcp(tcp) => tcp.option == Some(kind),
                _ => false,
            },
            Question::Chunk(test) => match packet.transport {
                Transport::Sctp { chunk, .. } => chunk_meets(chunk, test.scope, &test.chunks),
                _ => false,
            },
            Question::Icmp(test, any) => match packet.transport {
                Transport::Icmp(icmp) => icmp_meets(test, any, icmp.kind, icmp.code),
                _ => false,
            },
            Question::Set(test) => ground
                .set(&test.name)
                .is_some_and(|set| self.is_in(set, test, ground)),
            Question::Mark(test) => packet.mark.matches(test.value, test.mask),
            Question::States(states) => self.state().intersects(states),
            Question::Direction(original) => (self.standing == Standing::Reply) != original,
            Question::ReversePath(test) => self.comes_back(test, ground) != test.invert,
            Question::Hops(test) => match test {
                HopsTest::Equal(hops) => packet.hops == hops,
                HopsTest::NotEqual(hops) => packet.hops != hops,
                HopsTest::Below(hops) => packet.hops < hops,
                HopsTest::Above(hops) => packet.hops > hops,
            },
            Question::Dscp(dscp) => packet.traffic_class >> 2 == dscp,
            Question::Tos(value, mask) => packet.traffic_class & mask == value,
            Question::Length(first, last) => {
                (first..=last).contains(&u16::try_from(length(packet)).unwrap_or(u16::MAX))
            }
            Question::Text(test) => contains(packet, test),
            Question::Cast(cast) => match cast {
                PacketType::Unicast => !is_cast(packet, ground, BROADCAST | MULTICAST),
                PacketType::Broadcast => is_cast(packet, ground, BROADCAST),
                PacketType::Multicast => is_cast(packet, ground, MULTICAST),
                PacketType::OtherHost => false,
            },
            Question::Keeps(other, fields) => fields.all(|field| field.same(self, other)),
            Question::Beyond(_) => true,
        }
    }

    fn way(&self, ground: &Ground<'_>) -> Way {
        ground.way(self.shot.packet.destination)
    }

    /// Whether its protocol is a transport's: a packet here has no extension headers besides the
    /// fragment's, so their numbers can't stand in IPv6's protocol field.
    #[must_use]
    pub fn has_transport(&self) -> bool {
        let packet = &self.shot.packet;
        let mut protocols = keys(packet).map(|key| key.protocol);
        packet.family() == Family::V4 || !protocols.any(Protocol::is_extension_header)
    }

    fn passes(&self, hook: Hook, ground: &Ground<'_>) -> bool {
        let packet = &self.shot.packet;
        let way = self.way(ground);
        match (hook, packet.origin) {
            (Hook::Prerouting, Origin::Arrives(_)) => true,
            (Hook::Prerouting | Hook::Input, Origin::Node) => way == Way::Local,
            (Hook::Input, Origin::Arrives(name)) => {
                way == Way::Local && ground.may_come_from(packet.source, name)
            }
            (Hook::Forward | Hook::Postrouting, Origin::Arrives(name)) => {
                matches!(way, Way::Out(_)) && ground.may_come_from(packet.source, name)
            }
            (Hook::Output | Hook::Postrouting, Origin::Node) => way != Way::Nowhere,
            (Hook::Forward, Origin::Node) | (Hook::Output, Origin::Arrives(_)) => false,
        }
    }

    /// The interface that PREROUTING and INPUT see: the node's packets to itself come by `lo`.
    fn arrives_by(&self, ground: &Ground<'_>) -> Option<InterfaceName> {
        match self.shot.packet.origin {
            Origin::Arrives(name) => Some(name),
            Origin::Node => (self.way(ground) == Way::Local).then_some(InterfaceName::LOOPBACK),
        }
    }

    fn leaves_by(&self, ground: &Ground<'_>) -> Option<InterfaceName> {
        let destination = self.shot.packet.destination;
        let way = match self.shot.packet.origin {
            Origin::Node => ground.way_out(destination),
            Origin::Arrives(_) => ground.way(destination),
        };
        match way {
            Way::Out(name) => Some(name),
            Way::Local => {
                (self.shot.packet.origin == Origin::Node).then_some(InterfaceName::LOOPBACK)
            }
            Way::Nowhere => None,
        }
    }

    /// Whether the way back to its source is the way it came (net/ipv4/netfilter/ipt_rpfilter.c,
    /// `rpfilter_mt`): of what comes by `lo`, always.
    fn comes_back(&self, test: RpfilterTest, ground: &Ground<'_>) -> bool {
        let packet = &self.shot.packet;
        let Origin::Arrives(name) = packet.origin else {
            return true;
        };
        match ground.way(packet.source) {
            Way::Out(back) => test.loose || back == name,
            Way::Local => test.accept_local,
            Way::Nowhere => false,
        }
    }

    /// What connection tracking makes of it, roughly; the model knows better.
    fn state(&self) -> States {
        match self.standing {
            Standing::New | Standing::Unreplied => self.untied_state(),
            Standing::Established | Standing::Reply => States::ESTABLISHED,
            Standing::Related => States::RELATED,
            Standing::Invalid => States::INVALID,
            Standing::Untracked => States::UNTRACKED,
        }
    }

    fn untied_state(&self) -> States {
        let packet = &self.shot.packet;
        let spoilt = packet.defect == Some(Defect::TransportChecksum);
        match (packet.transport, packet.family()) {
            (Transport::Tcp(tcp), _) if !matches!(tcp.flags, TcpFlags::SYN | TcpFlags::ACK) => {
                States::INVALID
            }
            (Transport::UdpLite(_), _) => States::INVALID,
            (Transport::Icmp(icmp), Family::V4) if !matches!(icmp.kind, 8 | 13 | 15 | 17) => {
                States::INVALID
            }
            (Transport::Icmp(icmp), Family::V6) => match icmp.kind {
                128 | 139 => States::NEW,
                130..=136 | 143 | 151 | 152 => States::UNTRACKED,
                _ => States::INVALID,
            },
            _ if spoilt => States::INVALID,
            _ => States::NEW,
        }
    }

    fn is_in(&self, set: &Set, test: &SetTest, ground: &Ground<'_>) -> bool {
        let parts_match = |element: &&Element| self.has_parts(set, element, &test.sides, ground);
        // The longest prefix decides between members and their exceptions.
        let length = |element: &&Element| match element.parts.first() {
            Some(Part::Net(net)) => net.prefix_len(),
            _ => 0,
        };
        let found = set.elements.iter().filter(parts_match).max_by_key(length);
        found.is_some_and(|element| !element.nomatch)
    }

    /// Whether it has all parts of a set's element.
    #[must_use]
    pub fn has_parts(
        &self,
        set: &Set,
        element: &Element,
        sides: &[SetSide],
        ground: &Ground<'_>,
    ) -> bool {
        let mut pairs = element.parts.iter().zip(sides);
        pairs.all(|(part, side)| self.has_part(set, part, *side, ground))
    }

    fn has_part(&self, set: &Set, part: &Part, side: SetSide, ground: &Ground<'_>) -> bool {
        let packet = &self.shot.packet;
        let (address, interface) = match side {
            SetSide::Source => (packet.source, self.arrives_by(ground)),
            SetSide::Destination => (packet.destination, self.leaves_by(ground)),
        };
        match part {
            Part::Net(net) => {
                let bits = set
                    .netmask
                    .unwrap_or(net.prefix_len())
                    .min(net.prefix_len());
                let net = ipnet::IpNet::new(net.addr(), bits).unwrap_or(*net);
                net.trunc().contains(&address)
            }
            Part::Addresses(first, last) => (*first..=*last).contains(&address),
            Part::Port(protocol, range) => {
                let ports = packet.transport.ports();
                let port = ports.map(|ports| match side {
                    SetSide::Source => ports.source,
                    SetSide::Destination => ports.destination,
                });
                protocol.is_none_or(|protocol| protocol == packet.protocol())
                    && port.is_some_and(|port| range.contains(port))
            }
            Part::Icmp(_, kind, code) => match packet.transport {
                Transport::Icmp(icmp) => (icmp.kind, icmp.code) == (*kind, *code),
                _ => false,
            },
            Part::Interface { name, physdev } => !physdev && interface == Some(*name),
            Part::Mark(mark) => packet.mark.0 & set.markmask.unwrap_or(u32::MAX) == *mark,
            Part::Set(name) => ground.set(name).is_some_and(|inner| {
                let test = SetTest {
                    name: name.clone(),
                    sides: vec![side; inner.dimensions.len()],
                    negated: false,
                    return_nomatch: false,
                    no_counter_update: false,
                    no_subcounter_update: false,
                    packets: None,
                    bytes: None,
                };
                self.is_in(inner, &test, ground)
            }),
            Part::Mac(_) => false,
        }
    }
}

const BROADCAST: u16 = 1 << 3;
const MULTICAST: u16 = 1 << 5;

/// Whether an interface's name meets a pattern.
#[must_use]
pub fn named(pattern: &InterfacePattern, name: InterfaceName) -> bool {
    match pattern {
        InterfacePattern::Exactly(exact) => *exact == name,
        InterfacePattern::Prefix(prefix) => name.as_str().starts_with(prefix),
        InterfacePattern::Unnameable(_) => false,
    }
}

/// The kinds of an address, as bits in the order of [`AddressTypes::NAMES`].
fn types_of(address: std::net::IpAddr, ground: &Ground<'_>) -> u16 {
    if address.is_multicast() {
        return MULTICAST;
    }
    let broadcast = std::net::IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    let mut nets = ground
        .node
        .addresses()
        .filter(|(_, net)| net.addr().is_ipv4());
    let edge = nets.any(|(_, net)| net.prefix_len() < 31 && net.broadcast() == address);
    if address == broadcast || edge || address.is_unspecified() {
        return BROADCAST;
    }
    match ground.way(address) {
        Way::Local => AddressTypes::one(2).0,
        Way::Out(_) => AddressTypes::one(1).0,
        Way::Nowhere => {
            let routes = ground
                .node
                .routes
                .iter()
                .filter(|route| route.destination.contains(&address));
            let route = routes.max_by_key(|route| route.destination.prefix_len());
            match route.map(|route| route.to) {
                Some(crate::node::RouteKind::Blackhole) => AddressTypes::one(6).0,
                Some(crate::node::RouteKind::Prohibit) => AddressTypes::one(8).0,
                _ => AddressTypes::one(7).0,
            }
        }
    }
}

fn is_cast(packet: &Packet, ground: &Ground<'_>, types: u16) -> bool {
    types_of(packet.destination, ground) & types != 0
}

fn port_in(packet: &Packet, side: PortSide, ranges: &[PortRange]) -> bool {
    let Some(ports) = packet.transport.ports() else {
        return false;
    };
    let within = |port| ranges.iter().any(|range| range.contains(port));
    match side {
        PortSide::Source => within(ports.source),
        PortSide::Destination => within(ports.destination),
        PortSide::Either => within(ports.source) || within(ports.destination),
    }
}

fn icmp_meets(test: IcmpTest, any: bool, kind: u8, code: u8) -> bool {
    (any && test.kind == 255)
        || (kind == test.kind && (test.first_code..=test.last_code).contains(&code))
}

fn chunk_meets(chunk: u8, scope: ChunkScope, chunks: &Chunks) -> bool {
    let (named, count) = match chunks {
        Chunks::All => (true, 256),
        Chunks::These(types) => (types.iter().any(|(kind, _)| *kind == chunk), types.len()),
    };
    match scope {
        ChunkScope::Any | ChunkScope::Only => named,
        ChunkScope::All => named && count == 1,
    }
}

fn contains(packet: &Packet, test: &StringTest) -> bool {
    match &packet.payload {
        crate::packet::Payload::Bytes(bytes) => {
            let same = |window: &[u8]| {
                window == test.pattern
                    || (test.ignore_case && window.eq_ignore_ascii_case(&test.pattern))
            };
            bytes.windows(test.pattern.len().max(1)).any(same)
        }
        crate::packet::Payload::Zeros(_) => false,
    }
}

/// The length of the internet packet, headers and all; of what an error quotes, roughly.
#[must_use]
pub fn length(packet: &Packet) -> usize {
    let internet = match packet.family() {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    let transport = match packet.transport {
        Transport::Tcp(tcp) => 20 + if tcp.option.is_some() { 4 } else { 0 },
        Transport::Udp(_) | Transport::UdpLite(_) => 8,
        Transport::Sctp { .. } | Transport::Other(_) => 16,
        Transport::Icmp(icmp) => 8 + icmp.quoted.map_or(0, |_| internet + 8),
    };
    internet + transport + packet.payload.len()
}

/// The keys under which connection tracking may know a packet: its own, and that of what it quotes.
pub fn keys(packet: &Packet) -> impl Iterator<Item = Tuple> {
    let quoted = match packet.transport {
        Transport::Icmp(icmp) => icmp.quoted,
        _ => None,
    };
    [Some(packet.tuple()), quoted].into_iter().flatten()
}

/// Whether a protocol has ports that rules can ask for and packets here carry.
#[must_use]
pub fn carries_ports(protocol: Protocol) -> bool {
    protocol.has_ports() && protocol != Protocol::DCCP
}
