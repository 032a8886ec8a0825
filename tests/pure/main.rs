//! What needs no privileges.

mod house;
mod model;
mod infer;
mod wire;
mod xtables;
