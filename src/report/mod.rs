//! What people read.
//!
//! * [`explain`]: one packet's way through the chains;
//! * [`palette`]: colours, sparingly.

pub mod explain;
pub mod palette;
