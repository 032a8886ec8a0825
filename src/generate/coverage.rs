//! Which rules packets have reached and matched, by the model's word.

use rustc_hash::FxHashMap;

use super::draft::Draft;
use crate::journey::Step;
use crate::model::{Connections, Machine, Visited};
use crate::xtables::RuleId;

/// The rules of a machine, and for each the first packet that matched it.
pub struct Coverage<'m> {
    machine: &'m mut Machine,
    rules: Vec<RuleId>,
    numbers: FxHashMap<RuleId, usize>,
    witnesses: Vec<Option<Draft>>,
    visited: Visited,
}

/// What one packet visited.
pub struct Visits<'c> {
    numbers: &'c FxHashMap<RuleId, usize>,
    visited: &'c Visited,
}

impl<'m> Coverage<'m> {
    /// Nothing noted yet.
    #[must_use]
    pub fn new(machine: &'m mut Machine) -> Self {
        let count = u32::try_from(machine.rule_count()).unwrap_or(u32::MAX);
        let rules = (0..count).filter_map(|index| machine.rule_id(index).cloned());
        let rules: Vec<RuleId> = rules.collect();
        let numbers = rules
            .iter()
            .cloned()
            .enumerate()
            .map(|(number, rule)| (rule, number));
        Self {
            numbers: numbers.collect(),
            witnesses: vec![None; rules.len()],
            rules,
            machine,
            visited: Visited::default(),
        }
    }

    /// All rules, in their order.
    #[must_use]
    pub fn rules(&self) -> &[RuleId] {
        &self.rules
    }

    /// The first packet that matched a rule.
    #[must_use]
    pub fn witness(&self, rule: &RuleId) -> Option<&Draft> {
        let number = *self.numbers.get(rule)?;
        self.witnesses.get(number)?.as_ref()
    }

    /// Asks the model about a packet, and notes which rules it matches.
    pub fn note(&mut self, draft: &Draft) -> Visits<'_> {
        let connections = Connections::new(&draft.shot.connections);
        self.machine
            .visit(&connections, &draft.shot.packet, &mut self.visited);
        for visit in self
            .visited
            .visits
            .iter()
            .filter(|visit| visit.failed.is_none())
        {
            let place = usize::try_from(visit.rule).unwrap_or(usize::MAX);
            if let Some(witness @ None) = self.witnesses.get_mut(place) {
                *witness = Some(draft.clone());
            }
        }
        Visits {
            numbers: &self.numbers,
            visited: &self.visited,
        }
    }

    /// Every step of a packet.
    pub fn steps(&mut self, draft: &Draft) -> Vec<Step> {
        let connections = Connections::new(&draft.shot.connections);
        self.machine.trace(&connections, &draft.shot.packet).1
    }
}

impl Visits<'_> {
    /// Whether the packet reached the rule.
    #[must_use]
    pub fn reaches(&self, rule: &RuleId) -> bool {
        self.any(rule, false)
    }

    /// Whether the packet matched the rule.
    #[must_use]
    pub fn matches(&self, rule: &RuleId) -> bool {
        self.any(rule, true)
    }

    fn any(&self, rule: &RuleId, matched: bool) -> bool {
        let number = self.numbers.get(rule).copied();
        self.visited.visits.iter().any(|visit| {
            usize::try_from(visit.rule).ok() == number && (!matched || visit.failed.is_none())
        })
    }
}
