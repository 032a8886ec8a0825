//! Neighbours along a set: its members, and the values around each part of one.

use super::{Draft, MEMBERS, Maker, around, around_ports, carries_ports, transport_of};
use crate::generate::ground::Way;
use crate::packet::{InterfaceName, Origin};
use crate::xtables::matches::{MaskedMark, PortSide, SetSide, SetTest};
use crate::xtables::set::{Element, Part, Set};

impl Maker<'_, '_> {
    pub(super) fn members(&self, test: &SetTest) -> Vec<Draft> {
        let Some(set) = self.ground.set(&test.name) else {
            return Vec::new();
        };
        let count = set.elements.len();
        let elements = set.elements.iter().enumerate();
        let chosen =
            elements.filter(|(place, _)| *place < MEMBERS / 2 || place + MEMBERS / 2 >= count);
        let mut drafts = Vec::new();
        for (_, element) in chosen {
            let inside = self.with_member(set, element, test);
            let maker = Maker {
                draft: inside.as_ref().unwrap_or(self.draft),
                ground: self.ground,
            };
            for (part, side) in element.parts.iter().zip(&test.sides) {
                drafts.extend(maker.part(part, *side, set.netmask));
            }
            drafts.extend(inside);
        }
        drafts
    }

    /// A draft that meets every part of a member.
    fn with_member(&self, set: &Set, element: &Element, test: &SetTest) -> Option<Draft> {
        let mut draft = self.draft.clone();
        for (part, side) in element.parts.iter().zip(&test.sides) {
            let maker = Maker {
                draft: &draft,
                ground: self.ground,
            };
            let alone = Element {
                parts: vec![part.clone()],
                nomatch: false,
                extensions: Vec::new(),
            };
            let meets = |draft: &Draft| draft.has_parts(set, &alone, &[*side], self.ground);
            let found = maker.part(part, *side, None).into_iter().find(meets);
            draft = found?;
        }
        Some(draft)
    }

    pub(super) fn part(&self, part: &Part, side: SetSide, netmask: Option<u8>) -> Vec<Draft> {
        match part {
            Part::Net(net) => {
                let bits = netmask.unwrap_or(net.prefix_len()).min(net.prefix_len());
                let net = ipnet::IpNet::new(net.addr(), bits).unwrap_or(*net).trunc();
                self.addresses(side, around(net.network(), net.broadcast()))
            }
            Part::Addresses(first, last) => self.addresses(side, around(*first, *last)),
            Part::Port(protocol, range) => {
                let protocol = protocol.filter(|protocol| carries_ports(*protocol));
                let protocol = protocol.unwrap_or(self.packet().protocol());
                let Some(draft) = self.draft.with(|packet| {
                    packet.transport = transport_of(packet, protocol);
                }) else {
                    return Vec::new();
                };
                let maker = Maker {
                    draft: &draft,
                    ground: self.ground,
                };
                let side = match side {
                    SetSide::Source => PortSide::Source,
                    SetSide::Destination => PortSide::Destination,
                };
                maker.ports(side, around_ports(*range))
            }
            Part::Icmp(_, kind, code) => self.icmp(*kind, [*code, *code]),
            Part::Interface { name, .. } => match side {
                SetSide::Source => self.arrives_by(*name),
                SetSide::Destination => self.to(&|way| way == Way::Out(*name)),
            },
            Part::Mark(mark) => self.marks(MaskedMark {
                value: *mark,
                mask: u32::MAX,
            }),
            Part::Set(name) => {
                let inner = self.ground.set(name).and_then(|set| set.elements.first());
                let part = inner.and_then(|element| element.parts.first());
                part.map_or_else(Vec::new, |part| match part {
                    Part::Set(_) => Vec::new(),
                    part => self.part(part, side, None),
                })
            }
            Part::Mac(_) => Vec::new(),
        }
    }

    fn arrives_by(&self, name: InterfaceName) -> Vec<Draft> {
        let others = self.ground.interfaces().find(|other| *other != name);
        let names = [Some(name), others].into_iter().flatten();
        self.each(names, |packet, name| packet.origin = Origin::Arrives(name))
    }
}
