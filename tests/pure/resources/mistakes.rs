//! Mistakes that people make, and what they are told.

use std::fmt::Write as _;

use calidiff::calico::read;

/// A resource of API v1 around a spec.
fn v1(kind: &str, metadata: &str, spec: &str) -> String {
    resource("v1", kind, metadata, spec)
}

/// A resource of API v3 around a spec.
fn v3(kind: &str, spec: &str) -> String {
    resource("projectcalico.org/v3", kind, "name: x", spec)
}

fn resource(api: &str, kind: &str, metadata: &str, spec: &str) -> String {
    let inside = |part: &str| {
        part.lines()
            .map(|line| format!("  {line}\n"))
            .collect::<String>()
    };
    format!(
        "apiVersion: {api}\nkind: {kind}\nmetadata:\n{}spec:\n{}",
        inside(metadata),
        inside(spec)
    )
}

/// A policy of API v1 with one rule.
fn rule_v1(rule: &str) -> String {
    v1("policy", "name: x", &format!("ingress:\n- {{{rule}}}"))
}

/// A policy of API v3 with one rule.
fn rule_v3(rule: &str) -> String {
    v3("GlobalNetworkPolicy", &format!("ingress:\n- {{{rule}}}"))
}

fn workload_v1(spec: &str) -> String {
    let metadata = "{name: eth0, workload: w, orchestrator: cni, node: n}";
    let spec = format!("interfaceName: cali1\n{spec}");
    v1("workloadEndpoint", metadata, &spec)
}

fn configuration_v1(spec: &str) -> String {
    v1("felixConfiguration", "{}", spec)
}

/// What the reader says of a text.
fn told(text: &str) -> String {
    match read::read("mine.yaml", text) {
        Ok(resources) => panic!("read as {resources:?}:\n{text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let twice = |text: String| format!("{text}---\n{text}");
    let documents = |texts: [String; 2]| texts.join("---\n");
    let policy = |spec: &str| v3("GlobalNetworkPolicy", spec);
    let host = |spec: &str| v1("hostEndpoint", "{name: h, node: n}", spec);
    let pool = |cidr: &str, spec: &str| v1("ipPool", &format!("cidr: {cidr}"), spec);
    let pool_v3 = |cidr: &str, spec: &str| v3("IPPool", &format!("cidr: {cidr}\n{spec}"));
    let ports = |ports: &str| {
        rule_v1(&format!(
            "action: allow, protocol: tcp, destination: {{ports: [{ports}]}}"
        ))
    };
    let many = |item: &str, count: usize| vec![item; count].join(", ");
    let named = |name: &str| v1("policy", &format!("name: {name}"), "{}");
    let selector = |text: &str| v1("policy", "name: x", &format!("selector: {text}"));
    let mistakes: Vec<(&str, String)> = vec![
        ("no YAML", "apiVersion: [v1\n".to_owned()),
        ("no resource", "- just text\n".to_owned()),
        (
            "no version",
            "kind: policy\nmetadata: {name: x}\n".to_owned(),
        ),
        (
            "an unknown version",
            "apiVersion: v2\nkind: policy\n".to_owned(),
        ),
        (
            "a version of numbers",
            "apiVersion: 1\nkind: policy\n".to_owned(),
        ),
        (
            "no kind",
            "apiVersion: v1\nmetadata: {name: x}\n".to_owned(),
        ),
        ("an unknown kind", v1("polity", "name: x", "{}")),
        (
            "a kind of the other version",
            v1("GlobalNetworkPolicy", "name: x", "{}"),
        ),
        ("both versions", documents([named("x"), policy("{}")])),
        (
            "an unknown field beside the spec",
            format!("{}specs: {{}}\n", named("x")),
        ),
        (
            "an unknown field of the metadata",
            v1("policy", "{name: x, node: n}", "{}"),
        ),
        (
            "an unknown field of the spec",
            v1("policy", "name: x", "selektor: all()"),
        ),
        (
            "a field of the other version",
            v1("policy", "name: x", "types: [Ingress]"),
        ),
        (
            "a field twice",
            v1("policy", "name: x", "order: 1\norder: 2"),
        ),
        ("no name", v1("policy", "{}", "{}")),
        ("a name with a space", named("'a b'")),
        (
            "a name of capitals in v3",
            policy("{}").replace("name: x", "name: X"),
        ),
        ("a name too long", named(&"n".repeat(129))),
        ("a name that is a number", named("7")),
        ("a resource twice", twice(named("x"))),
        (
            "a tag with a space",
            v1("profile", "{name: p, tags: ['a b']}", "{}"),
        ),
        (
            "a label's key with a space",
            v1("profile", "{name: p, labels: {'a b': c}}", "{}"),
        ),
        (
            "a label's value with a space",
            v1("profile", "{name: p, labels: {a: 'b c'}}", "{}"),
        ),
        (
            "a label's value that is a number",
            v1("profile", "{name: p, labels: {a: 1}}", "{}"),
        ),
        (
            "an order that is text",
            v1("policy", "name: x", "order: first"),
        ),
        (
            "an order that is infinite",
            v1("policy", "name: x", "order: .inf"),
        ),
        ("a selector that is no text", selector("[a]")),
        ("a selector of one `=`", selector("a = 'b'")),
        ("a selector in quotes", selector("\"a == 'b' &\"")),
        (
            "a selector folded over lines",
            selector(">\n    a == 'b' &&\n    c"),
        ),
        (
            "global() outside of namespaceSelector",
            policy("selector: global()"),
        ),
        (
            "global() in a policy's own namespaceSelector",
            policy("namespaceSelector: global()"),
        ),
        (
            "global() beside another term",
            policy("ingress: [{action: Allow, source: {namespaceSelector: 'global() && has(a)'}}]"),
        ),
        (
            "rules that are no list",
            v1("policy", "name: x", "ingress: {action: allow}"),
        ),
        ("a rule without an action", rule_v1("protocol: tcp")),
        (
            "a rule with an unknown field",
            rule_v1("action: allow, src: {}"),
        ),
        ("an action of v3 in v1", rule_v1("action: Allow")),
        ("an action of v1 in v3", rule_v3("action: next-tier")),
        (
            "an unknown protocol",
            rule_v1("action: allow, protocol: tpc"),
        ),
        ("protocol 0", rule_v1("action: allow, protocol: 0")),
        ("protocol 256", rule_v1("action: allow, notProtocol: 256")),
        (
            "an unknown IP version",
            rule_v1("action: allow, ipVersion: 5"),
        ),
        ("a port too high", ports("65536")),
        ("a range upside down", ports("'90:80'")),
        ("a range of three", ports("'1:2:3'")),
        ("a named port in v1", ports("http")),
        (
            "ports without a protocol",
            rule_v1("action: allow, source: {ports: [80]}"),
        ),
        (
            "ports of a protocol that has none",
            rule_v3("action: Deny, protocol: ICMP, destination: {notPorts: [80]}"),
        ),
        (
            "an ICMP type of 255",
            rule_v1("action: allow, protocol: icmp, icmp: {type: 255}"),
        ),
        (
            "an ICMP code of 256",
            rule_v1("action: allow, protocol: icmp, icmp: {type: 3, code: 256}"),
        ),
        (
            "an ICMP code without a type",
            rule_v1("action: allow, protocol: icmp, notICMP: {code: 3}"),
        ),
        (
            "an ICMP type without a protocol",
            rule_v1("action: allow, icmp: {type: 8}"),
        ),
        (
            "a prefix too long",
            rule_v1("action: allow, source: {net: 10.0.0.0/33}"),
        ),
        (
            "a name for a prefix",
            rule_v1("action: allow, source: {net: localhost}"),
        ),
        (
            "several prefixes in v1",
            rule_v1("action: allow, source: {nets: [10.0.0.0/8]}"),
        ),
        (
            "both families",
            rule_v1("action: allow, source: {net: 10.0.0.0/8}, destination: {notNet: 'fd00::/8'}"),
        ),
        (
            "a prefix of the other IP version",
            rule_v3("action: Allow, ipVersion: 6, source: {nets: [10.0.0.0/8]}"),
        ),
        (
            "ICMP of the other IP version",
            rule_v1("action: allow, ipVersion: 4, protocol: icmpv6"),
        ),
        (
            "all but everything",
            rule_v3("action: Allow, source: {notNets: [0.0.0.0/0]}"),
        ),
        (
            "too many ports",
            rule_v3(&format!(
                "action: Allow, protocol: TCP, source: {{ports: [{}]}}",
                many("1", 51)
            )),
        ),
        (
            "too many prefixes",
            rule_v3(&format!(
                "action: Allow, source: {{nets: [{}]}}",
                many("10.0.0.1", 257)
            )),
        ),
        (
            "too many rules",
            policy(&format!("egress: [{}]", many("{action: Allow}", 1025))),
        ),
        ("a tag in v3", rule_v3("action: Allow, source: {tag: t}")),
        (
            "http on the way out",
            policy("egress: [{action: Allow, http: {methods: [GET]}}]"),
        ),
        ("an unknown type", policy("types: [Inbound]")),
        ("a type twice", policy("types: [Ingress, Ingress]")),
        (
            "preDNAT and doNotTrack",
            policy("applyOnForward: true\npreDNAT: true\ndoNotTrack: true"),
        ),
        ("preDNAT alone", policy("preDNAT: true")),
        ("doNotTrack alone", policy("doNotTrack: true")),
        (
            "preDNAT on the way out",
            policy("applyOnForward: true\npreDNAT: true\negress: [{action: Allow}]"),
        ),
        (
            "preDNAT of the type Egress",
            policy("applyOnForward: true\npreDNAT: true\ntypes: [Egress]"),
        ),
        ("a truth value that is text", policy("doNotTrack: 'yes'")),
        (
            "applyOnForward in a namespace",
            v3("NetworkPolicy", "applyOnForward: true"),
        ),
        ("a tier that is not there", policy("tier: platform")),
        (
            "an unknown default action",
            v3("Tier", "defaultAction: Allow"),
        ),
        (
            "no interface",
            v1(
                "workloadEndpoint",
                "{name: e, workload: w, orchestrator: o, node: n}",
                "{}",
            ),
        ),
        (
            "an interface's name too long",
            workload_v1("").replace("cali1", "cali-0123456789ab"),
        ),
        (
            "no node",
            v1(
                "workloadEndpoint",
                "{name: e, workload: w, orchestrator: o}",
                "interfaceName: c",
            ),
        ),
        (
            "a workload's network of several addresses",
            workload_v1("ipNetworks: [10.0.0.0/24]"),
        ),
        (
            "a NAT of somebody else's address",
            workload_v1(
                "ipNetworks: [10.0.0.1/32]\nipNATs: [{internalIP: 10.0.0.2, externalIP: 1.2.3.4}]",
            ),
        ),
        (
            "a NAT between the families",
            workload_v1(
                "ipNetworks: [10.0.0.1/32]\nipNATs: [{internalIP: 10.0.0.1, externalIP: '::1'}]",
            ),
        ),
        (
            "half a NAT",
            workload_v1("ipNetworks: [10.0.0.1/32]\nipNATs: [{internalIP: 10.0.0.1}]"),
        ),
        ("a broken MAC address", workload_v1("mac: ee:ee:ee:ee:ee")),
        ("an unknown state", workload_v1("state: down")),
        (
            "an interface twice",
            documents([
                workload_v1(""),
                workload_v1("").replace("workload: w", "workload: v"),
            ]),
        ),
        (
            "a workload's name that is not its own",
            v3(
                "WorkloadEndpoint",
                "{node: n-1, orchestrator: k8s, pod: p, endpoint: eth0, interfaceName: cali1}",
            ),
        ),
        ("a host endpoint of nothing", host("profiles: [p]")),
        ("all interfaces in v1", host("interfaceName: '*'")),
        (
            "an address that is a prefix",
            host("expectedIPs: [10.0.0.1/32]"),
        ),
        (
            "a named port of ICMP",
            v3(
                "HostEndpoint",
                "node: n\ninterfaceName: eth0\nports: [{name: p, protocol: ICMP, port: 1}]",
            ),
        ),
        ("no pool's prefix", v1("ipPool", "{}", "{}")),
        (
            "a cluster of another name",
            v3("ClusterInformation", "clusterType: k8s"),
        ),
        (
            "a pool with bits behind its prefix",
            pool("10.0.0.1/24", "{}"),
        ),
        ("a pool too small", pool("10.0.0.0/27", "{}")),
        (
            "a pool of link-local addresses",
            pool("169.254.0.0/20", "{}"),
        ),
        (
            "IP in IP for IPv6",
            pool("'fd00::/64'", "ipip: {enabled: true}"),
        ),
        (
            "an unknown mode of IP in IP",
            pool("10.0.0.0/16", "ipip: {enabled: true, mode: sometimes}"),
        ),
        (
            "both encapsulations",
            pool_v3("10.0.0.0/16", "ipipMode: Always\nvxlanMode: Always"),
        ),
        (
            "pools that overlap",
            documents([
                pool_v3("10.0.0.0/16", ""),
                pool_v3("10.0.4.0/24", "").replace("name: x", "name: y"),
            ]),
        ),
        (
            "a node's address of the other family",
            v1("node", "name: n", "bgp: {ipv4Address: 'fd00::1'}"),
        ),
        (
            "a parameter that Felix does not have",
            configuration_v1("InterfacePrefixes: cali"),
        ),
        (
            "an interface's prefix with a space",
            configuration_v1("InterfacePrefix: 'cali,ta p'"),
        ),
        (
            "a mask of two bits",
            configuration_v1("IptablesMarkMask: 0x3"),
        ),
        (
            "a mask that is none",
            configuration_v1("IptablesMarkMask: all"),
        ),
        (
            "an unknown action",
            configuration_v1("DefaultEndpointToHostAction: Drop"),
        ),
        (
            "a failsafe port that is none",
            configuration_v1("FailsafeInboundHostPorts: '22,ssh'"),
        ),
        (
            "a failsafe port of SCTP",
            v3(
                "FelixConfiguration",
                "failsafeInboundHostPorts: [{protocol: SCTP, port: 53}]",
            )
            .replace("name: x", "name: default"),
        ),
        (
            "a configuration that Felix does not read",
            v3("FelixConfiguration", "{}"),
        ),
        (
            "a tunnel's address of IPv6",
            configuration_v1("IpInIpTunnelAddr: 'fd00::1'"),
        ),
    ];
    let mut page = String::new();
    for (what, text) in &mistakes {
        writeln!(page, "{what}\n    {}", told(text)).expect("room for text");
    }
    super::assert_page("mistakes", &page);
    assert!(mistakes.len() >= 40, "only {} kinds", mistakes.len());
}

#[test]
fn every_message_says_where_and_what_was_expected() {
    for text in [
        rule_v1("action: permit"),
        v1("policy", "name: x", "order: first"),
    ] {
        let message = told(&text);
        assert!(message.starts_with("mine.yaml:"), "{message}");
        assert!(message.contains("; expected "), "{message}");
    }
}
