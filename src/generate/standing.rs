//! What a packet is to connection tracking, wanted: the packet and the connections that make it so.

use std::fmt;
use std::str::FromStr;

use crate::packet::{
    Connection, Defect, Family, Icmp, Packet, Ports, Progress, Protocol, Tcp, TcpFlags, Transport,
    Tuple,
};

/// A packet, and the connections that must exist when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shot {
    /// The packet.
    pub packet: Packet,
    /// What connection tracking knows when it comes.
    pub connections: Vec<Connection>,
}

impl From<Packet> for Shot {
    fn from(packet: Packet) -> Self {
        Self {
            packet,
            connections: Vec::new(),
        }
    }
}

/// What a packet is to connection tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// It would begin a connection.
    New,
    /// It goes the original way of a connection that was answered.
    Established,
    /// It goes the other way.
    Reply,
    /// It is an error message about a connection.
    Related,
    /// It goes the original way of a connection that nobody answered yet.
    Unreplied,
    /// Connection tracking can make nothing of it.
    Invalid,
    /// Connection tracking is told to leave it alone.
    Untracked,
}

impl Standing {
    /// All of them, with the names that people type.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("new", Self::New),
        ("established", Self::Established),
        ("reply", Self::Reply),
        ("related", Self::Related),
        ("unreplied", Self::Unreplied),
        ("invalid", Self::Invalid),
        ("untracked", Self::Untracked),
    ];

    /// The packet changed as little as may be, and the connections, so that the packet has this
    /// standing; `None` where no such packet can (a GRE packet is never INVALID, say).
    ///
    /// What makes a packet INVALID is what the kernel's protocol trackers refuse
    /// (nf_conntrack_proto_tcp.c, `tcp_new`; nf_conntrack_proto_icmp.c, `nf_conntrack_icmp_error`).
    #[must_use]
    pub fn give(self, packet: Packet) -> Option<Shot> {
        let mut packet = Packet {
            untracked: self == Self::Untracked,
            ..packet
        };
        let connection = match self {
            Self::Untracked => None,
            Self::New => {
                begin(&mut packet);
                None
            }
            Self::Established | Self::Unreplied => {
                begin(&mut packet);
                let progress = match self {
                    Self::Unreplied => Progress::Unreplied,
                    _ => {
                        carry_on(&mut packet);
                        Progress::Replied
                    }
                };
                Some(Connection::new(packet.tuple(), progress)?)
            }
            Self::Reply => {
                answer(&mut packet);
                let original = packet.tuple().inverse()?;
                Some(Connection::new(original, Progress::Replied)?)
            }
            Self::Related => {
                let about = complain(&mut packet)?;
                Some(Connection::new(about, Progress::Replied)?)
            }
            Self::Invalid => {
                spoil(&mut packet)?;
                None
            }
        };
        Some(Shot {
            packet,
            connections: connection.into_iter().collect(),
        })
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, standing)| standing == self);
        f.pad(name.map_or("?", |(name, _)| name))
    }
}

/// A text that names no standing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no connection state; expected new, established, reply, related, unreplied, invalid or untracked"
)]
pub struct NotAStanding(String);

impl FromStr for Standing {
    type Err = NotAStanding;

    fn from_str(text: &str) -> Result<Self, NotAStanding> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, standing)| *standing)
            .ok_or_else(|| NotAStanding(text.to_owned()))
    }
}

/// The request that a kind of ICMP message answers, or the kind itself.
fn request(family: Family, kind: u8) -> u8 {
    match (family, kind) {
        (Family::V4, 0) => 8,
        (Family::V4, 14 | 16 | 18) | (Family::V6, 129 | 140) => kind - 1,
        _ => kind,
    }
}

fn reply(family: Family, kind: u8) -> u8 {
    match (family, kind) {
        (Family::V4, 8) => 0,
        (Family::V4, 13 | 15 | 17) | (Family::V6, 128 | 139) => kind + 1,
        _ => kind,
    }
}

/// Whether packets with these flags and without a connection are INVALID (nf_conntrack_proto_tcp.c,
/// the state table's row of `sNO`).
pub(super) fn is_midway(flags: TcpFlags) -> bool {
    let flag = |flag: TcpFlags| flags.0 & flag.0 != 0;
    let opens = flag(TcpFlags::SYN) && !flag(TcpFlags::ACK);
    let carries_on = flag(TcpFlags::ACK) && !flag(TcpFlags::SYN);
    flag(TcpFlags::FIN) || flag(TcpFlags::RST) || !(opens || carries_on)
}

fn begin(packet: &mut Packet) {
    let family = packet.family();
    match &mut packet.transport {
        Transport::Tcp(tcp) if is_midway(tcp.flags) => tcp.flags = TcpFlags::SYN,
        Transport::Icmp(icmp) if icmp.quoted.is_none() => icmp.kind = request(family, icmp.kind),
        _ => {}
    }
    if packet.defect == Some(Defect::TransportChecksum) {
        packet.defect = None;
    }
}

fn carry_on(packet: &mut Packet) {
    if let Transport::Tcp(tcp) = &mut packet.transport {
        tcp.flags = TcpFlags::ACK;
    }
}

fn answer(packet: &mut Packet) {
    begin(packet);
    carry_on(packet);
    let family = packet.family();
    if let Transport::Icmp(icmp) = &mut packet.transport {
        icmp.kind = reply(family, icmp.kind);
    }
}

/// Makes the packet an ICMP error about what its receiver sent, and gives the key of that.
fn complain(packet: &mut Packet) -> Option<Tuple> {
    if let Transport::Icmp(Icmp {
        quoted: Some(about),
        ..
    }) = packet.transport
    {
        return Some(about);
    }
    begin(packet);
    let family = packet.family();
    let said = packet.tuple();
    let about = match (packet.transport, family) {
        // An error of its own kind can't be about itself.
        (Transport::Icmp(icmp), _) if said.inverse().is_none() => Tuple {
            protocol: Protocol::UDP,
            source: said.destination,
            destination: said.source,
            ports: Ports {
                source: 40_000,
                destination: 40_000 ^ u16::from(icmp.code),
            },
        },
        (Transport::Icmp(_), _) => Tuple {
            source: said.destination,
            destination: said.source,
            ..said
        },
        _ => said.inverse()?,
    };
    let usual = port_unreachable(about);
    let (kind, code) = match packet.transport {
        Transport::Icmp(icmp) if is_error(family, icmp.kind) => (icmp.kind, icmp.code),
        _ => (usual.kind, usual.code),
    };
    packet.transport = Transport::Icmp(Icmp {
        kind,
        code,
        ..usual
    });
    Some(about)
}

/// The error that nobody listens, about a packet of a key.
pub(super) fn port_unreachable(about: Tuple) -> Icmp {
    let (kind, code) = match about.family() {
        Family::V4 => (3, 3),
        Family::V6 => (1, 4),
    };
    Icmp {
        kind,
        code,
        identifier: 0,
        quoted: Some(about),
    }
}

/// Whether connection tracking looks for a quoted packet behind such a message.
fn is_error(family: Family, kind: u8) -> bool {
    match family {
        Family::V4 => matches!(kind, 3 | 4 | 5 | 11 | 12),
        Family::V6 => kind < 128,
    }
}

fn spoil(packet: &mut Packet) -> Option<()> {
    let family = packet.family();
    match &mut packet.transport {
        Transport::Tcp(Tcp { flags, .. }) => {
            if !is_midway(*flags) {
                *flags = TcpFlags(0);
            }
        }
        Transport::Icmp(icmp) => {
            icmp.quoted = None;
            icmp.kind = match family {
                Family::V4 => 0,
                Family::V6 => 129,
            };
        }
        Transport::Udp(_) | Transport::UdpLite(_) => {
            packet.defect = Some(Defect::TransportChecksum);
        }
        Transport::Sctp { chunk, .. } => *chunk = 0,
        Transport::Other(_) => return None,
    }
    Some(())
}
