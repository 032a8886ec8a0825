//! What a dump of a stranger's node tells about the Felix that wrote it.
//!
//! Felix hashes each of its rules over the rule's own text and all rules above it, so the comments of a
//! dump say whether the dump still holds what Felix wrote, and of a rule that is gone or changed they
//! can prove what it was.
//!
//! * [`spelling`]: a rule in every way that Felix may have written it;
//! * [`verify`]: the hashes of a ruleset recomputed, chain by chain, and what does not hold named;
//! * [`names`]: what chains stand for;
//! * [`foreign`]: what of a dump other programs have written;
//! * [`recompute`]: the hash that each rule should bear;
//! * [`guess`]: what may have happened where a hash does not hold.

pub mod foreign;
pub mod guess;
pub mod names;
pub mod recompute;
pub mod spelling;
pub mod verify;

pub use names::Names;
pub use recompute::{Recomputed, recompute};
pub use verify::{Departure, Finding, Verification, verify};
