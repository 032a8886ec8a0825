//! The two ways by which iptables programs the kernel.

use std::fmt;

use crate::packet::Family;
use crate::verdict::ArmName;

/// Which generation of the kernel's packet filter the tools speak to. The two don't read every rule
/// alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// `iptables-legacy`: ip_tables.
    Legacy,
    /// `iptables-nft`: nf_tables, with nft_compat for what it has no expressions of its own for.
    Nft,
}

impl Backend {
    /// Both, legacy first.
    pub const BOTH: [Self; 2] = [Self::Legacy, Self::Nft];

    /// Its place in [`Backend::BOTH`].
    #[must_use]
    pub fn place(self) -> usize {
        match self {
            Self::Legacy => 0,
            Self::Nft => 1,
        }
    }

    /// The restore tool of a family.
    #[must_use]
    pub fn restore(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Legacy, Family::V4) => "iptables-legacy-restore",
            (Self::Legacy, Family::V6) => "ip6tables-legacy-restore",
            (Self::Nft, Family::V4) => "iptables-nft-restore",
            (Self::Nft, Family::V6) => "ip6tables-nft-restore",
        }
    }

    /// The save tool of a family.
    #[must_use]
    pub fn save(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Legacy, Family::V4) => "iptables-legacy-save",
            (Self::Legacy, Family::V6) => "ip6tables-legacy-save",
            (Self::Nft, Family::V4) => "iptables-nft-save",
            (Self::Nft, Family::V6) => "ip6tables-nft-save",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Legacy => "legacy",
            Self::Nft => "nft",
        })
    }
}

impl From<Backend> for ArmName {
    /// The kernel's arm behind a backend.
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Legacy => Self::Legacy,
            Backend::Nft => Self::Nft,
        }
    }
}
