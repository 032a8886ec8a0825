//! The JSON Schema of resources, for editors: the fields that the readers know, and the words that they
//! take.
//!
//! It says less than the readers check: what a selector, a prefix or a name is, and what must not stand
//! together, is theirs.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::known::{self, Known};
use crate::calico::resources::Api;
use crate::calico::resources::setting::Parameter;
use crate::calico::resources::setting::modern::{ModernParameter, Number, Switch, Text};
use crate::calico::words::{self, Kind, Words};

/// The schema of one resource, a list of them, or a list as `calicoctl get -o yaml` prints it.
pub fn schema(generator: &mut SchemaGenerator) -> Schema {
    let mut any = Vec::new();
    let definitions = generator.definitions_mut();
    for api in [Api::V1, Api::V3] {
        let shapes = Shapes { api };
        for (part, name) in [(Part::Rule, "rule"), (Part::Entity, "entity")] {
            definitions.insert(shapes.id(name), shapes.object(part));
        }
        for (word, kind) in words::kinds(api) {
            definitions.insert(shapes.id(word), shapes.resource(word, *kind));
            any.push(shapes.reference(word));
        }
    }
    let kubernetes = super::kubernetes::schema::define(definitions);
    let kubernetes = kubernetes.iter();
    any.extend(kubernetes.map(|id| json!({ "$ref": format!("#/$defs/{id}") })));
    let resources = json!({ "type": "array", "items": { "$ref": "#/$defs/Resource" } });
    any.push(json!({
        "description": "a list of resources, as calicoctl prints it",
        "type": "object",
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string", "pattern": "List$" },
            "metadata": {},
            "items": resources,
        },
        "required": ["kind"],
        "additionalProperties": false,
    }));
    any.push(resources);
    definitions.insert("Resource".to_owned(), json!({ "anyOf": any }));
    schemars::json_schema!({ "$ref": "#/$defs/Resource" })
}

/// A part of a resource that has fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Metadata(Kind),
    Spec(Kind),
    Rule,
    Entity,
    Icmp,
    ServiceAccounts,
    Floating,
    NamedPort,
    FailsafePort,
    IpInIp,
    Bgp,
    RuleMetadata,
    Service,
    ServiceNet,
    Qos,
}

/// The shapes of one version of the API.
#[derive(Clone, Copy)]
struct Shapes {
    api: Api,
}

impl Shapes {
    fn id(self, name: &str) -> String {
        let version = match self.api {
            Api::V1 => "v1",
            Api::V3 => "v3",
        };
        format!("{version}.{name}")
    }

    fn reference(self, name: &str) -> Value {
        json!({ "$ref": format!("#/$defs/{}", self.id(name)) })
    }

    fn resource(self, word: &str, kind: Kind) -> Value {
        let parts = [
            ("metadata", Part::Metadata(kind)),
            ("spec", Part::Spec(kind)),
        ];
        let [metadata, spec] = parts.map(|(_, part)| self.object(part));
        let has_required = |(_, part): &&(&str, Part)| !self.required(*part).is_empty();
        let required = parts.iter().filter(has_required).map(|(name, _)| *name);
        let required: Vec<&str> = ["apiVersion", "kind"].into_iter().chain(required).collect();
        json!({
            "description": about(kind),
            "type": "object",
            "properties": {
                "apiVersion": { "const": self.api.as_str() },
                "kind": { "const": word },
                "metadata": metadata,
                "spec": spec,
                "status": { "description": "what the API says of it; read over" },
            },
            "required": required,
            "additionalProperties": false,
        })
    }

    fn object(self, part: Part) -> Value {
        let mut properties = Map::new();
        if part == Part::Spec(Kind::Configuration) {
            for (word, parameter) in words::parameters(self.api) {
                properties.insert((*word).to_owned(), self.parameter(*parameter));
            }
        }
        for name in self.known(part).iter().copied().flatten() {
            let shape = self.field(part, name).unwrap_or_else(|| json!({}));
            properties.insert((*name).to_owned(), shape);
        }
        json!({
            "type": "object",
            "properties": properties,
            "required": self.required(part),
            "additionalProperties": false,
        })
    }

    fn known(self, part: Part) -> Known {
        match part {
            Part::Metadata(kind) => known::metadata(self.api, kind),
            Part::Spec(kind) => known::spec(self.api, kind),
            Part::Rule => known::rule(self.api),
            Part::Entity => known::entity(self.api),
            Part::Icmp => known::ICMP,
            Part::ServiceAccounts => known::SERVICE_ACCOUNTS,
            Part::Floating => known::FLOATING,
            Part::NamedPort => known::NAMED_PORT,
            Part::FailsafePort => known::FAILSAFE_PORT,
            Part::IpInIp => known::IP_IN_IP,
            Part::Bgp => known::bgp(self.api),
            Part::RuleMetadata => known::RULE_METADATA,
            Part::Service => known::SERVICE,
            Part::ServiceNet => known::SERVICE_NET,
            Part::Qos => known::QOS,
        }
    }

    /// The fields that must be there.
    fn required(self, part: Part) -> &'static [&'static str] {
        match (self.api, part) {
            (Api::V1, Part::Metadata(kind)) => match kind {
                Kind::Configuration => &[],
                Kind::Pool => &["cidr"],
                Kind::Host => &["name", "node"],
                Kind::Workload => &["name", "workload", "orchestrator", "node"],
                _ => &["name"],
            },
            (Api::V3, Part::Metadata(Kind::Workload)) => &[],
            (Api::V3, Part::Metadata(_)) => &["name"],
            (Api::V1, Part::Spec(Kind::Workload)) => &["interfaceName"],
            (Api::V3, Part::Spec(Kind::Workload)) => {
                &["node", "orchestrator", "endpoint", "interfaceName"]
            }
            (Api::V3, Part::Spec(Kind::Host)) => &["node"],
            (Api::V3, Part::Spec(Kind::Pool)) => &["cidr"],
            (_, Part::Rule) => &["action"],
            (_, Part::Floating) => &["internalIP", "externalIP"],
            (_, Part::NamedPort) => &["name", "protocol", "port"],
            (_, Part::FailsafePort) => &["port"],
            (_, Part::Service) => &["name"],
            (_, Part::ServiceNet) => &["cidr"],
            _ => &[],
        }
    }

    /// The shape of a field; `None` where there is none of that name.
    fn field(self, part: Part, name: &str) -> Option<Value> {
        Some(match (part, name) {
            (Part::Rule, "metadata") => self.part(Part::RuleMetadata, "what its author notes"),
            (Part::RuleMetadata, "annotations") => labels("notes, by key"),
            (Part::Service, "name") => text("the service's name"),
            (Part::Service, "namespace") => text("its namespace; absent: the policy's"),
            (Part::FailsafePort, "net") => text("the only addresses for which it stays open"),
            (_, "services") => self.part(Part::Service, "it stands behind this service"),
            (_, "stagedAction") => json!({
                "description": "what becomes of the policy when it is enforced",
                "enum": ["Set", "Delete", "Ignore", "Learn"],
            }),
            (_, "allowedUses") => list("what its addresses are for", &word(words::POOL_USES)),
            (_, "serviceClusterIPs" | "serviceExternalIPs" | "serviceLoadBalancerIPs") => {
                list("addresses of services", &self.object(Part::ServiceNet))
            }
            (_, "qosControls") => self.part(Part::Qos, "how its traffic is limited and marked"),
            (Part::Qos, "dscp") => whole("the DSCP of what it sends", 0, 63),
            (Part::Qos, name) if name.ends_with("Rate") || name.ends_with("Connections") => {
                json!({ "description": "a limit; 0: none", "type": "integer", "minimum": 0 })
            }
            (Part::Qos, name) if name.ends_with("PacketBurst") => {
                json!({ "description": "packets at once", "type": "integer", "minimum": 0 })
            }
            (Part::Qos, _) => read_over(),
            (_, "ipv4VXLANTunnelAddr") => text("its address on vxlan.calico"),
            (_, "ipv6VXLANTunnelAddr") => text("its address on vxlan-v6.calico"),
            (Part::NamedPort, "name") => text("the port's name, which rules may say"),
            (Part::Metadata(_), "name") => text("its name"),
            (Part::Metadata(_), "namespace") => text("its namespace; absent: default"),
            (_, "labels") => labels("what selectors see of it"),
            (_, "labelsToApply") => labels("labels of every endpoint that has the profile"),
            (_, "tags") => texts("tags of every endpoint that has the profile"),
            (_, "node") => text("the node that it is on, or for"),
            (_, "workload" | "pod" | "containerID") => text("what the orchestrator calls it"),
            (_, "orchestrator") => text("k8s, cni, openstack, …"),
            (_, "endpoint") => text("which of the workload's endpoints"),
            (_, "cidr") => text("the prefix"),
            (_, "order") => number("lower is asked first; absent: last"),
            (_, "defaultAction") => words(
                "what becomes of what no rule decides",
                words::DEFAULT_ACTIONS,
            ),
            (Part::Spec(_), "selector") => text("whom it applies to; absent: all()"),
            (_, "selector") => text("those whom a selector selects"),
            (_, "notSelector") => text("those whom a selector does not select"),
            (_, "namespaceSelector") => text("of which namespaces"),
            (_, "serviceAccountSelector") => text("of which service accounts"),
            (_, "ingress") => self.rules("for what endpoints receive, first to last"),
            (_, "egress") => self.rules("for what endpoints send, first to last"),
            (_, "doNotTrack") => truth("asked of every packet, before connection tracking"),
            (_, "preDNAT") => truth("asked of what enters, before destination translation"),
            (_, "applyOnForward") => truth("asked of what the node forwards, too"),
            (_, "tier") => text("its tier; absent: default"),
            (_, "types") => list("the directions that it governs", &word(words::TYPES)),
            (_, "action") => words("what becomes of the packet", words::actions(self.api)),
            (_, "ipVersion") => json!({ "description": "the only family", "enum": [4, 6] }),
            (Part::NamedPort | Part::FailsafePort, "protocol") => {
                self.protocol("of which protocol")
            }
            (_, "protocol") => self.protocol("the protocol that it has"),
            (_, "notProtocol") => self.protocol("the protocol that it has not"),
            (_, "icmp") => self.part(Part::Icmp, "the ICMP message that it is"),
            (_, "notICMP") => self.part(Part::Icmp, "the ICMP message that it is not"),
            (_, "type") => whole("an ICMP type", 0, 254),
            (_, "code") => whole("an ICMP code", 0, 255),
            (_, "source") => self.described("entity", "whom it is from"),
            (_, "destination") => self.described("entity", "whom it is to"),
            (Part::Entity, "ports") => ports("any of these ports"),
            (Part::Entity, "notPorts") => ports("none of these ports"),
            (_, "ports") => list("ports that rules may name", &self.object(Part::NamedPort)),
            (_, "tag") => text("those who bear a tag"),
            (_, "notTag") => text("those who bear no such tag"),
            (_, "net") => text("a prefix that the address is in"),
            (_, "notNet") => text("a prefix that the address is not in"),
            (_, "nets") => texts("prefixes, one of which the address is in"),
            (_, "notNets") => texts("prefixes, none of which the address is in"),
            (_, "serviceAccounts") => self.part(Part::ServiceAccounts, "of these accounts"),
            (_, "names") => texts("any of these names"),
            (_, "interfaceName") => text("the node's interface; of a host endpoint, * is all"),
            (_, "ipNetworks") => texts("its addresses"),
            (_, "expectedIPs") => texts("addresses that its interface is expected to have"),
            (_, "ipNATs") => list("floating addresses", &self.object(Part::Floating)),
            (_, "internalIP") => text("the workload's address"),
            (_, "externalIP") => text("the address that stands for it outside"),
            (_, "profiles") => texts("its profiles, in order"),
            (_, "state") => words("whether it is administratively up", super::endpoint::STATES),
            (_, "allowSpoofedSourcePrefixes") => texts("prefixes that it may send from besides"),
            (_, "serviceAccountName") => text("its service account"),
            (_, "port") => whole("a port", 0, 65535),
            (_, "nat-outgoing" | "natOutgoing") => {
                truth("whether its workloads leave the pools with the node's address")
            }
            (_, "ipip") => self.part(Part::IpInIp, "whether nodes wrap traffic in IP"),
            (_, "enabled") => truth("whether they do"),
            (_, "mode" | "ipipMode" | "vxlanMode") => words(
                "when traffic between nodes is wrapped",
                words::ip_in_ip(self.api),
            ),
            (_, "bgp") => self.part(Part::Bgp, "its addresses, towards which others route"),
            (_, "ipv4Address" | "ipv6Address") => text("its address"),
            (_, "ipv4IPIPTunnelAddr") => text("its address on tunl0"),
            (_, "clusterType") => {
                text("words about it, with commas between; one of openstack has Felix serve that")
            }
            (_, "disabled") => truth("whether it gives out addresses no more"),
            (_, "blockSize") => whole("the prefix length of a block", 20, 128),
            (_, name) if READ_OVER.contains(&name) => read_over(),
            _ => return None,
        })
    }

    /// One of Felix's parameters.
    fn parameter(self, parameter: Parameter) -> Value {
        match parameter {
            Parameter::InterfacePrefixes => {
                text("how the names of workloads' interfaces begin, with commas between")
            }
            Parameter::MarkMask => json!({
                "description": "the bits of the mark that Felix may use",
                "type": ["string", "integer"],
            }),
            Parameter::IpInIp => self.switch("whether traffic between nodes is wrapped in IP"),
            Parameter::TunnelAddress => text("this node's address on tunl0"),
            Parameter::EndpointToHost => words(
                "what becomes of what a workload sends to its node",
                words::endpoint_to_host(self.api),
            ),
            Parameter::InsertMode => words(
                "where Felix's rules stand in the kernel's chains",
                words::insert_modes(self.api),
            ),
            Parameter::LogPrefix => text("what stands before a line in the log"),
            Parameter::FailsafeInbound => self.failsafe("TCP ports of the node always open"),
            Parameter::FailsafeOutbound => self.failsafe("TCP ports elsewhere always reached"),
            Parameter::Ipv6 => self.switch("whether IPv6 is governed at all"),
            Parameter::MetadataAddress => text("where OpenStack's metadata service listens"),
            Parameter::MetadataPort => whole("and by which port", 0, 65535),
            Parameter::ClusterType => text("what kind of cluster this is"),
            Parameter::Modern(parameter) => modern(parameter),
        }
    }

    /// felix.cfg's truth values are texts.
    fn switch(self, about: &str) -> Value {
        match self.api {
            Api::V1 => json!({ "description": about, "enum": [true, false, "true", "false"] }),
            Api::V3 => truth(about),
        }
    }

    fn failsafe(self, about: &str) -> Value {
        match self.api {
            Api::V1 => json!({
                "description": format!("{about}: numbers with commas between, or none"),
                "type": ["string", "integer"],
            }),
            Api::V3 => list(about, &self.object(Part::FailsafePort)),
        }
    }

    fn rules(self, about: &str) -> Value {
        list(about, &self.reference("rule"))
    }

    fn part(self, part: Part, about: &str) -> Value {
        let mut shape = self.object(part);
        shape["description"] = about.into();
        shape
    }

    fn described(self, name: &str, about: &str) -> Value {
        let mut shape = self.reference(name);
        shape["description"] = about.into();
        shape
    }

    fn protocol(self, about: &str) -> Value {
        json!({
            "description": about,
            "anyOf": [
                word(words::protocols(self.api)),
                { "type": "integer", "minimum": 1, "maximum": 255 },
                { "type": "string", "pattern": "^[0-9]+$" },
            ],
        })
    }
}

/// What the API accepts and no packet can tell.
const READ_OVER: [&str; 41] = [
    "activeInstanceID",
    "addresses",
    "annotations",
    "asNumber",
    "assignmentMode",
    "bindMode",
    "calicoVersion",
    "clusterGUID",
    "communities",
    "creationTimestamp",
    "datastoreReady",
    "deletionTimestamp",
    "disableBGPExport",
    "finalizers",
    "generateName",
    "generation",
    "hostIP",
    "hostPort",
    "http",
    "ignoredInterfaces",
    "ipv4Gateway",
    "ipv6Gateway",
    "listenPort",
    "logSeverityScreen",
    "mac",
    "managedFields",
    "nodeMeshMaxRestartTime",
    "nodeMeshPassword",
    "nodeSelector",
    "nodeToNodeMeshEnabled",
    "orchRefs",
    "ownerReferences",
    "performanceHints",
    "prefixAdvertisements",
    "resourceVersion",
    "routeReflectorClusterID",
    "selfLink",
    "serviceLoadBalancerAggregation",
    "uid",
    "variant",
    "vxlanTunnelMACAddr",
];

fn about(kind: Kind) -> &'static str {
    match kind {
        Kind::Configuration => "what Felix is told, on every node or on one",
        Kind::Node => "a node and its addresses",
        Kind::Pool => "a pool of addresses for workloads",
        Kind::Tier => "a tier of policies",
        Kind::Policy => "a policy for the endpoints that its selector selects",
        Kind::NamespacedPolicy => "a policy for endpoints of its namespace",
        Kind::StagedPolicy => "a policy that is shown and not enforced",
        Kind::StagedNamespacedPolicy => "a policy of its namespace, shown and not enforced",
        Kind::Profile => {
            "rules for the endpoints that name the profile, and that no policy decides on"
        }
        Kind::NetworkSet => "addresses that selectors can select",
        Kind::NamespacedNetworkSet => "addresses that selectors of its namespace can select",
        Kind::Workload => "a workload's interface on its node",
        Kind::Host => "a node's own interface, governed by policies",
        Kind::Bgp => "what BGP is told; Felix reads the addresses of services in it",
        Kind::Cluster => "what the cluster is; Felix reads its type",
    }
}

/// One of Felix's parameters that v1 has not.
fn modern(parameter: ModernParameter) -> Value {
    match parameter {
        ModernParameter::Switch(switch) => {
            let about = about_switch(switch);
            match switch.is_worded() {
                true => words(about, words::SWITCHES),
                false => truth(about),
            }
        }
        ModernParameter::Number(number) => {
            let [least, most] = number.bounds().map(u32::from);
            whole(about_number(number), least, most)
        }
        ModernParameter::Text(one) => text(about_text(one)),
        ModernParameter::FilterAllow => words(
            "what becomes of what policy allows, in filter",
            words::ALLOW_ACTIONS,
        ),
        ModernParameter::MangleAllow => words(
            "what becomes of what policy allows, in mangle",
            words::ALLOW_ACTIONS,
        ),
        ModernParameter::FilterDeny => words("what becomes of what is denied", words::DENY_ACTIONS),
        ModernParameter::NatPorts => port("the ports that outgoing NAT gives"),
        ModernParameter::NatAddress => text("the address that outgoing NAT gives"),
        ModernParameter::NatExclusions => {
            words("where outgoing NAT does not apply", words::NAT_EXCLUSIONS)
        }
        ModernParameter::ServiceLoops => words(
            "what becomes of packets to services that nothing translates",
            words::SERVICE_LOOPS,
        ),
        ModernParameter::NodePorts => ports("the node's ports that stand for services"),
        ModernParameter::LogRate => text("how often rules log, such as 10/minute"),
    }
}

fn about_switch(switch: Switch) -> &'static str {
    match switch {
        Switch::DisableInvalidCheck => "whether invalid packets are judged like others",
        Switch::Vxlan => "whether traffic of IPv4 between nodes is wrapped in VXLAN",
        Switch::AllowVxlanFromWorkloads => "whether workloads may send VXLAN",
        Switch::AllowIpInIpFromWorkloads => "whether workloads may send IP in IP",
        Switch::Wireguard => "whether traffic of IPv4 between nodes is wrapped in WireGuard",
        Switch::WireguardV6 => "whether traffic of IPv6 between nodes is wrapped in WireGuard",
        Switch::WireguardHostEncryption => "whether the nodes' own traffic is, too",
        Switch::FloatingAddresses => "whether floating addresses stand for all workloads",
        Switch::FlowReporter => "whether the node is told of flows",
        Switch::Istio => "whether connections to Istio's workloads are told by their DSCP",
    }
}

fn about_number(number: Number) -> &'static str {
    match number {
        Number::VxlanPort => "the UDP port of VXLAN",
        Number::WireguardPort => "the UDP port of IPv4's WireGuard",
        Number::WireguardPortV6 => "the UDP port of IPv6's WireGuard",
        Number::LogBurst => "how often rules log at once",
        Number::IstioDscp => "the DSCP of connections to Istio's workloads",
    }
}

fn about_text(text: Text) -> &'static str {
    match text {
        Text::NatInterface => "the interface by which a packet leaves to be translated",
        Text::WireguardInterface => "the interface of IPv4's WireGuard",
        Text::WireguardInterfaceV6 => "the interface of IPv6's WireGuard",
        Text::FlowServer => "whom Felix tells of flows",
    }
}

pub(super) fn read_over() -> Value {
    json!({ "description": "accepted; changes no packet's way" })
}

pub(super) fn text(about: &str) -> Value {
    json!({ "description": about, "type": "string" })
}

pub(super) fn texts(about: &str) -> Value {
    list(about, &json!({ "type": "string" }))
}

pub(super) fn truth(about: &str) -> Value {
    json!({ "description": about, "type": "boolean" })
}

fn number(about: &str) -> Value {
    json!({ "description": about, "type": "number" })
}

pub(super) fn whole(about: &str, least: u32, most: u32) -> Value {
    json!({ "description": about, "type": "integer", "minimum": least, "maximum": most })
}

pub(super) fn list(about: &str, items: &Value) -> Value {
    json!({ "description": about, "type": "array", "items": items })
}

pub(super) fn labels(about: &str) -> Value {
    json!({
        "description": about,
        "type": "object",
        "additionalProperties": { "type": "string" },
    })
}

fn ports(about: &str) -> Value {
    list(about, &port("a port, a range, or a name"))
}

fn port(about: &str) -> Value {
    json!({
        "description": about,
        "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": 65535 },
            { "type": "string" },
        ],
    })
}

pub(super) fn word<T>(words: Words<T>) -> Value {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    json!({ "enum": words })
}

pub(super) fn words<T>(about: &str, words: Words<T>) -> Value {
    let mut shape = word(words);
    shape["description"] = about.into();
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_the_readers_know_has_a_shape() {
        for api in [Api::V1, Api::V3] {
            let shapes = Shapes { api };
            let kinds = words::kinds(api).iter().map(|(_, kind)| *kind);
            let of_kinds = kinds.flat_map(|kind| [Part::Metadata(kind), Part::Spec(kind)]);
            let others = [
                Part::Rule,
                Part::Entity,
                Part::Icmp,
                Part::ServiceAccounts,
                Part::Floating,
                Part::NamedPort,
                Part::FailsafePort,
                Part::IpInIp,
                Part::Bgp,
                Part::RuleMetadata,
                Part::Service,
                Part::ServiceNet,
                Part::Qos,
            ];
            for part in of_kinds.chain(others) {
                for name in shapes.known(part).iter().copied().flatten() {
                    let shape = shapes.field(part, name);
                    assert!(shape.is_some(), "{api} {part:?} {name}");
                }
                let known = shapes.known(part).concat();
                let required = shapes.required(part).iter();
                for name in required {
                    assert!(known.contains(name), "{api} {part:?} requires {name}");
                }
            }
        }
    }
}
