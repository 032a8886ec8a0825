//! Tiers and policies.

use super::super::site::Site;
use super::super::{Feature, Maker};
use crate::calico::Selector;
use crate::calico::resources::policy::{DEFAULT_TIER, KUBE_ADMIN_TIER, KUBE_BASELINE_TIER};
use crate::calico::resources::{Order, Policy, Profile, Rule, Tier, Types};
use crate::calico::rule::Action;
use crate::calico::selector::{Comparison, Expression, NAMESPACE, ORCHESTRATOR};
use crate::calico::world::{DefaultAction, Stage};
use crate::generate::bits::Bits;

/// The tiers that scenarios write.
const TIERS: [&str; 3] = ["alpha", "security", "zz"];

/// Where they stand: before the usual one (1,000,000), two alike, behind it, and last.
const TIER_ORDERS: [f64; 6] = [100.0, 100.0, 0.5, -1.0, 2e6, 1e300];

/// How many policies a group's chain asks before it looks whether one has decided; groups have up to twice
/// as many, and one more.
const STRIDE: usize = 5;

impl<B: Bits> Maker<'_, B> {
    /// The tiers that are written, at times the usual one with its order among them.
    pub(super) fn tiers(&mut self) -> Vec<Tier> {
        if !self.has(Feature::Tiers) {
            return Vec::new();
        }
        let mut tiers = Vec::new();
        for name in TIERS {
            if self.bits.chance(2, 3) {
                tiers.push(self.tier(name));
            }
        }
        if self.bits.chance(1, 4) {
            tiers.push(Tier {
                name: DEFAULT_TIER.to_owned(),
                order: Some(Order::from(1_000_000)),
                default_action: DefaultAction::Deny,
            });
        }
        tiers
    }

    fn tier(&mut self, name: &str) -> Tier {
        let actions = [DefaultAction::Deny, DefaultAction::Pass];
        Tier {
            name: name.to_owned(),
            order: match self.bits.chance(1, 6) {
                true => None,
                false => Order::new(self.bits.one(TIER_ORDERS)),
            },
            default_action: self.bits.one(actions),
        }
    }

    /// The policies: each of some tier, and at times a group of them.
    pub(super) fn policies_of_tiers(&mut self, tiers: &[Tier], site: &Site) -> Vec<Policy> {
        let most = self.dials.policies * 3;
        let count = self.up_to(most);
        let mut policies: Vec<Policy> = (0..count)
            .map(|number| self.modern_policy(number, tiers, site))
            .collect();
        if self.at_times(Feature::Groups, 1, 2) && self.dials.policies > 0 {
            policies.extend(self.group(tiers, site));
        }
        if policies.is_empty() && self.dials.policies > 0 && !self.bits.chance(1, 8) {
            let policy = self.modern_policy(0, tiers, site);
            policies.push(Policy {
                selector: Selector::all(),
                ..policy
            });
        }
        policies
    }

    /// Policies that follow each other and are about the same endpoints.
    fn group(&mut self, tiers: &[Tier], site: &Site) -> Vec<Policy> {
        let tier = self.tier_of_policy(tiers);
        let selector = self.policy_selector();
        let order = self.order();
        let types = self.types();
        let count = 2 + self.bits.below(2 * STRIDE);
        let members = (0..count).map(|number| {
            let rules = |maker: &mut Self, ingress| -> Vec<Rule> {
                let count = maker.bits.below(2);
                (0..count)
                    .map(|_| maker.modern_rule(site, ingress, true))
                    .collect()
            };
            Policy {
                tier: tier.clone(),
                order,
                types,
                staged: self.at_times(Feature::Staged, 1, 4),
                ingress: rules(self, true),
                egress: rules(self, false),
                // What comes between two of them would part the group.
                ..Policy::new(format!("group-{number:02}"), selector.clone())
            }
        });
        members.collect()
    }

    fn modern_policy(&mut self, number: usize, tiers: &[Tier], site: &Site) -> Policy {
        let namespaced = self.at_times(Feature::Namespaces, 1, 2);
        let stage = match namespaced {
            true => Stage::Normal,
            false => self.stage(),
        };
        let mut policy = Policy {
            namespace: match namespaced {
                true => Some(self.namespace()),
                false => None,
            },
            tier: self.tier_of_policy(tiers),
            order: self.order(),
            types: self.types(),
            stage,
            staged: self.at_times(Feature::Staged, 1, 4),
            ingress: self.modern_rules(site, true, true),
            egress: self.modern_rules(site, false, true),
            ..Policy::new(self.modern_name("policy", number), self.policy_selector())
        };
        if !namespaced && self.at_times(Feature::NamespaceSelectors, 1, 3) {
            policy.namespace_selector = Some(self.namespace_selector(false));
        }
        if self.at_times(Feature::ServiceAccounts, 1, 4) {
            policy.service_account_selector = Some(self.selector());
        }
        if stage == Stage::PreDnat {
            policy.egress.clear();
            let only_ingress = policy.types.map(|_| Types::Ingress);
            policy.types = only_ingress;
        }
        policy
    }

    fn stage(&mut self) -> Stage {
        let stages = [
            (6, Stage::Normal),
            (self.weight(Feature::Forward, 5), Stage::Forward),
            (self.weight(Feature::PreDnat, 4), Stage::PreDnat),
            (self.weight(Feature::Untracked, 4), Stage::Untracked),
        ];
        self.bits.weighted(&stages).unwrap_or_default()
    }

    fn weight(&self, feature: Feature, weight: usize) -> usize {
        if self.has(feature) { weight } else { 0 }
    }

    fn types(&mut self) -> Option<Types> {
        let some = self.at_times(Feature::Types, 2, 3);
        some.then(|| self.bits.one([Types::Ingress, Types::Egress, Types::Both]))
    }

    /// The usual tier, one that is written, or one that is there by itself.
    fn tier_of_policy(&mut self, tiers: &[Tier]) -> String {
        let name = match self.has(Feature::Tiers) {
            false => DEFAULT_TIER,
            true => match self.bits.below(8) {
                0..=2 => DEFAULT_TIER,
                3 => self.bits.one([KUBE_ADMIN_TIER, KUBE_BASELINE_TIER]),
                _ => self
                    .bits
                    .pick(tiers)
                    .map_or(DEFAULT_TIER, |tier| &tier.name),
            },
        };
        name.to_owned()
    }

    /// Which endpoints a policy is about.
    fn policy_selector(&mut self) -> Selector {
        match self.bits.chance(1, 3) {
            true => Selector::all(),
            false => self.modern_selector(),
        }
    }

    /// A selector that may ask for what v3 puts on every workload.
    pub(super) fn modern_selector(&mut self) -> Selector {
        let expression = match self.bits.below(16) {
            0 if self.has(Feature::Namespaces) => Expression::Compare {
                key: NAMESPACE.to_owned(),
                by: self.bits.one([Comparison::Equal, Comparison::NotEqual]),
                value: self.namespace(),
            },
            1 => Expression::Compare {
                key: ORCHESTRATOR.to_owned(),
                by: Comparison::Equal,
                value: "k8s".to_owned(),
            },
            _ => return self.selector(),
        };
        Selector::new(expression).unwrap_or_else(Selector::all)
    }

    /// A selector of namespaces: by their labels, by name, all, or, in a rule, none at all.
    pub(super) fn namespace_selector(&mut self, in_rule: bool) -> Selector {
        let expression = match self.bits.below(8) {
            0 | 1 => Expression::All,
            2 if in_rule => Expression::Global,
            3 | 4 => Expression::Compare {
                key: "kubernetes.io/metadata.name".to_owned(),
                by: Comparison::Equal,
                value: self.namespace(),
            },
            _ => return self.selector(),
        };
        Selector::new(expression).unwrap_or_else(Selector::all)
    }

    /// The rules of one direction: none, or a few.
    fn modern_rules(&mut self, site: &Site, ingress: bool, of_policy: bool) -> Vec<Rule> {
        let count = self.up_to(self.dials.rules);
        (0..count)
            .map(|_| self.modern_rule(site, ingress, of_policy))
            .collect()
    }

    /// Gives a profile its rules: that of a namespace or an account allows all or nothing by itself, as
    /// Kubernetes' do.
    pub(super) fn give_modern_rules(&mut self, profile: &mut Profile, site: &Site) {
        let of_account = profile.name.starts_with("ksa.");
        let of_namespace = profile.name.starts_with("kns.");
        for (rules, ingress) in [(&mut profile.ingress, true), (&mut profile.egress, false)] {
            *rules = match of_namespace || of_account {
                true if !self.bits.chance(1, 4) => Vec::new(),
                _ => self.modern_rules(site, ingress, false),
            };
            // A profile is what allows anything where no policy applies: most end so.
            if !of_account && self.bits.chance(2, 3) {
                rules.push(Rule::bare(Action::Allow));
            }
        }
    }
}
