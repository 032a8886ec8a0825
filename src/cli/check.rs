//! `calidiff check`.

use std::fmt::Display;

use super::args::Check;
use super::progress::{Progress, end_on_interrupt};
use super::status::{Ending, Status};
use super::{ground, hashes, intended, machine, resources, terminal};
use crate::arm;
use crate::calico::Resources;
use crate::campaign::meant::{self, Meaning};
use crate::campaign::{Options, Subject, Watch, check};
use crate::import::Finding;
use crate::render::Layout;
use crate::report;
use crate::scenario::implied::nodes_with_endpoints;

/// How many packets each backend judges on a ruleset, unless said.
const PACKETS: u64 = 500_000;

/// Runs the command.
///
/// # Errors
///
/// Bad input, and machines that lack what the kernel arms need.
pub fn run(arguments: &Check) -> Result<Status, Ending> {
    let mut subjects = ground::read(&arguments.ground)?;
    let options = options(arguments);
    let dumps = &arguments.ground.dumps;
    let hashes = match ground::scenario(&arguments.ground)? {
        Some(_) => Vec::new(),
        None => hashes::verified(dumps, &arguments.resources)?,
    };
    let rulesets = subjects.iter().map(|subject| &subject.firewall);
    let rulesets = rulesets.flat_map(|firewall| [&firewall.v4, &firewall.v6]);
    let names = resources::names(&arguments.resources, dumps, rulesets)?;
    let intended = intended(arguments, &mut subjects)?;
    machine::enter()?;
    end_on_interrupt();
    let verdicts = (subjects.len() * options.backends.len()) as u64 * options.packets;
    let watch = Progress::new(verdicts);
    if !arguments.json {
        watch.print(&report::hashes::of_felix(&hashes));
    }
    let mut reports = Vec::new();
    let mut meanings = Vec::new();
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
        if let Some(resources) = &intended {
            let layout = arguments.ground.layout.given;
            let meaning = held(subject, resources, layout, &options, &watch)?;
            if !arguments.json {
                let findings = hashes.iter().flat_map(|one| &one.verification.findings);
                let findings: Vec<&Finding> = findings.collect();
                watch.print(&report::meant::text(&meaning, &names, &findings));
            }
            meanings.push(meaning);
        }
    }
    watch.finish();
    let stopped = watch.stop();
    if arguments.json {
        let mut facts = report::check::all_json(&reports, &subjects, &options, stopped);
        facts["hashes"] = report::hashes::json(&hashes);
        facts["chains"] = names.chains().collect();
        if intended.is_some() {
            facts["meaning"] = meanings.iter().map(report::meant::json).collect();
        }
        terminal::print(format_args!("{facts:#}\n"));
    } else {
        let summary = report::check::summary(&reports, &options, stopped);
        terminal::print(format_args!("{summary}\n"));
    }
    let diverged = reports
        .iter()
        .any(|report| report.diverged() > 0 || report.unexplained().next().is_some());
    // What Felix's own rules do as well is told, and is no fault of this dump's: campaigns look for that.
    let mut unmeant = meanings.iter().flat_map(|meaning| &meaning.findings);
    Ok(if diverged || unmeant.any(|one| !one.as_written()) {
        Status::Diverged
    } else {
        Status::Agreed
    })
}

/// The resources that stand beside a dump. The dump's node becomes theirs, where no file says what it is.
fn intended(arguments: &Check, subjects: &mut [Subject]) -> Result<Option<Resources>, Ending> {
    let Some(path) = &arguments.resources.path else {
        return Ok(None);
    };
    let resources = resources::read_path(path)?;
    if nodes_with_endpoints(&resources).is_empty() {
        eprintln!(
            "note: {} has no endpoints, so it says what chains are called, and not what is meant",
            path.display()
        );
        return Ok(None);
    }
    for subject in subjects {
        match &arguments.ground.node {
            Some(file) => intended::check_known(&subject.node, file, &resources)?,
            None => intended::fit(subject, &resources),
        }
    }
    Ok(Some(resources))
}

/// What a dump does, against what the resources mean.
fn held(
    subject: &Subject,
    resources: &Resources,
    layout: Option<Layout>,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Meaning, Ending> {
    let wrong = |why: &dyn Display| {
        let name = &subject.name;
        Ending::bad_input(miette::miette!("{name} beside the resources: {why}"))
    };
    let layout = match layout {
        Some(layout) => layout,
        None => meant::layout_of(subject, resources).map_err(|why| wrong(&why))?,
    };
    meant::hold(subject, resources, layout, options, watch).map_err(|why| wrong(&why))
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
