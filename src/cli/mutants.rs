//! `calidiff mutants`: how sharp the campaign is.

use std::num::NonZeroU64;

use super::args::Mutants;
use super::progress::{Hunting, end_on_interrupt};
use super::run::{PACKETS, ending};
use super::status::{Ending, Status};
use super::{scenarios, terminal};
use crate::campaign::run::{Options, Shard, Until};
use crate::generate::world::Dials;
use crate::mutants::hunt::Hunt;
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
    let watch = Hunting::new(arguments.cases);
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
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Hunt {
        campaign: Options {
            seed: arguments.seed,
            until: Until::Cases(arguments.cases),
            shard: Shard::WHOLE,
            jobs: arguments.jobs.map_or(cores, usize::from),
            layout: arguments.layout,
            // What is wrong with a cluster shows only in other clusters.
            dials: Dials {
                rulesets: NonZeroU64::MIN,
                ..Dials::default()
            },
            packets: arguments.packets.unwrap_or(PACKETS),
            backends: Backend::BOTH.to_vec(),
            kernels: Vec::new(),
            fail_fast: false,
        },
        cases: arguments.cases,
        sample: arguments.sample,
        limit: arguments.limit,
    }
}
