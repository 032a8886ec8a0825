//! Where claims are shown: the arms, the two nodes, and the document's text.

use crate::arm::{Arm, Failure};
use crate::journey::Answer;
use crate::packet::{Batch, Connection, Packet};
use crate::scenario::Scenario;

use super::seed::Document;
use super::seen::Seen;
use super::stand::Stand;
use super::{ArmShown, Part, Shown, Trouble};

/// Where claims are shown.
pub struct Bench<'a> {
    arms: Vec<Loaded<'a>>,
    /// The node slave1, with two workloads and no profile.
    pub slave1: Scenario,
    /// The node slave2, with one workload that has a profile.
    pub slave2: Scenario,
    /// The document's text, where it is at hand.
    pub document: Option<Document>,
}

/// An arm, and what it has loaded.
struct Loaded<'a> {
    arm: &'a mut dyn Arm,
    stand: Option<Stand>,
}

/// A question about all packets of a part.
pub type Question<'q> = &'q dyn Fn(&[Seen<'_>]) -> bool;

impl<'a> Bench<'a> {
    /// A bench with these arms.
    #[must_use]
    pub fn new(
        arms: Vec<&'a mut dyn Arm>,
        slave1: Scenario,
        slave2: Scenario,
        document: Option<Document>,
    ) -> Self {
        let loaded = |arm| Loaded { arm, stand: None };
        Self {
            arms: arms.into_iter().map(loaded).collect(),
            slave1,
            slave2,
            document,
        }
    }

    /// The node slave1 as the seed has it.
    #[must_use]
    pub fn slave1(&self) -> Stand {
        Stand::of(&self.slave1)
    }

    /// The node slave2 as the seed has it.
    #[must_use]
    pub fn slave2(&self) -> Stand {
        Stand::of(&self.slave2)
    }

    /// Sends packets through a stand on every arm, and asks each whether a part of a claim holds.
    ///
    /// # Errors
    ///
    /// [`Trouble`] where an arm fails or a packet's line can't be read.
    pub fn shoot(
        &mut self,
        stand: &Stand,
        says: &str,
        packets: &[&str],
        question: Question<'_>,
    ) -> Result<Part, Trouble> {
        self.shoot_with(stand, says, &[], packets, question)
    }

    /// The same, with connections that exist before the first packet is sent.
    ///
    /// # Errors
    ///
    /// As [`Bench::shoot`].
    pub fn shoot_with(
        &mut self,
        stand: &Stand,
        says: &str,
        connections: &[&str],
        packets: &[&str],
        question: Question<'_>,
    ) -> Result<Part, Trouble> {
        let batch = Batch {
            connections: read::<Connection>(connections)?,
            packets: read::<Packet>(packets)?,
            ..Batch::default()
        };
        let arms = self.arms.iter_mut();
        let arms: Result<Vec<ArmShown>, Trouble> = arms
            .map(|loaded| {
                loaded.load(stand)?;
                loaded.show(stand, &batch, question)
            })
            .collect();
        let lines = |words: &str, texts: &[&str]| -> Vec<String> {
            texts.iter().map(|text| format!("{words}{text}")).collect()
        };
        let mut sent = lines("with ", connections);
        sent.extend(lines("", packets));
        Ok(Part {
            says: says.to_owned(),
            shown: Shown::Packets {
                on: stand.name.clone(),
                packets: sent,
                arms: arms?,
            },
        })
    }
}

/// A part that rules or hashes show.
#[must_use]
pub fn by_rules(says: &str, held: bool, quotes: Vec<String>) -> Part {
    Part {
        says: says.to_owned(),
        shown: Shown::Text {
            held,
            quotes,
            compared: None,
        },
    }
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(texts: &[&str]) -> Result<Vec<T>, Trouble> {
    let one = |text: &&str| {
        let value = text.parse();
        value.map_err(|error: T::Err| Trouble::Fixture(format!("`{text}`: {error}")))
    };
    texts.iter().map(one).collect()
}

impl Loaded<'_> {
    fn load(&mut self, stand: &Stand) -> Result<(), Failure> {
        let same = |loaded: &Stand| loaded.node == stand.node && loaded.firewall == stand.firewall;
        if self.stand.as_ref().is_some_and(same) {
            return Ok(());
        }
        self.stand = None;
        self.arm.program(&stand.node, &stand.firewall)?;
        self.stand = Some(stand.clone());
        Ok(())
    }

    fn show(
        &mut self,
        stand: &Stand,
        batch: &Batch,
        question: Question<'_>,
    ) -> Result<ArmShown, Trouble> {
        let mut answers = Vec::new();
        self.arm.fire(batch, &mut answers)?;
        let mut seen = Vec::with_capacity(batch.packets.len());
        let mut saw = Vec::with_capacity(batch.packets.len());
        for (packet, answer) in batch.packets.iter().zip(answers) {
            let (_, steps) = self.arm.trace(packet, &batch.connections)?;
            match answer {
                Answer::Judged(possible) => {
                    let first = possible.into_iter().next();
                    let Some(first) = first else { continue };
                    let one = Seen {
                        journey: first.journey,
                        steps,
                        firewall: &stand.firewall,
                    };
                    saw.push(one.summary());
                    seen.push(one);
                }
                Answer::Unjudged(why) => saw.push(format!("unjudged: {why}")),
            }
        }
        let judged = seen.len() == batch.packets.len();
        Ok(ArmShown {
            arm: self.arm.name(),
            held: judged.then(|| question(&seen)),
            saw,
        })
    }
}
