//! Mistakes that people make in scenarios, and what they are told.

use std::fmt::Write as _;

use calidiff::scenario::text;

/// A scenario of which each mistake spoils one thing.
pub const WHOLE: &str = "\
name: a closed port
why: the policy denies it
node:
  name: slave1
  interfaces:
    - name: eth0
      addresses: [10.0.0.1/24, 'fd00::1/64']
    - name: cali1
  routes:
    - { destination: 10.65.0.2/32, to: { unicast: { interface: cali1 } } }
resources:
  - apiVersion: v1
    kind: workloadEndpoint
    metadata: { node: slave1, orchestrator: k8s, workload: default.web, name: eth0, labels: { app: web } }
    spec: { interfaceName: cali1, ipNetworks: [10.65.0.2/32] }
  - apiVersion: v1
    kind: policy
    metadata: { name: closed }
    spec:
      selector: app == 'web'
      ingress: [{ action: deny }]
sets:
  text: |
    create friends hash:ip family inet
    add friends 10.0.0.9
rules:
  v4:
    text: |
      *filter
      :INPUT ACCEPT [0:0]
      -A INPUT -m set --match-set friends src -j ACCEPT
      COMMIT
completed:
  - { family: v4, table: filter, chain: INPUT, rules: [1], why: it was missing }
connections:
  - tcp 10.0.0.9:40001 > 10.65.0.2:22 replied
packets:
  - in=eth0 tcp 10.0.0.9:40000 > 10.65.0.2:80
";

/// The scenario with something else in the place of a part.
fn with(part: &str, instead: &str) -> String {
    assert!(WHOLE.contains(part), "{part}");
    WHOLE.replacen(part, instead, 1)
}

/// The same with more behind it.
fn and(more: &str) -> String {
    format!("{WHOLE}{more}")
}

fn read(text: &str) -> Result<String, String> {
    let beside = |name: &str| match name {
        "broken.yaml" => Ok("apiVersion: v1\nkind: polity\n".to_owned()),
        "broken.save" => Ok("*filter\n-A INPUT -j\nCOMMIT\n".to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    match text::read("mine.yaml", text, &beside) {
        Ok(scenario) => Ok(format!("{scenario:?}")),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn what_the_mistakes_are_made_in_is_none_itself() {
    read(WHOLE).expect("a scenario");
}

#[test]
fn mistakes_are_told_with_their_place() {
    let list = WHOLE.find("  - apiVersion").expect("the resources");
    let behind = WHOLE.find("sets:").expect("the sets");
    let resources = |instead: &str| with(&WHOLE[list..behind], instead);
    let mistakes: Vec<(&str, String)> = vec![
        ("no YAML", with("why: the", "why: [the")),
        ("no scenario at all", "just text\n".to_owned()),
        ("no name", with("name: a closed port\n", "")),
        ("an empty name", with("name: a closed port", "name: ' '")),
        ("no node", "name: x\n".to_owned()),
        ("an unknown field", and("pakets: []\n")),
        ("a field twice", and("name: again\n")),
        (
            "a reason that is a list",
            with("why: the policy denies it", "why: [it]"),
        ),
        ("a node's unknown field", with("addresses:", "adresses:")),
        (
            "an address that is none",
            with("10.0.0.1/24", "10.0.0.1/33"),
        ),
        ("an interface twice", with("name: cali1", "name: eth0")),
        (
            "a route out of nowhere",
            with("interface: cali1", "interface: cali2"),
        ),
        ("resources that are text", resources("  none\n")),
        ("one resource, not in a list", resources("  kind: policy\n")),
        (
            "resources in a file that is not there",
            resources("  file: there.yaml\n"),
        ),
        (
            "resources in a file and more",
            resources("  file: there.yaml\n  kind: policy\n"),
        ),
        (
            "a file of resources that is wrong",
            resources("  file: broken.yaml\n"),
        ),
        (
            "a resource of an unknown kind",
            with("kind: policy", "kind: polity"),
        ),
        (
            "a selector that ends too early",
            with("app == 'web'", "app == "),
        ),
        (
            "an action that is none",
            with("action: deny", "action: drop"),
        ),
        (
            "both versions of the API",
            with(
                "- apiVersion: v1\n    kind: policy",
                "- apiVersion: projectcalico.org/v3\n    kind: GlobalNetworkPolicy",
            ),
        ),
        ("rules of an unknown family", with("  v4:\n", "  v5:\n")),
        (
            "rules in neither file nor text",
            with("  v4:\n    text: |", "  v4:\n    lines: |"),
        ),
        ("a rule without a target", with("-j ACCEPT", "-j")),
        (
            "a rule about a set that is none",
            with("--match-set friends src", "--match-set friends"),
        ),
        (
            "rules in a file that is wrong",
            with(
                &WHOLE[WHOLE.find("  v4:").expect("rules")
                    ..WHOLE.find("completed:").expect("completed")],
                "  v4: { file: broken.save }\n",
            ),
        ),
        (
            "a member of a set that is none",
            with("add friends 10.0.0.9", "add friends 10.0.0.256"),
        ),
        (
            "a chain of Calico's own",
            with(
                ":INPUT ACCEPT [0:0]\n",
                ":INPUT ACCEPT [0:0]\n      :cali-INPUT - [0:0]\n",
            ),
        ),
        (
            "a rule to a chain of Calico's own",
            with("-j ACCEPT", "-j cali-INPUT"),
        ),
        (
            "a set of Calico's own",
            with(
                "create friends hash:ip family inet\n    add friends 10.0.0.9\n",
                "create cali4-s:abc hash:ip family inet\n",
            )
            .replace("-m set --match-set friends src ", ""),
        ),
        (
            "completed rules in no table",
            with("table: filter", "table: filtre"),
        ),
        (
            "completed rules that are not there",
            with("rules: [1]", "rules: [7]"),
        ),
        ("a connection that is none", with("replied", "closed")),
        (
            "a change behind packets that are apart",
            and("changed:\n  resources: []\n  packets: [from=node tcp 10.0.0.1:1 > 10.0.0.9:2]\n"),
        ),
        (
            "a change to another version of the API",
            and(
                "order: in-sequence\nchanged:\n  resources: [{ apiVersion: projectcalico.org/v3, kind: Tier, metadata: { name: a }, spec: {} }]\n  packets: [from=node tcp 10.0.0.1:1 > 10.0.0.9:2]\n",
            ),
        ),
        (
            "a change with a packet by an interface that is not there",
            and("changed:\n  resources: []\n  packets: [in=eth9 tcp 10.0.0.9:1 > 10.0.0.1:2]\n"),
        ),
        (
            "an order that is none",
            with("packets:", "order: behind\npackets:"),
        ),
        (
            "a connection of two families",
            with("> 10.65.0.2:22 replied", "> [fd00::1]:22 replied"),
        ),
        (
            "an answer of the other family",
            with(
                "replied",
                "replied answers=(tcp [fd00::2]:22 > [fd00::9]:40001)",
            ),
        ),
        (
            "a connection twice",
            with(
                "connections:\n",
                "connections:\n  - tcp 10.0.0.9:40001 > 10.65.0.2:22 unreplied\n",
            ),
        ),
        ("a packet from nowhere", with("in=eth0 tcp", "tcp")),
        (
            "a packet by an interface that is not there",
            with("in=eth0", "in=eth1"),
        ),
        (
            "a packet of two families",
            with("> 10.65.0.2:80", "> [fd00::1]:80"),
        ),
        (
            "a packet without a port",
            with("> 10.65.0.2:80", "> 10.65.0.2"),
        ),
        ("a packet that is a number", and("  - 7\n")),
        (
            "packets that are no list",
            with(
                "  - in=eth0 tcp 10.0.0.9:40000",
                "  in=eth0 tcp 10.0.0.9:40000",
            ),
        ),
    ];
    let mut page = String::new();
    for (what, text) in &mistakes {
        let told = match read(text) {
            Ok(scenario) => panic!("{what}: read as {scenario}:\n{text}"),
            Err(message) => message,
        };
        writeln!(page, "{what}\n    {told}").expect("room for text");
    }
    super::assert_page("mistakes", &page);
    assert!(mistakes.len() >= 40, "only {} kinds", mistakes.len());
}
