//! What needs no privileges.

mod house;
mod wire;
