//! A campaign before all four judges: both kernels do what the model says, and nothing is new.

use std::error::Error;
use std::path::Path;

use calidiff::campaign::Blind;
use calidiff::campaign::run::{Options, Shard, Until, run};
use calidiff::diff::class::Class;
use calidiff::diff::ledger::{Ledger, folder};
use calidiff::generate::world::Dials;
use calidiff::render::Layout;
use calidiff::report::run::Report;
use calidiff::xtables::Backend;
use libtest_mimic::Trial;

use crate::trial;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("campaign::all_four_agree_but_for_what_is_known", || {
            all_agree(Layout::Seed, 150)
        }),
        trial("campaign::all_four_agree_in_the_modern_layout_too", || {
            all_agree(Layout::Modern, 100)
        }),
        trial(
            "campaign::asking_the_kernels_changes_no_class",
            same_classes,
        ),
    ]
}

fn options(layout: Layout, cases: u64, kernels: &[Backend]) -> Options {
    Options {
        seed: 7,
        until: Until::Cases(cases),
        shard: Shard::WHOLE,
        jobs: 2,
        layout,
        dials: Dials::default(),
        packets: 60,
        backends: Backend::BOTH.to_vec(),
        kernels: kernels.to_vec(),
        fail_fast: false,
    }
}

fn all_agree(layout: Layout, cases: u64) -> Result<(), Box<dyn Error>> {
    let ledger = Ledger::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder(layout)))?;
    let known = |class: &Class| ledger.has(class);
    let options = options(layout, cases, &Backend::BOTH);
    let outcome = run(&options, &known, &Blind)?;
    let report = Report {
        options: &options,
        outcome: &outcome,
        known: &known,
        versions: &[],
    };
    assert!(report.is_clean(), "{}", report.text(false));
    assert_eq!(outcome.counts.cases, cases);
    let agreed = outcome.counts.agreed;
    assert!(agreed > cases * 50, "{agreed}");
    Ok(())
}

/// What a kernel alone sees would be of a class of its own.
fn same_classes() -> Result<(), Box<dyn Error>> {
    let none = |_: &Class| false;
    let with = run(&options(Layout::Seed, 50, &Backend::BOTH), &none, &Blind)?;
    let without = run(&options(Layout::Seed, 50, &[]), &none, &Blind)?;
    assert_eq!(with.counts.packets, without.counts.packets);
    assert_eq!(with.counts.classes, without.counts.classes);
    assert!(!with.counts.classes.is_empty());
    Ok(())
}
