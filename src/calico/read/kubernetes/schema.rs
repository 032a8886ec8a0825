//! The JSON Schema of Kubernetes' resources, beside that of Calico's.

use serde_json::{Map, Value, json};

use super::{KINDS, Kind, admin, known, labels, policy, service};
use crate::calico::read::known::Known;
use crate::calico::read::schema::{
    labels as label_map, list, read_over, text, texts, truth, whole, word, words,
};
use crate::calico::words;

/// The definition of label selectors.
const LABEL_SELECTOR: &str = "kubernetes.LabelSelector";

/// Puts the kinds among the definitions; their names there.
pub(in crate::calico::read) fn define(definitions: &mut Map<String, Value>) -> Vec<String> {
    definitions.insert(LABEL_SELECTOR.to_owned(), object(Part::LabelSelector));
    let kind = |(version, word, kind): &(&str, &str, Kind)| {
        let id = format!("kubernetes.{word}");
        let mut shape = object(Part::Resource(*kind));
        shape["description"] = about(*kind).into();
        shape["properties"]["apiVersion"] = json!({ "const": version });
        shape["properties"]["kind"] = json!({ "const": word });
        definitions.insert(id.clone(), shape);
        id
    };
    KINDS.iter().map(kind).collect()
}

fn about(kind: Kind) -> &'static str {
    match kind {
        Kind::NetworkPolicy => "what pods of a namespace may receive and send",
        Kind::AdminNetworkPolicy => "what is decided before the policies of namespaces",
        Kind::BaselineAdminNetworkPolicy => "what is decided behind the policies of namespaces",
        Kind::ClusterNetworkPolicy => "what is decided before or behind the policies of namespaces",
        Kind::Namespace => "a namespace and its labels",
        Kind::Pod => "a pod: an endpoint, where it has a network of its own and addresses",
        Kind::ServiceAccount => "a service account and its labels",
        Kind::Service => "a service; rules that name it mean what its slices say",
        Kind::EndpointSlice => "some of what stands behind a service",
    }
}

/// A part of a resource that has fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Resource(Kind),
    Metadata(Kind),
    NamespaceSpec,
    LabelSelector,
    Requirement,
    PolicySpec,
    IngressRule,
    EgressRule,
    Peer,
    IpBlock,
    Port,
    AdminSpec(Kind),
    AdminIngressRule(Kind),
    AdminEgressRule(Kind),
    Subject,
    EgressPeer,
    NamespacedPods,
    AdminPort,
    PortNumber,
    PortRange,
    Protocol,
    Transport,
    DestinationPort,
    Range,
    PodSpec,
    PodIp,
    Container,
    ContainerPort,
    ServiceSpec,
    ServicePort,
    Endpoint,
    SlicePort,
}

impl Part {
    fn known(self) -> Known {
        match self {
            Self::Resource(kind) => known::resource(kind),
            Self::Metadata(kind) => known::metadata(kind),
            Self::NamespaceSpec => known::NAMESPACE_SPEC,
            Self::LabelSelector => known::LABEL_SELECTOR,
            Self::Requirement => known::REQUIREMENT,
            Self::PolicySpec => known::POLICY_SPEC,
            Self::IngressRule => known::INGRESS_RULE,
            Self::EgressRule => known::EGRESS_RULE,
            Self::Peer => known::PEER,
            Self::IpBlock => known::IP_BLOCK,
            Self::Port => known::PORT,
            Self::AdminSpec(kind) => known::admin_spec(kind),
            Self::AdminIngressRule(kind) => known::admin_ingress_rule(kind),
            Self::AdminEgressRule(kind) => known::admin_egress_rule(kind),
            Self::Subject => known::SUBJECT,
            Self::EgressPeer => known::EGRESS_PEER,
            Self::NamespacedPods => known::NAMESPACED_PODS,
            Self::AdminPort => known::ADMIN_PORT,
            Self::PortNumber => known::PORT_NUMBER,
            Self::PortRange => known::PORT_RANGE,
            Self::Protocol => known::PROTOCOL,
            Self::Transport => known::TRANSPORT,
            Self::DestinationPort => known::DESTINATION_PORT,
            Self::Range => known::RANGE,
            Self::PodSpec => known::POD_SPEC,
            Self::PodIp => known::POD_IP,
            Self::Container => known::CONTAINER,
            Self::ContainerPort => known::CONTAINER_PORT,
            Self::ServiceSpec => known::SERVICE_SPEC,
            Self::ServicePort => known::SERVICE_PORT,
            Self::Endpoint => known::ENDPOINT,
            Self::SlicePort => known::SLICE_PORT,
        }
    }

    /// The fields that must be there.
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Resource(
                Kind::AdminNetworkPolicy
                | Kind::BaselineAdminNetworkPolicy
                | Kind::ClusterNetworkPolicy
                | Kind::Pod
                | Kind::Service,
            ) => &["apiVersion", "kind", "metadata", "spec"],
            Self::Resource(Kind::EndpointSlice) => {
                &["apiVersion", "kind", "metadata", "addressType"]
            }
            Self::Resource(_) => &["apiVersion", "kind", "metadata"],
            Self::Metadata(_) => &["name"],
            Self::Requirement => &["key", "operator"],
            Self::IpBlock => &["cidr"],
            Self::AdminSpec(Kind::AdminNetworkPolicy) => &["priority", "subject"],
            Self::AdminSpec(Kind::ClusterNetworkPolicy) => &["tier", "priority", "subject"],
            Self::AdminSpec(_) => &["subject"],
            Self::AdminIngressRule(_) => &["action", "from"],
            Self::AdminEgressRule(_) => &["action", "to"],
            Self::NamespacedPods => &["namespaceSelector", "podSelector"],
            Self::PortNumber | Self::ServicePort => &["port"],
            Self::Endpoint => &["addresses"],
            Self::PortRange | Self::Range => &["start", "end"],
            Self::ContainerPort => &["containerPort"],
            Self::PodIp => &["ip"],
            _ => &[],
        }
    }

    /// The spec of a kind.
    fn spec(kind: Kind) -> Option<Self> {
        match kind {
            Kind::NetworkPolicy => Some(Self::PolicySpec),
            Kind::AdminNetworkPolicy
            | Kind::BaselineAdminNetworkPolicy
            | Kind::ClusterNetworkPolicy => Some(Self::AdminSpec(kind)),
            Kind::Pod => Some(Self::PodSpec),
            Kind::Namespace => Some(Self::NamespaceSpec),
            Kind::Service => Some(Self::ServiceSpec),
            Kind::ServiceAccount | Kind::EndpointSlice => None,
        }
    }
}

fn object(part: Part) -> Value {
    let mut properties = Map::new();
    for name in part.known().iter().copied().flatten() {
        let shape = field(part, name).unwrap_or_else(read_over);
        properties.insert((*name).to_owned(), shape);
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": part.required(),
        "additionalProperties": false,
    })
}

/// A part of its own, with what it is.
fn described(about: &str, part: Part) -> Value {
    let mut shape = object(part);
    shape["description"] = about.into();
    shape
}

fn selector(about: &str) -> Value {
    json!({ "description": about, "$ref": format!("#/$defs/{LABEL_SELECTOR}") })
}

fn port(about: &str) -> Value {
    whole(about, 1, 65535)
}

/// The shape of a field; `None` where nothing in it is read.
fn field(part: Part, name: &str) -> Option<Value> {
    Some(match (part, name) {
        (Part::Resource(kind), "metadata") => object(Part::Metadata(kind)),
        (Part::Resource(kind), "spec") => object(Part::spec(kind)?),
        (Part::Resource(Kind::Pod), "status") => json!({
            "description": "its addresses, and whether it is done",
            "type": "object",
            "properties": {
                "phase": text("Running; Succeeded and Failed: it is done"),
                "podIP": text("its address"),
                "podIPs": list("its addresses", &object(Part::PodIp)),
            },
        }),
        (Part::Metadata(Kind::Pod), "annotations") => {
            label_map("cni.projectcalico.org/floatingIPs and allowedSourcePrefixes are read")
        }
        (_, "containers") => list("its containers", &object(Part::Container)),
        (Part::PodSpec, "nodeName") => text("the node that it is on"),
        (_, "hostNetwork") => truth("whether it has no network of its own"),
        (_, "serviceAccountName") => text("its service account; absent: default"),
        (_, "addressType") => words("what its addresses are", service::ADDRESS_TYPES),
        (_, "endpoints") => list("what stands behind the service", &object(Part::Endpoint)),
        (Part::Endpoint, "addresses") => texts("its addresses, one at least"),
        (Part::Resource(_), "ports") => list("its ports", &object(Part::SlicePort)),
        (Part::ServiceSpec, "ports") => list("its ports", &object(Part::ServicePort)),
        (Part::Metadata(Kind::EndpointSlice), "labels") => {
            label_map("kubernetes.io/service-name says whose it is")
        }
        (Part::Container, "ports") => list("its ports", &object(Part::ContainerPort)),
        (Part::ContainerPort, "name") => text("the port's name, which rules may say"),
        (_, "containerPort") => port("the port"),
        (_, "ip") => text("the address"),
        (_, "tier") => words("before the policies of namespaces, or behind", admin::TIERS),
        (_, "protocols") => list("by any of these", &object(Part::Protocol)),
        (_, "tcp") => described("TCP", Part::Transport),
        (_, "udp") => described("UDP", Part::Transport),
        (_, "sctp") => described("SCTP", Part::Transport),
        (_, "destinationNamedPort") => text("the name that pods have for a port"),
        (_, "destinationPort") => {
            described("to which ports; absent: to all", Part::DestinationPort)
        }
        (_, "number") => port("the port"),
        (_, "range") => described("several ports", Part::Range),
        (Part::Metadata(_), "name") => text("its name"),
        (Part::Metadata(_), "namespace") => text("its namespace; absent: default"),
        (Part::Metadata(_), "labels") => label_map("what selectors see of it"),
        (Part::AdminIngressRule(_) | Part::AdminEgressRule(_), "name") => text("what it is called"),
        (_, "matchLabels") => label_map("labels that must be these"),
        (_, "matchExpressions") => list("what labels must be besides", &object(Part::Requirement)),
        (_, "key") => text("the label"),
        (_, "operator") => words("what it must be", labels::QUESTIONS),
        (_, "values") => texts("for In and NotIn: one of these, none of these"),
        (Part::AdminSpec(_), "subject") => described("which pods it is about", Part::Subject),
        (Part::AdminSpec(_), "priority") => {
            whole("lower is asked first", 0, admin::LAST_PRIORITY.into())
        }
        (Part::AdminSpec(kind), "ingress") => list(
            "for what they receive",
            &object(Part::AdminIngressRule(kind)),
        ),
        (Part::AdminSpec(kind), "egress") => {
            list("for what they send", &object(Part::AdminEgressRule(kind)))
        }
        (_, "ingress") => list("what they may receive", &object(Part::IngressRule)),
        (_, "egress") => list("what they may send", &object(Part::EgressRule)),
        (_, "policyTypes") => list("the directions that it governs", &word(words::TYPES)),
        (_, "podSelector") => selector("which pods"),
        (_, "namespaceSelector") => selector("of which namespaces"),
        (_, "namespaces") => selector("all pods of these namespaces"),
        (_, "nodes") => selector("nodes, for which Calico has no words"),
        (_, "domainNames") => texts("names, for which Calico has no words"),
        (_, "pods") => described("some pods of namespaces", Part::NamespacedPods),
        (_, "networks") => texts("prefixes, one of which the address is in"),
        (_, "ipBlock") => described("addresses", Part::IpBlock),
        (_, "cidr") => text("the prefix that they are in"),
        (_, "except") => texts("smaller prefixes that they are not in"),
        (_, "action") => match part {
            Part::AdminIngressRule(kind) | Part::AdminEgressRule(kind) => {
                words("what becomes of it", admin::actions(kind))
            }
            _ => return None,
        },
        (Part::IngressRule, "from") => list("from any of these", &object(Part::Peer)),
        (Part::EgressRule, "to") => list("to any of these", &object(Part::Peer)),
        (_, "from") => list("from any of these", &object(Part::Subject)),
        (_, "to") => list("to any of these", &object(Part::EgressPeer)),
        (Part::IngressRule | Part::EgressRule, "ports") => {
            list("by any of these ports", &object(Part::Port))
        }
        (_, "ports") => list("by any of these ports", &object(Part::AdminPort)),
        (_, "protocol") => {
            let names: Vec<&str> = policy::protocols().iter().map(|(name, _)| *name).collect();
            json!({ "description": "its protocol; absent: TCP", "enum": names })
        }
        (Part::Port, "port") => json!({
            "description": "a port, or the name that pods have for one",
            "anyOf": [port("a port"), text("a name")],
        }),
        (_, "port") => port("the port"),
        (_, "endPort") => port("the last of several ports"),
        (_, "portNumber") => described("one port", Part::PortNumber),
        (_, "portRange") => described("several ports", Part::PortRange),
        (_, "namedPort") => text("the name that pods have for a port"),
        (_, "start") => port("the first"),
        (_, "end") => port("the last"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the API accepts and no packet can tell, but for the metadata's.
    const READ_OVER: [&str; 7] = [
        "apiVersion",
        "kind",
        "status",
        "secrets",
        "imagePullSecrets",
        "automountServiceAccountToken",
        "finalizers",
    ];

    /// Every object in a schema, with its fields.
    fn objects(schema: &Value) -> Vec<&Value> {
        let inside = match schema {
            Value::Object(fields) => fields.values().flat_map(objects).collect(),
            Value::Array(items) => items.iter().flat_map(objects).collect(),
            _ => Vec::new(),
        };
        let own = schema["properties"].is_object().then_some(schema);
        own.into_iter().chain(inside).collect()
    }

    /// Kinds that say much which no packet can tell.
    const TALKATIVE: [Kind; 3] = [Kind::Pod, Kind::Service, Kind::EndpointSlice];

    #[test]
    fn every_field_that_the_readers_read_has_a_shape() {
        let kinds = KINDS.iter().map(|(_, _, kind)| *kind);
        let kinds = kinds.filter(|kind| !TALKATIVE.contains(kind));
        let mut parts: Vec<Value> = kinds.map(|kind| object(Part::Resource(kind))).collect();
        parts.push(object(Part::LabelSelector));
        let mut seen = 0;
        for part in parts.iter().flat_map(objects) {
            // A property of the name would be one of `properties` itself.
            let properties = part["properties"].as_object().expect("fields");
            let is_metadata = properties.contains_key("resourceVersion");
            for (name, shape) in properties.iter().filter(|_| !is_metadata) {
                // The version and kind are put there with the definition.
                let is_read = *shape != read_over();
                assert_eq!(
                    is_read,
                    !READ_OVER.contains(&name.as_str()),
                    "{name} of {part}"
                );
                seen += 1;
            }
            for name in part["required"].as_array().into_iter().flatten() {
                let name = name.as_str().expect("a name");
                assert!(properties.contains_key(name), "{name} required by {part}");
            }
        }
        assert!(seen > 100, "{seen} fields");
    }

    #[test]
    fn of_talkative_kinds_a_few_fields_have_a_shape() {
        let shaped = |part: Part| -> Vec<&str> {
            let known = part.known().iter().copied().flatten().copied();
            known.filter(|name| field(part, name).is_some()).collect()
        };
        let spec = [
            "containers",
            "nodeName",
            "hostNetwork",
            "serviceAccountName",
        ];
        assert_eq!(shaped(Part::PodSpec), spec);
        assert_eq!(shaped(Part::Container), ["ports"]);
        assert_eq!(
            shaped(Part::ContainerPort),
            ["name", "protocol", "containerPort"]
        );
        assert_eq!(shaped(Part::ServiceSpec), ["ports"]);
        assert_eq!(shaped(Part::ServicePort), ["protocol", "port"]);
        assert_eq!(shaped(Part::Endpoint), ["addresses"]);
        assert_eq!(shaped(Part::SlicePort), ["protocol", "port"]);
        assert_eq!(
            shaped(Part::Resource(Kind::EndpointSlice)),
            ["metadata", "addressType", "endpoints", "ports"]
        );
    }
}
