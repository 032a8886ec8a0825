//! Random but sensible packets: from a node's addresses and a firewall's constants, with a leaning to
//! boundaries.

use std::net::IpAddr;

use crate::packet::{
    Defect, Family, Fragment, Icmp, InterfaceName, Origin, Packet, Payload, Ports, Protocol, Tcp,
    TcpFlags, Transport,
};

use super::bits::Bits;
use super::draft::Draft;
use super::edges::{change_ports, edges, transport_of};
use super::ground::{Constants, Ground, Way, address};
use super::question::{Condition, conditions};
use super::standing::Standing;

/// How often each standing comes.
const STANDINGS: [(usize, Standing); 7] = [
    (56, Standing::New),
    (10, Standing::Established),
    (10, Standing::Reply),
    (6, Standing::Related),
    (6, Standing::Unreplied),
    (6, Standing::Invalid),
    (6, Standing::Untracked),
];

/// An endless stream of packets.
#[derive(Debug)]
pub struct Stream<'g, 'a, B> {
    ground: &'g Ground<'a>,
    bits: B,
    questions: Vec<(Family, Condition<'a>)>,
    families: Vec<(usize, Family)>,
    interfaces: Vec<InterfaceName>,
    /// Packets to vary: those aimed at the rules.
    models: Vec<Draft>,
}

impl<'g, 'a, B: Bits> Stream<'g, 'a, B> {
    /// The stream of some bits; half of its packets are variations of `models`, where there are any.
    #[must_use]
    pub fn new(ground: &'g Ground<'a>, bits: B, models: Vec<Draft>) -> Self {
        let mut questions = Vec::new();
        let mut families = Vec::new();
        let firewall = ground.firewall;
        for family in ground.families() {
            let rules = firewall.ruleset(family).bare_rules();
            let of_family = rules.flat_map(conditions);
            questions.extend(of_family.map(|condition| (family, condition)));
            families.push((1 + firewall.ruleset(family).bare_rules().count(), family));
        }
        Self {
            ground,
            bits,
            questions,
            families,
            interfaces: ground.interfaces().collect(),
            models,
        }
    }

    /// The next packet.
    pub fn draft(&mut self) -> Draft {
        loop {
            let draft = if !self.models.is_empty() && self.bits.chance(1, 2) {
                self.variation()
            } else {
                let family = self.bits.weighted(&self.families).unwrap_or(Family::V4);
                self.fresh(family)
            };
            if let Some(draft) = draft.filter(Draft::has_transport) {
                return draft;
            }
        }
    }

    /// A packet from nothing, with nothing unusual about its headers.
    pub fn plain(&mut self, family: Family) -> Option<Draft> {
        let origin = self.origin();
        let source = self.source(family, origin)?;
        let destination = self.destination(family)?;
        let ports = self.ports(family);
        let tcp = Transport::Tcp(Tcp {
            ports,
            flags: TcpFlags::SYN,
            option: None,
        });
        Draft::new(Packet::new(origin, source, destination, tcp), Standing::New)
    }

    /// A packet from nothing.
    pub fn fresh(&mut self, family: Family) -> Option<Draft> {
        let origin = self.origin();
        let source = self.source(family, origin)?;
        let destination = self.destination(family)?;
        let transport = self.transport(family);
        let mut packet = Packet::new(origin, source, destination, transport);
        self.dress(&mut packet);
        let standing = self.bits.weighted(&STANDINGS).unwrap_or(Standing::New);
        Draft::new(packet.clone(), standing).or_else(|| Draft::new(packet, Standing::New))
    }

    /// A packet like one that was aimed, with one to three things changed.
    fn variation(&mut self) -> Option<Draft> {
        let mut draft = self.bits.pick(&self.models)?.clone();
        let family = draft.shot.packet.family();
        for _ in 0..=self.bits.below(3) {
            draft = self.changed(&draft, family)?;
        }
        Some(draft)
    }

    fn changed(&mut self, draft: &Draft, family: Family) -> Option<Draft> {
        let ground = self.ground;
        if self.bits.chance(1, 2) {
            let (of, condition) = *self.bits.pick(&self.questions)?;
            if of == family {
                let near = edges(condition.question, draft, ground);
                return self
                    .bits
                    .pick(&near)
                    .cloned()
                    .or_else(|| Some(draft.clone()));
            }
        }
        let changed = match self.bits.below(8) {
            0 => {
                let origin = self.origin();
                draft.with(|packet| packet.origin = origin)
            }
            1 => {
                let source = self.source(family, draft.shot.packet.origin)?;
                draft.with(|packet| packet.source = source)
            }
            2 => {
                let destination = self.destination(family)?;
                draft.with(|packet| packet.destination = destination)
            }
            3 => {
                let transport = self.transport(family);
                draft.with(|packet| packet.transport = transport)
            }
            4 => {
                let ports = self.ports(family);
                draft.with(|packet| change_ports(packet, |changed| *changed = ports))
            }
            5 => {
                let mark = self.mark(family);
                draft.with(|packet| packet.mark.0 = mark)
            }
            6 => {
                let standing = self.bits.weighted(&STANDINGS)?;
                Draft::new(draft.base.clone(), standing)
            }
            _ => {
                let mut base = draft.base.clone();
                self.dress(&mut base);
                Draft::new(base, draft.standing)
            }
        };
        Some(changed.unwrap_or_else(|| draft.clone()))
    }

    fn constants(&self, family: Family) -> &'g Constants {
        self.ground.constants(family)
    }

    fn origin(&mut self) -> Origin {
        if self.bits.chance(1, 4) {
            return Origin::Node;
        }
        self.bits
            .pick(&self.interfaces)
            .map_or(Origin::Node, |name| Origin::Arrives(*name))
    }

    /// Mostly an address that may come this way; sometimes any.
    fn source(&mut self, family: Family, origin: Origin) -> Option<IpAddr> {
        let constants = self.constants(family);
        let likely = match origin {
            Origin::Node => Way::Local,
            Origin::Arrives(name) => Way::Out(name),
        };
        let there = if self.bits.chance(3, 4) {
            self.address_on(family, likely)
        } else {
            None
        };
        there.or_else(|| self.bits.pick(&constants.addresses).copied())
    }

    fn destination(&mut self, family: Family) -> Option<IpAddr> {
        let way = match self.bits.below(10) {
            0..=2 => Some(Way::Local),
            3..=7 => self.bits.pick(&self.interfaces).copied().map(Way::Out),
            _ => None,
        };
        let there = way.and_then(|way| self.address_on(family, way));
        there.or_else(|| self.bits.pick(&self.constants(family).addresses).copied())
    }

    /// A known address whose packets go a way; sometimes a stranger beside it.
    fn address_on(&mut self, family: Family, way: Way) -> Option<IpAddr> {
        let ground = self.ground;
        let address = *self.bits.pick(ground.on_way(family, way))?;
        if self.bits.chance(1, 8) {
            let beside = beside(address, self.bits.next());
            if ground.way(beside) == way {
                return Some(beside);
            }
        }
        Some(address)
    }

    fn ports(&mut self, family: Family) -> Ports {
        let known = &self.constants(family).ports;
        let source = if self.bits.chance(1, 4) {
            self.bits.pick(known).copied()
        } else {
            None
        };
        let destination = if self.bits.chance(4, 5) {
            self.bits.pick(known).copied()
        } else {
            None
        };
        Ports {
            source: source.unwrap_or_else(|| self.ephemeral()),
            destination: destination.unwrap_or_else(|| self.any_port()),
        }
    }

    /// A port such as Linux gives to whoever connects (`ip_local_port_range`).
    fn ephemeral(&mut self) -> u16 {
        32_768 + u16::try_from(self.bits.below(28_232)).unwrap_or(0)
    }

    fn any_port(&mut self) -> u16 {
        u16::try_from(self.bits.below(65_536)).unwrap_or(0)
    }

    fn transport(&mut self, family: Family) -> Transport {
        let ports = self.ports(family);
        match self.bits.below(100) {
            0..=46 => Transport::Tcp(Tcp {
                ports,
                flags: self.flags(),
                option: if self.bits.chance(1, 10) {
                    Some(u8::try_from(self.bits.below(9)).unwrap_or(0))
                } else {
                    None
                },
            }),
            47..=74 => Transport::Udp(ports),
            75..=88 => self.icmp(family),
            89..=91 => Transport::Sctp {
                ports,
                chunk: if self.bits.chance(3, 4) { 1 } else { 0 },
            },
            92..=93 => Transport::UdpLite(ports),
            _ => self.other(family),
        }
    }

    fn flags(&mut self) -> TcpFlags {
        match self.bits.below(20) {
            0..=14 => TcpFlags::SYN,
            15..=16 => TcpFlags::ACK,
            17 => TcpFlags::SYN_ACK,
            18 => TcpFlags::RST,
            _ => TcpFlags(u8::try_from(self.bits.below(256)).unwrap_or(0)),
        }
    }

    fn icmp(&mut self, family: Family) -> Transport {
        let constants = self.constants(family);
        let known = self.bits.pick(&constants.icmp).copied().unwrap_or_default();
        let (kind, code) = if self.bits.chance(9, 10) {
            known
        } else {
            let [kind, code, ..] = self.bits.next().to_le_bytes();
            (kind, code)
        };
        Transport::Icmp(Icmp {
            kind,
            code,
            identifier: self.ephemeral(),
            quoted: None,
        })
    }

    /// A protocol that rules know or its neighbour.
    fn other(&mut self, family: Family) -> Transport {
        let constants = self.constants(family);
        let number = self
            .bits
            .pick(&constants.protocols)
            .copied()
            .unwrap_or(Protocol::GRE.0);
        let (source, destination) = match family {
            Family::V4 => (IpAddr::from([0; 4]), IpAddr::from([0; 4])),
            Family::V6 => (IpAddr::from([0_u8; 16]), IpAddr::from([0_u8; 16])),
        };
        let bare = Transport::Udp(self.ports(family));
        let packet = Packet::new(Origin::Node, source, destination, bare);
        transport_of(&packet, Protocol(number))
    }

    fn mark(&mut self, family: Family) -> u32 {
        let constants = self.constants(family);
        let known = self.bits.pick(&constants.marks).copied().unwrap_or(0);
        match self.bits.below(4) {
            0 => known,
            1 => known & self.random_mark(),
            2 => known | self.random_mark() & self.random_mark(),
            _ => self.random_mark(),
        }
    }

    fn random_mark(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.bits.next().to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// Mark, hops, traffic class, length, and now and then a fragment or a defect.
    fn dress(&mut self, packet: &mut Packet) {
        let family = packet.family();
        let constants = self.constants(family);
        if self.bits.chance(2, 5) {
            packet.mark.0 = self.mark(family);
        }
        if self.bits.chance(1, 8) {
            packet.hops = self.bits.pick(&constants.hops).copied().unwrap_or(64);
        }
        if self.bits.chance(1, 8) {
            let class = self.bits.pick(&constants.traffic_classes).copied();
            packet.traffic_class = class.unwrap_or(0);
        }
        if self.bits.chance(1, 8) {
            packet.payload = Payload::Zeros(u16::try_from(self.bits.below(600)).unwrap_or(0));
        }
        if self.bits.chance(1, 50) {
            packet.fragment = Some(Fragment {
                offset: u16::try_from(self.bits.below(3) * 100).unwrap_or(0),
                more: self.bits.chance(1, 2),
            });
        }
        if self.bits.chance(1, 50) {
            packet.defect = match (self.bits.below(3), family) {
                (0, Family::V4) => Some(Defect::HeaderChecksum),
                (1, _) => Some(Defect::Truncated(
                    u8::try_from(self.bits.below(8)).unwrap_or(0),
                )),
                _ => Some(Defect::TransportChecksum),
            };
        }
    }
}

/// An address with its lowest byte changed.
fn beside(near: IpAddr, bits: u64) -> IpAddr {
    let family = Family::of(near);
    let changed = super::ground::number(near) ^ u128::from(bits & 0xff);
    address(family, changed)
}
