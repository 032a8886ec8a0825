//! The layout of Felix 2.1.1 (April 2017), which 2.1.0 has too.
//!
//! * [`era`]: what the API of that time can't say;
//! * [`ground`]: what is worked out once for a world: mark bits, names, who stands behind which
//!   interface;
//! * [`names`]: of sets, and of chains;
//! * [`raw`], [`filter`], [`nat`]: the tables with their static chains, [`statics`] what these share;
//! * [`endpoint`]: the chains of workloads and host endpoints;
//! * [`policy`]: the chains of policies and profiles, rule by rule;
//! * [`sets`]: the sets and their members.
//!
//! Every chain stands in its table whether or not something leads to it. IPv4 and IPv6 get the same
//! chains, but for what is said where it is rendered. There is no mangle table.

mod endpoint;
pub mod era;
mod filter;
mod ground;
pub mod names;
mod nat;
mod policy;
mod raw;
mod sets;
mod statics;

pub use era::NotOfTheEra;

use super::Unrendered;
use super::table::{Draft, FelixTable, Rendered};
use crate::calico::World;
use crate::node::Node;
use crate::packet::Family;
use ground::Ground;

/// The chains and sets that Felix makes of a world on a node, in its own words.
///
/// # Errors
///
/// [`NotOfTheEra`] where the world says what API v1 can't.
pub fn draft(world: &World, node: &Node) -> Result<Draft, NotOfTheEra> {
    era::check(world)?;
    let ground = Ground::of(world, node)?;
    let v6 = match world.configuration.ipv6 {
        true => tables(&ground, Family::V6),
        false => Vec::new(),
    };
    Ok(Draft {
        v4: tables(&ground, Family::V4),
        v6,
        sets: sets::render(&ground),
        insert_mode: world.configuration.insert_mode,
    })
}

/// The chains, hooks and sets that are programmed for a world on a node.
///
/// # Errors
///
/// [`Unrendered`] where Felix never sees such a world, or the tools refuse what it makes of it.
pub fn render(world: &World, node: &Node) -> Result<Rendered, Unrendered> {
    Ok(draft(world, node)?.program()?)
}

fn tables(ground: &Ground<'_>, family: Family) -> Vec<FelixTable> {
    let policies = policy::policy_chains(ground, family);
    vec![
        raw::table(ground, family, policies.clone()),
        nat::table(ground, family),
        filter::table(ground, family, policies),
    ]
}
