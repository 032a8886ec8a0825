//! I5: which connection a packet belongs to, if any.
//!
//! The state is worked out here, from the packet and the connections that exist, rather than taken
//! from whoever else works it out: an oracle that is told the state would follow the model wherever the
//! model errs. What a connection is, the API leaves to connection tracking; so the sentences below are
//! the kernel's documentation of it (net/netfilter/nf_conntrack_proto_*.c), for packets alone and for
//! connections as they are made before packets are sent.

use rustc_hash::FxHashMap;

use super::clause::Clause;
use super::opinion::{By, Decision, Said, Verdict};
use crate::packet::{
    Connection, Defect, Direction, Family, Icmp, Origin, Packet, Payload, Progress, Protocol, Tcp,
    TcpFlags, Transport, Tuple,
};

/// The connections that exist, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    /// By the key of either direction. Of two connections with one key the first has it.
    by_tuple: FxHashMap<Tuple, (Connection, Direction)>,
}

impl Connections {
    /// These.
    #[must_use]
    pub fn new(connections: &[Connection]) -> Self {
        let mut by_tuple = FxHashMap::default();
        for connection in connections {
            for (tuple, direction) in [
                (connection.original, Direction::Original),
                (connection.reply, Direction::Reply),
            ] {
                by_tuple.entry(tuple).or_insert((*connection, direction));
            }
        }
        Self { by_tuple }
    }

    /// Whether answers to this key would belong to another connection, where nothing can give way: of protocols
    /// without ports a connection like that is not entered, and its packet comes to nothing
    /// (`__nf_conntrack_confirm`).
    pub(super) fn has_answers_to(&self, key: &Tuple) -> bool {
        let gives_way =
            key.protocol.has_ports() || matches!(key.protocol, Protocol::ICMP | Protocol::ICMP6);
        let answers = key.inverse().filter(|_| !gives_way);
        answers.is_some_and(|answers| self.by_tuple.contains_key(&answers))
    }

    fn find(&self, tuple: &Tuple) -> Option<(&Connection, Direction)> {
        let (connection, direction) = self.by_tuple.get(tuple)?;
        Some((connection, *direction))
    }
}

/// What connection tracking makes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It begins a connection.
    New,
    /// It goes the way of a connection's first packet, which nobody has answered yet.
    Unanswered(Connection),
    /// It belongs to a connection in which both sides have spoken, this packet counted.
    Established(Connection, Direction),
    /// It is an error about a packet that went this way's opposite.
    Related(Connection, Direction),
    /// It can't belong to any connection.
    Invalid,
    /// It is left alone.
    Untracked,
}

impl State {
    /// What it makes of a packet as it enters.
    pub(super) fn of(packet: &Packet, connections: &Connections) -> Self {
        if packet.untracked {
            return Self::Untracked;
        }
        if is_malformed(packet) {
            return Self::Invalid;
        }
        if let Transport::Icmp(icmp) = packet.transport {
            match Message::of(packet.family(), icmp.kind) {
                Message::LeftAlone => return Self::Untracked,
                Message::Unknown => return Self::Invalid,
                Message::Error => return related(packet, icmp, connections),
                Message::Query | Message::Answer => {}
            }
        }
        match connections.find(&packet.tuple()) {
            None if may_begin(packet) => Self::New,
            Some((connection, direction)) if may_continue(packet, connection, direction) => {
                match (direction, connection.progress) {
                    (Direction::Original, Progress::Unreplied) => Self::Unanswered(*connection),
                    _ => Self::Established(*connection, direction),
                }
            }
            _ => Self::Invalid,
        }
    }
}

impl State {
    /// > I5 Only a connection's first packet is judged. Packets of an established connection, in either
    /// > direction, and packets related to one (ICMP errors about it) are allowed. Packets that
    /// > connection tracking finds invalid are denied (unless that check is disabled).
    ///
    /// In the seed's era nothing disables it. A connection is established once both sides have spoken:
    /// until then, whoever began it begins it again.
    pub(super) fn decides(&self) -> Option<Said> {
        let (verdict, clause) = match self {
            Self::Established(_, Direction::Original) => (Verdict::Allow, Clause::I5Original),
            Self::Established(_, Direction::Reply) => (Verdict::Allow, Clause::I5Reply),
            Self::Related(..) => (Verdict::Allow, Clause::I5Related),
            Self::Invalid => (Verdict::Deny, Clause::I5Invalid),
            Self::New | Self::Unanswered(_) | Self::Untracked => return None,
        };
        let by = By::Connection;
        Some((verdict, Decision { clause, by }))
    }
}

/// What an ICMP message is to connection tracking.
enum Message {
    /// It is about the link, not about a connection.
    LeftAlone,
    /// It is about another packet.
    Error,
    /// It asks, and so may begin.
    Query,
    /// It answers, if anybody has asked.
    Answer,
    /// Nobody knows it.
    Unknown,
}

impl Message {
    fn of(family: Family, kind: u8) -> Self {
        match (family, kind) {
            (Family::V4, 3 | 4 | 5 | 11 | 12) => Self::Error,
            (Family::V4, 8 | 13 | 15 | 17) => Self::Query,
            (Family::V4, 0..=18) => Self::Answer,
            (Family::V4, _) => Self::Unknown,
            // nf_conntrack_proto_icmpv6.c, `noct_valid_new`: multicast listeners, routers and
            // neighbours, multicast routers.
            (Family::V6, 130..=136 | 143 | 151 | 152) => Self::LeftAlone,
            // A redirect needs the options that none of our packets has.
            (Family::V6, 137) => Self::Unknown,
            (Family::V6, ..=127) => Self::Error,
            (Family::V6, 128 | 139) => Self::Query,
            (Family::V6, _) => Self::Answer,
        }
    }
}

/// An error is about a connection where the packet that it quotes was one of its, and where it goes to
/// whoever sent that (`nf_conntrack_inet_error`). It travels against the quoted packet. In a quoted IPv6
/// packet that says that nothing follows its header there is nothing to look for.
fn related(packet: &Packet, icmp: Icmp, connections: &Connections) -> State {
    let is_empty = |quoted: &Tuple| {
        packet.family() == Family::V6 && quoted.protocol == Protocol::NO_NEXT_HEADER
    };
    let quoted = icmp.quoted.filter(|quoted| !is_empty(quoted));
    let answer = quoted.and_then(Tuple::inverse);
    let Some((connection, direction)) = answer.and_then(|tuple| connections.find(&tuple)) else {
        return State::Invalid;
    };
    let there = match direction {
        Direction::Original => connection.original,
        Direction::Reply => connection.reply,
    };
    if there.destination == packet.destination {
        State::Related(*connection, direction)
    } else {
        State::Invalid
    }
}

/// Whether a packet without a connection begins one.
fn may_begin(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Tcp(tcp) => matches!(Segment::of(tcp), Segment::Syn | Segment::Ack),
        Transport::Icmp(icmp) => {
            matches!(Message::of(packet.family(), icmp.kind), Message::Query)
        }
        // INIT, HEARTBEAT and its answer, SHUTDOWN ACK (`sctp_new`; the others bear a tag that nobody
        // has agreed on).
        Transport::Sctp { chunk, .. } => matches!(chunk, 1 | 4 | 5 | 8),
        _ => true,
    }
}

/// Whether a packet is one that its connection can have (`tcp_conntracks`, `sctp_conntracks`).
fn may_continue(packet: &Packet, connection: &Connection, direction: Direction) -> bool {
    match packet.transport {
        Transport::Tcp(tcp) => {
            let segment = Segment::of(tcp);
            match (connection.progress, direction) {
                (_, _) if segment == Segment::Rst => true,
                (Progress::Unreplied, Direction::Original) => segment == Segment::Syn,
                (Progress::Unreplied, Direction::Reply) => segment != Segment::Fin,
                // Both may have opened at once.
                (Progress::Answered, Direction::Original) => true,
                (Progress::Replied, Direction::Original) => segment != Segment::SynAck,
                (Progress::Answered | Progress::Replied, Direction::Reply) => {
                    segment != Segment::Syn
                }
            }
        }
        // An INIT ACK answers an INIT, with the tag that it asked for; ours has no room for one.
        Transport::Sctp { chunk, .. } => chunk != 2,
        Transport::Icmp(_) if packet.family() == Family::V4 => {
            let (kind, ..) = connection.original.icmp_parts();
            matches!(Message::of(Family::V4, kind), Message::Query)
        }
        _ => true,
    }
}

/// A TCP segment by the flag that counts (`get_conntrack_index`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Segment {
    Rst,
    SynAck,
    Syn,
    Fin,
    Ack,
    None,
}

impl Segment {
    fn of(tcp: Tcp) -> Self {
        let has = |flag: TcpFlags| tcp.flags.0 & flag.0 != 0;
        if has(TcpFlags::RST) {
            Self::Rst
        } else if has(TcpFlags::SYN) && has(TcpFlags::ACK) {
            Self::SynAck
        } else if has(TcpFlags::SYN) {
            Self::Syn
        } else if has(TcpFlags::FIN) {
            Self::Fin
        } else if has(TcpFlags::ACK) {
            Self::Ack
        } else {
            Self::None
        }
    }
}

/// Whether a header is cut short, has a wrong sum, or says what no header says.
fn is_malformed(packet: &Packet) -> bool {
    is_cut_short(packet) || has_wrong_sum(packet) || says_nonsense(packet)
}

fn is_cut_short(packet: &Packet) -> bool {
    let Some(Defect::Truncated(left)) = packet.defect else {
        return false;
    };
    let left = usize::from(left);
    let header = header_length(packet);
    let whole = header + packet.payload.len();
    if left >= whole {
        return false;
    }
    match packet.transport {
        Transport::Other(_) => false,
        // They say their own length.
        Transport::Udp(_) | Transport::UdpLite(_) => true,
        // Its sum does not count the length, and zeros add nothing to it.
        Transport::Icmp(_) if packet.family() == Family::V4 => {
            left < header || (arrives(packet) && matches!(packet.payload, Payload::Bytes(_)))
        }
        _ => left < header || arrives(packet),
    }
}

/// How long the header is: of an ICMP error with what it quotes, of SCTP with its chunk's.
fn header_length(packet: &Packet) -> usize {
    match packet.transport {
        Transport::Tcp(Tcp { option, .. }) => 20 + if option.is_some() { 4 } else { 0 },
        Transport::Udp(_) | Transport::UdpLite(_) => 8,
        Transport::Sctp { chunk: 1, .. } => 32,
        Transport::Sctp { .. } => 16,
        Transport::Icmp(Icmp { quoted, .. }) => match quoted.map(Tuple::family) {
            None => 8,
            Some(Family::V4) => 8 + 20 + 8,
            Some(Family::V6) => 8 + 40 + 8,
        },
        Transport::Other(_) => 16,
    }
}

/// Sums are only looked at where a packet arrives.
fn has_wrong_sum(packet: &Packet) -> bool {
    let wrong = match packet.transport {
        Transport::Other(_) => false,
        // The kernel checks it as UDP's, with UDP's number in the sum: no valid one passes
        // (nf_conntrack_proto_udp.c, `udplite_error`).
        Transport::UdpLite(_) => true,
        _ => packet.defect == Some(Defect::TransportChecksum),
    };
    wrong && arrives(packet)
}

fn arrives(packet: &Packet) -> bool {
    matches!(packet.origin, Origin::Arrives(_))
}

fn says_nonsense(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Tcp(tcp) => !has_sense(tcp.flags),
        // Zeros are no header of a protocol that has one, and the other family's ICMP is nobody's.
        Transport::Other(protocol) => {
            let has_header = matches!(
                protocol,
                Protocol::TCP
                    | Protocol::UDP
                    | Protocol::UDP_LITE
                    | Protocol::SCTP
                    | Protocol::ICMP
                    | Protocol::ICMP6
            );
            // Nothing but zeros: a row of extension headers without an end, or none at all
            // (`ipv6_skip_exthdr`).
            let endless =
                packet.family() == Family::V6 && matches!(protocol.0, 0 | 43 | 44 | 51 | 59 | 60);
            has_header || endless
        }
        _ => false,
    }
}

/// Which flags TCP may have at once, PSH, ECE and CWR aside (`tcp_valid_flags`).
fn has_sense(flags: TcpFlags) -> bool {
    const FIN: u8 = TcpFlags::FIN.0;
    const SYN: u8 = TcpFlags::SYN.0;
    const RST: u8 = TcpFlags::RST.0;
    const ACK: u8 = TcpFlags::ACK.0;
    const URG: u8 = 0x20;
    match flags.0 & (FIN | SYN | RST | ACK | URG) {
        RST => true,
        both if both == SYN | ACK || both == RST | ACK => true,
        other => {
            let plain = other & !URG;
            plain == SYN || plain == ACK || plain == FIN | ACK
        }
    }
}
