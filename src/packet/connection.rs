//! Connections: what connection tracking already knows when a packet comes.

use std::net::IpAddr;

use super::{Family, Ports, Protocol};

/// The key of one direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    /// Who sends.
    pub source: IpAddr,
    /// Who receives.
    pub destination: IpAddr,
    /// By which protocol.
    pub protocol: Protocol,
    /// The ports; for ICMP see [`Tuple::icmp_ports`]; zero for protocols without.
    pub ports: Ports,
}

impl Tuple {
    /// How an ICMP message stands in a tuple: type and code in the place of the source port
    /// (type in the upper byte), the identifier in the place of the destination port.
    #[must_use]
    pub fn icmp_ports(kind: u8, code: u8, identifier: u16) -> Ports {
        Ports {
            source: u16::from_be_bytes([kind, code]),
            destination: identifier,
        }
    }

    /// Type, code and identifier of a tuple made by [`Tuple::icmp_ports`].
    #[must_use]
    pub fn icmp_parts(self) -> (u8, u8, u16) {
        let [kind, code] = self.ports.source.to_be_bytes();
        (kind, code, self.ports.destination)
    }

    /// The family of its addresses.
    #[must_use]
    pub fn family(self) -> Family {
        Family::of(self.source)
    }

    /// The key of the other direction, as the kernel inverts it: addresses and ports swapped;
    /// for ICMP the answering type (nf_conntrack_proto_icmp.c and _icmpv6.c, `invmap`).
    ///
    /// `None` for an ICMP type that has no answer.
    #[must_use]
    pub fn inverse(self) -> Option<Self> {
        let ports = if matches!(self.protocol, Protocol::ICMP | Protocol::ICMP6) {
            let (kind, code, identifier) = self.icmp_parts();
            let answer = match (self.protocol, kind) {
                (Protocol::ICMP, 8) => 0,
                (Protocol::ICMP, 0) => 8,
                (Protocol::ICMP, 13) => 14,
                (Protocol::ICMP, 14) => 13,
                (Protocol::ICMP, 15) => 16,
                (Protocol::ICMP, 16) => 15,
                (Protocol::ICMP, 17) => 18,
                (Protocol::ICMP, 18) => 17,
                (Protocol::ICMP6, 128) => 129,
                (Protocol::ICMP6, 129) => 128,
                (Protocol::ICMP6, 139) => 140,
                (Protocol::ICMP6, 140) => 139,
                _ => return None,
            };
            Self::icmp_ports(answer, code, identifier)
        } else {
            Ports {
                source: self.ports.destination,
                destination: self.ports.source,
            }
        };
        Some(Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            ports,
        })
    }
}

/// Which way a packet of a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// The way of the first packet.
    Original,
    /// The way of the answer.
    Reply,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Progress {
    /// Only the original direction has spoken; of TCP: with a SYN.
    Unreplied,
    /// Both directions have spoken, of TCP with a SYN and its acknowledgement: the handshake lacks its end.
    Answered,
    /// Both directions have spoken; of TCP: established, windows not checked.
    Replied,
}

/// One entry of the connection table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Connection {
    /// The key of the original direction.
    pub original: Tuple,
    /// The key of the reply direction: the original's inverse, unless addresses are translated.
    pub reply: Tuple,
    /// How far it has come.
    pub progress: Progress,
    /// Whether it is settled for good what of it is translated, as it is of a connection that a packet began;
    /// one that was entered by hand is settled only where it is translated.
    pub settled: bool,
}

impl Connection {
    /// An untranslated connection whose first packet had this key; `None` where the kernel keeps
    /// no connection for such a packet.
    #[must_use]
    pub fn new(original: Tuple, progress: Progress) -> Option<Self> {
        Some(Self {
            original,
            reply: original.inverse()?,
            progress,
            settled: false,
        })
    }
}
