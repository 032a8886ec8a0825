//! `calidiff hashes`.

use std::path::PathBuf;

use super::args::Hashes;
use super::ground;
use super::status::{Ending, Status};
use crate::import::verify;
use crate::report;
use crate::report::hashes::Verified;

/// Runs the command.
///
/// # Errors
///
/// Bad input, with its place.
pub fn run(arguments: &Hashes) -> Result<Status, Ending> {
    let verified = verified(&arguments.dumps)?;
    if arguments.json {
        println!("{:#}", report::hashes::json(&verified));
    } else {
        print!("{}", report::hashes::text(&verified));
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
pub fn verified(dumps: &[PathBuf]) -> Result<Vec<Verified>, Ending> {
    let dumps = ground::dumps(dumps)?.into_iter();
    let verified = dumps.map(|(file, ruleset)| Verified {
        file,
        verification: verify(&ruleset),
    });
    Ok(verified.collect())
}
