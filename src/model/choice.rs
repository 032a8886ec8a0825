//! Choices that are not the packet's: chance, time, and matches that the model does not know.
//!
//! A run of the machine is deterministic under a *script* of choices. A choice that the script does
//! not foresee takes the first branch and is written down; the run is then repeated with the other
//! branches, until every way has been gone.

use smallvec::SmallVec;

use crate::journey::{Answer, Possible, Unjudged};

/// How many runs are made before the model gives up.
pub(super) const RUNS: usize = 64;

/// What a choice hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Chance, time, or earlier packets: each branch is possible.
    Chance,
    /// A match that the model does not know, by its index in the program: one branch is right, and the
    /// model can't say which.
    Unknown(u16),
}

#[derive(Clone, Copy, Debug)]
struct Decision {
    taken: u16,
    branches: u16,
}

/// The choices of one packet's runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    decisions: SmallVec<[Decision; 8]>,
    next: usize,
    unknown: Option<u16>,
    chance: bool,
}

impl Script {
    /// Forgets everything, for another packet.
    pub(super) fn clear(&mut self) {
        self.decisions.clear();
        self.next = 0;
        self.unknown = None;
        self.chance = false;
    }

    /// One of `branches` ways.
    pub(super) fn choose(&mut self, branches: u16, cause: Cause) -> u16 {
        match cause {
            Cause::Chance => self.chance = true,
            Cause::Unknown(name) => self.unknown = self.unknown.or(Some(name)),
        }
        let place = self.next;
        self.next += 1;
        if let Some(decision) = self.decisions.get(place) {
            return decision.taken;
        }
        self.decisions.push(Decision { taken: 0, branches });
        0
    }

    /// Whether any choice was made.
    pub(super) fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }

    /// Turns to the next way; `false` when every way has been gone.
    pub(super) fn advance(&mut self) -> bool {
        self.next = 0;
        while let Some(last) = self.decisions.last_mut() {
            if last.taken + 1 < last.branches {
                last.taken += 1;
                return true;
            }
            self.decisions.pop();
        }
        false
    }

    /// Puts the runs' outcomes together. `names` are those that [`Cause::Unknown`] points into.
    ///
    /// Where an unknown match was asked, its answer must not matter: all outcomes must be one. (With
    /// chance in play as well this asks more than it must; then the packet counts as unjudged.)
    pub(super) fn verdict(&self, outcomes: SmallVec<[Possible; 1]>, names: &[String]) -> Answer {
        match self.unknown {
            Some(name) if outcomes.len() > 1 => {
                let name = names.get(usize::from(name)).cloned().unwrap_or_default();
                Answer::Unjudged(Unjudged::Match(name))
            }
            _ => Answer::Judged(outcomes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_gone_once() {
        let mut script = Script::default();
        let mut ways = Vec::new();
        loop {
            let first = script.choose(2, Cause::Chance);
            // The second choice is met only on one branch of the first.
            let second = (first == 1).then(|| script.choose(3, Cause::Chance));
            ways.push((first, second));
            if !script.advance() {
                break;
            }
        }
        assert_eq!(ways, [(0, None), (1, Some(0)), (1, Some(1)), (1, Some(2))]);
    }
}
