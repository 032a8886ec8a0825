//! Makers of packets: aimed at a ruleset, and random.
//!
//! * [`bits`]: the one source of every choice;
//! * [`standing`]: what a packet is to connection tracking, wanted;
//! * [`ground`]: a node's ways, and the constants of a firewall with their neighbours;
//! * [`question`]: a rule's questions, one field each; [`draft`]: whether a packet meets them;
//! * [`edges`]: a packet's neighbours along a question;
//! * [`paths`]: the jumps from a hook to a rule; [`solve`]: a packet that meets many conditions;
//! * [`random`]: packets from chance;
//! * [`batch`]: packets put together that don't disturb each other.

pub mod batch;
pub mod bits;
pub mod draft;
pub mod edges;
pub mod ground;
pub mod paths;
pub mod question;
pub mod random;
pub mod solve;
pub mod standing;
