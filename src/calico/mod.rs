//! Calico's API: the resources as people write them, and the world that they make on one node.
//!
//! * [`rule`] and [`world`] are values: what the judges read;
//! * [`configuration`] is what Felix is told;
//! * [`selector`] is the language in which policies say whom they mean.
//!
//! A world says who applies to whom and who is meant, never how it is enforced: the intent reads it for
//! its meaning, the renderer for what Felix makes of it, and neither looks at the other.

pub mod configuration;
pub mod rule;
pub mod selector;
pub mod world;

pub use configuration::Configuration;
pub use rule::{Action, Rule, Side};
pub use selector::Selector;
pub use world::World;
