//! Faults in the order of a chain's rules, or in which there are.

use super::chain_mut;
use crate::mutants::Fault;
use crate::xtables::{Chain, Firewall, Match, Policy, Rule, RuleId, Target};

/// Changes the chain of a rule, at these of its rules, in their order; `None` where the fault does not
/// apply to any of them.
pub(in crate::mutants) fn change(
    fault: Fault,
    firewall: &mut Firewall,
    id: &RuleId,
    places: &[usize],
) -> Option<()> {
    let chain = chain_mut(firewall, id)?;
    let rules = &mut chain.rules;
    match fault {
        Fault::LoseRule => drop(take(rules, places)),
        Fault::RepeatRule => {
            for place in places.iter().rev() {
                rules.insert(*place, rules.get(*place)?.clone());
            }
        }
        Fault::SwapWithNext => return swap(rules, places),
        Fault::MoveToStart => {
            let moved = take(rules, places);
            rules.splice(0..0, moved);
        }
        Fault::MoveToEnd => {
            let moved = take(rules, places);
            rules.extend(moved);
        }
        Fault::ReverseTargets => reverse(rules, places),
        Fault::LosePortSplit => {
            let later = |place: &usize| is_later_piece(rules, *place);
            let later: Vec<usize> = places.iter().copied().filter(later).collect();
            drop(take(rules, &later));
        }
        Fault::EmptyChain => rules.clear(),
        Fault::FlipPolicy => return flip_policy(chain, places),
        _ => return None,
    }
    Some(())
}

/// Takes the rules of some places out, in their order.
fn take(rules: &mut Vec<Rule>, places: &[usize]) -> Vec<Rule> {
    let (mut taken, mut kept) = (Vec::new(), Vec::new());
    for (place, rule) in rules.drain(..).enumerate() {
        match places.contains(&place) {
            true => taken.push(rule),
            false => kept.push(rule),
        }
    }
    *rules = kept;
    taken
}

/// Each changes places with the next one; of two neighbours the first alone.
fn swap(rules: &mut [Rule], places: &[usize]) -> Option<()> {
    let mut free = 0;
    let mut swapped = None;
    for place in places {
        if *place >= free && place + 1 < rules.len() {
            rules.swap(*place, place + 1);
            free = place + 2;
            swapped = Some(());
        }
    }
    swapped
}

fn reverse(rules: &mut [Rule], places: &[usize]) {
    let targets: Vec<Target> = places
        .iter()
        .map(|place| rules[*place].target.clone())
        .collect();
    for (place, target) in places.iter().zip(targets.into_iter().rev()) {
        rules[*place].target = target;
    }
}

/// Whether a rule differs from one of the two before it in its ports alone: an allowing rule is followed
/// by its RETURN before the next piece comes (felix 2.1.1, rules/policy.go).
fn is_later_piece(rules: &[Rule], place: usize) -> bool {
    let own = without_ports(&rules[place]);
    let before = place.saturating_sub(2)..place;
    own.is_some()
        && before
            .into_iter()
            .any(|place| without_ports(&rules[place]) == own)
}

fn without_ports(rule: &Rule) -> Option<Rule> {
    let has_ports = |one: &Match| matches!(one, Match::Multiport(..));
    rule.matches.iter().any(has_ports).then(|| {
        let mut rest = rule.clone();
        rest.line = Rule::default().line;
        rest.matches
            .retain(|one| !has_ports(one) && !matches!(one, Match::Comment(_)));
        rest
    })
}

fn flip_policy(chain: &mut Chain, places: &[usize]) -> Option<()> {
    if !places.contains(&0) {
        return None;
    }
    chain.policy = Some(match chain.policy? {
        Policy::Accept => Policy::Drop,
        Policy::Drop => Policy::Accept,
    });
    Some(())
}
