//! The kernel's packet-filter language as typed values.
//!
//! * [`ruleset`]: tables, chains, rules, and [`Firewall`], everything that one node has loaded;
//! * [`matches`] and [`target`]: what a rule asks and what it does;
//! * [`set`]: ipset's sets;
//! * [`save`]: iptables-save and ip6tables-save text, read and written;
//! * [`ipset`]: `ipset save` and `ipset list` text, read and written;
//! * [`Backend`]: who loads them;
//! * [`names`], [`scalar`]: protocols, services, numbers, hardware addresses, for both texts.
//!
//! What this room does not know it keeps to the letter ([`matches::Match::Opaque`],
//! [`target::Target::Opaque`]). Numbers are host order; marks and masks are as the tools print them.

mod backend;
mod error;
pub mod ipset;
pub mod matches;
mod names;
pub mod ruleset;
pub mod save;
mod scalar;
pub mod set;
pub mod target;

pub use backend::Backend;
pub use error::ParseError;
pub use matches::{Match, Not};
pub use ruleset::{
    Chain, Counters, Firewall, Hook, Policy, Rule, RuleId, Ruleset, Table, TableName,
};
pub use target::Target;
