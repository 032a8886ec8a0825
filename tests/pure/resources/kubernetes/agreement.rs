//! What Kubernetes says that its policies mean, word for word and without Calico, against what comes of
//! them by way of Calico's resources: the same verdicts, whatever the policies.
//!
//! Kubernetes' words are those of its documentation ("Network Policies"): a pod is isolated in a direction
//! once a policy that selects it has that type; what is allowed is then the union of the policies' rules;
//! both ends must allow.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use calidiff::calico::kubernetes::labels::{LabelSelector, Operator, Requirement};
use calidiff::calico::kubernetes::pod::interface_name;
use calidiff::calico::kubernetes::policy::{Peer, PolicyRule};
use calidiff::calico::kubernetes::rule::PolicyPort;
use calidiff::calico::kubernetes::{Namespace, NetworkPolicy, Pod};
use calidiff::calico::resources::{Labels, Types};
use calidiff::calico::rule::{NamedProtocol, PortNumbers, Ports};
use calidiff::calico::{Resources, resolve};
use calidiff::intent::opinion::Verdict;
use calidiff::intent::{Connections, Era, Judge};
use calidiff::node;
use ipnet::IpNet;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const NAMESPACES: [&str; 2] = ["n", "m"];
/// Addresses of nobody's in the cluster.
const ELSEWHERE: [Ipv4Addr; 2] = [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(8, 8, 8, 9)];

/// One end of a packet.
struct End<'a> {
    address: IpAddr,
    /// The pod there, and its namespace's labels.
    pod: Option<(&'a Pod, &'a Labels)>,
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    protocol: NamedProtocol,
    port: u16,
}

fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let holds = |Requirement { key, operator }: &Requirement| {
        let value = labels.get(key);
        match operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    };
    let mut wanted = selector.labels.iter();
    wanted.all(|(key, value)| labels.get(key) == Some(value))
        && selector.requirements.iter().all(holds)
}

fn is_peer(peer: &Peer, policy: &NetworkPolicy, other: &End<'_>) -> bool {
    match (peer, other.pod) {
        (Peer::Block { net, except }, _) => {
            net.contains(&other.address) && !except.iter().any(|net| net.contains(&other.address))
        }
        (Peer::Pods { .. }, None) => false,
        (Peer::Pods { namespaces, pods }, Some((pod, labels))) => {
            let in_namespace = match namespaces {
                Some(namespaces) => selects(namespaces, labels),
                None => pod.namespace == policy.namespace,
            };
            in_namespace && pods.as_ref().is_none_or(|pods| selects(pods, &pod.labels))
        }
    }
}

fn is_port(port: &PolicyPort, sent: Sent) -> bool {
    let by_number = match &port.ports {
        None => true,
        Some(Ports::Numbers(numbers)) => numbers.contains(sent.port),
        Some(Ports::Named(_)) => false,
    };
    port.protocol == Some(sent.protocol) && by_number
}

/// Whether one end's policies of one direction let something pass between it and the other.
fn allows(
    policies: &[NetworkPolicy],
    of: Types,
    own: &End<'_>,
    other: &End<'_>,
    sent: Sent,
) -> bool {
    let Some((pod, _)) = own.pod else {
        return true;
    };
    let isolates = |policy: &&NetworkPolicy| {
        let types = policy.types.unwrap_or(match policy.egress.as_slice() {
            [] => Types::Ingress,
            _ => Types::Both,
        });
        let of_type = types == of || types == Types::Both;
        of_type && policy.namespace == pod.namespace && selects(&policy.pods, &pod.labels)
    };
    let isolating: Vec<&NetworkPolicy> = policies.iter().filter(isolates).collect();
    let allowed = |policy: &&NetworkPolicy| {
        let rules = match of {
            Types::Egress => &policy.egress,
            _ => &policy.ingress,
        };
        rules.iter().any(|rule| {
            let with = |peer: &Peer| is_peer(peer, policy, other);
            let by = |port: &PolicyPort| is_port(port, sent);
            (rule.peers.is_empty() || rule.peers.iter().any(with))
                && (rule.ports.is_empty() || rule.ports.iter().any(by))
        })
    };
    isolating.is_empty() || isolating.iter().any(allowed)
}

fn labels() -> impl Strategy<Value = Labels> {
    btree_map(
        select(vec!["a", "b"]).prop_map(str::to_owned),
        select(vec!["x", "y"]).prop_map(str::to_owned),
        0..3,
    )
}

fn selector() -> impl Strategy<Value = LabelSelector> {
    let values = || btree_set(select(vec!["x", "y", "z"]).prop_map(str::to_owned), 1..3);
    let operator = prop_oneof![
        values().prop_map(Operator::In),
        values().prop_map(Operator::NotIn),
        Just(Operator::Exists),
        Just(Operator::DoesNotExist),
    ];
    let key = select(vec!["a", "b"]).prop_map(str::to_owned);
    let requirement = (key, operator).prop_map(|(key, operator)| Requirement { key, operator });
    let labels = prop_oneof![2 => Just(Labels::new()), 1 => labels()];
    (labels, vec(requirement, 0..2)).prop_map(|(labels, requirements)| LabelSelector {
        labels,
        requirements,
    })
}

/// Prefixes that hold some pods, one of the addresses elsewhere, or everything.
fn block() -> impl Strategy<Value = Peer> {
    let wide = ["10.65.0.0/29", "8.8.8.8/31", "0.0.0.0/0"];
    let narrow = ["10.65.0.2/31", "10.65.0.1/32", "8.8.8.8/32"];
    let net = |text: &str| text.parse::<IpNet>().expect("a prefix");
    (select(wide.to_vec()), vec(select(narrow.to_vec()), 0..2)).prop_map(move |(wide, narrow)| {
        let wide = net(wide);
        let except = narrow.into_iter().map(net);
        Peer::Block {
            net: wide,
            except: except.filter(|net| wide.contains(net)).collect(),
        }
    })
}

fn peer() -> impl Strategy<Value = Peer> {
    let pods = (option::of(selector()), option::of(selector()))
        .prop_filter("a peer says something", |(pods, namespaces)| {
            pods.is_some() || namespaces.is_some()
        })
        .prop_map(|(pods, namespaces)| Peer::Pods { pods, namespaces });
    prop_oneof![2 => pods, 1 => block()]
}

fn protocol() -> impl Strategy<Value = NamedProtocol> {
    select(vec![NamedProtocol::Tcp, NamedProtocol::Udp])
}

fn port() -> impl Strategy<Value = PolicyPort> {
    let numbers = (1_u16..6, 0_u16..3)
        .prop_map(|(first, more)| PortNumbers::new(first, first + more).map(Ports::Numbers));
    let ports = prop_oneof![4 => numbers, 1 => Just(None)];
    (protocol(), ports).prop_map(|(protocol, ports)| PolicyPort {
        protocol: Some(protocol),
        ports,
    })
}

fn rules() -> impl Strategy<Value = Vec<PolicyRule>> {
    let rule = (vec(peer(), 0..3), vec(port(), 0..4));
    vec(
        rule.prop_map(|(peers, ports)| PolicyRule { peers, ports }),
        0..3,
    )
}

fn policies() -> impl Strategy<Value = Vec<NetworkPolicy>> {
    let types = option::of(select(vec![Types::Ingress, Types::Egress, Types::Both]));
    let policy = (
        select(NAMESPACES.to_vec()),
        selector(),
        types,
        rules(),
        rules(),
    );
    vec(policy, 0..4).prop_map(|policies| {
        let policies = policies.into_iter().enumerate();
        let policy = |(place, (namespace, pods, types, ingress, egress))| NetworkPolicy {
            name: format!("p{place}"),
            namespace: String::from(namespace),
            pods,
            types,
            ingress,
            egress,
        };
        policies.map(policy).collect()
    })
}

fn pods() -> impl Strategy<Value = Vec<Pod>> {
    vec((select(NAMESPACES.to_vec()), labels()), 3).prop_map(|pods| {
        let pod = |(place, (namespace, labels)): (u8, (&str, Labels))| Pod {
            name: format!("pod{place}"),
            namespace: namespace.to_owned(),
            labels,
            node: "here".to_owned(),
            service_account: "default".to_owned(),
            addresses: vec![Ipv4Addr::new(10, 65, 0, place).into()],
            ports: Vec::new(),
            floating: Vec::new(),
            allowed_sources: Vec::new(),
        };
        (1_u8..).zip(pods).map(pod).collect()
    })
}

fn cluster() -> impl Strategy<Value = (Vec<Pod>, BTreeMap<&'static str, Labels>)> {
    let namespaces = [labels(), labels()];
    (pods(), namespaces)
        .prop_map(|(pods, labels)| (pods, NAMESPACES.into_iter().zip(labels).collect()))
}

/// The node of all pods.
fn node_of(pods: &[Pod]) -> node::Node {
    let mut interfaces = String::from("  - {name: eth0, addresses: [192.168.1.1/24]}\n");
    let mut routes = String::from(
        "  - {destination: 0.0.0.0/0, to: {unicast: {interface: eth0, via: 192.168.1.254}}}\n",
    );
    for pod in pods {
        let interface = interface_name(&pod.namespace, &pod.name).expect("a name");
        interfaces += &format!("  - {{name: {interface}}}\n");
        let to = format!("{{unicast: {{interface: {interface}}}}}");
        routes += &format!("  - {{destination: {}/32, to: {to}}}\n", pod.addresses[0]);
    }
    let text = format!("name: here\ninterfaces:\n{interfaces}routes:\n{routes}");
    node::text::read("node.yaml", &text).expect("a node")
}

proptest! {
    #[test]
    fn calicos_policies_mean_what_kubernetes_mean(
        policies in policies(),
        (pods, namespaces) in cluster(),
        protocol in protocol(),
        port in 1_u16..8,
    ) {
        let interface = |pod: &Pod| interface_name(&pod.namespace, &pod.name).expect("a name");
        let resources = Resources {
            policies: policies.iter().map(NetworkPolicy::to_calico).collect(),
            profiles: namespaces
                .iter()
                .map(|(name, labels)| {
                    let (name, labels) = ((*name).to_owned(), labels.clone());
                    Namespace { name, labels }.to_calico()
                })
                .collect(),
            workloads: pods.iter().map(|pod| pod.to_calico(interface(pod))).collect(),
            ..Resources::default()
        };
        let world = resolve(&resources, "here");
        let judge = Judge::new(&world, &node_of(&pods), Era::Seed).expect("a world of the era");
        let ends: Vec<End<'_>> = pods
            .iter()
            .map(|pod| End {
                address: pod.addresses[0],
                pod: Some((pod, &namespaces[pod.namespace.as_str()])),
            })
            .chain(ELSEWHERE.map(|address| End { address: address.into(), pod: None }))
            .collect();
        let sent = Sent { protocol, port };
        for (from, to) in ends.iter().flat_map(|from| ends.iter().map(move |to| (from, to))) {
            if from.address == to.address || (from.pod.is_none() && to.pod.is_none()) {
                continue;
            }
            let expected = allows(&policies, Types::Egress, from, to, sent)
                && allows(&policies, Types::Ingress, to, from, sent);
            let by = from.pod.map_or("eth0".to_owned(), |(pod, _)| interface(pod).to_string());
            let ends = format!("{}:1000 > {}:{port}", from.address, to.address);
            let line = format!("in={by} {} {ends}", protocol.as_str());
            let packet = line.parse().expect("a packet");
            let opinion = judge.judge(&packet, &Connections::new(&[]));
            let said = opinion.verdict == Verdict::Allow;
            prop_assert_eq!(said, expected, "{}: {:#?}", line, policies);
        }
    }
}
