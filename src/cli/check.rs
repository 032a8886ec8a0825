//! `calidiff check`.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Check;
use super::ground;
use super::status::{Ending, Status};
use crate::arm;
use crate::campaign::{Options, Subject, Watch, check};
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
    let watch = Progress::new(&subjects, &options);
    watch.end_on_interrupt();
    let mut reports = Vec::new();
    for subject in &subjects {
        let report = check::check(subject, &options, &arm::make, &watch)?;
        if !arguments.json {
            watch
                .bar
                .suspend(|| println!("{}", report::check::text(&report, &subject.firewall, true)));
        }
        reports.push(report);
    }
    watch.bar.finish_and_clear();
    let stopped = watch.stop();
    if arguments.json {
        println!(
            "{:#}",
            report::check::all_json(&reports, &subjects, &options, stopped)
        );
    } else {
        println!("{}", report::check::summary(&reports, &options, stopped));
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
        backends: arguments.backends.arms(),
        packets: arguments.packets.unwrap_or(PACKETS),
        seed: arguments.seed,
        jobs: arguments.jobs.map_or(cores, usize::from),
    }
}

/// What people see while it runs: a bar on a terminal, a line every ten million verdicts elsewhere.
struct Progress {
    bar: ProgressBar,
    diverged: AtomicU64,
}

/// Set by Ctrl-C; a handler can be installed once a process.
static STOP: AtomicBool = AtomicBool::new(false);

impl Progress {
    fn new(subjects: &[Subject], options: &Options) -> Self {
        let total = (subjects.len() * options.backends.len()) as u64 * options.packets;
        let bar = ProgressBar::new(total);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = "{msg} {bar:30} {human_pos} of {human_len} verdicts, {per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self {
            bar,
            diverged: AtomicU64::new(0),
        }
    }

    fn end_on_interrupt(&self) {
        // A second command in the same process finds the handler in place, which is as well.
        let _ = ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed));
    }
}

impl Watch for Progress {
    fn judged(&self, subject: &str, packets: u64, diverged: u64) {
        self.bar.inc(packets);
        let total = self.diverged.fetch_add(diverged, Ordering::Relaxed) + diverged;
        let divergences = if total == 0 {
            String::new()
        } else {
            format!(", {} divergences", HumanCount(total))
        };
        self.bar.set_message(format!("{subject}{divergences}"));
    }

    fn stop(&self) -> bool {
        STOP.load(Ordering::Relaxed)
    }
}
