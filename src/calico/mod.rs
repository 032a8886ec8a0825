//! Calico's API: the resources as people write them, and the world that they make on one node.
//!
//! * [`selector`] is the language in which policies say whom they mean;
//! * [`resources`] are values, as people write them; [`read`] and [`mod@write`] are their YAML, in the
//!   words of both versions of the API;
//! * [`kubernetes`] makes resources of Kubernetes' own policies and of what they select;
//! * [`mod@resolve`] makes the world of a node of them: [`world`], [`rule`] and [`configuration`] are
//!   what the judges read;
//! * [`era`] refuses worlds that the seed's era can't say.
//!
//! A world says who applies to whom and who is meant, never how it is enforced: the intent reads it for
//! its meaning, the renderer for what Felix makes of it, and neither looks at the other.

pub mod configuration;
pub mod era;
pub mod kubernetes;
pub mod read;
pub mod resolve;
pub mod resources;
pub mod rule;
pub mod selector;
mod words;
pub mod world;
pub mod write;

pub use configuration::Configuration;
pub use resolve::resolve;
pub use resources::Resources;
pub use rule::{Action, Rule, Side};
pub use selector::Selector;
pub use world::World;
