//! Namespaces, links, the real tools, injection and observation.
//!
//! * [`error`]: what can go wrong;
//! * [`namespace`]: anonymous network namespaces, and the proof that one is not the host's;
//! * [`settings`]: the kernel's settings inside a namespace;
//! * [`link`]: a node's interfaces as TUN devices, its addresses and routes, over [`netlink`];
//! * [`program`]: rules and sets through the real tools: a [`script`] is told to a [`restore`] tool,
//!   a [`dialogue`]; [`sets`] come first.

mod dialogue;
pub mod error;
pub mod link;
pub mod namespace;
mod netlink;
pub mod program;
mod restore;
mod script;
mod sets;
pub mod settings;

pub use error::KernelError;
pub use link::{Links, Tun};
pub use namespace::{Namespace, Privilege, privilege};
pub use program::{Backend, Programmer, Texts, Tools};
