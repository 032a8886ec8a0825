//! AdminNetworkPolicies and BaselineAdminNetworkPolicies (network-policy-api, apis/v1alpha1: what the
//! validation marks of its types say).

use super::{Kind, Metadata, known};
use crate::calico::kubernetes::AdminPolicy;
use crate::calico::kubernetes::admin::{AdminPeer, AdminRule, Level, Subject};
use crate::calico::kubernetes::rule::PolicyPort;
use crate::calico::read::known::Known;
use crate::calico::read::tree::{Fields, Read, Reader, Tree};
use crate::calico::rule::{Action, PortNumbers, Ports};
use crate::calico::words::Words;

/// The highest priority's number, asked last.
pub(super) const LAST_PRIORITY: u16 = 1000;
/// How many rules, peers and ports there may be in one list.
const MOST: usize = 100;
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
        // Behind it there is nobody to pass to.
        _ => &[("Allow", Action::Allow), ("Deny", Action::Deny)],
    }
}

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
        if kind == Kind::AdminNetworkPolicy {
            let priority = self.required(spec, "priority")?;
            let priority = self.whole(priority, "a priority", [0, LAST_PRIORITY])?;
            return Ok(Level::Admin { priority });
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
            "egress" => ("to", known::ADMIN_EGRESS_RULE),
            _ => ("from", known::ADMIN_INGRESS_RULE),
        };
        let rule = |tree: &Tree| self.admin_rule(kind, tree, (peers, known));
        self.not_too_many(
            spec.get(direction),
            self.list(spec.get(direction), rule)?,
            MOST,
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
        let ports = fields.get("ports");
        let rule = AdminRule {
            action: self.word(action, "action", actions(kind))?,
            peers: self.list(Some(with), |peer| match peers {
                "to" => self.egress_peer(peer),
                _ => self.subject(peer, "a peer").map(AdminPeer::Pods),
            })?,
            ports: self.list(ports, |port| self.admin_port(port))?,
        };
        if rule.peers.is_empty() {
            let problem = format!("nobody in `{peers}`; expected one peer at least");
            return Err(self.wrong(with.referenced, problem));
        }
        Ok(AdminRule {
            peers: self.not_too_many(Some(with), rule.peers, MOST)?,
            ports: self.not_too_many(ports, rule.ports, MOST)?,
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
            "namedPort" => Ok(PolicyPort {
                protocol: None,
                ports: Some(Ports::Named(self.port_name(tree)?)),
            }),
            "portNumber" => {
                let fields = self.fields(tree, "a port's number", known::PORT_NUMBER)?;
                let port = self.port_number(self.required(&fields, "port")?)?;
                self.numbered(&fields, PortNumbers::one(port))
            }
            _ => {
                let fields = self.fields(tree, "a range of ports", known::PORT_RANGE)?;
                let [start, end] = ["start", "end"].map(|field| self.required(&fields, field));
                let range = self.port_range(start?, end?)?;
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
}
