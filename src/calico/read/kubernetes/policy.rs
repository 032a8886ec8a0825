//! NetworkPolicies (kubernetes, pkg/apis/networking/validation, `ValidateNetworkPolicySpec`).

use ipnet::IpNet;

use super::{Metadata, known};
use crate::calico::kubernetes::NetworkPolicy;
use crate::calico::kubernetes::policy::{Peer, PolicyRule};
use crate::calico::kubernetes::rule::PolicyPort;
use crate::calico::read::known::Known;
use crate::calico::read::tree::{Fields, Read, Reader, Tree, Value};
use crate::calico::resources::{Api, Types};
use crate::calico::rule::{NamedProtocol, PortNumbers, Ports};
use crate::calico::words::{self, Words};

/// The protocols that Kubernetes knows.
pub(super) const PROTOCOLS: [NamedProtocol; 3] =
    [NamedProtocol::Tcp, NamedProtocol::Udp, NamedProtocol::Sctp];

/// How long a port's name may be (kubernetes, apimachinery, pkg/util/validation, `IsValidPortName`).
const LONGEST_PORT_NAME: usize = 15;

/// The words for the protocols that Kubernetes knows.
pub(super) fn protocols() -> Vec<(&'static str, NamedProtocol)> {
    let all: Words<NamedProtocol> = words::protocols(Api::V3);
    let known = all.iter().filter(|(_, named)| PROTOCOLS.contains(named));
    known.copied().collect()
}

/// Small letters, digits and single `-` inside, one letter at least.
fn is_port_name(text: &str) -> bool {
    let fits = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
    };
    text.len() <= LONGEST_PORT_NAME
        && text.chars().all(fits)
        && text.contains(|character: char| character.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

impl Reader<'_> {
    pub(super) fn network_policy(
        &self,
        resource: &Fields<'_>,
        metadata: &Metadata,
    ) -> Read<NetworkPolicy> {
        let spec = match resource.get("spec") {
            Some(tree) => self.fields(tree, "a policy's spec", known::POLICY_SPEC)?,
            None => Fields::none("a policy's spec", resource.place),
        };
        let pods = self.some_label_selector(spec.get("podSelector"))?;
        Ok(NetworkPolicy {
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            pods: pods.unwrap_or_default(),
            types: self.policy_types(spec.get("policyTypes"))?,
            ingress: self.policy_rules(spec.get("ingress"), "from", known::INGRESS_RULE)?,
            egress: self.policy_rules(spec.get("egress"), "to", known::EGRESS_RULE)?,
        })
    }

    /// The API server takes up to two, and the same twice.
    fn policy_types(&self, tree: Option<&Tree>) -> Read<Option<Types>> {
        let types = self.list(tree, |one| self.word(one, "type of policy", words::TYPES))?;
        match (tree, types.as_slice()) {
            (_, []) => Ok(None),
            (_, [first, others @ ..]) if others.iter().all(|other| other == first) => {
                Ok(Some(*first))
            }
            (Some(tree), [_, _, _, ..]) => {
                let problem = format!("{} types of policy; expected two at most", types.len());
                Err(self.wrong(tree.referenced, problem))
            }
            _ => Ok(Some(Types::Both)),
        }
    }

    fn policy_rules(
        &self,
        tree: Option<&Tree>,
        peers: &str,
        known: Known,
    ) -> Read<Vec<PolicyRule>> {
        self.list(tree, |rule| {
            let fields = self.fields(rule, "a rule", known)?;
            Ok(PolicyRule {
                peers: self.list(fields.get(peers), |peer| self.peer(peer))?,
                ports: self.list(fields.get("ports"), |port| self.policy_port(port))?,
            })
        })
    }

    fn peer(&self, tree: &Tree) -> Read<Peer> {
        let fields = self.fields(tree, "a peer", known::PEER)?;
        let [pods, namespaces, block] =
            ["podSelector", "namespaceSelector", "ipBlock"].map(|field| fields.get(field));
        match (pods.or(namespaces), block) {
            (Some(_), None) => Ok(Peer::Pods {
                pods: self.some_label_selector(pods)?,
                namespaces: self.some_label_selector(namespaces)?,
            }),
            (None, Some(block)) => self.ip_block(block),
            (Some(_), Some(block)) => {
                let problem = "an ipBlock beside selectors; expected one or the others";
                Err(self.wrong(block.referenced, problem))
            }
            (None, None) => {
                let problem = "a peer that says nothing; expected podSelector, namespaceSelector, \
                               both or ipBlock";
                Err(self.wrong(fields.place, problem))
            }
        }
    }

    fn ip_block(&self, tree: &Tree) -> Read<Peer> {
        let fields = self.fields(tree, "an ipBlock", known::IP_BLOCK)?;
        let net = self.cidr(self.required(&fields, "cidr")?)?;
        let except = |tree: &Tree| {
            let except = self.cidr(tree)?;
            if net.contains(&except) && net != except {
                return Ok(except);
            }
            let problem = format!("{except} is no part of {net}; expected a smaller prefix in it");
            Err(self.wrong(tree.referenced, problem))
        };
        Ok(Peer::Block {
            net,
            except: self.list(fields.get("except"), except)?,
        })
    }

    /// A prefix, written as one, without the bits behind it.
    pub(super) fn cidr(&self, tree: &Tree) -> Read<IpNet> {
        if self.text(tree)?.contains('/') {
            return self.net(tree);
        }
        self.refused(tree, "prefix", "one as 10.0.0.0/8 or fd00::/64")
    }

    fn policy_port(&self, tree: &Tree) -> Read<PolicyPort> {
        let fields = self.fields(tree, "a port", known::PORT)?;
        let end = fields.get("endPort");
        let ports = match (fields.get("port"), end) {
            (None, None) => None,
            (Some(port), None) => Some(self.port_or_name(port)?),
            (Some(port), Some(end)) => Some(Ports::Numbers(self.port_range(port, end)?)),
            (None, Some(end)) => {
                let problem = "`endPort` alone; expected `port` with it";
                return Err(self.wrong(end.referenced, problem));
            }
        };
        Ok(PolicyPort {
            protocol: Some(self.transport(&fields)?),
            ports,
        })
    }

    /// TCP, where nothing is said (kubernetes, pkg/apis/networking/v1/defaults.go,
    /// `SetDefaults_NetworkPolicyPort`).
    pub(super) fn transport(&self, fields: &Fields<'_>) -> Read<NamedProtocol> {
        let tree = fields.get("protocol");
        let word = tree.map(|tree| self.word(tree, "protocol", &protocols()));
        Ok(word.transpose()?.unwrap_or(NamedProtocol::Tcp))
    }

    fn port_or_name(&self, tree: &Tree) -> Read<Ports> {
        match tree.value {
            Value::Text(_) => self.port_name(tree).map(Ports::Named),
            _ => Ok(Ports::Numbers(PortNumbers::one(self.port_number(tree)?))),
        }
    }

    pub(super) fn port_number(&self, tree: &Tree) -> Read<u16> {
        self.whole(tree, "a port", [1, u16::MAX])
    }

    pub(super) fn port_name(&self, tree: &Tree) -> Read<String> {
        let text = self.text(tree)?;
        if is_port_name(text) {
            return Ok(text.to_owned());
        }
        let expected = "up to 15 small letters, digits and single `-`, a letter among them";
        self.refused(tree, "name of a port", expected)
    }

    /// Ports by number from one to another.
    pub(super) fn port_range(&self, first: &Tree, last: &Tree) -> Read<PortNumbers> {
        let [from, to] = [self.port_number(first)?, self.port_number(last)?];
        PortNumbers::new(from, to).ok_or_else(|| {
            let problem = format!("{to} lies below {from}; expected the lower port first");
            self.wrong(last.referenced, problem)
        })
    }
}
