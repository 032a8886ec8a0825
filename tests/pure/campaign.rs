//! Campaigns by intent and model: what they find is known, what they ask is mixed, and the same seed gives the
//! same report, in one piece or in shares.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

use calidiff::arm::plan::era_of;
use calidiff::campaign::Blind;
use calidiff::campaign::run::{Counts, Options, Shard, Until, run, unhit};
use calidiff::diff::class::Class;
use calidiff::diff::ledger::{Ledger, folder};
use calidiff::generate::world::Dials;
use calidiff::intent::Clause;
use calidiff::render::Layout;
use calidiff::report::run::Report;
use calidiff::xtables::Backend;

type Outcome = Result<(), Box<dyn Error>>;

fn options(layout: Layout, cases: u64) -> Options {
    Options {
        seed: 1,
        until: Until::Cases(cases),
        shard: Shard::WHOLE,
        jobs: 2,
        layout,
        dials: Dials::default(),
        packets: 60,
        backends: Backend::BOTH.to_vec(),
        kernels: Vec::new(),
        fail_fast: false,
    }
}

fn ledger(layout: Layout) -> Result<Ledger, Box<dyn Error>> {
    Ok(Ledger::read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder(layout)),
    )?)
}

/// The report's text, without how long it took.
fn report(options: &Options) -> Result<String, Box<dyn Error>> {
    let ledger = ledger(options.layout)?;
    let known = |class: &Class| ledger.has(class);
    let outcome = run(options, &known, &Blind)?;
    let report = Report {
        options,
        outcome: &outcome,
        known: &known,
        versions: &[],
    };
    let mut json = report.json();
    json["times"].take();
    Ok(format!("{}\n{json:#}", report.text(true)))
}

#[test]
fn what_a_campaign_finds_is_known_and_what_it_asks_is_mixed() -> Outcome {
    is_known_and_mixed(Layout::Seed, 1_000, &[])
}

/// OpenStack's DHCP and DNS hang on the cluster's type, which no resource that is read says; a preDNAT policy that
/// denies a failsafe port of the node is too rare for so few cases.
#[test]
fn what_a_campaign_of_the_modern_layout_finds_is_known_and_what_it_asks_is_mixed() -> Outcome {
    let unsaid = [Clause::I7Dhcp, Clause::I7Dns, Clause::I11Failsafe];
    is_known_and_mixed(Layout::Modern, 1_000, &unsaid)
}

fn is_known_and_mixed(layout: Layout, cases: u64, unsaid: &[Clause]) -> Outcome {
    let ledger = ledger(layout)?;
    let known = |class: &Class| ledger.has(class);
    let options = options(layout, cases);
    let outcome = run(&options, &known, &Blind)?;
    // The seed's scenarios are as they were before there were any.
    let (sequences, modern) = (outcome.counts.sequences, layout == Layout::Modern);
    assert_eq!(sequences.rows > 2 * cases, modern, "{sequences:?}");
    assert_eq!(sequences.changed > cases / 8, modern, "{sequences:?}");
    let versions = [];
    let report = Report {
        options: &options,
        outcome: &outcome,
        known: &known,
        versions: &versions,
    };
    assert!(report.is_clean(), "{}", report.text(false));
    let counts = &outcome.counts;
    assert_eq!(counts.cases, cases);
    // Where a cluster has no endpoints, or the tools refuse its rules, its rulesets are one.
    assert!(counts.packets > 50_000 && counts.rulesets.len() > 850);
    let of_era = Clause::ALL.iter().copied();
    let of_era = of_era.filter(|clause| era_of(layout).has(*clause) && !unsaid.contains(clause));
    let decided: Vec<String> = of_era
        .filter(|clause| !counts.clauses.contains_key(clause))
        .map(|clause| clause.to_string())
        .collect();
    assert!(
        decided.is_empty(),
        "never decided or took part: {decided:?}"
    );
    assert!(counts.features.values().all(|cases| *cases > 0));
    let met = counts.shapes.keys();
    let met: BTreeSet<&str> = met.filter_map(|one| unhit::why(layout, one)).collect();
    assert_eq!(met, unhit::reasons(layout), "no rule is of what these say");
    Ok(())
}

/// Each feature is told with the cases that have it and those that have not, and each shape that none can hit with
/// the reason.
#[test]
fn a_report_tells_both_sides_of_each_feature_and_why_shapes_are_never_hit() -> Outcome {
    let options = options(Layout::Modern, 40);
    let outcome = run(&options, &|_| true, &Blind)?;
    let report = Report {
        options: &options,
        outcome: &outcome,
        known: &|_| true,
        versions: &[],
    };
    let text = report.text(false);
    let counts = &outcome.counts;
    for (feature, on) in &counts.features {
        let off = counts.cases - on;
        let told = format!("{feature:<28} {:>18}", format!("{on} / {off}"));
        assert!(text.contains(&told), "{told}\n{text}");
    }
    for (shape, used) in &counts.shapes {
        let why = unhit::why(Layout::Modern, shape);
        assert!(why.is_none() || used.hits == 0, "{shape}");
        let reason = why.map_or(String::new(), |why| format!(": {why}"));
        let begins = format!("  {shape}: ");
        let told = text.lines().find(|line| line.starts_with(&begins));
        let ends = format!(" rules, never hit{reason}");
        let is_told = told.is_some_and(|line| line.ends_with(&ends));
        assert_eq!(is_told, used.hits == 0, "{shape}\n{text}");
    }
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_bytes_whoever_does_the_work() -> Outcome {
    let one = Options {
        jobs: 1,
        ..options(Layout::Seed, 120)
    };
    assert_eq!(report(&one)?, report(&options(Layout::Seed, 120))?);
    let other = Options {
        seed: 2,
        ..options(Layout::Seed, 120)
    };
    assert_ne!(report(&one)?, report(&other)?);
    Ok(())
}

#[test]
fn shares_make_the_whole() -> Outcome {
    let none = |_: &Class| false;
    let whole = run(&options(Layout::Seed, 121), &none, &Blind)?.counts;
    let mut sum = Counts::default();
    for number in 1..=3 {
        let share = Options {
            shard: Shard::new(number, 3).ok_or("no such share")?,
            ..options(Layout::Seed, 121)
        };
        let counts = run(&share, &none, &Blind)?.counts;
        assert!((40..=41).contains(&counts.cases), "{}", counts.cases);
        sum.add(counts);
    }
    assert_eq!(sum.cases, whole.cases);
    assert_eq!(sum.rulesets, whole.rulesets);
    assert_eq!(sum.packets, whole.packets);
    assert_eq!(sum.verdicts, whole.verdicts);
    assert_eq!(sum.clauses, whole.clauses);
    assert_eq!(sum.classes, whole.classes);
    assert_eq!(sum.shapes, whole.shapes);
    Ok(())
}

#[test]
fn a_share_is_one_of_as_many_as_it_says() {
    for text in ["1/1", "2/3", "3/3"] {
        assert_eq!(
            text.parse::<Shard>().map(|shard| shard.to_string()),
            Ok(text.to_owned())
        );
    }
    for wrong in ["", "1", "0/1", "2/1", "1/0", "a/b", "1/2/3", "-1/2"] {
        assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
    }
}
