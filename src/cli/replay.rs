//! `calidiff replay`: scenarios judged again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use super::args::{Arms, Replay};
use super::status::{Ending, Status};
use super::{machine, scenarios, terminal};
use crate::arm;
use crate::campaign::trial::Panel;
use crate::report::replay::{replay, replay_changed};
use crate::xtables::Backend;

/// Judges every file again.
///
/// # Errors
///
/// Bad input; a machine that lacks what the kernel arms need.
pub fn run(options: &Replay) -> Result<Status, Ending> {
    let mut ledgers = BTreeMap::new();
    let mut planned = Vec::new();
    for path in &options.files {
        let path = scenario_of(path);
        let read = scenarios::read(&path, None, options.layout)?;
        let plan = scenarios::plan(&path, &read)?;
        let layout = read.layout;
        if let Entry::Vacant(vacant) = ledgers.entry(layout) {
            vacant.insert(scenarios::ledger(options.ledger.as_deref(), layout)?);
        }
        let behind = read.scenario.behind_change(&[]);
        let behind = behind.map(|scenario| {
            let read = scenarios::Read {
                scenario,
                layout: read.layout,
            };
            scenarios::plan(&path, &read).map(|plan| (plan, read.scenario))
        });
        planned.push((read, plan, behind.transpose()?));
    }
    let mut panel = panel(&options.arms)?;
    let mut replayed = Vec::new();
    for (read, mut plan, behind) in planned {
        let (ledger, scenario) = (&ledgers[&read.layout], &read.scenario);
        replayed.push(match behind {
            None => replay(&mut panel, &mut plan, scenario, ledger)?,
            Some((mut other, behind)) => {
                let behind = (&mut other, &behind);
                replay_changed(&mut panel, &mut plan, scenario, behind, ledger)?
            }
        });
    }
    if options.json {
        let json = serde_json::to_string_pretty(&replayed).map_err(|why| {
            Ending::bad_input(miette::miette!(
                "the findings can't be written as JSON: {why}"
            ))
        })?;
        terminal::print(format_args!("{json}\n"));
    } else {
        let palette = terminal::palette();
        let texts = replayed.iter().map(|one| one.text(&palette));
        terminal::print(texts.collect::<Vec<String>>().join("\n"));
    }
    Ok(match replayed.iter().any(|one| one.diverges()) {
        true => Status::Diverged,
        false => Status::Agreed,
    })
}

/// The judges that are asked. Comes before the first thread.
///
/// # Errors
///
/// A machine that lacks what the kernel arms need.
pub(super) fn panel(arms: &Arms) -> Result<Panel, Ending> {
    let kernels = arms.kernels();
    if !kernels.is_empty() {
        machine::enter()?;
    }
    Ok(Panel::new(&Backend::BOTH, &kernels, &arm::make)?)
}

/// The scenario that belongs to a file: beside a snapshot, accepted or pending, stands its own.
pub(super) fn scenario_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".new").unwrap_or(&name);
    match stem.strip_suffix(".snap") {
        Some(id) => path.with_file_name(format!("{id}.yaml")),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshots_scenario_stands_beside_it() {
        for (given, scenario) in [
            ("a/I1-0.snap", "a/I1-0.yaml"),
            ("I3.policy-denies-0.snap.new", "I3.policy-denies-0.yaml"),
            ("a/I1-0.yaml", "a/I1-0.yaml"),
            ("new", "new"),
        ] {
            assert_eq!(scenario_of(Path::new(given)), Path::new(scenario));
        }
    }
}
