//! A new class kept for review: fired again, made small, written out and put into the ledger's folder.

use std::io;
use std::path::{Path, PathBuf};

use super::divergence::{NoSnapshot, snapshot};
use crate::arm::Failure;
use crate::arm::plan::{Plan, Unplanned};
use crate::campaign::shrink::{Questions, Small, fire_again, make_small, up_to};
use crate::campaign::trial::Panel;
use crate::diff::cause::Cause;
use crate::diff::class::{Class, Rate};
use crate::diff::ledger::record;
use crate::render::Layout;
use crate::scenario::Scenario;

/// A class that awaits its review.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The class; another than was found where it is not seen every time.
    pub class: Class,
    /// How often it was seen again.
    pub rate: Rate,
    /// What came of making it small; `None` where it was never seen again, and the packet that was found is
    /// kept as it was.
    pub small: Option<Small>,
    /// The scenario that shows it.
    pub scenario: Scenario,
}

/// Why a class could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// Nothing is programmed for the scenario.
    #[error(transparent)]
    Unplanned(#[from] Unplanned),
    /// An arm is broken.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// Its files can't be written.
    #[error("can't write the class {id} into {}: {why}", folder.display())]
    Unwritable {
        /// Which class.
        id: String,
        /// The ledger's folder.
        folder: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

/// Fires a divergence again and makes it small. What can't be made small stays what it is: it is never lost.
///
/// # Errors
///
/// Where an arm is broken, or nothing is programmed for the scenario.
pub fn understand(
    panel: &mut Panel,
    layout: Layout,
    scenario: &Scenario,
    packet: usize,
    class: &Class,
    questions: Questions,
) -> Result<Kept, NotKept> {
    let mut plan = Plan::new(layout, scenario)?;
    let rate = fire_again(panel, &mut plan, &scenario.batch, packet, class)?;
    let small = make_small(panel, layout, scenario, packet, class, questions)?;
    let up_to_packet = Scenario {
        why: None,
        batch: up_to(&scenario.batch, packet),
        ..scenario.clone()
    };
    let smallest = small.as_ref().map(|small| small.scenario.clone());
    let known = class.cause.and_then(|id| Cause::named(layout, id));
    Ok(Kept {
        class: class.clone().seen_again(rate),
        rate,
        scenario: Scenario {
            why: known.map(|cause| cause.why.to_owned()),
            ..smallest.unwrap_or(up_to_packet)
        },
        small,
    })
}

/// Writes a class's scenario and its pending snapshot into a folder; `info` stands in the snapshot's head.
/// Returns the scenario's file.
///
/// # Errors
///
/// Where the files can't be written.
pub fn save(
    panel: &mut Panel,
    layout: Layout,
    kept: &Kept,
    folder: &Path,
    info: &[(&str, String)],
) -> Result<PathBuf, NotKept> {
    let id = kept.class.id();
    let text = match snapshot(panel, layout, &kept.scenario, &id) {
        Ok(snapshot) => snapshot.text,
        Err(NoSnapshot::Unplanned(why)) => return Err(why.into()),
        Err(NoSnapshot::Failure(why)) => return Err(why.into()),
        Err(gone @ NoSnapshot::Gone { .. }) => format!("{}\n{gone}", kept.class),
    };
    record(folder, &id, &kept.scenario, &text, info).map_err(|why| NotKept::Unwritable {
        id,
        folder: folder.to_owned(),
        why,
    })
}

/// What a snapshot's head says of where it was made.
#[must_use]
pub fn info(layout: Layout, seed: Option<u64>) -> Vec<(&'static str, String)> {
    let mut info = vec![("layout", layout.to_string())];
    info.extend(seed.map(|seed| ("seed", seed.to_string())));
    info.extend(versions());
    info
}

/// The kernel's release and the tools' versions.
#[cfg(target_os = "linux")]
#[must_use]
pub fn versions() -> Vec<(&'static str, String)> {
    use crate::kernel::doctor::{release, version};
    use crate::packet::Family;
    use crate::xtables::Backend;
    let mut versions = vec![("kernel", release())];
    for backend in Backend::BOTH {
        let tool = backend.restore(Family::V4);
        versions.extend(version(tool).ok().map(|version| (tool, version)));
    }
    versions
}

/// Elsewhere no kernel was asked.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn versions() -> Vec<(&'static str, String)> {
    Vec::new()
}
