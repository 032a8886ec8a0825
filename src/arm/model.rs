//! The chain machine as an arm.

use super::{Arm, Failure, plan};
use crate::journey::{Answer, Step};
use crate::model::{Connections, Machine, Sequence};
use crate::node::Node;
use crate::packet::{Batch, Connection, Family, Order, Packet};
use crate::render::table::Draft;
use crate::verdict::{ArmName, NotProgrammed};
use crate::xtables::{Backend, Firewall, RuleId};

/// The model's arm; until it is programmed it has nothing to judge by.
#[derive(Debug)]
pub struct ModelArm {
    backend: Backend,
    machine: Option<Machine>,
    /// What the first part of a sequence has left.
    left: Option<Sequence>,
}

impl ModelArm {
    /// An arm that reads rules as a backend does.
    #[must_use]
    pub fn new(backend: Backend) -> Self {
        Self {
            backend,
            machine: None,
            left: None,
        }
    }

    fn machine(&mut self) -> Result<&mut Machine, Failure> {
        self.machine.as_mut().ok_or_else(|| Failure::Broken {
            arm: ArmName::Model,
            message: "asked before it was programmed".to_owned(),
        })
    }
}

impl Arm for ModelArm {
    fn name(&self) -> ArmName {
        ArmName::Model
    }

    fn program(&mut self, node: &Node, firewall: &Firewall) -> Result<(), Failure> {
        self.machine = None;
        self.machine = Some(Machine::new(self.backend, node, firewall)?);
        Ok(())
    }

    fn refusal(
        &mut self,
        node: &Node,
        draft: &Draft,
        family: Family,
    ) -> Result<Option<NotProgrammed>, Failure> {
        Ok(plan::refusal(self.backend, node, draft, family))
    }

    fn fire(&mut self, batch: &Batch, answers: &mut Vec<Answer>) -> Result<(), Failure> {
        self.fire_first(batch, answers)?;
        self.left = None;
        Ok(())
    }

    fn fire_first(&mut self, batch: &Batch, answers: &mut Vec<Answer>) -> Result<(), Failure> {
        let left = self.left.take();
        let machine = self.machine()?;
        let packets = batch.packets.iter();
        answers.clear();
        match batch.order {
            Order::Apart => {
                let connections = Connections::new(&batch.connections);
                answers.extend(packets.map(|packet| machine.judge(&connections, packet)));
            }
            Order::InSequence => {
                let mut sequence = left.unwrap_or_else(|| Sequence::new(&batch.connections));
                answers.extend(packets.map(|packet| machine.follow(&mut sequence, packet)));
                self.left = Some(sequence);
            }
        }
        Ok(())
    }

    fn trace(
        &mut self,
        packet: &Packet,
        connections: &[Connection],
    ) -> Result<(Answer, Vec<Step>), Failure> {
        let connections = Connections::new(connections);
        Ok(self.machine()?.trace(&connections, packet))
    }

    fn hits(&mut self) -> Result<Vec<(RuleId, u64)>, Failure> {
        Ok(self.machine()?.hits())
    }
}
