//! Which rules and clauses an input reached: what libFuzzer's extra counters are set by.
//!
//! The code's own coverage is soon at its end: every rule runs through the same few lines of the model.
//! What is new in an input is which shapes of rules are there, which of them match, and by which clause the
//! intent decides. From an empty corpus it buys little: libFuzzer keeps nearly every input for its coverage alone (289
//! of the first 300), and an off-by-one planted at the end of port ranges was found after 41, 226, 149 and 268 inputs
//! with the trail and after 241, 226, 149 and 254 without. It costs nothing that could be measured either, and is what still
//! tells inputs apart once the code's coverage stands still. The kernel's own counters are not read: that takes
//! a tool's run, and a rule that matches there and not in the model is a finding already.

use std::hash::{Hash, Hasher as _};

use rustc_hash::FxHasher;

use crate::arm::plan::Plan;
use crate::campaign::trial::Trial;
use crate::diff::shape::Shape;
use crate::packet::Family;
use crate::xtables::Backend;

/// What an input reached, as numbers: the same for the same thing, evenly spread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail(Vec<u64>);

impl Trail {
    /// What a judged plan reached, by legacy's reading of the rules.
    #[must_use]
    pub fn of(plan: &mut Plan, trial: &Trial) -> Self {
        let mut trail = Self::default();
        let hits = plan.machine(Backend::Legacy).hits();
        let families = Family::BOTH.into_iter();
        let rules = families.flat_map(|family| plan.firewall.ruleset(family).rules());
        for ((id, rule), (_, hits)) in rules.zip(hits) {
            for shape in Shape::parts_of(id.table, &id.chain, rule) {
                trail.add(&(shape, hits > 0));
            }
        }
        for opinion in &trial.expected.opinions {
            trail.add(&opinion.decision.clause);
            opinion.clauses.iter().for_each(|clause| trail.add(&clause));
        }
        trail
    }

    fn add(&mut self, reached: &impl Hash) {
        let mut hasher = FxHasher::default();
        reached.hash(&mut hasher);
        self.0.push(hasher.finish());
    }

    /// The numbers.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }
}
