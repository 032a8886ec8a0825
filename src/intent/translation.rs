//! I17: which addresses a packet has in the end.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::addresses::{Addresses, number};
use super::clause::{Clause, Clauses};
use super::connection::State;
use super::opinion::Source;
use crate::calico::World;
use crate::packet::{Connection, Direction, Family, Packet};

/// The addresses that stand for others.
pub(super) struct Translations {
    floating: FxHashMap<IpAddr, Floating>,
    /// The pools that packets leave with the node's address.
    outgoing: Addresses,
    /// All pools.
    pools: Addresses,
}

/// A floating address, from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floating {
    pub(super) outside: IpAddr,
    inside: IpAddr,
    /// Whose it is, by its place in the world.
    pub(super) workload: usize,
}

/// The destination that a packet has once it is routed, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination {
    pub(super) address: IpAddr,
    /// The floating address that it was sent to, where it begins a connection.
    pub(super) floating: Option<Floating>,
}

impl Translations {
    pub(super) fn new(world: &World) -> Self {
        let mut floating = FxHashMap::default();
        for (workload, endpoint) in world.workloads.iter().enumerate() {
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
        Self {
            floating,
            outgoing: Addresses::of(outgoing.map(|pool| &pool.net)),
            pools: Addresses::of(world.pools.iter().map(|pool| &pool.net)),
        }
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
        clauses: &mut Clauses,
    ) -> Destination {
        let plain = Destination {
            address: packet.destination,
            floating: None,
        };
        match state {
            State::New => match self.floating.get(&packet.destination) {
                Some(floating) => {
                    clauses.add(Clause::I17Floating);
                    Destination {
                        address: floating.inside,
                        floating: Some(*floating),
                    }
                }
                None => plain,
            },
            State::Unanswered(connection) => kept(connection, Direction::Original, packet),
            State::Established(connection, direction) | State::Related(connection, direction) => {
                kept(connection, *direction, packet)
            }
            State::Invalid | State::Untracked => plain,
        }
    }

    /// The source address with which a packet leaves that the node forwards. `from` is the workload that
    /// it comes from.
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
        packet: &Packet,
        state: &State,
        destination: Destination,
        from: Option<usize>,
        clauses: &mut Clauses,
    ) -> Source {
        if !matches!(state, State::New) {
            return source_of_connection(packet, state);
        }
        if let Some(floating) = destination.floating
            && from == Some(floating.workload)
        {
            clauses.add(Clause::I17Itself);
            return Source::Exactly(floating.outside);
        }
        let family = packet.family();
        let leaves = self.outgoing.contains(family, number(packet.source))
            && !self.in_a_pool(family, destination.address);
        if leaves {
            clauses.add(Clause::I17OutgoingNat);
            return Source::OfNode;
        }
        Source::Exactly(packet.source)
    }

    fn in_a_pool(&self, family: Family, address: IpAddr) -> bool {
        self.pools.contains(family, number(address))
    }
}

/// The source address with which a packet comes out that is not forwarded, or begins nothing.
pub(super) fn source_of_connection(packet: &Packet, state: &State) -> Source {
    let kept = match state {
        State::Unanswered(connection) => kept_source(connection, Direction::Original),
        State::Established(connection, direction) | State::Related(connection, direction) => {
            kept_source(connection, *direction)
        }
        State::New | State::Invalid | State::Untracked => None,
    };
    Source::Exactly(kept.unwrap_or(packet.source))
}

fn kept(connection: &Connection, direction: Direction, packet: &Packet) -> Destination {
    let (original, reply) = (connection.original, connection.reply);
    let changed = match direction {
        Direction::Original => (reply.source != original.destination).then_some(reply.source),
        Direction::Reply => (reply.destination != original.source).then_some(original.source),
    };
    Destination {
        address: changed.unwrap_or(packet.destination),
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
