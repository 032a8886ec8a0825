//! The headers of a packet, as an observer reads them.

use std::fmt;
use std::net::IpAddr;

use super::{Defect, Family, Fragment, Packet, Ports, Protocol, Transport, Tuple};

/// The headers of a packet as they are at one place of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Headers {
    /// The source address.
    pub source: IpAddr,
    /// The destination address.
    pub destination: IpAddr,
    /// The protocol.
    pub protocol: Protocol,
    /// The ports; of ICMP, type and code as [`super::Tuple::icmp_ports`] has them, with the
    /// identifier; zero for other protocols, for fragments but the first, and where the transport
    /// header ends before its fixed part does (TCP 20 bytes, UDP and ICMP 8, SCTP 12).
    pub ports: Ports,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// Type of service, or traffic class.
    pub traffic_class: u8,
}

impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tuple = Tuple {
            source: self.source,
            destination: self.destination,
            protocol: self.protocol,
            ports: self.ports,
        };
        write!(f, "{tuple} ttl={}", self.hops)?;
        if self.traffic_class != 0 {
            write!(f, " tos={:#04x}", self.traffic_class)?;
        }
        Ok(())
    }
}

/// How long the fixed part of a transport's header is, where an observer reads any of it: without
/// all of it [`Headers::ports`] is zero.
pub(super) fn fixed_length(family: Family, protocol: Protocol) -> Option<usize> {
    match (protocol, family) {
        (Protocol::TCP, _) => Some(20),
        (Protocol::UDP | Protocol::UDP_LITE, _)
        | (Protocol::ICMP, Family::V4)
        | (Protocol::ICMP6, Family::V6) => Some(8),
        (Protocol::SCTP, _) => Some(12),
        _ => None,
    }
}

impl Packet {
    /// The headers with which the packet enters.
    #[must_use]
    pub fn headers(&self) -> Headers {
        Headers {
            source: self.source,
            destination: self.destination,
            protocol: self.protocol(),
            ports: if self.shows_ports() {
                self.tuple().ports
            } else {
                Ports::default()
            },
            hops: self.hops,
            traffic_class: self.traffic_class,
        }
    }

    /// Whether it has the fields of [`Headers::ports`], and is not cut off before them.
    pub(crate) fn shows_ports(&self) -> bool {
        let later_fragment = matches!(self.fragment, Some(Fragment { offset: 1.., .. }));
        let cut_short = match (self.defect, fixed_length(self.family(), self.protocol())) {
            (Some(Defect::Truncated(length)), Some(fixed)) => usize::from(length) < fixed,
            _ => false,
        };
        !later_fragment && !cut_short && !matches!(self.transport, Transport::Other(_))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Origin, Tcp, TcpFlags};
    use super::*;

    fn syn() -> Packet {
        let ports = Ports {
            source: 1,
            destination: 2,
        };
        let tcp = Transport::Tcp(Tcp {
            ports,
            flags: TcpFlags::SYN,
            option: None,
        });
        Packet::new(
            Origin::Node,
            [10, 0, 0, 1].into(),
            [10, 0, 0, 2].into(),
            tcp,
        )
    }

    #[test]
    fn ports_show_only_where_the_whole_fixed_header_is_there() {
        let whole = syn();
        assert_eq!(whole.headers().ports, whole.tuple().ports);
        let cut = |length| Packet {
            defect: Some(Defect::Truncated(length)),
            ..syn()
        };
        assert_eq!(cut(19).headers().ports, Ports::default());
        assert_eq!(cut(20).headers().ports, whole.tuple().ports);
        let piece = |offset| Packet {
            fragment: Some(Fragment { offset, more: true }),
            ..syn()
        };
        assert_eq!(piece(0).headers().ports, whole.tuple().ports);
        assert_eq!(piece(1).headers().ports, Ports::default());
    }
}
