//! Leaves that every arm shares: who judges, and why a ruleset could not be loaded.

use std::fmt;

/// One of the judges.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ArmName {
    /// The chain machine.
    Model,
    /// The kernel behind iptables-legacy.
    Legacy,
    /// The kernel behind iptables-nft.
    Nft,
}

impl fmt::Display for ArmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Model => "model",
            Self::Legacy => "legacy",
            Self::Nft => "nft",
        })
    }
}

/// A ruleset's fate where the real tools refuse it: it is not programmed, and none of its packets is
/// judged there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("not programmed: {tool} says: {message}")]
pub struct NotProgrammed {
    /// The tool that refused.
    pub tool: String,
    /// What it said, trimmed.
    pub message: String,
}
