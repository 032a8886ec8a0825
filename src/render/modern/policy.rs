//! The chains of policies and profiles (felix, rules/policy.go).
//!
//! Rules follow each other as written. Rules at the end that only return are left out: the chain ends
//! there anyway. The first rule, or one that neither asks nor does anything where there is none, says
//! whose chain it is.

use super::flow::{Author, Whose};
use super::ground::Ground;
use super::names::{self, Direction};
use super::rule::{self, Place};
use crate::calico::rule::Rule;
use crate::calico::world::Profile;
use crate::packet::Family;
use crate::render::fragment::Action;
use crate::render::table::{FelixChain, FelixRule};

/// The chains of the policies that apply to some endpoint.
pub(super) fn policy_chains(ground: &Ground<'_>, family: Family) -> Vec<FelixChain> {
    let tiers = ground.world.tiers.iter();
    let in_tiers = tiers.flat_map(|tier| {
        let policies = tier.policies.iter();
        policies.map(|policy| (policy, tier.name.as_str()))
    });
    let applied = in_tiers.filter(|(policy, _)| {
        let mut known = ground.policies.iter();
        known.any(|one| std::ptr::eq(*one, *policy))
    });
    let chains = applied.flat_map(|(policy, tier)| {
        Direction::BOTH.map(|direction| {
            let (rules, word) = match direction {
                Direction::Ingress => (&policy.ingress, "ingress"),
                Direction::Egress => (&policy.egress, "egress"),
            };
            let author = Author {
                whose: Whose::Policy(policy, tier),
                direction,
            };
            let (kind, name) = (policy.id.kind.as_str(), names::namespaced_name(&policy.id));
            let says = names::comment(&format!("{kind} {name} {word}"));
            let rules = render_rules(ground, family, rules, &author, says);
            FelixChain::new(direction.policy_chain(&names::policy_id(&policy.id)), rules)
        })
    });
    chains.collect()
}

/// The chains of the profiles that some endpoint names, for these directions.
pub(super) fn profile_chains(
    ground: &Ground<'_>,
    family: Family,
    directions: &[Direction],
) -> Vec<FelixChain> {
    let none = Profile::default();
    let mut chains = Vec::new();
    for (name, profile) in &ground.profiles {
        let profile = profile.unwrap_or(&none);
        for direction in directions {
            let (rules, word) = match direction {
                Direction::Ingress => (&profile.ingress, "ingress"),
                Direction::Egress => (&profile.egress, "egress"),
            };
            let author = Author {
                whose: Whose::Profile(name),
                direction: *direction,
            };
            let says = names::comment(&format!("Profile {name} {word}"));
            let rules = render_rules(ground, family, rules, &author, says);
            chains.push(FelixChain::new(direction.profile_chain(name), rules));
        }
    }
    chains
}

fn render_rules(
    ground: &Ground<'_>,
    family: Family,
    rules: &[Rule],
    author: &Author<'_>,
    says: String,
) -> Vec<FelixRule> {
    let rules = rules.iter().enumerate();
    let mut rendered: Vec<FelixRule> = rules
        .flat_map(|(index, one)| rule::render(ground, family, one, &Place { author, index }))
        .collect();
    let last = rendered
        .iter()
        .rposition(|rule| rule.action != Action::Return);
    rendered.truncate(last.map_or(0, |last| last + 1));
    match rendered.first_mut() {
        Some(first) => first.comments.push(says.into()),
        None => rendered.push(FelixRule::always(Action::Nothing).saying(says)),
    }
    rendered
}
