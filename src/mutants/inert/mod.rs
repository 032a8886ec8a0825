//! Faults that change nothing, shown from the rules alone.
//!
//! A fault is inert where no packet whatever, with whatever marks it comes, gets another verdict or another
//! address. That is shown by following all packets at once through both firewalls:
//!
//! * `code`: the rules as tests of fields; `ranges`: the values of one;
//! * `facts`: what is known of a packet at one place, and how rules split that up;
//! * `context`: with what packets come to each chain;
//! * `live`: which bits of the mark somebody still reads;
//! * `pair`: two firewalls side by side.
//!
//! Where more is known than is shown here, nothing is claimed: what is not shown to be inert counts.
//! What the shown rests on, beside the rules: the node's interfaces, and that no route hangs on a mark or on a
//! traffic class.

mod code;
mod context;
mod facts;
mod live;
mod pair;
mod ranges;

use std::fmt;

use self::code::{Code, Field};
use self::context::Contexts;
use self::live::Live;
use self::pair::Pair;
use crate::node::Node;
use crate::packet::Family;
use crate::xtables::{Firewall, TableName};

/// Why a fault changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Inert {
    /// It changes what is logged, or what the sender of a lost packet is told, and nothing else.
    Told,
    /// It changes the traffic class with which packets go on, and nobody asks for that.
    Classed,
    /// No packet comes to the chains that it changes.
    Unreached(TableName, String),
    /// What comes there does the same by the same rules: nothing meets what differs.
    Unmet,
    /// Where another rule decides, it decides alike.
    Alike {
        /// The rule that decides without the fault.
        usually: String,
        /// The one that does with it.
        faulty: String,
    },
    /// Whatever limits answer a packet, it fares alike: other packets use them up, and that is all.
    Spent,
}

impl Inert {
    /// The kind of reason, in a few words.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Told => "what is logged or told to a sender alone",
            Self::Classed => "a traffic class that no rule asks for",
            Self::Unreached(..) => "chains that no packet reaches",
            Self::Unmet => "what no packet meets",
            Self::Alike { .. } => "another rule that decides alike",
            Self::Spent => "who uses up a limit, whatever that answers",
        }
    }
}

impl fmt::Display for Inert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told => f.write_str("it changes what is logged or told to a sender alone"),
            Self::Classed => {
                f.write_str("it changes a traffic class alone, and no rule asks for one")
            }
            Self::Unreached(table, chain) => {
                write!(f, "no rule leads to {chain} in table {table}")
            }
            Self::Unmet => f.write_str("no packet that comes there meets what differs"),
            Self::Alike { usually, faulty } => {
                write!(f, "{faulty} comes to the same as {usually}")
            }
            Self::Spent => f.write_str("whatever limits answer, what asks them fares alike"),
        }
    }
}

/// A firewall that faults are planted in, and what comes to each of its chains.
pub struct Sound<'a> {
    node: &'a Node,
    families: [(Family, Code, Contexts); 2],
}

impl<'a> Sound<'a> {
    /// A firewall on a node.
    #[must_use]
    pub fn new(node: &'a Node, firewall: &Firewall) -> Self {
        let families = Family::BOTH.map(|family| {
            let code = Code::new(node, firewall, family);
            let contexts = Contexts::new(node, &code, family);
            (family, code, contexts)
        });
        Self { node, families }
    }

    /// Why no packet fares otherwise with a firewall that has a fault; `None` where that is not shown.
    #[must_use]
    pub fn inert(&self, faulty: &Firewall) -> Option<Inert> {
        let mut reason = Inert::Told;
        for (family, code, contexts) in &self.families {
            let other = Code::new(self.node, faulty, *family);
            reason = reason.max(inert(self.node, *family, [code, &other], contexts)?);
        }
        Some(reason)
    }
}

fn inert(node: &Node, family: Family, codes: [&Code; 2], contexts: &Contexts) -> Option<Inert> {
    let [code, other] = codes;
    let differing = code.chains.iter();
    let mut differing = differing
        .filter(|(name, chain)| other.chains.get(*name) != Some(*chain))
        .peekable();
    if differing.peek().is_none() {
        return Some(Inert::Told);
    }
    let asks_class = code.asks_class || other.asks_class;
    if !asks_class && code.without_classes() == other.without_classes() {
        return Some(Inert::Classed);
    }
    if other.has_loop() {
        return None;
    }
    let pair = Pair {
        codes,
        live: codes.map(|code| Live::new(node, code)),
        interfaces: code::all(node, family, Field::In),
    };
    let mut reason = None;
    for (name, _) in differing {
        let ways = contexts.ways.get(name).map_or(&[][..], Vec::as_slice);
        let mut found = match ways.is_empty() {
            true => Inert::Unreached(name.0, name.1.clone()),
            false => Inert::Unmet,
        };
        for way in ways {
            let compared = pair.compare(&name.1, way)?;
            if let Some([usually, faulty]) = compared.parted {
                found = found.max(Inert::Alike { usually, faulty });
            }
            if compared.spends {
                found = found.max(Inert::Spent);
            }
        }
        reason = reason.max(Some(found));
    }
    reason
}

#[cfg(test)]
mod tests;
