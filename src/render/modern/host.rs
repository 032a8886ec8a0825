//! The trees that lead to host endpoints' chains (felix, rules/dispatch.go).
//!
//! They are as workloads' are, but packets of other interfaces return. Where one host endpoint is about all
//! other interfaces, these go to its chains, under the name `any-interface-at-all`: in mangle not those to
//! workloads of the node.

use super::endpoint::{self, HostChain};
use super::ground::Ground;
use super::names;
use crate::calico::world::HostEndpoint;
use crate::hash;
use crate::packet::InterfaceName;
use crate::render::dispatch::{By, Dispatch};
use crate::render::fragment::{Action, Fragment};
use crate::render::table::{FelixChain, FelixRule};

/// A tree of host endpoints, and which of their chains it leads to.
pub(super) struct HostTree {
    pub root: &'static str,
    pub by: By,
    pub chain: HostChain,
    /// Whether packets to workloads of the node return before they reach the host endpoint of all other
    /// interfaces.
    pub spares_workloads: bool,
}

/// The tree's chains and the endpoints' for the host endpoints that take part.
pub(super) fn chains(
    ground: &Ground<'_>,
    tree: &HostTree,
    takes_part: impl Fn(&HostEndpoint) -> bool,
) -> Vec<FelixChain> {
    let hosts = ground.hosts.iter().filter(|(_, host)| takes_part(host));
    let interfaces: Vec<InterfaceName> = hosts.clone().map(|(interface, _)| *interface).collect();
    let wildcard = ground.wildcard.filter(|host| takes_part(host));
    let dispatch = Dispatch {
        root: tree.root,
        endpoints: tree.chain.prefix,
        by: tree.by,
        end: match wildcard {
            None => Vec::new(),
            Some(_) => to_wildcard(ground, tree),
        },
    };
    let mut chains = dispatch.render(&interfaces);
    let named = hosts.map(|(interface, host)| (interface.as_str(), *host));
    let wildcard = wildcard.map(|host| (names::ANY_INTERFACE, host));
    chains.extend(
        named.chain(wildcard).flat_map(|(interface, host)| {
            endpoint::host_chain(ground, interface, host, &tree.chain)
        }),
    );
    chains
}

fn to_wildcard(ground: &Ground<'_>, tree: &HostTree) -> Vec<FelixRule> {
    let mut rules = Vec::new();
    if tree.spares_workloads {
        rules.extend(ground.workload_patterns().map(|pattern| {
            let rule = FelixRule::when([Fragment::OutInterface(pattern)], Action::Return);
            rule.saying("Skip egress WHEP policy for traffic to local workload")
        }));
    }
    let chain = hash::chain_name(tree.chain.prefix, names::ANY_INTERFACE);
    rules.push(FelixRule::always(Action::Goto(chain)));
    rules
}
