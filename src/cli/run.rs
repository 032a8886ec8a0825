//! `calidiff run`: a campaign.

use std::collections::BTreeSet;

use miette::miette;

use super::args::Run;
use super::progress::{Campaign, end_on_interrupt};
use super::scenarios::{self, ledger_folder};
use super::status::{Ending, Status};
use super::{machine, terminal};
use crate::arm;
use crate::campaign::run::{self, Broken, Options, Outcome, Until};
use crate::campaign::shrink::Questions;
use crate::campaign::trial::Panel;
use crate::diff::class::Class;
use crate::diff::ledger::Ledger;
use crate::generate::world::Dials;
use crate::render::Layout;
use crate::report::keep::{info, save, understand, versions};
use crate::report::run::Report;
use crate::xtables::Backend;

/// How many cases there are, unless said.
const CASES: u64 = 2_000;

/// How many packets a case has, unless said. The modern layout's scenarios have more than twice as many rules, and
/// packets cost little beside what loading them does.
pub(super) fn packets(layout: Layout) -> usize {
    match layout {
        Layout::Seed => 60,
        Layout::Modern => 200,
    }
}

/// Runs the command.
///
/// # Errors
///
/// Bad usage, and machines that lack what the kernel arms need.
pub fn run(arguments: &Run) -> Result<Status, Ending> {
    let ledger = scenarios::ledger(arguments.ledger.as_deref(), arguments.layout)?;
    let options = options(arguments);
    if !options.kernels.is_empty() {
        machine::enter()?;
    }
    end_on_interrupt();
    let known = |class: &Class| ledger.has(class);
    let watch = Campaign::new(options.until, &known);
    let outcome = run::run(&options, &known, &watch).map_err(ending)?;
    watch.finish();
    let versions: Vec<String> = versions()
        .iter()
        .map(|(what, value)| format!("{what} {value}"))
        .collect();
    let report = Report {
        options: &options,
        outcome: &outcome,
        known: &known,
        versions: &versions,
    };
    if arguments.json {
        terminal::print(format_args!("{:#}\n", report.json()));
    } else {
        terminal::print(report.text(arguments.coverage));
        eprintln!("{}", report.rates());
    }
    if !arguments.no_save {
        keep(arguments, &options, &outcome, &ledger)?;
    }
    Ok(match report.is_clean() {
        true => Status::Agreed,
        false => Status::Diverged,
    })
}

fn options(arguments: &Run) -> Options {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let backends = arguments.backends.each();
    let mut kernels = arguments.arms.kernels();
    kernels.retain(|backend| backends.contains(backend));
    Options {
        seed: arguments.seed,
        until: match (arguments.cases, arguments.time) {
            (_, Some(time)) => Until::Time(time.0),
            (cases, None) => Until::Cases(cases.unwrap_or(CASES)),
        },
        shard: arguments.shard,
        // One more than cores: the kernels have every worker wait now and then.
        jobs: arguments
            .jobs
            .map_or(cores + kernels.len().min(1), usize::from),
        layout: arguments.layout,
        dials: arguments
            .rulesets
            .map_or_else(Dials::default, |rulesets| Dials {
                rulesets,
                ..Dials::default()
            }),
        packets: arguments
            .packets
            .unwrap_or_else(|| packets(arguments.layout)),
        kernels,
        backends,
        fail_fast: arguments.fail_fast,
    }
}

/// Makes every new class small, and saves it for review.
fn keep(
    arguments: &Run,
    options: &Options,
    outcome: &Outcome,
    ledger: &Ledger,
) -> Result<(), Ending> {
    let classes = outcome.counts.classes.iter();
    // A cause has one id for all its classes: readings that part may take different sides.
    let mut ids = BTreeSet::new();
    let news: Vec<_> = classes
        .filter(|(class, _)| !ledger.has(class) && ids.insert(class.id()))
        .collect();
    let (layout, folder) = (
        options.layout,
        ledger_folder(arguments.ledger.as_deref(), options.layout),
    );
    if news.is_empty() {
        return Ok(());
    }
    let mut panel = Panel::new(&Backend::BOTH, &options.kernels, &arm::make)?;
    for (class, found) in news {
        let case = options.case(found.first.case).map_err(ending)?;
        let scenario = case.with_packet(found.first);
        let questions = Questions::default();
        let last = scenario.batch.packets.len().saturating_sub(1);
        let kept = understand(&mut panel, layout, &scenario, last, class, questions);
        let kept = kept.and_then(|kept| {
            let info = info(layout, Some(options.seed));
            save(&mut panel, layout, &kept, &folder, &info)
        });
        match kept {
            Ok(file) => eprintln!("saved      {}", file.display()),
            Err(why) => return Err(Ending::lacking(miette!("{}: {why}", class.id()))),
        }
    }
    eprintln!("explain each (`why`) in its file, then `cargo insta review`");
    Ok(())
}

pub(super) fn ending(broken: Broken) -> Ending {
    match broken {
        Broken::Arm(failure) => failure.into(),
        Broken::Unplanned { .. } => Ending::lacking(miette!(
            help = "this is a fault of the generator: please report it with the seed",
            "{broken}"
        )),
    }
}
