//! `networking.k8s.io/v1` NetworkPolicy (conversion.go, `K8sNetworkPolicyToCalico`).

use ipnet::IpNet;

use super::labels::LabelSelector;
use super::rule::{self, Direction, PolicyPort};
use crate::calico::resources::policy::DEFAULT_TIER;
use crate::calico::resources::{Entity, Order, Policy, Rule, Types};
use crate::calico::rule::Action;
use crate::calico::world::Stage;

/// What stands before the policy's own name (libcalico-go, lib/names, `K8sNetworkPolicyNamePrefix`).
///
/// Calico 3.32 tells policies by their kinds, `knp/NAMESPACE/NAME` in chains' names; whether the
/// resource itself still bears the prefix there is not sure. No policy of Calico's own may begin so, in
/// either version, so one can be told from the other.
pub const NAME_PREFIX: &str = "knp.default.";

/// Where all of them stand in the tier `default`.
const ORDER: i32 = 1000;

/// A policy of Kubernetes'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The pods of its namespace that it is about.
    pub pods: LabelSelector,
    /// The directions that it isolates them in; absent: see [`NetworkPolicy::types`].
    pub types: Option<Types>,
    /// What they may receive.
    pub ingress: Vec<PolicyRule>,
    /// What they may send.
    pub egress: Vec<PolicyRule>,
}

/// What is allowed: from or to any of the peers, by any of the ports; none of either is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyRule {
    /// With whom.
    pub peers: Vec<Peer>,
    /// By which ports.
    pub ports: Vec<PolicyPort>,
}

/// With whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Pods.
    Pods {
        /// In which namespaces; absent: in the policy's own.
        namespaces: Option<LabelSelector>,
        /// Which of them; absent: all.
        pods: Option<LabelSelector>,
    },
    /// Addresses.
    Block {
        /// In this prefix.
        net: IpNet,
        /// And in none of these.
        except: Vec<IpNet>,
    },
}

impl NetworkPolicy {
    /// The directions: as it says; else ingress, and egress as well where it has rules for that. The API
    /// server fills this in (kubernetes, pkg/apis/networking/v1/defaults.go,
    /// `SetDefaults_NetworkPolicy`), so Calico never sees it absent.
    #[must_use]
    pub fn types(&self) -> Types {
        match self.types {
            Some(types) => types,
            None if self.egress.is_empty() => Types::Ingress,
            None => Types::Both,
        }
    }

    /// What Calico makes of it. Rules for a direction that it does not govern are kept, and mean
    /// nothing.
    #[must_use]
    pub fn to_calico(&self) -> Policy {
        let pods = LabelSelector::of_pods(Some(&self.pods));
        Policy {
            namespace: Some(self.namespace.clone()),
            tier: DEFAULT_TIER.to_owned(),
            order: Some(Order::from(ORDER)),
            types: Some(self.types()),
            stage: Stage::Normal,
            ingress: rules(Direction::Ingress, &self.ingress),
            egress: rules(Direction::Egress, &self.egress),
            ..Policy::new(format!("{NAME_PREFIX}{}", self.name), pods)
        }
    }
}

fn rules(direction: Direction, rules: &[PolicyRule]) -> Vec<Rule> {
    let of_one = |rule: &PolicyRule| {
        let peers: Vec<Entity> = rule.peers.iter().map(Peer::entity).collect();
        rule::rules(Action::Allow, direction, &peers, &rule.ports)
    };
    rules.iter().flat_map(of_one).collect()
}

impl Peer {
    /// conversion.go, `k8sPeerToCalicoFields`
    fn entity(&self) -> Entity {
        match self {
            Self::Pods { namespaces, pods } => Entity {
                selector: Some(LabelSelector::of_pods(pods.as_ref())),
                namespace_selector: namespaces.as_ref().map(LabelSelector::of_namespaces),
                ..Entity::default()
            },
            Self::Block { net, except } => Entity {
                nets: vec![*net],
                not_nets: except.clone(),
                ..Entity::default()
            },
        }
    }
}
