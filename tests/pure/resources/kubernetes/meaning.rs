//! Recipes that people use, from Kubernetes' YAML to the verdict on packets.

use calidiff::calico::era::check_seed;
use calidiff::calico::{World, resolve};
use calidiff::intent::{Connections, Era, Judge};
use calidiff::node;

use super::resources;

/// A node with three pods of two namespaces, and what lies beyond it.
const NODE: &str = "\
name: here
interfaces:
  - {name: cali551b05c3e54}
  - {name: cali2d7243dcff6}
  - {name: cali1c83d9c901e}
  - {name: eth0, addresses: [192.168.1.1/24]}
routes:
  - {destination: 10.65.0.1/32, to: {unicast: {interface: cali551b05c3e54}}}
  - {destination: 10.65.0.2/32, to: {unicast: {interface: cali2d7243dcff6}}}
  - {destination: 10.65.0.3/32, to: {unicast: {interface: cali1c83d9c901e}}}
  - {destination: 0.0.0.0/0, to: {unicast: {interface: eth0, via: 192.168.1.254}}}
";

fn pod(number: u8, namespace: &str, app: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: {app}, namespace: {namespace}, labels: {{app: {app}}}}}
spec: {{nodeName: here, containers: [{{name: {app}, ports: [{{name: http, containerPort: 80}}]}}]}}
status: {{podIP: 10.65.0.{number}}}
"
    )
}

/// The pods `web` and `db` in `shop` and `probe` in `ops`, their namespaces, and policies.
fn cluster(policies: &str) -> World {
    let pods = [
        pod(1, "shop", "web"),
        pod(2, "shop", "db"),
        pod(3, "ops", "probe"),
    ];
    let namespaces = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {kind: tenant}}
---
apiVersion: v1
kind: Namespace
metadata: {name: ops}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: shop}
";
    resolve(
        &resources(&format!("{namespaces}{}{policies}", pods.concat())),
        "here",
    )
}

/// A NetworkPolicy in `shop`.
fn policy(spec: &str) -> String {
    let head = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!("{head}metadata: {{name: p, namespace: shop}}\nspec:\n{spec}")
}

fn admin(kind: &str, name: &str, spec: &str) -> String {
    let head = "---\napiVersion: policy.networking.k8s.io/v1alpha1";
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!("{head}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{spec}")
}

const WEB_TO_DB: &str = "in=cali551b05c3e54 tcp 10.65.0.1:1000 > 10.65.0.2:5432";
const PROBE_TO_DB: &str = "in=cali1c83d9c901e tcp 10.65.0.3:1000 > 10.65.0.2:5432";
const PROBE_TO_WEB: &str = "in=cali1c83d9c901e tcp 10.65.0.3:1000 > 10.65.0.1:80";
const WEB_TO_FAR: &str = "in=cali551b05c3e54 tcp 10.65.0.1:1000 > 8.8.8.8:443";
const FAR_TO_WEB: &str = "in=eth0 tcp 8.8.8.8:1000 > 10.65.0.1:80";

/// What is said of each packet, before it.
fn judged(world: &World, packets: &[(&str, &str)]) {
    let node = node::text::read("node.yaml", NODE).expect("a node");
    let judge = Judge::new(world, &node, Era::Seed).expect("a world of the era");
    for (expected, line) in packets {
        let packet = line.parse().unwrap_or_else(|why| panic!("{line}: {why}"));
        let opinion = judge.judge(&packet, &Connections::new(&[]));
        let said = format!("{} {}", opinion.verdict, opinion.decision.clause);
        assert_eq!(said, *expected, "{line}");
    }
}

const BY_POLICY: &str = "allow I3.policy-allows";
const BY_PROFILE: &str = "allow I3.profile-allows";
const BY_NONE: &str = "deny I3.tier-default";

#[test]
fn without_policies_namespaces_allow_everything() {
    judged(
        &cluster(""),
        &[
            (BY_PROFILE, WEB_TO_DB),
            (BY_PROFILE, PROBE_TO_DB),
            (BY_PROFILE, FAR_TO_WEB),
        ],
    );
}

#[test]
fn default_deny_is_for_one_namespace_and_one_direction() {
    let ingress = cluster(&policy("podSelector: {}"));
    judged(
        &ingress,
        &[
            (BY_NONE, WEB_TO_DB),
            (BY_NONE, FAR_TO_WEB),
            (BY_PROFILE, WEB_TO_FAR),
            (
                BY_PROFILE,
                "in=cali551b05c3e54 tcp 10.65.0.1:1000 > 10.65.0.3:80",
            ),
        ],
    );
    let egress = cluster(&policy("policyTypes: [Egress]"));
    judged(
        &egress,
        &[
            (BY_NONE, WEB_TO_DB),
            (BY_NONE, WEB_TO_FAR),
            (BY_PROFILE, FAR_TO_WEB),
            (BY_PROFILE, PROBE_TO_DB),
        ],
    );
}

#[test]
fn pods_are_those_of_the_own_namespace_unless_another_is_said() {
    let own = cluster(&policy("ingress:\n- from: [{podSelector: {}}]"));
    judged(
        &own,
        &[
            (BY_POLICY, WEB_TO_DB),
            (BY_NONE, PROBE_TO_DB),
            (BY_NONE, FAR_TO_WEB),
        ],
    );
    let every = cluster(&policy("ingress:\n- from: [{namespaceSelector: {}}]"));
    judged(
        &every,
        &[
            (BY_POLICY, WEB_TO_DB),
            (BY_POLICY, PROBE_TO_DB),
            (BY_NONE, FAR_TO_WEB),
        ],
    );
    let both = cluster(&policy(
        "ingress:\n- from: [{podSelector: {matchLabels: {app: probe}}, namespaceSelector: {}}]",
    ));
    judged(&both, &[(BY_NONE, WEB_TO_DB), (BY_POLICY, PROBE_TO_DB)]);
    let none = cluster(&policy(
        "ingress:\n- from: [{podSelector: {matchLabels: {app: probe}}}]",
    ));
    judged(&none, &[(BY_NONE, WEB_TO_DB), (BY_NONE, PROBE_TO_DB)]);
}

#[test]
fn a_namespace_is_known_by_its_name_and_by_its_labels() {
    for labels in [
        "kubernetes.io/metadata.name: ops",
        "projectcalico.org/name: ops",
    ] {
        let peer = format!("{{namespaceSelector: {{matchLabels: {{{labels}}}}}}}");
        let world = cluster(&policy(&format!("ingress:\n- from: [{peer}]")));
        judged(&world, &[(BY_NONE, WEB_TO_DB), (BY_POLICY, PROBE_TO_DB)]);
    }
    let lacking = "{namespaceSelector: {matchExpressions: [{key: kind, operator: DoesNotExist}]}}";
    let world = cluster(&policy(&format!("ingress:\n- from: [{lacking}]")));
    judged(&world, &[(BY_NONE, WEB_TO_DB), (BY_POLICY, PROBE_TO_DB)]);
}

#[test]
fn an_exception_is_left_to_whoever_else_allows_it() {
    let world = cluster(&policy(
        "podSelector: {matchLabels: {app: web}}
ingress:
- from: [{ipBlock: {cidr: 8.0.0.0/8, except: [8.8.0.0/16]}}]
- from: [{ipBlock: {cidr: 8.8.4.4/32}}]
  ports: [{port: 80}]",
    ));
    judged(
        &world,
        &[
            (BY_NONE, FAR_TO_WEB),
            (BY_POLICY, "in=eth0 tcp 8.7.255.255:1 > 10.65.0.1:80"),
            (BY_POLICY, "in=eth0 udp 8.9.0.0:1 > 10.65.0.1:53"),
            (BY_POLICY, "in=eth0 tcp 8.8.4.4:1 > 10.65.0.1:80"),
            (BY_NONE, "in=eth0 tcp 8.8.4.4:1 > 10.65.0.1:81"),
            (BY_NONE, "in=eth0 udp 8.8.4.4:1 > 10.65.0.1:80"),
            (BY_PROFILE, "in=eth0 tcp 8.8.8.8:1 > 10.65.0.2:80"),
        ],
    );
}

#[test]
fn ports_are_of_their_protocol_and_ranges_have_both_ends() {
    let world = cluster(&policy(
        "ingress:
- ports: [{port: 80, endPort: 90}, {protocol: UDP, port: 53}]",
    ));
    for (expected, end) in [
        (BY_NONE, "tcp 8.8.8.8:1 > 10.65.0.1:79"),
        (BY_POLICY, "tcp 8.8.8.8:1 > 10.65.0.1:80"),
        (BY_POLICY, "tcp 8.8.8.8:1 > 10.65.0.1:90"),
        (BY_NONE, "tcp 8.8.8.8:1 > 10.65.0.1:91"),
        (BY_NONE, "tcp 8.8.8.8:1 > 10.65.0.1:53"),
        (BY_POLICY, "udp 8.8.8.8:1 > 10.65.0.1:53"),
        (BY_NONE, "icmp 8.8.8.8 > 10.65.0.1"),
    ] {
        judged(&world, &[(expected, &format!("in=eth0 {end}"))]);
    }
}

#[test]
fn egress_alone_leaves_what_comes_in_to_the_namespace() {
    let world = cluster(&policy(
        "podSelector: {matchLabels: {app: web}}
policyTypes: [Egress]
egress:
- to: [{podSelector: {matchLabels: {app: db}}}]
  ports: [{port: 5432}]",
    ));
    judged(
        &world,
        &[
            // The database's namespace has the last word.
            (BY_PROFILE, WEB_TO_DB),
            (
                BY_NONE,
                "in=cali551b05c3e54 tcp 10.65.0.1:1000 > 10.65.0.2:5433",
            ),
            (BY_NONE, WEB_TO_FAR),
            (BY_PROFILE, FAR_TO_WEB),
            (BY_PROFILE, PROBE_TO_WEB),
        ],
    );
}

#[test]
fn administrators_come_before_namespaces_and_their_baseline_behind() {
    let rules = "\
ingress:
- action: Pass
  from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}]
- action: Deny
  from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: ops}}}]
  ports: [{portNumber: {port: 5432}}]";
    let spec =
        format!("priority: 5\nsubject: {{namespaces: {{matchLabels: {{kind: tenant}}}}}}\n{rules}");
    let admins = admin("AdminNetworkPolicy", "a", &spec);
    let baseline = admin(
        "BaselineAdminNetworkPolicy",
        "default",
        "subject: {namespaces: {}}\ningress: [{action: Deny, from: [{namespaces: {}}]}]",
    );
    let by_admin = "deny I3.policy-denies";
    let others = [
        // What nobody decides goes on: here to the namespace.
        (BY_PROFILE, FAR_TO_WEB),
        (by_admin, PROBE_TO_DB),
    ];
    judged(&cluster(&admins), &others);
    judged(
        &cluster(&admins),
        &[(BY_PROFILE, WEB_TO_DB), (BY_PROFILE, PROBE_TO_WEB)],
    );
    let with_baseline = cluster(&format!("{admins}{baseline}"));
    judged(&with_baseline, &others);
    judged(
        &with_baseline,
        &[(by_admin, WEB_TO_DB), (by_admin, PROBE_TO_WEB)],
    );
    let allowing = policy("ingress: [{from: [{namespaceSelector: {}}]}]");
    let all = cluster(&format!("{admins}{baseline}{allowing}"));
    judged(
        &all,
        &[
            (BY_POLICY, WEB_TO_DB),
            (BY_POLICY, PROBE_TO_WEB),
            (by_admin, PROBE_TO_DB),
            (BY_NONE, FAR_TO_WEB),
        ],
    );
}

#[test]
fn the_lower_priority_is_asked_first() {
    let of = |name: &str, priority: u16, action: &str| {
        let rule = format!("ingress: [{{action: {action}, from: [{{namespaces: {{}}}}]}}]");
        let spec = format!("priority: {priority}\nsubject: {{namespaces: {{}}}}\n{rule}");
        admin("AdminNetworkPolicy", name, &spec)
    };
    let both = format!("{}{}", of("a", 9, "Deny"), of("b", 8, "Allow"));
    judged(&cluster(&both), &[(BY_POLICY, WEB_TO_DB)]);
    let both = format!("{}{}", of("a", 8, "Deny"), of("b", 9, "Allow"));
    judged(&cluster(&both), &[("deny I3.policy-denies", WEB_TO_DB)]);
}

#[test]
fn the_seeds_era_has_no_such_policies() {
    let refused = |policies: &str| {
        let refused = check_seed(&cluster(policies)).expect_err("not of the seed's era");
        refused.to_string()
    };
    assert_eq!(
        refused(&policy("podSelector: {}")),
        "the policy `shop/knp.default.p` has a namespace, which Calico 2.1 does not know; expected a \
         policy without one"
    );
    let spec = "priority: 5\nsubject: {namespaces: {}}";
    assert_eq!(
        refused(&admin("AdminNetworkPolicy", "a", spec)),
        "the tier `adminnetworkpolicy` has policies of its own, which Calico 2.1 does not know; \
         expected all in the tier `default`"
    );
    let named = cluster(&policy("ingress: [{ports: [{port: http}]}]"));
    let node = node::text::read("node.yaml", NODE).expect("a node");
    let Err(why) = Judge::new(&named, &node, Era::Seed) else {
        panic!("the seed's era names no ports");
    };
    assert_eq!(
        why.to_string(),
        "the seed era has no named ports: the policy `shop/knp.default.p` has one"
    );
}
