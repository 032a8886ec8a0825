//! What the fuzz targets do, held without a fuzzer: inputs, their envelope, the mutator, and the seeds.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use calidiff::diff::ledger::Ledgers;
use calidiff::fuzz::input::{self, head, is_input};
use calidiff::fuzz::judges::{Judged, Judges};
use calidiff::fuzz::mutate::mutate;
use calidiff::fuzz::texts::read_and_write;
use calidiff::generate::world::Dials;
use calidiff::render::Layout;
use calidiff::scenario::text::write;
use proptest::prelude::*;

type Outcome = Result<(), Box<dyn Error>>;

/// What libFuzzer allows where its corpus is empty.
const SMALL: usize = 4096;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn judges() -> Result<Judges, Box<dyn Error>> {
    let ledgers = Ledgers::read(root())?;
    Ok(Judges::without_kernels(ledgers)?)
}

/// The seeds of a target, each with its file.
fn seeds(target: &str) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = root().join("fuzz/seeds").join(target);
    let mut seeds = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let contents = fs::read(&path)?;
        seeds.push((path, contents));
    }
    assert!(!seeds.is_empty(), "{target} has no seeds");
    Ok(seeds)
}

/// An input made of another in a buffer of so many bytes.
fn mutated(input: &[u8], most: usize, seed: u32) -> Vec<u8> {
    let mut data = input.to_vec();
    data.resize(most.max(input.len()), 0);
    let size = mutate(&mut data, input.len(), most, seed);
    data.truncate(size);
    data
}

#[test]
fn every_seed_is_judged_and_none_is_a_finding() -> Outcome {
    let mut judges = judges()?;
    for target in ["policy", "intent"] {
        for (path, seed) in seeds(target)? {
            match judges.judge(&seed) {
                Ok(Judged::Agreed(trail)) => assert!(trail.iter().count() > 10),
                Ok(Judged::NoInput(why)) => return Err(format!("{path:?}: {why}").into()),
                Err(finding) => return Err(format!("{path:?}: {finding}").into()),
            }
        }
    }
    Ok(())
}

#[test]
fn every_seed_of_texts_is_read_by_one_of_the_readers() -> Outcome {
    for (path, seed) in seeds("resources")? {
        let text = String::from_utf8(seed)?;
        let readers = read_and_write(&text);
        assert!(readers > 0, "{} is read by nobody", path.display());
    }
    Ok(())
}

fn same_in_its_envelope(bytes: &[u8]) -> Outcome {
    let made = input::make(bytes, &Dials::default())?;
    assert!(!made.scenario.batch.packets.is_empty());
    let wrapped = input::wrap(made.layout, &made.scenario, bytes)?;
    // An envelope means the same whatever the generator does.
    let other = Dials {
        workloads: 9,
        features: 90,
        ..Dials::default()
    };
    let read = input::read(&wrapped, &other)?;
    // Not the values: of which line a foreign rule was read is one of them.
    let [before, after] = [&made, &read].map(|input| write(&input.scenario));
    assert_eq!(after?, before?);
    assert_eq!((read.layout, read.bytes), (made.layout, bytes));
    let fresh = input::make(bytes, &other)?;
    assert_ne!(fresh.scenario.resources, made.scenario.resources);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_envelope_keeps_its_meaning_when_the_generator_changes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        same_in_its_envelope(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    }

    #[test]
    fn what_the_mutator_makes_is_an_input_and_fits(bytes in proptest::collection::vec(any::<u8>(), 0..64), seeds: [u32; 4], most in 0..3 * SMALL) {
        let mut data = bytes;
        for seed in seeds {
            let made = mutated(&data, most, seed);
            prop_assert_eq!(&made, &mutated(&data, most, seed));
            prop_assert!(made.len() <= most);
            let read = input::read(&made, &Dials::default());
            prop_assert!(read.is_ok(), "{}", read.unwrap_err());
            data = made;
        }
    }
}

#[test]
fn the_mutator_changes_scenarios_in_their_envelopes_from_nothing_on() -> Outcome {
    // What API v3 says takes more room than SMALL.
    let mut data = Vec::new();
    let (mut changed, mut kept) = (0, 0);
    for seed in 0..40 {
        let made = mutated(&data, 8 * SMALL, seed);
        changed += usize::from(made != data);
        let heads = Layout::ALL.map(head);
        kept += usize::from(heads.iter().any(|head| made.starts_with(head.as_bytes())));
        data = made;
    }
    assert!(changed > 30, "{changed} of 40 are changed");
    assert!(kept > 20, "{kept} of 40 are envelopes");
    Ok(())
}

/// Envelopes from when there was one layout mean that one, and bytes make scenarios of each.
#[test]
fn an_inputs_layout_is_its_envelopes_or_its_bytes() -> Outcome {
    let scenario = "name: one\nnode: { name: one, interfaces: [] }\n";
    let read = |head: &str| -> Result<Layout, Box<dyn Error>> {
        let envelope = format!("{head}{scenario}");
        Ok(input::read(envelope.as_bytes(), &Dials::default())?.layout)
    };
    assert_eq!(read("# calidiff fuzz input, version 1\n")?, Layout::Seed);
    for layout in Layout::ALL {
        assert_eq!(read(head(layout))?, layout);
    }
    let made: Result<BTreeSet<Layout>, _> = (0..16_u8)
        .map(|byte| Ok(input::read(&[byte; 9], &Dials::default())?.layout))
        .collect::<Result<_, Box<dyn Error>>>();
    assert_eq!(made?, BTreeSet::from(Layout::ALL));
    Ok(())
}

#[test]
fn inputs_are_told_from_scenarios() {
    let envelope = format!("{}name: one\n", head(Layout::Seed));
    let told = |name: &str, contents: &[u8]| is_input(Path::new(name), contents);
    assert!(told("a.yaml", envelope.as_bytes()));
    assert!(told("artifacts/policy/crash-da39a3ee", b""));
    assert!(told("corpus/6f", b"\xff\x00"));
    assert!(!told("mine.yaml", b"name: one\n"));
    assert!(!told("mine.yaml", b"name: [mistaken\n"));
}

#[test]
fn what_is_no_scenario_in_an_envelope_is_no_input() -> Outcome {
    let mut judges = judges()?;
    for wrong in [
        "name: 1: 2\n",
        "",
        "name: one\nnode: { name: one }\npackets: [x]\n",
    ] {
        let wrong = format!("{}{wrong}", head(Layout::Seed));
        let judged = judges.judge(wrong.as_bytes())?;
        assert!(matches!(judged, Judged::NoInput(_)), "{wrong}");
    }
    Ok(())
}

#[test]
fn what_no_kernel_could_send_is_left_out_of_an_input() -> Outcome {
    let envelope = format!(
        "{}name: one\nnode: {{ name: one, interfaces: [{{ name: eth0, addresses: [10.0.0.1/24] }}] }}\n\
         packets:\n  - in=lo udp 10.0.0.9:1 > 10.0.0.1:2\n  - in=eth0 udp 10.0.0.9:1 > 10.0.0.1:2\n",
        head(Layout::Seed)
    );
    let input = input::read(envelope.as_bytes(), &Dials::default())?;
    let packets = &input.scenario.batch.packets;
    assert_eq!(packets.len(), 1, "{packets:?}");
    assert!(packets[0].to_string().starts_with("in=eth0 "));
    Ok(())
}
