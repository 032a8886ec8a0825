//! The commands: what they take, and how they end.
//!
//! * [`args`]: every command's options and help;
//! * [`mod@run`], [`mutants`], [`check`], [`claims`], [`diff`], [`explain`], [`hashes`], [`render`], [`replay`], [`shrink`], [`schema`], [`bench`],
//!   [`doctor`]: one file a command;
//! * [`ground`]: the rulesets that a command is asked about;
//! * [`resources`]: Calico's resources beside a dump;
//! * [`scenarios`]: the scenarios that it is;
//! * [`status`]: what the exit status says;
//! * [`progress`]: how far long work has come, and its early end;
//! * [`machine`]: what the commands need of the machine;
//! * [`terminal`]: what standard output can show.

// One place knows what to do where nobody reads on.
#![deny(clippy::print_stdout)]

pub mod args;
pub mod bench;
pub mod check;
pub mod claims;
pub mod diff;
pub mod doctor;
pub mod explain;
pub mod ground;
pub mod hashes;
mod intended;
pub mod machine;
pub mod mutants;
pub mod progress;
pub mod render;
pub mod replay;
pub mod resources;
pub mod run;
pub mod scenarios;
pub mod schema;
pub mod shrink;
pub mod status;
pub mod terminal;

use std::process::ExitCode;

use clap::Parser;

pub use args::Cli;
use args::Command;
use status::{Ending, Status};

/// Reads the command line, runs the command and gives the exit status.
///
/// Bad usage ends the process here, with status 2 and clap's message.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli.command) {
        Ok(status) => status.into(),
        Err(ending) => {
            eprintln!("{:?}", ending.report);
            ending.status.into()
        }
    }
}

fn dispatch(command: &Command) -> Result<Status, Ending> {
    match command {
        Command::Check(arguments) => check::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Mutants(arguments) => mutants::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Doctor(options) => doctor::run(options),
        Command::Claims(options) => claims::run(options),
        Command::Explain(options) => explain::run(options),
        Command::Diff(options) => diff::run(options),
        Command::Hashes(options) => hashes::run(options),
        Command::Render(options) => render::run(options),
        Command::Replay(options) => replay::run(options),
        Command::Shrink(options) => shrink::run(options),
        Command::Schema(options) => Ok(schema::run(options)),
    }
}
