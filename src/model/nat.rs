//! Address translation (net/netfilter/nf_nat_core.c, nf_nat_proto.c): a connection's first packet
//! asks the nat table and settles what becomes of the connection; every packet is then changed alike.

use super::bits;
use super::conntrack::{Connections, Entry, Kind, Link};
use super::program::{ChainIndex, Translation};
use super::run::{Log, Passage, Run, Verdict};
use super::source;
use super::traveller::Traveller;
use super::witness::Witness;
use crate::journey::{Open, Unjudged};
use crate::packet::{Direction, Family, Protocol, Transport, Tuple};
use crate::xtables::Hook;
use crate::xtables::matches::PortRange;
use crate::xtables::target::NatRange;

/// How many addresses of a range the model follows one by one.
const ADDRESSES: u128 = 16;

/// Which end of a packet is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

impl End {
    /// `HOOK2MANIP`.
    fn at(hook: Hook) -> Self {
        match hook {
            Hook::Input | Hook::Postrouting => Self::Source,
            Hook::Prerouting | Hook::Output | Hook::Forward => Self::Destination,
        }
    }
}

/// What may take an end's place.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    addresses: Option<(u128, u128)>,
    ports: Option<PortRange>,
    base_port: Option<u16>,
    random: bool,
}

impl Range {
    fn of(range: &NatRange) -> Self {
        Self {
            addresses: range
                .addresses
                .map(|(first, last)| (bits::number(first), bits::number(last))),
            ports: range.ports,
            base_port: range.base_port,
            random: range.random || range.random_fully,
        }
    }

    fn to(address: u128, range: &NatRange) -> Self {
        Self {
            addresses: Some((address, address)),
            ..Self::of(range)
        }
    }
}

/// Everything that the nat hook does (`nf_nat_ipv4_fn`, `nf_nat_inet_fn`).
pub(super) fn translate<W: Witness>(
    run: &mut Run<'_, W>,
    hook: Hook,
    chain: Option<ChainIndex>,
    packet: &mut Traveller<'_>,
    log: &mut Log,
) -> Result<Passage, Unjudged> {
    let Some(link) = packet.tracking.link() else {
        return Ok(Passage::On);
    };
    if link.kind == Kind::Related && is_icmp(packet) {
        if !translate_error(hook, packet) {
            return Ok(Passage::Lost);
        }
    } else {
        let end = End::at(hook);
        if link.kind != Kind::Established && !is_settled(&link.entry, end) {
            if let Some(chain) = chain
                && run.walk(hook, chain, packet, log)? == Verdict::Drop
            {
                return Ok(Passage::Lost);
            }
            let settled = packet
                .tracking
                .link()
                .is_none_or(|link| is_settled(&link.entry, end));
            if !settled {
                settle_unchanged(run, end, packet, log)?;
            }
        }
        if apply(end, packet, log) == Passage::Lost {
            return Ok(Passage::Lost);
        }
    }
    if hook == Hook::Output && is_sent_elsewhere(packet) && !run.reroute(packet) {
        return Ok(Passage::Lost);
    }
    Ok(Passage::On)
}

fn is_icmp(packet: &Traveller<'_>) -> bool {
    match packet.family {
        Family::V4 => packet.protocol == Protocol::ICMP,
        Family::V6 => packet.protocol == Protocol::ICMP6,
    }
}

fn is_settled(entry: &Entry, end: End) -> bool {
    match end {
        End::Source => entry.source_done,
        End::Destination => entry.destination_done,
    }
}

fn mark_settled(entry: &mut Entry, end: End) {
    match end {
        End::Source => entry.source_done = true,
        End::Destination => entry.destination_done = true,
    }
}

/// A NAT target: settles the connection and ends the table.
pub(super) fn target<W: Witness>(
    run: &mut Run<'_, W>,
    translation: &Translation,
    hook: Hook,
    packet: &mut Traveller<'_>,
    log: &mut Log,
) -> Result<Verdict, Unjudged> {
    let range = match translation {
        Translation::Destination(range) | Translation::Source(range) => Some(Range::of(range)),
        Translation::Masquerade(range) => match masquerade(run, packet) {
            Masquerade::To(address) => Some(Range::to(address, range)),
            // `0.0.0.0` is left alone, and the null binding follows.
            Masquerade::LeaveAlone => return Ok(Verdict::Accept),
            Masquerade::Nowhere => None,
        },
        Translation::Redirect(range) => {
            redirect(run, hook, packet).map(|address| Range::to(address, range))
        }
        Translation::Netmap { address, mask } => {
            let (network, mask) = (bits::number(*address), bits::number(*mask));
            let old = match End::at(hook) {
                End::Source => packet.source,
                End::Destination => packet.destination,
            };
            let new = old & !mask | network & mask;
            Some(Range::to(new, &NatRange::default()))
        }
    };
    let Some(range) = range else {
        return Ok(Verdict::Drop);
    };
    let end = match translation {
        Translation::Source(_) | Translation::Masquerade(_) => End::Source,
        Translation::Destination(_) | Translation::Redirect(_) => End::Destination,
        Translation::Netmap { .. } => End::at(hook),
    };
    settle(run, end, range, packet, log)?;
    Ok(Verdict::Accept)
}

enum Masquerade {
    To(u128),
    LeaveAlone,
    Nowhere,
}

/// The address that MASQUERADE chooses (nf_nat_masquerade.c): the out interface's toward the next hop.
fn masquerade<W>(run: &Run<'_, W>, packet: &Traveller<'_>) -> Masquerade {
    let ground = run.parts.ground;
    let Some(out) = packet.out_interface else {
        return Masquerade::Nowhere;
    };
    match packet.family {
        Family::V4 => {
            let from_nowhere = packet
                .tracking
                .link()
                .is_some_and(|link| bits::number(link.entry.original.source) == 0);
            if from_nowhere {
                return Masquerade::LeaveAlone;
            }
            let next_hop = match packet.gateway {
                0 => packet.destination,
                gateway => gateway,
            };
            match ground.select_v4(out, next_hop) {
                0 => Masquerade::Nowhere,
                address => Masquerade::To(address),
            }
        }
        Family::V6 => source::select_v6(ground, Some(out), packet.destination)
            .map_or(Masquerade::Nowhere, Masquerade::To),
    }
}

/// The address to which REDIRECT sends (nf_nat_redirect.c): the in interface's first; of the node's own
/// packets, loopback's.
fn redirect<W>(run: &Run<'_, W>, hook: Hook, packet: &Traveller<'_>) -> Option<u128> {
    let ground = run.parts.ground;
    match (hook, packet.family) {
        (Hook::Output, Family::V4) => Some(0x7f00_0001),
        (Hook::Output, Family::V6) => Some(1),
        (_, Family::V4) => ground.first_v4(packet.in_interface?),
        (_, Family::V6) => source::first_v6(ground, packet.in_interface?, packet.destination),
    }
}

/// `nf_nat_alloc_null_binding`: the address stays; a source port may have to give way.
fn settle_unchanged<W: Witness>(
    run: &mut Run<'_, W>,
    end: End,
    packet: &mut Traveller<'_>,
    log: &mut Log,
) -> Result<(), Unjudged> {
    let nothing_clashes = run.parts.connections.is_empty() || end == End::Destination;
    let Some(link) = packet.tracking.link_mut() else {
        return Ok(());
    };
    if nothing_clashes && !link.entry.confirmed {
        mark_settled(&mut link.entry, end);
        return Ok(());
    }
    let address = bits::number(match end {
        End::Source => link.entry.reply.destination,
        End::Destination => link.entry.reply.source,
    });
    let range = Range::to(address, &NatRange::default());
    settle(run, end, range, packet, log)
}

/// `nf_nat_setup_info`.
fn settle<W: Witness>(
    run: &mut Run<'_, W>,
    end: End,
    range: Range,
    packet: &mut Traveller<'_>,
    log: &mut Log,
) -> Result<(), Unjudged> {
    let connections = run.parts.connections;
    let family = packet.family;
    let Some(Link { entry, .. }) = packet.tracking.link_mut() else {
        return Ok(());
    };
    // What is in the table stays as it is.
    if entry.confirmed {
        return Ok(());
    }
    let Some(present) = entry.reply.inverse() else {
        return Ok(());
    };
    let chosen = choose(run, connections, end, range, present, family)?;
    let Some(Link { entry, .. }) = packet.tracking.link_mut() else {
        return Ok(());
    };
    if chosen.tuple != present
        && let Some(reply) = chosen.tuple.inverse()
    {
        entry.reply = reply;
        match end {
            End::Source => entry.source_nat = true,
            End::Destination => entry.destination_nat = true,
        }
    }
    mark_settled(entry, end);
    if let Some((first, last)) = chosen.open {
        let is_icmp = matches!(present.protocol, Protocol::ICMP | Protocol::ICMP6);
        log.open.push(Open {
            // The next sight is the first that shows it.
            since: log.journey.sights.len(),
            // An ICMP message's identifier stands in the destination port's place.
            source: end == End::Source && !is_icmp,
            first,
            last,
        });
    }
    Ok(())
}

struct Chosen {
    tuple: Tuple,
    /// The range out of which chance takes the port.
    open: Option<(u16, u16)>,
}

/// `get_unique_tuple`.
fn choose<W: Witness>(
    run: &mut Run<'_, W>,
    connections: &Connections,
    end: End,
    range: Range,
    present: Tuple,
    family: Family,
) -> Result<Chosen, Unjudged> {
    let is_free = |tuple: &Tuple| !tuple.inverse().is_some_and(|reply| connections.has(&reply));
    let fixed = |tuple| Chosen { tuple, open: None };
    if end == End::Source && !range.random && is_in_range(&present, &range) && is_free(&present) {
        return Ok(fixed(present));
    }
    let mut tuple = present;
    if let Some((first, last)) = range.addresses {
        let address = bits::address(family, choose_address(run, first, last)?);
        match end {
            End::Source => tuple.source = address,
            End::Destination => tuple.destination = address,
        }
    }
    if !range.random {
        let stays = match range.ports {
            Some(ports) => {
                range.base_port.is_none()
                    && port_in_range(&tuple, end, ports)
                    && (ports.first == ports.last || is_free(&tuple))
            }
            None => is_free(&tuple),
        };
        if stays {
            return Ok(fixed(tuple));
        }
    }
    Ok(choose_port(end, &range, tuple))
}

/// `find_best_ips_proto`: a hash chooses; the model follows each.
fn choose_address<W: Witness>(
    run: &mut Run<'_, W>,
    first: u128,
    last: u128,
) -> Result<u128, Unjudged> {
    let more = last.saturating_sub(first);
    if more >= ADDRESSES {
        return Err(Unjudged::Possibilities(ADDRESSES as usize));
    }
    if more == 0 {
        return Ok(first);
    }
    Ok(first + u128::from(run.chance(more as u16 + 1)))
}

/// `nf_in_range`: the source end against a range.
fn is_in_range(tuple: &Tuple, range: &Range) -> bool {
    let address = bits::number(tuple.source);
    range
        .addresses
        .is_none_or(|(first, last)| (first..=last).contains(&address))
        && range
            .ports
            .is_none_or(|ports| port_in_range(tuple, End::Source, ports))
}

/// `l4proto_in_range`.
fn port_in_range(tuple: &Tuple, end: End, ports: PortRange) -> bool {
    match tuple.protocol {
        Protocol::ICMP | Protocol::ICMP6 => ports.contains(tuple.ports.destination),
        protocol if has_translated_ports(protocol) || protocol == Protocol::GRE => {
            ports.contains(match end {
                End::Source => tuple.ports.source,
                End::Destination => tuple.ports.destination,
            })
        }
        _ => true,
    }
}

fn has_translated_ports(protocol: Protocol) -> bool {
    matches!(
        protocol,
        Protocol::TCP | Protocol::UDP | Protocol::UDP_LITE | Protocol::SCTP | Protocol::DCCP
    )
}

/// `nf_nat_l4proto_unique_tuple`: the first free port from a random one on; with `/BASE`, from the one
/// as far from the range's start as the old one was from the base.
fn choose_port(end: End, range: &Range, mut tuple: Tuple) -> Chosen {
    let is_icmp = matches!(tuple.protocol, Protocol::ICMP | Protocol::ICMP6);
    let port = if end == End::Source && !is_icmp {
        &mut tuple.ports.source
    } else {
        &mut tuple.ports.destination
    };
    let (first, last) = match range.ports {
        Some(ports) => (ports.first.min(ports.last), ports.first.max(ports.last)),
        None if is_icmp => (0, u16::MAX),
        None if end == End::Destination => return Chosen { tuple, open: None },
        None if *port < 512 => (1, 511),
        None if *port < 1024 => (600, 1023),
        None => (1024, u16::MAX),
    };
    if !is_icmp && !has_translated_ports(tuple.protocol) {
        return Chosen { tuple, open: None };
    }
    let size = u32::from(last - first) + 1;
    if let Some(base) = range.base_port {
        let offset = u32::from(port.wrapping_sub(base)) % size;
        *port = first + offset as u16;
        return Chosen { tuple, open: None };
    }
    *port = first;
    let open = (first != last).then_some((first, last));
    Chosen { tuple, open }
}

/// `nf_nat_packet`: changes the packet as its connection says. A GRE header that is cut short can't be
/// written to (`gre_manip_pkt`); of other protocols connection tracking knows no such packets.
fn apply(end: End, packet: &mut Traveller<'_>, log: &mut Log) -> Passage {
    let changed = packet.tracking.link().filter(|link| is_changed(link, end));
    let Some(target) = changed.and_then(wanted) else {
        return Passage::On;
    };
    if packet.protocol == Protocol::GRE && !packet.body.holds(8) {
        return Passage::Lost;
    }
    let ports = packet.ports;
    match end {
        End::Source => packet.source = bits::number(target.source),
        End::Destination => packet.destination = bits::number(target.destination),
    }
    match (packet.packet.transport, end) {
        // `icmp_manip_pkt`: the identifier, whichever end is changed.
        (Transport::Icmp(_), _) => packet.ports.destination = target.ports.destination,
        (Transport::Other(_), _) => {}
        (_, End::Source) => packet.ports.source = target.ports.source,
        (_, End::Destination) => packet.ports.destination = target.ports.destination,
    }
    // A choice that does not show is none.
    if packet.ports == ports && matches!(packet.packet.transport, Transport::Other(_)) {
        log.open.clear();
    }
    Passage::On
}

/// Whether a packet of this connection and direction is changed at this end.
fn is_changed(link: &Link, end: End) -> bool {
    let source = (end == End::Source) == (link.direction == Direction::Original);
    if source {
        link.entry.source_nat
    } else {
        link.entry.destination_nat
    }
}

/// What the packet is to look like: the inverse of the other direction (`nf_nat_manip_pkt`).
fn wanted(link: &Link) -> Option<Tuple> {
    match link.direction {
        Direction::Original => link.entry.reply.inverse(),
        Direction::Reply => link.entry.original.inverse(),
    }
}

/// `nf_nat_icmp_reply_translation`: an error about a translated connection is translated with it.
/// `false` where it is dropped.
fn translate_error(hook: Hook, packet: &mut Traveller<'_>) -> bool {
    const REDIRECT: u8 = 5;
    let Some(link) = packet.tracking.link() else {
        return true;
    };
    if packet.has_bad_checksum() {
        return false;
    }
    let entry = &link.entry;
    let is_redirect = packet.family == Family::V4
        && matches!(packet.packet.transport, Transport::Icmp(icmp) if icmp.kind == REDIRECT);
    let settled = entry.source_done && entry.destination_done;
    let translated = entry.source_nat || entry.destination_nat;
    if is_redirect && (!settled || translated) {
        return false;
    }
    let end = End::at(hook);
    if !is_changed(link, end) {
        return true;
    }
    if let Some(target) = wanted(link) {
        match end {
            End::Source => packet.source = bits::number(target.source),
            End::Destination => packet.destination = bits::number(target.destination),
        }
    }
    true
}

/// Whether a connection's packets in this direction go elsewhere than they say (`nf_nat_ipv4_local_fn`).
fn is_sent_elsewhere(packet: &Traveller<'_>) -> bool {
    packet.tracking.link().is_some_and(|link| {
        let entry = &link.entry;
        match link.direction {
            Direction::Original => entry.original.destination != entry.reply.source,
            Direction::Reply => entry.reply.destination != entry.original.source,
        }
    })
}
