//! Recognises headers in the beginning of a packet, as an observer got it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Tag;
use crate::packet::headers::fixed_length;
use crate::packet::{Family, Headers, Ports, Protocol, TcpFlags, Tuple};

/// What is known of a packet from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Its headers.
    pub headers: Headers,
    /// Its tag.
    pub tag: Tag,
    /// Of an ICMP error, the tag of the packet that it quotes.
    pub quoted: Option<Tag>,
    /// Whether it is a TCP reset.
    pub resets: bool,
}

/// Reads the beginning of a packet, from its internet header on. `None` where even that is not whole,
/// or is of another version. The bytes must reach to the end of the transport's fixed part (of an
/// ICMP error, of the quoted internet header) unless the packet itself ends before.
#[must_use]
pub fn recognise(family: Family, bytes: &[u8]) -> Option<Recognised> {
    let outer = Outer::read(family, bytes)?;
    let body = outer.body.unwrap_or_default();
    let transport = fixed_length(family, outer.protocol).and_then(|fixed| body.get(..fixed));
    let ports = transport.map_or_else(Ports::default, |header| ports(outer.protocol, header));
    Some(Recognised {
        headers: Headers {
            source: outer.source,
            destination: outer.destination,
            protocol: outer.protocol,
            ports,
            hops: outer.hops,
            traffic_class: outer.traffic_class,
        },
        tag: outer.tag,
        quoted: quoted(family, outer.protocol, body),
        resets: outer.protocol == Protocol::TCP
            && transport.is_some_and(|header| header[13] & TcpFlags::RST.0 != 0),
    })
}

/// An internet header, read.
struct Outer<'a> {
    source: std::net::IpAddr,
    destination: std::net::IpAddr,
    protocol: Protocol,
    hops: u8,
    traffic_class: u8,
    tag: Tag,
    /// What follows; `None` in a fragment but the first.
    body: Option<&'a [u8]>,
}

impl<'a> Outer<'a> {
    fn read(family: Family, bytes: &'a [u8]) -> Option<Self> {
        match family {
            Family::V4 => Self::read_v4(bytes),
            Family::V6 => Self::read_v6(bytes),
        }
    }

    fn read_v4(bytes: &'a [u8]) -> Option<Self> {
        let header: &[u8; 20] = bytes.first_chunk()?;
        if header[0] >> 4 != 4 {
            return None;
        }
        let head = usize::from(header[0] & 0x0f) * 4;
        let later = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
        Some(Self {
            source: Ipv4Addr::from([header[12], header[13], header[14], header[15]]).into(),
            destination: Ipv4Addr::from([header[16], header[17], header[18], header[19]]).into(),
            protocol: Protocol(header[9]),
            hops: header[8],
            traffic_class: header[1],
            tag: Tag::of_bits(u16::from_be_bytes([header[4], header[5]])),
            body: if later { None } else { bytes.get(head..) },
        })
    }

    fn read_v6(bytes: &'a [u8]) -> Option<Self> {
        const FRAGMENT_HEADER: u8 = 44;
        let header: &[u8; 40] = bytes.first_chunk()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let source: [u8; 16] = header[8..24].try_into().ok()?;
        let destination: [u8; 16] = header[24..40].try_into().ok()?;
        let (protocol, body) = match (header[6], bytes[40..].first_chunk::<8>()) {
            (FRAGMENT_HEADER, Some(fragment)) => {
                let later = u16::from_be_bytes([fragment[2], fragment[3]]) >> 3 != 0;
                (fragment[0], if later { None } else { bytes.get(48..) })
            }
            (next, _) => (next, bytes.get(40..)),
        };
        Some(Self {
            source: Ipv6Addr::from(source).into(),
            destination: Ipv6Addr::from(destination).into(),
            protocol: Protocol(protocol),
            hops: header[7],
            traffic_class: (header[0] << 4) | (header[1] >> 4),
            tag: Tag::of_bits(u16::from_be_bytes([header[2], header[3]])),
            body,
        })
    }
}

/// Ports, or what stands for them, from the fixed part of a transport header.
fn ports(protocol: Protocol, header: &[u8]) -> Ports {
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    if matches!(protocol, Protocol::ICMP | Protocol::ICMP6) {
        Tuple::icmp_ports(header[0], header[1], word(4))
    } else {
        Ports {
            source: word(0),
            destination: word(2),
        }
    }
}

/// The tag in the quoted packet of an ICMP error.
fn quoted(family: Family, protocol: Protocol, body: &[u8]) -> Option<Tag> {
    let error = match (protocol, family) {
        // RFC 792, and redirect (5), which quotes too.
        (Protocol::ICMP, Family::V4) => matches!(body.first()?, 3 | 4 | 5 | 11 | 12),
        // RFC 4443, section 2.1: errors have types below 128.
        (Protocol::ICMP6, Family::V6) => *body.first()? < 128,
        _ => false,
    };
    let inner = body.get(8..).filter(|_| error)?;
    Outer::read(family, inner).map(|inner| inner.tag)
}
