//! Namespaces, links, the real tools, injection and observation.
//!
//! * [`error`]: what can go wrong;
//! * [`namespace`]: anonymous network namespaces, and the proof that one is not the host's;
//! * [`settings`]: the kernel's settings inside a namespace;
//! * [`room`]: all of it put together: program, fire, observe;
//! * [`pool`]: several rooms that one thread drives;
//! * `inject`, `observers`, `nflog`, `sightings`: packets in, records out, journeys made of them;
//! * `trace`: which rules matched, on demand;
//! * `conntrack`: connections that exist before packets are sent;
//! * `nftables`, `nfnetlink`: the kernel's language below those;
//! * [`link`]: a node's interfaces as TUN devices, its addresses and routes, over [`netlink`];
//! * [`program`]: rules and sets through the real tools: a [`script`] is told to a [`restore`] tool,
//!   a [`dialogue`]; [`sets`] come first;
//! * [`doctor`]: what this machine can do, found out by each [`probe`].

mod conntrack;
mod dialogue;
pub mod doctor;
pub mod error;
mod inject;
pub mod link;
pub mod namespace;
mod netlink;
mod nflog;
mod nfnetlink;
mod nftables;
mod observers;
pub mod pool;
mod probe;
pub mod program;
mod restore;
pub mod room;
mod script;
mod sets;
pub mod settings;
mod sightings;
mod trace;

pub use conntrack::entry_requests;
pub use error::KernelError;
pub use link::{Links, Tun};
pub use namespace::{Namespace, Privilege, privilege};
pub use pool::{Load, Stopped, in_rooms};
pub use program::{Programmer, Texts, Tools};
pub use room::Room;
