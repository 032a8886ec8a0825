//! How far long work has come: a bar on a terminal, a line now and then elsewhere; Ctrl-C ends it.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal;
use crate::campaign::Watch;
use crate::campaign::run::{self, Counts, Until};
use crate::diff::class::Class;
use crate::intent::Verdict;
use crate::mutants::hunt::{self, Stage};

/// Whether somebody has asked for an end.
static STOP: AtomicBool = AtomicBool::new(false);

/// How long a log goes without a line.
const SILENCE: Duration = Duration::from_secs(10);

/// Lets Ctrl-C end long work with its summary; a second one ends the process at once.
///
/// Starts a thread, so it comes after the entry into a user namespace.
pub fn end_on_interrupt() {
    let interrupted = || {
        if STOP.swap(true, Ordering::Relaxed) {
            // 128 and the signal's number, as shells have it.
            std::process::exit(130);
        }
    };
    if let Err(error) = ctrlc::set_handler(interrupted) {
        eprintln!("Ctrl-C will end this without its summary: {error}");
    }
}

/// Watches a check and shows it.
pub struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    judged: AtomicU64,
    diverged: AtomicU64,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// Watches a check of so many verdicts.
    #[must_use]
    pub fn new(total: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| bar(total));
        Self {
            bar,
            total,
            judged: AtomicU64::new(0),
            diverged: AtomicU64::new(0),
            last_line: Mutex::new(Instant::now()),
        }
    }

    /// Prints to standard output without disturbing the bar.
    pub fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| terminal::print(format_args!("{text}\n"))),
            None => terminal::print(format_args!("{text}\n")),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, subject: &str) {
        let Ok(mut last) = self.last_line.try_lock() else {
            return;
        };
        if last.elapsed() < SILENCE {
            return;
        }
        *last = Instant::now();
        eprintln!(
            "{subject}: {} of {} verdicts, {} divergences",
            self.judged.load(Ordering::Relaxed),
            self.total,
            self.diverged.load(Ordering::Relaxed)
        );
    }
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4));
    let style = ProgressStyle::with_template(
        "{msg} {bar:24} {human_pos} of {human_len} verdicts, {per_sec}, {eta} left",
    );
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Watches a campaign and shows it.
pub struct Campaign<'a> {
    bar: ProgressBar,
    shown: bool,
    until: Until,
    known: &'a (dyn Fn(&Class) -> bool + Sync),
    sum: Mutex<Sum>,
}

/// What has been judged so far.
struct Sum {
    start: Instant,
    last_line: Instant,
    cases: u64,
    packets: u64,
    verdicts: BTreeMap<Verdict, u64>,
    known: u64,
    new: u64,
}

impl<'a> Campaign<'a> {
    /// Watches a campaign that ends so.
    #[must_use]
    pub fn new(until: Until, known: &'a (dyn Fn(&Class) -> bool + Sync)) -> Self {
        let shown = io::stderr().is_terminal();
        let target = match shown {
            true => ProgressDrawTarget::stderr_with_hz(4),
            false => ProgressDrawTarget::hidden(),
        };
        let (length, unit) = match until {
            Until::Cases(cases) => (cases, "cases"),
            Until::Time(time) => (time.as_secs(), "seconds"),
        };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        let template =
            format!("{{bar:16}} {{human_pos}} of {{human_len}} {unit}, {{eta}} left; {{msg}}");
        let bar = match ProgressStyle::with_template(&template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self {
            bar,
            shown,
            until,
            known,
            sum: Mutex::new(Sum {
                start: Instant::now(),
                last_line: Instant::now(),
                cases: 0,
                packets: 0,
                verdicts: BTreeMap::new(),
                known: 0,
                new: 0,
            }),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Sum {
    fn line(&self) -> String {
        let seconds = self.start.elapsed().as_secs_f64().max(0.001);
        let rate = (self.packets as f64 / seconds) as u64;
        let all = self.verdicts.values().sum::<u64>().max(1);
        let mix = self.verdicts.iter();
        let mix = mix.map(|(verdict, count)| format!("{verdict} {}%", count * 100 / all));
        format!(
            "{} cases, {rate} packets a second, {}, {} known divergences, {} new",
            self.cases,
            mix.collect::<Vec<_>>().join(", "),
            self.known,
            self.new
        )
    }
}

impl run::Watch for Campaign<'_> {
    fn judged(&self, counts: &Counts) {
        let Ok(mut sum) = self.sum.lock() else {
            return;
        };
        sum.cases += counts.cases;
        sum.packets += counts.packets;
        for (verdict, count) in &counts.verdicts {
            *sum.verdicts.entry(*verdict).or_default() += count;
        }
        for (class, found) in &counts.classes {
            match (self.known)(class) {
                true => sum.known += found.packets,
                false => sum.new += found.packets,
            }
        }
        if self.shown {
            self.bar.set_position(match self.until {
                Until::Cases(_) => sum.cases,
                Until::Time(_) => sum.start.elapsed().as_secs(),
            });
            self.bar.set_message(sum.line());
        } else if sum.last_line.elapsed() >= SILENCE {
            sum.last_line = Instant::now();
            eprintln!("{}", sum.line());
        }
    }

    fn stop(&self) -> bool {
        STOP.load(Ordering::Relaxed)
    }
}

/// Watches a hunt for mutants and shows it.
pub struct Hunting {
    bar: ProgressBar,
    shown: bool,
    last: Mutex<Option<(Stage, Instant)>>,
}

impl Default for Hunting {
    fn default() -> Self {
        let shown = io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
        let template = "{bar:16} {human_pos} of {human_len}, {eta} left; {msg}";
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self {
            bar,
            shown,
            last: Mutex::new(None),
        }
    }
}

impl Hunting {
    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn of_hunt(progress: &hunt::Progress) -> String {
    let hunt::Progress { done, of, .. } = progress;
    let at_large = progress.at_large;
    match progress.stage {
        Stage::Making => format!("{done} of {of} cases' rules: {at_large} mutants"),
        Stage::Hunting => format!("{done} of {of} cases: {at_large} mutants at large"),
        Stage::Asking => format!("{done} of {of} mutants held against the known divergences"),
        Stage::Proving => {
            format!("{done} of {of} cases' rules: which of {at_large} mutants change nothing")
        }
    }
}

impl hunt::Watch for Hunting {
    fn done(&self, progress: hunt::Progress) {
        let Ok(mut last) = self.last.lock() else {
            return;
        };
        let stage = progress.stage;
        let is_new = last.is_none_or(|(before, _)| before != stage);
        if self.shown {
            if is_new {
                self.bar.reset();
                self.bar.set_length(progress.of);
                *last = Some((stage, Instant::now()));
            }
            self.bar.set_position(progress.done);
            self.bar.set_message(of_hunt(&progress));
        } else if is_new || last.is_none_or(|(_, at)| at.elapsed() >= SILENCE) {
            *last = Some((stage, Instant::now()));
            eprintln!("{}", of_hunt(&progress));
        }
    }

    fn stop(&self) -> bool {
        STOP.load(Ordering::Relaxed)
    }
}

impl Watch for Progress {
    fn judged(&self, subject: &str, packets: u64, diverged: u64) {
        self.judged.fetch_add(packets, Ordering::Relaxed);
        let diverged = self.diverged.fetch_add(diverged, Ordering::Relaxed) + diverged;
        match &self.bar {
            Some(bar) => {
                bar.inc(packets);
                bar.set_message(format!("{subject}, {diverged} divergences"));
            }
            None => self.line(subject),
        }
    }

    fn stop(&self) -> bool {
        STOP.load(Ordering::Relaxed)
    }
}
