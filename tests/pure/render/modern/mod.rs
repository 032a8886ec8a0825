//! What the layout of August 2026 is.

mod options;
mod published;
mod shapes;
pub mod worlds;
