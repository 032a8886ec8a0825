//! The example scenarios: each is read and planned, its judges agree on every packet, and for what Calico
//! decides the kernel's rule is found that says so.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use calidiff::arm::plan::{Bench, Plan};
use calidiff::campaign::trial::Expected;
use calidiff::diff::judgement::Outcome;
use calidiff::diff::meaning::sure;
use calidiff::model::Connections;
use calidiff::packet::Family;
use calidiff::render::Layout;
use calidiff::report::explain::Reason;
use calidiff::scenario::{Scenario, text};
use calidiff::xtables::Backend;

/// The files, in the order of their names.
pub fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = folder.read_dir().expect("the folder of examples");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 7, "only {files:?}");
    files
}

/// A paragraph about an example: what becomes of each packet, and who says so.
fn told(scenario: &Scenario) -> Result<String, Box<dyn Error>> {
    let mut plan = Plan::new(Layout::Seed, scenario)?;
    for family in Family::BOTH {
        let refused = plan
            .calico
            .as_ref()
            .and_then(|calico| calico.refused(family));
        assert_eq!(refused, None, "{}", scenario.name);
    }
    let batch = &scenario.batch;
    let firewall = plan.firewall.clone();
    let mut bench = plan.bench()?;
    let expected = Expected::of(&mut bench, &Backend::BOTH, batch);
    let mut text = format!("{}\n", scenario.name);
    let Bench {
        machines, calico, ..
    } = &mut bench;
    for (place, packet) in batch.packets.iter().enumerate() {
        let said = expected.said(&scenario.node, [None, None], place);
        assert_eq!(
            said.outcome(),
            Outcome::Agree,
            "{}: {packet}",
            scenario.name
        );
        let answer = said.readings[0].ok_or("no reading")?.model;
        let end = sure(answer).ok_or("left to chance")?;
        writeln!(text, "  {packet}\n      {end}")?;
        let (Some(opinion), Some(calico)) = (said.opinion, &calico) else {
            continue;
        };
        let connections = Connections::new(&expected.connections(batch, place));
        let (_, steps) = machines[0].trace(&connections, packet);
        for one in Reason::new(Layout::Seed, &calico.judge, opinion, &firewall, &steps).decisions {
            writeln!(text, "      {}", one.words)?;
            for step in &one.steps {
                writeln!(text, "        {}", step.rule_id().ok_or("no rule")?)?;
            }
            if one.steps.is_empty() {
                writeln!(text, "        {}", one.otherwise)?;
            }
        }
    }
    Ok(text)
}

#[test]
fn examples_do_what_they_mean() -> Result<(), Box<dyn Error>> {
    let mut page = String::new();
    for path in files() {
        let scenario = text::read_file(&path)?;
        assert_eq!(scenario.doubts(), [""; 0], "{}", scenario.name);
        assert!(scenario.why.is_some() && scenario.batch.packets.len() > 3);
        let written = text::write(&scenario)?;
        let again = text::read("again.yaml", &written, &|_| unreachable!("all is inline"))?;
        assert_eq!(again, scenario);
        page.push_str(&told(&scenario)?);
    }
    super::assert_page("examples", &page);
    Ok(())
}
