//! Many packets through many arms, every core busy.
//!
//! * `bench`: model and kernel measured side by side; [`load`]: the packets that they are measured with;
//! * [`check`]: judge rulesets: aimed packets first, then random ones, on every backend;
//! * [`tally`]: what is counted on the way;
//! * [`parting`]: the two readings of the rules, and where they part;
//! * [`finding`]: a divergence with both rule paths beside it;
//! * [`meant`]: a dump against what Calico's resources mean;
//! * [`versus`]: two rulesets on one node, against each other;
//! * [`mod@run`]: generated scenarios before all judges;
//! * [`trial`]: one plan before all judges; [`shrink`]: a divergence of it made small.
//!
//! The packets of a batch hang on the seed and the batch's number alone, never on how many workers
//! there are or which of them takes it: the same seed sends the same packets and finds the same.

#[cfg(target_os = "linux")]
pub mod bench;
pub mod check;
pub mod finding;
pub mod load;
pub mod meant;
pub mod parting;
pub mod run;
pub mod shrink;
mod source;
pub mod tally;
pub mod trial;
pub mod versus;

use crate::arm::{Arm, Failure, Judge};
use crate::node::Node;
use crate::xtables::{Backend, Firewall};

/// What is judged: rules, and the node that they are loaded on.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What reports call it.
    pub name: String,
    /// The node.
    pub node: Node,
    /// Its rules and sets.
    pub firewall: Firewall,
    /// What was assumed about the node and the sets, a sentence each.
    pub assumptions: Vec<String>,
    /// A firewall that the kernel is given in the place of the true one, to see whether that is noticed.
    pub planted: Option<Firewall>,
}

/// What to do, besides on what.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose kernel arms are asked, each held against the model's reading of the same backend.
    pub backends: Vec<Backend>,
    /// How many packets are judged a subject, on each backend.
    pub packets: u64,
    /// Where chance starts.
    pub seed: u64,
    /// How many workers share the work.
    pub jobs: usize,
    /// Whether the rules that were never hit are explained, and the explanations put to the test.
    pub explain: bool,
}

/// Makes an arm. Called in the thread that will use it, for a kernel arm's namespaces are its own.
pub type MakeArm<'a> = &'a (dyn Fn(Judge) -> Result<Box<dyn Arm>, Failure> + Sync);

/// Watches a check go on, and may end it early. Called from every worker.
pub trait Watch: Sync {
    /// So many more packets have been judged on one backend, and so many of them diverged.
    fn judged(&self, subject: &str, packets: u64, diverged: u64);

    /// Whether to end now, with what there is.
    fn stop(&self) -> bool;
}

/// Watches nothing.
pub struct Blind;

impl Watch for Blind {
    fn judged(&self, _: &str, _: u64, _: u64) {}

    fn stop(&self) -> bool {
        false
    }
}
