//! `calidiff hashes`.

use std::path::PathBuf;

use super::args::{BesideDumps, Hashes};
use super::status::{Ending, Status};
use super::{ground, resources, terminal};
use crate::import::verify;
use crate::report;
use crate::report::hashes::Verified;

/// Runs the command.
///
/// # Errors
///
/// Bad input, with its place.
pub fn run(arguments: &Hashes) -> Result<Status, Ending> {
    let verified = verified(&arguments.dumps, &arguments.resources)?;
    if arguments.json {
        terminal::print(format_args!("{:#}\n", report::hashes::json(&verified)));
    } else {
        terminal::print(report::hashes::text(&verified));
    }
    let mut findings = verified.iter().flat_map(|one| &one.verification.findings);
    Ok(match findings.next() {
        Some(_) => Status::Diverged,
        None => Status::Agreed,
    })
}

/// Reads dumps, and what their hashes say.
///
/// # Errors
///
/// Bad input, with its place.
pub fn verified(paths: &[PathBuf], beside: &BesideDumps) -> Result<Vec<Verified>, Ending> {
    let dumps = ground::dumps(paths)?;
    let rulesets = dumps.iter().map(|(_, ruleset)| ruleset);
    let names = resources::names(beside, paths, rulesets)?;
    let verified = dumps.into_iter().map(|(file, ruleset)| Verified {
        file,
        verification: verify(&ruleset),
        names: names.clone(),
    });
    Ok(verified.collect())
}
