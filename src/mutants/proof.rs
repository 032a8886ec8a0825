//! Which of the mutants that nobody noticed change nothing, case by case.

use std::collections::BTreeMap;

use super::Mutant;
use super::hunt::Trail;
use super::inert::{Inert, Sound};
use super::site::Rules;
use crate::campaign::run::{Broken, Options};

/// What is shown of one mutant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Why it changes nothing, and in how many cases for that reason.
    pub inert: BTreeMap<Inert, u64>,
    /// The first case in which that is not shown.
    pub open: Option<u64>,
}

impl Shown {
    /// Whether it changes nothing, wherever it was planted.
    #[must_use]
    pub fn is_inert(&self) -> bool {
        self.open.is_none() && !self.inert.is_empty()
    }

    /// The reason that holds most often.
    #[must_use]
    pub fn reason(&self) -> Option<&Inert> {
        let reasons = self.inert.iter();
        let most = reasons.max_by_key(|(reason, count)| (**count, std::cmp::Reverse(*reason)));
        most.map(|(reason, _)| reason)
    }

    /// Takes in what another case shows.
    pub(super) fn add(&mut self, case: u64, inert: Option<Inert>) {
        match inert {
            Some(reason) => *self.inert.entry(reason).or_default() += 1,
            None => self.open = Some(self.open.map_or(case, |open| open.min(case))),
        }
    }
}

/// What one case shows of some mutants, by their places; nothing of those that it has nothing for.
pub(super) fn of_case(
    campaign: &Options,
    number: u64,
    mutants: &[(usize, &Trail)],
) -> Result<Vec<(usize, Option<Inert>)>, Broken> {
    let case = campaign.case(number)?;
    let rules = Rules::of(&case.plan.firewall);
    let sound = Sound::new(&case.plan.node, &case.plan.firewall);
    let shown = mutants.iter().filter_map(|(place, trail)| {
        let Mutant::Rendered(site, fault) = &trail.mutant else {
            return None;
        };
        let (faulty, _) = rules.plant(site, *fault)?;
        Some((*place, sound.inert(&faulty)))
    });
    Ok(shown.collect())
}
