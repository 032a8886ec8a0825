//! The judges behind one trait: program a firewall on a node, then fire packets at it.
//!
//! * [`plan`]: what is programmed where Calico's resources say it; [`others`]: what the rules beside Calico's
//!   make of addresses;
//! * [`model`]: the chain machine; `kernel`: the real one.
//!
//! The intent is no arm: it knows no firewall to be programmed and no journey. It is asked beside them
//! ([`crate::intent::Judge`]), and held against how a journey ends ([`crate::diff::meaning`]).

#[cfg(target_os = "linux")]
pub mod kernel;
pub mod model;
pub mod others;
pub mod plan;

use crate::journey::{Answer, Step};
use crate::node::Node;
use crate::packet::{Batch, Connection, Family, Packet};
use crate::render::table::Draft;
use crate::verdict::{ArmName, NotProgrammed};
use crate::xtables::{Backend, Firewall, RuleId};

/// A judge of packets.
pub trait Arm {
    /// Which one.
    fn name(&self) -> ArmName;

    /// Loads a firewall on a node, in the place of what was there before.
    ///
    /// # Errors
    ///
    /// [`Failure::Refused`] where the tools refuse the rules; [`Failure::Broken`] where the arm itself
    /// fails.
    fn program(&mut self, node: &Node, firewall: &Firewall) -> Result<(), Failure>;

    /// Why the tools refuse the rules that Felix writes for a family, where they do. Nothing is
    /// programmed then, or it is: [`Arm::program`] comes next in any case.
    ///
    /// # Errors
    ///
    /// As [`Arm::fire`].
    fn refusal(
        &mut self,
        node: &Node,
        draft: &Draft,
        family: Family,
    ) -> Result<Option<NotProgrammed>, Failure>;

    /// Judges every packet of a batch; `answers` is cleared and filled, one answer a packet, in order.
    ///
    /// # Errors
    ///
    /// [`Failure::Broken`] where the arm itself fails; then `answers` means nothing.
    fn fire(&mut self, batch: &Batch, answers: &mut Vec<Answer>) -> Result<(), Failure>;

    /// Judges the first part of a sequence, whose connections stay, through other rules too, for the batch that is
    /// judged next. That begins with them, and not with its own.
    ///
    /// # Errors
    ///
    /// As [`Arm::fire`].
    fn fire_first(&mut self, batch: &Batch, answers: &mut Vec<Answer>) -> Result<(), Failure>;

    /// Judges one packet again, rule by rule.
    ///
    /// # Errors
    ///
    /// As [`Arm::fire`].
    fn trace(
        &mut self,
        packet: &Packet,
        connections: &[Connection],
    ) -> Result<(Answer, Vec<Step>), Failure>;

    /// How many packets each rule has matched since [`Arm::program`].
    ///
    /// # Errors
    ///
    /// As [`Arm::fire`].
    fn hits(&mut self) -> Result<Vec<(RuleId, u64)>, Failure>;
}

/// Why an arm could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The ruleset's own fate: the tools refuse it.
    #[error(transparent)]
    Refused(#[from] NotProgrammed),
    /// The arm is broken: a fault of the machine or of this program, never a verdict.
    #[error("the {arm} arm failed: {message}")]
    Broken {
        /// Which arm.
        arm: ArmName,
        /// What it was doing, and what went wrong.
        message: String,
    },
}

/// Which arm to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// The chain machine, reading the rules as a backend does.
    Model(Backend),
    /// The kernel behind a backend.
    Kernel(Backend),
}

/// Makes an arm. A kernel's arm belongs to the thread that makes it, which moves into its namespace.
///
/// # Errors
///
/// [`Failure::Broken`] where the machine lacks what the arm needs.
pub fn make(judge: Judge) -> Result<Box<dyn Arm>, Failure> {
    match judge {
        Judge::Model(backend) => Ok(Box::new(model::ModelArm::new(backend))),
        Judge::Kernel(backend) => make_kernel(backend),
    }
}

#[cfg(target_os = "linux")]
fn make_kernel(backend: Backend) -> Result<Box<dyn Arm>, Failure> {
    match kernel::KernelArm::new(backend) {
        Ok(arm) => Ok(Box::new(arm)),
        Err(why) => Err(Failure::Broken {
            arm: backend.into(),
            message: why.to_string(),
        }),
    }
}

#[cfg(not(target_os = "linux"))]
fn make_kernel(backend: Backend) -> Result<Box<dyn Arm>, Failure> {
    let message = "the kernel arms are Linux's".to_owned();
    let arm = backend.into();
    Err(Failure::Broken { arm, message })
}
