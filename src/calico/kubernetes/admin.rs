//! `policy.networking.k8s.io`: AdminNetworkPolicy and BaselineAdminNetworkPolicy of `v1alpha1`
//! (conversion.go, `K8sAdminNetworkPolicyToCalico` and `K8sBaselineAdminNetworkPolicyToCalico`, Calico
//! 3.30), and ClusterNetworkPolicy of `v1alpha2`, which took the place of both.
//!
//! Calico 3.29 brought the first kind and 3.30 the second, with tiers of the kinds' names. By August 2026
//! (3.32) the tiers that are there are called `kube-admin` and `kube-baseline`, and chains are named
//! `kcnp/NAME` after the third kind. Each kind is kept in the tiers that came with it. Not sure is whether
//! 3.32 reads the kinds of `v1alpha1` at all, and if so, into which of the tiers; nor what stands before
//! the name of a ClusterNetworkPolicy in the resource that it becomes: it is taken to follow the others.

use ipnet::IpNet;

use super::labels::LabelSelector;
use super::rule::{self, Direction, PolicyPort};
use crate::calico::Selector;
use crate::calico::resources::policy::{
    ADMIN_TIER, BASELINE_ADMIN_TIER, KUBE_ADMIN_TIER, KUBE_BASELINE_TIER,
};
use crate::calico::resources::{Entity, Order, Policy, Rule, Types};
use crate::calico::rule::Action;
use crate::packet::Family;

/// Where the one baseline policy stands in its tier: it is alone there, so nobody can tell.
const BASELINE_ORDER: u16 = 1000;

/// A policy of the cluster's administrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPolicy {
    /// Its name.
    pub name: String,
    /// Before or behind the policies of namespaces.
    pub level: Level,
    /// Which pods it is about.
    pub subject: Subject,
    /// Its rules for what they receive.
    pub ingress: Vec<AdminRule>,
    /// Its rules for what they send.
    pub egress: Vec<AdminRule>,
}

/// Before or behind the policies of namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Before them: AdminNetworkPolicy.
    Admin {
        /// Lower is asked first, 0 to 1000.
        priority: u16,
    },
    /// Behind them: BaselineAdminNetworkPolicy.
    Baseline,
    /// Before them: ClusterNetworkPolicy of the tier `Admin`.
    ClusterAdmin {
        /// Lower is asked first, 0 to 1000.
        priority: u16,
    },
    /// Behind them: ClusterNetworkPolicy of the tier `Baseline`.
    ClusterBaseline {
        /// Lower is asked first, 0 to 1000.
        priority: u16,
    },
}

impl Level {
    /// The tier.
    #[must_use]
    pub fn tier(self) -> &'static str {
        match self {
            Self::Admin { .. } => ADMIN_TIER,
            Self::Baseline => BASELINE_ADMIN_TIER,
            Self::ClusterAdmin { .. } => KUBE_ADMIN_TIER,
            Self::ClusterBaseline { .. } => KUBE_BASELINE_TIER,
        }
    }

    /// What stands before the policy's own name (libcalico-go, lib/names).
    #[must_use]
    pub fn name_prefix(self) -> &'static str {
        match self {
            Self::Admin { .. } => "kanp.adminnetworkpolicy.",
            Self::Baseline => "kbanp.baselineadminnetworkpolicy.",
            Self::ClusterAdmin { .. } => "kcnp.kube-admin.",
            Self::ClusterBaseline { .. } => "kcnp.kube-baseline.",
        }
    }

    fn order(self) -> Order {
        Order::from(i32::from(match self {
            Self::Admin { priority }
            | Self::ClusterAdmin { priority }
            | Self::ClusterBaseline { priority } => priority,
            Self::Baseline => BASELINE_ORDER,
        }))
    }
}

/// Pods of namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// In which namespaces.
    pub namespaces: LabelSelector,
    /// Which of them; absent: all.
    pub pods: Option<LabelSelector>,
}

impl Subject {
    /// Selectors of pods and of namespaces. Without labels of pods, too, it means pods alone: no host
    /// endpoint.
    fn selectors(&self) -> (Selector, Selector) {
        let pods = LabelSelector::of_pods(self.pods.as_ref());
        (pods, self.namespaces.of_namespaces())
    }
}

/// What becomes of traffic with any of the peers, by any of the ports; no ports are all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRule {
    /// What becomes of it.
    pub action: Action,
    /// With whom, one at least.
    pub peers: Vec<AdminPeer>,
    /// By which ports.
    pub ports: Vec<PolicyPort>,
}

/// With whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminPeer {
    /// Pods.
    Pods(Subject),
    /// Addresses in any of these prefixes (egress alone).
    Networks(Vec<IpNet>),
    /// Somebody for whom Calico has no words: `nodes`, `domainNames` (egress alone).
    Unsupported,
}

impl AdminPolicy {
    /// What Calico makes of it. It governs the directions for which it has rules.
    #[must_use]
    pub fn to_calico(&self) -> Policy {
        let (pods, namespaces) = self.subject.selectors();
        let [ingress, egress] = [
            (Direction::Ingress, &self.ingress),
            (Direction::Egress, &self.egress),
        ]
        .map(|(direction, rules)| {
            let rules = rules.iter();
            let rules: Vec<Rule> = rules.flat_map(|rule| rule.to_calico(direction)).collect();
            rules
        });
        Policy {
            namespace_selector: Some(namespaces),
            tier: self.level.tier().to_owned(),
            order: Some(self.level.order()),
            types: match (ingress.is_empty(), egress.is_empty()) {
                (true, true) => None,
                (false, true) => Some(Types::Ingress),
                (true, false) => Some(Types::Egress),
                (false, false) => Some(Types::Both),
            },
            ingress,
            egress,
            ..Policy::new(format!("{}{}", self.level.name_prefix(), self.name), pods)
        }
    }
}

impl AdminRule {
    /// The rules that it becomes. One with a peer that Calico can't say fails closed, as the API demands
    /// (network-policy-api, apis/v1alpha1/shared_types.go): what it would deny is then everything, what
    /// it would allow or pass is nothing.
    fn to_calico(&self, direction: Direction) -> Vec<Rule> {
        if self.peers.contains(&AdminPeer::Unsupported) {
            return match self.action {
                Action::Deny => vec![Rule::bare(Action::Deny)],
                Action::Allow | Action::Pass | Action::Log => Vec::new(),
            };
        }
        let peers: Vec<Entity> = self.peers.iter().flat_map(AdminPeer::entities).collect();
        rule::rules(self.action, direction, &peers, &self.ports)
    }
}

impl AdminPeer {
    /// One end of a rule. Calico puts prefixes of both families into one rule, from which each family's
    /// chains take their own (Felix, rules/policy.go, `FilterRuleToIPVersion`); its API refuses such a
    /// rule from people. Here each family has a rule, which comes to the same chains.
    fn entities(&self) -> Vec<Entity> {
        match self {
            Self::Pods(subject) => {
                let (pods, namespaces) = subject.selectors();
                vec![Entity {
                    selector: Some(pods),
                    namespace_selector: Some(namespaces),
                    ..Entity::default()
                }]
            }
            Self::Networks(nets) => [Family::V4, Family::V6]
                .map(|family| {
                    let own = nets.iter().filter(|net| Family::of(net.addr()) == family);
                    own.copied().collect::<Vec<IpNet>>()
                })
                .into_iter()
                .filter(|nets| !nets.is_empty())
                .map(|nets| Entity {
                    nets,
                    ..Entity::default()
                })
                .collect(),
            Self::Unsupported => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everywhere() -> Subject {
        Subject {
            namespaces: LabelSelector::default(),
            pods: None,
        }
    }

    fn policy(action: Action, peers: Vec<AdminPeer>) -> Policy {
        AdminPolicy {
            name: "a".to_owned(),
            level: Level::Admin { priority: 7 },
            subject: everywhere(),
            ingress: Vec::new(),
            egress: vec![AdminRule {
                action,
                peers,
                ports: Vec::new(),
            }],
        }
        .to_calico()
    }

    #[test]
    fn a_rule_that_calico_can_t_say_fails_closed() {
        let peers = || vec![AdminPeer::Pods(everywhere()), AdminPeer::Unsupported];
        let denying = policy(Action::Deny, peers());
        assert_eq!(denying.egress, [Rule::bare(Action::Deny)]);
        assert_eq!(denying.types, Some(Types::Egress));
        for action in [Action::Allow, Action::Pass] {
            assert_eq!(policy(action, peers()).egress, []);
        }
    }

    #[test]
    fn networks_of_both_families_are_two_rules() {
        let nets = ["fd00::/8", "10.0.0.0/8", "11.0.0.0/8"]
            .map(|net| net.parse::<IpNet>().expect("a prefix"));
        let policy = policy(Action::Allow, vec![AdminPeer::Networks(nets.to_vec())]);
        let [v4, v6] = policy.egress.as_slice() else {
            panic!("{:?}", policy.egress);
        };
        assert_eq!(v4.destination.nets, nets[1..]);
        assert_eq!(v6.destination.nets, nets[..1]);
    }
}
