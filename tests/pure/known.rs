//! Where Felix 2.1.1 does not do what the policies mean: what is known of it, and who is right.

use calidiff::calico::World;
use calidiff::diff::meaning::End;
use calidiff::intent::{Clause, Opinion, Verdict};
use calidiff::packet::{Connection, Origin, Packet, Protocol};

/// A difference between what is meant and what is done.
pub struct Difference<'a> {
    pub world: &'a World,
    pub packet: &'a Packet,
    pub connections: &'a [Connection],
    pub opinion: &'a Opinion,
    pub end: End,
}

/// A class of differences: no more than this.
pub struct Class {
    pub name: &'static str,
    /// Who is right, and why.
    pub why: &'static str,
    pub covers: fn(&Difference<'_>) -> bool,
}

/// The class that covers a difference, by its place in [`KNOWN`].
pub fn class_of(found: &Difference<'_>) -> Option<usize> {
    KNOWN.iter().position(|class| (class.covers)(found))
}

pub const KNOWN: [Class; 3] = [
    Class {
        name: "neighbour discovery from a foreign address",
        why: "What a workload sends from an address that is not its own ends in raw PREROUTING of ip6tables, \
              at `-m rpfilter --invert -j DROP`, before cali-wl-to-host would accept neighbour discovery. I7 \
              allows that always, I6 denies foreign sources always: the clauses don't say which goes first, \
              and Felix's order is the safer one.",
        covers: |found| {
            let workloads = found.world.workloads.iter();
            let mut own = workloads
                .filter(|one| found.packet.origin == Origin::Arrives(one.interface))
                .flat_map(|one| &one.addresses);
            found.opinion.verdict == Verdict::Allow
                && found.opinion.decision.clause == Clause::I7Neighbours
                && found.end == End::Lost
                && !own.any(|address| *address == found.packet.source)
        },
    },
    Class {
        name: "a workload's connection with itself",
        why: "By one address and one port both keys of a connection are the same; connection tracking finds \
              it by the reply's, and a later packet passes as ESTABLISHED though nobody has answered. The \
              intent is right; the kernel lets the packet pass.",
        covers: |found| {
            let itself = |one: &Connection| {
                one.original == one.reply && one.original == found.packet.tuple()
            };
            found.opinion.verdict == Verdict::Deny
                && found.opinion.decision.clause == Clause::I3PolicyDenies
                && found.connections.iter().any(itself)
        },
    },
    Class {
        name: "IP in IP from a workload",
        why: "Nothing in Felix 2.1.1 denies it, as later versions do. The intent is right.",
        covers: |found| {
            found.opinion.decision.clause == Clause::I6Encapsulated
                && found.packet.protocol() == Protocol::IPIP
                && found.end != End::Lost
        },
    },
];
