//! Mistakes in Kubernetes' resources, and what people are told.

use std::fmt::Write as _;

use calidiff::calico::read;

/// What the reader says of a text.
fn told(text: &str) -> String {
    match read::read("mine.yaml", text) {
        Ok(resources) => panic!("read as {resources:?}:\n{text}"),
        Err(error) => error.to_string(),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn policy(spec: &str) -> String {
    let head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x}\n";
    format!("{head}spec:\n{}", indented(spec))
}

fn from(peer: &str) -> String {
    policy(&format!("ingress:\n- from:\n  - {peer}"))
}

fn port(port: &str) -> String {
    policy(&format!("egress:\n- ports:\n  - {port}"))
}

fn admin_kind(kind: &str, spec: &str) -> String {
    let head = "apiVersion: policy.networking.k8s.io/v1alpha1";
    let spec = indented(spec);
    format!("{head}\nkind: {kind}\nmetadata: {{name: x}}\nspec:\n{spec}")
}

fn admin(spec: &str) -> String {
    admin_kind(
        "AdminNetworkPolicy",
        &format!("priority: 1\nsubject: {{namespaces: {{}}}}\n{spec}"),
    )
}

fn to(peer: &str) -> String {
    admin(&format!("egress:\n- action: Deny\n  to:\n  - {peer}"))
}

fn admin_port(port: &str) -> String {
    admin(&format!(
        "ingress:\n- action: Deny\n  from: [{{namespaces: {{}}}}]\n  ports:\n  - {port}"
    ))
}

#[test]
fn mistakes_are_told_with_their_place() {
    let selector = |text: &str| policy(&format!("podSelector:\n  {text}"));
    let requirement = |text: &str| selector(&format!("matchExpressions: [{{{text}}}]"));
    let block = |text: &str| from(&format!("ipBlock: {{{text}}}"));
    let named =
        |kind: &str, api: &str| format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x}}\n");
    let networking = "networking.k8s.io/v1";
    let many = |item: &str, count: usize| vec![item; count].join(", ");
    let calico = "apiVersion: v1\nkind: policy\nmetadata: {name: x}\n";
    let profile = "apiVersion: projectcalico.org/v3\nkind: Profile\nmetadata: {name: kns.x}\n";
    let mistakes: Vec<(&str, String)> = vec![
        ("an unknown kind", named("Ingress", networking)),
        (
            "a kind of another version",
            named("NetworkPolicy", "policy.networking.k8s.io/v1alpha1"),
        ),
        ("a kind of the core that is not read", named("Secret", "v1")),
        (
            "an older version",
            named("NetworkPolicy", "extensions/v1beta1"),
        ),
        ("no kind", "apiVersion: networking.k8s.io/v1\n".to_owned()),
        (
            "no name",
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n".to_owned(),
        ),
        (
            "a name of capitals",
            policy("{}").replace("name: x", "name: X"),
        ),
        (
            "a name that is too long with Calico's before it",
            policy("{}").replace("name: x", &format!("name: {}", "x".repeat(250))),
        ),
        (
            "beside Calico's first version",
            format!("{calico}---\n{}", policy("{}")),
        ),
        (
            "Calico's first version beside it",
            format!("{}---\n{calico}", named("Namespace", "v1")),
        ),
        ("a policy twice", format!("{0}---\n{0}", policy("{}"))),
        (
            "a profile that a namespace is already",
            format!("{}---\n{profile}", named("Namespace", "v1")),
        ),
        (
            "a namespace that a profile is already",
            format!("{profile}---\n{}", named("Namespace", "v1")),
        ),
        (
            "a namespace of a namespace",
            named("Namespace", "v1").replace("name: x", "name: x, namespace: y"),
        ),
        (
            "a service account with a spec",
            format!("{}spec: {{}}\n", named("ServiceAccount", "v1")),
        ),
        ("an unknown field of the spec", policy("selector: {}")),
        (
            "a field of the other direction",
            policy("ingress: [{to: []}]"),
        ),
        ("rules that are no list", policy("ingress: {}")),
        ("an unknown type", policy("policyTypes: [ingress]")),
        (
            "three types",
            policy("policyTypes: [Ingress, Egress, Ingress]"),
        ),
        ("an unknown field of a selector", selector("app: web")),
        (
            "a label's value that is a number",
            selector("matchLabels: {a: 1}"),
        ),
        (
            "a label's key with a space",
            selector("matchLabels: {'a b': c}"),
        ),
        (
            "an unknown operator",
            requirement("key: a, operator: Equals, values: [b]"),
        ),
        ("no key", requirement("operator: Exists")),
        ("In without values", requirement("key: a, operator: In")),
        (
            "NotIn of nothing",
            requirement("key: a, operator: NotIn, values: []"),
        ),
        (
            "Exists with values",
            requirement("key: a, operator: Exists, values: [b]"),
        ),
        (
            "a key that is none",
            requirement("key: a/b/c, operator: Exists"),
        ),
        ("a peer that says nothing", from("{}")),
        ("a peer's selector that is null", from("podSelector:")),
        (
            "an ipBlock beside a selector",
            from("{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}"),
        ),
        ("an unknown peer", from("namespaces: {}")),
        ("an ipBlock without a prefix", block("except: [10.0.0.0/8]")),
        ("an address for a prefix", block("cidr: 10.0.0.1")),
        ("a prefix too long", block("cidr: 10.0.0.0/33")),
        (
            "an exception elsewhere",
            block("cidr: 10.0.0.0/8, except: [11.0.0.0/24]"),
        ),
        (
            "an exception of everything",
            block("cidr: 10.0.0.0/8, except: [10.1.0.0/8]"),
        ),
        (
            "an exception of the other family",
            block("cidr: 0.0.0.0/0, except: ['fd00::/8']"),
        ),
        ("an unknown protocol", port("protocol: ICMP")),
        ("a protocol in small letters", port("protocol: tcp")),
        ("port 0", port("port: 0")),
        ("a port too high", port("port: 65536")),
        ("a port's number as text", port("port: '80'")),
        ("a port's name in capitals", port("port: HTTP")),
        ("a port's name too long", port("port: abcdefghijklmnop")),
        ("an end alone", port("endPort: 80")),
        ("an end below the port", port("{port: 80, endPort: 79}")),
        ("an end of a name", port("{port: http, endPort: 80}")),
        (
            "no spec",
            named("AdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1"),
        ),
        ("no priority", admin("").replace("priority: 1\n", "")),
        (
            "a priority too high",
            admin("").replace("priority: 1\n", "priority: 1001\n"),
        ),
        (
            "no subject",
            admin_kind("AdminNetworkPolicy", "priority: 1"),
        ),
        (
            "an empty subject",
            admin("").replace("{namespaces: {}}", "{}"),
        ),
        (
            "two subjects",
            admin("").replace("{namespaces: {}}", "{namespaces: {}, pods: {}}"),
        ),
        (
            "pods without namespaces",
            admin("").replace("{namespaces: {}}", "{pods: {podSelector: {}}}"),
        ),
        (
            "a baseline policy of another name",
            admin_kind("BaselineAdminNetworkPolicy", "subject: {namespaces: {}}"),
        ),
        (
            "a baseline policy that passes",
            admin_kind(
                "BaselineAdminNetworkPolicy",
                "subject: {namespaces: {}}\ningress: [{action: Pass, from: [{namespaces: {}}]}]",
            )
            .replace("name: x", "name: default"),
        ),
        (
            "a baseline policy with a priority",
            admin_kind("BaselineAdminNetworkPolicy", "priority: 1"),
        ),
        (
            "an unknown action",
            admin("ingress: [{action: Log, from: [{namespaces: {}}]}]"),
        ),
        ("no peers", admin("ingress: [{action: Deny}]")),
        (
            "an empty list of peers",
            admin("egress: [{action: Deny, to: []}]"),
        ),
        (
            "networks on the way in",
            admin("ingress: [{action: Deny, from: [{networks: [10.0.0.0/8]}]}]"),
        ),
        (
            "a peer of two kinds",
            to("{namespaces: {}, networks: [10.0.0.0/8]}"),
        ),
        ("no network", to("networks: []")),
        (
            "too many networks",
            to(&format!("networks: [{}]", many("10.0.0.0/8", 26))),
        ),
        ("a broken network", to("networks: [10.0.0.0]")),
        (
            "too many peers",
            admin(&format!(
                "egress: [{{action: Deny, to: [{}]}}]",
                many("{namespaces: {}}", 101)
            )),
        ),
        ("a port that says nothing", admin_port("{}")),
        (
            "a port of two kinds",
            admin_port("{namedPort: http, portNumber: {port: 80}}"),
        ),
        (
            "a port's number without one",
            admin_port("portNumber: {protocol: TCP}"),
        ),
        ("half a range", admin_port("portRange: {start: 80}")),
        (
            "a range upside down",
            admin_port("portRange: {start: 80, end: 79}"),
        ),
    ];
    let mistakes = mistakes.into_iter().chain(of_cluster_policies_and_pods());
    let mistakes: Vec<(&str, String)> = mistakes.collect();
    let mut page = String::new();
    for (what, text) in &mistakes {
        writeln!(page, "{what}\n    {}", told(text)).expect("room for text");
    }
    crate::resources::assert_page("kubernetes-mistakes", &page);
    assert!(mistakes.len() >= 12, "only {} kinds", mistakes.len());
}

fn of_cluster_policies_and_pods() -> Vec<(&'static str, String)> {
    let cluster = |spec: &str| {
        admin_kind(
            "ClusterNetworkPolicy",
            &format!("subject: {{namespaces: {{}}}}\n{spec}"),
        )
        .replace("v1alpha1", "v1alpha2")
    };
    let rule = |rule: &str| {
        cluster(&format!(
            "tier: Admin\npriority: 1\ningress:\n- from: [{{namespaces: {{}}}}]\n  {rule}"
        ))
    };
    let protocol = |protocol: &str| rule(&format!("action: Deny\n  protocols: [{protocol}]"));
    let pod = |spec: &str, status: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\nspec: {{nodeName: n, {spec}}}\n\
             status: {{podIP: 10.0.0.1{status}}}\n"
        )
    };
    let annotated = |value: &str| {
        let annotation = format!("annotations: {{cni.projectcalico.org/floatingIPs: {value}}}");
        pod("containers: []", "").replace("name: x", &format!("name: x, {annotation}"))
    };
    let service = |spec: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: x}}\nspec: {{{spec}}}\n")
    };
    let slice = |rest: &str| {
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: x-1, labels: \
             {{kubernetes.io/service-name: x}}}}\naddressType: IPv4\n{rest}\n"
        )
    };
    let same = format!(
        "apiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\nmetadata: {{}}\nspec: {{node: n, \
         orchestrator: cni, containerID: c, endpoint: e, interfaceName: {}}}\n",
        calidiff::calico::kubernetes::pod::interface_name("default", "x").expect("a name")
    );
    vec![
        ("no tier", cluster("priority: 1")),
        ("an unknown tier", cluster("tier: Default\npriority: 1")),
        ("no priority in a tier", cluster("tier: Baseline")),
        ("an action of the older kind", rule("action: Allow")),
        ("ports of the older kind", rule("action: Deny\n  ports: []")),
        ("an unknown kind of protocol", protocol("{icmp: {}}")),
        ("a protocol that says nothing", protocol("{tcp: }")),
        ("two protocols in one", protocol("{tcp: {}, udp: {}}")),
        (
            "a port of no kind",
            protocol("{tcp: {destinationPort: {}}}"),
        ),
        (
            "a port of both kinds",
            protocol("{tcp: {destinationPort: {number: 1, range: {}}}}"),
        ),
        (
            "no pod's spec",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n".to_owned(),
        ),
        ("an unknown field of a pod", pod("node: n", "")),
        (
            "an unknown field of a container",
            pod("containers: [{port: 80}]", ""),
        ),
        (
            "a container's port without one",
            pod("containers: [{ports: [{name: http}]}]", ""),
        ),
        (
            "a container's port of ICMP",
            pod(
                "containers: [{ports: [{containerPort: 1, protocol: ICMP}]}]",
                "",
            ),
        ),
        (
            "a pod's address that is a prefix",
            pod("containers: []", "/32"),
        ),
        ("a floating address that is no list", annotated("10.0.0.1")),
        ("a floating address that is none", annotated("'[\"here\"]'")),
        ("a pod twice", format!("{0}---\n{0}", pod("", ""))),
        (
            "a pod's interface that is another's",
            format!("{same}---\n{}", pod("", "")),
        ),
        (
            "a service without a spec",
            service("").replace("spec: {}\n", ""),
        ),
        (
            "a service's port without a number",
            service("ports: [{name: http}]"),
        ),
        ("an unknown field of a service", service("port: 80")),
        (
            "a slice without a type of addresses",
            slice("endpoints: []").replace("addressType: IPv4\n", ""),
        ),
        (
            "a slice of an unknown type of addresses",
            slice("").replace("IPv4", "IP"),
        ),
        ("an endpoint without an address", slice("endpoints: [{}]")),
        (
            "an endpoint of no addresses",
            slice("endpoints: [{addresses: []}]"),
        ),
        (
            "an endpoint's address of the other family",
            slice("endpoints: [{addresses: ['fd00::1']}]"),
        ),
        (
            "an endpoint's address that is a prefix",
            slice("endpoints: [{addresses: [10.0.0.1/32]}]"),
        ),
        (
            "a slice's port that is none",
            slice("ports: [{port: 70000}]"),
        ),
        (
            "a slice's port of ICMP",
            slice("ports: [{port: 80, protocol: ICMP}]"),
        ),
        ("a slice twice", format!("{0}---\n{0}", slice(""))),
        (
            "a pod whose endpoint's name is too long",
            pod("", "").replace("name: x", &format!("name: {}", "x".repeat(250))),
        ),
    ]
}
