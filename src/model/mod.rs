//! The chain machine: what netfilter does with a packet, written down from what its sources say.
//!
//! [`Machine`] is loaded with a node and a firewall and judges packets one by one; it has no privileges,
//! no clock and no memory of earlier packets. The way of a packet:
//!
//! * [`machine`] runs it, once for each way that chance ([`choice`]) leaves open;
//! * [`path`] takes it from hook to hook; between them `input` routes what arrives over the ground that
//!   `routing` holds, with `addresses` telling kinds of addresses apart;
//! * [`run`] does what happens at one hook, in order of priority: [`conntrack`] classifies, tables are
//!   walked, [`nat`] translates;
//! * `matches` and `targets` are the questions and deeds of rules, with `sets`, `rpfilter` and `text`
//!   for those that need more room;
//! * `answer` sends what the node answers, each a journey of its own, from an address that `source`
//!   chooses;
//! * `traveller` is the packet on its way, `witness` whoever watches.
//!
//! `compile` turns the firewall into the flat arrays of `program`, refusing what `refuse` knows the tools
//! to refuse; `conclude` says what a ruleset settles by itself, such as whether connections are tracked.
//!
//! The two backends read some rules differently, and refuse different ones: a machine reads as the one
//! that it was loaded for. What differs is chosen when the rules are compiled, in `refuse` and in
//! `native`; nothing asks for the backend afterwards. [`parting`] says why two readings end differently.

mod addresses;
mod answer;
mod bits;
mod choice;
mod compile;
mod conclude;
mod conntrack;
mod input;
mod limit;
mod machine;
mod matches;
mod nat;
mod native;
mod parting;
mod path;
mod program;
mod refuse;
mod routing;
mod rpfilter;
mod run;
mod sequence;
mod sets;
mod source;
mod targets;
mod text;
mod traveller;
mod witness;

pub use conntrack::Connections;
pub use machine::Machine;
pub use parting::{Parting, parting};
pub use sequence::Sequence;
pub use witness::{Visit, Visited};
