//! Protocol numbers and the names under which iptables prints them.

use std::fmt;

/// The protocol field of an internet header. Zero is IPv6's hop-by-hop; as a *rule's* protocol the
/// tools write it `all`, which is the absence of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol(pub u8);

impl Protocol {
    /// Internet control messages of IPv4.
    pub const ICMP: Self = Self(1);
    /// IPv4 in IP.
    pub const IPIP: Self = Self(4);
    /// Transmission control.
    pub const TCP: Self = Self(6);
    /// User datagrams.
    pub const UDP: Self = Self(17);
    /// IPv6 in IP.
    pub const IPV6: Self = Self(41);
    /// Generic routing encapsulation.
    pub const GRE: Self = Self(47);
    /// Encapsulating security payload.
    pub const ESP: Self = Self(50);
    /// Authentication header.
    pub const AH: Self = Self(51);
    /// Internet control messages of IPv6.
    pub const ICMP6: Self = Self(58);
    /// In IPv6: nothing follows.
    pub const NO_NEXT_HEADER: Self = Self(59);
    /// Datagram congestion control.
    pub const DCCP: Self = Self(33);
    /// Stream control transmission.
    pub const SCTP: Self = Self(132);
    /// UDP with partial checksums.
    pub const UDP_LITE: Self = Self(136);

    /// Whether IPv6 takes the number for a further header of its own, before the transport: hop-by-hop,
    /// routing, fragment, authentication, destination, mobility, HIP, shim6 (RFC 7045, section 1.3).
    #[must_use]
    pub fn is_extension_header(self) -> bool {
        matches!(self.0, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140)
    }

    /// Whether its header starts with two port numbers that iptables can match.
    #[must_use]
    pub fn has_ports(self) -> bool {
        matches!(
            self,
            Self::TCP | Self::UDP | Self::SCTP | Self::UDP_LITE | Self::DCCP
        )
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
