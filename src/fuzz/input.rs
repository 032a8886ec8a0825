//! Bytes taken for a scenario.
//!
//! An input is either the generator's bytes, or an envelope: its [`head`], which tells the layout, a scenario as its file has it, and
//! behind a line of three dots the bytes that the generator would begin with to make another. What
//! generator's bytes mean hangs on the generator and its dials; an envelope means the same for as long as
//! scenarios are read. So the corpus is made of envelopes, as wasmtime keeps the modules that it generated.
//!
//! An envelope without bytes is a scenario's file with a comment above it: seeds are written by hand so.

use std::hash::{Hash as _, Hasher as _};
use std::path::Path;

use rustc_hash::FxHasher;

use crate::arm::plan::{Plan, Unplanned};
use crate::campaign::finding::Divergence;
use crate::campaign::run::Case;
use crate::campaign::run::case::is_sendable;
use crate::generate::batch::Batches;
use crate::generate::bits::{Begun, Bits as _, Seeded};
use crate::generate::ground::Ground;
use crate::generate::standing::Shot;
use crate::generate::traffic::Traffic;
use crate::generate::world::{Cluster, Dials};
use crate::packet::{Batch, Order};
use crate::render::Layout;
use crate::scenario::Scenario;
use crate::scenario::text::{self, NotAScenario};

/// How an envelope begins, and in which version: a comment of YAML. The first version is the layout seed's, from
/// when there was no other.
#[must_use]
pub fn head(layout: Layout) -> &'static str {
    match layout {
        Layout::Seed => "# calidiff fuzz input, version 1\n",
        Layout::Modern => "# calidiff fuzz input, version 2, layout modern\n",
    }
}

/// How the scenario in an envelope ends where bytes follow: a document's end in YAML.
const END: &str = "\n...\n";

/// How many packets the generator is asked for. Each stands in the envelope, where reading it takes longer than
/// firing it, and a short one is changed where it matters more often.
pub const PACKETS: usize = 24;

/// How many more are fired ([`Input::judged`]): loading the rules takes as long as firing some hundreds.
const MORE: usize = 320;

/// How libFuzzer's artifacts are called.
const ARTIFACTS: [&str; 6] = [
    "crash-",
    "leak-",
    "minimized-from-",
    "oom-",
    "slow-unit-",
    "timeout-",
];

/// An input, read.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// Whose rules are programmed for it.
    pub layout: Layout,
    /// The scenario: its packets don't disturb each other.
    pub scenario: Scenario,
    /// What is programmed for it.
    pub plan: Plan,
    /// The generator's bytes: of which it was made, or to make others with.
    pub bytes: &'a [u8],
    /// What its further packets are drawn from.
    pub(super) seed: u64,
}

impl Input<'_> {
    /// The scenario as it is judged: with more packets, which the generator aims at what is programmed.
    ///
    /// The same input has the same ones, for as long as the generator is the same; those of the scenario it keeps.
    /// What is in sequence gets none: what these left behind would be others' business.
    #[must_use]
    pub fn judged(&self) -> Scenario {
        let mut scenario = self.scenario.clone();
        let traffic = match scenario.batch.order {
            Order::Apart => traffic(self.layout, &self.plan),
            Order::InSequence => None,
        };
        if let Some(traffic) = traffic {
            let shots = traffic.shots(&mut Seeded::new(self.seed), MORE);
            scenario.batch = undisturbed(&self.plan, &scenario.batch, shots);
        }
        scenario
    }
}

/// The makers of packets for what is programmed, where Calico is.
pub(super) fn traffic(layout: Layout, plan: &Plan) -> Option<Traffic<'_>> {
    let calico = plan.calico.as_ref()?;
    let (node, firewall) = (&plan.node, &plan.firewall);
    Some(Traffic::new(&calico.world, layout.api(), node, firewall))
}

/// Why bytes are no input.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum NotAnInput {
    /// What stands in the envelope is no text.
    #[error("the envelope is no text: {0}; expected a scenario in UTF-8")]
    NotText(std::str::Utf8Error),
    /// What stands in the envelope is no scenario.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NotAScenario(#[from] NotAScenario),
    /// There is nothing to be programmed for it.
    #[error(transparent)]
    Unplanned(#[from] Unplanned),
}

/// Reads an input; `dials` shape what is made of the generator's bytes, and nothing in an envelope.
///
/// # Errors
///
/// [`NotAnInput`] where an envelope holds no scenario, or nothing can be programmed for one.
pub fn read<'a>(input: &'a [u8], dials: &Dials) -> Result<Input<'a>, NotAnInput> {
    match opened(input) {
        Some((layout, kept)) => unwrap(layout, kept, seed_of(input)),
        None => Ok(make(input, dials)?),
    }
}

/// What stands behind an envelope's head, and the layout that this tells.
fn opened(input: &[u8]) -> Option<(Layout, &[u8])> {
    let mut layouts = Layout::ALL.into_iter();
    layouts.find_map(|layout| Some((layout, input.strip_prefix(head(layout).as_bytes())?)))
}

/// Whether an input is an envelope, which means the same whatever the dials are.
#[must_use]
pub fn is_envelope(input: &[u8]) -> bool {
    opened(input).is_some()
}

/// Has the generator make an input of its bytes; they tell its layout, too.
///
/// # Errors
///
/// [`Unplanned`] where nothing can be programmed for what it makes: a fault of the generator.
pub fn make<'a>(bytes: &'a [u8], dials: &Dials) -> Result<Input<'a>, Unplanned> {
    let mut bits = Begun::new(bytes);
    let layout = bits.one(Layout::ALL);
    let cluster = Cluster::make(&mut bits, dials, layout.api());
    let mut case = Case::make(&mut bits, &cluster, layout, PACKETS)?;
    let first = case.salvos.drain(..).next();
    let scenario = Scenario {
        batch: first.unwrap_or_default(),
        ..case.scenario
    };
    Ok(Input {
        layout,
        scenario,
        plan: case.plan,
        bytes,
        seed: seed_of(bytes),
    })
}

fn seed_of(input: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    input.hash(&mut hasher);
    hasher.finish()
}

fn unwrap(layout: Layout, kept: &[u8], seed: u64) -> Result<Input<'_>, NotAnInput> {
    let end = END.as_bytes();
    let split = kept.windows(end.len()).position(|window| window == end);
    let (yaml, bytes) = match split {
        // The scenario's last line ends with the first byte of what separates the two.
        Some(place) => (&kept[..=place], &kept[place + end.len()..]),
        None => (kept, &kept[kept.len()..]),
    };
    let yaml = std::str::from_utf8(yaml).map_err(NotAnInput::NotText)?;
    let nothing = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let scenario = text::read("the envelope", yaml, &nothing)?;
    let plan = Plan::new(layout, &scenario)?;
    let batch = undisturbed(&plan, &scenario.batch, Vec::new());
    Ok(Input {
        layout,
        scenario: Scenario { batch, ..scenario },
        plan,
        bytes,
        seed,
    })
}

/// Wraps a scenario of a layout, and the generator's bytes beside it.
///
/// # Errors
///
/// As [`text::write`].
pub fn wrap(
    layout: Layout,
    scenario: &Scenario,
    bytes: &[u8],
) -> Result<Vec<u8>, serde_saphyr::ser::Error> {
    let yaml = text::write(scenario)?;
    let mut input = head(layout).as_bytes().to_vec();
    input.extend(yaml.trim_end().as_bytes());
    match bytes {
        [] => input.push(b'\n'),
        bytes => {
            input.extend(END.as_bytes());
            input.extend(bytes);
        }
    }
    Ok(input)
}

/// The packets of a batch, and more behind them, that can be sent and don't disturb those before them, with their
/// connections: others would not be judged by what the rules say, but by what earlier packets left behind.
pub(super) fn undisturbed(plan: &Plan, batch: &Batch, more: Vec<Shot>) -> Batch {
    if batch.order == Order::InSequence {
        let mut batch = batch.clone();
        batch
            .packets
            .retain(|packet| is_sendable(&plan.node, packet));
        return batch;
    }
    let ground = Ground::new(&plan.node, &plan.firewall);
    let size = batch.packets.len() + more.len();
    let own = batch.packets.iter().map(|packet| Shot {
        packet: packet.clone(),
        connections: Divergence::connections_of(batch, packet),
    });
    let shots = own.chain(more);
    let shots = shots.filter(|shot| is_sendable(&plan.node, &shot.packet));
    let first = Batches::new(&ground, shots, size).next();
    first.map(|salvo| salvo.batch).unwrap_or_default()
}

/// Whether a file is an input of the fuzzer's, and no scenario's file: an envelope, or the generator's bytes
/// in a file that libFuzzer has named, or what is no text.
#[must_use]
pub fn is_input(path: &Path, contents: &[u8]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    is_envelope(contents)
        || ARTIFACTS.iter().any(|start| name.starts_with(start))
        || std::str::from_utf8(contents).is_err()
}
