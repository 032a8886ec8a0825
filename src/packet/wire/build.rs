//! Builds packets: every header valid, unless a [`Defect`] says otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Tag;
use super::checksum::{Sum, crc32c};
use crate::packet::{
    Defect, Family, Fragment, Icmp, Packet, Payload, Ports, Protocol, Tcp, TcpFlags, Transport,
    Tuple,
};

/// The next-header number of IPv6's fragment header.
const FRAGMENT_HEADER: u8 = 44;
/// How many bytes of the original packet's transport an ICMP error quotes (RFC 792).
const QUOTED_BYTES: usize = 8;
/// What the length field of an internet header can say.
const LONGEST: usize = 0xffff;

/// A packet can't be built because its addresses are of two families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet from {source_address} to {destination} can't be built: two address families")]
pub struct MixedFamilies {
    source_address: IpAddr,
    destination: IpAddr,
}

/// Writes the bytes of a packet into `bytes`, in the place of what is there.
///
/// What an internet header's length field can't count is cut off the payload's end. A fragment that
/// is not the first carries the payload alone; fragments with more to follow are padded to a multiple
/// of eight bytes, and every later one has at least eight. A packet at offset 0 without more to follow is
/// whole. The quoted packet in an ICMP error bears the tag of the packet that quotes it.
///
/// # Errors
///
/// [`MixedFamilies`]
pub fn build(packet: &Packet, tag: Tag, bytes: &mut Vec<u8>) -> Result<(), MixedFamilies> {
    bytes.clear();
    match (packet.source, packet.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes.resize(20, 0);
            push_body(packet, tag, bytes, 20, LONGEST - 20);
            write_v4(packet, source, destination, tag, bytes);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let piece = piece(packet);
            let head = if piece.is_some() { 48 } else { 40 };
            bytes.resize(head, 0);
            push_body(packet, tag, bytes, head, LONGEST + 40 - head);
            write_v6(packet, source, destination, tag, bytes);
            if let Some(fragment) = piece {
                write_fragment_header(packet.protocol(), fragment, tag, &mut bytes[40..48]);
            }
        }
        (source_address, destination) => {
            return Err(MixedFamilies {
                source_address,
                destination,
            });
        }
    }
    Ok(())
}

/// The packet's fragment, unless it is the whole.
fn piece(packet: &Packet) -> Option<Fragment> {
    packet
        .fragment
        .filter(|fragment| fragment.more || fragment.offset > 0)
}

/// Appends what stands behind the internet header that ends at `head`.
fn push_body(packet: &Packet, tag: Tag, bytes: &mut Vec<u8>, head: usize, longest: usize) {
    match piece(packet) {
        Some(Fragment { offset: 1.., more }) => {
            push_payload(&packet.payload, bytes);
            pad(bytes, head, 8, more);
        }
        other => {
            push_transport(packet, tag, bytes, head, longest);
            if other.is_some() {
                pad(bytes, head, 0, true);
            }
        }
    }
    bytes.truncate(head + longest);
    if let Some(Defect::Truncated(length)) = packet.defect {
        bytes.truncate(head + usize::from(length));
    }
}

/// Pads to at least `least` bytes, and to whole eights where more follows (RFC 791, section 3.2).
fn pad(bytes: &mut Vec<u8>, head: usize, least: usize, more: bool) {
    let mut length = (bytes.len() - head).max(least);
    if more {
        length = length.next_multiple_of(8);
    }
    bytes.resize(head + length, 0);
}

fn push_payload(payload: &Payload, bytes: &mut Vec<u8>) {
    match payload {
        Payload::Zeros(count) => bytes.resize(bytes.len() + usize::from(*count), 0),
        Payload::Bytes(content) => bytes.extend_from_slice(content),
    }
}

/// Appends transport header and payload, sums included.
fn push_transport(packet: &Packet, tag: Tag, bytes: &mut Vec<u8>, head: usize, longest: usize) {
    match packet.transport {
        Transport::Tcp(tcp) => push_tcp(tcp, bytes),
        Transport::Udp(ports) | Transport::UdpLite(ports) => {
            push_ports(ports, bytes);
            bytes.extend_from_slice(&[0; 4]);
        }
        Transport::Sctp { ports, chunk } => push_sctp(ports, chunk, packet.payload.len(), bytes),
        Transport::Icmp(icmp) => push_icmp(icmp, tag, bytes),
        Transport::Other(_) => bytes.extend_from_slice(&[0; 16]),
    }
    push_payload(&packet.payload, bytes);
    bytes.truncate(head + longest);
    write_sums(packet, &mut bytes[head..]);
}

fn push_ports(ports: Ports, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&ports.source.to_be_bytes());
    bytes.extend_from_slice(&ports.destination.to_be_bytes());
}

fn push_tcp(tcp: Tcp, bytes: &mut Vec<u8>) {
    let option = tcp.option.map(tcp_option);
    let acknowledged = u32::from(tcp.flags.0 & TcpFlags::ACK.0 != 0);
    push_ports(tcp.ports, bytes);
    bytes.extend_from_slice(&1_u32.to_be_bytes());
    bytes.extend_from_slice(&acknowledged.to_be_bytes());
    let words: u8 = if option.is_some() { 6 } else { 5 };
    bytes.extend_from_slice(&[words << 4, tcp.flags.0, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend_from_slice(option.as_ref().map_or(&[][..], |option| &option[..]));
}

/// Four bytes in which no other kind of option is found (net/netfilter/xt_tcpudp.c,
/// `tcp_find_option`, takes padding for options too).
fn tcp_option(kind: u8) -> [u8; 4] {
    match kind {
        0 | 1 => [kind; 4],
        2 => {
            let [high, low] = 1460_u16.to_be_bytes();
            [2, 4, high, low]
        }
        other => [other, 4, 0, 0],
    }
}

/// The common header and one chunk; INIT with the fields that make it whole (RFC 9260, section 3.3.2).
/// The payload is the chunk's own, for what follows a chunk is another one.
fn push_sctp(ports: Ports, chunk: u8, payload: usize, bytes: &mut Vec<u8>) {
    const INIT: u8 = 1;
    push_ports(ports, bytes);
    // Only INIT bears no verification tag (RFC 9260, section 8.5.1).
    let verification: u32 = if chunk == INIT { 0 } else { 1 };
    bytes.extend_from_slice(&verification.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let head: u16 = if chunk == INIT { 20 } else { 4 };
    let length = u16::try_from(payload)
        .unwrap_or(u16::MAX)
        .saturating_add(head);
    bytes.extend_from_slice(&[chunk, 0]);
    bytes.extend_from_slice(&length.to_be_bytes());
    if chunk == INIT {
        bytes.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1]);
    }
}

fn push_icmp(icmp: Icmp, tag: Tag, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&[icmp.kind, icmp.code, 0, 0]);
    bytes.extend_from_slice(&icmp.identifier.to_be_bytes());
    bytes.extend_from_slice(&[0; 2]);
    if let Some(quoted) = icmp.quoted {
        push_quoted(quoted, tag, bytes);
    }
}

/// The packet that an ICMP error is about: its internet header and eight bytes.
fn push_quoted(tuple: Tuple, tag: Tag, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    match (tuple.source, tuple.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = HeaderV4 {
                traffic_class: 0,
                length: 20 + QUOTED_BYTES,
                fragment: 0,
                hops: 63,
                protocol: tuple.protocol,
                source,
                destination,
            };
            bytes.resize(start + 20, 0);
            header.write(tag, &mut bytes[start..]);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = HeaderV6 {
                traffic_class: 0,
                length: QUOTED_BYTES,
                next: tuple.protocol.0,
                hops: 63,
                source,
                destination,
            };
            bytes.resize(start + 40, 0);
            header.write(tag, &mut bytes[start..]);
        }
        // Nothing that a connection could be found by; the error stays without a quote.
        _ => return,
    }
    push_quoted_transport(tuple, bytes);
}

fn push_quoted_transport(tuple: Tuple, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    if matches!(tuple.protocol, Protocol::ICMP | Protocol::ICMP6) {
        let (kind, code, identifier) = tuple.icmp_parts();
        bytes.extend_from_slice(&[kind, code, 0, 0]);
        bytes.extend_from_slice(&identifier.to_be_bytes());
    } else if tuple.protocol.has_ports() {
        push_ports(tuple.ports, bytes);
        if matches!(tuple.protocol, Protocol::UDP | Protocol::UDP_LITE) {
            bytes.extend_from_slice(&[0, 8]);
        }
    }
    bytes.resize(start + QUOTED_BYTES, 0);
}

/// Fills in lengths and sums of the transport, wrong where the defect asks for it.
fn write_sums(packet: &Packet, body: &mut [u8]) {
    let wrong = packet.defect == Some(Defect::TransportChecksum);
    #[allow(clippy::cast_possible_truncation, reason = "the body was cut to fit")]
    let length = (body.len() as u16).to_be_bytes();
    match packet.transport {
        Transport::Tcp(_) => write_checksum(packet, body, 16, wrong),
        Transport::Udp(_) | Transport::UdpLite(_) => {
            body[4..6].copy_from_slice(&length);
            write_checksum(packet, body, 6, wrong);
        }
        Transport::Icmp(_) => write_checksum(packet, body, 2, wrong),
        Transport::Sctp { .. } => {
            let crc = crc32c(body) ^ u32::from(wrong);
            body[8..12].copy_from_slice(&crc.to_le_bytes());
        }
        Transport::Other(_) => {}
    }
}

fn write_checksum(packet: &Packet, body: &mut [u8], at: usize, wrong: bool) {
    let pseudo = if packet.protocol() == Protocol::ICMP && packet.family() == Family::V4 {
        Sum::default()
    } else {
        Sum::default().add_pseudo_header(
            packet.source,
            packet.destination,
            packet.protocol().0,
            body.len(),
        )
    };
    let mut sum = pseudo.add(body).finish();
    // Of UDP, zero says that there is no checksum (RFC 768): it is sent as its twin.
    if sum == 0 && matches!(packet.transport, Transport::Udp(_) | Transport::UdpLite(_)) {
        sum = 0xffff;
    }
    if wrong {
        // Neither the right sum nor its twin nor, for UDP, none.
        sum = if sum == 0x0101 { 0x0202 } else { sum ^ 0x0101 };
    }
    body[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

struct HeaderV4 {
    traffic_class: u8,
    length: usize,
    /// The fragment field: "more" in bit 13, the offset below.
    fragment: u16,
    hops: u8,
    protocol: Protocol,
    source: Ipv4Addr,
    destination: Ipv4Addr,
}

impl HeaderV4 {
    /// Writes it, its checksum valid, into the first twenty bytes (RFC 791).
    fn write(&self, tag: Tag, bytes: &mut [u8]) {
        #[allow(clippy::cast_possible_truncation, reason = "packets are cut to fit")]
        let length = self.length as u16;
        bytes[0] = 0x45;
        bytes[1] = self.traffic_class;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes[4..6].copy_from_slice(&tag.bits().to_be_bytes());
        bytes[6..8].copy_from_slice(&self.fragment.to_be_bytes());
        bytes[8] = self.hops;
        bytes[9] = self.protocol.0;
        bytes[12..16].copy_from_slice(&self.source.octets());
        bytes[16..20].copy_from_slice(&self.destination.octets());
        let sum = Sum::default().add(&bytes[..20]).finish();
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

struct HeaderV6 {
    traffic_class: u8,
    length: usize,
    next: u8,
    hops: u8,
    source: Ipv6Addr,
    destination: Ipv6Addr,
}

impl HeaderV6 {
    /// Writes it into the first forty bytes (RFC 8200).
    fn write(&self, tag: Tag, bytes: &mut [u8]) {
        #[allow(clippy::cast_possible_truncation, reason = "packets are cut to fit")]
        let length = self.length as u16;
        bytes[0] = 0x60 | (self.traffic_class >> 4);
        bytes[1] = self.traffic_class << 4;
        bytes[2..4].copy_from_slice(&tag.bits().to_be_bytes());
        bytes[4..6].copy_from_slice(&length.to_be_bytes());
        bytes[6] = self.next;
        bytes[7] = self.hops;
        bytes[8..24].copy_from_slice(&self.source.octets());
        bytes[24..40].copy_from_slice(&self.destination.octets());
    }
}

fn write_v4(packet: &Packet, source: Ipv4Addr, destination: Ipv4Addr, tag: Tag, bytes: &mut [u8]) {
    let fragment = piece(packet).map_or(0, |fragment| {
        (u16::from(fragment.more) << 13) | (fragment.offset & 0x1fff)
    });
    let header = HeaderV4 {
        traffic_class: packet.traffic_class,
        length: bytes.len(),
        fragment,
        hops: packet.hops,
        protocol: packet.protocol(),
        source,
        destination,
    };
    header.write(tag, bytes);
    if packet.defect == Some(Defect::HeaderChecksum) {
        bytes[10] ^= 0x01;
    }
}

fn write_v6(packet: &Packet, source: Ipv6Addr, destination: Ipv6Addr, tag: Tag, bytes: &mut [u8]) {
    let header = HeaderV6 {
        traffic_class: packet.traffic_class,
        length: bytes.len() - 40,
        next: if piece(packet).is_some() {
            FRAGMENT_HEADER
        } else {
            packet.protocol().0
        },
        hops: packet.hops,
        source,
        destination,
    };
    header.write(tag, bytes);
}

fn write_fragment_header(protocol: Protocol, fragment: Fragment, tag: Tag, bytes: &mut [u8]) {
    bytes[0] = protocol.0;
    let field = (fragment.offset << 3) | u16::from(fragment.more);
    bytes[2..4].copy_from_slice(&field.to_be_bytes());
    bytes[6..8].copy_from_slice(&tag.bits().to_be_bytes());
}
