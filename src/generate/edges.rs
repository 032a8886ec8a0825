//! The neighbours of a packet along one question: both ends of what it accepts and just outside,
//! and what else of its kind there is.

mod members;
mod transports;

use std::net::IpAddr;

use crate::packet::{
    Family, Fragment, Icmp, Origin, Packet, Payload, Ports, Protocol, Tcp, TcpFlags, Transport,
};
use crate::xtables::Hook;
use crate::xtables::matches::{HopsTest, MaskedMark, SetSide, StringTest};

use super::draft::{Draft, carries_ports, length};
use super::ground::{Ground, Way, around, around_number, around_ports, bounds};
use super::question::Question;
use super::standing::Standing;

/// How many members of a set are tried: the first ones and the last.
const MEMBERS: usize = 8;

/// The neighbours of a draft along a question, some of which meet it and some of which just miss.
#[must_use]
pub fn edges(question: Question<'_>, draft: &Draft, ground: &Ground<'_>) -> Vec<Draft> {
    let maker = Maker { draft, ground };
    match question {
        Question::At(hook) => maker.hooks(hook),
        Question::Source(mask) => {
            let (first, last) = bounds(mask);
            maker.addresses(SetSide::Source, around(first, last))
        }
        Question::Destination(mask) => {
            let (first, last) = bounds(mask);
            maker.addresses(SetSide::Destination, around(first, last))
        }
        Question::SourceRange(a, b) => maker.addresses(SetSide::Source, around(a, b)),
        Question::DestinationRange(a, b) => maker.addresses(SetSide::Destination, around(a, b)),
        Question::SourceType(_) => maker.kinds_of_address(SetSide::Source),
        Question::DestinationType(_) | Question::Cast(_) => {
            maker.kinds_of_address(SetSide::Destination)
        }
        Question::In(_) => maker.arrivals(),
        Question::Out(_) => maker.departures(),
        Question::Protocol(protocol) => maker.protocols(protocol),
        Question::Fragment => maker.fragments(),
        Question::Ports(side, ranges) => {
            let ports = ranges
                .iter()
                .flat_map(|range| around_ports(*range))
                .collect();
            maker.ports(side, ports)
        }
        Question::Flags(test) => maker.flags(test.compare, test.mask),
        Question::Option(kind) => maker.options(kind),
        Question::Chunk(test) => maker.chunks(&test.chunks),
        Question::Icmp(test, _) => maker.icmp(test.kind, [test.first_code, test.last_code]),
        Question::Set(test) => maker.members(test),
        Question::Mark(test) => maker.marks(test),
        Question::States(_) | Question::Direction(_) => maker.standings(),
        Question::ReversePath(_) => {
            let mut drafts = maker.and_from(maker.kinds_of_address(SetSide::Source));
            drafts.push(draft.clone());
            drafts
        }
        Question::Hops(test) => {
            let (HopsTest::Equal(hops)
            | HopsTest::NotEqual(hops)
            | HopsTest::Below(hops)
            | HopsTest::Above(hops)) = test;
            maker.each(around_number(hops), |packet, hops| packet.hops = hops)
        }
        Question::Dscp(dscp) => {
            let classes = around_number(dscp).into_iter().filter(|dscp| *dscp < 64);
            maker.each(classes, |packet, dscp| packet.traffic_class = dscp << 2)
        }
        Question::Tos(value, mask) => {
            maker.each([value, value ^ mask, value ^ !mask], |packet, tos| {
                packet.traffic_class = tos;
            })
        }
        Question::Length(first, last) => maker.lengths(first, last),
        Question::Text(test) => maker.texts(test),
        Question::Keeps(other, fields) => {
            let copied = fields
                .each()
                .try_fold(draft.clone(), |draft, field| field.copy(other, &draft));
            copied.into_iter().collect()
        }
        Question::Beyond(_) => vec![draft.clone()],
    }
}

struct Maker<'a, 'g> {
    draft: &'a Draft,
    ground: &'a Ground<'g>,
}

impl Maker<'_, '_> {
    fn packet(&self) -> &Packet {
        &self.draft.shot.packet
    }

    /// One draft a value, changed by it.
    fn each<T>(
        &self,
        values: impl IntoIterator<Item = T>,
        change: impl Fn(&mut Packet, T),
    ) -> Vec<Draft> {
        let drafts = values
            .into_iter()
            .map(|value| self.draft.with(|packet| change(packet, value)));
        drafts.flatten().collect()
    }

    fn addresses(&self, side: SetSide, addresses: Vec<IpAddr>) -> Vec<Draft> {
        let family = self.packet().family();
        let fitting = addresses
            .into_iter()
            .filter(|address| Family::of(*address) == family);
        self.each(fitting, |packet, address| match side {
            SetSide::Source => packet.source = address,
            SetSide::Destination => packet.destination = address,
        })
    }

    /// One address of each kind that there is: local, on each way out, nowhere, broadcast, multicast.
    fn kinds_of_address(&self, side: SetSide) -> Vec<Draft> {
        let mut seen: Vec<(Way, bool)> = Vec::new();
        let constants = self.ground.constants(self.packet().family());
        let mut addresses = constants.addresses.clone();
        addresses.retain(|address| {
            let kind = (self.ground.way(*address), self.is_for_many(*address));
            let new = !seen.contains(&kind);
            if new {
                seen.push(kind);
            }
            new
        });
        self.addresses(side, addresses)
    }

    fn is_for_many(&self, address: IpAddr) -> bool {
        let mut nets = self.ground.node.addresses();
        address.is_multicast()
            || nets.any(|(_, net)| net.broadcast() == address && net.addr() != address)
    }

    fn hooks(&self, hook: Hook) -> Vec<Draft> {
        match hook {
            Hook::Prerouting => self.arrivals(),
            Hook::Input => self.and_from(self.to(&|way| way == Way::Local)),
            Hook::Forward => {
                let mut drafts = self.and_from(self.to(&|way| matches!(way, Way::Out(_))));
                drafts.extend(self.arrivals());
                drafts
            }
            Hook::Postrouting => self.and_from(self.to(&|way| matches!(way, Way::Out(_)))),
            Hook::Output => self.each([Origin::Node], |packet, origin| packet.origin = origin),
        }
    }

    /// The drafts, and with sources that may come by their interface.
    fn and_from(&self, mut drafts: Vec<Draft>) -> Vec<Draft> {
        let Origin::Arrives(name) = self.packet().origin else {
            return drafts;
        };
        let back = self.ground.on_way(self.packet().family(), Way::Out(name));
        let sources = back.iter().take(MEMBERS);
        let from = |source: &IpAddr| self.draft.with(|packet| packet.source = *source);
        drafts.extend(sources.filter_map(from));
        drafts
    }

    /// Destinations of one address a way.
    fn to(&self, wanted: &dyn Fn(Way) -> bool) -> Vec<Draft> {
        let constants = self.ground.constants(self.packet().family());
        let mut ways: Vec<Way> = Vec::new();
        let mut chosen = Vec::new();
        for address in &constants.addresses {
            let way = self.ground.way(*address);
            if wanted(way) && !ways.contains(&way) {
                ways.push(way);
                chosen.push(*address);
            }
        }
        self.addresses(SetSide::Destination, chosen)
    }

    fn arrivals(&self) -> Vec<Draft> {
        let origins = self
            .ground
            .interfaces()
            .map(Origin::Arrives)
            .chain([Origin::Node]);
        self.each(origins, |packet, origin| packet.origin = origin)
    }

    fn departures(&self) -> Vec<Draft> {
        let mut drafts = self.to(&|way| matches!(way, Way::Out(_)));
        let local = self.to(&|way| way == Way::Local);
        let own = local
            .iter()
            .filter_map(|draft| draft.with(|packet| packet.origin = Origin::Node));
        drafts.extend(own);
        drafts
    }

    fn fragments(&self) -> Vec<Draft> {
        let first = Fragment {
            offset: 0,
            more: true,
        };
        let middle = Fragment {
            offset: 1,
            more: true,
        };
        let last = Fragment {
            offset: 185,
            more: false,
        };
        self.each(
            [None, Some(first), Some(middle), Some(last)],
            |packet, fragment| {
                packet.fragment = fragment;
            },
        )
    }

    fn marks(&self, test: MaskedMark) -> Vec<Draft> {
        let mut marks = vec![test.value, 0, u32::MAX, test.value | !test.mask];
        let bits = (0..32).map(|place| 1_u32 << place);
        marks.extend(
            bits.filter(|bit| test.mask & bit != 0)
                .map(|bit| test.value ^ bit),
        );
        let outside = (0..32)
            .map(|place| 1_u32 << place)
            .find(|bit| test.mask & bit == 0);
        marks.extend(outside.map(|bit| test.value ^ bit));
        marks.sort_unstable();
        marks.dedup();
        self.each(marks, |packet, mark| packet.mark.0 = mark)
    }

    fn standings(&self) -> Vec<Draft> {
        let base = &self.draft.base;
        let standings = Standing::NAMES.into_iter().map(|(_, standing)| standing);
        standings
            .filter_map(|standing| Draft::new(base.clone(), standing))
            .collect()
    }

    fn lengths(&self, first: u16, last: u16) -> Vec<Draft> {
        let bare = length(self.packet()) - self.packet().payload.len();
        let ends = [
            first.checked_sub(1),
            Some(first),
            Some(last),
            last.checked_add(1),
        ];
        let payloads = ends.into_iter().flatten().filter_map(|end| {
            // A TUN device takes no more than its MTU.
            let payload = usize::from(end.min(1500)).checked_sub(bare)?;
            u16::try_from(payload).ok()
        });
        self.each(payloads, |packet, count| {
            packet.payload = Payload::Zeros(count)
        })
    }

    fn texts(&self, test: &StringTest) -> Vec<Draft> {
        let bare = length(self.packet()) - self.packet().payload.len();
        let padding = usize::from(test.from).saturating_sub(bare).min(1000);
        let pattern = &test.pattern;
        let shorter = &pattern[..pattern.len().saturating_sub(1)];
        let other_case: Vec<u8> = pattern.iter().map(|byte| swap_case(*byte)).collect();
        let texts = [&pattern[..], shorter, &other_case[..], &[][..]];
        self.each(texts, |packet, text| {
            let mut bytes = vec![0; padding];
            bytes.extend_from_slice(text);
            packet.payload = Payload::Bytes(bytes.into());
        })
    }
}

fn swap_case(byte: u8) -> u8 {
    if byte.is_ascii_uppercase() {
        byte.to_ascii_lowercase()
    } else {
        byte.to_ascii_uppercase()
    }
}

/// Changes the ports of a packet that has some.
pub fn change_ports(packet: &mut Packet, change: impl FnOnce(&mut Ports)) {
    match &mut packet.transport {
        Transport::Tcp(Tcp { ports, .. })
        | Transport::Udp(ports)
        | Transport::UdpLite(ports)
        | Transport::Sctp { ports, .. } => change(ports),
        Transport::Icmp(_) | Transport::Other(_) => {}
    }
}

/// A usual transport header of a protocol, with the ports that the packet has, or usual ones.
#[must_use]
pub fn transport_of(packet: &Packet, protocol: Protocol) -> Transport {
    let usual = Ports {
        source: 40_000,
        destination: 80,
    };
    let ports = packet.transport.ports().unwrap_or(usual);
    let echo = |kind| {
        Transport::Icmp(Icmp {
            kind,
            code: 0,
            identifier: 1,
            quoted: None,
        })
    };
    match (protocol, packet.family()) {
        (protocol, _) if protocol == packet.protocol() => packet.transport,
        (Protocol::TCP, _) => Transport::Tcp(Tcp {
            ports,
            flags: TcpFlags::SYN,
            option: None,
        }),
        (Protocol::UDP, _) => Transport::Udp(ports),
        (Protocol::UDP_LITE, _) => Transport::UdpLite(ports),
        (Protocol::SCTP, _) => Transport::Sctp { ports, chunk: 1 },
        (Protocol::ICMP, Family::V4) => echo(8),
        (Protocol::ICMP6, Family::V6) => echo(128),
        (other, _) => Transport::Other(other),
    }
}
