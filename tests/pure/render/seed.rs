//! From the seed's world the renderer makes the seed's rules, to the letter.

use std::collections::BTreeSet;
use std::error::Error;

use calidiff::calico::World;
use calidiff::claims::seed;
use calidiff::render::seed::render;
use calidiff::scenario::Scenario;
use calidiff::xtables::save::print_rule;
use calidiff::xtables::{Firewall, Rule, ipset};

use super::worlds::{slave1, slave2};
use super::{both, in_folder, print};

/// Both nodes of the fixtures, each with the world that is to make its rules.
fn nodes() -> Result<[(Scenario, World); 2], Box<dyn Error>> {
    let [one, two] = seed::nodes()?;
    Ok([(one, slave1()), (two, slave2())])
}

fn is_felix_own(rule: &Rule) -> bool {
    rule.comments().any(|comment| comment.starts_with("cali:"))
}

/// What the node has loaded besides Calico's.
fn foreign(firewall: &Firewall) -> Firewall {
    let mut left = firewall.clone();
    left.sets.retain(|set| !set.name.starts_with("cali"));
    for ruleset in [&mut left.v4, &mut left.v6] {
        for table in &mut ruleset.tables {
            table
                .chains
                .retain(|chain| !chain.name.starts_with("cali-"));
            for chain in &mut table.chains {
                chain.rules.retain(|rule| !is_felix_own(rule));
            }
        }
    }
    left
}

/// What is rendered for a node, among the node's foreign rules.
fn rendered(node: &Scenario, world: &World) -> Result<Firewall, Box<dyn Error>> {
    let mut firewall = foreign(&node.firewall);
    render(world, &node.node)?.install(&mut firewall);
    Ok(firewall)
}

#[test]
fn every_chain_is_the_seeds_to_the_letter() -> Result<(), Box<dyn Error>> {
    for (node, world) in nodes()? {
        assert_ne!(foreign(&node.firewall), node.firewall);
        let firewall = rendered(&node, &world)?;
        for (ours, theirs) in both(&firewall).into_iter().zip(both(&node.firewall)) {
            assert_eq!(
                print(ours),
                print(theirs),
                "{} {:?}",
                node.name,
                ours.family
            );
        }
    }
    Ok(())
}

#[test]
fn every_typed_rule_is_the_seeds() -> Result<(), Box<dyn Error>> {
    for (node, world) in nodes()? {
        let firewall = rendered(&node, &world)?;
        for (ours, theirs) in both(&firewall).into_iter().zip(both(&node.firewall)) {
            let rules = |(id, rule): (_, &Rule)| {
                let rule = Rule {
                    line: 0,
                    ..rule.clone()
                };
                (id, rule)
            };
            assert!(ours.rules().map(rules).eq(theirs.rules().map(rules)));
        }
    }
    Ok(())
}

#[test]
fn every_hash_that_the_seed_prints_is_there() -> Result<(), Box<dyn Error>> {
    let mut printed = BTreeSet::new();
    let mut made = BTreeSet::new();
    for (node, world) in nodes()? {
        let of_the_seed = node.firewall.v4.rules();
        let of_the_seed = of_the_seed.filter(|(id, _)| node.completion(id).is_none());
        printed.extend(of_the_seed.flat_map(|(_, rule)| hash_of(rule)));
        let firewall = rendered(&node, &world)?;
        made.extend(firewall.v4.rules().flat_map(|(_, rule)| hash_of(rule)));
    }
    assert_eq!(printed.len(), 85);
    assert_eq!(printed.intersection(&made).count(), 85);
    Ok(())
}

fn hash_of(rule: &Rule) -> Option<String> {
    let mut comments = rule.comments();
    comments
        .find(|comment| comment.starts_with("cali:"))
        .map(str::to_owned)
}

#[test]
fn every_set_is_the_nodes() -> Result<(), Box<dyn Error>> {
    for (node, world) in nodes()? {
        let sorted = |firewall: &Firewall| {
            let mut sets = firewall.sets.clone();
            sets.sort_by(|one, other| one.name.cmp(&other.name));
            ipset::print_save(&sets)
        };
        assert_eq!(sorted(&rendered(&node, &world)?), sorted(&node.firewall));
    }
    Ok(())
}

/// The rules that the seed prints, in its own order of lines where they stand in it.
#[test]
fn the_seeds_rules_are_the_accepted_ones() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    for (node, world) in nodes()? {
        let firewall = rendered(&node, &world)?;
        text += &format!("# {}\n", node.name);
        for (id, rule) in firewall.v4.rules() {
            if node.completion(&id).is_none() {
                text += &format!("{}: {}\n", id.table, print_rule(&id.chain, rule, id.family));
            }
        }
    }
    in_folder(|| insta::assert_snapshot!("seed", text));
    Ok(())
}
