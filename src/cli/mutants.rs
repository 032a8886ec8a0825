//! `calidiff mutants`: how sharp the campaign is.

use std::num::NonZeroU64;

use super::args::Mutants;
use super::progress::{Hunting, end_on_interrupt};
use super::run::{ending, packets};
use super::status::{Ending, Status};
use super::{scenarios, terminal};
use crate::campaign::run::{Options, Shard, Until};
use crate::generate::world::Dials;
use crate::mutants::hunt::Hunt;
use crate::render::Layout;
use crate::report::mutants::Report;
use crate::xtables::Backend;

/// Runs the command.
///
/// # Errors
///
/// Bad usage.
pub fn run(arguments: &Mutants) -> Result<Status, Ending> {
    let ledger = scenarios::ledger(arguments.ledger.as_deref(), arguments.layout)?;
    end_on_interrupt();
    let hunt = hunt(arguments);
    let watch = Hunting::default();
    let bag = hunt.run(&ledger, &watch).map_err(ending)?;
    watch.finish();
    let report = Report {
        hunt: &hunt,
        bag: &bag,
    };
    if arguments.json {
        terminal::print(format_args!("{:#}\n", report.json()));
    } else {
        terminal::print(report.text(arguments.all));
        eprint!("{}", report.times());
    }
    Ok(match report.is_sharp() {
        true => Status::Agreed,
        false => Status::Diverged,
    })
}

fn hunt(arguments: &Mutants) -> Hunt {
    let usual = Usual::of(arguments.layout);
    let cases = arguments.cases.unwrap_or(usual.cases);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Hunt {
        campaign: Options {
            seed: arguments.seed,
            until: Until::Cases(cases),
            shard: Shard::WHOLE,
            jobs: arguments.jobs.map_or(cores, usize::from),
            layout: arguments.layout,
            // What is wrong with a cluster shows only in other clusters.
            dials: Dials {
                rulesets: NonZeroU64::MIN,
                ..Dials::default()
            },
            packets: arguments
                .packets
                .unwrap_or_else(|| packets(arguments.layout)),
            backends: Backend::BOTH.to_vec(),
            kernels: Vec::new(),
            fail_fast: false,
        },
        cases,
        sample: arguments.sample,
        limit: arguments.limit.or(usual.limit),
        until_shown: usual.until_shown,
    }
}

/// What holds where nobody says otherwise.
struct Usual {
    cases: u64,
    limit: Option<usize>,
    until_shown: Option<u64>,
}

impl Usual {
    /// The modern layout has more than twice as many kinds of rules, and longer rulesets.
    fn of(layout: Layout) -> Self {
        match layout {
            Layout::Seed => Self {
                cases: 48_000,
                limit: None,
                until_shown: Some(2_000),
            },
            Layout::Modern => Self {
                cases: 16_000,
                limit: Some(480),
                until_shown: Some(500),
            },
        }
    }
}
