//! What people read.
//!
//! * [`claims`]: the seed's claims;
//! * [`explain`]: one packet's way through the chains;
//! * [`palette`]: colours, sparingly.

pub mod claims;
pub mod explain;
pub mod palette;
