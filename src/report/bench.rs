//! What a benchmark measured, with the ratios that count.

use std::fmt::Write as _;

use crate::campaign::bench::Figures;

/// The figures as text.
#[must_use]
pub fn text(figures: &Figures) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}: {} rules", figures.subject, figures.rules);
    let _ = writeln!(
        out,
        "model      {:>8.0} ns a packet, all kinds of packets\n           {:>8.0} ns a forwarded packet",
        figures.model_mixed, figures.model_forwarded,
    );
    for backend in &figures.backends {
        let name = backend.backend.to_string();
        let _ = writeln!(
            out,
            "{name:<8}   {:>8.0} ns a forwarded packet, nobody looking: the model takes 1/{:.1} of that\n\
             \x20          {:>8.0} ns observed at every point: {:.2} of the rate",
            backend.unobserved,
            backend.unobserved / figures.model_forwarded,
            backend.observed,
            backend.unobserved / backend.observed,
        );
        let _ = writeln!(
            out,
            "           {:>8.0} rulesets a second, 20 packets each: {:.1} times the {:.0} of spawning a tool for each\n\
             \x20          {:>8.0} with two workers: {:.2} times one{}",
            backend.one_worker,
            backend.one_worker / backend.spawning,
            backend.spawning,
            backend.two_workers,
            backend.two_workers / backend.one_worker,
            match backend.pool {
                1 => String::new(),
                pool => format!(", whose {pool} tools have all cores to themselves"),
            },
        );
    }
    out
}
