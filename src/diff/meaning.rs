//! The intent held against a way through the chains: whether the packet comes through, where, and with
//! which addresses.
//!
//! The intent knows no points, so the end is all that can be compared. Where it defers, the rest of the
//! node's firewall decides: the same packet's way without Calico's rules is what is to be expected.

use std::fmt;
use std::net::IpAddr;

use crate::intent::{Exit, Opinion, Source, Verdict};
use crate::journey::{Answer, Fate, Journey};
use crate::node::Node;
use crate::node::routing::Way;

/// How a packet's way ended, as far as the intent speaks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The node itself has it.
    Local {
        /// The source address that it has there.
        source: IpAddr,
        /// The destination address that it has there.
        destination: IpAddr,
    },
    /// It left.
    Sent {
        /// By which interface.
        way: Way,
        /// The source address that it left with.
        source: IpAddr,
        /// The destination address that it left with.
        destination: IpAddr,
    },
    /// It did not come through.
    Lost,
}

impl End {
    /// The end of a journey.
    #[must_use]
    pub fn of(journey: &Journey) -> Self {
        let Some(last) = journey.sights.last() else {
            return Self::Lost;
        };
        let (source, destination) = (last.headers.source, last.headers.destination);
        match journey.fate {
            Fate::Local => Self::Local {
                source,
                destination,
            },
            Fate::Sent(interface) => Self::Sent {
                way: Way::Out(interface),
                source,
                destination,
            },
            Fate::Dropped(_) | Fate::Unrouted(_) | Fate::Unhooked => Self::Lost,
        }
    }

    /// Whether a packet that comes out so was meant to.
    fn is(self, exit: &Exit, node: &Node) -> bool {
        let (way, source, destination) = match self {
            Self::Local {
                source,
                destination,
            } => (Way::Local, source, destination),
            Self::Sent {
                way,
                source,
                destination,
            } => (way, source, destination),
            Self::Lost => return false,
        };
        let source_fits = match exit.source {
            Source::Exactly(address) => source == address,
            Source::OfNode => node.addresses().any(|(_, net)| net.addr() == source),
        };
        way == exit.way && source_fits && destination == exit.destination
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local {
                source,
                destination,
            } => write!(f, "delivered to the node as {source} > {destination}"),
            Self::Sent {
                way: Way::Out(interface),
                source,
                destination,
            } => write!(f, "sent out of {interface} as {source} > {destination}"),
            Self::Sent { .. } => f.write_str("sent"),
            Self::Lost => f.write_str("lost"),
        }
    }
}

/// Whether a packet's way through the chains is what was meant.
///
/// `without` is its way through the node's firewall without Calico's rules, which decides where the intent
/// defers. `None` where one of the two can't be judged, or is left to chance.
#[must_use]
pub fn is_meant(opinion: &Opinion, node: &Node, with: &Answer, without: &Answer) -> Option<bool> {
    let end = sure(with)?;
    match opinion.verdict {
        Verdict::Deny => Some(end == End::Lost),
        Verdict::Allow => Some(match &opinion.exit {
            Some(exit) => end.is(exit, node),
            None => end == End::Lost,
        }),
        Verdict::Defer => match (&opinion.exit, sure(without)?) {
            (Some(exit), expected) if expected != End::Lost => Some(end.is(exit, node)),
            (_, expected) => Some(end == expected),
        },
    }
}

/// The end of a packet on whose way chance decides nothing that shows there.
#[must_use]
pub fn sure(answer: &Answer) -> Option<End> {
    let Answer::Judged(possible) = answer else {
        return None;
    };
    let mut ends = possible.iter().map(|one| End::of(&one.journey));
    let first = ends.next()?;
    ends.all(|end| end == first).then_some(first)
}
