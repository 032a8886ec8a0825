//! Makers of packets: aimed at a ruleset, and random.
//!
//! * [`bits`]: the one source of every choice;
//! * [`standing`]: what a packet is to connection tracking, wanted;
//! * [`ground`]: a node's ways, and the constants of a firewall with their neighbours;
//! * [`question`]: a rule's questions, one field each; [`draft`]: whether a packet meets them;
//! * [`edges`]: a packet's neighbours along a question.

pub mod bits;
pub mod draft;
pub mod edges;
pub mod ground;
pub mod question;
pub mod standing;
