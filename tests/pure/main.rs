//! What needs no privileges.

mod house;
