//! `calidiff check`.

use super::args::Check;
use super::progress::{Progress, end_on_interrupt};
use super::status::{Ending, Status};
use super::{ground, hashes, machine, resources, terminal};
use crate::arm;
use crate::campaign::{Options, Watch, check};
use crate::report;

/// How many packets each backend judges on a ruleset, unless said.
const PACKETS: u64 = 500_000;

/// Runs the command.
///
/// # Errors
///
/// Bad input, and machines that lack what the kernel arms need.
pub fn run(arguments: &Check) -> Result<Status, Ending> {
    let subjects = ground::read(&arguments.ground)?;
    let options = options(arguments);
    let dumps = &arguments.ground.dumps;
    let hashes = match ground::scenario(&arguments.ground)? {
        Some(_) => Vec::new(),
        None => hashes::verified(dumps, &arguments.resources)?,
    };
    let rulesets = subjects.iter().map(|subject| &subject.firewall);
    let rulesets = rulesets.flat_map(|firewall| [&firewall.v4, &firewall.v6]);
    let names = resources::names(&arguments.resources, dumps, rulesets)?;
    machine::enter()?;
    end_on_interrupt();
    let verdicts = (subjects.len() * options.backends.len()) as u64 * options.packets;
    let watch = Progress::new(verdicts);
    if !arguments.json {
        watch.print(&report::hashes::of_felix(&hashes));
    }
    let mut reports = Vec::new();
    for subject in &subjects {
        let report = check::check(subject, &options, &arm::make, &watch)?;
        if !arguments.json {
            watch.print(&report::check::text(
                &report,
                &subject.firewall,
                &names,
                true,
            ));
        }
        reports.push(report);
    }
    watch.finish();
    let stopped = watch.stop();
    if arguments.json {
        let mut facts = report::check::all_json(&reports, &subjects, &options, stopped);
        facts["hashes"] = report::hashes::json(&hashes);
        facts["chains"] = names.chains().collect();
        terminal::print(format_args!("{facts:#}\n"));
    } else {
        let summary = report::check::summary(&reports, &options, stopped);
        terminal::print(format_args!("{summary}\n"));
    }
    let diverged = reports
        .iter()
        .any(|report| report.diverged() > 0 || report.unexplained().next().is_some());
    Ok(if diverged {
        Status::Diverged
    } else {
        Status::Agreed
    })
}

fn options(arguments: &Check) -> Options {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Options {
        backends: arguments.backends.each(),
        packets: arguments.packets.unwrap_or(PACKETS),
        explain: true,
        seed: arguments.seed,
        jobs: arguments.jobs.map_or(cores, usize::from),
    }
}
