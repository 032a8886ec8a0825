//! Resources, written as YAML that [`super::read`] reads back as the same values.
//!
//! Written is what values say, in the words of their version of the API: a value that only the other
//! version can say (a tag in v3, two prefixes in v1, …) is left out, so whoever makes such values
//! makes a mistake. Resources stand by kind, and in a kind in their own order.

mod rule;
mod setting;
mod tree;

use serde::ser::{Serialize, Serializer};

use self::tree::{Map, Node};
use super::read::{ADDRESS_TYPES, CLUSTER, DISCOVERY, DSCP_ANNOTATION, SERVICE_NAME};
use super::resources::{
    Api, ClusterInformation, EndpointSlice, HostEndpoint, IpInIp, NamedPort, NetworkSet,
    Node as ClusterNode, Policy, Pool, Profile, Resources, ServiceNets, SlicePort, Tier, Types,
    WorkloadEndpoint,
};
use super::words::{self, Kind, word_for};
use super::world::{HostInterface, Limits, Qos, Stage};

/// One resource, ready to be written into other YAML; a document of a file of resources.
#[derive(Debug)]
pub struct Document(Map);

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Writes a file of resources.
///
/// # Errors
///
/// Where the YAML writer fails, which no resource makes it do.
pub fn write(resources: &Resources) -> Result<String, serde_saphyr::ser::Error> {
    let documents = documents(resources);
    let texts = documents.iter().map(serde_saphyr::to_string);
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("---\n"))
}

/// The resources as documents.
#[must_use]
pub fn documents(resources: &Resources) -> Vec<Document> {
    let api = resources.api;
    let Resources {
        api: _,
        configurations,
        nodes,
        pools,
        tiers,
        policies,
        profiles,
        sets,
        workloads,
        hosts,
        service_nets,
        cluster,
        slices,
    } = resources;
    let configurations = configurations
        .iter()
        .map(|one| setting::configuration(api, one));
    configurations
        .chain(nodes.iter().map(|one| node(api, one)))
        .chain(pools.iter().map(|one| pool(api, one)))
        .chain(tiers.iter().map(|one| tier(api, one)))
        .chain(policies.iter().map(|one| policy(api, one)))
        .chain(profiles.iter().map(|one| profile(api, one)))
        .chain(sets.iter().map(|one| set(api, one)))
        .chain(workloads.iter().map(|one| workload(api, one)))
        .chain(hosts.iter().map(|one| host(api, one)))
        .chain(service_nets.iter().map(|one| bgp(api, one)))
        .chain(cluster.iter().map(|one| information(api, one)))
        .chain(slices.iter().map(slice))
        .collect()
}

/// A resource of its parts.
fn document(api: Api, kind: Kind, metadata: Map, spec: Map) -> Document {
    Document(
        Map::default()
            .with("apiVersion", api.as_str())
            .with("kind", word_for(words::kinds(api), &kind))
            .some("metadata", metadata)
            .some("spec", spec),
    )
}

fn named(name: &str) -> Map {
    Map::default().with("name", name)
}

fn node(api: Api, node: &ClusterNode) -> Document {
    let tunnel = node.tunnel.filter(|_| api == Api::V3);
    let bgp = Map::default()
        .maybe("ipv4Address", node.v4.map(Node::text))
        .maybe("ipv6Address", node.v6.map(Node::text))
        .maybe("ipv4IPIPTunnelAddr", tunnel.map(Node::text));
    let spec = Map::default()
        .some("bgp", bgp)
        .maybe("ipv4VXLANTunnelAddr", node.vxlan.map(Node::text))
        .maybe("ipv6VXLANTunnelAddr", node.vxlan_v6.map(Node::text));
    document(api, Kind::Node, named(&node.name), spec)
}

fn bgp(api: Api, nets: &ServiceNets) -> Document {
    let list = |nets: &[ipnet::IpNet]| -> Node {
        let ranges = nets.iter();
        let ranges = ranges.map(|net| Map::default().with("cidr", Node::text(net)).into());
        ranges.collect()
    };
    let spec = Map::default()
        .some("serviceClusterIPs", list(&nets.cluster))
        .some("serviceExternalIPs", list(&nets.external))
        .some("serviceLoadBalancerIPs", list(&nets.load_balancer));
    document(api, Kind::Bgp, named(&nets.name), spec)
}

fn information(api: Api, cluster: &ClusterInformation) -> Document {
    let cluster_type = cluster.cluster_type.as_str();
    let spec = Map::default().maybe(
        "clusterType",
        (!cluster_type.is_empty()).then_some(cluster_type),
    );
    document(api, Kind::Cluster, named(CLUSTER), spec)
}

/// A slice, which is Kubernetes' own.
fn slice(slice: &EndpointSlice) -> Document {
    let service = Map::default().with(SERVICE_NAME, slice.service.as_str());
    let metadata = named(&slice.name)
        .with("namespace", slice.namespace.as_str())
        .with("labels", service);
    let endpoint = |address| -> Node {
        let addresses = Node::texts(&[address]);
        Map::default().with("addresses", addresses).into()
    };
    let port = |port: &SlicePort| -> Node {
        let protocol = word_for(words::protocols(Api::V3), &port.protocol);
        Map::default()
            .with("protocol", protocol)
            .with("port", port.port)
            .into()
    };
    Document(
        Map::default()
            .with("apiVersion", DISCOVERY)
            .with("kind", "EndpointSlice")
            .with("metadata", metadata)
            .with("addressType", word_for(ADDRESS_TYPES, &Some(slice.family)))
            .some(
                "endpoints",
                slice.addresses.iter().map(endpoint).collect::<Node>(),
            )
            .some("ports", slice.ports.iter().map(port).collect::<Node>()),
    )
}

fn pool(api: Api, pool: &Pool) -> Document {
    let net = Node::text(pool.net);
    let mode =
        |mode: IpInIp| (mode != IpInIp::Never).then(|| word_for(words::ip_in_ip(api), &mode));
    let wrapped = mode(pool.ip_in_ip);
    let (metadata, spec) = match api {
        Api::V1 => {
            let enabled =
                |mode: &'static str| Map::default().with("enabled", true).with("mode", mode);
            let spec = Map::default()
                .maybe("ipip", wrapped.map(enabled))
                .flag("nat-outgoing", pool.nat_outgoing);
            (Map::default().with("cidr", net), spec)
        }
        Api::V3 => {
            let for_services = pool.for_services.then_some("LoadBalancer");
            let uses = Node::texts(for_services.as_slice());
            // A name of letters, digits and `-`: nothing else tells pools of values apart.
            let name = pool.net.to_string().replace(['.', ':', '/'], "-");
            // Room for a block: the default one is wider than the smallest pools.
            let block = pool.net.prefix_len();
            let default = if pool.net.max_prefix_len() == 32 {
                26
            } else {
                122
            };
            let spec = Map::default()
                .with("cidr", net)
                .maybe("blockSize", (block > default).then_some(block))
                .maybe("ipipMode", wrapped)
                .maybe("vxlanMode", mode(pool.vxlan))
                .flag("natOutgoing", pool.nat_outgoing)
                .some("allowedUses", uses);
            (named(&format!("pool-{name}")), spec)
        }
    };
    document(api, Kind::Pool, metadata, spec)
}

fn tier(api: Api, tier: &Tier) -> Document {
    let action = word_for(words::DEFAULT_ACTIONS, &tier.default_action);
    let spec = Map::default()
        .maybe("order", tier.order)
        .with("defaultAction", action);
    document(api, Kind::Tier, named(&tier.name), spec)
}

fn policy(api: Api, policy: &Policy) -> Document {
    let kind = match (&policy.namespace, policy.staged) {
        (None, false) => Kind::Policy,
        (Some(_), false) => Kind::NamespacedPolicy,
        (None, true) => Kind::StagedPolicy,
        (Some(_), true) => Kind::StagedNamespacedPolicy,
    };
    let metadata = named(&policy.name).maybe("namespace", policy.namespace.as_deref());
    let spec = match api {
        Api::V1 => Map::default(),
        Api::V3 => Map::default().with("tier", policy.tier.as_str()),
    };
    let spec = spec
        .maybe("order", policy.order)
        .with("selector", Node::text(&policy.selector))
        .maybe(
            "namespaceSelector",
            policy.namespace_selector.as_ref().map(Node::text),
        )
        .maybe(
            "serviceAccountSelector",
            policy.service_account_selector.as_ref().map(Node::text),
        )
        .maybe("types", policy.types.map(types))
        .flag(
            "applyOnForward",
            policy.stage != Stage::Normal && api == Api::V3,
        )
        .flag("preDNAT", policy.stage == Stage::PreDnat)
        .flag("doNotTrack", policy.stage == Stage::Untracked)
        .some("ingress", rule::rules(api, &policy.ingress))
        .some("egress", rule::rules(api, &policy.egress));
    document(api, kind, metadata, spec)
}

fn types(types: Types) -> Node {
    let governs = |one: &&(&str, Types)| types == one.1 || types == Types::Both;
    let words = words::TYPES.iter().filter(governs);
    words.map(|(word, _)| Node::text(word)).collect()
}

fn profile(api: Api, profile: &Profile) -> Document {
    let labels: Map = profile.labels.iter().collect();
    let (metadata, spec) = match api {
        Api::V1 => {
            let metadata = named(&profile.name)
                .some("labels", labels)
                .some("tags", Node::texts(&profile.tags));
            (metadata, Map::default())
        }
        Api::V3 => (
            named(&profile.name),
            Map::default().some("labelsToApply", labels),
        ),
    };
    let spec = spec
        .some("ingress", rule::rules(api, &profile.ingress))
        .some("egress", rule::rules(api, &profile.egress));
    document(api, Kind::Profile, metadata, spec)
}

fn set(api: Api, set: &NetworkSet) -> Document {
    let kind = match set.namespace {
        None => Kind::NetworkSet,
        Some(_) => Kind::NamespacedNetworkSet,
    };
    let metadata = named(&set.name)
        .maybe("namespace", set.namespace.as_deref())
        .some("labels", set.labels.iter().collect::<Map>());
    let spec = Map::default().some("nets", Node::texts(&set.nets));
    document(api, kind, metadata, spec)
}

fn workload(api: Api, workload: &WorkloadEndpoint) -> Document {
    let id = &workload.id;
    let labels: Map = workload.labels.iter().collect();
    let (metadata, spec) = match api {
        Api::V1 => {
            let metadata = named(&id.endpoint)
                .with("workload", id.workload.as_str())
                .with("orchestrator", id.orchestrator.as_str())
                .with("node", id.node.as_str());
            (metadata, Map::default())
        }
        Api::V3 => {
            let metadata = named(&id.resource_name()).maybe("namespace", id.namespace.as_deref());
            let called = match id.orchestrator.as_str() {
                "k8s" => "pod",
                "cni" => "containerID",
                _ => "workload",
            };
            let spec = Map::default()
                .with("node", id.node.as_str())
                .with("orchestrator", id.orchestrator.as_str())
                .with(called, id.workload.as_str())
                .with("endpoint", id.endpoint.as_str());
            (metadata, spec)
        }
    };
    let networks = workload.addresses.iter().map(|address| {
        let net = ipnet::IpNet::from(*address);
        Node::text(net)
    });
    let floating = workload.floating.iter().map(|nat| {
        Node::from(
            Map::default()
                .with("internalIP", Node::text(nat.inside))
                .with("externalIP", Node::text(nat.outside)),
        )
    });
    let spec = spec
        .with("interfaceName", workload.interface.as_str())
        .some("ipNetworks", networks.collect::<Node>())
        .some("ipNATs", floating.collect::<Node>())
        .some("profiles", Node::texts(&workload.profiles))
        .some("ports", named_ports(api, &workload.ports))
        .maybe("serviceAccountName", workload.service_account.as_deref())
        .some("qosControls", qos(&workload.qos))
        .some(
            "allowSpoofedSourcePrefixes",
            Node::texts(&workload.allowed_sources),
        )
        .maybe("state", (!workload.up).then_some("inactive"));
    document(api, Kind::Workload, metadata.some("labels", labels), spec)
}

fn qos(qos: &Qos) -> Map {
    let limits = |map: Map, direction: &str, limits: Limits| {
        let name = |what: &str| format!("{direction}{what}");
        map.maybe(
            &name("PacketRate"),
            limits.packets.map(|rate| rate.per_second),
        )
        .maybe(&name("PacketBurst"), limits.packets.map(|rate| rate.burst))
        .maybe(&name("MaxConnections"), limits.connections)
    };
    let map = limits(Map::default(), "ingress", qos.ingress);
    limits(map, "egress", qos.egress).maybe("dscp", qos.dscp)
}

fn host(api: Api, host: &HostEndpoint) -> Document {
    let labels: Map = host.labels.iter().collect();
    let metadata = named(&host.name);
    let dscp = host
        .dscp
        .map(|dscp| Map::default().with(DSCP_ANNOTATION, Node::text(dscp)));
    let (metadata, spec) = match api {
        Api::V1 => (metadata.with("node", host.node.as_str()), Map::default()),
        Api::V3 => (
            metadata.maybe("annotations", dscp),
            Map::default().with("node", host.node.as_str()),
        ),
    };
    let interface = match &host.of {
        HostInterface::Named(name) => Some(name.as_str()),
        HostInterface::ByAddress => None,
        HostInterface::All => Some("*"),
    };
    let spec = spec
        .maybe("interfaceName", interface)
        .some("expectedIPs", Node::texts(&host.expected_addresses))
        .some("profiles", Node::texts(&host.profiles))
        .some("ports", named_ports(api, &host.ports));
    document(api, Kind::Host, metadata.some("labels", labels), spec)
}

fn named_ports(api: Api, ports: &[NamedPort]) -> Node {
    let one = |port: &NamedPort| {
        let protocol = word_for(words::protocols(api), &port.protocol);
        Node::from(
            Map::default()
                .with("name", port.name.as_str())
                .with("protocol", protocol)
                .with("port", port.port),
        )
    };
    ports.iter().map(one).collect()
}
