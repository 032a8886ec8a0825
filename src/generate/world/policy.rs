//! Policies and profiles.

use super::site::Site;
use super::{Feature, Maker};
use crate::calico::Selector;
use crate::calico::resources::{Labels, Order, Policy, Profile, Rule};
use crate::calico::rule::Action;
use crate::calico::world::Stage;
use crate::generate::bits::Bits;

/// Orders: two that are equal, the ends, and what lies between whole numbers.
const ORDERS: [f64; 6] = [100.0, 100.5, 0.0, -1.0, 1e300, 5e-324];

impl<B: Bits> Maker<'_, B> {
    /// The policies. Where neither a policy nor a profile is anybody's, all of a cluster's scenarios are the same
    /// ruleset: few of them are that one.
    pub(super) fn policies(&mut self, site: &Site, are_profiled: bool) -> Vec<Policy> {
        let count = self.up_to(self.dials.policies);
        let policies = (0..count).map(|number| self.policy(number, site));
        let mut policies: Vec<Policy> = policies.collect();
        let are_anybodys =
            are_profiled || policies.iter().any(|one| one.selector == Selector::all());
        let rulesets = usize::try_from(self.dials.rulesets.get()).unwrap_or(usize::MAX);
        if !are_anybodys && self.dials.policies > 0 && !self.bits.chance(1, rulesets) {
            if policies.is_empty() {
                policies.push(self.policy(0, site));
            }
            policies[0].selector = Selector::all();
        }
        policies
    }

    fn policy(&mut self, number: usize, site: &Site) -> Policy {
        let selector = match self.bits.chance(1, 3) {
            true => Selector::all(),
            false => self.selector(),
        };
        let untracked = self.at_times(Feature::Untracked, 1, 2);
        Policy {
            order: self.order(),
            stage: if untracked {
                Stage::Untracked
            } else {
                Stage::Normal
            },
            ingress: self.rules(site),
            egress: self.rules(site),
            ..Policy::new(self.name("policy", number), selector)
        }
    }

    /// Where a policy stands.
    pub(super) fn order(&mut self) -> Option<Order> {
        if self.has(Feature::EqualOrders) {
            return match self.bits.chance(1, 2) {
                true => None,
                false => Order::new(ORDERS[0]),
            };
        }
        Order::new(self.bits.one(ORDERS))
    }

    /// The rules of one direction: none, or a few.
    fn rules(&mut self, site: &Site) -> Vec<Rule> {
        let count = self.up_to(self.dials.rules);
        (0..count).map(|_| self.rule(site)).collect()
    }

    /// The profiles, without rules.
    pub(super) fn profiles(&mut self) -> Vec<Profile> {
        if !self.has(Feature::Profiles) || self.dials.profiles == 0 {
            return Vec::new();
        }
        let count = 1 + self.bits.below(self.dials.profiles * self.size);
        (0..count).map(|number| self.profile(number)).collect()
    }

    fn profile(&mut self, number: usize) -> Profile {
        let labelled = self.has(Feature::ProfileLabels);
        let tags = if labelled { self.bits.below(3) } else { 0 };
        Profile {
            name: self.name("profile", number),
            labels: if labelled {
                self.labels()
            } else {
                Labels::new()
            },
            tags: (0..tags).map(|_| self.tag()).collect(),
            ingress: Vec::new(),
            egress: Vec::new(),
        }
    }

    /// Gives a profile its rules.
    pub(super) fn give_rules(&mut self, profile: &mut Profile, site: &Site) {
        for rules in [&mut profile.ingress, &mut profile.egress] {
            *rules = self.rules(site);
            // A profile is what allows anything where no policy applies: most end so.
            if self.bits.chance(2, 3) {
                rules.push(Rule::bare(Action::Allow));
            }
        }
    }

    /// The profiles of an endpoint, in any order; now and then one that is not there.
    pub(super) fn some_profiles(&mut self, profiles: &[Profile]) -> Vec<String> {
        let mut names: Vec<String> = profiles.iter().map(|one| one.name.clone()).collect();
        if !names.is_empty() && self.bits.chance(1, 8) {
            names.push("missing".to_owned());
        }
        names.retain(|_| self.bits.chance(2, 3));
        if self.bits.chance(1, 3) {
            names.reverse();
        }
        names
    }
}
