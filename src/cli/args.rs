//! Every command's options and help: the one definition that parsing, help and documents share.
//!
//! * `dumps`: those of the commands about dumps of strangers' nodes.

mod dumps;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::campaign::run::Shard;
use crate::render::Layout;
use crate::verdict::ArmName;
use crate::xtables::Backend;

pub use dumps::{BesideDumps, Diff, Hashes};

/// Holds what Calico's iptables rules do against what they should.
#[derive(Debug, Parser)]
#[command(
    version,
    about = "Judges packets by a model of iptables and by the real kernel, and shows every difference",
    after_help = "\
Exit status:
  0  all agree
  1  two judges differ
  2  bad input or usage
  3  this machine lacks something (`calidiff doctor` says what, and how to get it)",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// One of the commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judge packets aimed at every rule of a ruleset, by the model and by the kernel
    Check(Check),
    /// Judge generated policies and packets by intent, model and both kernels
    Run(Run),
    /// Plant faults one by one, and see which of them a campaign notices
    Mutants(Mutants),
    /// Show what became of each claim of the seed document
    Claims(Claims),
    /// Show one packet's way: chain by chain, rule by rule, mark by mark
    Explain(Explain),
    /// Judge two rulesets against each other: which packets end differently
    Diff(Diff),
    /// Say whether a dump still holds the rules that Felix wrote
    Hashes(Hashes),
    /// Print the rules and sets that Felix makes of Calico's resources
    Render(Render),
    /// Judge scenarios again, packet by packet
    Replay(Replay),
    /// Make a scenario small on which the judges differ
    Shrink(Shrink),
    /// Print the JSON Schema of scenario files, for editors
    Schema(Schema),
    /// Measure model and kernel side by side
    Bench(Bench),
    /// Say what this machine can do, what it lacks, and how to get it
    Doctor(Doctor),
}

impl ValueEnum for Backend {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::BOTH
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Legacy => PossibleValue::new("legacy").help("iptables-legacy: x_tables"),
            Self::Nft => PossibleValue::new("nft").help("iptables-nft: nf_tables"),
        })
    }
}

impl ValueEnum for Layout {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Seed => PossibleValue::new("seed").help("Felix 2.1.1 (2017)"),
            Self::Modern => PossibleValue::new("modern").help("Felix of August 2026"),
        })
    }
}

/// Which layout a file's rules are of.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct OfFile {
    /// Which Felix's way of writing rules, where Calico runs; unless said, the one that the file's folder is called like, else seed for resources of API v1, and modern for all others
    #[arg(id = "layout", long = "layout", value_name = "NAME", value_enum)]
    pub given: Option<Layout>,
}

/// Which backends a command uses.
#[derive(Args, Clone, Debug)]
pub struct Backends {
    /// The kernel's backends, separated by commas
    #[arg(
        long = "backend",
        value_name = "NAMES",
        value_enum,
        value_delimiter = ',',
        default_value = "legacy,nft"
    )]
    pub names: Vec<Backend>,
}

impl Backends {
    /// Each once, legacy first.
    #[must_use]
    pub fn each(&self) -> Vec<Backend> {
        let mut names = self.names.clone();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl ValueEnum for ArmName {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Model, Self::Legacy, Self::Nft]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Model => PossibleValue::new("model").help("the chain machine; always asked"),
            Self::Legacy => PossibleValue::new("legacy").help("the kernel behind iptables-legacy"),
            Self::Nft => PossibleValue::new("nft").help("the kernel behind iptables-nft"),
        })
    }
}

/// Which arms a command asks beside the intent.
#[derive(Args, Clone, Debug)]
pub struct Arms {
    /// The arms, separated by commas; the intent is asked wherever Calico runs
    #[arg(
        id = "arms",
        long,
        value_name = "NAMES",
        value_enum,
        value_delimiter = ',',
        default_value = "model,legacy,nft"
    )]
    pub names: Vec<ArmName>,
}

impl Arms {
    /// The backends whose kernels are asked, each once, legacy first.
    #[must_use]
    pub fn kernels(&self) -> Vec<Backend> {
        let mut kernels = Backend::BOTH.to_vec();
        kernels.retain(|backend| self.names.contains(&ArmName::from(*backend)));
        kernels
    }
}

/// A ruleset and its node, as files.
#[derive(Args, Clone, Debug)]
pub struct Ground {
    /// What iptables-save and ip6tables-save printed, at most one file of each; or a scenario (.yaml); without any, the seed's nodes
    #[arg(value_name = "FILE")]
    pub dumps: Vec<PathBuf>,
    /// What `ipset save` or `ipset list` printed
    #[arg(long, value_name = "FILE", requires = "dumps")]
    pub sets: Option<PathBuf>,
    /// The node in YAML (interfaces, addresses, routes), or slave1 or slave2; without it, one is inferred from the rules
    #[arg(long, value_name = "FILE")]
    pub node: Option<String>,
    #[command(flatten)]
    /// Whose rules a scenario's are.
    pub layout: OfFile,
}

/// `calidiff check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  calidiff check
      the two nodes of the seed document, a million packets on each backend
  iptables-save > mine.save; ipset save > mine.ipset
  calidiff check mine.save --sets mine.ipset
      this node's rules; interfaces and addresses are inferred and listed
  calidiff check mine.save --backend nft --packets 20000 --seed 7 --json
  calidiff check scenario.yaml
      the rules that Felix makes of a scenario's resources, beside those of other programs")]
pub struct Check {
    #[command(flatten)]
    /// What is judged.
    pub ground: Ground,
    #[command(flatten)]
    /// What the chains stand for.
    pub resources: BesideDumps,
    #[command(flatten)]
    /// By which backends.
    pub backends: Backends,
    /// How many packets each backend judges on a ruleset; all aimed ones are sent in any case
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub packets: Option<u64>,
    /// What all choices are drawn from: the same seed sends the same packets
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// How many workers; one a core unless said
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// A span of time as people write it: `90s`, `10m`, `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A text that is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no span of time; expected a number and s, m or h: 90s, 10m, 2h")]
pub struct NotASpan(String);

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let span = || {
            let (at, unit) = text.char_indices().next_back()?;
            let seconds: u64 = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                _ => return None,
            };
            let number: u64 = text[..at].parse().ok()?;
            Some(Self(Duration::from_secs(number.checked_mul(seconds)?)))
        };
        span().ok_or_else(|| NotASpan(text.to_owned()))
    }
}

/// `calidiff run`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  calidiff run
      some thousand generated scenarios, judged by all four
  calidiff run --for 10m --seed 7
      as many as ten minutes hold
  calidiff run --cases 100000 --arms model
      without a kernel, and without privileges
  calidiff run --layout seed
      of the rules that Felix 2.1.1 wrote
  calidiff run --cases 20000 --shard 1/2 --json > half.json
      every other one of 20,000; --shard 2/2 is the rest")]
pub struct Run {
    /// What all choices are drawn from: the same seed makes the same scenarios
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// How many scenarios
    #[arg(long, value_name = "N", conflicts_with = "time", value_parser = clap::value_parser!(u64).range(1..))]
    pub cases: Option<u64>,
    /// How long, instead: 90s, 10m, 2h
    #[arg(long = "for", value_name = "TIME")]
    pub time: Option<Span>,
    /// How many packets each scenario is given; 200 unless said, of the seed's layout 60
    #[arg(long, value_name = "N")]
    pub packets: Option<usize>,
    /// How many scenarios in a row are made for one cluster, whose policies alone change: 8 unless said
    #[arg(long, value_name = "N")]
    pub rulesets: Option<std::num::NonZeroU64>,
    /// How many workers; one a core unless said, and one more where kernels are asked
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Felix's way of writing chains
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub layout: Layout,
    #[command(flatten)]
    /// By whose reading of the rules.
    pub backends: Backends,
    #[command(flatten)]
    /// Who is asked.
    pub arms: Arms,
    /// Only one of several equal shares of the scenarios: 1/2, 2/2
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub shard: Shard,
    /// End with the first divergence that is not a known one
    #[arg(long)]
    pub fail_fast: bool,
    /// Print every shape of rule that was rendered, not only those never hit
    #[arg(long)]
    pub coverage: bool,
    /// The folder of the known divergences, unless said the layout's in snapshots/divergence; a new class is made small and saved there for review
    #[arg(long, value_name = "FOLDER")]
    pub ledger: Option<PathBuf>,
    /// Save no new class
    #[arg(long)]
    pub no_save: bool,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// `calidiff mutants`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A mutant is one fault: in every rule of a kind that is rendered, or in what the intent is told of the
world. The campaign is set on each until a packet diverges in a class that nobody knows; then the ledger's
tests, which miss a known divergence. It needs no kernel: that would do what the faulty rules say. What
nobody noticed and is shown from the rules to change nothing is counted apart. Of the others every packet
must be a known divergence, without the fault (it \"mends\" them) or with it (they are \"masked\"): what else is
left is a HOLE, and the status 1.

Examples:
  calidiff mutants
      480 mutants of the modern layout; those that are not noticed, and those that change nothing, by reason
  calidiff mutants --layout seed
      every mutant of the seed layout
  calidiff mutants --limit 100 --cases 500 --json > mutants.json
      a few, in a few scenarios, for machines")]
pub struct Mutants {
    /// What all choices are drawn from: the same seed makes the same scenarios and mutants
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// How many scenarios each mutant is looked for in, at the most; unless said 48,000 of the seed layout, and
    /// 16,000 of the modern one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub cases: Option<u64>,
    /// How many packets each scenario is given; 200 unless said, of the seed's layout 60
    #[arg(long, value_name = "N")]
    pub packets: Option<usize>,
    /// From how many scenarios' rules the mutants are made
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: u64,
    /// How many mutants to take at the most, spread over all; unless said all of the seed layout, and 480 of
    /// the modern one, which has thousands
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// How many workers; one a core unless said
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Felix's way of writing chains
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub layout: Layout,
    /// The folder of the known divergences; unless said, the layout's in snapshots/divergence
    #[arg(long, value_name = "FOLDER")]
    pub ledger: Option<PathBuf>,
    /// Print every mutant, not only those that are not noticed
    #[arg(long)]
    pub all: bool,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// `calidiff claims`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  calidiff claims
      all of them: C1 to C70, and the contradictions X1 to X20
  calidiff claims C41 X4
      these two, with the packets that show them")]
pub struct Claims {
    /// Only these, by name
    #[arg(value_name = "CLAIM")]
    pub claims: Vec<String>,
    #[command(flatten)]
    /// By which backends.
    pub backends: Backends,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// `calidiff explain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A packet is one line: where it comes from, what it is, and from whom to whom.

Of a scenario with Calico's resources it is said, too, what they mean for the packet: which tier, policy
and rule decided, and which rules of the kernel's those are. Exit status 1 where the rules do something else.

Examples:
  calidiff explain --packet 'in=cali0ef24b1 tcp 172.16.1.1:40000 > 10.0.0.9:443'
      on the seed's slave1
  calidiff explain --kernel --packet 'in=cali0ef24b1 tcp 172.16.1.1:40000 > 10.0.0.9:443'
      with the kernel's own trace beside the model's
  calidiff explain --packet 'in=eth0 tcp 10.0.0.9:443 > 172.16.1.1:40000 flags=ACK' \\
                   --connection 'tcp 172.16.1.1:40000 > 10.0.0.9:443 replied'
      an answer, of a connection that exists
  calidiff explain mine.save --sets mine.ipset --packet 'in=eth0 udp 10.0.0.9:53 > 172.16.1.1:5353'
  calidiff explain scenario.yaml
      every packet of a scenario")]
pub struct Explain {
    #[command(flatten)]
    /// What is judged.
    pub ground: Ground,
    #[command(flatten)]
    /// What the chains stand for.
    pub resources: BesideDumps,
    /// The packet; without it, every packet of a scenario
    #[arg(long, value_name = "TEXT")]
    pub packet: Option<String>,
    /// A connection that exists when it comes, besides a scenario's; may be given more than once
    #[arg(long = "connection", value_name = "TEXT")]
    pub connections: Vec<String>,
    /// Ask the kernel too, and show its trace beside the model's
    #[arg(long)]
    pub kernel: bool,
    #[command(flatten)]
    /// By which backends.
    pub backends: Backends,
}

/// `calidiff render`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A file holds a scenario, or Calico's resources as calicoctl takes and prints them. Each file is rendered
by itself; what other programs have loaded in a scenario is printed with Calico's rules.

Exit status 1 where the tools refuse the rules of a family, which is said and why: its rules are then
printed as Felix writes them.

Examples:
  calidiff render scenario.yaml
      its sets, its IPv4 rules and its IPv6 rules, each behind a line that says so
  calicoctl get policies,profiles,workloadEndpoints -o yaml > mine.yaml
  calidiff render mine.yaml --node slave1
      what Felix programs on slave1
  calidiff render scenario.yaml --only sets | ipset restore
  calidiff render scenario.yaml --only rules -4 | iptables-restore")]
pub struct Render {
    /// Scenarios, or resources
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The node that resources are rendered for; without it, the only one that they name
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    #[command(flatten)]
    /// Whose rules they are.
    pub layout: OfFile,
    /// Only IPv4
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Only IPv6
    #[arg(short = '6', long = "ipv6")]
    pub ipv6: bool,
    /// Only one of the two parts
    #[arg(long, value_name = "PART", value_enum)]
    pub only: Option<Part>,
}

/// `calidiff schema`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A scenario is one YAML file: a node, what is loaded on it (Calico's resources, or rules and sets, or both),
the connections that exist, and the packets that are sent. The folder tests/scenarios has examples.

Examples:
  calidiff schema > scenario.schema.json
      an editor with a YAML language server checks and completes a scenario whose first line is
      # yaml-language-server: $schema=scenario.schema.json")]
pub struct Schema {}

/// A part of what is programmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// What `ipset restore` takes
    Sets,
    /// What iptables-restore and ip6tables-restore take
    Rules,
}

/// `calidiff replay`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Exit status 1 where judges differ and the ledger does not know why.

Examples:
  calidiff replay snapshots/divergence/*/*.yaml
      every known class of every layout: what intent, model and both kernels say of its packet
  calidiff replay snapshots/divergence/seed/*.snap --arms model
      the same without the kernels: no privileges are needed
  calidiff replay mine.yaml --json
  calidiff replay fuzz/artifacts/policy/crash-*
      what the fuzzer found: its inputs are scenarios, too")]
pub struct Replay {
    /// Scenarios, snapshots that have theirs beside them, or inputs of the fuzzer's
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    /// Who is asked.
    pub arms: Arms,
    #[command(flatten)]
    /// Whose rules are programmed.
    pub layout: OfFile,
    /// The folder of the known divergences; unless said, the layout's in snapshots/divergence
    #[arg(long, value_name = "FOLDER")]
    pub ledger: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// `calidiff shrink`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
What remains is of the same class of divergence. Exit status 1 where the ledger does not know it.

Examples:
  calidiff shrink mine.yaml > small.yaml
      the smallest scenario on which the judges still differ in the same way
  calidiff shrink mine.yaml --arms model --out small.yaml
      intent and model alone
  calidiff shrink mine.yaml --save
      also puts it into the ledger's folder, with a snapshot to be reviewed")]
pub struct Shrink {
    /// A scenario, or a snapshot that has its own beside it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to write what remains; standard output unless said
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The class to keep, by its id; that of the first packet on which somebody differs unless said
    #[arg(long, value_name = "ID")]
    pub class: Option<String>,
    /// Save it in the ledger's folder as well, to be explained and reviewed
    #[arg(long)]
    pub save: bool,
    #[command(flatten)]
    /// Who is asked.
    pub arms: Arms,
    #[command(flatten)]
    /// Whose rules are programmed.
    pub layout: OfFile,
    /// The folder of the known divergences; unless said, the layout's in snapshots/divergence
    #[arg(long, value_name = "FOLDER")]
    pub ledger: Option<PathBuf>,
}

/// `calidiff bench`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  calidiff bench
      every ratio, from one run, on the first of the seed's nodes
  calidiff bench mine.save --sets mine.ipset --json > bench.json")]
pub struct Bench {
    #[command(flatten)]
    /// What is measured on.
    pub ground: Ground,
    #[command(flatten)]
    /// By which backends.
    pub backends: Backends,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// `calidiff doctor`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  calidiff doctor
      exit status 3 where something that the kernel arms need is missing
  calidiff doctor --json")]
pub struct Doctor {
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        let seconds = |text: &str| text.parse::<super::Span>().map(|span| span.0.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("2h"), Ok(7200));
        for wrong in [
            "",
            "m",
            "10",
            "1.5h",
            "-1s",
            "5d",
            "9999999999999999999h",
            "1\u{fc}",
        ] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_two_options_are_in_each_others_way() {
        super::Cli::command().debug_assert();
    }
}
