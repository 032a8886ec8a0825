//! Packets along every path of a node: from each interface and from the node itself, to each
//! interface and to the node itself, and each as everything that connection tracking may think of it.

use std::net::IpAddr;

use super::draft::Draft;
use super::edges::transport_of;
use super::ground::{Ground, Way};
use super::standing::Standing;
use crate::packet::{
    Family, InterfaceName, Origin, Packet, Ports, Protocol, Tcp, TcpFlags, Transport,
};

/// Above so many pairs of origin and destination each pair gets two standings only.
const MANY: usize = 200;

/// The protocols that take turns on the paths.
const PROTOCOLS: [Protocol; 4] = [Protocol::TCP, Protocol::UDP, Protocol::ICMP, Protocol::TCP];

/// The packets of the tour, in a fixed order.
#[must_use]
pub fn tour(ground: &Ground<'_>) -> Vec<Draft> {
    let families: Vec<Family> = ground.families().collect();
    families
        .into_iter()
        .flat_map(|family| of_family(ground, family))
        .collect()
}

fn of_family(ground: &Ground<'_>, family: Family) -> Vec<Draft> {
    let origins: Vec<Origin> = ground
        .interfaces()
        .map(Origin::Arrives)
        .chain([Origin::Node])
        .collect();
    let destinations = destinations(ground, family);
    let many = origins.len() * destinations.len() > MANY;
    let mut drafts = Vec::new();
    for origin in origins {
        for destination in &destinations {
            let source = source(ground, family, origin, *destination);
            let Some(source) = source else {
                continue;
            };
            for (turn, (_, standing)) in Standing::NAMES.into_iter().enumerate() {
                let number = drafts.len();
                if many && turn != 0 && turn != 1 + number % 6 {
                    continue;
                }
                let mut packet = usual(origin, source, *destination, number);
                packet.mark.0 = mark(ground, family, number);
                let draft = Draft::new(packet.clone(), standing);
                drafts.extend(draft.or_else(|| Draft::new(packet, Standing::New)));
            }
        }
    }
    drafts
}

/// Two addresses on every way out, and one of the node on every interface.
fn destinations(ground: &Ground<'_>, family: Family) -> Vec<IpAddr> {
    let mut chosen: Vec<IpAddr> = Vec::new();
    let known = &ground.constants(family).addresses;
    for name in ground.interfaces() {
        let there = known
            .iter()
            .filter(|address| ground.way(**address) == Way::Out(name));
        let here = own(ground, family, name);
        chosen.extend(there.copied().take(2).chain(here));
    }
    chosen.extend(own(ground, family, InterfaceName::LOOPBACK));
    chosen
}

/// The first address of the node on an interface.
fn own(ground: &Ground<'_>, family: Family, name: InterfaceName) -> Option<IpAddr> {
    let mut addresses = ground.node.addresses();
    let found = addresses.find(|(at, net)| *at == name && Family::of(net.addr()) == family);
    found.map(|(_, net)| net.addr())
}

/// An address that packets of this origin may well have.
fn source(
    ground: &Ground<'_>,
    family: Family,
    origin: Origin,
    destination: IpAddr,
) -> Option<IpAddr> {
    let known = &ground.constants(family).addresses;
    match origin {
        Origin::Arrives(name) => {
            let beyond = |address: &&IpAddr| {
                ground.way(**address) == Way::Out(name) && **address != destination
            };
            known.iter().find(beyond).or_else(|| known.first()).copied()
        }
        Origin::Node => match ground.way(destination) {
            Way::Out(name) => own(ground, family, name).or_else(|| first_own(ground, family)),
            _ if destination.is_loopback() => Some(destination),
            _ => first_own(ground, family),
        },
    }
}

fn first_own(ground: &Ground<'_>, family: Family) -> Option<IpAddr> {
    ground
        .interfaces()
        .find_map(|name| own(ground, family, name))
}

fn usual(origin: Origin, source: IpAddr, destination: IpAddr, number: usize) -> Packet {
    let distinct = u16::try_from(number % 20_000).unwrap_or(0);
    let ports = Ports {
        source: 40_000 + distinct,
        destination: 80,
    };
    let tcp = Transport::Tcp(Tcp {
        ports,
        flags: TcpFlags::SYN,
        option: None,
    });
    let mut packet = Packet::new(origin, source, destination, tcp);
    let protocol = match (PROTOCOLS[number % PROTOCOLS.len()], packet.family()) {
        (Protocol::ICMP, Family::V6) => Protocol::ICMP6,
        (other, _) => other,
    };
    packet.transport = transport_of(&packet, protocol);
    if let Transport::Icmp(icmp) = &mut packet.transport {
        icmp.identifier = distinct;
    }
    packet
}

/// No mark mostly; else one that rules know, or its complement.
fn mark(ground: &Ground<'_>, family: Family, number: usize) -> u32 {
    let known = &ground.constants(family).marks;
    match number % 3 {
        0 => known
            .get(number / 3 % known.len().max(1))
            .copied()
            .unwrap_or(0),
        _ => 0,
    }
}
