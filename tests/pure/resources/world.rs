//! What resources come to on a node.

use std::net::IpAddr;

use calidiff::calico::configuration::EndpointToHost;
use calidiff::calico::rule::{PortNumbers, Ports};
use calidiff::calico::world::{Applied, DefaultAction, PeersBy, Stage};
use calidiff::calico::{Resources, World, read, resolve};
use calidiff::hash;
use ipnet::IpNet;

pub const SEED: &str = include_str!("../../../src/calico/fixtures/seed.yaml");
pub const SEED_V3: &str = include_str!("../../../src/calico/fixtures/seed-v3.yaml");

fn resources(text: &str) -> Resources {
    read::read("here.yaml", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The world of the node `here`.
fn world(text: &str) -> World {
    resolve(&resources(text), "here")
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts
        .iter()
        .map(|text| text.parse().expect("a prefix"))
        .collect()
}

/// The names of the policies that apply to the first workload, or else to the first host endpoint.
fn applied(world: &World) -> Vec<&str> {
    let workload = world.workloads.first().map(|one| &one.policies);
    let host = world.hosts.first().map(|one| &one.policies);
    let policies = workload.or(host).expect("an endpoint");
    let name = |one: &Applied| world.tiers[one.tier].policies[one.policy].name.as_str();
    policies.iter().map(name).collect()
}

/// The members of the only group.
fn members(world: &World) -> &[IpNet] {
    assert_eq!(world.peers.len(), 1, "{:?}", world.peers);
    &world.peers[0].members
}

#[test]
fn the_seed_s_nodes_have_the_seed_s_endpoints_and_policies() {
    let resources = resources(SEED);
    let slave1 = resolve(&resources, "slave1");
    let slave2 = resolve(&resources, "slave2");
    let interfaces = |world: &World| -> Vec<String> {
        let workloads = world.workloads.iter();
        workloads.map(|one| one.interface.to_string()).collect()
    };
    assert_eq!(interfaces(&slave1), ["cali0ef24b1", "cali0ef24b2"]);
    assert_eq!(interfaces(&slave2), ["cali0ef24b3"]);
    for world in [&slave1, &slave2] {
        assert_eq!(world.tiers.len(), 1);
        let policy = &world.tiers[0].policies[0];
        assert_eq!(policy.name, "namespace-default");
        assert!(policy.governs_ingress && policy.governs_egress);
        assert_eq!((policy.ingress.len(), policy.egress.len()), (2, 1));
        for workload in &world.workloads {
            assert_eq!(workload.policies, [Applied { tier: 0, policy: 0 }]);
        }
        assert_eq!(world.configuration.endpoint_to_host, EndpointToHost::Return);
        assert_eq!(world.configuration.metadata_address, "None");
        assert_eq!(world.nodes.len(), 4);
        assert!(!world.pools[0].nat_outgoing);
        calidiff::calico::era::check_seed(world).expect("the seed's own world");
    }
    assert_eq!(slave1.peers, slave2.peers);
    assert_eq!(slave1.workloads[0].profiles, [""; 0]);
    assert_eq!(slave2.workloads[0].profiles, ["profile-database"]);
    let rule = &slave2.profiles["profile-database"].ingress[1];
    assert_eq!(
        rule.destination.ports,
        [Ports::Numbers(PortNumbers::one(3306))]
    );
}

#[test]
fn the_seed_s_selectors_name_its_sets_and_mean_its_workloads() {
    let world = resolve(&resources(SEED), "slave1");
    let named: Vec<(String, &[IpNet])> = world
        .peers
        .iter()
        .map(|peers| {
            let PeersBy::Selector(selector) = &peers.by else {
                panic!("the seed has no tags");
            };
            let id = hash::set_id("s", selector);
            (hash::set_name("cali4", '-', &id), &peers.members[..])
        })
        .collect();
    let frontends = nets(&[
        "172.16.1.1/32",
        "172.16.1.2/32",
        "fd00:172:16:1::1/128",
        "fd00:172:16:1::2/128",
    ]);
    let everyone = nets(&[
        "172.16.1.1/32",
        "172.16.1.2/32",
        "172.16.1.3/32",
        "fd00:172:16:1::1/128",
        "fd00:172:16:1::2/128",
        "fd00:172:16:1::3/128",
    ]);
    let expected = [
        ("cali4-s:i357Nlxxj3AMBTQ4WyOllNt", frontends),
        ("cali4-s:CEmFgJFwDvohR01JKvOkO8D", everyone),
    ];
    assert_eq!(named.len(), expected.len());
    for ((name, members), (expected, addresses)) in named.iter().zip(&expected) {
        assert_eq!(name, expected);
        assert_eq!(*members, &addresses[..]);
    }
}

#[test]
fn both_versions_of_the_seed_make_the_same_world() {
    for node in ["slave1", "slave2"] {
        let v1 = resolve(&resources(SEED), node);
        let mut v3 = resolve(&resources(SEED_V3), node);
        assert!(v3.profiles.remove("projectcalico-default-allow").is_some());
        for workload in &mut v3.workloads {
            workload.name = workload.name.replace("cni/default/", "cni/");
        }
        // One of them says Felix's own mask of the era, which is another now.
        v3.configuration.modern = v1.configuration.modern.clone();
        for one in &mut v3.selectable {
            one.labels
                .retain(|key, _| !key.starts_with("projectcalico.org/"));
        }
        assert_eq!(v3, v1);
    }
}

/// A policy of API v1 that selects everything.
fn policy_v1(name: &str, spec: &str) -> String {
    format!("apiVersion: v1\nkind: policy\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n---\n")
}

fn workload_v1(name: &str, metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: workloadEndpoint\nmetadata: {{name: eth0, workload: {name}, \
         orchestrator: cni, node: here, {metadata}}}\nspec: {{interfaceName: cali{name}, {spec}}}\n---\n"
    )
}

fn resource_v3(kind: &str, metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {{{spec}}}\n---\n"
    )
}

fn workload_v3(namespace: &str, name: &str, address: &str, labels: &str) -> String {
    let metadata = format!("namespace: {namespace}, labels: {{{labels}}}");
    let spec = format!(
        "node: here, orchestrator: k8s, pod: {name}, endpoint: eth0, interfaceName: cali{name}, \
         ipNetworks: [{address}], serviceAccountName: account-{name}"
    );
    resource_v3("WorkloadEndpoint", &metadata, &spec)
}

#[test]
fn policies_go_by_order_then_by_name_and_without_order_last() {
    let text = [
        workload_v1("w", "", ""),
        policy_v1("none-b", ""),
        policy_v1("none-a", ""),
        policy_v1("ten", "order: 10"),
        policy_v1("nine", "order: 9.5"),
        policy_v1("minus", "order: -1"),
        policy_v1("a-b", "order: 10"),
        policy_v1("a", "order: 10"),
    ];
    let world = world(&text.concat());
    let expected = ["minus", "nine", "a", "a-b", "ten", "none-a", "none-b"];
    assert_eq!(applied(&world), expected);
}

#[test]
fn in_v3_the_kind_and_namespace_are_part_of_what_breaks_a_tie() {
    let named = |name: &str| resource_v3("GlobalNetworkPolicy", &format!("name: {name}"), "");
    let namespaced = |namespace: &str| {
        let metadata = format!("name: a, namespace: {namespace}");
        resource_v3("NetworkPolicy", &metadata, "")
    };
    let text = [
        workload_v3("n", "w", "10.0.0.1", ""),
        named("a"),
        named("a-b"),
        namespaced("n"),
        namespaced("m"),
    ];
    let world = world(&text.concat());
    let names: Vec<&str> = world.tiers[0]
        .policies
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["a-b", "a", "m/a", "n/a"]);
    assert_eq!(applied(&world), ["a-b", "a", "n/a"]);
}

#[test]
fn tiers_go_by_order_and_the_default_tier_has_one() {
    let tier = |name: &str, spec: &str| resource_v3("Tier", &format!("name: {name}"), spec);
    let policy = |name: &str, tier: &str| {
        resource_v3(
            "GlobalNetworkPolicy",
            &format!("name: {name}"),
            &format!("tier: {tier}"),
        )
    };
    let text = [
        tier("last", "defaultAction: Pass"),
        tier("first", "order: 5"),
        policy("p", "last"),
        policy("q", "kube-admin"),
        policy("r", "first"),
    ];
    let world = world(&text.concat());
    let tiers: Vec<(&str, DefaultAction)> = world
        .tiers
        .iter()
        .map(|tier| (tier.name.as_str(), tier.default_action))
        .collect();
    let expected = [
        ("first", DefaultAction::Deny),
        ("kube-admin", DefaultAction::Pass),
        ("default", DefaultAction::Deny),
        ("last", DefaultAction::Pass),
    ];
    assert_eq!(tiers, expected);
}

#[test]
fn what_a_policy_governs_follows_from_its_rules_in_v3_only() {
    let v1 = |spec: &str| policy_v1("p", spec);
    let v3 = |spec: &str| resource_v3("GlobalNetworkPolicy", "name: p", spec);
    let ingress = "ingress: [{action: Allow}]";
    let egress = "egress: [{action: Allow}]";
    for (text, governs) in [
        (v1("ingress: [{action: allow}]"), [true, true]),
        (v1(""), [true, true]),
        (v3(""), [true, false]),
        (v3(ingress), [true, false]),
        (v3(egress), [false, true]),
        (v3(&format!("{ingress}, {egress}")), [true, true]),
        (v3(&format!("{ingress}, types: [Egress]")), [false, true]),
        (v3("types: [Egress, Ingress]"), [true, true]),
    ] {
        let world = world(&text);
        let policy = &world.tiers[0].policies[0];
        assert_eq!(
            [policy.governs_ingress, policy.governs_egress],
            governs,
            "{text}"
        );
    }
}

#[test]
fn endpoints_have_the_labels_and_tags_of_their_profiles_and_their_own_first() {
    let profile = |name: &str, metadata: &str| {
        format!("apiVersion: v1\nkind: profile\nmetadata: {{name: {name}, {metadata}}}\n---\n")
    };
    let base = [
        profile("one", "labels: {a: one, b: one}, tags: [t, a]"),
        profile("two", "labels: {b: two, c: two, t: labelled}"),
        workload_v1(
            "w",
            "labels: {a: own}",
            "profiles: [one, two, missing], ipNetworks: [10.0.0.1/32]",
        ),
        workload_v1("v", "", "ipNetworks: [10.0.0.2/32]"),
    ]
    .concat();
    for (selector, selected) in [
        ("a == 'own'", true),
        ("a == 'one'", false),
        ("b == 'one'", true),
        ("c == 'two'", true),
        ("t == ''", true),
        ("t == 'labelled'", false),
        ("has(d)", false),
    ] {
        let rule = format!("ingress: [{{action: allow, source: {{selector: \"{selector}\"}}}}]");
        let world = world(&(base.clone() + &policy_v1("p", &rule)));
        let expected = if selected {
            nets(&["10.0.0.1/32"])
        } else {
            Vec::new()
        };
        assert_eq!(members(&world), expected, "{selector}");
    }
    let tagged =
        world(&(base + &policy_v1("p", "egress: [{action: allow, destination: {notTag: t}}]")));
    assert_eq!(members(&tagged), nets(&["10.0.0.1/32"]));
    assert_eq!(tagged.peers[0].by, PeersBy::Tag("t".to_owned()));
    let side = &tagged.tiers[0].policies[0].egress[0].destination;
    assert_eq!((side.peers.len(), side.not_peers.len()), (0, 1));
}

#[test]
fn selectors_stand_for_workloads_of_all_nodes_hosts_and_sets() {
    let text = [
        workload_v1("w", "labels: {a: x}", "ipNetworks: [10.0.0.1/32]"),
        workload_v1(
            "v",
            "labels: {a: x}",
            "ipNetworks: [10.0.0.2/32, fd00::2/128]",
        )
        .replace("node: here", "node: there"),
        "apiVersion: v1\nkind: hostEndpoint\nmetadata: {name: h, node: here, labels: {a: x}}\n\
         spec: {interfaceName: eth0, expectedIPs: [10.0.0.1, 10.0.0.3]}\n---\n"
            .to_owned(),
        policy_v1(
            "p",
            "ingress: [{action: allow, source: {selector: has(a)}}]",
        ),
    ];
    let v1 = world(&text.concat());
    let expected = nets(&["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32", "fd00::2/128"]);
    assert_eq!(members(&v1), expected);
    assert_eq!((v1.workloads.len(), v1.hosts.len()), (1, 1));

    let set = "nets: [10.1.0.0/16, 10.1.2.3]";
    let rule = "ingress: [{action: Allow, source: {selector: has(a)}}]";
    let text = [
        resource_v3("GlobalNetworkSet", "name: s, labels: {a: x}", set),
        resource_v3("GlobalNetworkPolicy", "name: p", rule),
    ];
    assert_eq!(
        members(&world(&text.concat())),
        nets(&["10.1.0.0/16", "10.1.2.3/32"])
    );
}

#[test]
fn a_namespaced_policy_means_its_namespace_unless_it_says_another() {
    let base = [
        workload_v3("n", "one", "10.0.0.1", "a: x"),
        workload_v3("n", "two", "10.0.0.2", "b: x"),
        workload_v3("m", "three", "10.0.0.3", "a: x, pcns.team: red"),
        resource_v3(
            "GlobalNetworkSet",
            "name: s, labels: {a: x}",
            "nets: [10.9.0.0/16]",
        ),
    ]
    .concat();
    let of_namespace = "projectcalico.org/namespace == \"n\"";
    let cases: [(&str, String, &[&str]); 6] = [
        (
            "selector: has(a)",
            format!("({of_namespace} && has(a))"),
            &["10.0.0.1/32"],
        ),
        (
            "namespaceSelector: team == 'red'",
            "pcns.team == \"red\"".to_owned(),
            &["10.0.0.3/32"],
        ),
        (
            "namespaceSelector: all(), selector: has(a)",
            "(has(projectcalico.org/namespace) && has(a))".to_owned(),
            &["10.0.0.1/32", "10.0.0.3/32"],
        ),
        (
            "namespaceSelector: global(), selector: has(a)",
            "(!has(projectcalico.org/namespace) && has(a))".to_owned(),
            &["10.9.0.0/16"],
        ),
        (
            "serviceAccounts: {names: [account-two]}",
            format!("({of_namespace} && projectcalico.org/serviceaccount in {{\"account-two\"}})"),
            &["10.0.0.2/32"],
        ),
        (
            "namespaceSelector: all(), notSelector: has(a)",
            "has(projectcalico.org/namespace)".to_owned(),
            &["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"],
        ),
    ];
    for (source, selector, expected) in cases {
        let rule = format!("ingress: [{{action: Allow, source: {{{source}}}}}]");
        let policy = resource_v3("NetworkPolicy", "name: p, namespace: n", &rule);
        let world = world(&(base.clone() + &policy));
        let side = &world.tiers[0].policies[0].ingress[0].source;
        let peers = world.peers(side.peers[0]);
        assert_eq!(peers.by, PeersBy::Selector(selector), "{source}");
        assert_eq!(peers.members, nets(expected), "{source}");
        let applies: Vec<bool> = world
            .workloads
            .iter()
            .map(|one| !one.policies.is_empty())
            .collect();
        assert_eq!(applies, [false, true, true], "m/three, n/one, n/two");
    }
    let negated = "ingress: [{action: Allow, source: {notSelector: has(a)}}]";
    let policy = resource_v3("NetworkPolicy", "name: p, namespace: n", negated);
    let world = world(&(base + &policy));
    let side = &world.tiers[0].policies[0].ingress[0].source;
    let positive = world.peers(side.peers[0]);
    assert_eq!(positive.by, PeersBy::Selector(of_namespace.to_owned()));
    let negative = world.peers(side.not_peers[0]);
    assert_eq!(negative.by, PeersBy::Selector("has(a)".to_owned()));
}

#[test]
fn policies_are_asked_only_where_their_stage_is() {
    let stages = [
        ("normal", "", Stage::Normal),
        ("forward", "applyOnForward: true", Stage::Forward),
        (
            "before",
            "applyOnForward: true, preDNAT: true",
            Stage::PreDnat,
        ),
        (
            "untracked",
            "applyOnForward: true, doNotTrack: true",
            Stage::Untracked,
        ),
    ];
    let policies: String = stages
        .iter()
        .map(|(name, spec, _)| resource_v3("GlobalNetworkPolicy", &format!("name: {name}"), spec))
        .collect();
    let host = |interface: &str| {
        resource_v3(
            "HostEndpoint",
            "name: h",
            &format!("node: here, interfaceName: {interface}"),
        )
    };
    let endpoints: [(String, &[&str]); 3] = [
        (
            workload_v3("n", "w", "10.0.0.1", ""),
            &["forward", "normal"],
        ),
        (host("eth0"), &["before", "forward", "normal", "untracked"]),
        (host("'*'"), &["before", "forward", "normal"]),
    ];
    for (endpoint, expected) in endpoints {
        let world = world(&(endpoint + &policies));
        assert_eq!(applied(&world), expected);
        for policy in &world.tiers[0].policies {
            let stage = stages.iter().find(|(name, ..)| *name == policy.name);
            assert_eq!(stage.map(|one| one.2), Some(policy.stage));
        }
    }
}

#[test]
fn what_is_for_one_node_wins_over_what_is_for_all() {
    let configuration = |node: &str, spec: &str| {
        format!(
            "apiVersion: v1\nkind: felixConfiguration\nmetadata: {{{node}}}\nspec: {{{spec}}}\n---\n"
        )
    };
    let text = [
        configuration("node: here", "LogPrefix: mine, IptablesMarkMask: 0xf0"),
        configuration(
            "",
            "LogPrefix: all, FailsafeInboundHostPorts: '22, 80', InterfacePrefix: 'cali,tap'",
        ),
        configuration("node: there", "LogPrefix: other, Ipv6Support: false"),
    ];
    let configuration = world(&text.concat()).configuration;
    assert_eq!(configuration.log_prefix, "mine");
    assert_eq!(configuration.mark_mask, 0xf0);
    assert_eq!(configuration.failsafe_inbound, [22, 80]);
    let prefixes: Vec<&str> = configuration
        .interface_prefixes
        .iter()
        .map(|one| one.as_str())
        .collect();
    assert_eq!(prefixes, ["cali", "tap"]);
    assert!(configuration.ipv6);
}

// Felix takes an empty string of a resource's for none (felix, config/, `UpdateFrom`).
#[test]
fn an_empty_log_prefix_is_none_in_v3() {
    let prefix = |text: &str| world(text).configuration.log_prefix;
    let v3 = "apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\n\
        metadata: {name: default}\nspec: {logPrefix: ''}\n";
    assert_eq!(prefix(v3), "calico-packet");
    assert_eq!(prefix(&v3.replace("''", "mine")), "mine");
    let v1 = "apiVersion: v1\nkind: felixConfiguration\nmetadata: {}\nspec: {LogPrefix: ''}\n";
    assert_eq!(prefix(v1), "");
}

#[test]
fn workloads_keep_what_else_is_said_of_them() {
    let nat = "ipNATs: [{internalIP: 10.0.0.1, externalIP: 192.0.2.1}]";
    let spec = format!("ipNetworks: [10.0.0.1/32], {nat}, state: inactive");
    let world = world(&workload_v1("w", "", &spec));
    let workload = &world.workloads[0];
    assert_eq!(workload.name, "cni/w/eth0");
    assert!(!workload.up);
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert_eq!(workload.floating[0].outside, address("192.0.2.1"));
    assert_eq!(workload.floating[0].inside, address("10.0.0.1"));
}
