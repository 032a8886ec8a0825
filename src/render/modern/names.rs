//! Names of policies' and groups' chains, and of sets (felix, rules/rule_defs.go, rules/policy.go and
//! ipsets/ipset_defs.go).

use crate::calico::world::{Policy, PolicyId, PolicyKind};
use crate::hash;
use crate::packet::Family;
pub use crate::render::names::*;

/// Forwarded, by a host endpoint's interface in.
pub const FROM_HOST_FORWARD: &str = "cali-from-hep-forward";
/// Forwarded, by a host endpoint's interface out.
pub const TO_HOST_FORWARD: &str = "cali-to-hep-forward";
/// Sources that workloads may have besides their own.
pub const RPF_SKIP: &str = "cali-rpf-skip";
/// What comes in wrapped in `WireGuard`.
pub const WIREGUARD_INCOMING: &str = "cali-wireguard-incoming-mark";
/// Services' addresses that nothing has translated.
pub const CIDR_BLOCK: &str = "cali-cidr-block";
/// What leaves the cluster with a DSCP.
pub const EGRESS_DSCP: &str = "cali-egress-dscp";
/// What IPVS will forward.
pub const FORWARD_CHECK: &str = "cali-forward-check";
/// Notes who sent what IPVS will forward.
pub const SET_ENDPOINT_MARK: &str = "cali-set-endpoint-mark";
/// What IPVS has forwarded.
pub const FORWARD_ENDPOINT_MARK: &str = "cali-forward-endpoint-mark";
/// The policies of who sent what IPVS has forwarded.
pub const FROM_ENDPOINT_MARK: &str = "cali-from-endpoint-mark";

/// Begins the name of the chain of what a host endpoint's interface lets in and the node forwards.
pub const FROM_HOST_FORWARD_ENDPOINT: &str = "cali-fhfw-";
/// Begins the name of the chain of what the node forwards out by a host endpoint's interface.
pub const TO_HOST_FORWARD_ENDPOINT: &str = "cali-thfw-";
/// Begins the name of the chain that notes an endpoint.
pub const SET_MARK: &str = "cali-sm-";

/// In the place of an interface's name, for the host endpoint of all others.
pub const ANY_INTERFACE: &str = "any-interface-at-all";

/// How long a group's id is in its chain's name: 28 less what stands before it.
const GROUP_ID_LENGTH: usize = 20;

/// The set of every node's addresses.
pub const ALL_HOSTS: &str = "all-hosts-net";
/// The set of the addresses of nodes that wrap traffic in VXLAN.
pub const ALL_VXLAN: &str = "all-vxlan-net";
/// The set of this node's own addresses.
pub const THIS_HOST: &str = "this-host";
/// The set of the pools that leave with the node's address.
pub const MASQUERADED_POOLS: &str = "masq-ipam-pools";
/// The set of the pools for workloads.
pub const POOLS: &str = "network-ip-pools";
/// The set of the endpoints whose traffic out of the cluster bears a DSCP.
pub const DSCP_SOURCES: &str = "dscp-src-net";
/// The set of the workloads that Istio serves without a sidecar.
pub const ISTIO_WORKLOADS: &str = "all-istio-weps";

/// A policy's kind as its chains' names and the logs have it.
#[must_use]
pub fn short_kind(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::GlobalNetworkPolicy => "gnp",
        PolicyKind::NetworkPolicy => "np",
        PolicyKind::StagedGlobalNetworkPolicy => "sgnp",
        PolicyKind::StagedNetworkPolicy => "snp",
        PolicyKind::KubernetesNetworkPolicy => "knp",
        PolicyKind::KubernetesClusterNetworkPolicy => "kcnp",
    }
}

/// A policy's name with its namespace, if it has one.
#[must_use]
pub fn namespaced_name(id: &PolicyId) -> String {
    match &id.namespace {
        None => id.name.clone(),
        Some(namespace) => format!("{namespace}/{}", id.name),
    }
}

/// What tells a policy from all others: `gnp/NAME`, `np/NAMESPACE/NAME` (since 3.32).
#[must_use]
pub fn policy_id(id: &PolicyId) -> String {
    format!("{}/{}", short_kind(id.kind), namespaced_name(id))
}

/// The word for a direction in groups' ids.
fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "inbound",
        Direction::Egress => "outbound",
    }
}

/// The chain of a group of policies of the same selector: its name is a hash of all that the group
/// asks, staged policies too.
#[must_use]
pub fn group_chain(direction: Direction, selector: &str, policies: &[&Policy]) -> String {
    let prefix = match direction {
        Direction::Ingress => "cali-gi-",
        Direction::Egress => "cali-go-",
    };
    let count = policies.len().to_string();
    let head = [selector, direction_word(direction), &count];
    let policies: Vec<String> = policies
        .iter()
        .map(|policy| described(&policy.id))
        .collect();
    let lines = head.into_iter().chain(policies.iter().map(String::as_str));
    let mut id = hash::group_id(lines);
    id.truncate(GROUP_ID_LENGTH);
    format!("{prefix}{id}")
}

/// A policy as Go prints what tells it from others.
fn described(id: &PolicyId) -> String {
    let namespace = id.namespace.as_deref().unwrap_or_default();
    let kind = id.kind.as_str();
    format!(
        "{{Name: {}, Namespace: {namespace}, Kind: {kind}}}",
        id.name
    )
}

/// A set's name in a family: since Calico 3.1 a zero stands behind `cali4` and `cali6`.
#[must_use]
pub fn set_name(family: Family, id: &str) -> String {
    let family = match family {
        Family::V4 => "cali4",
        Family::V6 => "cali6",
    };
    hash::set_name(family, '0', id)
}

/// What a comment may say: other characters become `_`, and what is longer than 256 is cut
/// (felix, iptables/rules.go, `escapeComment` and `truncateComment`).
#[must_use]
pub fn comment(text: &str) -> String {
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || "_ @%+=:,./-".contains(character);
    let letters = text.chars();
    let letters = letters.map(|one| if allowed(one) { one } else { '_' });
    letters.take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: PolicyKind, namespace: Option<&str>, name: &str) -> PolicyId {
        PolicyId {
            kind,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    #[test]
    fn policies_are_told_by_kind_namespace_and_name() {
        let global = PolicyId::global("a");
        assert_eq!(policy_id(&global), "gnp/a");
        let namespaced = id(PolicyKind::NetworkPolicy, Some("ns"), "a");
        assert_eq!(policy_id(&namespaced), "np/ns/a");
        let kubernetes = id(PolicyKind::KubernetesNetworkPolicy, Some("ns"), "a");
        assert_eq!(policy_id(&kubernetes), "knp/ns/a");
        assert_eq!(
            Direction::Ingress.policy_chain(&policy_id(&global)),
            "cali-pi-gnp/a"
        );
    }

    #[test]
    fn sets_since_3_1_have_a_zero() {
        let all = hash::set_id("s", "all()");
        let name = set_name(Family::V6, &all);
        assert!(name.starts_with("cali60s:") && name.len() == 31);
        assert_eq!(set_name(Family::V4, THIS_HOST), "cali40this-host");
        assert_eq!(set_name(Family::V4, DSCP_SOURCES), "cali40dscp-src-net");
    }

    #[test]
    fn comments_keep_letters_and_some_signs() {
        assert_eq!(comment("a \"b\" (c) ü é"), "a _b_ _c_ _ _");
        assert_eq!(comment("k=v @%+=:,./-_"), "k=v @%+=:,./-_");
        assert_eq!(comment(&"x".repeat(300)).len(), 256);
    }
}
