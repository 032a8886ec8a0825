//! What Calico's policies mean: the oracle. It knows the resources and the packet, and nothing of how
//! anybody enforces them.
//!
//! Where the enforced rules come out differently from this room, that is a finding: neither is mended
//! from the other. Every clause stands, word for word, above the code that implements it:
//!
//! * [`judge`] is the front door, and the way of a packet from clause to clause: I13, I18 (`forward`: of
//!   what the node forwards; `hearing`: what has been said on it; `owner`: to whom the interfaces on that
//!   way belong);
//! * `evaluation`: I1 to I4, the order of tiers, policies, rules and profiles;
//! * [`connection`]: I5, which connection a packet belongs to;
//! * `workload`: I6 to I8;
//! * `host`: I9 to I12 and I14;
//! * [`era`]: what the seed's era can't say, and which sentences hold in one era alone;
//! * `matching`: I15, I16;
//! * `translation`: I17;
//! * [`clause`] names the clauses' branches, [`opinion`] what is answered, [`words`] puts it into words.

mod addresses;
pub mod clause;
pub mod connection;
pub mod era;
mod evaluation;
mod forward;
mod hearing;
mod host;
pub mod judge;
mod matching;
pub mod opinion;
mod owner;
mod translation;
pub mod words;
mod workload;

pub use clause::{Clause, Clauses};
pub use connection::Connections;
pub use era::{Era, NotOfThisEra};
pub use judge::Judge;
pub use opinion::{By, Decision, Endpoint, Exit, Heading, Opinion, Source, Verdict};
pub use translation::Others;
