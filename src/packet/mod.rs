//! What is sent: one packet as its headers, where it starts, and what it carries on arrival.
//!
//! * [`wire`] builds a packet's bytes and recognises headers in bytes that come back;
//! * [`text`] reads and writes the one-line form that people type (`in=eth0 tcp 10.0.0.1:1 > …`);
//! * [`headers`] is what an observer reads of a packet;
//! * [`connection`] holds the connections that exist when packets are sent.
//!
//! Addresses, ports and numbers are plain host-order values here; only [`wire`] knows byte order.

pub mod connection;
pub mod headers;
pub mod name;
pub mod protocol;
pub mod text;
pub mod wire;

use std::net::IpAddr;
use std::sync::Arc;

pub use connection::{Connection, Direction, Progress, Tuple};
pub use headers::Headers;
pub use name::InterfaceName;
pub use protocol::Protocol;

use crate::mark::Mark;

/// Which internet protocol: the two worlds that iptables and ip6tables keep apart.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4: iptables.
    V4,
    /// IPv6: ip6tables.
    V6,
}

impl Family {
    /// Both, in the order in which they are programmed and printed.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }

    /// Its place in [`Family::BOTH`].
    #[must_use]
    pub fn place(self) -> usize {
        match self {
            Self::V4 => 0,
            Self::V6 => 1,
        }
    }

    /// The one that it is not.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }

    /// How many bits an address has: 32 or 128.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

/// Where a packet starts its way through the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// It arrives by this interface.
    Arrives(InterfaceName),
    /// The node itself sends it.
    Node,
}

/// The ports of a transport that has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ports {
    /// The sender's.
    pub source: u16,
    /// The receiver's.
    pub destination: u16,
}

/// The flag byte of TCP: FIN 0x01, SYN 0x02, RST 0x04, PSH 0x08, ACK 0x10, URG 0x20, ECE 0x40, CWR 0x80.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The last packet of a direction.
    pub const FIN: Self = Self(0x01);
    /// Opens a connection.
    pub const SYN: Self = Self(0x02);
    /// Aborts a connection.
    pub const RST: Self = Self(0x04);
    /// Acknowledges.
    pub const ACK: Self = Self(0x10);
    /// Answers an opening.
    pub const SYN_ACK: Self = Self(0x12);
    /// Names of the six flags that iptables knows, lowest bit first, then ECE and CWR.
    pub const NAMES: [(&'static str, u8); 8] = [
        ("FIN", 0x01),
        ("SYN", 0x02),
        ("RST", 0x04),
        ("PSH", 0x08),
        ("ACK", 0x10),
        ("URG", 0x20),
        ("ECE", 0x40),
        ("CWR", 0x80),
    ];
}

/// A TCP header's variable parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tcp {
    /// Who speaks to whom.
    pub ports: Ports,
    /// The flag byte.
    pub flags: TcpFlags,
    /// The kind of the one option that the header carries, if any (kinds 0 and 1 are repeated to fill
    /// four bytes, 2 carries an MSS of 1460, others two zero bytes).
    pub option: Option<u8>,
}

/// An ICMP or ICMPv6 header's variable parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Icmp {
    /// The message's type.
    pub kind: u8,
    /// The message's code.
    pub code: u8,
    /// The identifier of echo and its like; zero elsewhere.
    pub identifier: u16,
    /// For an error: the packet that it is about, quoted behind the header.
    pub quoted: Option<Tuple>,
}

/// What follows the internet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// TCP, protocol 6.
    Tcp(Tcp),
    /// UDP, protocol 17.
    Udp(Ports),
    /// UDP-Lite, protocol 136, whole packet covered by the checksum.
    UdpLite(Ports),
    /// SCTP, protocol 132, with one chunk of the given type.
    Sctp {
        /// Who speaks to whom.
        ports: Ports,
        /// The type of the only chunk: 1 is INIT.
        chunk: u8,
    },
    /// ICMP in IPv4 (protocol 1), ICMPv6 in IPv6 (protocol 58).
    Icmp(Icmp),
    /// Any other protocol, with 16 zero bytes behind the internet header.
    Other(Protocol),
}

/// A packet that is one piece of a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fragment {
    /// Where the piece starts, in units of eight bytes: 0 to 8191.
    pub offset: u16,
    /// Whether more pieces follow.
    pub more: bool,
}

/// What is wrong with a packet, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    /// The IPv4 header's checksum is wrong.
    HeaderChecksum,
    /// The transport's checksum is wrong.
    TransportChecksum,
    /// The transport header ends after this many bytes.
    Truncated(u8),
}

/// One packet: what is sent, and what it carries when it enters.
///
/// A packet whose addresses are of two families can't be built; [`Packet::family`] reads the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Packet {
    /// Where it starts.
    pub origin: Origin,
    /// The source address.
    pub source: IpAddr,
    /// The destination address.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// Type of service, or traffic class: the whole byte, DSCP in its upper six bits.
    pub traffic_class: u8,
    /// Whether it is a fragment.
    pub fragment: Option<Fragment>,
    /// What follows the internet header.
    pub transport: Transport,
    /// What follows the transport header.
    pub payload: Payload,
    /// The mark that it bears before the first table sees it.
    pub mark: Mark,
    /// Whether connection tracking is told to leave it alone before the first table sees it.
    pub untracked: bool,
    /// What is wrong with it.
    pub defect: Option<Defect>,
}

/// The bytes behind the transport header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Payload {
    /// This many zero bytes.
    Zeros(u16),
    /// These bytes.
    Bytes(Arc<[u8]>),
}

impl Payload {
    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Zeros(count) => usize::from(*count),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Transport {
    /// The ports, where the protocol has them.
    #[must_use]
    pub fn ports(&self) -> Option<Ports> {
        match self {
            Self::Tcp(tcp) => Some(tcp.ports),
            Self::Udp(ports) | Self::UdpLite(ports) | Self::Sctp { ports, .. } => Some(*ports),
            Self::Icmp(_) | Self::Other(_) => None,
        }
    }
}

impl Packet {
    /// A packet with nothing unusual about it: 64 hops, no mark, no payload.
    #[must_use]
    pub fn new(origin: Origin, source: IpAddr, destination: IpAddr, transport: Transport) -> Self {
        Self {
            origin,
            source,
            destination,
            hops: 64,
            traffic_class: 0,
            fragment: None,
            transport,
            payload: Payload::Zeros(0),
            mark: Mark::NONE,
            untracked: false,
            defect: None,
        }
    }

    /// The family, by the source address.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// The protocol number in the internet header (of IPv6, the one behind the extension headers).
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match (self.transport, self.family()) {
            (Transport::Tcp(_), _) => Protocol::TCP,
            (Transport::Udp(_), _) => Protocol::UDP,
            (Transport::UdpLite(_), _) => Protocol::UDP_LITE,
            (Transport::Sctp { .. }, _) => Protocol::SCTP,
            (Transport::Icmp(_), Family::V4) => Protocol::ICMP,
            (Transport::Icmp(_), Family::V6) => Protocol::ICMP6,
            (Transport::Other(protocol), _) => protocol,
        }
    }

    /// The packet's addresses and ports as connection tracking keys them.
    #[must_use]
    pub fn tuple(&self) -> Tuple {
        let ports = match self.transport {
            Transport::Icmp(icmp) => Tuple::icmp_ports(icmp.kind, icmp.code, icmp.identifier),
            _ => self.transport.ports().unwrap_or_default(),
        };
        Tuple {
            source: self.source,
            destination: self.destination,
            protocol: self.protocol(),
            ports,
        }
    }
}

/// Packets that are sent together, and the connections that exist when they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What connection tracking knows before the first packet is sent.
    pub connections: Vec<Connection>,
    /// What is sent, in the order in which it is sent.
    pub packets: Vec<Packet>,
    /// What one packet leaves for the next.
    pub order: Order,
}

/// What the packets of a batch leave for those behind them.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Nothing: each is taken away before it can enter a connection of its own. They must not depend on
    /// each other's traces in connection tracking all the same (some pass `lo`); [`crate::generate`] sees
    /// to that.
    #[default]
    Apart,
    /// Each leaves what the kernel makes of it: a connection, or one that has come further.
    InSequence,
}
