//! The intent against its page: one module a clause, with the smallest world and packets on both sides
//! of each boundary.

mod connections;
mod endpoints;
mod era;
mod evaluation;
mod hosts;
mod matching;
mod modern;
mod node;
mod properties;
mod stand;
mod translation;
mod untracked;
mod workloads;
