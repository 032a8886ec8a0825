//! Faults planted on purpose, to judge the harness: a check that can't fail is worth nothing.
//!
//! Each fault changes one thing in a firewall, as a slip in a renderer or in a reading of the rules
//! would. They are made systematically, from the rules that are there; which of them change any
//! verdict is for the harness to find out.

mod faults;

pub use faults::Fault;

use crate::packet::Family;
use crate::xtables::{Firewall, RuleId};

/// A firewall with one fault in it.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What was done.
    pub fault: Fault,
    /// To which rule.
    pub rule: RuleId,
    /// What came of it.
    pub firewall: Firewall,
}

/// Every fault at every rule of a family where it applies, in the order of the rules.
#[must_use]
pub fn all(firewall: &Firewall, family: Family) -> Vec<Mutant> {
    let rules = firewall.ruleset(family).rules();
    rules
        .flat_map(|(id, _)| {
            Fault::ALL.into_iter().filter_map(move |fault| {
                let mutated = fault.plant(firewall, &id)?;
                Some(Mutant {
                    fault,
                    rule: id.clone(),
                    firewall: mutated,
                })
            })
        })
        .collect()
}
