//! How a command ends: the exit status that scripts rely on, and the message that people read.

use std::process::ExitCode;

use crate::arm::Failure;

/// What the exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// All agree.
    Agreed = 0,
    /// Two arms differ, and the difference is not a known one.
    Diverged = 1,
    /// The input or the usage is wrong; nothing was done.
    BadInput = 2,
    /// The machine lacks something.
    Lacking = 3,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// An end that leaves a message.
#[derive(Debug)]
pub struct Ending {
    /// The exit status.
    pub status: Status,
    /// The message, with its place in the input where it has one.
    pub report: miette::Report,
}

impl Ending {
    /// The input is wrong.
    pub fn bad_input(report: impl Into<miette::Report>) -> Self {
        Self {
            status: Status::BadInput,
            report: report.into(),
        }
    }

    /// The machine lacks something.
    pub fn lacking(report: impl Into<miette::Report>) -> Self {
        Self {
            status: Status::Lacking,
            report: report.into(),
        }
    }
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        let report = miette::miette!("{failure}");
        match failure {
            Failure::Refused(_) => Self::bad_input(report),
            Failure::Broken { .. } => Self::lacking(report),
        }
    }
}
