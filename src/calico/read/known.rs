//! The fields that every part of a resource can have: what the readers take and the schema describes.

use crate::calico::resources::Api;
use crate::calico::words::Kind;

/// Names of fields, in lists that versions share.
pub(super) type Known = &'static [&'static [&'static str]];

pub(super) const RESOURCE: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
pub(super) const LIST: &[&str] = &["apiVersion", "kind", "metadata", "items"];
/// What v3 keeps of every resource.
pub(super) const METADATA_V3: &[&str] = &[
    "name",
    "labels",
    "annotations",
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// A resource's metadata.
pub(super) fn metadata(api: Api, kind: Kind) -> Known {
    match (api, kind) {
        (Api::V1, Kind::Configuration) => &[&["node"]],
        (Api::V1, Kind::Pool) => &[&["cidr"]],
        (Api::V1, Kind::Profile) => &[&["name", "labels", "tags"]],
        (Api::V1, Kind::Host) => &[&["name", "node", "labels"]],
        (Api::V1, Kind::Workload) => &[&[
            "name",
            "workload",
            "orchestrator",
            "node",
            "labels",
            "activeInstanceID",
        ]],
        (Api::V1, _) => &[&["name"]],
        (Api::V3, kind) if kind.is_namespaced(Api::V3) => &[METADATA_V3, &["namespace"]],
        (Api::V3, _) => &[METADATA_V3],
    }
}

const POOL_V1: &[&str] = &["ipip", "nat-outgoing", "disabled"];
const POOL_V3: &[&str] = &[
    "cidr",
    "ipipMode",
    "vxlanMode",
    "natOutgoing",
    "disabled",
    "blockSize",
    "nodeSelector",
    "allowedUses",
    "assignmentMode",
    "disableBGPExport",
];
const NODE_V3: &[&str] = &[
    "addresses",
    "orchRefs",
    "ipv4VXLANTunnelAddr",
    "ipv6VXLANTunnelAddr",
    "vxlanTunnelMACAddr",
];
const POLICY: &[&str] = &["order", "selector", "ingress", "egress"];
const POLICY_V1: &[&str] = &["doNotTrack"];
const POLICY_V3: &[&str] = &[
    "tier",
    "types",
    "serviceAccountSelector",
    "performanceHints",
];
const GLOBAL_POLICY_V3: &[&str] = &[
    "namespaceSelector",
    "applyOnForward",
    "preDNAT",
    "doNotTrack",
];
const STAGED_POLICY: &[&str] = &["stagedAction"];
const WORKLOAD: &[&str] = &[
    "interfaceName",
    "mac",
    "ipNetworks",
    "ipNATs",
    "ipv4Gateway",
    "ipv6Gateway",
    "profiles",
    "state",
];
const WORKLOAD_V3: &[&str] = &[
    "node",
    "orchestrator",
    "workload",
    "pod",
    "containerID",
    "endpoint",
    "ports",
    "serviceAccountName",
    "allowSpoofedSourcePrefixes",
    "qosControls",
];
const HOST: &[&str] = &["interfaceName", "expectedIPs", "profiles"];
const HOST_V3: &[&str] = &["node", "ports"];

/// What BGP is told; Felix reads the services' addresses in it.
const BGP_CONFIGURATION: &[&str] = &[
    "serviceClusterIPs",
    "serviceExternalIPs",
    "serviceLoadBalancerIPs",
    "asNumber",
    "bindMode",
    "communities",
    "ignoredInterfaces",
    "listenPort",
    "logSeverityScreen",
    "nodeMeshMaxRestartTime",
    "nodeMeshPassword",
    "nodeToNodeMeshEnabled",
    "prefixAdvertisements",
    "serviceLoadBalancerAggregation",
];

/// What the cluster is; Felix reads its type.
const CLUSTER_INFORMATION: &[&str] = &[
    "clusterType",
    "calicoVersion",
    "clusterGUID",
    "datastoreReady",
    "variant",
];

/// A resource's spec. Felix's parameters are words of their own (`words::parameters`).
pub(super) fn spec(api: Api, kind: Kind) -> Known {
    match (api, kind) {
        (_, Kind::Configuration) => &[],
        (Api::V1, Kind::Node) => &[&["bgp"]],
        (Api::V3, Kind::Node) => &[&["bgp"], NODE_V3],
        (Api::V1, Kind::Pool) => &[POOL_V1],
        (Api::V3, Kind::Pool) => &[POOL_V3],
        (_, Kind::Tier) => &[&["order", "defaultAction"]],
        (Api::V1, Kind::Policy | Kind::NamespacedPolicy) => &[POLICY, POLICY_V1],
        (Api::V3, Kind::Policy) => &[POLICY, POLICY_V3, GLOBAL_POLICY_V3],
        (Api::V3, Kind::NamespacedPolicy) => &[POLICY, POLICY_V3],
        (_, Kind::StagedPolicy) => &[POLICY, POLICY_V3, GLOBAL_POLICY_V3, STAGED_POLICY],
        (_, Kind::StagedNamespacedPolicy) => &[POLICY, POLICY_V3, STAGED_POLICY],
        (Api::V1, Kind::Profile) => &[&["ingress", "egress"]],
        (Api::V3, Kind::Profile) => &[&["ingress", "egress", "labelsToApply"]],
        (_, Kind::NetworkSet | Kind::NamespacedNetworkSet) => &[&["nets"]],
        (Api::V1, Kind::Workload) => &[WORKLOAD],
        (Api::V3, Kind::Workload) => &[WORKLOAD, WORKLOAD_V3],
        (Api::V1, Kind::Host) => &[HOST],
        (Api::V3, Kind::Host) => &[HOST, HOST_V3],
        (_, Kind::Bgp) => &[BGP_CONFIGURATION],
        (_, Kind::Cluster) => &[CLUSTER_INFORMATION],
    }
}

const RULE: &[&str] = &[
    "action",
    "ipVersion",
    "protocol",
    "notProtocol",
    "icmp",
    "notICMP",
    "source",
    "destination",
];

/// A rule.
pub(super) fn rule(api: Api) -> Known {
    match api {
        Api::V1 => &[RULE],
        Api::V3 => &[RULE, &["http", "metadata"]],
    }
}

const ENTITY: &[&str] = &["selector", "notSelector", "ports", "notPorts"];

/// One end of a rule.
pub(super) fn entity(api: Api) -> Known {
    match api {
        Api::V1 => &[ENTITY, &["tag", "notTag", "net", "notNet"]],
        Api::V3 => &[
            ENTITY,
            &[
                "nets",
                "notNets",
                "namespaceSelector",
                "serviceAccounts",
                "services",
            ],
        ],
    }
}

pub(super) const ICMP: Known = &[&["type", "code"]];
pub(super) const SERVICE_ACCOUNTS: Known = &[&["names", "selector"]];
/// What stands for a workload's address.
pub(super) const FLOATING: Known = &[&["internalIP", "externalIP"]];
pub(super) const NAMED_PORT: Known = &[&["name", "protocol", "port", "hostPort", "hostIP"]];
pub(super) const FAILSAFE_PORT: Known = &[&["protocol", "port", "net"]];
pub(super) const SERVICE: Known = &[&["name", "namespace"]];
/// What a rule's author notes on it.
pub(super) const RULE_METADATA: Known = &[&["annotations"]];
/// A range of services' addresses.
pub(super) const SERVICE_NET: Known = &[&["cidr"]];
/// How a workload's traffic is limited and marked.
pub(super) const QOS: Known = &[&[
    "ingressPacketRate",
    "ingressPacketBurst",
    "ingressMaxConnections",
    "egressPacketRate",
    "egressPacketBurst",
    "egressMaxConnections",
    "dscp",
    "ingressBandwidth",
    "ingressBurst",
    "ingressPeakrate",
    "ingressMinburst",
    "egressBandwidth",
    "egressBurst",
    "egressPeakrate",
    "egressMinburst",
]];
/// A pool's IP in IP (v1).
pub(super) const IP_IN_IP: Known = &[&["enabled", "mode"]];

/// A node's BGP.
pub(super) fn bgp(api: Api) -> Known {
    const BGP: &[&str] = &["asNumber", "ipv4Address", "ipv6Address"];
    match api {
        Api::V1 => &[BGP],
        Api::V3 => &[BGP, &["ipv4IPIPTunnelAddr", "routeReflectorClusterID"]],
    }
}
