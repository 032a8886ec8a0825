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
    /// It came through.
    Out {
        /// To the node itself, or by which interface.
        way: Way,
        /// The source address that it has there.
        source: IpAddr,
        /// The destination address that it has there.
        destination: IpAddr,
    },
    /// It did not.
    Lost,
}

impl End {
    /// The end of a journey.
    #[must_use]
    pub fn of(journey: &Journey) -> Self {
        let way = match journey.fate {
            Fate::Local => Way::Local,
            Fate::Sent(interface) => Way::Out(interface),
            Fate::Dropped(_) | Fate::Unrouted(_) | Fate::Unhooked => return Self::Lost,
        };
        journey.sights.last().map_or(Self::Lost, |last| Self::Out {
            way,
            source: last.headers.source,
            destination: last.headers.destination,
        })
    }

    /// Whether a packet that ends so was meant to come out there.
    fn is(self, exit: &Exit, node: &Node) -> bool {
        let Self::Out {
            way,
            source,
            destination,
        } = self
        else {
            return false;
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
        let Self::Out {
            way,
            source,
            destination,
        } = self
        else {
            return f.write_str("lost");
        };
        match way {
            Way::Out(interface) => write!(f, "sent out of {interface}")?,
            Way::Local | Way::Nowhere(_) => f.write_str("delivered to the node")?,
        }
        write!(f, " as {source} > {destination}")
    }
}

/// Whether a packet's way through the chains is what was meant.
///
/// `without` is its way through the node's firewall without Calico's rules, which decides where the intent
/// defers. `None` where one of the two can't be judged, or is left to chance. What an endpoint limits is meant to be
/// left to that: as long as there is room it ends as any other, and else it is lost.
#[must_use]
pub fn is_meant(opinion: &Opinion, node: &Node, with: &Answer, without: &Answer) -> Option<bool> {
    let fits = |end: End| is_end_meant(opinion, node, end, without);
    match sure(with) {
        Some(End::Lost) if opinion.paced => fits(End::Lost),
        Some(end) => fits(end).map(|fits| fits && !opinion.paced),
        None if opinion.paced => {
            let Answer::Judged(possible) = with else {
                return None;
            };
            let ends: Vec<End> = possible.iter().map(|one| End::of(&one.journey)).collect();
            let (lost, others): (Vec<End>, Vec<End>) =
                ends.into_iter().partition(|end| *end == End::Lost);
            let as_meant = others.into_iter().all(|end| fits(end) == Some(true));
            (as_meant && !lost.is_empty()).then_some(true)
        }
        None => None,
    }
}

/// Whether a packet ends as was meant.
fn is_end_meant(opinion: &Opinion, node: &Node, end: End, without: &Answer) -> Option<bool> {
    match opinion.verdict {
        Verdict::Deny => Some(end == End::Lost),
        Verdict::Allow => Some(match &opinion.exit {
            Some(exit) => end.is(exit, node),
            None => end == End::Lost,
        }),
        // What goes nowhere may have gone somewhere before its destination was translated: only without
        // Calico's rules does it keep that.
        Verdict::Defer => Some(match &opinion.exit {
            None => end == End::Lost,
            Some(exit) if sure(without)? != End::Lost => end.is(exit, node),
            Some(_) => end == End::Lost,
        }),
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
