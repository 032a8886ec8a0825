//! Where a packet that should match a rule was stopped, read off the model's steps.

use super::paths::Path;
use super::question::{Condition, Question};
use crate::journey::Step;
use crate::xtables::RuleId;
use crate::xtables::matches::MaskedMark;

/// What kept a packet from a rule.
#[derive(Clone, Debug)]
pub enum Stop<'s> {
    /// The rules that it stood in when it was led away: jumps, and what it matched last.
    Rules(Vec<&'s Step>),
    /// A chain's policy dropped it.
    Policy(&'s Step),
    /// It came to this rule, on the way or the last, and did not match it.
    Unmet(RuleId, &'s Step),
    /// Routing, or something else that no step shows.
    Unseen,
}

/// What kept a packet from a rule on a path.
#[must_use]
pub fn stop<'s>(steps: &'s [Step], path: &Path, rule: &RuleId) -> Stop<'s> {
    let is_here = |step: &&Step| {
        step.family == rule.family && step.hook == path.hook && step.table == rule.table
    };
    let here: Vec<&Step> = steps.iter().filter(is_here).collect();
    if here.is_empty() {
        let all: Vec<&Step> = steps.iter().collect();
        return stopped_in(&all);
    }
    for id in path.rules(rule) {
        let asked = here
            .iter()
            .find(|step| step.chain == id.chain && step.rule == Some(id.index));
        match asked {
            Some(step) if step.matched.is_ok() => {}
            Some(step) => return Stop::Unmet(id, step),
            None => {
                let entered = here.iter().position(|step| step.chain == id.chain);
                return entered.map_or(Stop::Unseen, |entered| stopped_in(&here[entered..]));
            }
        }
    }
    Stop::Unseen
}

fn stopped_in<'s>(steps: &[&'s Step]) -> Stop<'s> {
    match steps.last() {
        Some(last) if last.rule.is_none() && last.did == "policy DROP" => Stop::Policy(last),
        _ => match stack(steps) {
            stack if stack.is_empty() => Stop::Unseen,
            stack => Stop::Rules(stack),
        },
    }
}

/// The rules that a packet stands in after its last step: what it matched in every chain that it has
/// not left.
fn stack<'s>(steps: &[&'s Step]) -> Vec<&'s Step> {
    let mut stack: Vec<&Step> = Vec::new();
    for step in steps {
        let same = |other: &&Step| {
            other.chain == step.chain && other.table == step.table && other.hook == step.hook
        };
        if let Some(place) = stack.iter().position(same) {
            stack.truncate(place);
        }
        if step.rule.is_some() && step.matched.is_ok() {
            stack.push(step);
        }
    }
    stack
}

/// A question about the mark that a packet failed at a step, and the answer that is wanted.
#[must_use]
pub fn missed_mark(condition: &Condition<'_>, step: &Step) -> Option<(MaskedMark, bool)> {
    match condition.question {
        Question::Mark(test) => {
            let met = step.before.matches(test.value, test.mask) == condition.wanted;
            (!met).then_some((test, condition.wanted))
        }
        _ => None,
    }
}
