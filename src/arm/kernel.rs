//! The kernel as a judge, behind either backend's tools.

use super::{Arm, Failure};
use crate::journey::{Answer, Journey, Step};
use crate::kernel::{KernelError, Room};
use crate::node::Node;
use crate::packet::{Batch, Connection, Packet};
use crate::verdict::ArmName;
use crate::xtables::{Backend, Firewall, RuleId};

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

    fn fire(&mut self, batch: &Batch, answers: &mut Vec<Answer>) -> Result<(), Failure> {
        answers.clear();
        let broken = self.broken();
        self.room.fire(batch, &mut self.journeys).map_err(broken)?;
        answers.extend(self.journeys.drain(..).map(Answer::one));
        Ok(())
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
