//! Nodes inferred for rules that came without one.

use std::collections::BTreeSet;

use calidiff::node::Node;
use calidiff::node::infer::{Inferred, infer, infer_sets};
use calidiff::node::text::{read, write};
use calidiff::packet::{Family, InterfaceName};
use calidiff::xtables::ruleset::InterfacePattern;
use calidiff::xtables::save::parse;
use calidiff::xtables::{Firewall, Match, Ruleset};

use crate::corpus::each_dump;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn firewall(ruleset: Ruleset) -> Firewall {
    let mut firewall = Firewall::default();
    let family = ruleset.family;
    *firewall.ruleset_mut(family) = ruleset;
    firewall
}

fn names(node: &Node) -> BTreeSet<&str> {
    node.interfaces
        .iter()
        .map(|interface| interface.name.as_str())
        .collect()
}

fn of(rules: &str) -> Result<Inferred, Box<dyn std::error::Error>> {
    let text = format!("*filter\n:FORWARD ACCEPT [0:0]\n{rules}COMMIT\n");
    Ok(infer(&firewall(parse("rules", &text, Family::V4)?)))
}

#[test]
fn every_beginning_of_a_name_gets_names_and_one_just_outside() -> Outcome {
    let node = of("-A FORWARD -i cali+\n-A FORWARD -o cali0 -j DROP\n-A FORWARD -i veth+\n")?.node;
    let expected = ["cali0", "cali1", "calj0", "eth0", "veth0", "veth1", "veti0"];
    assert_eq!(names(&node), BTreeSet::from(expected));
    Ok(())
}

#[test]
fn a_masqueraded_network_lies_behind_its_bridge() -> Outcome {
    let text = "*nat\n:POSTROUTING ACCEPT [0:0]\n\
                -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\nCOMMIT\n";
    let inferred = infer(&firewall(parse("rules", text, Family::V4)?));
    let docker = inferred
        .node
        .interface("docker0".parse()?)
        .ok_or("no docker0")?;
    assert_eq!(docker.addresses, ["172.17.0.1/16".parse()?]);
    assert!(
        inferred.assumptions.contains(
            &"`docker0` has the address 172.17.0.1/16: rules put this network there.".to_owned()
        ),
        "{:?}",
        inferred.assumptions
    );
    Ok(())
}

#[test]
fn a_missing_set_is_made_from_how_rules_ask() -> Outcome {
    let text = "*filter\n:FORWARD ACCEPT [0:0]\n\
                -A FORWARD -i cali7 -m set --match-set cali40s:a src -j ACCEPT\n\
                -A FORWARD -m set --match-set pairs dst,dst -j ACCEPT\nCOMMIT\n";
    let firewall = firewall(parse("rules", text, Family::V4)?);
    let node = infer(&firewall).node;
    let (sets, assumptions) = infer_sets(&firewall, &node);
    let dimensions: Vec<usize> = sets.iter().map(|set| set.dimensions.len()).collect();
    assert_eq!(dimensions, [1, 2]);
    assert_eq!(assumptions.len(), 2);
    assert!(sets.iter().all(|set| set.elements.len() >= 2));
    assert_ne!(sets[0].elements, sets[1].elements);
    Ok(())
}

#[test]
fn every_published_dump_gets_a_node_that_its_rules_can_be_tried_on() -> Outcome {
    each_dump(|file, family, ruleset| {
        check(file, firewall(ruleset), family)?;
        Ok(true)
    })
}

fn check(file: &str, firewall: Firewall, family: Family) -> Outcome {
    let inferred = infer(&firewall);
    let node = &inferred.node;
    assert_eq!(&read(file, &write(node)?)?, node, "{file}");
    for (id, rule) in firewall.ruleset(family).rules() {
        let patterns = [&rule.in_interface, &rule.out_interface]
            .into_iter()
            .flatten();
        for pattern in patterns {
            let met = |name: InterfaceName| match &pattern.value {
                InterfacePattern::Exactly(exact) => *exact == name,
                InterfacePattern::Prefix(prefix) => name.as_str().starts_with(prefix),
                InterfacePattern::Unnameable(_) => true,
            };
            let mut all = node.interfaces.iter().map(|one| one.name);
            let some = met(InterfaceName::LOOPBACK) || all.any(met);
            assert!(some, "{file}: {id} asks for an interface that is not there");
        }
    }
    let (sets, _) = infer_sets(&firewall, node);
    let asked = firewall
        .ruleset(family)
        .rules()
        .flat_map(|(_, rule)| &rule.matches);
    for one in asked {
        if let Match::Set(test) = one {
            let set = sets.iter().find(|set| set.name == test.name);
            let dimensions = set.map_or(0, |set| set.dimensions.len());
            assert_eq!(dimensions, test.sides.len(), "{file}: {}", test.name);
        }
    }
    Ok(())
}
