//! What needs no privileges.

mod aim;
mod house;
mod model;
mod infer;
mod wire;
mod xtables;
