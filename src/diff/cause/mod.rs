//! Causes of divergences between what is meant and what Felix does: what is known, and who is right.
//!
//! One cause shows itself in many ways: a port that is open for what is forwarded is open whichever policy
//! would have denied it, in every direction and both families. A cause gathers them by a condition on the
//! packet, the world and the packet's way, no wider than its explanation; what none covers is classed by
//! what it looks like. So a class of the ledger is a cause, or something that nobody has understood yet.
//!
//! * `facts`: what causes ask of a packet;
//! * `shared`: causes that are not Felix's, `seed` and `modern`: those of each layout, with the shared ones
//!   that show in it.

mod facts;
mod modern;
mod seed;
mod shared;

use super::meaning::End;
use crate::calico::World;
use crate::intent::Opinion;
use crate::journey::Step;
use crate::node::Node;
use crate::packet::{Connection, Packet};
use crate::render::Layout;
use crate::xtables::Firewall;

/// A packet that does not end as it was meant to.
#[derive(Clone, Copy, Debug)]
pub struct Unmeant<'a> {
    /// Which Felix's way of writing chains.
    pub layout: Layout,
    /// Calico's world.
    pub world: &'a World,
    /// The node.
    pub node: &'a Node,
    /// All that is programmed.
    pub firewall: &'a Firewall,
    /// The packet.
    pub packet: &'a Packet,
    /// The connections that touch it.
    pub connections: &'a [Connection],
    /// What was meant.
    pub opinion: &'a Opinion,
    /// How it ends.
    pub end: End,
    /// Its way through the chains, in the model.
    pub steps: &'a [Step],
}

/// Something that makes Felix do what is not meant, and what is to be said of it.
#[derive(Debug)]
pub struct Cause {
    /// What it is called in the ledger: words joined by hyphens.
    pub id: &'static str,
    /// Who is right, and why.
    pub why: &'static str,
    covers: Covers,
}

/// What a cause covers.
#[derive(Debug)]
enum Covers {
    /// Packets of which this is true.
    Unmeant(fn(&Unmeant<'_>) -> bool),
    /// What comes of the tools' refusing Felix's rules for this reason, told without values.
    Refused(&'static str),
}

impl Cause {
    /// Every cause that is known in a layout, in the order in which they are tried.
    #[must_use]
    pub const fn all(layout: Layout) -> &'static [Self] {
        match layout {
            Layout::Seed => seed::CAUSES,
            Layout::Modern => modern::CAUSES,
        }
    }

    /// The first cause that covers a packet.
    #[must_use]
    pub fn of(found: &Unmeant<'_>) -> Option<&'static Self> {
        let covers = |cause: &&Self| match cause.covers {
            Covers::Unmeant(covers) => covers(found),
            Covers::Refused(_) => false,
        };
        Self::all(found.layout).iter().find(covers)
    }

    /// The cause of a refusal of a layout's rules, by its reason without values.
    #[must_use]
    pub fn of_refusal(layout: Layout, reason: &str) -> Option<&'static Self> {
        let covers = |cause: &&Self| matches!(cause.covers, Covers::Refused(one) if one == reason);
        Self::all(layout).iter().find(covers)
    }

    /// The cause of an id in a layout.
    #[must_use]
    pub fn named(layout: Layout, id: &str) -> Option<&'static Self> {
        Self::all(layout).iter().find(|cause| cause.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_of_a_layout_has_a_name_of_its_own_and_an_explanation() {
        for layout in Layout::ALL {
            let causes = Cause::all(layout);
            let ids: std::collections::BTreeSet<&str> =
                causes.iter().map(|cause| cause.id).collect();
            assert_eq!(ids.len(), causes.len());
            for cause in causes {
                let plain = |letter: char| {
                    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
                };
                assert!(cause.id.chars().all(plain), "{}", cause.id);
                assert!(
                    cause.why.ends_with('.') && cause.why.len() > 60,
                    "{}",
                    cause.id
                );
                let named = Cause::named(layout, cause.id);
                assert_eq!(named.map(|one| one.why), Some(cause.why));
            }
        }
    }
}
