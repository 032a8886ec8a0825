//! What Felix hands to the tools and the typed rules are the same, whatever the world.

use calidiff::calico::rule::{
    Action, IcmpMessage, NamedProtocol, PortNumbers, Ports, Rule, RuleProtocol, Side,
};
use calidiff::calico::world::{PeersIndex, Profile, World};
use calidiff::import::verify;
use calidiff::packet::Family;
use calidiff::render::seed::draft;
use calidiff::xtables::{Ruleset, ipset, save};
use ipnet::IpNet;
use proptest::prelude::*;

use super::worlds::{self, all, node};
use super::{alone, both, print};

/// A ruleset without what only a text has: lines and counters.
fn bare(mut ruleset: Ruleset) -> Ruleset {
    for chain in ruleset
        .tables
        .iter_mut()
        .flat_map(|table| &mut table.chains)
    {
        chain.counters = None;
        for rule in &mut chain.rules {
            rule.line = 0;
        }
    }
    ruleset
}

/// Whether the text that Felix writes is read as the typed rules, and these read back and bear their
/// hashes; `false` where the tools refuse what Felix writes, and the typed rules say so.
fn holds(name: &str, world: &World) -> Result<bool, TestCaseError> {
    let failed = |error: String| TestCaseError::fail(format!("{name}: {error}"));
    let draft = draft(world, &node()).map_err(|error| failed(error.to_string()))?;
    let texts = Family::BOTH.map(|family| draft.text(family));
    let texts = Family::BOTH.into_iter().zip(texts);
    let read = texts.map(|(family, text)| save::parse("felix", &text, family));
    let read: Result<Vec<Ruleset>, _> = read.collect();
    let (rendered, read) = match (draft.program(), read) {
        (Ok(rendered), Ok(read)) => (rendered, read),
        (Err(_), Err(_)) => return Ok(false),
        (Ok(rendered), Err(error)) => {
            let reprint = both(&alone(rendered)).map(|typed| {
                let text = print(typed);
                save::parse("printed", &text, typed.family).is_err()
            });
            prop_assert!(
                reprint.contains(&true),
                "only the text is refused: {}",
                error
            );
            return Ok(false);
        }
        (Err(error), Ok(_)) => return Err(failed(format!("only the rules are refused: {error}"))),
    };
    let firewall = alone(rendered);
    for (typed, read) in both(&firewall).into_iter().zip(read) {
        let of_chains = |ruleset: &Ruleset| {
            let rules = bare(ruleset.clone());
            let tables = rules.tables.into_iter().map(|mut table| {
                table
                    .chains
                    .retain(|chain| !chain.rules.is_empty() || chain.policy.is_none());
                table.chains.sort_by(|one, other| one.name.cmp(&other.name));
                table
            });
            tables.collect::<Vec<_>>()
        };
        prop_assert_eq!(of_chains(typed), of_chains(&read), "{}", name);
        let text = print(typed);
        let again = save::parse("printed", &text, typed.family);
        let again = again.map_err(|error| failed(error.to_string()))?;
        let again = Ruleset {
            family: again.family,
            tables: bare(again).tables,
        };
        prop_assert_eq!(&again, typed, "{}", name);
        let verification = verify(&again);
        prop_assert_eq!(verification.findings, [], "{}:\n{}", name, text);
        prop_assert_eq!(verification.held, typed.rules().count());
    }
    let sets = ipset::parse("sets", &ipset::print_save(&firewall.sets));
    prop_assert_eq!(
        sets.map_err(|error| failed(error.to_string()))?,
        firewall.sets
    );
    Ok(true)
}

#[test]
fn text_and_rules_are_the_same_in_every_world() -> Result<(), TestCaseError> {
    for (name, world, _) in all() {
        prop_assert!(holds(name, &world)?, "{} is refused", name);
    }
    Ok(())
}

fn port_list() -> impl Strategy<Value = Vec<Ports>> {
    let port = prop_oneof![prop::sample::select(vec![0, 1, 80, 65535]), any::<u16>()];
    let range = (port.clone(), port).prop_filter_map("empty", |(first, last)| {
        let range = PortNumbers::new(first.min(last), first.max(last));
        Some(Ports::Numbers(range?))
    });
    prop_oneof![Just(Vec::new()), prop::collection::vec(range, 1..40)]
}

fn one_net() -> impl Strategy<Value = Vec<IpNet>> {
    let text = prop::sample::select(vec![
        "0.0.0.0/0",
        "10.1.2.3/8",
        "10.1.2.3/32",
        "::/0",
        "fd00::1/16",
        "::1.2.3.4/128",
    ]);
    let net = text.prop_map(worlds::net);
    prop_oneof![4 => Just(Vec::new()), 1 => net.prop_map(|net| vec![net])]
}

fn side() -> impl Strategy<Value = Side> {
    let peers = || prop::sample::subsequence(vec![PeersIndex(0), PeersIndex(1)], 0..=2);
    let fields = (
        one_net(),
        one_net(),
        port_list(),
        port_list(),
        peers(),
        peers(),
    );
    fields.prop_map(
        |(nets, not_nets, ports, not_ports, peers, not_peers)| Side {
            nets,
            not_nets,
            ports,
            not_ports,
            peers,
            not_peers,
            ..Side::default()
        },
    )
}

fn protocol() -> impl Strategy<Value = Option<RuleProtocol>> {
    let named = prop::sample::select(&NamedProtocol::ALL[..]).prop_map(RuleProtocol::Named);
    let number = (1_u8..=255).prop_map(RuleProtocol::Number);
    prop::option::of(prop_oneof![4 => named, 1 => number])
}

fn rule() -> impl Strategy<Value = Rule> {
    let actions = [Action::Allow, Action::Deny, Action::Pass, Action::Log];
    let message = (0_u8..=254, prop::option::of(any::<u8>()));
    let message = message.prop_map(|(kind, code)| IcmpMessage { kind, code });
    let message = || prop::option::weighted(0.2, message.clone());
    let family = prop::option::of(prop::sample::select(&Family::BOTH[..]));
    let fields = (
        prop::sample::select(actions.to_vec()),
        family,
        protocol(),
        prop::option::weighted(0.1, protocol()).prop_map(Option::flatten),
        message(),
        message(),
        side(),
        side(),
    );
    fields.prop_map(
        |(action, family, protocol, not_protocol, icmp, not_icmp, source, destination)| Rule {
            action,
            family,
            protocol,
            not_protocol,
            icmp,
            not_icmp,
            source,
            destination,
            ..Rule::bare(action)
        },
    )
}

/// The same without what the tools refuse.
fn takeable(rule: Rule) -> Rule {
    let has_ports = rule
        .protocol
        .is_some_and(|protocol| protocol.protocol().has_ports());
    let side = |side: Side| {
        let not_nets = if side.nets.is_empty() {
            side.not_nets
        } else {
            Vec::new()
        };
        let [ports, not_ports] = match has_ports {
            true => [side.ports, side.not_ports],
            false => [Vec::new(), Vec::new()],
        };
        Side {
            not_nets,
            ports,
            not_ports,
            ..side
        }
    };
    Rule {
        not_protocol: rule.not_protocol.filter(|_| rule.protocol.is_none()),
        source: side(rule.source),
        destination: side(rule.destination),
        ..rule
    }
}

/// A world with these rules in a policy and in a profile.
fn with(rules: Vec<Rule>) -> World {
    let mut world = worlds::crowded();
    world.tiers[0].policies[0].ingress.clone_from(&rules);
    let profile = Profile {
        ingress: Vec::new(),
        egress: rules,
    };
    world.profiles.insert("first".to_owned(), profile);
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn text_and_rules_are_the_same_for_every_rule(rules in prop::collection::vec(rule(), 1..4)) {
        holds("any rules", &with(rules))?;
    }

    #[test]
    fn rules_that_the_tools_take_are_rendered(rules in prop::collection::vec(rule(), 1..6)) {
        let rules: Vec<Rule> = rules.into_iter().map(takeable).collect();
        prop_assert!(holds("rules to be taken", &with(rules))?);
    }
}
