//! Faults planted on purpose, to judge the harness: a check that can't fail is worth nothing.
//!
//! Each fault changes one thing in a firewall, as a slip in a renderer or in a reading of the rules
//! would. They are made systematically, from the rules that are there; which of them change any
//! verdict is for the harness to find out.
//!
//! * [`Fault`]: the kinds of fault in rules, chains and sets; `change`: what each does;
//! * [`Site`]: the kinds of rules that one is planted at; `tell`: to which packets it may show there;
//! * [`meant`]: the kinds of fault in what is meant;
//! * [`hunt`]: the campaign set on all of them; `ground`: a case of it; `accepted`: the known divergences,
//!   which must show as before;
//! * [`proof`]: which of them change nothing; [`inert`]: how that is shown from the rules.

mod accepted;
mod change;
mod faults;
mod ground;
pub mod hunt;
pub mod inert;
pub mod meant;
pub mod proof;
mod site;
mod tell;

use std::fmt;

pub use faults::Fault;
pub use meant::Misunderstanding;
pub use site::Site;

use crate::packet::Family;
use crate::xtables::{Firewall, RuleId};

/// A fault, and where it is planted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mutant {
    /// In what is rendered.
    Rendered(Site, Fault),
    /// In what the intent is told.
    Meant(Misunderstanding),
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rendered(site, fault) => write!(f, "{fault} at `{site}`"),
            Self::Meant(fault) => write!(f, "meant: {fault}"),
        }
    }
}

/// A firewall with one fault in it.
#[derive(Clone, Debug)]
pub struct Planted {
    /// What was done.
    pub fault: Fault,
    /// To which rule.
    pub rule: RuleId,
    /// What came of it.
    pub firewall: Firewall,
}

/// Every fault at every rule of a family where it applies, in the order of the rules.
#[must_use]
pub fn all(firewall: &Firewall, family: Family) -> Vec<Planted> {
    let rules = firewall.ruleset(family).rules();
    rules
        .flat_map(|(id, _)| {
            Fault::ALL.iter().filter_map(move |fault| {
                let mutated = fault.plant(firewall, &id)?;
                Some(Planted {
                    fault: *fault,
                    rule: id.clone(),
                    firewall: mutated,
                })
            })
        })
        .collect()
}
