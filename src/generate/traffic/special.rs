//! What Calico treats in its own way.

use std::net::IpAddr;

use super::party::{Party, pick_of};
use super::{Traffic, message, of_protocol};
use crate::calico::resources::Api;
use crate::generate::bits::Bits;
use crate::generate::draft::Draft;
use crate::generate::ground::around;
use crate::generate::standing::{Shot, Standing};
use crate::packet::{
    Connection, Family, Origin, Packet, Ports, Progress, Protocol, TcpFlags, Transport,
};

/// Where OpenStack's workloads ask for their metadata (felix 2.1.1, rules/static.go).
const METADATA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254));

impl Traffic<'_> {
    pub(super) fn special(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        match bits.below(16) {
            0..=2 => self.failsafe(bits, family),
            3..=6 => self.to_floating(bits, family),
            7 => self.of_translated(bits, family),
            8 | 9 => self.spoofed(bits, family),
            10 => self.wrapped(bits, family),
            11 => self.configuring(bits, family),
            12 => self.asking_names(bits, family),
            13 | 14 => match family {
                Family::V4 => self.asking_metadata(bits),
                Family::V6 => self.discovering(bits),
            },
            _ => self.to_anybody(bits, family),
        }
    }

    /// To a failsafe port or from one, or to its neighbour: at the node, or elsewhere.
    fn failsafe(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        if self.api == Api::V3 {
            return self.failsafe_of_v3(bits, family);
        }
        let configuration = &self.world.configuration;
        let inbound = bits.chance(1, 2);
        let open = match inbound != bits.chance(1, 8) {
            true => &configuration.failsafe_inbound,
            false => &configuration.failsafe_outbound,
        };
        let port = bits.pick(open).copied().unwrap_or(22);
        let port = port.wrapping_add(bits.one([0, 0, 0, 1, u16::MAX]));
        let elsewhere = self.party(bits)?;
        let (from, to) = match inbound {
            true => (elsewhere, bits.one([Party::Node, Party::Node, elsewhere])),
            false => (Party::Node, elsewhere),
        };
        let (origin, source) = self.sender(bits, from, family)?;
        let destination = self.address_of(bits, to, family)?;
        let other = self.port(bits, family);
        let answers = bits.chance(1, 3);
        let ports = Ports {
            source: if answers { port } else { other },
            destination: if answers { other } else { port },
        };
        let protocol = bits.one([Protocol::TCP, Protocol::TCP, Protocol::TCP, Protocol::UDP]);
        let transport = of_protocol(bits, family, protocol, ports);
        let packet = Packet::new(origin, source, destination, transport);
        let standing = match answers {
            true => bits.one([Standing::New, Standing::Untracked, Standing::Reply]),
            false => bits.one([Standing::New, Standing::New, Standing::Untracked]),
        };
        self.finish_as(bits, packet, standing)
    }

    /// To a floating address, also from whom it stands for.
    fn to_floating(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let (outside, _, own) = self.floating(bits, family)?;
        let from = match bits.chance(1, 4) {
            true => Party::Workload(own),
            false => self.party(bits)?,
        };
        let (origin, source) = self.sender(bits, from, family)?;
        let transport = self.transport(bits, family);
        self.finish(bits, Packet::new(origin, source, outside, transport))
    }

    /// A floating address of a family, whom it stands for, and whose that is.
    pub(super) fn floating(
        &self,
        bits: &mut impl Bits,
        family: Family,
    ) -> Option<(IpAddr, IpAddr, usize)> {
        let all = self.world.workloads.iter().enumerate();
        let all = all.flat_map(|(index, workload)| {
            let floating = workload.floating.iter();
            floating.map(move |one| (one.outside, one.inside, index))
        });
        let own = all.filter(|(outside, ..)| Family::of(*outside) == family);
        let own: Vec<(IpAddr, IpAddr, usize)> = own.collect();
        bits.pick(&own).copied()
    }

    /// A packet of a connection whose destination was translated: to a workload by its floating
    /// address, or to anybody by another's.
    fn of_translated(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let to = self.party(bits)?;
        let inside = self.address_of(bits, to, family)?;
        let outside = match self.floating(bits, family) {
            Some((outside, inner, _)) if inner == inside || bits.chance(1, 2) => outside,
            _ => self.stranger(bits, family)?,
        };
        let from = self.party(bits)?;
        let (origin, source) = self.sender(bits, from, family)?;
        let ports = Ports {
            source: 40_000,
            destination: self.port(bits, family),
        };
        let mut transport = of_protocol(bits, family, Protocol::TCP, ports);
        let begins = Packet::new(origin, source, outside, transport);
        let original = begins.tuple();
        let reply = Packet::new(origin, source, inside, transport)
            .tuple()
            .inverse()?;
        let unreplied = bits.chance(1, 3);
        if let Transport::Tcp(tcp) = &mut transport
            && !unreplied
        {
            tcp.flags = TcpFlags::ACK;
        }
        let answers = !unreplied && bits.chance(1, 2);
        let packet = match answers {
            false => Packet {
                transport,
                ..begins
            },
            true => {
                let (origin, _) = self.sender(bits, to, family)?;
                let ports = Ports {
                    source: ports.destination,
                    destination: ports.source,
                };
                if let Transport::Tcp(tcp) = &mut transport {
                    tcp.ports = ports;
                }
                Packet::new(origin, inside, source, transport)
            }
        };
        let progress = match unreplied {
            true => Progress::Unreplied,
            false => Progress::Replied,
        };
        Some(Draft {
            base: packet.clone(),
            standing: match (unreplied, answers) {
                (true, _) => Standing::Unreplied,
                (false, true) => Standing::Reply,
                (false, false) => Standing::Established,
            },
            shot: Shot {
                packet,
                connections: vec![Connection {
                    original,
                    reply,
                    progress,
                    settled: false,
                }],
            },
        })
    }

    /// From a workload's interface, and from somebody else's address.
    fn spoofed(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let interface = self.world_interface(bits)?;
        let other = self.party(bits)?;
        let source = match bits.chance(1, 2) {
            true => self.address_of(bits, other, family)?,
            false => self.stranger(bits, family)?,
        };
        let to = self.party(bits)?;
        let destination = self.address_of(bits, to, family)?;
        let transport = self.transport(bits, family);
        self.finish(bits, Packet::new(interface, source, destination, transport))
    }

    /// The interface of a workload.
    fn world_interface(&self, bits: &mut impl Bits) -> Option<Origin> {
        let workload = bits.pick(&self.world.workloads)?;
        Some(Origin::Arrives(workload.interface))
    }

    /// IP in IP: of other nodes, of strangers, of workloads.
    fn wrapped(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let from = self.party(bits)?;
        let (origin, mut source) = self.sender(bits, from, family)?;
        if matches!(from, Party::Behind(_)) && bits.chance(1, 2) {
            let nodes = self.world.nodes.iter().copied();
            source = pick_of(bits, family, nodes).unwrap_or(source);
            if bits.chance(1, 3) {
                source = bits
                    .pick(&around(source, source))
                    .copied()
                    .unwrap_or(source);
            }
        }
        let to = self.party(bits)?;
        let to = bits.one([Party::Node, to]);
        let destination = self.address_of(bits, to, family)?;
        let protocol = bits.one([Protocol::IPIP, Protocol::IPIP, Protocol(5)]);
        let transport = Transport::Other(protocol);
        self.finish(bits, Packet::new(origin, source, destination, transport))
    }

    /// DHCP, and its neighbours.
    fn configuring(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let origin = self.world_interface(bits)?;
        let (source, destination, [client, server]): (IpAddr, IpAddr, [u16; 2]) = match family {
            Family::V4 => ([0; 4].into(), [255; 4].into(), [68, 67]),
            Family::V6 => (
                [0xfe80, 0, 0, 0, 0, 0, 0, 1].into(),
                [0xff02, 0, 0, 0, 0, 0, 1, 2].into(),
                [546, 547],
            ),
        };
        let own = self
            .party(bits)
            .filter(|party| matches!(party, Party::Workload(_)));
        let (origin, source) = match own {
            Some(party) => self.sender(bits, party, family)?,
            None => (origin, source),
        };
        let to_node = self.address_of(bits, Party::Node, family)?;
        let destination = bits.one([destination, to_node]);
        let transport = Transport::Udp(Ports {
            source: bits.one([client, client, client, server]),
            destination: bits.one([server, server, server, client]),
        });
        self.finish_as(
            bits,
            Packet::new(origin, source, destination, transport),
            Standing::New,
        )
    }

    /// Questions of workloads to the node for names.
    fn asking_names(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let workloads = self.world.workloads.len();
        let from = match workloads {
            0 => self.party(bits)?,
            _ => Party::Workload(bits.below(workloads)),
        };
        let (origin, source) = self.sender(bits, from, family)?;
        let destination = self.address_of(bits, Party::Node, family)?;
        let ports = Ports {
            source: self.port(bits, family),
            destination: bits.one([53, 53, 54]),
        };
        let protocol = bits.one([Protocol::UDP, Protocol::UDP, Protocol::TCP]);
        let transport = of_protocol(bits, family, protocol, ports);
        self.finish(bits, Packet::new(origin, source, destination, transport))
    }

    /// OpenStack's metadata service, by its address for workloads or by its own.
    fn asking_metadata(&self, bits: &mut impl Bits) -> Option<Draft> {
        let configuration = &self.world.configuration;
        let own = configuration.metadata_address.parse().ok();
        let own = own.filter(|address: &IpAddr| address.is_ipv4());
        let from = self.party(bits)?;
        let (origin, source) = self.sender(bits, from, Family::V4)?;
        let (destination, port) = match own {
            Some(own) if bits.chance(1, 2) => (own, configuration.metadata_port),
            _ => (METADATA, 80),
        };
        let near = bits.chance(1, 4);
        let destination = match near && bits.chance(1, 2) {
            true => *bits.pick(&around(destination, destination))?,
            false => destination,
        };
        let ports = Ports {
            source: 40_000,
            destination: match near {
                true => port.wrapping_add(bits.one([0, 1, u16::MAX])),
                false => port,
            },
        };
        let protocol = bits.one([Protocol::TCP, Protocol::TCP, Protocol::UDP]);
        let transport = of_protocol(bits, Family::V4, protocol, ports);
        self.finish(bits, Packet::new(origin, source, destination, transport))
    }

    /// Neighbour discovery and multicast listeners of workloads.
    fn discovering(&self, bits: &mut impl Bits) -> Option<Draft> {
        let workloads = self.world.workloads.len();
        let from = match workloads {
            0 => self.party(bits)?,
            _ => Party::Workload(bits.below(workloads)),
        };
        let (origin, own) = self.sender(bits, from, Family::V6)?;
        let local: IpAddr = [0xfe80, 0, 0, 0, 0, 0, 0, 1].into();
        let source = bits.one([own, own, local]);
        let to = self.party(bits)?;
        let (node, other) = (
            self.address_of(bits, Party::Node, Family::V6)?,
            self.address_of(bits, to, Family::V6)?,
        );
        let group: IpAddr = [0xff02, 0, 0, 0, 0, 0, 0, 1].into();
        let destination = bits.one([node, node, group, other]);
        let kind = 129 + u8::try_from(bits.below(9)).unwrap_or(0);
        let packet = Packet::new(origin, source, destination, message(kind, 0));
        self.finish_as(bits, packet, Standing::New)
    }

    /// From a workload to any address that something knows, or to the node by any.
    fn to_anybody(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let from = self.party(bits)?;
        let (origin, source) = self.sender(bits, from, family)?;
        let destination = self.stranger(bits, family)?;
        let transport = self.transport(bits, family);
        self.finish(bits, Packet::new(origin, source, destination, transport))
    }
}
