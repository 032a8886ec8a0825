use proptest::prelude::*;

use super::*;
use crate::diff::shrink::shrink;
use crate::scenario::text;

const SCENARIO: &str = r#"
name: large
node:
  name: slave1
  interfaces:
    - { name: eth0, addresses: [10.0.0.1/24, "fd00::1/64"], reverse_path: strict }
    - { name: cali1, route_localnet: true }
    - { name: cali2 }
  routes:
    - { destination: 172.16.1.1/32, to: !unicast { interface: cali1 } }
    - { destination: 172.16.1.2/32, to: !unicast { interface: cali2 } }
    - { destination: 0.0.0.0/0, to: !unicast { interface: eth0, via: 10.0.0.9 } }
resources:
  - apiVersion: v1
    kind: ipPool
    metadata: { cidr: 172.16.0.0/16 }
    spec: { nat-outgoing: true, ipip: { enabled: true } }
  - apiVersion: v1
    kind: policy
    metadata: { name: web }
    spec:
      order: 10
      selector: role == "web" && !has(retired)
      ingress:
        - action: allow
          protocol: tcp
          source: { net: 10.1.2.0/24, selector: role == "client" }
          destination: { ports: [443, "8000:8080"] }
        - { action: deny, protocol: icmp, icmp: { type: 3, code: 1 } }
      egress: [{ action: allow }]
  - apiVersion: v1
    kind: policy
    metadata: { name: other }
    spec: { selector: all(), egress: [{ action: log }, { action: pass }] }
  - apiVersion: v1
    kind: profile
    metadata: { name: k8s_ns.default, labels: { ns: default } }
    spec: { egress: [{ action: allow, destination: { notNet: 10.0.0.0/8 } }] }
  - apiVersion: v1
    kind: workloadEndpoint
    metadata: { name: eth0, workload: w1, orchestrator: cni, node: slave1, labels: { role: web } }
    spec: { interfaceName: cali1, ipNetworks: [172.16.1.1/32], profiles: [k8s_ns.default] }
  - apiVersion: v1
    kind: workloadEndpoint
    metadata: { name: eth0, workload: w2, orchestrator: k8s, node: slave1, labels: { role: client } }
    spec: { interfaceName: cali2, ipNetworks: [172.16.1.2/32] }
  - apiVersion: v1
    kind: hostEndpoint
    metadata: { name: up, node: slave1, labels: { role: host } }
    spec: { interfaceName: eth0, expectedIPs: [10.0.0.1], profiles: [k8s_ns.default] }
sets: { text: "create friends hash:ip family inet\nadd friends 10.0.0.9\nadd friends 10.0.0.8\n" }
rules:
  v4:
    text: |
      *filter
      :INPUT DROP [0:0]
      -A INPUT -i eth0 -p tcp -m set --match-set friends src -m tcp --dport 22 -j ACCEPT
      -A INPUT -s 10.0.0.0/8 -j DROP
      COMMIT
connections:
  - tcp 172.16.1.1:40001 > 172.16.1.2:22 unreplied
packets:
  - in=cali1 udp 172.16.1.1:53 > 172.16.1.2:5353 ttl=3 mark=0x4
  - in=eth0 tcp 10.0.0.9:1024 > 172.16.1.1:443 flags=ACK tos=0x10
"#;

fn scenario() -> Scenario {
    let nothing = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    text::read("large.yaml", SCENARIO, &nothing).unwrap_or_else(|why| panic!("{why}"))
}

fn written(scenario: &Scenario) -> String {
    text::write(scenario).unwrap_or_default()
}

/// How much there is of a case.
fn size(scenario: &Scenario) -> usize {
    scenario.parts().len()
}

/// Holds what came out of shrinking to what it promises.
fn assert_smallest(from: &Scenario, smallest: &Scenario, fails: impl Fn(&Scenario) -> bool) {
    assert!(fails(smallest), "it still fails");
    assert!(size(smallest) <= size(from), "it is no larger");
    for part in smallest.parts() {
        if let Some(smaller) = smallest.without(&[part]) {
            assert!(
                !fails(&smaller),
                "part {part} could go: {}",
                written(smallest)
            );
        }
    }
    for simpler in smallest.simpler() {
        assert!(
            !fails(&simpler),
            "{}\ncould be\n{}",
            written(smallest),
            written(&simpler)
        );
    }
}

#[test]
fn every_part_can_go_alone_and_leaves_less() {
    let whole = scenario();
    assert!(size(&whole) > 50, "{}", size(&whole));
    for part in whole.parts() {
        let smaller = whole.without(&[part]).unwrap_or_else(|| panic!("{part}"));
        assert!(size(&smaller) < size(&whole), "part {part}");
        assert_ne!(smaller, whole, "part {part}");
    }
}

#[test]
fn without_packets_there_is_no_case() {
    let whole = scenario();
    assert_eq!(whole.without(&whole.parts()), None);
    let packets = whole.batch.packets.len();
    let parts = whole.parts();
    assert_eq!(whole.without(&parts[parts.len() - packets..]), None);
}

#[test]
fn what_leans_on_an_interface_goes_with_it() {
    let whole = scenario();
    let smaller = whole.parts().into_iter().find_map(|part| {
        let smaller = whole.without(&[part])?;
        let gone = |one: &crate::node::Interface| one.name.as_str() != "cali1";
        smaller.node.interfaces.iter().all(gone).then_some(smaller)
    });
    let smaller = smaller.expect("cali1 is a part");
    assert_eq!(smaller.node.routes.len(), 2);
    assert_eq!(smaller.batch.packets.len(), 1);
}

#[test]
fn from_simpler_to_simpler_there_is_an_end() {
    let mut one = scenario();
    let mut steps = 0;
    while let Some(simpler) = one.simpler().pop() {
        assert_ne!(simpler, one, "a value that is simpler than itself");
        one = simpler;
        steps += 1;
        assert!(steps < 1000, "{}", written(&one));
    }
    assert!(steps > 20);
    assert_eq!(one.node.name, "node");
    assert!(written(&one).contains("policy-2"));
}

#[test]
fn names_change_wherever_they_stand() {
    let smallest = shrink(scenario(), 10_000, |case| {
        let resources = case.resources.as_ref();
        resources.is_some_and(|resources| {
            let known = |name: &String| resources.profiles.iter().any(|one| one.name == *name);
            let mut hosts = resources.hosts.iter();
            hosts.any(|host| host.node == case.node.name && host.profiles.iter().any(known))
        })
    });
    assert!(smallest.complete);
    let text = written(&smallest.case);
    assert!(
        !text.contains("slave1") && !text.contains("k8s_ns"),
        "{text}"
    );
    assert_eq!(text.matches("profile-1").count(), 2, "{text}");
}

#[test]
fn what_a_divergence_needs_remains_and_nothing_beside() {
    let fails = |case: &Scenario| {
        let policies = case.resources.iter().flat_map(|one| &one.policies);
        let mut rules = policies.flat_map(|policy| &policy.ingress);
        let ports = |rule: &crate::calico::resources::Rule| rule.destination.ports.len();
        rules.any(|rule| ports(rule) == 2)
            && case.batch.packets.iter().any(|packet| packet.hops == 64)
            && case.node.routes.len() == 1
    };
    let whole = scenario();
    let smallest = shrink(whole.clone(), 10_000, fails);
    assert!(smallest.complete);
    assert_smallest(&whole, &smallest.case, fails);
    let text = written(&smallest.case);
    assert!(text.lines().count() < 35, "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_remains_of_any_case_is_smallest(seeds in proptest::collection::vec(any::<prop::sample::Index>(), 1..4)) {
        let whole = scenario();
        let lines: Vec<String> = written(&whole).lines().map(|line| line.trim().to_owned()).collect();
        let needed: Vec<&String> = seeds.iter().map(|seed| seed.get(&lines)).collect();
        let fails = |case: &Scenario| {
            let text = written(case);
            needed.iter().all(|line| text.contains(line.as_str()))
        };
        prop_assume!(fails(&whole));
        let smallest = shrink(whole.clone(), 20_000, fails);
        prop_assert!(smallest.complete);
        assert_smallest(&whole, &smallest.case, fails);
    }
}
