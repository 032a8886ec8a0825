//! What people read.
//!
//! * `bench`: what was measured;
//! * [`check`]: what a check of rulesets found;
//! * [`claims`]: the seed's claims;
//! * `doctor`: what a machine can do and what it lacks;
//! * [`divergence`]: a class of divergences, as its snapshot shows it;
//! * [`explain`]: one packet's way through the chains;
//! * [`hashes`]: what the hashes of dumps say of who wrote their rules;
//! * [`meant`]: a dump against what Calico's resources mean;
//! * [`render`]: what is programmed, as the tools' own text;
//! * [`script`]: the same for a shell, without this program;
//! * [`keep`]: a new class, fired again, made small and saved for review;
//! * [`versus`]: two rulesets against each other;
//! * [`replay`]: scenarios judged again;
//! * [`palette`]: colours, sparingly;
//! * [`run`]: what a campaign came to;
//! * [`mutants`]: which planted faults it noticed.

#[cfg(target_os = "linux")]
pub mod bench;
pub mod check;
pub mod claims;
pub mod divergence;
#[cfg(target_os = "linux")]
pub mod doctor;
pub mod explain;
pub mod hashes;
pub mod keep;
pub mod meant;
pub mod mutants;
pub mod palette;
pub mod render;
pub mod replay;
pub mod run;
pub mod script;
pub mod versus;
