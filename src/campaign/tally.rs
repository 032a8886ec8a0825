//! What is counted on the way: how packets end, what agrees, what differs, what is not judged.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::diff::Comparison;
use crate::journey::{Answer, Fate};

/// How a packet ended, as people ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The node has it.
    Delivered,
    /// It left the node.
    Sent,
    /// A table dropped it without a word.
    Dropped,
    /// A table dropped it and the node told the sender.
    Rejected,
    /// Routing ended it.
    Unrouted,
    /// It reached no hook.
    Refused,
    /// The arm could not judge it.
    Unjudged,
}

impl Ending {
    /// How an answer's packet ended; of several possible ways, the first.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        let Answer::Judged(possible) = answer else {
            return Self::Unjudged;
        };
        let Some(one) = possible.first() else {
            return Self::Unjudged;
        };
        match one.journey.fate {
            Fate::Local => Self::Delivered,
            Fate::Sent(_) => Self::Sent,
            Fate::Dropped(_) if one.journey.answers.is_empty() => Self::Dropped,
            Fate::Dropped(_) => Self::Rejected,
            Fate::Unrouted(_) => Self::Unrouted,
            Fate::Unhooked => Self::Refused,
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Delivered => "delivered to the node",
            Self::Sent => "sent on",
            Self::Dropped => "dropped",
            Self::Rejected => "rejected",
            Self::Unrouted => "not routed",
            Self::Refused => "refused before any hook",
            Self::Unjudged => "not judged",
        }
    }
}

/// Counts of one backend held against the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Packets fired.
    pub packets: u64,
    /// Packets on which kernel and model agree.
    pub agreed: u64,
    /// Packets on which they differ.
    pub diverged: u64,
    /// Packets that one of them could not judge, by reason.
    pub unjudged: BTreeMap<String, u64>,
    /// How the packets ended on this backend.
    pub endings: BTreeMap<Ending, u64>,
}

impl Tally {
    /// Counts one packet.
    pub fn count(&mut self, comparison: &Comparison, found: &Answer) {
        self.packets += 1;
        *self.endings.entry(Ending::of(found)).or_default() += 1;
        match comparison {
            Comparison::Agree => self.agreed += 1,
            Comparison::Differ(_) => self.diverged += 1,
            Comparison::Unjudged(why) => *self.unjudged.entry(why.to_string()).or_default() += 1,
        }
    }

    /// Adds what another worker counted.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.agreed += other.agreed;
        self.diverged += other.diverged;
        for (why, count) in &other.unjudged {
            *self.unjudged.entry(why.clone()).or_default() += count;
        }
        for (ending, count) in &other.endings {
            *self.endings.entry(*ending).or_default() += count;
        }
    }

    /// How many packets were not judged.
    #[must_use]
    pub fn not_judged(&self) -> u64 {
        self.unjudged.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::{Journey, Unjudged};

    fn answer(fate: Fate) -> Answer {
        Answer::one(Journey {
            sights: smallvec::smallvec![],
            fate,
            answers: Vec::new(),
        })
    }

    #[test]
    fn every_packet_is_counted_once_and_unjudged_is_no_agreement() {
        let mut tally = Tally::default();
        tally.count(&Comparison::Agree, &answer(Fate::Local));
        let why = Unjudged::Match("u32".to_owned());
        tally.count(&Comparison::Unjudged(why.clone()), &answer(Fate::Unhooked));
        let mut both = tally.clone();
        both.add(&tally);
        assert_eq!(
            (both.packets, both.agreed, both.diverged, both.not_judged()),
            (4, 2, 0, 2)
        );
        assert_eq!(both.unjudged[&why.to_string()], 2);
        assert_eq!(both.endings[&Ending::Delivered], 2);
        assert_eq!(both.endings[&Ending::Refused], 2);
    }

    #[test]
    fn a_drop_with_an_answer_is_a_rejection() {
        let point = crate::journey::Point {
            hook: crate::xtables::Hook::Input,
            after: None,
        };
        let mut journey = Journey {
            sights: smallvec::smallvec![],
            fate: Fate::Dropped(point),
            answers: vec![],
        };
        assert_eq!(Ending::of(&Answer::one(journey.clone())), Ending::Dropped);
        journey.answers.push(journey.clone());
        assert_eq!(Ending::of(&Answer::one(journey)), Ending::Rejected);
    }
}
