//! The kernel as a judge, behind either backend's tools.

use super::{Arm, Failure};
use crate::journey::{Answer, Journey, Step};
use crate::kernel::{KernelError, Room, Texts};
use crate::node::Node;
use crate::packet::{Batch, Connection, Family, Packet};
use crate::render::table::Draft;
use crate::verdict::{ArmName, NotProgrammed};
use crate::xtables::{Backend, Firewall, RuleId, ipset};

/// A room of the kernel's. The thread that makes it moves into its namespace.
pub struct KernelArm {
    room: Room,
    journeys: Vec<Journey>,
}

impl KernelArm {
    /// Makes a room for a backend.
    ///
    /// # Errors
    ///
    /// What the machine lacks, or refuses.
    pub fn new(backend: Backend) -> Result<Self, KernelError> {
        Ok(Self {
            room: Room::new(backend)?,
            journeys: Vec::new(),
        })
    }

    /// The room, to be programmed in steps: several rooms wait at once so.
    pub fn room(&mut self) -> &mut Room {
        &mut self.room
    }

    fn fire_by(
        &mut self,
        fire: fn(&mut Room, &Batch, &mut Vec<Journey>) -> Result<(), KernelError>,
        batch: &Batch,
        answers: &mut Vec<Answer>,
    ) -> Result<(), Failure> {
        answers.clear();
        let broken = self.broken();
        fire(&mut self.room, batch, &mut self.journeys).map_err(broken)?;
        answers.extend(self.journeys.drain(..).map(Answer::one));
        Ok(())
    }

    fn broken(&self) -> impl Fn(KernelError) -> Failure + use<> {
        let arm = self.name();
        move |error| Failure::Broken {
            arm,
            message: error.to_string(),
        }
    }
}

impl Arm for KernelArm {
    fn name(&self) -> ArmName {
        self.room.backend().into()
    }

    fn program(&mut self, node: &Node, firewall: &Firewall) -> Result<(), Failure> {
        let broken = self.broken();
        Ok(self.room.program(node, firewall).map_err(broken)??)
    }

    fn refusal(
        &mut self,
        node: &Node,
        draft: &Draft,
        family: Family,
    ) -> Result<Option<NotProgrammed>, Failure> {
        let text = draft.text(family);
        let (v4, v6) = match family {
            Family::V4 => (text.as_str(), ""),
            Family::V6 => ("", text.as_str()),
        };
        let texts = Texts {
            v4,
            v6,
            sets: &ipset::print_save(&draft.sets),
        };
        let broken = self.broken();
        // Nothing is fired at what is loaded here, so nothing of it need be known.
        let begun = self.room.begin_texts(node, &Firewall::default(), &texts);
        let outcome = begun.and_then(|()| self.room.finish()).map_err(broken)?;
        Ok(outcome.err())
    }

    fn fire(&mut self, batch: &Batch, answers: &mut Vec<Answer>) -> Result<(), Failure> {
        self.fire_by(Room::fire, batch, answers)
    }

    fn fire_first(&mut self, batch: &Batch, answers: &mut Vec<Answer>) -> Result<(), Failure> {
        self.fire_by(Room::fire_first, batch, answers)
    }

    fn trace(
        &mut self,
        packet: &Packet,
        connections: &[Connection],
    ) -> Result<(Answer, Vec<Step>), Failure> {
        let broken = self.broken();
        let (journey, steps) = self.room.trace(packet, connections).map_err(broken)?;
        Ok((Answer::one(journey), steps))
    }

    fn hits(&mut self) -> Result<Vec<(RuleId, u64)>, Failure> {
        self.room.hits().map_err(self.broken())
    }
}
