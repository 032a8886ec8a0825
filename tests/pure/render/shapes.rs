//! What each shape of rule becomes, and where host endpoints' chains stand.

use std::fmt::Write as _;

use calidiff::calico::rule::{Action, Rule};
use calidiff::calico::world::{HostInterface, Stage, World};
use calidiff::packet::Family;
use calidiff::render::Unrendered;
use calidiff::render::seed::{draft, render};
use calidiff::xtables::TableName;

use super::worlds::{
    self, address, applied, crowded, every_rule, host, interface, net, node, policy, tier,
};
use super::{alone, both, in_folder, lines};

#[test]
fn each_shape_of_rule_is_rendered() -> Result<(), Unrendered> {
    let mut text = String::new();
    for (place, rule) in every_rule().into_iter().enumerate() {
        let _ = writeln!(text, "rule {place}, {:?}", rule.action);
        let mut world = crowded();
        world.tiers[0].policies[0].ingress = vec![rule];
        let firewall = alone(render(&world, &node())?);
        for family in Family::BOTH {
            for line in lines(&firewall, family, TableName::Filter, "cali-pi-every-rule") {
                let _ = writeln!(text, "  {family:?} {line}");
            }
        }
    }
    in_folder(|| insta::assert_snapshot!("shapes", text));
    Ok(())
}

/// A node with a host endpoint on eth0, with a plain and an untracked policy, and one without
/// untracked policies on eth1.
fn hosts() -> World {
    let allow = || vec![Rule::bare(Action::Allow)];
    let named = |name: &str| HostInterface::Named(interface(name));
    World {
        tiers: vec![tier(vec![
            policy("plain", Stage::Normal, allow(), Vec::new()),
            policy("untracked", Stage::Untracked, Vec::new(), allow()),
        ])],
        hosts: vec![
            host("a", named("eth0"), &[0, 1], &["missing"]),
            host("b", named("eth1"), &[], &[]),
        ],
        ..World::default()
    }
}

#[test]
fn host_endpoints_are_asked_in_raw_and_filter() -> Result<(), Unrendered> {
    let firewall = alone(render(&hosts(), &node())?);
    let mut text = String::new();
    for table in &firewall.v4.tables {
        for chain in &table.chains {
            let of_hosts = ["-fh-", "-th-", "-host-endpoint", "-untracked", "-plain"];
            if of_hosts.iter().any(|part| chain.name.contains(part)) {
                let _ = writeln!(text, "{} {}", table.name, chain.name);
                for line in lines(&firewall, Family::V4, table.name, &chain.name) {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
    }
    in_folder(|| insta::assert_snapshot!("hosts", text));
    Ok(())
}

/// Which host endpoint each interface is led to, by its chain in filter: told by its one policy.
fn leads(world: &World) -> Result<Vec<String>, Unrendered> {
    let firewall = alone(render(world, &node())?);
    let table = firewall.v4.table(TableName::Filter);
    let chains = table.into_iter().flat_map(|table| &table.chains);
    let of_hosts = chains.filter(|chain| chain.name.starts_with("cali-fh-"));
    let leads = of_hosts.map(|chain| {
        let lines = lines(&firewall, Family::V4, TableName::Filter, &chain.name);
        let policy = lines.iter().find_map(|line| line.split("cali-pi-").nth(1));
        format!("{}: {}", chain.name, policy.unwrap_or("none"))
    });
    Ok(leads.collect())
}

#[test]
fn an_interface_has_the_first_host_endpoint_that_matches_it() -> Result<(), Unrendered> {
    let named = |name: &str| HostInterface::Named(interface(name));
    let mut world = World {
        tiers: vec![tier(
            ["of-a", "of-b", "of-c"]
                .map(|name| policy(name, Stage::Normal, Vec::new(), Vec::new()))
                .into(),
        )],
        hosts: vec![
            host("a", HostInterface::ByAddress, &[0], &[]),
            host("b", named("eth0"), &[1], &[]),
            host("c", named("cali1"), &[2], &[]),
        ],
        ..World::default()
    };
    assert_eq!(leads(&world)?, ["cali-fh-eth0: of-b"]);
    world.hosts[0].expected_addresses = vec![address("10.99.0.1"), address("::1")];
    let three = [
        "cali-fh-eth0: of-b",
        "cali-fh-eth1: of-a",
        "cali-fh-lo: of-a",
    ];
    assert_eq!(leads(&world)?, three);
    world.hosts[0].expected_addresses = vec![address("fd00:192:168:40::11")];
    assert_eq!(leads(&world)?, ["cali-fh-eth0: of-a"]);
    Ok(())
}

#[test]
fn untracked_policies_are_nothing_to_a_workload() -> Result<(), Unrendered> {
    let mut world = hosts();
    world.workloads = vec![worlds::workload("w", "cali1", &["10.0.0.1"])];
    let without = alone(render(&world, &node())?);
    world.workloads[0].policies = applied(&[1]);
    assert_eq!(alone(render(&world, &node())?), without);
    Ok(())
}

#[test]
fn only_what_is_in_use_is_rendered() -> Result<(), Unrendered> {
    let firewall = alone(render(&crowded(), &node())?);
    for ruleset in both(&firewall) {
        let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
        let names: Vec<&str> = chains.map(|chain| chain.name.as_str()).collect();
        assert!(!names.iter().any(|name| name.ends_with("of-nobody")));
        assert!(!names.iter().any(|name| name.ends_with("absent0")));
        assert!(names.contains(&"cali-pri-missing"));
        assert!(names.contains(&"cali-pi-untracked"));
    }
    let mut world = crowded();
    world.tiers[0].policies.iter_mut().for_each(|policy| {
        policy.ingress.clear();
        policy.egress.clear();
    });
    world.profiles.clear();
    assert_eq!(alone(render(&world, &node())?).sets, []);
    Ok(())
}

/// What a rule says, and how many rules it becomes in each family.
type About = (fn(&mut Rule), [usize; 2]);

#[test]
fn a_rule_about_one_family_is_rendered_for_no_other() -> Result<(), Unrendered> {
    let mut world = crowded();
    let about = |change: fn(&mut Rule)| {
        let mut rule = Rule::bare(Action::Deny);
        change(&mut rule);
        rule
    };
    let rules: [About; 6] = [
        (|_| {}, [1, 1]),
        (|rule| rule.family = Some(Family::V4), [1, 0]),
        (|rule| rule.source.nets = vec![net("fd00::/8")], [0, 1]),
        (
            |rule| rule.destination.not_nets = vec![net("0.0.0.0/0")],
            [1, 0],
        ),
        (
            |rule| {
                rule.source.nets = vec![net("10.0.0.0/8")];
                rule.destination.nets = vec![net("fd00::/8")];
            },
            [0, 0],
        ),
        (
            |rule| {
                rule.family = Some(Family::V4);
                rule.source.not_nets = vec![net("::/0")];
            },
            [0, 0],
        ),
    ];
    for (change, expected) in rules {
        world.tiers[0].policies[0].ingress = vec![about(change)];
        let firewall = alone(render(&world, &node())?);
        let counts = Family::BOTH
            .map(|family| lines(&firewall, family, TableName::Filter, "cali-pi-every-rule").len());
        assert_eq!(counts, expected);
    }
    Ok(())
}

#[test]
fn a_floating_address_goes_to_the_first_workload_by_text() -> Result<(), Unrendered> {
    let firewall = alone(render(&worlds::special(), &node())?);
    let nat = |family, chain| lines(&firewall, family, TableName::Nat, chain);
    let without_hash = |line: String| {
        let (start, rest) = line
            .split_once(" -m comment --comment \"cali:")
            .unwrap_or_default();
        format!("{start}{}", rest.split_once('"').unwrap_or_default().1)
    };
    let dnat: Vec<String> = nat(Family::V4, "cali-fip-dnat")
        .into_iter()
        .map(without_hash)
        .collect();
    assert_eq!(
        dnat,
        [
            "-A cali-fip-dnat -d 203.0.113.10/32 -j DNAT --to-destination 10.0.0.1",
            "-A cali-fip-dnat -d 203.0.113.9/32 -j DNAT --to-destination 10.0.0.1",
        ]
    );
    let snat: Vec<String> = nat(Family::V4, "cali-fip-snat")
        .into_iter()
        .map(without_hash)
        .collect();
    assert_eq!(
        snat,
        [
            "-A cali-fip-snat -s 10.0.0.1/32 -d 10.0.0.1/32 -j SNAT --to-source 203.0.113.10",
            "-A cali-fip-snat -s 10.0.0.2/32 -d 10.0.0.2/32 -j SNAT --to-source 203.0.113.9",
        ]
    );
    assert_eq!(nat(Family::V6, "cali-fip-dnat").len(), 1);
    Ok(())
}

/// Where two workloads claim one interface, one chain is rendered and one rule leads there.
#[test]
fn an_interface_is_one_workloads() -> Result<(), Unrendered> {
    let mut world = crowded();
    world.workloads[3].interface = world.workloads[2].interface;
    let draft = draft(&world, &node())?;
    for table in draft.v4.iter().chain(&draft.v6) {
        let names: Vec<&str> = table
            .chains
            .iter()
            .map(|chain| chain.name.as_str())
            .collect();
        let mut once = names.clone();
        once.dedup();
        assert_eq!(names, once);
    }
    Ok(())
}
