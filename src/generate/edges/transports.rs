//! Neighbours along what stands in transport headers: protocols, ports, flags, types.

use super::{Draft, Maker, around_number, change_ports, transport_of};
use crate::generate::standing::{Standing, is_midway};
use crate::packet::{Icmp, Packet, Protocol, TcpFlags, Transport};
use crate::xtables::matches::{Chunks, PortSide};

impl Maker<'_, '_> {
    pub(super) fn protocols(&self, protocol: Protocol) -> Vec<Draft> {
        let usual = [Protocol::TCP.0, Protocol::UDP.0];
        let mut numbers = around_number(protocol.0);
        numbers.extend(
            usual
                .iter()
                .filter(|number| !numbers.contains(number))
                .collect::<Vec<_>>(),
        );
        self.each(numbers, |packet, number| {
            packet.transport = transport_of(packet, Protocol(number));
        })
    }

    pub(super) fn ports(&self, side: PortSide, values: Vec<u16>) -> Vec<Draft> {
        let mut draft = self.draft.clone();
        if draft.base.transport.ports().is_none() {
            let Some(with_ports) = self.draft.with(|packet| {
                packet.transport = transport_of(packet, Protocol::TCP);
            }) else {
                return Vec::new();
            };
            draft = with_ports;
        }
        let maker = Maker {
            draft: &draft,
            ground: self.ground,
        };
        let source = |packet: &mut Packet, port| change_ports(packet, |ports| ports.source = port);
        let destination =
            |packet: &mut Packet, port| change_ports(packet, |ports| ports.destination = port);
        match side {
            PortSide::Source => maker.each(values, source),
            PortSide::Destination => maker.each(values, destination),
            PortSide::Either => {
                let mut drafts = maker.each(values.iter().copied(), source);
                drafts.extend(maker.each(values, destination));
                drafts
            }
        }
    }

    /// The flags that are asked for, each asked one turned over, each other one too.
    pub(super) fn flags(&self, compare: u8, mask: u8) -> Vec<Draft> {
        let mut values = vec![compare];
        let bits = (0..8).map(|place| 1_u8 << place);
        values.extend(bits.map(|bit| compare ^ bit));
        values.push(compare | !mask & 0x3f);
        values
            .into_iter()
            .filter_map(|flags| self.with_flags(TcpFlags(flags)))
            .collect()
    }

    fn with_flags(&self, flags: TcpFlags) -> Option<Draft> {
        let mut base = self.draft.base.clone();
        if !matches!(base.transport, Transport::Tcp(_)) {
            base.transport = transport_of(&base, Protocol::TCP);
        }
        if let Transport::Tcp(tcp) = &mut base.transport {
            tcp.flags = flags;
        }
        match self.draft.standing {
            Standing::New | Standing::Invalid | Standing::Related if is_midway(flags) => {
                Draft::new(base, Standing::Invalid)
            }
            Standing::Invalid | Standing::Related => Draft::new(base, Standing::New),
            standing => Draft::new(base, standing).map(|draft| {
                draft.verbatim(|packet| {
                    if let Transport::Tcp(tcp) = &mut packet.transport {
                        tcp.flags = flags;
                    }
                })
            }),
        }
    }

    pub(super) fn options(&self, kind: u8) -> Vec<Draft> {
        let kinds = around_number(kind).into_iter().map(Some).chain([None]);
        self.each(kinds, |packet, kind| {
            if !matches!(packet.transport, Transport::Tcp(_)) {
                packet.transport = transport_of(packet, Protocol::TCP);
            }
            if let Transport::Tcp(tcp) = &mut packet.transport {
                tcp.option = kind;
            }
        })
    }

    pub(super) fn chunks(&self, chunks: &Chunks) -> Vec<Draft> {
        let kinds: Vec<u8> = match chunks {
            Chunks::All => vec![0, 1, 255],
            Chunks::These(types) => types
                .iter()
                .flat_map(|(kind, _)| around_number(*kind))
                .collect(),
        };
        let change = |packet: &mut Packet, kind| {
            packet.transport = transport_of(packet, Protocol::SCTP);
            if let Transport::Sctp { chunk, .. } = &mut packet.transport {
                *chunk = kind;
            }
        };
        kinds
            .into_iter()
            .map(|kind| self.draft.verbatim(|packet| change(packet, kind)))
            .collect()
    }

    pub(super) fn icmp(&self, kind: u8, [first, last]: [u8; 2]) -> Vec<Draft> {
        let codes = [
            Some(first),
            Some(last),
            first.checked_sub(1),
            last.checked_add(1),
            Some(255),
        ];
        let mut pairs: Vec<(u8, u8)> = codes.iter().flatten().map(|code| (kind, *code)).collect();
        let kinds = around_number(kind).into_iter().chain([0, 255]);
        pairs.extend(kinds.map(|kind| (kind, first)));
        pairs.sort_unstable();
        pairs.dedup();
        pairs
            .into_iter()
            .filter_map(|(kind, code)| self.with_icmp(kind, code))
            .collect()
    }

    fn with_icmp(&self, kind: u8, code: u8) -> Option<Draft> {
        let mut base = self.draft.base.clone();
        let (identifier, quoted) = match base.transport {
            Transport::Icmp(icmp) => (icmp.identifier, icmp.quoted),
            _ => (1, None),
        };
        base.transport = Transport::Icmp(Icmp {
            kind,
            code,
            identifier,
            quoted,
        });
        let changed = |draft: Draft| match draft.shot.packet.transport {
            Transport::Icmp(now) if (now.kind, now.code) == (kind, code) => Some(draft),
            _ => None,
        };
        let standings = [self.draft.standing, Standing::New];
        let kept = standings
            .into_iter()
            .find_map(|standing| Draft::new(base.clone(), standing).and_then(changed));
        // A message that begins nothing: sent to the letter, whatever connection tracking says.
        kept.or_else(|| {
            let draft = Draft::new(base.clone(), Standing::New)?;
            Some(draft.verbatim(|packet| packet.transport = base.transport))
        })
    }
}
