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
    /// The policies.
    pub(super) fn policies(&mut self, site: &Site) -> Vec<Policy> {
        let count = self.up_to(self.dials.policies);
        (0..count).map(|number| self.policy(number, site)).collect()
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

    fn order(&mut self) -> Option<Order> {
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

    /// The profiles.
    pub(super) fn profiles(&mut self, site: &Site) -> Vec<Profile> {
        if !self.has(Feature::Profiles) || self.dials.profiles == 0 {
            return Vec::new();
        }
        let count = 1 + self.bits.below(self.dials.profiles * self.size);
        (0..count)
            .map(|number| self.profile(number, site))
            .collect()
    }

    fn profile(&mut self, number: usize, site: &Site) -> Profile {
        let labelled = self.has(Feature::ProfileLabels);
        let tags = if labelled { self.bits.below(3) } else { 0 };
        let [mut ingress, mut egress] = [self.rules(site), self.rules(site)];
        // A profile is what allows anything where no policy applies: most end so.
        for rules in [&mut ingress, &mut egress] {
            if self.bits.chance(2, 3) {
                rules.push(Rule::bare(Action::Allow));
            }
        }
        Profile {
            name: self.name("profile", number),
            labels: if labelled {
                self.labels()
            } else {
                Labels::new()
            },
            tags: (0..tags).map(|_| self.tag()).collect(),
            ingress,
            egress,
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
