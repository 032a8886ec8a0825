//! The scenarios that a command is asked about, read from files; resources alone are one where it is
//! clear which node is meant, and so are the fuzzer's inputs.

use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic as _, miette};

use super::args::OfFile;
use super::status::Ending;
use crate::arm::plan::Plan;
use crate::calico::Resources;
use crate::calico::resources::Api;
use crate::diff::ledger::{self, Ledger};
use crate::fuzz::input;
use crate::generate::world::Dials;
use crate::render::Layout;
use crate::scenario::text::{Contents, read_contents};
use crate::scenario::{Scenario, implied};

/// A scenario, and whose rules are programmed for it.
#[derive(Clone, Debug)]
pub struct Read {
    /// The scenario.
    pub scenario: Scenario,
    /// Which Felix's way of writing them.
    pub layout: Layout,
}

/// Reads a scenario, an input of the fuzzer's, or resources for a node. What looks like a mistake in it is said on standard error.
///
/// # Errors
///
/// Bad input, with its place.
pub fn read(path: &Path, node: Option<&str>, layout: OfFile) -> Result<Read, Ending> {
    if let Some(Read {
        scenario,
        layout: own,
    }) = fuzzed(path)?
    {
        let layout = layout.given.unwrap_or(own);
        return Ok(Read { scenario, layout });
    }
    let contents = read_contents(path).map_err(Ending::bad_input)?;
    let scenario = match (contents, node) {
        (Contents::Scenario(scenario), None) => *scenario,
        (Contents::Scenario(scenario), Some(node)) => {
            return Err(Ending::bad_input(miette!(
                help = "--node is for files of resources alone",
                "--node {node}: {} is a scenario, which says its node itself: {}",
                path.display(),
                scenario.node.name
            )));
        }
        (Contents::Resources(resources), node) => {
            let node = match node {
                Some(node) => node.to_owned(),
                None => only_node(path, &resources)?,
            };
            implied::scenario(*resources, &node)
        }
    };
    for doubt in scenario.doubts() {
        eprintln!("note: {}: {doubt}", path.display());
    }
    let layout = layout.given.or_else(|| of_folder(path));
    let layout = layout.unwrap_or_else(|| of_resources(&scenario));
    Ok(Read { scenario, layout })
}

/// The layout of the Felix that reads such resources: API v1 is the seed's alone.
fn of_resources(scenario: &Scenario) -> Layout {
    match scenario.resources.as_ref().map(|resources| resources.api) {
        Some(Api::V1) => Layout::Seed,
        Some(Api::V3) | None => Layout::default(),
    }
}

/// The layout that a file's folder is called like, as the ledgers' are.
fn of_folder(path: &Path) -> Option<Layout> {
    let folder = std::path::absolute(path).ok()?;
    let name = folder.parent()?.file_name()?.to_str()?;
    let mut layouts = Layout::ALL.into_iter();
    layouts.find(|layout| layout.to_string() == name)
}

/// The scenario of an input of the fuzzer's; `None` of any other file.
fn fuzzed(path: &Path) -> Result<Option<Read>, Ending> {
    match std::fs::read(path) {
        Ok(bytes) if input::is_input(path, &bytes) => {
            let input = input::read(&bytes, &Dials::default());
            let input = input.map_err(Ending::bad_input)?;
            Ok(Some(Read {
                scenario: input.judged(),
                layout: input.layout,
            }))
        }
        // Whoever reads the file as a scenario says what is wrong with it.
        _ => Ok(None),
    }
}

/// The node that resources are about where nobody says it.
fn only_node(path: &Path, resources: &Resources) -> Result<String, Ending> {
    let path = path.display();
    let with_endpoints = implied::nodes_with_endpoints(resources);
    let named = match with_endpoints.is_empty() {
        true => implied::nodes_named(resources),
        false => with_endpoints,
    };
    let named: Vec<&str> = named.into_iter().collect();
    Err(Ending::bad_input(match named.as_slice() {
        [node] => return Ok((*node).to_owned()),
        [] => miette!(
            help = "give one: --node NAME",
            "{path} names no node to render for"
        ),
        several => miette!(
            help = format!("give one of them: --node {}", several[0]),
            "{path} has endpoints of several nodes: {}",
            several.join(", ")
        ),
    }))
}

/// What is programmed for a scenario.
///
/// # Errors
///
/// Bad input: the layout's era can't say what the resources say, or others' rules can't be loaded.
pub fn plan(path: &Path, read: &Read) -> Result<Plan, Ending> {
    let plan = Plan::new(read.layout, &read.scenario).into_diagnostic();
    plan.map_err(|why| Ending::bad_input(miette!("{}: {why}", path.display())))
}

/// The folder of a layout's known divergences, unless one is given.
#[must_use]
pub fn ledger_folder(given: Option<&Path>, layout: Layout) -> PathBuf {
    given.map_or_else(|| ledger::folder(layout), Path::to_owned)
}

/// A layout's known divergences.
///
/// # Errors
///
/// Bad input: a file of the ledger that is wrong.
pub fn ledger(given: Option<&Path>, layout: Layout) -> Result<Ledger, Ending> {
    Ledger::read(&ledger_folder(given, layout)).map_err(Ending::bad_input)
}
