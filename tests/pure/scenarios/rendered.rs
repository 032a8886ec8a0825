//! What `calidiff render` prints is read back as what is programmed.

use std::error::Error;

use calidiff::arm::plan::Plan;
use calidiff::packet::Family;
use calidiff::render::Layout;
use calidiff::report::render::{Parts, text};
use calidiff::scenario::text::read_file;
use calidiff::xtables::{Ruleset, ipset, save};

/// What a save file says of a ruleset: its chains' counters are never unknown, and where its lines stand
/// is left out.
fn counted(ruleset: &Ruleset) -> Ruleset {
    let mut ruleset = ruleset.clone();
    let chains = ruleset
        .tables
        .iter_mut()
        .flat_map(|table| &mut table.chains);
    for chain in chains {
        chain.counters = chain.policy.map(|_| chain.counters.unwrap_or_default());
        for rule in &mut chain.rules {
            rule.line = 0;
        }
    }
    ruleset
}

#[test]
fn what_is_printed_is_what_is_programmed() -> Result<(), Box<dyn Error>> {
    for path in super::examples::files() {
        let scenario = read_file(&path)?;
        let plan = Plan::new(Layout::Seed, &scenario)?;
        for family in Family::BOTH {
            let parts = |sets, rules| Parts {
                family: Some(family),
                sets,
                rules,
            };
            let printed = text(&scenario.name, &plan, parts(false, true));
            let read = save::parse("printed", &printed, family)?;
            let programmed = plan.firewall.ruleset(family);
            assert!(counted(&read) == counted(programmed), "{printed}");
            let printed = text(&scenario.name, &plan, parts(true, false));
            let sets = plan.firewall.sets.iter().filter(|set| set.family == family);
            let sets: Vec<_> = sets.cloned().collect();
            assert_eq!(
                ipset::parse("printed", &printed)?,
                sets,
                "{}",
                scenario.name
            );
        }
    }
    Ok(())
}
