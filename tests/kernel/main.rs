//! What needs the kernel: root, or a user namespace. Each module lists its trials.
//!
//! Where the machine can't, every trial is shown as ignored and the reason is said; with
//! `CALIDIFF_REQUIRE_KERNEL=1` that is a failure.

use std::error::Error;
use std::process::ExitCode;

use calidiff::kernel::doctor::{Finding, Weight};
use calidiff::kernel::{self, KernelError, Privilege};
use libtest_mimic::{Arguments, Failed, Trial};

mod campaign;
mod claims;
mod doctor;
mod generated;
mod journeys;
mod ledger;
mod links;
mod model;
mod namespaces;
mod planted;
mod programming;
mod readings;
mod render;
mod restore;
mod safety;
mod sequences;
mod sets;

fn main() -> ExitCode {
    let privilege = kernel::privilege();
    if let Some(played) = safety::play() {
        return played;
    }
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = [
        campaign::trials(),
        claims::trials(),
        doctor::trials(),
        generated::trials(),
        namespaces::trials(),
        links::trials(),
        restore::trials(),
        planted::trials(),
        render::trials(),
        programming::trials(),
        readings::trials(),
        journeys::trials(),
        ledger::trials(),
        sequences::trials(),
        sets::trials(),
        model::trials(),
        safety::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let missing = missing(&privilege);
    for what in &missing {
        eprintln!("the kernel tests can't run: {what}");
    }
    if !missing.is_empty() {
        if std::env::var_os("CALIDIFF_REQUIRE_KERNEL").is_some_and(|value| value == "1") {
            return ExitCode::FAILURE;
        }
        let ignored = trials.into_iter();
        trials = ignored.map(|trial| trial.with_ignored_flag(true)).collect();
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What the kernel arms lack on this machine, and how to get it.
fn missing(privilege: &Result<Privilege, KernelError>) -> Vec<String> {
    let checks = kernel::doctor::examine(privilege);
    let missing = checks.into_iter().filter_map(|check| match check.finding {
        Finding::Missing {
            weight: Weight::Essential,
            why,
            remedy,
        } => Some(format!("{}: {why}; to get it: {remedy}", check.subject)),
        _ => None,
    });
    missing.collect()
}

/// A trial from a function. It runs in a thread of its own, whose namespace goes with it: the
/// threads of the test runner, which serve many trials, stay where the process was started.
fn trial(name: &'static str, body: fn() -> Result<(), Box<dyn Error>>) -> Trial {
    Trial::test(name, move || {
        let outcome = std::thread::spawn(move || body().map_err(|error| error.to_string())).join();
        match outcome {
            Ok(outcome) => outcome.map_err(Failed::from),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
