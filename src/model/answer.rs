//! What the node answers: a REJECT's resets and errors, and routing's errors. Each is a packet of its
//! own, from OUTPUT on, nested in the one that it answers.

use super::addresses::{self, Sort};
use super::bits;
use super::conntrack::Tracking;
use super::input::{self, Error};
use super::path::Departure;
use super::routing::{Ground, Target};
use super::run::{Log, Run, blank};
use super::source;
use super::traveller::{Socket, Traveller};
use super::witness::Witness;
use crate::journey::Unjudged;
use crate::packet::{
    Family, Icmp, Origin, Packet, Payload, Ports, Protocol, Tcp, TcpFlags, Transport, Tuple,
};
use crate::xtables::target::Reject;

/// `net.ipv4.ip_default_ttl` and `net.ipv6.conf.all.hop_limit`.
const HOPS: u8 = 64;

const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// What REJECT sends (net/ipv4/netfilter/nf_reject_ipv4.c, net/ipv6/netfilter/nf_reject_ipv6.c).
pub(super) fn reject<W: Witness>(
    run: &mut Run<'_, W>,
    reject: Reject,
    packet: &Traveller<'_>,
    log: &mut Log,
) -> Result<(), Unjudged> {
    if reject == Reject::TcpReset {
        return reset(run, packet, log);
    }
    // IPv6 looks for a first byte behind the headers (`nf_reject_v6_csum_ok`).
    let is_empty = packet.family == Family::V6 && !packet.body.holds(1);
    if packet.body.later || is_empty || !has_accepted_sum(packet) {
        return Ok(());
    }
    let (kind, code) = message(reject);
    let error = Error {
        kind,
        code,
        limited: false,
    };
    refuse(run, error, packet, log)
}

/// Type and code of REJECT's errors.
fn message(reject: Reject) -> (u8, u8) {
    match reject {
        Reject::NetUnreachable => (3, 0),
        Reject::HostUnreachable => (3, 1),
        Reject::ProtoUnreachable => (3, 2),
        // `tcp-reset` is no error; the reset is made elsewhere.
        Reject::PortUnreachable | Reject::TcpReset => (3, 3),
        Reject::NetProhibited => (3, 9),
        Reject::HostProhibited => (3, 10),
        Reject::AdminProhibited => (3, 13),
        Reject::NoRoute6 => (1, 0),
        Reject::AdminProhibited6 => (1, 1),
        Reject::AddressUnreachable6 => (1, 3),
        Reject::PortUnreachable6 => (1, 4),
        Reject::PolicyFail6 => (1, 5),
        Reject::RejectRoute6 => (1, 6),
    }
}

/// Whether REJECT finds the packet's checksum good enough to answer (`nf_reject_verify_csum` in
/// include/net/netfilter/nf_reject.h, `nf_ip_checksum` and `nf_ip6_checksum` in net/netfilter/utils.c).
fn has_accepted_sum(packet: &Traveller<'_>) -> bool {
    match packet.packet.transport {
        Transport::Sctp { .. } | Transport::UdpLite(_) => true,
        Transport::Other(protocol) => has_accepted_zeros(protocol, packet),
        _ => !packet.has_bad_checksum(),
    }
}

/// Protocols whose sums the kernel does not know are summed up all the same: in IPv4 without a pseudo
/// header, which zeros pass, in IPv6 with one, which they fail.
fn has_accepted_zeros(protocol: Protocol, packet: &Traveller<'_>) -> bool {
    let excepted = matches!(
        protocol,
        Protocol::GRE | Protocol::AH | Protocol::ESP | Protocol::DCCP
    );
    match packet.family {
        _ if excepted => true,
        Family::V4 => sums_to_nothing(packet),
        Family::V6 => false,
    }
}

fn sums_to_nothing(packet: &Traveller<'_>) -> bool {
    let Payload::Bytes(bytes) = &packet.packet.payload else {
        return true;
    };
    let present = packet.body.bytes.saturating_sub(16).min(bytes.len());
    let sum: u64 = bytes[..present]
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    sum.is_multiple_of(0xffff)
}

/// A TCP reset, from the destination's address to the source's.
fn reset<W: Witness>(
    run: &mut Run<'_, W>,
    packet: &Traveller<'_>,
    log: &mut Log,
) -> Result<(), Unjudged> {
    let Transport::Tcp(tcp) = packet.packet.transport else {
        return Ok(());
    };
    let silent = packet.body.later
        || !packet.body.holds(20)
        || tcp.flags.0 & RST != 0
        || packet.has_bad_checksum()
        || packet.to_many;
    if silent || packet.family == Family::V6 && !both_unicast(packet) {
        return Ok(());
    }
    let flags = if tcp.flags.0 & ACK != 0 {
        RST
    } else {
        RST | ACK
    };
    let answer = Packet {
        hops: HOPS,
        ..Packet::new(
            Origin::Node,
            bits::address(packet.family, packet.destination),
            bits::address(packet.family, packet.source),
            Transport::Tcp(Tcp {
                ports: Ports {
                    source: packet.ports.destination,
                    destination: packet.ports.source,
                },
                flags: TcpFlags(flags),
                option: None,
            }),
        )
    };
    let Some(departure) = run.departure_from(packet.family, packet.destination, packet.source)
    else {
        return Ok(());
    };
    let may_leave = packet.family == Family::V6
        || input::may_leave(run.parts.ground, packet.destination, departure.interface);
    if may_leave {
        send(run, &answer, Socket::Nobody, packet, departure, log)?;
    }
    Ok(())
}

fn both_unicast(packet: &Traveller<'_>) -> bool {
    addresses::sort(packet.source).is_unicast() && addresses::sort(packet.destination).is_unicast()
}

/// An ICMP error about a packet (`__icmp_send` in net/ipv4/icmp.c, `icmp6_send` in net/ipv6/icmp.c).
pub(super) fn refuse<W: Witness>(
    run: &mut Run<'_, W>,
    error: Error,
    packet: &Traveller<'_>,
    log: &mut Log,
) -> Result<(), Unjudged> {
    if packet.to_many || is_error(packet) || packet.body.later && packet.family == Family::V4 {
        return Ok(());
    }
    let speaker = match packet.family {
        Family::V4 => speaker_v4(run, packet),
        Family::V6 => speaker_v6(run, packet),
    };
    let Some((source, departure)) = speaker else {
        return Ok(());
    };
    if error.limited && run.chance(2) == 1 {
        return Ok(());
    }
    let traffic_class = match packet.family {
        // "Internetwork control", with the type of service of the packet (RFC 1812, 4.3.2.5).
        Family::V4 => packet.traffic_class & 0x1e | 0xc0,
        Family::V6 => 0,
    };
    let quoted = shows_flow(packet).then(|| Tuple {
        source: bits::address(packet.family, packet.source),
        destination: bits::address(packet.family, packet.destination),
        protocol: packet.protocol,
        ports: packet.first_ports(),
    });
    let to_group = packet.family == Family::V4 && bits::v4(packet.source).is_multicast();
    let answer = Packet {
        // `ip_select_ttl`: what goes to a group stays on the link.
        hops: if to_group { 1 } else { HOPS },
        traffic_class,
        payload: Payload::Zeros(quoted_bytes(packet, quoted.is_some())),
        ..Packet::new(
            Origin::Node,
            bits::address(packet.family, source),
            bits::address(packet.family, packet.source),
            Transport::Icmp(Icmp {
                kind: error.kind,
                code: error.code,
                identifier: 0,
                quoted,
            }),
        )
    };
    send(run, &answer, Socket::Kernel, packet, departure, log)
}

/// Whether so much of a packet is there that one who reads it in an error knows what connection it is of
/// (net/netfilter/nf_conntrack_core.c, `nf_ct_get_tuple`: the ports of a transport that has them, of ICMP the whole
/// header, of others nothing).
fn shows_flow(packet: &Traveller<'_>) -> bool {
    let needed = match packet.packet.transport {
        Transport::Icmp(_) => 8,
        Transport::Other(_) => 0,
        _ => 4,
    };
    !packet.body.later && packet.body.holds(needed)
}

/// How much of the packet an error quotes, or what is more than its header and eight bytes where these are
/// counted apart: in all, what makes the error 576 bytes long, or 1280 in IPv6.
fn quoted_bytes(packet: &Traveller<'_>, apart: bool) -> u16 {
    let (most, least) = match packet.family {
        Family::V4 => (576 - 28, 28),
        Family::V6 => (1280 - 48, 48),
    };
    let least = if apart { least } else { 0 };
    let quoted = packet.length().min(most).saturating_sub(least);
    u16::try_from(quoted).unwrap_or(u16::MAX)
}

/// Whether a packet is an ICMP error itself, or may be one: it is never answered.
fn is_error(packet: &Traveller<'_>) -> bool {
    let Transport::Icmp(icmp) = packet.packet.transport else {
        return false;
    };
    // Of IPv6's pieces only those that show the type count (`is_ineligible`).
    let is_piece = packet.family == Family::V6 && packet.is_fragment();
    if packet.body.later || !packet.body.holds(1) {
        return !is_piece;
    }
    match packet.family {
        // `icmp_pointers`: the types that nobody uses count as errors too.
        Family::V4 => icmp.kind > 18 || matches!(icmp.kind, 1..=7 | 9..=12),
        Family::V6 => icmp.kind < 128,
    }
}

type Speaker = Option<(u128, Departure)>;

/// From which address the node speaks to a packet's sender, and by which way: the packet's destination,
/// if it was for this node; else what the route to the sender prefers.
fn speaker_v4<W: Witness>(run: &Run<'_, W>, packet: &Traveller<'_>) -> Speaker {
    let ground = run.parts.ground;
    if packet.source == 0 {
        return None;
    }
    if !packet.to_node {
        let departure = run.departure(Family::V4, packet.source, None)?;
        return Some((source_v4(ground, packet.source), departure));
    }
    let own = ground.find_local(Family::V4, packet.destination);
    if !matches!(own, Some(Target::Local(_))) {
        return None;
    }
    let departure = run.departure_from(Family::V4, packet.destination, packet.source)?;
    let may_leave = input::may_leave(ground, packet.destination, departure.interface);
    may_leave.then_some((packet.destination, departure))
}

/// The source that IPv4's routing chooses toward an address; 192.0.0.8 where the node has none
/// (RFC 7600; net/ipv4/icmp.c, `INADDR_DUMMY`).
pub(super) fn source_v4(ground: &Ground, toward: u128) -> u128 {
    const DUMMY: u128 = 0xc000_0008;
    let source = match ground.find(Family::V4, toward) {
        Some(Target::Local(interface) | Target::Broadcast(interface)) => {
            ground.primary_v4(interface, toward)
        }
        Some(Target::Unicast { preferred, .. }) if preferred != 0 => preferred,
        Some(Target::Unicast {
            interface, gateway, ..
        }) => ground.select_v4(interface, gateway),
        _ => 0,
    };
    if source == 0 { DUMMY } else { source }
}

/// The same in IPv6: the packet's destination, if it is the node's; else an address chosen as for the
/// interface by which the packet came.
fn speaker_v6<W: Witness>(run: &Run<'_, W>, packet: &Traveller<'_>) -> Speaker {
    let ground = run.parts.ground;
    let sender = addresses::sort(packet.source);
    if matches!(sender, Sort::Any | Sort::Multicast) {
        return None;
    }
    let near = sender == Sort::LinkLocal;
    let toward = if near { packet.in_interface } else { None };
    // A sender that is one of many is not answered.
    if ground.is_anycast(packet.source) {
        return None;
    }
    let departure = run.departure(Family::V6, packet.source, toward)?;
    let own = match ground.find_local(Family::V6, packet.destination) {
        // An address of a link, or of the node alone, counts where it is (net/ipv6/addrconf.c,
        // `__ipv6_chk_addr_and_flags`).
        Some(Target::Local(interface)) => {
            let narrow = matches!(
                addresses::sort(packet.destination),
                Sort::LinkLocal | Sort::Loopback
            );
            !narrow || packet.in_interface == Some(interface)
        }
        Some(Target::Anycast(_)) => true,
        _ => false,
    };
    let chosen = if own {
        Some(packet.destination)
    } else {
        packet
            .in_interface
            .and_then(|by| source::select_v6(ground, Some(by), packet.source))
            .or_else(|| {
                let by = match ground.find(Family::V6, packet.source) {
                    Some(target) => target.interface(),
                    None => Some(departure.interface),
                };
                source::select_v6(ground, by, packet.source)
            })
    };
    chosen.map(|source| (source, departure))
}

/// Sends an answer and writes down its journey.
fn send<W: Witness>(
    run: &mut Run<'_, W>,
    answer: &Packet,
    socket: Socket,
    to: &Traveller<'_>,
    departure: Departure,
    log: &mut Log,
) -> Result<(), Unjudged> {
    let mut traveller = Traveller::new(answer, socket);
    traveller.tracking = match to.tracking {
        Tracking::None => Tracking::None,
        _ => to.tracking.of_answer(),
    };
    let mut own = blank();
    own.journey.fate = run.depart(&mut traveller, departure, &mut own)?;
    if !own.open.is_empty() {
        let message = "chance chooses a port of the node's answer".to_owned();
        return Err(Unjudged::Other(message));
    }
    log.journey.answers.push(own.journey);
    Ok(())
}
