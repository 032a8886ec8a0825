//! What each option changes, and that it changes nothing else.

use std::fmt::Write as _;

use calidiff::calico::configuration::{Configuration, EndpointToHost, InsertMode, InterfacePrefix};
use calidiff::calico::world::{FloatingAddress, HostInterface, Pool, World};
use calidiff::render::Unrendered;
use calidiff::render::seed::render;
use calidiff::xtables::save::print_rule;
use calidiff::xtables::{Firewall, Match, Rule, ipset};

use super::worlds::{address, applied, host, interface, net, node, slave1};
use super::{alone, both, in_folder};

/// A change of the world, and what it is called.
type Change = (&'static str, fn(&mut World));

/// Each option by itself, then what the special cases need.
const CHANGES: [Change; 20] = [
    ("InterfacePrefix cali,tap", |world| {
        let prefixes = ["cali", "tap"].into_iter();
        world.configuration.interface_prefixes =
            prefixes.filter_map(InterfacePrefix::new).collect();
    }),
    ("IpInIpEnabled", |world| world.configuration.ip_in_ip = true),
    ("IpInIpTunnelAddr alone", |world| {
        world.configuration.tunnel_address = Some(address("10.0.0.1"));
    }),
    ("IpInIpEnabled and IpInIpTunnelAddr", |world| {
        world.configuration.ip_in_ip = true;
        world.configuration.tunnel_address = Some(address("10.0.0.1"));
    }),
    ("DefaultEndpointToHostAction RETURN", |world| {
        world.configuration.endpoint_to_host = EndpointToHost::Return;
    }),
    ("DefaultEndpointToHostAction ACCEPT", |world| {
        world.configuration.endpoint_to_host = EndpointToHost::Accept;
    }),
    ("ChainInsertMode append", |world| {
        world.configuration.insert_mode = InsertMode::Append;
    }),
    ("LogPrefix, no rule logs", |world| {
        world.configuration.log_prefix = "other".to_owned();
    }),
    ("FailsafeInboundHostPorts", |world| {
        world.configuration.failsafe_inbound = vec![22, 179];
    }),
    ("FailsafeOutboundHostPorts", |world| {
        world.configuration.failsafe_outbound = Vec::new();
    }),
    ("MetadataAddr None", |world| {
        world.configuration.metadata_address = "None".to_owned();
    }),
    ("MetadataAddr 10.0.0.5", |world| {
        world.configuration.metadata_address = "10.0.0.5".to_owned();
    }),
    ("MetadataPort 8776", |world| {
        world.configuration.metadata_port = 8776
    }),
    ("ClusterType k8s,OpenStack", |world| {
        world.configuration.cluster_type = "k8s,OpenStack".to_owned();
    }),
    ("InterfacePrefix tap", |world| {
        world.configuration.interface_prefixes = InterfacePrefix::new("tap").into_iter().collect();
    }),
    ("a pool with natOutgoing", |world| {
        world.pools.push(Pool {
            net: net("10.0.0.0/16"),
            nat_outgoing: true,
            ip_in_ip: true,
            vxlan: false,
            for_services: false,
        });
    }),
    ("a floating address", |world| {
        world.workloads[0].floating.push(FloatingAddress {
            outside: address("203.0.113.1"),
            inside: address("172.16.1.1"),
        });
    }),
    ("a workload that is down", |world| {
        world.workloads[0].up = false
    }),
    ("a profile that does not exist", |world| {
        world.workloads[0].profiles.push("missing".to_owned());
    }),
    ("a host endpoint", |world| {
        let eth0 = HostInterface::Named(interface("eth0"));
        world.hosts = vec![host("a", eth0, &[0], &[])];
    }),
];

fn base() -> World {
    World {
        configuration: Configuration::default(),
        ..slave1()
    }
}

fn firewall(world: &World) -> Result<Firewall, Unrendered> {
    let mut firewall = alone(render(world, &node())?);
    // A rule of another program's, so that it shows where Felix's stand.
    let foreign = Rule::default();
    for chain in firewall
        .v4
        .tables
        .iter_mut()
        .flat_map(|table| &mut table.chains)
    {
        let append = world.configuration.insert_mode == InsertMode::Append;
        if chain.policy.is_some() {
            let at = if append { 0 } else { chain.rules.len() };
            chain.rules.insert(at, foreign.clone());
        }
    }
    Ok(firewall)
}

/// Everything as lines, a chain or a set at a time: rules without their hashes.
fn parts(firewall: &Firewall) -> Vec<(String, Vec<String>)> {
    let mut parts = Vec::new();
    for ruleset in both(firewall) {
        for table in &ruleset.tables {
            for chain in &table.chains {
                let rules = chain.rules.iter().map(|rule| {
                    let mut rule = rule.clone();
                    let hash = |text: &str| text.starts_with("cali:");
                    rule.matches
                        .retain(|one| !matches!(one, Match::Comment(text) if hash(text)));
                    print_rule(&chain.name, &rule, ruleset.family)
                });
                let of = format!("{:?} {}", ruleset.family, table.name);
                parts.push((format!("{of} {}", chain.name), rules.collect()));
            }
        }
    }
    for set in &firewall.sets {
        let lines = ipset::print_save(std::slice::from_ref(set));
        let lines = lines.lines().map(str::to_owned);
        parts.push((format!("set {}", set.name), lines.collect()));
    }
    parts
}

/// The lines that one has and the other has not, between what they begin and end with alike.
fn difference(before: &[String], after: &[String]) -> String {
    let same = |(one, other): &(&String, &String)| one == other;
    let start = before.iter().zip(after).take_while(same).count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take_while(same)
        .count();
    let mut text = String::new();
    for line in &before[..before.len() - end] {
        let _ = writeln!(text, "- {line}");
    }
    for line in &after[..after.len() - end] {
        let _ = writeln!(text, "+ {line}");
    }
    text
}

fn changes(before: &Firewall, after: &Firewall) -> String {
    let (before, after) = (parts(before), parts(after));
    let of = |parts: &[(String, Vec<String>)], name: &str| {
        let mut named = parts.iter().filter(|(own, _)| own == name);
        named.next().map(|(_, lines)| lines.clone())
    };
    let gone = before.iter().filter(|(name, _)| of(&after, name).is_none());
    let mut text = String::new();
    for (name, _) in gone {
        let _ = writeln!(text, "  {name}: gone");
    }
    for (name, lines) in &after {
        match of(&before, name) {
            None => {
                let _ = writeln!(text, "  {name}: new\n{}", difference(&[], lines));
            }
            Some(old) if old != *lines => {
                let _ = writeln!(text, "  {name}\n{}", difference(&old, lines));
            }
            Some(_) => {}
        }
    }
    text
}

#[test]
fn each_option_changes_its_own_rules() -> Result<(), Unrendered> {
    let before = firewall(&base())?;
    let mut text = String::new();
    for (name, change) in CHANGES {
        let mut world = base();
        change(&mut world);
        let _ = writeln!(text, "{name}\n{}", changes(&before, &firewall(&world)?));
    }
    in_folder(|| insta::assert_snapshot!("options", text));
    Ok(())
}

/// Every bit in every rule is another, and nothing else changes.
#[test]
fn the_mark_mask_changes_the_marks() -> Result<(), Unrendered> {
    let mut world = base();
    world.configuration.mark_mask = 0x8000_001c;
    let text = |world: &World| -> Result<String, Unrendered> {
        let parts = parts(&firewall(world)?).into_iter();
        Ok(parts
            .flat_map(|(_, lines)| lines)
            .collect::<Vec<_>>()
            .join("\n"))
    };
    let mut expected = text(&base())?;
    for (before, after) in [
        ("0x7000000", "0x1c"),
        ("0x1000000", "0x4"),
        ("0x2000000", "0x8"),
        ("0x4000000", "0x10"),
    ] {
        assert!(expected.contains(before));
        expected = expected.replace(before, after);
    }
    assert_eq!(text(&world)?, expected);
    Ok(())
}

#[test]
fn without_ipv6_it_is_left_alone() -> Result<(), Unrendered> {
    let mut world = base();
    world.configuration.ipv6 = false;
    let (with, without) = (firewall(&base())?, firewall(&world)?);
    assert_eq!(without.v4, with.v4);
    assert!(without.v6.tables.is_empty() && !with.v6.tables.is_empty());
    let v4 = |name: &str| name.starts_with("cali4");
    assert!(without.sets.iter().all(|set| v4(&set.name)));
    assert!(with.sets.iter().any(|set| !v4(&set.name)));
    Ok(())
}

/// The prefix of what a logging rule writes is the option's.
#[test]
fn a_rule_that_logs_bears_the_prefix() -> Result<(), Unrendered> {
    use calidiff::calico::rule::{Action, Rule};
    let mut world = base();
    world.configuration.log_prefix = "other".to_owned();
    world.tiers[0].policies[0].ingress = vec![Rule::bare(Action::Log)];
    world.workloads[0].policies = applied(&[0]);
    let firewall = firewall(&world)?;
    let filter = firewall.v4.table(calidiff::xtables::TableName::Filter);
    let chain = filter.and_then(|table| table.chain("cali-pi-namespace-default"));
    let rules = chain.map(|chain| chain.rules.clone()).unwrap_or_default();
    let lines = rules
        .iter()
        .map(|rule| print_rule("c", rule, firewall.v4.family));
    let lines: Vec<String> = lines.collect();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with("-j LOG --log-prefix \"other: \" --log-level 5"));
    Ok(())
}
