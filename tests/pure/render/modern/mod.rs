//! What the layout of August 2026 is.

mod published;
mod shapes;
pub mod worlds;
