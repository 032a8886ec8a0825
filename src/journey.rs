//! What happened to one packet, point by point.
//!
//! A *point* is a place where the packet is looked at: on entering a hook, and after each table that
//! could have done something there. Which points a ruleset has is a plain function of the ruleset and of
//! who loads it ([`Points::of`]), so every arm looks at the same ones.

use std::fmt;

use smallvec::SmallVec;

use crate::mark::Mark;
pub use crate::packet::Headers;
use crate::packet::{Family, InterfaceName};
use crate::xtables::{Backend, Hook, Policy, RuleId, Ruleset, TableName};

/// A place where packets are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Point {
    /// At which hook.
    pub hook: Hook,
    /// After which table; `None`: on entering the hook, before every table.
    pub after: Option<TableName>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            None => write!(f, "{} entry", self.hook),
            Some(table) => write!(f, "{} after {table}", self.hook),
        }
    }
}

/// The points of one ruleset.
///
/// A table whose built-in chain at a hook is empty and accepts can change nothing there, so the
/// point after it would repeat the one before; such points are left out. On entering, every hook is
/// looked at but POSTROUTING: nothing but a table of the hook before can lose a packet between the
/// two. POSTROUTING has its entry where no table of it could do anything, so that every packet that
/// leaves is seen leaving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Points {
    backend: Backend,
    points: Vec<Point>,
}

impl Points {
    /// The points of a ruleset behind a backend, which has its own order of tables.
    #[must_use]
    pub fn of(ruleset: &Ruleset, backend: Backend) -> Self {
        let mut points = Vec::new();
        for hook in Hook::ALL {
            let tables: Vec<TableName> = TableName::at(hook, backend)
                .into_iter()
                .filter(|table| acts(ruleset, *table, hook))
                .collect();
            if hook != Hook::Postrouting || tables.is_empty() {
                points.push(Point { hook, after: None });
            }
            points.extend(tables.into_iter().map(|table| Point {
                hook,
                after: Some(table),
            }));
        }
        Self { backend, points }
    }

    /// Whose they are.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// All of them: hooks in the kernel's numbering, and at each hook in the order of passing.
    #[must_use]
    pub fn all(&self) -> &[Point] {
        &self.points
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn has(&self, point: Point) -> bool {
        self.points.contains(&point)
    }

    /// The last point of a hook.
    #[must_use]
    pub fn last(&self, hook: Hook) -> Option<Point> {
        self.points
            .iter()
            .rev()
            .find(|point| point.hook == hook)
            .copied()
    }
}

fn acts(ruleset: &Ruleset, table: TableName, hook: Hook) -> bool {
    ruleset
        .table(table)
        .and_then(|table| table.chain(hook.chain()))
        .is_some_and(|chain| !chain.rules.is_empty() || chain.policy == Some(Policy::Drop))
}

/// One look at a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sight {
    /// Where.
    pub point: Point,
    /// Its mark there.
    pub mark: Mark,
    /// Its headers there.
    pub headers: Headers,
    /// The interface it came by, where the hook knows one.
    pub in_interface: Option<InterfaceName>,
    /// The interface it is to leave by, where the hook knows one.
    pub out_interface: Option<InterfaceName>,
}

/// How a packet's way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It came to the end of INPUT: the node itself has it.
    Local,
    /// It came to the end of POSTROUTING and left by this interface.
    Sent(InterfaceName),
    /// A table ended it: it was last seen at this point, and a table stands next.
    Dropped(Point),
    /// Routing ended it (no route, a martian, no hops left, reverse path) after this point; without
    /// a point: before the node's own packet reached OUTPUT.
    Unrouted(Option<Point>),
    /// It reached no hook at all: a header that the kernel refuses on sight.
    Unhooked,
}

/// What happened to one packet, and to what the node answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// Every look at it, in order.
    pub sights: SmallVec<[Sight; 8]>,
    /// How it ended.
    pub fate: Fate,
    /// The journeys of the packets with which the node itself answered (a REJECT's, or routing's), in
    /// order.
    pub answers: Vec<Journey>,
}

/// A set of journeys that are all possible, and for each what is left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Possible {
    /// The journey; where something is open, with one of the values it may have.
    pub journey: Journey,
    /// What may differ from it.
    pub open: SmallVec<[Open; 1]>,
}

/// A port that chance chooses: from a sight on, one value of a range takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// The index of the first sight that has it.
    pub since: usize,
    /// Whether it is the source port (else the destination port).
    pub source: bool,
    /// The lowest value.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

/// What an arm says of one packet.
#[allow(
    clippy::large_enum_variant,
    reason = "the large variant is the usual one, and a packet costs no allocation"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The journey is one of these. A kernel arm gives exactly one; the model more than one only
    /// where chance decides.
    Judged(SmallVec<[Possible; 1]>),
    /// The arm can't judge the packet.
    Unjudged(Unjudged),
}

impl Answer {
    /// The answer of an arm that is sure.
    #[must_use]
    pub fn one(journey: Journey) -> Self {
        Self::Judged(SmallVec::from_elem(
            Possible {
                journey,
                open: SmallVec::new(),
            },
            1,
        ))
    }
}

/// Why an arm can't judge a packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Unjudged {
    /// A match that the model does not know decides, and both outcomes are possible.
    #[error("the match `-m {0}` is unknown here")]
    Match(String),
    /// A target that the model does not know.
    #[error("the target `-j {0}` is unknown here")]
    Target(String),
    /// A set that is not there, or a kind of set that the model does not know.
    #[error("the set `{0}` can't be judged")]
    Set(String),
    /// More ways are possible than the model follows.
    #[error("chance allows more than {0} journeys")]
    Possibilities(usize),
    /// Something about the packet or the node that the model does not follow.
    #[error("{0}")]
    Other(String),
}

/// One of the questions that a rule asks of a packet: which part of the rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Asked {
    /// `-s`.
    Source,
    /// `-d`.
    Destination,
    /// `-i`.
    InInterface,
    /// `-o`.
    OutInterface,
    /// `-p`.
    Protocol,
    /// `-f`.
    Fragment,
    /// The match of this index in [`crate::xtables::Rule::matches`].
    Match(u16),
}

/// What one rule did with a packet, or why it did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The family of the ruleset.
    pub family: Family,
    /// At which hook.
    pub hook: Hook,
    /// In which table.
    pub table: TableName,
    /// In which chain.
    pub chain: String,
    /// Which rule, from 0; `None` for the chain's end (its policy, or the return from a user's chain).
    pub rule: Option<usize>,
    /// Whether it matched, and if not, which of its questions the packet failed.
    pub matched: Result<(), Asked>,
    /// What it did, in the tools' words: `MARK`, `jump cali-INPUT`, `DROP`, `policy ACCEPT`, `return`.
    pub did: String,
    /// The mark before.
    pub before: Mark,
    /// The mark after.
    pub after: Mark,
}

impl Step {
    /// The rule that was asked; `None` at a chain's end.
    #[must_use]
    pub fn rule_id(&self) -> Option<RuleId> {
        Some(RuleId {
            family: self.family,
            table: self.table,
            chain: self.chain.clone(),
            index: self.rule?,
        })
    }
}
