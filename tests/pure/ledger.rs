//! The ledgers of known divergences, by intent and model alone: every class still diverges in the same way and
//! is told in the same words, as far as no kernel has a part in it.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use calidiff::arm;
use calidiff::campaign::trial::Panel;
use calidiff::diff::cause::Cause;
use calidiff::diff::ledger::{Entry, Ledgers};
use calidiff::render::Layout;
use calidiff::report::divergence::snapshot;
use calidiff::report::script::LINES;
use calidiff::xtables::Backend;

type Outcome = Result<(), Box<dyn Error>>;

/// A class of a layout's ledger, by its name.
type Known = (Layout, String, Entry);

/// Every class of every layout's ledger.
fn entries() -> Result<Vec<Known>, Box<dyn Error>> {
    let ledgers = Ledgers::read(Path::new(env!("CARGO_MANIFEST_DIR")))?;
    let entries = Layout::ALL.into_iter().flat_map(|layout| {
        let entries = ledgers.of(layout).entries();
        let entries = entries.map(move |(id, entry)| (layout, id.to_owned(), entry.clone()));
        entries.collect::<Vec<_>>()
    });
    Ok(entries.collect())
}

/// Whether a kernel has a part in an accepted class, by the first line of its snapshot.
fn needs_a_kernel(accepted: &str) -> bool {
    let parties = accepted.lines().next().unwrap_or_default();
    parties.contains("| legacy") || parties.contains("| nft")
}

#[test]
fn every_class_is_accepted_and_explained() -> Outcome {
    let entries = entries()?;
    assert!(!entries.is_empty(), "the ledgers are empty");
    for (layout, id, entry) in entries {
        let told = format!("{layout}: {id}");
        assert!(entry.is_explained(), "{told}: no `why` says who is right");
        assert!(entry.accepted.is_some(), "{told}: no accepted snapshot");
        assert_eq!(entry.scenario.name, id, "{told}");
    }
    Ok(())
}

#[test]
fn every_cause_of_a_layout_is_shown_by_its_ledger() -> Outcome {
    let ledgers = Ledgers::read(Path::new(env!("CARGO_MANIFEST_DIR")))?;
    for layout in Layout::ALL {
        for cause in Cause::all(layout) {
            let known = ledgers.of(layout).has_id(cause.id);
            assert!(known, "{layout}: nothing shows the cause {}", cause.id);
            assert!(
                !cause.why.contains("  "),
                "{layout}: {}: {}",
                cause.id,
                cause.why
            );
        }
    }
    Ok(())
}

#[test]
fn every_class_still_diverges_in_the_same_words() -> Outcome {
    let mut panel = Panel::new(&Backend::BOTH, &[], &arm::make)?;
    for (layout, id, entry) in entries()? {
        let accepted = entry.accepted.as_deref().unwrap_or_default();
        if needs_a_kernel(accepted) {
            continue;
        }
        let found = snapshot(&mut panel, layout, &entry.scenario, &id)?;
        assert!(
            accepted.starts_with(found.text.trim_end()),
            "{layout}: {id} is told in other words: run the tests of tests/kernel, then `cargo insta review`\n{}",
            found.text
        );
    }
    Ok(())
}

#[test]
fn scripts_are_short_and_a_shell_reads_them() -> Outcome {
    let mut panel = Panel::new(&Backend::BOTH, &[], &arm::make)?;
    for (layout, id, entry) in entries()? {
        if needs_a_kernel(entry.accepted.as_deref().unwrap_or_default()) {
            continue;
        }
        let found = snapshot(&mut panel, layout, &entry.scenario, &id)?;
        let script = found.script.ok_or_else(|| format!("{id} has no script"))?;
        assert!(script.text.lines().count() <= LINES, "{}", script.text);
        let mut shell = Command::new("sh").arg("-n").stdin(Stdio::piped()).spawn()?;
        let mut input = shell.stdin.take().ok_or("no input")?;
        input.write_all(script.text.as_bytes())?;
        drop(input);
        assert!(shell.wait()?.success(), "{}", script.text);
    }
    Ok(())
}
