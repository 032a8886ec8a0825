//! What needs no privileges.

mod aim;
mod claims;
mod house;
mod infer;
mod model;
mod wire;
mod xtables;
