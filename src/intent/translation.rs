//! I17: which addresses a packet has in the end.

use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::addresses::{Addresses, number};
use super::clause::{Clause, Clauses};
use super::connection::State;
use super::era::Era;
use super::opinion::Source;
use crate::calico::World;
use crate::calico::configuration::Modern;
use crate::calico::configuration::modern::NatExclusions;
use crate::calico::world::WorkloadEndpoint;
use crate::packet::{Connection, Direction, Family, InterfaceName, Packet};

/// The addresses that stand for others.
pub(super) struct Translations {
    floating: FxHashMap<IpAddr, Floating>,
    /// The pools that packets leave with the node's address.
    outgoing: Addresses,
    /// All pools, and where else the node's address is not given.
    inside: Addresses,
    /// The address that they get instead of the node's.
    given: Option<IpAddr>,
    /// The interface by which they leave to get it, if not any.
    only_by: Option<Interfaces>,
}

/// Interfaces as Felix's options name them: one, or all whose names begin so.
enum Interfaces {
    Named(String),
    Beginning(String),
}

impl Interfaces {
    fn new(text: &str) -> Self {
        match text.strip_suffix('+') {
            Some(beginning) => Self::Beginning(beginning.to_owned()),
            None => Self::Named(text.to_owned()),
        }
    }

    fn has(&self, interface: InterfaceName) -> bool {
        match self {
            Self::Named(name) => interface.as_str() == name,
            Self::Beginning(text) => interface.as_str().starts_with(text.as_str()),
        }
    }
}

/// A floating address, from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floating {
    pub(super) outside: IpAddr,
    inside: IpAddr,
    /// Whose it is, by its place in the world.
    pub(super) workload: usize,
}

/// What other programs make of the addresses of a packet that begins a connection: services behind
/// other addresses, and the like. Whoever asks knows; the API does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// The destination that it gets before it is routed, if another, with its port where that is
    /// another.
    pub destination: Option<(IpAddr, Option<u16>)>,
    /// The source that it leaves with, if another.
    pub source: Option<IpAddr>,
}

impl Others {
    /// Nothing.
    pub const NONE: Self = Self {
        destination: None,
        source: None,
    };
}

/// The destination that a packet has once it is routed, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination {
    pub(super) address: IpAddr,
    /// The port, where it is another than the packet's.
    pub(super) port: Option<u16>,
    /// The floating address that it was sent to, where it begins a connection.
    pub(super) floating: Option<Floating>,
}

impl Translations {
    /// What the world says of addresses.
    ///
    /// Since the seed's era, floating addresses are for OpenStack's workloads unless others are told to
    /// have them (`floatingIPs`); addresses of nodes can be told to be no destination of outgoing NAT
    /// (`natOutgoingExclusions`), and the address and the interface can be told
    /// (`natOutgoingAddress`, `iptablesNATOutgoingInterfaceFilter`).
    pub(super) fn new(era: Era, world: &World) -> Self {
        let untold = Modern::default();
        let told = match era {
            Era::Seed => &untold,
            Era::Modern => &world.configuration.modern,
        };
        let may_float = |endpoint: &WorkloadEndpoint| {
            era == Era::Seed || told.floating_addresses || endpoint.orchestrator == "openstack"
        };
        let mut floating = FxHashMap::default();
        let workloads = world.workloads.iter().enumerate();
        for (workload, endpoint) in workloads.filter(|(_, endpoint)| may_float(endpoint)) {
            for address in &endpoint.floating {
                // What two workloads claim is the first one's by name.
                floating.entry(address.outside).or_insert(Floating {
                    outside: address.outside,
                    inside: address.inside,
                    workload,
                });
            }
        }
        let outgoing = world.pools.iter().filter(|pool| pool.nat_outgoing);
        let mut inside: Vec<IpNet> = world.pools.iter().map(|pool| pool.net).collect();
        if told.nat_exclusions == NatExclusions::PoolsAndHosts {
            inside.extend(world.nodes.iter().map(|node| IpNet::from(*node)));
        }
        Self {
            floating,
            outgoing: Addresses::of(outgoing.map(|pool| &pool.net)),
            inside: Addresses::of(&inside),
            given: told.nat_address,
            only_by: told.nat_interface.as_deref().map(Interfaces::new),
        }
    }

    /// The address for which a floating one stands.
    pub(super) fn inside(&self, outside: IpAddr) -> Option<IpAddr> {
        self.floating.get(&outside).map(|floating| floating.inside)
    }

    /// > I17 […] A floating IP stands for its workload's address before routing, and a workload that
    /// > reaches itself by its floating IP sees that as the source.
    ///
    /// For the node's own packets too. What belongs to a connection keeps that connection's
    /// addresses; what no connection is kept for keeps its own, because an address is translated
    /// for a connection as a whole.
    pub(super) fn destination(
        &self,
        packet: &Packet,
        state: &State,
        others: &Others,
        clauses: &mut Clauses,
    ) -> Destination {
        let plain = Destination {
            address: packet.destination,
            port: None,
            floating: None,
        };
        match state {
            State::New => match (self.floating.get(&packet.destination), others.destination) {
                (Some(floating), _) => {
                    clauses.add(Clause::I17Floating);
                    Destination {
                        address: floating.inside,
                        floating: Some(*floating),
                        ..plain
                    }
                }
                (None, Some((address, port))) => Destination {
                    address,
                    port,
                    ..plain
                },
                (None, None) => plain,
            },
            State::Unanswered(connection) => kept(connection, Direction::Original, packet),
            State::Established(connection, direction) | State::Related(connection, direction) => {
                kept(connection, *direction, packet)
            }
            State::Invalid | State::Untracked => plain,
        }
    }

    /// The source address with which a packet leaves by an interface that the node forwards. `from` is
    /// the workload that it comes from. Where Calico gives it none, it leaves with what others give it.
    ///
    /// > I17 Outgoing NAT: a workload in a pool with `natOutgoing` going to an address in no pool leaves
    /// > with the node's address. […] and a workload that reaches itself by its floating IP sees that as
    /// > the source.
    ///
    /// An address in a pool is a workload's, whether on this node or behind it: what a pool says, it says of
    /// *its* workloads. A packet that reaches its own sender has a source that the sender can tell,
    /// and so the floating address goes before the node's.
    pub(super) fn source_of_forwarded(
        &self,
        (packet, state): (&Packet, &State),
        destination: Destination,
        (from, out): (Option<usize>, InterfaceName),
        others: &Others,
        clauses: &mut Clauses,
    ) -> Source {
        if !matches!(state, State::New) {
            return Source::Exactly(source_of_connection(packet, state, others));
        }
        if let Some(floating) = destination.floating
            && from == Some(floating.workload)
        {
            clauses.add(Clause::I17Itself);
            return Source::Exactly(floating.outside);
        }
        let family = packet.family();
        let leaves = self.outgoing.contains(family, number(packet.source))
            && !self.inside.contains(family, number(destination.address))
            && self.only_by.as_ref().is_none_or(|only| only.has(out));
        if leaves {
            clauses.add(Clause::I17OutgoingNat);
            let given = self.given.filter(|given| Family::of(*given) == family);
            return given.map_or(Source::OfNode, Source::Exactly);
        }
        Source::Exactly(source_of_connection(packet, state, others))
    }
}

/// The source address with which a packet comes out that is not forwarded, or begins nothing.
/// Others may give it one where it begins a connection.
pub(super) fn source_of_connection(packet: &Packet, state: &State, others: &Others) -> IpAddr {
    let kept = match state {
        State::Unanswered(connection) => kept_source(connection, Direction::Original),
        State::Established(connection, direction) | State::Related(connection, direction) => {
            kept_source(connection, *direction)
        }
        State::New => others.source,
        State::Invalid | State::Untracked => None,
    };
    kept.unwrap_or(packet.source)
}

fn kept(connection: &Connection, direction: Direction, packet: &Packet) -> Destination {
    let (original, reply) = (connection.original, connection.reply);
    let (changed, port) = match direction {
        Direction::Original => (
            (reply.source != original.destination).then_some(reply.source),
            (reply.ports.source != original.ports.destination).then_some(reply.ports.source),
        ),
        Direction::Reply => (
            (reply.destination != original.source).then_some(original.source),
            (reply.ports.destination != original.ports.source).then_some(original.ports.source),
        ),
    };
    Destination {
        address: changed.unwrap_or(packet.destination),
        port,
        floating: None,
    }
}

fn kept_source(connection: &Connection, direction: Direction) -> Option<IpAddr> {
    let (original, reply) = (connection.original, connection.reply);
    match direction {
        Direction::Original => (reply.destination != original.source).then_some(reply.destination),
        Direction::Reply => (reply.source != original.destination).then_some(original.destination),
    }
}
