//! Small changes to a node and its firewall, by which an explanation is proved: after them a packet
//! does what it could not do before.

use std::fmt;

use crate::node::{Interface, Node};
use crate::packet::Family;
use crate::xtables::set::Element;
use crate::xtables::{Chain, Firewall, Hook, Policy, Rule, RuleId, TableName, Target};

/// One change. No rule changes its place by it, but those of a built-in chain to which a call is
/// added: they move back by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A rule's target is taken away: it only counts.
    Neutralise(RuleId),
    /// A rule's questions are taken away, all but `-p`, which targets may need.
    Relax(RuleId),
    /// A built-in chain's policy becomes ACCEPT.
    AcceptAtEnd {
        /// The family of the ruleset.
        family: Family,
        /// The table.
        table: TableName,
        /// The chain's hook.
        hook: Hook,
    },
    /// A jump to a chain is put at the front of a built-in chain.
    Call {
        /// The family of the ruleset.
        family: Family,
        /// The table.
        table: TableName,
        /// The built-in chain's hook.
        hook: Hook,
        /// The chain called.
        chain: String,
    },
    /// An element is added to a set.
    Fill {
        /// The set's name.
        set: String,
        /// The element.
        element: Element,
    },
    /// Every interface may bring and take loopback addresses (`route_localnet`).
    RouteLocalnet,
    /// An interface is added to the node.
    Connect(Interface),
}

impl Edit {
    /// Makes the change; what it speaks of and is not there stays away.
    pub fn apply(&self, node: &mut Node, firewall: &mut Firewall) {
        match self {
            Self::Neutralise(id) => {
                if let Some(rule) = rule_mut(firewall, id) {
                    rule.target = Target::None;
                }
            }
            Self::Relax(id) => {
                if let Some(rule) = rule_mut(firewall, id) {
                    *rule = Rule {
                        protocol: rule.protocol.take(),
                        target: std::mem::take(&mut rule.target),
                        line: rule.line,
                        ..Rule::default()
                    };
                }
            }
            Self::AcceptAtEnd {
                family,
                table,
                hook,
            } => {
                if let Some(chain) = built_in(firewall, *family, *table, *hook) {
                    chain.policy = Some(Policy::Accept);
                }
            }
            Self::Call {
                family,
                table,
                hook,
                chain,
            } => {
                let call = Rule {
                    target: Target::Jump(chain.clone()),
                    ..Rule::default()
                };
                if let Some(from) = built_in(firewall, *family, *table, *hook) {
                    from.rules.insert(0, call);
                }
            }
            Self::Fill { set, element } => {
                if let Some(set) = firewall.sets.iter_mut().find(|one| one.name == *set) {
                    set.elements.push(element.clone());
                }
            }
            Self::RouteLocalnet => {
                node.interfaces
                    .iter_mut()
                    .for_each(|one| one.route_localnet = true);
            }
            Self::Connect(interface) => node.interfaces.push(interface.clone()),
        }
    }

    /// A node and its firewall after some changes.
    #[must_use]
    pub fn all(edits: &[Self], node: &Node, firewall: &Firewall) -> (Node, Firewall) {
        let (mut node, mut firewall) = (node.clone(), firewall.clone());
        edits
            .iter()
            .for_each(|edit| edit.apply(&mut node, &mut firewall));
        (node, firewall)
    }
}

fn rule_mut<'f>(firewall: &'f mut Firewall, id: &RuleId) -> Option<&'f mut Rule> {
    let table = firewall.ruleset_mut(id.family).table_mut(id.table)?;
    let chain = table
        .chains
        .iter_mut()
        .find(|chain| chain.name == id.chain)?;
    chain.rules.get_mut(id.index)
}

/// A built-in chain, made if the text did not have it.
fn built_in(
    firewall: &mut Firewall,
    family: Family,
    table: TableName,
    hook: Hook,
) -> Option<&mut Chain> {
    let table = firewall.ruleset_mut(family).table_mut(table)?;
    let known = table
        .chains
        .iter()
        .position(|chain| chain.name == hook.chain());
    let place = known.unwrap_or(table.chains.len());
    if known.is_none() {
        table.chains.push(Chain {
            name: hook.chain().to_owned(),
            policy: Some(Policy::Accept),
            counters: None,
            rules: Vec::new(),
        });
    }
    table.chains.get_mut(place)
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Neutralise(id) => write!(f, "without the target of {id}"),
            Self::Relax(id) => write!(f, "without the questions of {id}"),
            Self::AcceptAtEnd { table, hook, .. } => {
                write!(f, "with policy ACCEPT of {table}/{hook}")
            }
            Self::Call {
                table, hook, chain, ..
            } => write!(f, "with a jump from {table}/{hook} to {chain}"),
            Self::Fill { set, .. } => write!(f, "with a member in the set {set}"),
            Self::RouteLocalnet => f.write_str("with route_localnet on every interface"),
            Self::Connect(interface) => write!(f, "with an interface {}", interface.name),
        }
    }
}
