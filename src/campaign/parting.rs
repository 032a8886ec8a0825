//! The two readings of a ruleset beside each other: each kernel is held against its own backend's, and
//! the packets on which the two part are counted by cause.

use std::collections::BTreeMap;

use super::finding::Divergence;
use super::tally::Ending;
use super::{MakeArm, Subject};
use crate::arm::{Arm, Failure, Judge};
use crate::journey::Answer;
use crate::model::{Parting, parting};
use crate::packet::{Batch, Connection, Packet};
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall, RuleId};

/// Where the backends part by themselves: no fault of either, but never hidden.
#[derive(Clone, Debug, Default)]
pub struct Partings {
    /// Of the packets, by cause.
    pub causes: BTreeMap<Parting, Parted>,
    /// The backend that alone refuses the rules, and why.
    pub refused: Option<(Backend, NotProgrammed)>,
}

/// The packets that part for one cause.
#[derive(Clone, Debug)]
pub struct Parted {
    /// How many.
    pub packets: u64,
    /// The first of them.
    pub example: Example,
}

/// A packet that parts.
#[derive(Clone, Debug)]
pub struct Example {
    /// In which batch it was sent, and as which packet of it.
    pub place: (u64, usize),
    /// The packet.
    pub packet: Packet,
    /// The connections that existed when it was sent and that touch it.
    pub connections: Vec<Connection>,
    /// The rule at which the readings part, where it is one.
    pub rule: Option<RuleId>,
    /// How it ends behind iptables-legacy.
    pub legacy: Ending,
    /// How it ends behind iptables-nft.
    pub nft: Ending,
}

impl Partings {
    /// How many packets part for no known cause.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        let parted = self.causes.get(&Parting::Unknown);
        parted.map_or(0, |parted| parted.packets)
    }

    /// How many packets part.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.causes.values().map(|parted| parted.packets).sum()
    }

    /// Adds what another worker counted.
    pub fn add(&mut self, other: Self) {
        self.refused = self.refused.take().or(other.refused);
        for (cause, parted) in other.causes {
            self.count(cause, parted);
        }
    }

    fn count(&mut self, cause: Parting, more: Parted) {
        let Some(parted) = self.causes.get_mut(&cause) else {
            self.causes.insert(cause, more);
            return;
        };
        parted.packets += more.packets;
        if more.example.place < parted.example.place {
            parted.example = more.example;
        }
    }
}

/// The model, reading the same rules as either backend.
pub(super) struct Readings {
    legacy: Reading,
    nft: Reading,
}

struct Reading {
    arm: Box<dyn Arm>,
    refused: Option<NotProgrammed>,
    answers: Vec<Answer>,
}

impl Reading {
    fn new(backend: Backend, subject: &Subject, make: MakeArm<'_>) -> Result<Self, Failure> {
        let mut arm = make(Judge::Model(backend))?;
        let refused = refusal(arm.program(&subject.node, &subject.firewall))?;
        Ok(Self {
            arm,
            refused,
            answers: Vec::new(),
        })
    }

    fn fire(&mut self, batch: &Batch) -> Result<(), Failure> {
        match self.refused {
            None => self.arm.fire(batch, &mut self.answers),
            Some(_) => Ok(()),
        }
    }
}

/// Whether programming was refused; any other failure is passed on.
pub(super) fn refusal(outcome: Result<(), Failure>) -> Result<Option<NotProgrammed>, Failure> {
    match outcome {
        Ok(()) => Ok(None),
        Err(Failure::Refused(why)) => Ok(Some(why)),
        Err(broken) => Err(broken),
    }
}

impl Readings {
    /// Loads a subject's rules in both readings.
    ///
    /// # Errors
    ///
    /// Where the model can't be made; a refusal is none.
    pub(super) fn new(subject: &Subject, make: MakeArm<'_>) -> Result<Self, Failure> {
        Ok(Self {
            legacy: Reading::new(Backend::Legacy, subject, make)?,
            nft: Reading::new(Backend::Nft, subject, make)?,
        })
    }

    fn of(&self, backend: Backend) -> &Reading {
        match backend {
            Backend::Legacy => &self.legacy,
            Backend::Nft => &self.nft,
        }
    }

    /// Why a reading refuses the rules, where it does.
    pub(super) fn refused(&self, backend: Backend) -> Option<&NotProgrammed> {
        self.of(backend).refused.as_ref()
    }

    /// Where one reading alone refuses the rules.
    pub(super) fn one_refuses(&self) -> Option<(Backend, NotProgrammed)> {
        match (&self.legacy.refused, &self.nft.refused) {
            (Some(why), None) => Some((Backend::Legacy, why.clone())),
            (None, Some(why)) => Some((Backend::Nft, why.clone())),
            _ => None,
        }
    }

    /// Judges a batch in every reading that loads the rules.
    ///
    /// # Errors
    ///
    /// Where the model fails.
    pub(super) fn fire(&mut self, batch: &Batch) -> Result<(), Failure> {
        self.legacy.fire(batch)?;
        self.nft.fire(batch)
    }

    /// What a reading made of the last batch, one answer a packet; none where it refuses the rules.
    pub(super) fn answers(&self, backend: Backend) -> &[Answer] {
        &self.of(backend).answers
    }

    /// Counts the packets of the last batch on which the readings part.
    ///
    /// # Errors
    ///
    /// Where the model fails to judge one of them again.
    pub(super) fn compare(
        &mut self,
        number: u64,
        batch: &Batch,
        firewall: &Firewall,
        partings: &mut Partings,
    ) -> Result<(), Failure> {
        let answers = self.legacy.answers.iter().zip(&self.nft.answers);
        for (index, (packet, (legacy, nft))) in batch.packets.iter().zip(answers).enumerate() {
            if legacy == nft {
                continue;
            }
            let connections = Divergence::connections_of(batch, packet);
            let (_, legacy_steps) = self.legacy.arm.trace(packet, &connections)?;
            let (_, nft_steps) = self.nft.arm.trace(packet, &connections)?;
            let (cause, rule) = parting(firewall, packet, &legacy_steps, &nft_steps);
            let example = Example {
                place: (number, index),
                packet: packet.clone(),
                connections,
                rule,
                legacy: Ending::of(legacy),
                nft: Ending::of(nft),
            };
            partings.count(
                cause,
                Parted {
                    packets: 1,
                    example,
                },
            );
        }
        Ok(())
    }
}
