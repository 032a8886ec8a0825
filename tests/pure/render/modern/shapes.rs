//! A whole node as it is programmed.

use std::collections::BTreeSet;
use std::error::Error;

use calidiff::import::verify;
use calidiff::packet::Family;
use calidiff::render::modern::{draft, render};
use calidiff::xtables::{Firewall, Target, ipset};

use super::super::{alone, both, in_folder, print};
use super::worlds;

/// Sets, then both families' rules, as the tools print them.
fn page(firewall: &Firewall) -> String {
    let [v4, v6] = both(firewall).map(print);
    format!("{}\n{v4}\n{v6}", ipset::print_save(&firewall.sets))
}

#[test]
fn a_node_with_everything_is_as_reviewed() -> Result<(), Box<dyn Error>> {
    let firewall = alone(render(&worlds::with(""), &worlds::node(false))?);
    in_folder(|| insta::assert_snapshot!("modern", page(&firewall)));
    Ok(())
}

#[test]
fn other_options_change_what_they_say() -> Result<(), Box<dyn Error>> {
    let (_, world, node) = worlds::all().remove(2);
    let firewall = alone(render(&world, &node)?);
    in_folder(|| insta::assert_snapshot!("modern-options", page(&firewall)));
    Ok(())
}

#[test]
fn every_chain_is_led_to_and_every_set_is_there() -> Result<(), Box<dyn Error>> {
    for (name, world, node) in worlds::all() {
        let draft = draft(&world, &node)?;
        let sets: BTreeSet<&str> = draft.sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(sets.len(), draft.sets.len(), "{name}");
        for table in draft.v4.iter().chain(&draft.v6) {
            let chains: BTreeSet<&str> = table.chains.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(chains.len(), table.chains.len(), "{name}, {}", table.name);
            let led_to: BTreeSet<&str> = table
                .rules()
                .filter_map(|rule| rule.action.chain())
                .collect();
            assert_eq!(chains, led_to, "{name}, {}", table.name);
            assert!(chains.iter().all(|chain| chain.len() <= 28), "{name}");
        }
        let firewall = alone(draft.program()?);
        for ruleset in both(&firewall) {
            let text = print(ruleset);
            for asked in text.split("--match-set ").skip(1) {
                let set = asked.split(' ').next().unwrap_or_default();
                assert!(
                    firewall.sets.iter().any(|one| one.name == set),
                    "{name}: {set}"
                );
            }
        }
    }
    Ok(())
}

/// But those behind a limit of packets: the tools keep and print another rate than Felix wrote.
#[test]
fn every_hash_verifies() -> Result<(), Box<dyn Error>> {
    for (name, world, node) in worlds::all() {
        let firewall = alone(render(&world, &node)?);
        for (family, ruleset) in Family::BOTH.into_iter().zip(both(&firewall)) {
            let verified = verify(ruleset);
            let mut findings = verified.findings.iter();
            assert!(
                findings.all(|one| one.rule.chain == "cali-tw-cali1a"),
                "{name}, {family:?}: {:?}",
                verified.findings
            );
            assert!(verified.held > 0 || ruleset.tables.is_empty(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn without_a_workload_nothing_is_dispatched_but_all_is_denied() -> Result<(), Box<dyn Error>> {
    let firewall = alone(render(&worlds::world(""), &worlds::node(false))?);
    for ruleset in both(&firewall) {
        let filter = ruleset.table(calidiff::xtables::TableName::Filter);
        let dispatch = filter.and_then(|table| table.chain("cali-from-wl-dispatch"));
        let rules = dispatch.map(|chain| chain.rules.iter().map(|rule| rule.target.clone()));
        let rules: Option<Vec<Target>> = rules.map(Iterator::collect);
        assert_eq!(rules, Some(vec![Target::Drop]));
    }
    Ok(())
}
