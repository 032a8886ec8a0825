//! The ledger of known divergences, by every judge: each class still diverges in the same way, is told in the
//! same words, and its script shows it.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;

use calidiff::arm;
use calidiff::campaign::trial::Panel;
use calidiff::diff::ledger::{Ledger, folder};
use calidiff::render::Layout;
use calidiff::report::divergence::{Snapshot, snapshot};
use calidiff::report::keep;
use calidiff::xtables::Backend;
use libtest_mimic::Trial;

type Outcome = Result<(), Box<dyn Error>>;

pub fn trials() -> Vec<Trial> {
    let trial = super::trial;
    vec![
        trial("ledger::every_class_still_diverges", still_diverges),
        trial("ledger::scripts_show_it", scripts_show_it),
    ]
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every class of a layout's ledger as it is seen now.
fn seen(layout: Layout) -> Result<BTreeMap<String, Snapshot>, Box<dyn Error>> {
    let mut panel = Panel::new(&Backend::BOTH, &Backend::BOTH, &arm::make)?;
    let mut seen = BTreeMap::new();
    for (id, entry) in Ledger::read(&repository().join(folder(layout)))?.entries() {
        let found = snapshot(&mut panel, layout, &entry.scenario, id);
        seen.insert(id.to_owned(), found.map_err(|why| format!("{id}: {why}"))?);
    }
    Ok(seen)
}

fn still_diverges() -> Outcome {
    for layout in Layout::ALL {
        let info: BTreeMap<&str, String> = keep::info(layout, None).into_iter().collect();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(repository().join(folder(layout)));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_info(&info);
        for (id, found) in seen(layout)? {
            settings.bind(|| insta::assert_snapshot!(id, found.text));
        }
    }
    Ok(())
}

/// The scripts run in processes of their own, from the namespace in which the kernel's arms are.
fn scripts_show_it() -> Outcome {
    let folder = tempfile::tempdir()?;
    let all = Layout::ALL.into_iter().map(seen);
    let mut wrong = Vec::new();
    for (id, found) in all.collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        let Some(script) = found.script else {
            wrong.push(format!("{id} has no script"));
            continue;
        };
        let file = folder.path().join("script");
        std::fs::write(&file, &script.text)?;
        for backend in Backend::BOTH {
            if found.class.needs_a_kernel() {
                continue;
            }
            let output = Command::new("sh")
                .arg(&file)
                .arg(backend.to_string())
                .output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            let complained = String::from_utf8_lossy(&output.stderr);
            let end = script.end.to_string();
            let shown = !said.is_empty() && end.starts_with(said.trim_end());
            if !shown || !output.status.success() {
                wrong.push(format!(
                    "{id}, {backend}: {end}, and the script says: {said}{complained}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
