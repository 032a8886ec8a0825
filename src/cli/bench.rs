//! `calidiff bench`.

use super::args::Bench;
use super::status::{Ending, Status};
use super::terminal;

/// Runs the command.
///
/// # Errors
///
/// Bad input, and machines that lack what the kernel arms need.
#[cfg(target_os = "linux")]
pub fn run(arguments: &Bench) -> Result<Status, Ending> {
    const SEED: u64 = 1;
    let subjects = super::ground::read(&arguments.ground)?;
    let backends = arguments.backends.each();
    super::machine::enter()?;
    for subject in subjects.iter().take(1) {
        let figures = crate::campaign::bench::measure(subject, &backends, SEED)?;
        if arguments.json {
            terminal::print(format_args!("{}\n", serde_json::json!(figures)));
        } else {
            terminal::print(crate::report::bench::text(&figures));
        }
    }
    Ok(Status::Agreed)
}

/// Says that there is nothing to measure here.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn run(_: &Bench) -> Result<Status, Ending> {
    super::machine::enter().map(|()| Status::Lacking)
}
