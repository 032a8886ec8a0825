//! What the era can't say is refused, and so is what the tools refuse of what Felix writes.

use calidiff::calico::rule::{Action, Ports, Rule};
use calidiff::calico::world::{DefaultAction, HostInterface, Stage, World};
use calidiff::render::Unrendered;
use calidiff::render::seed::render;

use super::worlds::{crowded, host, net, node, slave1, tier, unprogrammable};

fn refusal(change: fn(&mut World)) -> String {
    let mut world = crowded();
    change(&mut world);
    match render(&world, &node()) {
        Ok(_) => "rendered".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn rule(world: &mut World) -> &mut Rule {
    let rules = &mut world.tiers[0].policies[1].ingress;
    rules.push(Rule::bare(Action::Allow));
    rules.last_mut().expect("a rule")
}

/// A change of the world, and what its refusal says.
type Case = (fn(&mut World), &'static str);

#[test]
fn a_world_of_another_era_is_refused() {
    let cases: [Case; 12] = [
        (|world| world.tiers.push(tier(Vec::new())), "2 tiers"),
        (
            |world| world.tiers[0].default_action = DefaultAction::Pass,
            "tier `default` passes",
        ),
        (
            |world| world.tiers[0].policies[0].stage = Stage::Forward,
            "`every-rule` is of applyOnForward",
        ),
        (
            |world| world.tiers[0].policies[0].stage = Stage::PreDnat,
            "of preDNAT",
        ),
        (
            |world| world.tiers[0].policies[0].governs_egress = false,
            "governs one direction",
        ),
        (
            |world| rule(world).source.nets = vec![net("10.0.0.0/8"), net("11.0.0.0/8")],
            "names 2 prefixes",
        ),
        (
            |world| rule(world).destination.not_nets = vec![net("::/1"), net("::/2")],
            "names 2 prefixes",
        ),
        (
            |world| rule(world).source.not_ports = vec![Ports::Named("http".to_owned())],
            "names port `http`",
        ),
        (
            |world| world.peers[0].members.push(net("10.0.0.0/31")),
            "the prefix 10.0.0.0/31",
        ),
        (
            |world| world.hosts.push(host("z", HostInterface::All, &[], &[])),
            "`z` is of all interfaces",
        ),
        (
            |world| world.workloads[0].allowed_sources.push(net("10.0.0.0/8")),
            "may send from 10.0.0.0/8",
        ),
        (
            |world| world.configuration.mark_mask = 0x3,
            "mark mask 0x3 has 2 bits; expected 3",
        ),
    ];
    for (change, expected) in cases {
        let refusal = refusal(change);
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn what_the_tools_refuse_is_not_programmed() {
    let expected = [
        "iptables-restore says: raw/cali-pi-_dqSXRTAbhNX4oD3A-lc rule 1: multiple -p flags",
        "iptables-restore says: raw/cali-pi-_dqSXRTAbhNX4oD3A-lc rule 1: multiple -s flags",
        "ip6tables-restore says: raw/cali-pi-_dqSXRTAbhNX4oD3A-lc rule 1: multiple -d flags",
        "filter/cali-wl-to-host rule 1: host/network `fd00::5' not found",
        "must be shorter than",
    ];
    let worlds = unprogrammable();
    assert_eq!(worlds.len(), expected.len());
    for ((name, world), expected) in worlds.into_iter().zip(expected) {
        match render(&world, &node()) {
            Err(refused @ Unrendered::NotProgrammed(_)) => {
                assert!(refused.to_string().contains(expected), "{refused}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_refusal_says_which_it_is() {
    let mut world = slave1();
    world.tiers.push(tier(Vec::new()));
    let refused = render(&world, &node());
    assert!(matches!(refused, Err(Unrendered::NotOfTheEra(_))));
}
