//! Faults planted one by one: that there are many kinds, that a campaign notices them, and that it says
//! why where it does not.

use std::collections::BTreeSet;
use std::error::Error;
use std::num::NonZeroU64;
use std::path::Path;

use calidiff::campaign::run::{Options, Shard, Until};
use calidiff::diff::ledger::Ledger;
use calidiff::generate::world::Dials;
use calidiff::mutants::hunt::{Hunt, Progress, Trail, Watch, enumerate};
use calidiff::mutants::{Fault, Mutant};
use calidiff::render::Layout;
use calidiff::xtables::Backend;

type Outcome = Result<(), Box<dyn Error>>;

/// In how many cases a mutant is looked for.
const CASES: u64 = 160;
/// From how many cases' rules the mutants are made.
const SAMPLE: u64 = 24;

struct Nobody;

impl Watch for Nobody {
    fn done(&self, _: Progress) {}

    fn stop(&self) -> bool {
        false
    }
}

fn campaign() -> Options {
    Options {
        seed: 1,
        until: Until::Cases(CASES),
        shard: Shard::WHOLE,
        jobs: 2,
        layout: Layout::Seed,
        dials: Dials {
            rulesets: NonZeroU64::MIN,
            ..Dials::default()
        },
        packets: 60,
        backends: Backend::BOTH.to_vec(),
        kernels: Vec::new(),
        fail_fast: false,
    }
}

fn hunt(mutants: Vec<Mutant>) -> Result<Vec<Trail>, Box<dyn Error>> {
    let hunt = Hunt {
        campaign: campaign(),
        cases: CASES,
        sample: SAMPLE,
        limit: None,
        until_shown: None,
    };
    Ok(hunt.hunt(mutants, &Ledger::default(), &Nobody)?)
}

/// The mutants of some words.
fn named(words: &[&str]) -> Result<Vec<Mutant>, Box<dyn Error>> {
    let all = enumerate(&campaign(), SAMPLE, &Nobody)?;
    let find = |word: &&str| {
        let mut fitting = all.iter().filter(|one| one.to_string() == *word);
        let found = fitting.next().cloned();
        found.ok_or_else(|| format!("there is no mutant `{word}`").into())
    };
    words.iter().map(find).collect()
}

#[test]
fn mutants_are_many_and_the_same_every_time() -> Outcome {
    let all = enumerate(&campaign(), SAMPLE, &Nobody)?;
    let texts: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), all.len(), "two mutants are called the same");
    let rendered = all.iter().filter_map(|one| match one {
        Mutant::Rendered(_, fault) => Some(*fault),
        Mutant::Meant(_) => None,
    });
    let kinds: BTreeSet<Fault> = rendered.clone().collect();
    assert!(rendered.count() >= 150, "{}", all.len());
    assert!(kinds.len() >= 40, "{kinds:?}");
    assert_eq!(all, enumerate(&campaign(), SAMPLE, &Nobody)?);
    Ok(())
}

#[test]
fn one_of_each_family_is_noticed() -> Outcome {
    let trails = hunt(named(&[
        "PortRangeLast at `filter cali-failsafe-in: protocol, destination ports -> ACCEPT: destination ports`",
        "DropToReturn at `filter cali-tw-*: no mark -> DROP`",
        "NegateSet at `filter cali-pi-*: set source`",
        "LoseMember at `filter cali-pi-*: set source`",
        "LoseRule at `filter INPUT: -> jump cali-INPUT`",
        "meant: policies' ingress rules: Allow taken for Deny",
        "meant: policies' ingress rules: Reverse",
        "meant: LoseFailsafesIn",
        "meant: TakeDown",
    ])?)?;
    for trail in &trails {
        let noticed = trail
            .noticed
            .as_ref()
            .ok_or_else(|| trail.mutant.to_string())?;
        assert!(noticed.cases <= CASES);
        assert_eq!(trail.shown.open, None);
    }
    Ok(())
}

/// What nobody notices because it changes nothing is told from what nobody notices.
#[test]
fn what_changes_nothing_is_shown_to() -> Outcome {
    let trails = hunt(named(&[
        "JumpToGoto at `raw OUTPUT: -> jump cali-OUTPUT`",
        "LoseClear at `filter cali-FORWARD: -> clear mark`",
        "LoseRule at `raw cali-OUTPUT: mark -> ACCEPT`",
    ])?)?;
    for trail in &trails {
        assert_eq!(trail.noticed, None, "{}", trail.mutant);
        assert!(
            trail.shown.is_inert(),
            "{}: {:?}",
            trail.mutant,
            trail.shown
        );
    }
    Ok(())
}

/// The faults in what is meant leave out what no clause of the seed's era reads. (Since then outgoing NAT may spare
/// nodes' addresses.)
#[test]
fn what_no_clause_reads_is_not_misread() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/intent");
    for file in std::fs::read_dir(folder)? {
        let file = file?.path();
        let text = std::fs::read_to_string(&file)?;
        for field in ["insert_mode", "configuration.ip_in_ip", "metadata_"] {
            assert!(!text.contains(field), "{} reads {field}", file.display());
        }
    }
    Ok(())
}

#[test]
fn the_same_hunt_comes_to_the_same() -> Outcome {
    let words = ["AcceptToDrop at `filter cali-FORWARD: mark -> ACCEPT`"];
    let mutants = named(&words).or_else(|_| {
        let all = enumerate(&campaign(), SAMPLE, &Nobody)?;
        let one = all
            .into_iter()
            .find(|one| one.to_string().starts_with("AcceptToDrop"));
        one.map(|one| vec![one])
            .ok_or_else(|| Box::<dyn Error>::from("no ACCEPT is rendered"))
    })?;
    let [one, other] = [hunt(mutants.clone())?, hunt(mutants)?];
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one.noticed, other.noticed);
        assert_eq!(one.seen, other.seen);
    }
    Ok(())
}
