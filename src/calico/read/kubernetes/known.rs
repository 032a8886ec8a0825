//! The fields that every part of Kubernetes' resources can have.

use super::Kind;
use crate::calico::read::known::{Known, METADATA_V3, RESOURCE};

/// A resource.
pub(super) fn resource(kind: Kind) -> Known {
    const ACCOUNT: &[&str] = &[
        "apiVersion",
        "kind",
        "metadata",
        "secrets",
        "imagePullSecrets",
        "automountServiceAccountToken",
    ];
    const SLICE: &[&str] = &[
        "apiVersion",
        "kind",
        "metadata",
        "addressType",
        "endpoints",
        "ports",
    ];
    match kind {
        Kind::ServiceAccount => &[ACCOUNT],
        Kind::EndpointSlice => &[SLICE],
        _ => &[RESOURCE],
    }
}

/// A resource's metadata.
pub(super) fn metadata(kind: Kind) -> Known {
    if kind.is_namespaced() {
        &[METADATA_V3, &["deletionGracePeriodSeconds", "namespace"]]
    } else {
        &[METADATA_V3, &["deletionGracePeriodSeconds"]]
    }
}

pub(super) const NAMESPACE_SPEC: Known = &[&["finalizers"]];
pub(super) const LABEL_SELECTOR: Known = &[&["matchLabels", "matchExpressions"]];
pub(super) const REQUIREMENT: Known = &[&["key", "operator", "values"]];

pub(super) const POLICY_SPEC: Known = &[&["podSelector", "policyTypes", "ingress", "egress"]];
pub(super) const INGRESS_RULE: Known = &[&["from", "ports"]];
pub(super) const EGRESS_RULE: Known = &[&["to", "ports"]];
pub(super) const PEER: Known = &[&["podSelector", "namespaceSelector", "ipBlock"]];
pub(super) const IP_BLOCK: Known = &[&["cidr", "except"]];
pub(super) const PORT: Known = &[&["protocol", "port", "endPort"]];

const ADMIN_SPEC: &[&str] = &["subject", "ingress", "egress"];

/// An admin policy's spec.
pub(super) fn admin_spec(kind: Kind) -> Known {
    match kind {
        Kind::AdminNetworkPolicy => &[&["priority"], ADMIN_SPEC],
        Kind::ClusterNetworkPolicy => &[&["tier", "priority"], ADMIN_SPEC],
        _ => &[ADMIN_SPEC],
    }
}

/// An admin policy's rule for what pods receive.
pub(super) fn admin_ingress_rule(kind: Kind) -> Known {
    match kind {
        Kind::ClusterNetworkPolicy => &[&["name", "action", "from", "protocols"]],
        _ => &[&["name", "action", "from", "ports"]],
    }
}

/// An admin policy's rule for what pods send.
pub(super) fn admin_egress_rule(kind: Kind) -> Known {
    match kind {
        Kind::ClusterNetworkPolicy => &[&["name", "action", "to", "protocols"]],
        _ => &[&["name", "action", "to", "ports"]],
    }
}

/// Whom an admin policy is about, and its peers on the way in.
pub(super) const SUBJECT: Known = &[&["namespaces", "pods"]];
pub(super) const EGRESS_PEER: Known =
    &[&["namespaces", "pods", "nodes", "networks", "domainNames"]];
pub(super) const NAMESPACED_PODS: Known = &[&["namespaceSelector", "podSelector"]];
pub(super) const ADMIN_PORT: Known = &[&["portNumber", "namedPort", "portRange"]];
pub(super) const PORT_NUMBER: Known = &[&["protocol", "port"]];
pub(super) const PORT_RANGE: Known = &[&["protocol", "start", "end"]];
/// A protocol of a ClusterNetworkPolicy's rule.
pub(super) const PROTOCOL: Known = &[&["tcp", "udp", "sctp", "destinationNamedPort"]];
pub(super) const TRANSPORT: Known = &[&["destinationPort"]];
pub(super) const DESTINATION_PORT: Known = &[&["number", "range"]];
pub(super) const RANGE: Known = &[&["start", "end"]];

/// core/v1, `PodSpec`
pub(super) const POD_SPEC: Known = &[&[
    "containers",
    "nodeName",
    "hostNetwork",
    "serviceAccountName",
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostPID",
    "hostUsers",
    "hostname",
    "hostnameOverride",
    "imagePullSecrets",
    "initContainers",
    "nodeSelector",
    "os",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "resourceClaims",
    "resources",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "securityContext",
    "serviceAccount",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
]];

/// core/v1, `Container`
pub(super) const CONTAINER: Known = &[&[
    "ports",
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "restartPolicyRules",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
]];

pub(super) const CONTAINER_PORT: Known =
    &[&["name", "protocol", "containerPort", "hostPort", "hostIP"]];
pub(super) const POD_IP: Known = &[&["ip"]];

/// core/v1, `ServiceSpec`
pub(super) const SERVICE_SPEC: Known = &[&[
    "ports",
    "allocateLoadBalancerNodePorts",
    "clusterIP",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "publishNotReadyAddresses",
    "selector",
    "sessionAffinity",
    "sessionAffinityConfig",
    "trafficDistribution",
    "type",
]];

/// core/v1, `ServicePort`
pub(super) const SERVICE_PORT: Known = &[&[
    "protocol",
    "port",
    "appProtocol",
    "name",
    "nodePort",
    "targetPort",
]];

/// discovery/v1, `Endpoint`
pub(super) const ENDPOINT: Known = &[&[
    "addresses",
    "conditions",
    "deprecatedTopology",
    "hints",
    "hostname",
    "nodeName",
    "targetRef",
    "zone",
]];

/// discovery/v1, `EndpointPort`
pub(super) const SLICE_PORT: Known = &[&["protocol", "port", "appProtocol", "name"]];
