//! Packets for a node with Calico: from everywhere to everywhere, and aimed at what the policies ask.
//!
//! * [`Traffic`] is the front door and the mix;
//! * `party`: who sends and receives, and by which way;
//! * `aimed`: packets that meet a rule of a policy, or just not;
//! * `special`: what Calico treats in its own way: failsafe ports, floating addresses, encapsulation,
//!   OpenStack's services, neighbour discovery, foreign sources;
//! * `modern`: what besides is treated so since API v3: tunnels, services, sources that are allowed, what
//!   leaves the cluster;
//! * `rendered`: packets that meet a rule as it is rendered, for that era's many tables.
//!
//! A share comes from [`super::random`], which knows the programmed rules alone.

mod aimed;
mod modern;
mod party;
mod rendered;
mod special;

use self::aimed::Aim;
use self::party::Party;
use self::rendered::Targets;
use super::bits::Bits;
use super::draft::Draft;
use super::edges::transport_of;
use super::ground::Ground;
use super::random::Stream;
use super::standing::{Shot, Standing};
use super::world::PORTS;
use crate::calico::World;
use crate::calico::resources::Api;
use crate::mark::Mark;
use crate::node::Node;
use crate::packet::{
    Family, Fragment, Icmp, InterfaceName, Origin, Packet, Ports, Protocol, Tcp, TcpFlags,
    Transport,
};
use crate::xtables::Firewall;

/// Of so many packets one is from chance alone.
const STREAMED: usize = 10;

/// How often each standing comes.
const STANDINGS: [(usize, Standing); 7] = [
    (74, Standing::New),
    (5, Standing::Established),
    (5, Standing::Reply),
    (4, Standing::Related),
    (5, Standing::Unreplied),
    (3, Standing::Invalid),
    (4, Standing::Untracked),
];

/// The makers of packets for one world on one node.
#[derive(Debug)]
pub struct Traffic<'a> {
    world: &'a World,
    /// In which version of the API the world was said.
    api: Api,
    ground: Ground<'a>,
    /// Whose packets there are, and how often they come.
    parties: Vec<(usize, Party)>,
    /// The rules that endpoints of the node are asked, each with the places.
    aims: Vec<Vec<Aim<'a>>>,
    families: Vec<Family>,
    /// The rules as they are rendered, for the API of v3: what its policies ask for leads to few of them.
    targets: Option<Targets>,
}

impl<'a> Traffic<'a> {
    /// The traffic of a world, said in a version of the API, on a node; `firewall` is all that is
    /// programmed, Calico's rules included.
    #[must_use]
    pub fn new(world: &'a World, api: Api, node: &'a Node, firewall: &'a Firewall) -> Self {
        let ground = Ground::new(node, firewall);
        let v6 = node
            .addresses()
            .any(|(name, net)| name != InterfaceName::LOOPBACK && net.addr().is_ipv6());
        // IPv6 is not governed differently: it need not come as often.
        let families = match v6 {
            true => vec![Family::V4, Family::V4, Family::V6],
            false => vec![Family::V4],
        };
        Self {
            parties: party::parties(world, node),
            aims: aimed::aims(world, node),
            targets: (api == Api::V3).then(|| Targets::of(firewall, &families)),
            families,
            world,
            api,
            ground,
        }
    }

    /// The ground that its packets stand on, for who puts them together
    /// ([`super::batch::Batches`]).
    #[must_use]
    pub fn ground(&self) -> &Ground<'a> {
        &self.ground
    }

    /// So many packets, with the connections that each needs.
    pub fn shots(&self, bits: &mut impl Bits, count: usize) -> Vec<Shot> {
        let mut shots = Vec::with_capacity(count);
        let mut stream = Stream::new(&self.ground, &mut *bits, Vec::new());
        for _ in 0..count / STREAMED {
            shots.push(stream.draft().shot);
        }
        while shots.len() < count {
            shots.push(self.shot(bits));
        }
        shots
    }

    fn shot(&self, bits: &mut impl Bits) -> Shot {
        let family = bits.pick(&self.families).copied().unwrap_or(Family::V4);
        let drafted = match bits.below(16) {
            0..=8 => self.aimed(bits),
            9..=11 => match self.api {
                Api::V3 if bits.chance(3, 5) => self.special_of_v3(bits, family),
                _ => self.special(bits, family),
            },
            12 | 13 => self.at_rendered(bits),
            _ => None,
        };
        let drafted = drafted.or_else(|| self.plain(bits, family));
        let draft = drafted.filter(Draft::has_transport);
        draft.map_or_else(|| nothing_special(family).into(), |draft| draft.shot)
    }

    /// From somebody to somebody.
    fn plain(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let (from, to) = (self.party(bits)?, self.party(bits)?);
        let (origin, source) = self.sender(bits, from, family)?;
        let destination = self.address_of(bits, to, family)?;
        let transport = self.transport(bits, family);
        self.finish(bits, Packet::new(origin, source, destination, transport))
    }

    /// What follows the internet header of an everyday packet.
    fn transport(&self, bits: &mut impl Bits, family: Family) -> Transport {
        let protocol = match (bits.below(40), family) {
            (0..=19, _) => Protocol::TCP,
            (20..=28, _) => Protocol::UDP,
            (29..=34, Family::V4) => Protocol::ICMP,
            (29..=34, Family::V6) => Protocol::ICMP6,
            (35 | 36, _) => Protocol::SCTP,
            // What connection tracking sees of it on arrival it finds invalid.
            (37, _) => Protocol::UDP_LITE,
            _ => bits.one([Protocol(2), Protocol::GRE, Protocol::ESP, Protocol(255)]),
        };
        let ports = Ports {
            source: self.port(bits, family),
            destination: self.port(bits, family),
        };
        of_protocol(bits, family, protocol, ports)
    }

    /// A port that something knows, or any.
    fn port(&self, bits: &mut impl Bits, family: Family) -> u16 {
        match bits.below(4) {
            0 => bits.one(PORTS),
            1 | 2 => {
                let known = &self.ground.constants(family).ports;
                bits.pick(known).copied().unwrap_or(80)
            }
            _ => u16::try_from(bits.below(65_536)).unwrap_or(u16::MAX),
        }
    }

    /// A standing and what else a packet bears.
    fn finish(&self, bits: &mut impl Bits, packet: Packet) -> Option<Draft> {
        let standing = bits.weighted(&STANDINGS).unwrap_or(Standing::New);
        self.finish_as(bits, packet, standing)
    }

    fn finish_as(
        &self,
        bits: &mut impl Bits,
        mut packet: Packet,
        standing: Standing,
    ) -> Option<Draft> {
        if bits.chance(1, 4) {
            packet.mark = Mark(self.mark(bits, packet.family()));
        }
        if self.api == Api::V3 && bits.chance(1, 12) {
            packet.traffic_class = self.traffic_class(bits, packet.family());
        }
        if bits.chance(1, 80) {
            packet.fragment = Some(Fragment {
                offset: bits.one([0, 0, 100]),
                more: bits.chance(1, 2),
            });
        }
        Draft::new(packet.clone(), standing).or_else(|| Draft::new(packet, Standing::New))
    }

    /// A mark that somebody left: all of Felix's bits, one of them, others, those that rules know, or any.
    fn mark(&self, bits: &mut impl Bits, family: Family) -> u32 {
        let configuration = &self.world.configuration;
        let own = match self.api {
            Api::V1 => configuration.mark_mask,
            Api::V3 => configuration.modern.mark_mask,
        };
        let [a, b, c, d, ..] = bits.next().to_le_bytes();
        let any = u32::from_le_bytes([a, b, c, d]);
        match bits.below(6) {
            0 => own,
            1 => own & any,
            2 => !own & any,
            3 => !own,
            4 => self.ground.mark_bits(family) & !own,
            _ => any,
        }
    }
}

/// What a packet of a protocol has behind its internet header; of ICMP any message that can begin or
/// come by itself.
fn of_protocol(
    bits: &mut impl Bits,
    family: Family,
    protocol: Protocol,
    ports: Ports,
) -> Transport {
    match (protocol, family) {
        (Protocol::TCP, _) => Transport::Tcp(Tcp {
            ports,
            flags: TcpFlags::SYN,
            option: None,
        }),
        (Protocol::UDP, _) => Transport::Udp(ports),
        (Protocol::UDP_LITE, _) => Transport::UdpLite(ports),
        (Protocol::SCTP, _) => Transport::Sctp { ports, chunk: 1 },
        (Protocol::ICMP, Family::V4) => message(bits.one([8, 8, 13, 17, 3]), bits.one([0, 0, 1])),
        (Protocol::ICMP6, Family::V6) => {
            message(bits.one([128, 128, 135, 136, 1]), bits.one([0, 0, 1]))
        }
        (other, _) => Transport::Other(other),
    }
}

fn message(kind: u8, code: u8) -> Transport {
    Transport::Icmp(Icmp {
        kind,
        code,
        identifier: 1,
        quoted: None,
    })
}

/// A packet for a node that has nobody to send anything: to itself.
fn nothing_special(family: Family) -> Packet {
    let here = match family {
        Family::V4 => std::net::Ipv4Addr::LOCALHOST.into(),
        Family::V6 => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    let mut packet = Packet::new(Origin::Node, here, here, Transport::Udp(Ports::default()));
    packet.transport = transport_of(&packet, Protocol::TCP);
    packet
}
