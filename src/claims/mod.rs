//! The seed's claims as checks.
//!
//! The seed document walks through the chains that Felix 2.1 programs on two nodes and says what they
//! do: 70 claims, and 20 places where its words contradict its own rules. Each is a named check here;
//! its outcome stands next to it, and a wrong claim is shown as wrong.
//!
//! * [`seed`]: the two nodes as fixtures, and the document's text where it is at hand;
//! * [`stand`]: a node with its rules, as the seed has them or changed for a purpose;
//! * [`bench`]: shows a claim's parts on every arm; [`seen`]: what an arm saw of one packet;
//! * the claims by theme: [`marks`], [`paths`], [`input`], [`dispatch`], [`endpoint`], [`forward`],
//!   [`output`], [`hashes`], [`document`].

pub mod bench;
pub mod dispatch;
pub mod document;
pub mod endpoint;
pub mod forward;
pub mod hashes;
pub mod input;
pub mod marks;
pub mod output;
pub mod paths;
pub mod seed;
pub mod seen;
pub mod stand;

use std::fmt;

use serde::Serialize;

use crate::arm::Failure;
use crate::verdict::ArmName;

use bench::Bench;

/// By what a claim is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// By packets on the rules as the seed shows them; a part for which something was changed around
    /// them, so that the answer can be seen, says so.
    Packet,
    /// By the rules themselves: their order, number and names.
    Static,
    /// By hashes.
    Hash,
    /// By lines of the document that contradict each other.
    Document,
    /// By packets on rules that the seed leaves out: a filled host endpoint, untracked policy or
    /// floating address.
    Variant,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Packet => "packet",
            Self::Static => "static",
            Self::Hash => "hash",
            Self::Document => "document",
            Self::Variant => "variant",
        })
    }
}

/// How a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every part of it holds.
    True,
    /// No part of it holds.
    False,
    /// Some parts hold.
    InPart,
    /// An arm could not judge a packet of it.
    Unjudged,
}

impl Outcome {
    /// The outcome of a claim whose parts held or did not.
    #[must_use]
    pub fn of(parts: impl IntoIterator<Item = bool>) -> Self {
        let mut held = [false; 2];
        for part in parts {
            held[usize::from(part)] = true;
        }
        match held {
            [false, true] => Self::True,
            [true, true] => Self::InPart,
            [_, false] => Self::False,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::True => "true",
            Self::False => "false",
            Self::InPart => "in part",
            Self::Unjudged => "unjudged",
        })
    }
}

/// One claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Its name: C1 to C70 for claims, X1 to X20 for contradictions.
    pub id: &'static str,
    /// By what it is shown.
    pub kind: Kind,
    /// What the seed says, in our words.
    pub says: &'static str,
    /// How the reading of Felix's and the kernel's sources lets one expect it to stand.
    pub expected: Outcome,
    /// Why it does not simply hold; empty where it does.
    pub because: &'static str,
    /// Shows its parts.
    pub check: Check,
}

/// The check of a claim: every part of it, shown.
pub type Check = fn(&mut Bench<'_>) -> Result<Vec<Part>, Trouble>;

/// A claim that could not be checked: a fault of the machine or of this program.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// An arm failed.
    #[error(transparent)]
    Arm(#[from] Failure),
    /// A fixture, or a change to it, is wrong.
    #[error("the claim's fixture is wrong: {0}")]
    Fixture(String),
}

/// One part of a claim, and what showed whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What is claimed.
    pub says: String,
    /// What was shown.
    pub shown: Shown,
}

/// What showed whether a part holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Shown {
    /// Packets.
    Packets {
        /// The node, and what was changed on it.
        on: String,
        /// Each packet's line.
        packets: Vec<String>,
        /// What each arm showed.
        arms: Vec<ArmShown>,
    },
    /// Rules, hashes or lines of text.
    Text {
        /// Whether the part holds.
        held: bool,
        /// The rules, hashes or lines.
        quotes: Vec<String>,
        /// Whether the document's text was at hand to compare with; `None` where it is not needed.
        compared: Option<bool>,
    },
}

/// What one arm showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArmShown {
    /// Which arm.
    pub arm: ArmName,
    /// Whether the part holds there; `None` where the arm could not judge.
    pub held: Option<bool>,
    /// What became of each packet, in few words.
    pub saw: Vec<String>,
}

/// A claim and what was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The claim.
    pub claim: Claim,
    /// Its parts, shown.
    pub parts: Vec<Part>,
}

impl Finding {
    /// The outcome that one arm showed; `None` where the claim has nothing to do with packets or the
    /// arm was not there.
    #[must_use]
    pub fn of_arm(&self, arm: ArmName) -> Option<Outcome> {
        let mut held = Vec::new();
        let mut shown = false;
        for part in &self.parts {
            match &part.shown {
                Shown::Text { held: text, .. } => held.push(*text),
                Shown::Packets { arms, .. } => {
                    let one = arms.iter().find(|one| one.arm == arm)?;
                    shown = true;
                    match one.held {
                        Some(arm_held) => held.push(arm_held),
                        None => return Some(Outcome::Unjudged),
                    }
                }
            }
        }
        shown.then(|| Outcome::of(held))
    }

    /// The outcomes of the arms that were there.
    pub fn arms(&self) -> impl Iterator<Item = (ArmName, Outcome)> + '_ {
        [ArmName::Model, ArmName::Legacy, ArmName::Nft]
            .into_iter()
            .filter_map(|arm| Some((arm, self.of_arm(arm)?)))
    }

    /// The outcome: the kernel's where it was asked, as it is the judge of what happens.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let by_arms = self.arms().last().map(|(_, outcome)| outcome);
        by_arms.unwrap_or_else(|| {
            Outcome::of(self.parts.iter().filter_map(|part| match part.shown {
                Shown::Text { held, .. } => Some(held),
                Shown::Packets { .. } => None,
            }))
        })
    }

    /// Whether every arm that was there showed the same outcome.
    #[must_use]
    pub fn arms_agree(&self) -> bool {
        self.arms().all(|(_, outcome)| outcome == self.outcome())
    }

    /// Whether the outcome is the expected one, on every arm.
    #[must_use]
    pub fn as_expected(&self) -> bool {
        self.arms_agree() && self.outcome() == self.claim.expected
    }
}

/// Every claim, C1 to C70, then X1 to X20.
#[must_use]
pub fn all() -> Vec<Claim> {
    let themes = [
        marks::CLAIMS,
        paths::CLAIMS,
        input::CLAIMS,
        dispatch::CLAIMS,
        endpoint::CLAIMS,
        forward::CLAIMS,
        output::CLAIMS,
        hashes::CLAIMS,
        document::CLAIMS,
    ];
    let mut claims: Vec<Claim> = themes.into_iter().flatten().copied().collect();
    claims.sort_by_key(|claim| place(claim.id));
    claims
}

fn place(id: &str) -> (char, u32) {
    let mut characters = id.chars();
    let letter = characters.next().unwrap_or('?');
    (letter, characters.as_str().parse().unwrap_or(u32::MAX))
}

/// Checks one claim.
///
/// # Errors
///
/// [`Trouble`] where it could not be checked.
pub fn check(claim: &Claim, bench: &mut Bench<'_>) -> Result<Finding, Trouble> {
    Ok(Finding {
        claim: *claim,
        parts: (claim.check)(bench)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_claim_is_missing() {
        let ids: Vec<&str> = all().iter().map(|claim| claim.id).collect();
        let claims = (1..=70).map(|number| format!("C{number}"));
        let contradictions = (1..=20).map(|number| format!("X{number}"));
        let expected: Vec<String> = claims.chain(contradictions).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn what_does_not_simply_hold_says_why() {
        for claim in all() {
            assert_eq!(
                claim.because.is_empty(),
                claim.expected == Outcome::True,
                "{}",
                claim.id
            );
        }
    }

    #[test]
    fn claims_without_packets_stand_as_expected() -> Result<(), Box<dyn std::error::Error>> {
        let [slave1, slave2] = seed::nodes()?;
        let documents = [None, seed::Document::find()];
        for document in documents {
            let mut bench = Bench::new(Vec::new(), slave1.clone(), slave2.clone(), document);
            for claim in all() {
                if matches!(claim.kind, Kind::Static | Kind::Hash | Kind::Document) {
                    let finding = check(&claim, &mut bench)?;
                    assert!(finding.as_expected(), "{finding:#?}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn an_outcome_is_all_none_or_some_of_its_parts() {
        assert_eq!(Outcome::of([true, true]), Outcome::True);
        assert_eq!(Outcome::of([false, true]), Outcome::InPart);
        assert_eq!(Outcome::of([false]), Outcome::False);
        assert_eq!(Outcome::of([]), Outcome::False);
    }
}
