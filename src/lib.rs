//! calidiff holds what Calico's iptables rules do against what they should.
//!
//! The map, a sentence a room; a room may use those above it:
//!
//! * [`verdict`], [`mark`]: leaves that everyone shares.
//! * [`packet`]: what is sent: headers, connections, the one-line form, bytes.
//! * [`hash`]: Felix's rule, chain and set hashes.
//! * [`xtables`]: the kernel's packet-filter language as typed values, and its text.
//! * [`calico`]: the API's resources, resolved for one node.
//! * [`node`]: interfaces, addresses, routes: the ground that model and kernel stand on alike.
//! * [`import`]: what a stranger's dump tells about the Felix that wrote it.
//! * [`render`]: the chains and sets that Felix makes of a world.
//! * [`intent`]: what the resources mean for a packet, clause by clause.
//! * [`journey`]: what happened to one packet, point by point.
//! * [`model`]: the chain machine.
//! * [`scenario`]: one whole case in YAML.
//! * [`generate`]: makers of packets, aimed at a ruleset.
//! * [`kernel`]: namespaces, links, the real tools, injection and observation; alone in saying `unsafe`.
//! * [`arm`]: the judges behind one trait.
//! * [`diff`]: journeys compared.
//! * [`campaign`]: many packets through many arms, every core busy.
//! * [`mutants`]: faults planted on purpose, to judge the harness.
//! * [`claims`]: the seed's claims as checks.
//! * [`report`]: what people read.
//! * [`fuzz`]: what the fuzz targets do.
//! * [`cli`]: the commands.
//!
//! In force everywhere: nothing outside our own namespaces is changed; no arm guesses; the same seed
//! gives the same bytes.

pub mod arm;
pub mod calico;
pub mod campaign;
pub mod claims;
pub mod cli;
pub mod diff;
pub mod fuzz;
pub mod generate;
pub mod hash;
pub mod import;
pub mod intent;
pub mod journey;
#[cfg(target_os = "linux")]
pub mod kernel;
pub mod mark;
pub mod model;
pub mod mutants;
pub mod node;
pub mod packet;
pub mod render;
pub mod report;
pub mod scenario;
pub mod verdict;
pub mod xtables;
