//! What needs no privileges.

mod aim;
mod house;
mod infer;
mod model;
mod wire;
mod xtables;
