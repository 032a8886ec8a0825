//! Each match's question, answered as its file in net/netfilter does.

use super::addresses;
use super::bits;
use super::choice::Cause;
use super::conntrack::{Entry, Link};
use super::native;
use super::program::Question;
use super::routing::Ground;
use super::rpfilter;
use super::sets::Sets;
use super::text;
use super::traveller::{Socket, Traveller};
use crate::packet::{Direction, Family, InterfaceName, Protocol, Tcp, Transport};
use crate::xtables::matches::{
    AddressTypes, AddrtypeTest, ChunkScope, Chunks, ConnectionStatus, Conntrack, HopsTest,
    IcmpTest, Not, OwnerTest, PacketType, PortRange, PortSide, SctpTest, States, TcpTest, UdpTest,
};
use crate::xtables::ruleset::AddressMask;

/// A question's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The packet fits; ask on.
    Yes,
    /// It does not; on to the next rule.
    No,
    /// It is broken; it ends here (`hotdrop`).
    Drop,
    /// One of two ways, for this cause: the first is yes.
    Choose(Cause),
}

impl From<bool> for Reply {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// What matches look at besides the packet.
pub(super) struct Surroundings<'m> {
    /// The sets.
    pub(super) sets: &'m Sets,
    /// Interfaces and routes.
    pub(super) ground: &'m Ground,
}

/// Asks one question.
#[inline(always)]
pub(super) fn ask(question: &Question, packet: &Traveller<'_>, around: &Surroundings<'_>) -> Reply {
    match question {
        Question::Mark(test) => test.admits(packet.mark).into(),
        Question::InInterface(test) => test.admits(name(packet.in_interface)).into(),
        Question::OutInterface(test) => test.admits(name(packet.out_interface)).into(),
        Question::Protocol { protocol, negated } => {
            ((packet.protocol == *protocol) != *negated).into()
        }
        Question::Source(test) => test.admits(packet.source).into(),
        Question::Destination(test) => test.admits(packet.destination).into(),
        Question::States { states, negated } => {
            (states_of(packet).intersects(*states) != *negated).into()
        }
        Question::Set(test) => around.sets.admit(test, packet).into(),
        Question::Multiport {
            side,
            ranges,
            negated,
        } => multiport(*side, ranges, *negated, packet),
        Question::Tcp(test) => tcp(test, packet),
        Question::Udp(test) => udp(test, packet),
        Question::TcpFlags(test) => native::asks_flags(*test, packet),
        Question::SourcePort(test) => native::asks_source(*test, packet),
        Question::DestinationPort(test) => native::asks_destination(*test, packet),
        Question::BothPorts(test) => native::asks_both(test, packet),
        other => ask_rarer(other, packet, around),
    }
}

/// The questions that few rules ask, kept out of the loop's way.
#[inline(never)]
fn ask_rarer(question: &Question, packet: &Traveller<'_>, around: &Surroundings<'_>) -> Reply {
    match question {
        Question::Fragment { negated } => (packet.body.later != *negated).into(),
        Question::Connmark(test) => packet
            .tracking
            .link()
            .is_some_and(|link| test.admits(link.entry.mark))
            .into(),
        Question::Connection(test) => connection(test, packet).into(),
        Question::Sctp(test) => sctp(test, packet),
        Question::Icmp { test, negated } => icmp(*test, *negated, packet),
        Question::Addrtype(test) => addrtype(test, packet, around.ground).into(),
        Question::Rpfilter(test) => rpfilter::passes(*test, packet, around.ground).into(),
        Question::Owner(test) => owner(test, packet.socket).into(),
        Question::Pkttype { kind, negated } => ((packet_type(packet) == *kind) != *negated).into(),
        Question::SourceSpan(span) => {
            ((span.first..=span.last).contains(&packet.source) != span.negated).into()
        }
        Question::DestinationSpan(span) => {
            ((span.first..=span.last).contains(&packet.destination) != span.negated).into()
        }
        Question::Hops(test) => hops(*test, packet.hops).into(),
        Question::TrafficClass {
            value,
            mask,
            negated,
        } => ((packet.traffic_class & mask == *value) != *negated).into(),
        Question::Length {
            first,
            last,
            negated,
        } => {
            let range = usize::from(*first)..=usize::from(*last);
            (range.contains(&packet.length()) != *negated).into()
        }
        Question::String(test, name) => match text::contains(test, packet) {
            Some(found) => (found != test.negated).into(),
            None => Reply::Choose(Cause::Unknown(*name)),
        },
        Question::Fixed(answer) => (*answer).into(),
        Question::Chance => Reply::Choose(Cause::Chance),
        Question::Unknown(name) => Reply::Choose(Cause::Unknown(*name)),
        // The rest is asked in `ask`.
        _ => Reply::No,
    }
}

/// A hook that knows no interface shows the empty name (`nulldevname` in ip_tables.c).
fn name(interface: Option<InterfaceName>) -> u128 {
    interface.map_or(0, InterfaceName::number)
}

fn states_of(packet: &Traveller<'_>) -> States {
    let mut states = packet.tracking.state();
    if let Some(link) = packet.tracking.link() {
        if link.entry.source_nat {
            states = states.union(States::SNAT);
        }
        if link.entry.destination_nat {
            states = states.union(States::DNAT);
        }
    }
    states
}

fn holds<T>(test: Option<&Not<T>>, answer: impl FnOnce(&T) -> bool) -> bool {
    test.is_none_or(|test| answer(&test.value) != test.negated)
}

/// `conntrack_mt` in xt_conntrack.c: a packet without a connection answers only for its state, and
/// then whatever else the rule asks.
fn connection(test: &Conntrack, packet: &Traveller<'_>) -> bool {
    if !holds(test.states.as_ref(), |states| {
        states_of(packet).intersects(*states)
    }) {
        return false;
    }
    let Some(link) = packet.tracking.link() else {
        return test.states.is_some();
    };
    is_about(test, link)
}

fn is_about(test: &Conntrack, link: &Link) -> bool {
    let Entry {
        original, reply, ..
    } = link.entry;
    let within = |mask: &AddressMask, address| {
        let bits = bits::number(mask.mask);
        bits::number(address) & bits == bits::number(mask.address) & bits
    };
    let direction = test
        .original_direction
        .is_none_or(|wanted| wanted == (link.direction == Direction::Original));
    // As the kernel keeps a tuple, an ICMP message's identifier is the source port, type and code the
    // destination port: the other way round than `Tuple::icmp_ports`.
    let ports = |tuple: crate::packet::Tuple| {
        if matches!(tuple.protocol, Protocol::ICMP | Protocol::ICMP6) {
            (tuple.ports.destination, tuple.ports.source)
        } else {
            (tuple.ports.source, tuple.ports.destination)
        }
    };
    let (original_source, original_destination) = ports(original);
    let (reply_source, reply_destination) = ports(reply);
    let in_range = |port: u16| move |range: &PortRange| range.contains(port);
    direction
        && holds(test.original_source.as_ref(), |mask| {
            within(mask, original.source)
        })
        && holds(test.original_destination.as_ref(), |mask| {
            within(mask, original.destination)
        })
        && holds(test.reply_source.as_ref(), |mask| {
            within(mask, reply.source)
        })
        && holds(test.reply_destination.as_ref(), |mask| {
            within(mask, reply.destination)
        })
        && holds(test.protocol.as_ref(), |number| {
            original.protocol.0 == *number
        })
        && holds(
            test.original_source_port.as_ref(),
            in_range(original_source),
        )
        && holds(
            test.original_destination_port.as_ref(),
            in_range(original_destination),
        )
        && holds(test.reply_source_port.as_ref(), in_range(reply_source))
        && holds(
            test.reply_destination_port.as_ref(),
            in_range(reply_destination),
        )
        && holds(test.status.as_ref(), |wanted| {
            status(&link.entry).0 & wanted.0 != 0
        })
}

fn status(entry: &Entry) -> ConnectionStatus {
    let bit = |set: bool, status: ConnectionStatus| if set { status.0 } else { 0 };
    ConnectionStatus(
        bit(entry.seen_reply, ConnectionStatus::SEEN_REPLY)
            | bit(entry.assured, ConnectionStatus::ASSURED)
            | bit(entry.confirmed, ConnectionStatus::CONFIRMED),
    )
}

/// xt_multiport.c reads four bytes of whatever protocol, and drops a packet that has fewer.
fn multiport(side: PortSide, ranges: &[PortRange], negated: bool, packet: &Traveller<'_>) -> Reply {
    if packet.body.later {
        return Reply::No;
    }
    if !packet.body.holds(4) {
        return Reply::Drop;
    }
    let ports = packet.first_ports();
    let any = |port: u16| ranges.iter().any(|range| range.contains(port));
    let found = match side {
        PortSide::Source => any(ports.source),
        PortSide::Destination => any(ports.destination),
        PortSide::Either => any(ports.source) || any(ports.destination),
    };
    (found != negated).into()
}

fn port(test: Option<&Not<PortRange>>, port: u16) -> bool {
    holds(test, |range| range.contains(port))
}

/// `tcp_mt` in xt_tcpudp.c.
fn tcp(test: &TcpTest, packet: &Traveller<'_>) -> Reply {
    if packet.body.later {
        // A fragment that starts inside the TCP header is an attempt to rewrite it.
        return if packet.body.overwrites {
            Reply::Drop
        } else {
            Reply::No
        };
    }
    let Transport::Tcp(header) = packet.packet.transport else {
        return Reply::No;
    };
    if !packet.body.holds(20) {
        return Reply::Drop;
    }
    let fits = port(test.source.as_ref(), packet.ports.source)
        && port(test.destination.as_ref(), packet.ports.destination)
        && holds(test.flags.as_ref(), |flags| {
            header.flags.0 & flags.mask == flags.compare
        });
    if !fits {
        return Reply::No;
    }
    tcp_option(test.option.as_ref(), header, packet)
}

/// `tcp_find_option`: looks through the option bytes; a header cut short in them is dropped.
fn tcp_option(test: Option<&Not<u8>>, header: Tcp, packet: &Traveller<'_>) -> Reply {
    let Some(test) = test else {
        return Reply::Yes;
    };
    let Some(kind) = header.option else {
        return test.negated.into();
    };
    if !packet.body.holds(24) {
        return Reply::Drop;
    }
    ((test.value == kind) != test.negated).into()
}

/// `udp_mt` in xt_tcpudp.c, for UDP and UDP-Lite.
fn udp(test: &UdpTest, packet: &Traveller<'_>) -> Reply {
    if packet.body.later {
        return Reply::No;
    }
    if !packet.body.holds(8) {
        return Reply::Drop;
    }
    (port(test.source.as_ref(), packet.ports.source)
        && port(test.destination.as_ref(), packet.ports.destination))
    .into()
}

/// `sctp_mt` in xt_sctp.c.
fn sctp(test: &SctpTest, packet: &Traveller<'_>) -> Reply {
    if packet.body.later {
        return Reply::No;
    }
    let Transport::Sctp { chunk, .. } = packet.packet.transport else {
        return Reply::No;
    };
    if !packet.body.holds(12) {
        return Reply::Drop;
    }
    if !port(test.source.as_ref(), packet.ports.source)
        || !port(test.destination.as_ref(), packet.ports.destination)
    {
        return Reply::No;
    }
    let Some(chunks) = &test.chunks else {
        return Reply::Yes;
    };
    if !packet.body.holds(16) {
        return Reply::Drop;
    }
    let found = has_chunks(chunks.value.scope, &chunks.value.chunks, chunk);
    (found != chunks.negated).into()
}

/// `match_packet` for the one chunk that a packet has, whose flags are all zero.
fn has_chunks(scope: ChunkScope, chunks: &Chunks, chunk: u8) -> bool {
    let wants_flag = |flags: &str| flags.chars().any(char::is_uppercase);
    let (named, fits, others) = match chunks {
        Chunks::All => (true, true, true),
        Chunks::These(list) => {
            let entry = list.iter().find(|(kind, _)| *kind == chunk);
            let named = entry.is_some();
            let fits = entry.is_some_and(|(_, flags)| !wants_flag(flags));
            (named, fits, list.iter().any(|(kind, _)| *kind != chunk))
        }
    };
    match scope {
        ChunkScope::Any | ChunkScope::Only => named && fits,
        ChunkScope::All => !others && (!named || fits),
    }
}

/// `icmp_match` in ip_tables.c, where type 255 means any, and `icmp6_match` in ip6_tables.c.
fn icmp(test: IcmpTest, negated: bool, packet: &Traveller<'_>) -> Reply {
    if packet.body.later {
        return Reply::No;
    }
    if !packet.body.holds(8) {
        return Reply::Drop;
    }
    let [kind, code] = packet.ports.source.to_be_bytes();
    let any = packet.family == Family::V4 && test.kind == 255;
    let codes = test.first_code..=test.last_code;
    let found = any || (test.kind == kind && codes.contains(&code));
    (found != negated).into()
}

/// `addrtype_mt_v1` in xt_addrtype.c.
fn addrtype(test: &AddrtypeTest, packet: &Traveller<'_>, ground: &Ground) -> bool {
    let limit = if test.limit_in {
        packet.in_interface
    } else if test.limit_out {
        packet.out_interface
    } else {
        None
    };
    let is = |address, wanted: &AddressTypes| {
        addresses::is_of_type(ground, packet.family, address, limit, *wanted)
    };
    holds(test.source.as_ref(), |wanted| is(packet.source, wanted))
        && holds(test.destination.as_ref(), |wanted| {
            is(packet.destination, wanted)
        })
}

/// `owner_mt` in xt_owner.c: a rule that asks nothing positive fits a packet without an owner.
fn owner(test: &OwnerTest, socket: Socket) -> bool {
    let positive = |one: Option<bool>| one == Some(false);
    let user = test.user.as_ref().map(|one| one.negated);
    let group = test.group.as_ref().map(|one| one.negated);
    let exists = test.socket_exists.as_ref().map(|one| one.negated);
    match socket {
        Socket::Nobody => !positive(user) && !positive(group) && !positive(exists),
        _ if exists == Some(true) => false,
        Socket::Kernel => !positive(user) && !positive(group),
        Socket::Root => {
            let is_root = |range: &(u32, u32)| range.0 == 0;
            holds(test.user.as_ref(), is_root) && holds(test.group.as_ref(), is_root)
        }
    }
}

/// What a packet's link layer says: a TUN device has none and says "to this node"; what the node sends
/// is not yet anybody's, which the kernel keeps as the same (net/netfilter/xt_pkttype.c).
fn packet_type(_packet: &Traveller<'_>) -> PacketType {
    PacketType::Unicast
}

fn hops(test: HopsTest, hops: u8) -> bool {
    match test {
        HopsTest::Equal(value) => hops == value,
        HopsTest::NotEqual(value) => hops != value,
        HopsTest::Below(value) => hops < value,
        HopsTest::Above(value) => hops > value,
    }
}
