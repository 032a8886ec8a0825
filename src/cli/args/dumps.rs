//! The options of the commands about dumps of strangers' nodes.

use std::path::PathBuf;

use clap::Args;

use crate::render::Layout;
use crate::verdict::ArmName;

/// Calico's resources beside dumps.
#[derive(Args, Clone, Debug)]
pub struct BesideDumps {
    /// Calico's resources in YAML, a file or a folder of them: which policy, profile or endpoint each chain of a dump stands for is said
    #[arg(id = "resources", long = "resources", value_name = "PATH")]
    pub path: Option<PathBuf>,
}

/// `calidiff diff`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Both rulesets are put on one node, and packets aimed at the rules of either are judged by both. Shown are
those that end differently, with the rules that matched side by side; how they are marked on the way does
not count. Exit status 1 where a packet ends differently.

Examples:
  calidiff diff yesterday.save today.save --sets mine.ipset
      two dumps of a node, with the same sets
  calidiff diff one.save two.save --sets one.ipset,two.ipset --node mine.yaml --json
  calidiff diff before.yaml after.yaml --arms model,nft
      the rules that Felix makes of two scenarios' resources, by the kernel too")]
pub struct Diff {
    /// Two files: what iptables-save or ip6tables-save printed, or scenarios (.yaml)
    #[arg(id = "rulesets", value_name = "FILE", num_args = 2, required = true)]
    pub rulesets: Vec<PathBuf>,
    /// What `ipset save` or `ipset list` printed: for both, or for each, separated by a comma
    #[arg(long, value_name = "FILES", value_delimiter = ',')]
    pub sets: Vec<PathBuf>,
    /// The node in YAML, or slave1 or slave2; without it, a scenario's, or one is inferred from the rules of both
    #[arg(long, value_name = "FILE")]
    pub node: Option<String>,
    /// Which Felix's way of writing rules, where scenarios have Calico's resources: for both, or for each, separated by a comma
    #[arg(
        id = "layouts",
        long = "layout",
        value_name = "NAMES",
        value_enum,
        value_delimiter = ','
    )]
    pub layouts: Vec<Layout>,
    #[command(flatten)]
    /// What the chains stand for.
    pub resources: BesideDumps,
    /// Who judges, separated by commas
    #[arg(
        long,
        value_name = "NAMES",
        value_enum,
        value_delimiter = ',',
        default_value = "model"
    )]
    pub arms: Vec<ArmName>,
    /// How many packets for each of the two; the first of them are aimed at its rules
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub packets: Option<u64>,
    /// What all choices are drawn from: the same seed sends the same packets
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// `calidiff hashes`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Felix, Calico's agent, hashes each of its rules over the rule's text and all rules above it, and leaves the
hash in a comment. Recomputed, they name every rule that was added, lost, moved or altered since; only
what is gone from a chain's end leaves no trace. Neither a kernel nor privileges are needed.

Examples:
  iptables-save > mine.save
  calidiff hashes mine.save
      exit status 1 where a rule is not as Felix wrote it
  calidiff hashes mine.save mine.save6 --json
  calidiff hashes mine.save --resources policies/
      with the policies, profiles and endpoints that the chains stand for")]
pub struct Hashes {
    /// What iptables-save or ip6tables-save printed
    #[arg(value_name = "FILE", required = true)]
    pub dumps: Vec<PathBuf>,
    #[command(flatten)]
    /// What the chains stand for.
    pub resources: BesideDumps,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}
