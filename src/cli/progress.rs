//! How far long work has come: a bar on a terminal, a line now and then elsewhere; Ctrl-C ends it.

use std::io::{self, IsTerminal};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::campaign::Watch;

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
            Some(bar) => bar.suspend(|| println!("{text}")),
            None => println!("{text}"),
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
