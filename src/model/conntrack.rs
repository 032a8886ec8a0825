//! Connection tracking: what a packet is to the connections that exist
//! (net/netfilter/nf_conntrack_core.c, `nf_conntrack_in`; the protocols' own files beside it).

use rustc_hash::FxHashMap;

use super::bits;
use super::traveller::Traveller;
use crate::mark::Mark;
use crate::packet::{
    Connection, Direction, Family, Icmp, Progress, Protocol, TcpFlags, Transport, Tuple,
};
use crate::xtables::Hook;
use crate::xtables::matches::States;

/// The connections that exist when packets are judged, found by either key.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    found: FxHashMap<Tuple, (usize, Direction)>,
    entries: Vec<Connection>,
}

impl Connections {
    /// These connections. Of two with one key the first has it.
    #[must_use]
    pub fn new(connections: &[Connection]) -> Self {
        let mut found = FxHashMap::default();
        for (index, connection) in connections.iter().enumerate() {
            // A key that is its own inverse is found as the reply, which is entered last and in front
            // (`__nf_conntrack_hash_insert`).
            found
                .entry(connection.reply)
                .or_insert((index, Direction::Reply));
            found
                .entry(connection.original)
                .or_insert((index, Direction::Original));
        }
        Self {
            found,
            entries: connections.to_vec(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn find(&self, key: &Tuple) -> Option<(&Connection, Direction)> {
        if self.entries.is_empty() {
            return None;
        }
        let (index, direction) = self.found.get(key)?;
        Some((self.entries.get(*index)?, *direction))
    }

    /// Whether some connection has this key in either direction.
    pub(super) fn has(&self, key: &Tuple) -> bool {
        self.find(key).is_some()
    }
}

/// Whether a connection that would be entered has a key that is another's, and no port that could give way: then its
/// packet is dropped where connections are entered, behind everything that looks (`__nf_conntrack_confirm`).
pub(super) fn is_in_the_way(connections: &Connections, tracking: &Tracking) -> bool {
    let new = tracking.link().filter(|link| {
        let entry = &link.entry;
        link.kind == Kind::New && link.direction == Direction::Original && !entry.confirmed
    });
    new.is_some_and(|link| {
        connections.has(&link.entry.original) || connections.has(&link.entry.reply)
    })
}

/// A connection as one packet sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The key of the original direction.
    pub(super) original: Tuple,
    /// The key of the reply direction.
    pub(super) reply: Tuple,
    /// The connection's mark.
    pub(super) mark: Mark,
    /// Entered in the table.
    pub(super) confirmed: bool,
    /// Packets were seen in both directions.
    pub(super) seen_reply: bool,
    /// Never expired early.
    pub(super) assured: bool,
    /// The source is translated.
    pub(super) source_nat: bool,
    /// The destination is translated.
    pub(super) destination_nat: bool,
    /// It is settled whether the source is translated.
    pub(super) source_done: bool,
    /// It is settled whether the destination is translated.
    pub(super) destination_done: bool,
}

impl Entry {
    fn first_seen(original: Tuple, reply: Tuple) -> Self {
        Self {
            original,
            reply,
            mark: Mark::NONE,
            confirmed: false,
            seen_reply: false,
            assured: false,
            source_nat: false,
            destination_nat: false,
            source_done: false,
            destination_done: false,
        }
    }

    fn existing(connection: &Connection) -> Self {
        let replied = connection.progress != Progress::Unreplied;
        let untranslated = connection.original.inverse().unwrap_or(connection.reply);
        let reply = connection.reply;
        let source_nat = reply.destination != untranslated.destination
            || reply.ports.destination != untranslated.ports.destination;
        let destination_nat =
            reply.source != untranslated.source || reply.ports.source != untranslated.ports.source;
        // ctnetlink settles translation only where it is given one (`ctnetlink_setup_nat`); for a packet it
        // is settled by the hooks of address translation (`nf_nat_inet_fn`).
        let settled = connection.settled || source_nat || destination_nat;
        Self {
            original: connection.original,
            reply,
            mark: Mark::NONE,
            confirmed: true,
            seen_reply: replied,
            assured: connection.progress == Progress::Replied || has_old_stream(connection),
            source_nat,
            destination_nat,
            source_done: settled,
            destination_done: settled,
        }
    }

    /// The key of one direction.
    pub(super) fn key(&self, direction: Direction) -> Tuple {
        match direction {
            Direction::Original => self.original,
            Direction::Reply => self.reply,
        }
    }
}

/// Whether it is a connection of UDP that was entered by hand when both had spoken: nobody noted when that was,
/// so it is taken for long ago, and the next packet assures it (`nf_conntrack_udp_packet`, `stream_ts`).
fn has_old_stream(connection: &Connection) -> bool {
    connection.progress == Progress::Answered
        && connection.original.protocol == Protocol::UDP
        && !connection.settled
}

/// What a packet is to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It would begin the connection, or nobody has answered yet.
    New,
    /// It belongs to a connection that was answered.
    Established,
    /// It is about the connection.
    Related,
}

/// A packet's tie to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// What it is to it.
    pub(super) kind: Kind,
    /// Which way it goes.
    pub(super) direction: Direction,
    /// The connection, as this packet has left it.
    pub(super) entry: Entry,
}

/// What connection tracking says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "the large variant is the usual one, and nothing may be allocated for a packet"
)]
pub(super) enum Tracking {
    /// Nothing: it has not looked yet, is off, or can make nothing of the packet (INVALID).
    None,
    /// The same, but a packet that NOTRACK can't reach any more: an answer to an untracked packet
    /// (`nf_conntrack_attach` leaves RELATED without a connection behind, so `_nfct` is not zero).
    Void,
    /// It was told to leave the packet alone.
    Untracked,
    /// It has tied the packet to a connection.
    Linked(Link),
}

impl Tracking {
    /// The state that `--ctstate` sees, without SNAT and DNAT.
    pub(super) fn state(&self) -> States {
        match self {
            Self::None | Self::Void => States::INVALID,
            Self::Untracked => States::UNTRACKED,
            Self::Linked(link) => match link.kind {
                Kind::New => States::NEW,
                Kind::Established => States::ESTABLISHED,
                Kind::Related => States::RELATED,
            },
        }
    }

    /// The tie, if there is one.
    pub(super) fn link(&self) -> Option<&Link> {
        match self {
            Self::Linked(link) => Some(link),
            Self::None | Self::Void | Self::Untracked => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn link_mut(&mut self) -> Option<&mut Link> {
        match self {
            Self::Linked(link) => Some(link),
            Self::None | Self::Void | Self::Untracked => None,
        }
    }

    /// What an answer to a packet is, where the kernel ties it to the packet's connection
    /// (`nf_conntrack_attach`: RELATED, in the other direction); nothing where there is none.
    pub(super) fn of_answer(&self) -> Self {
        match self {
            Self::Linked(link) => Self::Linked(Link {
                kind: Kind::Related,
                direction: match link.direction {
                    Direction::Original => Direction::Reply,
                    Direction::Reply => Direction::Original,
                },
                entry: link.entry,
            }),
            Self::Untracked => Self::Void,
            Self::None | Self::Void => Self::None,
        }
    }
}

/// What connection tracking makes of a packet at PREROUTING or OUTPUT.
///
/// A packet that has a connection (over `lo`, or an answer) or was told to go untracked keeps that.
pub(super) fn track(connections: &Connections, hook: Hook, packet: &mut Traveller<'_>) {
    if matches!(packet.tracking, Tracking::None | Tracking::Void) {
        packet.tracking = classify(connections, hook, packet);
    }
}

fn classify(connections: &Connections, hook: Hook, packet: &Traveller<'_>) -> Tracking {
    // Only on arrival: what the node sends is taken to be right (`nf_checksum` behind
    // `state->hook == NF_INET_PRE_ROUTING` in each protocol).
    let checks = hook == Hook::Prerouting;
    if checks && packet.has_bad_checksum() {
        return Tracking::None;
    }
    match packet.packet.transport {
        Transport::Icmp(icmp) => track_icmp(connections, packet, icmp),
        // The sum is computed as UDP's (`udplite_error` passes IPPROTO_UDP), so a right one is wrong.
        Transport::UdpLite(_) if checks => Tracking::None,
        Transport::Other(protocol) if is_stray_icmp(protocol) => Tracking::None,
        // `ipv6_skip_exthdr` finds no transport behind "no next header".
        Transport::Other(Protocol::NO_NEXT_HEADER) if packet.family == Family::V6 => Tracking::None,
        _ => track_flow(connections, packet),
    }
}

/// ICMP's number in IPv6, ICMPv6's in IPv4, or either without a known message.
fn is_stray_icmp(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::ICMP | Protocol::ICMP6)
}

/// Looks a packet up by its own key (`resolve_normal_ct`).
fn track_flow(connections: &Connections, packet: &Traveller<'_>) -> Tracking {
    let key = Tuple {
        source: bits::address(packet.family, packet.source),
        destination: bits::address(packet.family, packet.destination),
        ..packet.packet.tuple()
    };
    let known = connections.find(&key).filter(|_| !packet.zoned);
    let (entry, direction) = match known {
        Some((connection, direction)) => (Entry::existing(connection), direction),
        None => match key.inverse() {
            Some(reply) => (Entry::first_seen(key, reply), Direction::Original),
            None => return Tracking::None,
        },
    };
    if !suits(packet, &entry, direction) {
        return Tracking::None;
    }
    let kind = match direction {
        Direction::Original if !entry.seen_reply => Kind::New,
        _ => Kind::Established,
    };
    Tracking::Linked(Link {
        kind,
        direction,
        entry: Entry {
            seen_reply: entry.seen_reply || direction == Direction::Reply,
            assured: entry.assured || ends_handshake(packet, &entry, direction),
            ..entry
        },
    })
}

/// Whether it acknowledges the answer to its connection's SYN, which assures the connection at once
/// (`nf_conntrack_tcp_packet`, from SYN_RECV to ESTABLISHED).
fn ends_handshake(packet: &Traveller<'_>, entry: &Entry, direction: Direction) -> bool {
    matches!(packet.packet.transport, Transport::Tcp(tcp) if segment(tcp.flags) == Segment::Ack)
        && entry.confirmed
        && entry.seen_reply
        && direction == Direction::Original
}

/// Whether the packet's protocol accepts it for the connection.
fn suits(packet: &Traveller<'_>, entry: &Entry, direction: Direction) -> bool {
    match packet.packet.transport {
        // Cut short before its data begin (`tcp_error`).
        Transport::Tcp(tcp) => {
            packet
                .body
                .holds(if tcp.option.is_some() { 24 } else { 20 })
                && are_valid_flags(tcp.flags)
                && tcp_suits(tcp.flags, entry, direction)
        }
        // Shorter than it says (`udp_error`).
        Transport::Udp(_) | Transport::UdpLite(_) => !packet.is_truncated(),
        Transport::Sctp { chunk, .. } => {
            packet.body.holds(if chunk == 1 { 32 } else { 16 }) && sctp_suits(chunk, entry)
        }
        // Only IPv6 lets a connection be that another than a query began (`nf_conntrack_icmp_packet`,
        // `nf_conntrack_icmpv6_packet`).
        Transport::Icmp(_) => {
            let (kind, ..) = entry.original.icmp_parts();
            let by_any = packet.family == Family::V6 && entry.confirmed;
            by_any || is_query(packet.family, kind)
        }
        Transport::Other(_) => true,
    }
}

/// The types that may begin a connection (`valid_new` in nf_conntrack_proto_icmp.c and _icmpv6.c).
fn is_query(family: Family, kind: u8) -> bool {
    match family {
        Family::V4 => matches!(kind, 8 | 13 | 15 | 17),
        Family::V6 => matches!(kind, 128 | 139),
    }
}

/// `tcp_valid_flags` in nf_conntrack_proto_tcp.c: ECE, CWR and PSH do not count.
fn are_valid_flags(flags: TcpFlags) -> bool {
    const FIN: u8 = 0x01;
    const SYN: u8 = 0x02;
    const RST: u8 = 0x04;
    const ACK: u8 = 0x10;
    const URG: u8 = 0x20;
    let counted = flags.0 & (FIN | SYN | RST | ACK | URG);
    matches!(counted & !URG, SYN | ACK)
        || counted == FIN | ACK
        || counted == FIN | ACK | URG
        || counted == SYN | ACK
        || counted == RST
        || counted == RST | ACK
}

/// A segment as `get_conntrack_index` sorts it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment {
    Syn,
    SynAck,
    Fin,
    Ack,
    Rst,
    None,
}

pub(super) fn segment(flags: TcpFlags) -> Segment {
    let has = |bit| flags.0 & bit != 0;
    if has(0x04) {
        Segment::Rst
    } else if has(0x02) {
        if has(0x10) {
            Segment::SynAck
        } else {
            Segment::Syn
        }
    } else if has(0x01) {
        Segment::Fin
    } else if has(0x10) {
        Segment::Ack
    } else {
        Segment::None
    }
}

/// The rows of `tcp_conntracks` for the four states that occur here: no connection, SYN_SENT (no reply yet),
/// SYN_RECV (not assured yet; there a late SYN and acknowledgement comes of both opening at once) and
/// ESTABLISHED. Windows are not checked: entries are created liberal, and so is the namespace.
fn tcp_suits(flags: TcpFlags, entry: &Entry, direction: Direction) -> bool {
    let segment = segment(flags);
    if segment == Segment::None {
        return false;
    }
    match (entry.confirmed, entry.seen_reply, direction) {
        (false, ..) => matches!(segment, Segment::Syn | Segment::Ack),
        (true, false, Direction::Original) => matches!(segment, Segment::Syn | Segment::Rst),
        (true, false, Direction::Reply) => segment != Segment::Fin,
        (true, true, Direction::Original) => segment != Segment::SynAck || !entry.assured,
        (true, true, Direction::Reply) => segment != Segment::Syn,
    }
}

/// `sctp_new` and the checks of the verification tag behind it: INIT, HEARTBEAT, HEARTBEAT ACK and
/// SHUTDOWN ACK may begin a connection. To one that exists (waiting for a cookie, or established, with
/// the verification tags that our packets bear) every chunk belongs but an INIT ACK, whose initiate tag
/// ours has not.
fn sctp_suits(chunk: u8, entry: &Entry) -> bool {
    const INIT_ACK: u8 = 2;
    if entry.confirmed {
        chunk != INIT_ACK
    } else {
        matches!(chunk, 1 | 4 | 5 | 8)
    }
}

fn track_icmp(connections: &Connections, packet: &Traveller<'_>, icmp: Icmp) -> Tracking {
    if !packet.body.holds(8) {
        return Tracking::None;
    }
    let is_error = match packet.family {
        // NR_ICMP_TYPES is 18; `icmp_is_err` in include/linux/icmp.h.
        Family::V4 if icmp.kind > 18 => return Tracking::None,
        Family::V4 => matches!(icmp.kind, 3 | 4 | 5 | 11 | 12),
        // `noct_valid_new`: neighbour discovery and listener messages are none of its business.
        Family::V6 if matches!(icmp.kind, 130..=136 | 143 | 151 | 152) => {
            return Tracking::Untracked;
        }
        // A redirect is believed only from a link-local neighbour and with the options that quote.
        Family::V6 if icmp.kind == 137 => return Tracking::None,
        Family::V6 => icmp.kind < 128,
    };
    if is_error {
        icmp.quoted.map_or(Tracking::None, |quoted| {
            relate(connections, packet, &quoted)
        })
    } else {
        track_flow(connections, packet)
    }
}

/// Ties an ICMP error to the connection of the packet that it quotes (`nf_conntrack_inet_error`).
fn relate(connections: &Connections, packet: &Traveller<'_>, quoted: &Tuple) -> Tracking {
    // Nothing that a connection could be of follows (`ipv6_skip_exthdr` in net/ipv6/exthdrs_core.c).
    let empty = packet.family == Family::V6 && quoted.protocol == Protocol::NO_NEXT_HEADER;
    let found = quoted
        .inverse()
        .filter(|_| !packet.zoned && !empty)
        .and_then(|inverse| connections.find(&inverse));
    let Some((connection, direction)) = found else {
        return Tracking::None;
    };
    let entry = Entry::existing(connection);
    // An error that does not go where the quoted packet came from is bogus.
    if bits::number(entry.key(direction).destination) != packet.destination {
        return Tracking::None;
    }
    Tracking::Linked(Link {
        kind: Kind::Related,
        direction,
        entry,
    })
}
