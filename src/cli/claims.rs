//! `calidiff claims`: what became of each claim of the seed.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use miette::miette;

use super::args::Claims;
use super::status::{Ending, Status};
use super::{machine, terminal};
use crate::arm::{self, Arm, Judge};
use crate::claims::bench::Bench;
use crate::claims::seed::{self, Document};
use crate::claims::{Claim, Finding, all, check};
use crate::report::claims;
use crate::xtables::Backend;

/// Checks the claims and prints the findings.
///
/// # Errors
///
/// A name that no claim has; a machine that lacks what the kernel arms need.
pub fn run(options: &Claims) -> Result<Status, Ending> {
    let wanted = wanted(&options.claims)?;
    let [slave1, slave2] = seed::nodes().map_err(Ending::bad_input)?;
    machine::enter()?;
    let mut arms = Vec::new();
    let kernels = options.backends.each().into_iter().map(Judge::Kernel);
    for judge in [Judge::Model(Backend::Legacy)].into_iter().chain(kernels) {
        arms.push(arm::make(judge)?);
    }
    let asked: Vec<&mut dyn Arm> = arms.iter_mut().map(|arm| arm.as_mut() as _).collect();
    let mut bench = Bench::new(asked, slave1, slave2, Document::find());
    let findings = progress(&wanted)
        .wrap_iter(wanted.iter())
        .map(|claim| check(claim, &mut bench))
        .collect::<Result<Vec<Finding>, _>>()
        .map_err(|trouble| Ending::lacking(miette!("{trouble}")))?;
    if options.json {
        let json = claims::json(&findings).map_err(|error| Ending::lacking(miette!("{error}")))?;
        terminal::print(format_args!("{json}\n"));
    } else {
        terminal::print(claims::text(&findings, &terminal::palette()));
    }
    Ok(if findings.iter().all(Finding::as_expected) {
        Status::Agreed
    } else {
        Status::Diverged
    })
}

/// What people see while the kernel is asked: a bar on a terminal, nothing elsewhere.
fn progress(wanted: &[Claim]) -> ProgressBar {
    let bar = ProgressBar::new(wanted.len() as u64);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} claims, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// The claims of these names, each once, in their order; all of them where none is named.
fn wanted(names: &[String]) -> Result<Vec<Claim>, Ending> {
    let mut claims = all();
    for name in names {
        if !claims
            .iter()
            .any(|claim| claim.id.eq_ignore_ascii_case(name))
        {
            return Err(Ending::bad_input(miette!(
                "there is no claim {name}: expected C1 to C70, or X1 to X20"
            )));
        }
    }
    if !names.is_empty() {
        claims.retain(|claim| names.iter().any(|name| claim.id.eq_ignore_ascii_case(name)));
    }
    Ok(claims)
}
