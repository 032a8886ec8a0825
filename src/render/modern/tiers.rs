//! Which policies an endpoint's chain asks, and which of them as a group (felix since 3.28,
//! rules/endpoints.go and intdataplane/endpoint_mgr.go).
//!
//! Within a tier and a direction, policies that follow each other and have the same selector form a group.
//! Policies that apply to the same endpoints then share one chain, which asks them one after the other;
//! every five it looks whether one has decided, so that most jumps need not ask. A group of one policy in
//! force, or none, has no chain: its policy is asked by the endpoint's. Staged policies count for the name
//! of the group, for where groups part and for whether there is a tier; they are never asked.

use super::ground::Ground;
use super::names::{self, Direction};
use crate::calico::world::{Applied, DefaultAction, Policy, Stage};
use crate::mark::ModernMarkBits;
use crate::render::fragment::{Action, Fragment};
use crate::render::table::{FelixChain, FelixRule};
use crate::xtables::Not;

/// After how many policies a group looks whether one has decided.
const STRIDE: usize = 5;

/// At which point of a packet's way an endpoint's policies are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// Of connections that begin or end here.
    Normal,
    /// Of what the node forwards.
    Forward,
    /// Before the destination is translated.
    PreDnat,
    /// Of every packet, before connection tracking.
    Untracked,
}

impl Point {
    /// Whether policies of a stage are asked here: those about forwarded traffic are asked of the rest,
    /// too.
    fn asks(self, stage: Stage) -> bool {
        match self {
            Self::Normal => matches!(stage, Stage::Normal | Stage::Forward),
            Self::Forward => stage == Stage::Forward,
            Self::PreDnat => stage == Stage::PreDnat,
            Self::Untracked => stage == Stage::Untracked,
        }
    }
}

/// The policies of one tier that an endpoint's chain asks: one at least, if only a staged one.
pub(super) struct AskedTier<'w> {
    pub name: &'w str,
    pub default_action: DefaultAction,
    policies: Vec<&'w Policy>,
}

/// The tiers that a chain of an endpoint asks.
pub(super) fn asked<'w>(
    ground: &Ground<'w>,
    applied: &[Applied],
    point: Point,
    direction: Direction,
) -> Vec<AskedTier<'w>> {
    let governs = |policy: &&Policy| {
        let governs = match direction {
            Direction::Ingress => policy.governs_ingress,
            Direction::Egress => policy.governs_egress,
        };
        governs && point.asks(policy.stage)
    };
    let tiers = ground.world.tiers.iter().enumerate();
    let tiers = tiers.map(|(place, tier)| {
        let of_tier = applied.iter().filter(|one| one.tier == place);
        let policies = of_tier.filter_map(|one| tier.policies.get(one.policy));
        AskedTier {
            name: &tier.name,
            default_action: tier.default_action,
            policies: policies.filter(governs).collect(),
        }
    });
    tiers.filter(|tier| !tier.policies.is_empty()).collect()
}

impl<'w> AskedTier<'w> {
    /// Whether some policy of it is in force.
    pub fn enforces(&self) -> bool {
        self.policies.iter().any(|policy| !policy.staged)
    }

    /// Policies of the same selector that follow each other.
    fn groups(&self) -> impl Iterator<Item = &[&'w Policy]> {
        self.policies
            .chunk_by(|one, other| one.selector == other.selector)
    }

    /// The chains that an endpoint's chain asks one after the other.
    pub fn chains(&self, direction: Direction) -> Vec<String> {
        let names = self.groups().flat_map(|group| match in_force(group)[..] {
            [] => None,
            [one] => Some(policy_chain(direction, one)),
            _ => Some(group_name(direction, group)),
        });
        names.collect()
    }

    /// The chains of the groups that have one.
    pub fn group_chains(&self, bits: ModernMarkBits, direction: Direction) -> Vec<FelixChain> {
        let groups = self.groups().filter(|group| in_force(group).len() > 1);
        let chains = groups.map(|group| {
            let rules = group_rules(bits, direction, &in_force(group));
            FelixChain::new(group_name(direction, group), rules)
        });
        chains.collect()
    }
}

fn in_force<'w>(group: &[&'w Policy]) -> Vec<&'w Policy> {
    let policies = group.iter().copied();
    policies.filter(|policy| !policy.staged).collect()
}

fn policy_chain(direction: Direction, policy: &Policy) -> String {
    direction.policy_chain(&names::policy_id(&policy.id))
}

fn group_name(direction: Direction, group: &[&Policy]) -> String {
    let selector = group.first().map_or("", |policy| policy.selector.as_str());
    names::group_chain(direction, selector, group)
}

fn group_rules(bits: ModernMarkBits, direction: Direction, policies: &[&Policy]) -> Vec<FelixRule> {
    let undecided = Fragment::Unmarked(bits.verdict());
    let mut rules = Vec::new();
    for (place, policy) in policies.iter().enumerate() {
        let begins = place % STRIDE == 0;
        if begins && place > 0 {
            let decided = [Fragment::Mark(Not::negated(0), bits.verdict())];
            let decided = FelixRule::when(decided, Action::Return);
            rules.push(decided.saying("Return on verdict"));
        }
        let jump = Action::Jump(policy_chain(direction, policy));
        rules.push(match begins {
            true => FelixRule::always(jump),
            false => FelixRule::when([undecided.clone()], jump),
        });
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calico::Selector;
    use crate::calico::world::{PolicyId, PolicyKind};

    fn policy(number: usize) -> Policy {
        let name = format!("p{number}");
        Policy {
            name: name.clone(),
            governs_ingress: true,
            governs_egress: true,
            ingress: Vec::new(),
            egress: Vec::new(),
            stage: Stage::Normal,
            id: PolicyId {
                kind: PolicyKind::GlobalNetworkPolicy,
                namespace: None,
                name,
            },
            staged: false,
            selector: Selector::all(),
        }
    }

    /// Whether something is decided is asked once before every fifth policy, and there alone its jump asks
    /// nothing.
    #[test]
    fn a_group_returns_before_every_fifth_policy() -> Result<(), crate::mark::TooFewBits> {
        let bits = ModernMarkBits::within(0xffff_0000, false)?;
        let policies: Vec<Policy> = (0..11).map(policy).collect();
        let policies: Vec<&Policy> = policies.iter().collect();
        let rules = group_rules(bits, Direction::Ingress, &policies);
        let places: Vec<usize> = (0..rules.len())
            .filter(|at| rules[*at].action == Action::Return)
            .collect();
        assert_eq!(places, [5, 11]);
        let unasked: Vec<usize> = (0..rules.len())
            .filter(|at| rules[*at].asks.is_empty())
            .collect();
        assert_eq!(unasked, [0, 6, 12]);
        Ok(())
    }
}
