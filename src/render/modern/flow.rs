//! What the log of flows and the kernel's log are told (felix, rules/policy.go and
//! rules/rule_defs.go).
//!
//! With flow logs on, each rule that decides, each end of a tier and the end of the profiles tell NFLOG, in
//! group 1 of what comes in and 2 of what goes out, who decided: `<A|D|P><P|R><I|E>` for allow, deny and
//! pass, policy and profile, ingress and egress; then a rule's place and who it is, as in `APE0|gnp/name`,
//! or a tier's name. What is longer than NFLOG takes is cut in the middle, a hash in its place. Policies
//! asked of every packet (untracked) tell nothing.
//!
//! The prefix of the kernel's log may say `%t` for the tier, `%k` for the kind, `%n` for the name and
//! `%p` for the name with its namespace.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::ground::Ground;
use super::names::{self, Direction};
use super::rule::Place;
use crate::calico::rule::Action as RuleAction;
use crate::calico::world::{Policy, Stage};
use crate::render::fragment::Action;

/// How long a prefix NFLOG takes (include/uapi/linux/netfilter/xt_NFLOG.h, without its end).
const LONGEST: usize = 63;
/// How much of either end of a longer one is kept.
const KEPT: usize = 10;

/// Whose rules they are, and for which direction.
pub(super) struct Author<'a> {
    pub whose: Whose<'a>,
    pub direction: Direction,
}

/// Whose rules they are.
pub(super) enum Whose<'a> {
    /// A policy's, of a tier.
    Policy(&'a Policy, &'a str),
    /// A profile's, by its name.
    Profile(&'a str),
}

fn letter(direction: Direction) -> char {
    match direction {
        Direction::Ingress => 'I',
        Direction::Egress => 'E',
    }
}

fn told(direction: Direction, prefix: &str) -> Action {
    let group = match direction {
        Direction::Ingress => 1,
        Direction::Egress => 2,
    };
    Action::Nflog(group, shortened(prefix))
}

/// What the log of flows is told of a rule.
pub(super) fn of_rule(
    ground: &Ground<'_>,
    action: RuleAction,
    place: &Place<'_>,
) -> Option<Action> {
    let Author { whose, direction } = place.author;
    let (owner, id) = match whose {
        Whose::Policy(policy, _) if policy.stage == Stage::Untracked => return None,
        Whose::Policy(policy, _) => ('P', names::policy_id(&policy.id)),
        Whose::Profile(name) => ('R', (*name).to_owned()),
    };
    let decides = match action {
        RuleAction::Allow => 'A',
        RuleAction::Deny => 'D',
        RuleAction::Pass => 'P',
        RuleAction::Log => return None,
    };
    let (letter, index) = (letter(*direction), place.index);
    let logs = ground.told.logs_flows();
    logs.then(|| told(*direction, &format!("{decides}{owner}{letter}{index}|{id}")))
}

/// What the log of flows is told of the end of a tier that denies or passes.
pub(super) fn of_tier(
    ground: &Ground<'_>,
    denies: bool,
    direction: Direction,
    tier: &str,
) -> Option<Action> {
    let decides = if denies { 'D' } else { 'P' };
    let letter = letter(direction);
    let logs = ground.told.logs_flows();
    logs.then(|| told(direction, &format!("{decides}P{letter}|{tier}")))
}

/// What the log of flows is told of the end of the profiles.
pub(super) fn of_profiles(ground: &Ground<'_>, direction: Direction) -> Option<Action> {
    let letter = letter(direction);
    let logs = ground.told.logs_flows();
    logs.then(|| told(direction, &format!("DR{letter}")))
}

/// The prefix as it is if it fits; else its ends and a hash between them.
fn shortened(prefix: &str) -> String {
    if prefix.len() < LONGEST {
        return prefix.to_owned();
    }
    let mut hash = URL_SAFE_NO_PAD.encode(Sha256::digest(prefix));
    hash.truncate(LONGEST - 2 * KEPT - 1);
    // Names of the API are of ASCII.
    let head: String = prefix.chars().take(KEPT).collect();
    let tail: Vec<char> = prefix.chars().rev().take(KEPT).collect();
    let tail: String = tail.into_iter().rev().collect();
    format!("{head}{hash}_{tail}")
}

/// The prefix of the kernel's log, for an author's rules.
pub(super) fn log_prefix(prefix: &str, author: &Author<'_>) -> String {
    let (tier, kind, name, namespaced) = match &author.whose {
        Whose::Policy(policy, tier) => (
            (*tier).to_owned(),
            names::short_kind(policy.id.kind).to_owned(),
            policy.id.name.clone(),
            names::namespaced_name(&policy.id),
        ),
        Whose::Profile(name) => {
            let name = (*name).to_owned();
            (String::new(), "pro".to_owned(), name.clone(), name)
        }
    };
    prefix
        .replace("%t", &tier)
        .replace("%k", &kind)
        .replace("%n", &name)
        .replace("%p", &namespaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_prefix_keeps_its_ends() {
        let fits = "x".repeat(62);
        assert_eq!(shortened(&fits), fits);
        let long = format!("APE0|gnp/{}-the-end", "x".repeat(80));
        let short = shortened(&long);
        assert_eq!(short.len(), LONGEST);
        assert!(short.starts_with("APE0|gnp/x") && short.ends_with("_xx-the-end"));
        assert_ne!(short, shortened(&long.replace("xxxx", "xyxx")));
    }
}
