//! Kubernetes' resources: what Calico makes of them, what is refused, and what comes of it for packets.

mod agreement;
mod meaning;
mod mistakes;

use std::fmt::Write as _;

use calidiff::calico::world::DefaultAction;
use calidiff::calico::{Resources, read, resolve, write};

/// A resource a document, each with a line that says what it shows.
pub const POLICIES: &str = include_str!("policies.yaml");

fn resources(text: &str) -> Resources {
    read::read("here.yaml", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn kubernetes_resources_become_calicos() {
    let mut page = String::new();
    let mut policies = 0;
    for document in POLICIES.split("---\n") {
        let resources = resources(document);
        policies += resources.policies.len();
        let written = write::write(&resources).expect("YAML");
        writeln!(page, "{document}    becomes\n{written}").expect("room for text");
    }
    super::assert_page("kubernetes", &page);
    assert!(policies >= 20, "only {policies} policies");
}

#[test]
fn what_they_become_is_read_as_it_is_written() {
    let all = resources(POLICIES);
    let written = write::write(&all).expect("YAML");
    assert_eq!(resources(&written), all);
}

#[test]
fn lists_and_resources_of_calicos_may_stand_beside_them() {
    let list = "\
apiVersion: v1
kind: List
metadata: {resourceVersion: ''}
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: a}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: p, namespace: a}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: p, namespace: a}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicyList
items:
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: p, namespace: b}
";
    let resources = resources(list);
    let policies = resources.policies.iter();
    let names: Vec<String> = policies
        .map(|policy| {
            format!(
                "{}/{}",
                policy.namespace.as_deref().unwrap_or("?"),
                policy.name
            )
        })
        .collect();
    assert_eq!(names, ["a/knp.default.p", "a/p", "b/knp.default.p"]);
    assert_eq!(resources.profiles[0].name, "kns.a");
}

#[test]
fn admin_policies_are_asked_before_and_behind_those_of_namespaces() {
    let world = resolve(&resources(POLICIES), "here");
    let tiers: Vec<(&str, Vec<&str>)> = world
        .tiers
        .iter()
        .map(|tier| {
            let policies = tier.policies.iter().take(3);
            (
                tier.name.as_str(),
                policies.map(|one| one.name.as_str()).collect(),
            )
        })
        .collect();
    assert_eq!(
        tiers,
        [
            (
                "adminnetworkpolicy",
                vec![
                    "kanp.adminnetworkpolicy.nothing-yet",
                    "kanp.adminnetworkpolicy.cluster-rules",
                    "kanp.adminnetworkpolicy.nodes-and-names",
                ]
            ),
            ("kube-admin", vec!["kcnp.kube-admin.cluster-rules"]),
            (
                "default",
                vec![
                    "shop/knp.default.allow-all-egress",
                    "shop/knp.default.allow-all-ingress",
                    "default/knp.default.default-deny-all",
                ]
            ),
            (
                "baselineadminnetworkpolicy",
                vec!["kbanp.baselineadminnetworkpolicy.default"]
            ),
            ("kube-baseline", vec!["kcnp.kube-baseline.shut"]),
        ]
    );
    for tier in &world.tiers {
        let decides = tier.name == "default";
        let action = if decides {
            DefaultAction::Deny
        } else {
            DefaultAction::Pass
        };
        assert_eq!(tier.default_action, action, "{}", tier.name);
    }
}
