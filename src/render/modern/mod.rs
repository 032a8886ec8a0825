//! The layout of Felix of August 2026 in iptables mode (`nftablesMode: Disabled`, `bpfEnabled: false`).
//!
//! * [`ground`]: what is worked out once for a world: mark bits, actions, who stands behind which
//!   interface;
//! * [`names`]: of policies' and groups' chains and of sets;
//! * [`raw`], [`mangle`], [`filter`], [`nat`]: the tables with their static chains, [`statics`] what these
//!   share, [`marks`] the chains by which IPVS' packets are told from each other;
//! * [`endpoint`]: the chains of workloads and host endpoints, [`tiers`] which policies they ask and
//!   which of them as a group;
//! * [`host`]: the trees that lead to host endpoints' chains;
//! * [`policy`]: the chains of policies and profiles, [`rule`] one of their rules, [`blocks`] what one
//!   iptables rule can't ask, [`flow`] what logs are told;
//! * [`asked`]: which sets a rule asks, [`sets`] the sets and their members.
//!
//! Only what a hook of the kernel's leads to is programmed: the chains of policies are offered to raw,
//! mangle and filter alike, and most tables need few of them. Both families get the same chains, but for
//! what is said where it is rendered.

mod asked;
mod blocks;
mod endpoint;
mod filter;
mod flow;
mod ground;
mod host;
mod mangle;
mod marks;
pub mod names;
mod nat;
mod policy;
mod raw;
mod rule;
mod sets;
mod statics;
mod tiers;

use std::collections::{BTreeMap, BTreeSet};

use super::Unrendered;
use super::table::{Draft, FelixTable, Rendered};
use crate::calico::World;
use crate::mark::TooFewBits;
use crate::node::Node;
use crate::packet::Family;
use ground::Ground;
pub use marks::{Noted, noted};

/// The chains and sets that Felix makes of a world on a node, in its own words.
///
/// # Errors
///
/// [`TooFewBits`] where the mark's mask leaves too little room: Felix does not start.
pub fn draft(world: &World, node: &Node) -> Result<Draft, TooFewBits> {
    let ground = Ground::of(world, node)?;
    let mut asked = BTreeSet::new();
    let mut tables = |family| {
        let tables: Vec<FelixTable> = tables(&ground, family)
            .into_iter()
            .map(keep_referenced)
            .collect();
        sets::collect_names(&tables, &mut asked);
        tables
    };
    let v4 = tables(Family::V4);
    let v6 = match world.configuration.ipv6 {
        true => tables(Family::V6),
        false => Vec::new(),
    };
    Ok(Draft {
        v4,
        v6,
        sets: sets::render(&ground, &asked),
        insert_mode: world.configuration.insert_mode,
    })
}

/// The chains, hooks and sets that are programmed for a world on a node.
///
/// # Errors
///
/// [`Unrendered`] where Felix does not start, or the tools refuse what it makes of the world.
pub fn render(world: &World, node: &Node) -> Result<Rendered, Unrendered> {
    Ok(draft(world, node)?.program()?)
}

fn tables(ground: &Ground<'_>, family: Family) -> Vec<FelixTable> {
    let policies = policy::policy_chains(ground, family);
    vec![
        raw::table(ground, family, policies.clone()),
        mangle::table(ground, family, policies.clone()),
        nat::table(ground, family),
        filter::table(ground, family, policies),
    ]
}

/// The table without the chains to which no hook leads (felix since 3.16, iptables/table.go,
/// reference counting), each once: endpoints share the chains of groups.
fn keep_referenced(mut table: FelixTable) -> FelixTable {
    table.chains.dedup();
    let hooks = table.hooks.iter().chain(&table.appends);
    let mut open: Vec<&str> = hooks
        .flat_map(|(_, rules)| rules)
        .filter_map(|rule| rule.action.chain())
        .collect();
    let chains = table.chains.iter();
    let leads: BTreeMap<&str, Vec<&str>> = chains
        .map(|chain| {
            let rules = chain.rules.iter();
            let to = rules.filter_map(|rule| rule.action.chain());
            (chain.name.as_str(), to.collect())
        })
        .collect();
    let mut referenced = BTreeSet::new();
    while let Some(chain) = open.pop() {
        if referenced.insert(chain.to_owned()) {
            open.extend(leads.get(chain).into_iter().flatten());
        }
    }
    table
        .chains
        .retain(|chain| referenced.contains(&chain.name));
    table
}
