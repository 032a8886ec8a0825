//! What Felix makes of a world: chains, the rules that hook them into the kernel's, and sets.
//!
//! * [`fragment`]: what a rule asks and does, as data, from which both the text that Felix hashes and
//!   the typed rule come, so that the two can't drift apart;
//! * [`table`]: Felix's rules, chains and tables, and their way into a [`Firewall`];
//! * [`ports`]: port lists cut to what one match holds;
//! * [`names`], `pieces`, `behind`, [`dispatch`], [`floating`], `to_host`: what the layouts share;
//! * [`seed`]: the layout of Felix 2.1.1;
//! * [`modern`]: the layout of Felix of August 2026.
//!
//! The renderer says what Felix does, right or wrong; what it should do is `intent`'s.
//!
//! [`Firewall`]: crate::xtables::Firewall

mod behind;
pub mod dispatch;
pub mod floating;
pub mod fragment;
pub mod modern;
pub mod names;
mod pieces;
pub mod ports;
pub mod seed;
pub mod table;
mod to_host;

use std::fmt;

use crate::calico::resources::Api;
use crate::mark::TooFewBits;
use crate::verdict::NotProgrammed;

/// Which Felix's way of writing chains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// Felix 2.1.1's.
    Seed,
    /// That of August 2026, in iptables mode.
    #[default]
    Modern,
}

impl Layout {
    /// All, oldest first.
    pub const ALL: [Self; 2] = [Self::Seed, Self::Modern];

    /// The version of the API that its Felix is told in.
    #[must_use]
    pub fn api(self) -> Api {
        match self {
            Self::Seed => Api::V1,
            Self::Modern => Api::V3,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Seed => "seed",
            Self::Modern => "modern",
        })
    }
}

/// Why a world is not rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrendered {
    /// The layout's Felix never sees such a world.
    #[error(transparent)]
    NotOfTheEra(#[from] seed::NotOfTheEra),
    /// Felix does not start with such a configuration.
    #[error(transparent)]
    Mark(#[from] TooFewBits),
    /// Felix renders it, and the tools refuse what it writes.
    #[error(transparent)]
    NotProgrammed(#[from] NotProgrammed),
}
