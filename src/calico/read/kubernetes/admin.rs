//! AdminNetworkPolicies, BaselineAdminNetworkPolicies and ClusterNetworkPolicies (network-policy-api,
//! apis/v1alpha1 and apis/v1alpha2: what the validation marks of their types say).

use super::{Kind, Metadata, known};
use crate::calico::kubernetes::AdminPolicy;
use crate::calico::kubernetes::admin::{AdminPeer, AdminRule, Level, Subject};
use crate::calico::kubernetes::rule::PolicyPort;
use crate::calico::read::known::Known;
use crate::calico::read::tree::{Fields, Read, Reader, Tree};
use crate::calico::rule::{Action, NamedProtocol, PortNumbers, Ports};
use crate::calico::words::Words;

/// The highest priority's number, asked last.
pub(super) const LAST_PRIORITY: u16 = 1000;
/// How many rules, peers and ports there may be in one list.
fn most(kind: Kind) -> usize {
    match kind {
        Kind::ClusterNetworkPolicy => 25,
        _ => 100,
    }
}

/// How many prefixes a peer may have.
const MOST_NETWORKS: usize = 25;
/// What the only baseline policy of a cluster is called.
const BASELINE_NAME: &str = "default";

/// What rules do.
pub(super) fn actions(kind: Kind) -> Words<Action> {
    match kind {
        Kind::AdminNetworkPolicy => &[
            ("Allow", Action::Allow),
            ("Deny", Action::Deny),
            ("Pass", Action::Pass),
        ],
        Kind::ClusterNetworkPolicy => &[
            ("Accept", Action::Allow),
            ("Deny", Action::Deny),
            ("Pass", Action::Pass),
        ],
        // Behind it there is nobody to pass to.
        _ => &[("Allow", Action::Allow), ("Deny", Action::Deny)],
    }
}

/// The tiers of ClusterNetworkPolicies, which are theirs alone.
pub(super) const TIERS: Words<fn(u16) -> Level> = &[
    ("Admin", |priority| Level::ClusterAdmin { priority }),
    ("Baseline", |priority| Level::ClusterBaseline { priority }),
];

impl Reader<'_> {
    pub(super) fn admin_policy(
        &self,
        kind: Kind,
        resource: &Fields<'_>,
        metadata: &Metadata,
    ) -> Read<AdminPolicy> {
        let spec = self.required(resource, "spec")?;
        let spec = self.fields(spec, "a policy's spec", known::admin_spec(kind))?;
        Ok(AdminPolicy {
            name: metadata.name.clone(),
            level: self.level(kind, &spec, metadata)?,
            subject: self.subject(self.required(&spec, "subject")?, "a policy's subject")?,
            ingress: self.admin_rules(kind, &spec, "ingress")?,
            egress: self.admin_rules(kind, &spec, "egress")?,
        })
    }

    fn level(&self, kind: Kind, spec: &Fields<'_>, metadata: &Metadata) -> Read<Level> {
        let priority = || {
            let priority = self.required(spec, "priority")?;
            self.whole(priority, "a priority", [0, LAST_PRIORITY])
        };
        if kind == Kind::AdminNetworkPolicy {
            return Ok(Level::Admin {
                priority: priority()?,
            });
        }
        if kind == Kind::ClusterNetworkPolicy {
            let level = self.word(self.required(spec, "tier")?, "tier", TIERS)?;
            return Ok(level(priority()?));
        }
        if metadata.name == BASELINE_NAME {
            return Ok(Level::Baseline);
        }
        let problem = format!(
            "a baseline policy `{}`; expected `{BASELINE_NAME}`, the only one of a cluster",
            metadata.name
        );
        Err(self.wrong(metadata.place, problem))
    }

    fn subject(&self, tree: &Tree, what: &'static str) -> Read<Subject> {
        let fields = self.fields(tree, what, known::SUBJECT)?;
        let (field, tree) = self.only(&fields, &["namespaces", "pods"])?;
        match field {
            "pods" => self.namespaced_pods(tree),
            _ => self.all_pods(tree),
        }
    }

    fn namespaced_pods(&self, tree: &Tree) -> Read<Subject> {
        let fields = self.fields(tree, "pods of namespaces", known::NAMESPACED_PODS)?;
        let selector = |field| self.label_selector(self.required(&fields, field)?);
        Ok(Subject {
            namespaces: selector("namespaceSelector")?,
            pods: Some(selector("podSelector")?),
        })
    }

    fn all_pods(&self, namespaces: &Tree) -> Read<Subject> {
        Ok(Subject {
            namespaces: self.label_selector(namespaces)?,
            pods: None,
        })
    }

    fn admin_rules(&self, kind: Kind, spec: &Fields<'_>, direction: &str) -> Read<Vec<AdminRule>> {
        let (peers, known) = match direction {
            "egress" => ("to", known::admin_egress_rule(kind)),
            _ => ("from", known::admin_ingress_rule(kind)),
        };
        let rule = |tree: &Tree| self.admin_rule(kind, tree, (peers, known));
        self.not_too_many(
            spec.get(direction),
            self.list(spec.get(direction), rule)?,
            most(kind),
        )
    }

    fn admin_rule(
        &self,
        kind: Kind,
        tree: &Tree,
        (peers, known): (&str, Known),
    ) -> Read<AdminRule> {
        let fields = self.fields(tree, "a rule", known)?;
        fields.get("name").map(|name| self.text(name)).transpose()?;
        let action = self.required(&fields, "action")?;
        let with = self.required(&fields, peers)?;
        let ports = fields.get("ports").or_else(|| fields.get("protocols"));
        let rule = AdminRule {
            action: self.word(action, "action", actions(kind))?,
            peers: self.list(Some(with), |peer| match peers {
                "to" => self.egress_peer(peer),
                _ => self.subject(peer, "a peer").map(AdminPeer::Pods),
            })?,
            ports: self.list(ports, |port| match kind {
                Kind::ClusterNetworkPolicy => self.cluster_protocol(port),
                _ => self.admin_port(port),
            })?,
        };
        if rule.peers.is_empty() {
            let problem = format!("nobody in `{peers}`; expected one peer at least");
            return Err(self.wrong(with.referenced, problem));
        }
        Ok(AdminRule {
            peers: self.not_too_many(Some(with), rule.peers, most(kind))?,
            ports: self.not_too_many(ports, rule.ports, most(kind))?,
            ..rule
        })
    }

    fn not_too_many<T>(&self, tree: Option<&Tree>, items: Vec<T>, most: usize) -> Read<Vec<T>> {
        match tree {
            Some(tree) if items.len() > most => {
                let problem = format!("{} items; expected at most {most}", items.len());
                Err(self.wrong(tree.referenced, problem))
            }
            _ => Ok(items),
        }
    }

    fn egress_peer(&self, tree: &Tree) -> Read<AdminPeer> {
        let fields = self.fields(tree, "a peer", known::EGRESS_PEER)?;
        let names = known::EGRESS_PEER.first().copied().unwrap_or_default();
        let (field, tree) = self.only(&fields, names)?;
        match field {
            "namespaces" => self.all_pods(tree).map(AdminPeer::Pods),
            "pods" => self.namespaced_pods(tree).map(AdminPeer::Pods),
            "networks" => {
                let nets = self.list(Some(tree), |net| self.cidr(net))?;
                if nets.is_empty() {
                    let problem = "no networks; expected one at least";
                    return Err(self.wrong(tree.referenced, problem));
                }
                let nets = self.not_too_many(Some(tree), nets, MOST_NETWORKS)?;
                Ok(AdminPeer::Networks(nets))
            }
            "nodes" => self.label_selector(tree).map(|_| AdminPeer::Unsupported),
            _ => {
                self.list(Some(tree), |name| self.text(name).map(drop))?;
                Ok(AdminPeer::Unsupported)
            }
        }
    }

    fn admin_port(&self, tree: &Tree) -> Read<PolicyPort> {
        let fields = self.fields(tree, "a port", known::ADMIN_PORT)?;
        let (field, tree) = self.only(&fields, &["portNumber", "namedPort", "portRange"])?;
        match field {
            "namedPort" => self.port_of_any_protocol(tree),
            "portNumber" => {
                let fields = self.fields(tree, "a port's number", known::PORT_NUMBER)?;
                let port = self.port_number(self.required(&fields, "port")?)?;
                self.numbered(&fields, PortNumbers::one(port))
            }
            _ => {
                let fields = self.fields(tree, "a range of ports", known::PORT_RANGE)?;
                let range = self.start_and_end(&fields)?;
                self.numbered(&fields, range)
            }
        }
    }

    fn numbered(&self, fields: &Fields<'_>, ports: PortNumbers) -> Read<PolicyPort> {
        Ok(PolicyPort {
            protocol: Some(self.transport(fields)?),
            ports: Some(Ports::Numbers(ports)),
        })
    }

    /// A protocol and the ports of it, as ClusterNetworkPolicies have them.
    fn cluster_protocol(&self, tree: &Tree) -> Read<PolicyPort> {
        let fields = self.fields(tree, "a protocol", known::PROTOCOL)?;
        let names = known::PROTOCOL.first().copied().unwrap_or_default();
        let (field, tree) = self.only(&fields, names)?;
        let protocol = match field {
            "tcp" => NamedProtocol::Tcp,
            "udp" => NamedProtocol::Udp,
            "sctp" => NamedProtocol::Sctp,
            _ => return self.port_of_any_protocol(tree),
        };
        let fields = self.fields(tree, "a protocol's ports", known::TRANSPORT)?;
        let ports = fields
            .get("destinationPort")
            .map(|tree| self.destination_port(tree));
        Ok(PolicyPort {
            protocol: Some(protocol),
            ports: ports.transpose()?.map(Ports::Numbers),
        })
    }

    fn port_of_any_protocol(&self, name: &Tree) -> Read<PolicyPort> {
        Ok(PolicyPort {
            protocol: None,
            ports: Some(Ports::Named(self.port_name(name)?)),
        })
    }

    fn destination_port(&self, tree: &Tree) -> Read<PortNumbers> {
        let fields = self.fields(tree, "a port", known::DESTINATION_PORT)?;
        match self.only(&fields, &["number", "range"])? {
            ("number", tree) => Ok(PortNumbers::one(self.port_number(tree)?)),
            (_, tree) => {
                let fields = self.fields(tree, "a range of ports", known::RANGE)?;
                self.start_and_end(&fields)
            }
        }
    }

    fn start_and_end(&self, fields: &Fields<'_>) -> Read<PortNumbers> {
        let [start, end] = ["start", "end"].map(|field| self.required(fields, field));
        self.port_range(start?, end?)
    }
}
