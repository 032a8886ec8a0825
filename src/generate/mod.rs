//! Makers of scenarios, and of packets: aimed at policies, aimed at a ruleset, and random.
//!
//! * [`bits`]: the one source of every choice;
//! * [`standing`]: what a packet is to connection tracking, wanted;
//! * [`ground`]: a node's ways, and the constants of a firewall with their neighbours;
//! * [`question`]: a rule's questions, one field each; [`draft`]: whether a packet meets them;
//! * [`edges`]: a packet's neighbours along a question; [`field`]: in what two packets differ;
//! * [`tour`]: packets on every path of a node; [`random`]: packets from chance;
//! * [`paths`]: the jumps from a hook to a rule; [`solve`]: a packet that meets many conditions;
//! * [`coverage`]: which rules packets reach, says the model; [`stop`]: what kept one from a rule;
//! * [`search`]: a packet for one rule; [`aim`]: packets for every rule and boundary;
//! * [`unhit`]: why no packet matches a rule; [`lack`]: what its node may lack; [`edit`]: the changes
//!   that prove it;
//! * [`world`]: scenarios from nothing; [`traffic`]: packets for what Calico does on a node;
//! * [`batch`]: packets put together that don't disturb each other; [`flow`]: packets that come one behind the
//!   other, each of which leaves its traces for the next.

pub mod aim;
pub mod batch;
pub mod bits;
pub mod coverage;
pub mod draft;
pub mod edges;
pub mod edit;
pub mod field;
pub mod flow;
pub mod ground;
pub mod lack;
pub mod paths;
pub mod question;
pub mod random;
pub mod search;
pub mod solve;
pub mod standing;
pub mod stop;
pub mod tour;
pub mod traffic;
pub mod unhit;
pub mod world;
