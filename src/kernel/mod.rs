//! Namespaces, links, the real tools, injection and observation.
//!
//! * [`error`]: what can go wrong;
//! * [`namespace`]: anonymous network namespaces, and the proof that one is not the host's;
//! * [`settings`]: the kernel's settings inside a namespace;
//! * [`link`]: a node's interfaces as TUN devices, its addresses and routes.

pub mod error;
pub mod link;
pub mod namespace;
mod netlink;
pub mod settings;

pub use error::KernelError;
pub use link::{Links, Tun};
pub use namespace::{Namespace, Privilege, privilege};
