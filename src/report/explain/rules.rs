//! The rules of a trace, as text and by their place.

use crate::journey::{Asked, Step};
use crate::xtables::{Firewall, Rule, RuleId, save};

/// A rule's text; what the rule did, where there is no such rule.
pub(super) fn rule_text(firewall: &Firewall, step: &Step, index: usize) -> String {
    match firewall.rule(&place(step, index)) {
        Some(rule) => text_of_rule(step, rule),
        None => step.did.clone(),
    }
}

/// A rule's text without its chain, which stands above it.
pub(super) fn text_of_rule(step: &Step, rule: &Rule) -> String {
    let text = save::print_rule(&step.chain, rule, step.family);
    let head = save::print_rule(&step.chain, &Rule::default(), step.family);
    let text = text.strip_prefix(&head).unwrap_or(&text);
    text.trim_start().to_owned()
}

/// A rule that asks nothing but one of another's questions, and does nothing.
pub(super) fn only(rule: &Rule, asked: Asked) -> Rule {
    let mut one = Rule::default();
    match asked {
        Asked::Source => one.source = rule.source,
        Asked::Destination => one.destination = rule.destination,
        Asked::InInterface => one.in_interface.clone_from(&rule.in_interface),
        Asked::OutInterface => one.out_interface.clone_from(&rule.out_interface),
        Asked::Protocol => one.protocol = rule.protocol,
        Asked::Fragment => one.fragment = rule.fragment,
        Asked::Match(at) => one
            .matches
            .extend(rule.matches.get(usize::from(at)).cloned()),
    }
    one
}

pub(super) fn place(step: &Step, index: usize) -> RuleId {
    RuleId {
        family: step.family,
        table: step.table,
        chain: step.chain.clone(),
        index,
    }
}

pub(super) fn place_of(step: &Step) -> RuleId {
    place(step, step.rule.unwrap_or(0))
}

pub(super) fn is_match(step: &Step) -> bool {
    step.rule.is_some() && step.matched.is_ok()
}

pub(super) fn matches_of(steps: &[Step]) -> Vec<&Step> {
    steps.iter().filter(|step| is_match(step)).collect()
}
