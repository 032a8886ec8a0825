//! What the commands need of the machine: the right to program a namespace, and the real tools.
//!
//! On systems other than Linux the kernel arms are never there, and everything else works.

use miette::miette;

use super::status::Ending;

/// Sees to it that this process may make network namespaces. Comes before the first thread.
///
/// # Errors
///
/// The machine does not allow it; the message says what would.
#[cfg(target_os = "linux")]
pub fn enter() -> Result<(), Ending> {
    use crate::kernel::{Privilege, privilege};
    match privilege() {
        Ok(Privilege::Capable) => Ok(()),
        Ok(Privilege::UserNamespace) => {
            eprintln!("Not root: going on in a user namespace.");
            Ok(())
        }
        Err(error) => Err(Ending::lacking(miette!(
            help = "`calidiff doctor` says what else is missing",
            "the kernel can't be asked here: {error}"
        ))),
    }
}

/// Says that there is no kernel to ask.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn enter() -> Result<(), Ending> {
    Err(Ending::lacking(miette!(
        "the kernel can't be asked here: it takes a Linux"
    )))
}

/// The same for who has no exit status of its own to give, as a fuzz target: where the machine does not
/// allow it, the process ends here with the message and the status that says so.
pub fn enter_or_exit() {
    if let Err(ending) = enter() {
        eprintln!("{:?}", ending.report);
        std::process::exit(ending.status as i32);
    }
}
