//! `calidiff doctor`: what this machine can do, what it lacks, and how to get it.

use super::args::Doctor;
use super::status::{Ending, Status};

/// Looks for everything and prints it.
///
/// # Errors
///
/// Never on Linux; elsewhere there is nothing to look for.
#[cfg(target_os = "linux")]
pub fn run(options: &Doctor) -> Result<Status, Ending> {
    use super::terminal;
    use crate::kernel;
    use crate::report::doctor;

    let checks = kernel::doctor::examine(&kernel::privilege());
    if options.json {
        terminal::print(format_args!("{:#}\n", doctor::json(&checks)));
    } else {
        terminal::print(doctor::text(&checks, &terminal::palette()));
    }
    Ok(if checks.iter().any(kernel::doctor::Check::is_fatal) {
        Status::Lacking
    } else {
        Status::Agreed
    })
}

/// Says that there is no kernel to ask.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn run(_: &Doctor) -> Result<Status, Ending> {
    super::machine::enter().map(|()| Status::Lacking)
}
