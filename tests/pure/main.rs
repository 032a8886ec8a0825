//! What needs no privileges.

mod aim;
mod campaign;
mod claims;
mod corpus;
mod explain;
mod fuzz;
mod generated;
mod house;
mod import;
mod inert;
mod infer;
mod intent;
mod ledger;
mod meaning;
mod meant;
mod model;
mod mutants;
mod render;
mod resources;
mod scenarios;
mod usage;
mod wire;
mod xtables;
