//! What makes Felix of August 2026 do what is not meant.

use super::Cause;

/// In the order in which they are tried.
pub(super) const CAUSES: &[Cause] = &[];
