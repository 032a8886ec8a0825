//! What needs no privileges.

mod house;
mod model;
mod wire;
mod xtables;
