//! The ledger of known divergences, by intent and model alone: every class still diverges in the same way and
//! is told in the same words, as far as no kernel has a part in it.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use calidiff::arm;
use calidiff::campaign::trial::Panel;
use calidiff::diff::ledger::{FOLDER, Ledger};
use calidiff::render::Layout;
use calidiff::report::divergence::snapshot;
use calidiff::report::script::LINES;
use calidiff::xtables::Backend;

type Outcome = Result<(), Box<dyn Error>>;

fn ledger() -> Result<Ledger, Box<dyn Error>> {
    Ok(Ledger::read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER),
    )?)
}

/// Whether a kernel has a part in an accepted class, by the first line of its snapshot.
fn needs_a_kernel(accepted: &str) -> bool {
    let parties = accepted.lines().next().unwrap_or_default();
    parties.contains("| legacy") || parties.contains("| nft")
}

#[test]
fn every_class_is_accepted_and_explained() -> Outcome {
    let ledger = ledger()?;
    assert!(ledger.entries().count() > 0, "the ledger is empty");
    for (id, entry) in ledger.entries() {
        assert!(entry.is_explained(), "{id}: no `why` says who is right");
        assert!(entry.accepted.is_some(), "{id}: no accepted snapshot");
        assert!(ledger.has_id(id), "{id}");
        assert_eq!(entry.scenario.name, id);
    }
    Ok(())
}

#[test]
fn every_class_still_diverges_in_the_same_words() -> Outcome {
    let mut panel = Panel::new(&Backend::BOTH, &[], &arm::make)?;
    for (id, entry) in ledger()?.entries() {
        let accepted = entry.accepted.as_deref().unwrap_or_default();
        if needs_a_kernel(accepted) {
            continue;
        }
        let found = snapshot(&mut panel, Layout::Seed, &entry.scenario, id)?;
        assert!(
            accepted.starts_with(found.text.trim_end()),
            "{id} is told in other words: run the tests of tests/kernel, then `cargo insta review`\n{}",
            found.text
        );
    }
    Ok(())
}

#[test]
fn scripts_are_short_and_a_shell_reads_them() -> Outcome {
    let mut panel = Panel::new(&Backend::BOTH, &[], &arm::make)?;
    for (id, entry) in ledger()?.entries() {
        if needs_a_kernel(entry.accepted.as_deref().unwrap_or_default()) {
            continue;
        }
        let found = snapshot(&mut panel, Layout::Seed, &entry.scenario, id)?;
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
