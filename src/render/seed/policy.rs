//! The chains of policies and profiles (felix 2.1.1, rules/policy.go).
//!
//! A policy's or profile's rules follow each other as written. A rule becomes, for each piece of its
//! source ports and each piece of its destination ports, what it asks and what it does: allow and
//! pass set their bit and return if it is set, deny drops, log logs and goes on.

use super::ground::Ground;
use super::names::{self, Direction};
use crate::calico::rule::{Action as RuleAction, PortNumbers, Ports, Rule, Side};
use crate::calico::world::{PeersIndex, Profile};
use crate::packet::Family;
use crate::render::fragment::{Action, End, Fragment, Network};
use crate::render::ports::{PortList, split};
use crate::render::table::{FelixChain, FelixRule};
use crate::xtables::Not;

/// The chains of the policies that apply to some endpoint.
pub(super) fn policy_chains(ground: &Ground<'_>, family: Family) -> Vec<FelixChain> {
    let policies = ground.policies.iter();
    let chains = policies.flat_map(|policy| {
        Direction::BOTH.map(|direction| {
            let rules = match direction {
                Direction::Ingress => &policy.ingress,
                Direction::Egress => &policy.egress,
            };
            let name = direction.policy_chain(&policy.name);
            FelixChain::new(name, render_rules(ground, rules, family))
        })
    });
    chains.collect()
}

/// The chains of the profiles that some endpoint names.
pub(super) fn profile_chains(ground: &Ground<'_>, family: Family) -> Vec<FelixChain> {
    let none = Profile::default();
    let mut chains = Vec::new();
    for (name, profile) in &ground.profiles {
        let profile = profile.unwrap_or(&none);
        for direction in Direction::BOTH {
            let rules = match direction {
                Direction::Ingress => &profile.ingress,
                Direction::Egress => &profile.egress,
            };
            let rules = render_rules(ground, rules, family);
            chains.push(FelixChain::new(direction.profile_chain(name), rules));
        }
    }
    chains
}

fn render_rules(ground: &Ground<'_>, rules: &[Rule], family: Family) -> Vec<FelixRule> {
    let mut rendered = Vec::new();
    for rule in rules.iter().filter(|rule| concerns(rule, family)) {
        let [sources, destinations] = [&rule.source, &rule.destination].map(pieces);
        for source in &sources {
            for destination in &destinations {
                let asks = asks(ground, rule, family, [source, destination]);
                act(ground, rule.action, asks, &mut rendered);
            }
        }
    }
    rendered
}

/// A rule that says its family, or names a prefix of one, concerns no other; that its protocol
/// belongs to one is not looked at.
fn concerns(rule: &Rule, family: Family) -> bool {
    let sides = [&rule.source, &rule.destination];
    let nets = sides.map(|side| side.nets.iter().chain(&side.not_nets));
    let mut nets = nets.into_iter().flatten();
    rule.family.is_none_or(|only| only == family)
        && nets.all(|net| Family::of(net.addr()) == family)
}

/// The ports of one end, cut to size; of no ports, one piece that asks nothing.
fn pieces(side: &Side) -> Vec<Option<PortList>> {
    match side.ports.is_empty() {
        true => vec![None],
        false => split(&numbers(&side.ports)).into_iter().map(Some).collect(),
    }
}

fn numbers(ports: &[Ports]) -> Vec<PortNumbers> {
    let numbers = ports.iter().filter_map(|ports| match ports {
        Ports::Numbers(numbers) => Some(*numbers),
        Ports::Named(_) => None,
    });
    numbers.collect()
}

/// What a rule asks, in the order in which it is hashed: first all that is to hold, then all that is
/// not to.
fn asks(
    ground: &Ground<'_>,
    rule: &Rule,
    family: Family,
    ports: [&Option<PortList>; 2],
) -> Vec<Fragment> {
    let ends = [
        (End::Source, &rule.source),
        (End::Destination, &rule.destination),
    ];
    let mut asks = Vec::new();
    let protocol = rule
        .protocol
        .map(|protocol| Fragment::Protocol(Not::is(protocol)));
    asks.extend(protocol);
    for ((end, side), ports) in ends.into_iter().zip(ports) {
        let nets = side.nets.iter().map(|net| Network::Prefix(*net));
        asks.extend(nets.map(|net| Fragment::Address(end, Not::is(net))));
        let sets = side.peers.iter().map(|index| set(ground, *index, family));
        asks.extend(sets.map(|set| Fragment::Set(end, Not::is(set))));
        let ports = ports.iter().cloned();
        asks.extend(ports.map(|ports| Fragment::Ports(end, Not::is(ports))));
    }
    let icmp = rule.icmp.map(|icmp| Fragment::Icmp(family, Not::is(icmp)));
    asks.extend(icmp);
    let protocol = rule.not_protocol;
    asks.extend(protocol.map(|protocol| Fragment::Protocol(Not::negated(protocol))));
    for (end, side) in ends {
        let nets = side.not_nets.iter().map(|net| Network::Prefix(*net));
        asks.extend(nets.map(|net| Fragment::Address(end, Not::negated(net))));
        let sets = side.not_peers.iter();
        let sets = sets.map(|index| set(ground, *index, family));
        asks.extend(sets.map(|set| Fragment::Set(end, Not::negated(set))));
        let ports = split(&numbers(&side.not_ports)).into_iter();
        asks.extend(ports.map(|ports| Fragment::Ports(end, Not::negated(ports))));
    }
    let icmp = rule.not_icmp;
    asks.extend(icmp.map(|icmp| Fragment::Icmp(family, Not::negated(icmp))));
    asks
}

fn set(ground: &Ground<'_>, index: PeersIndex, family: Family) -> String {
    let id = ground.peers.get(&index).map_or("", String::as_str);
    names::set_name(family, id)
}

fn act(
    ground: &Ground<'_>,
    action: RuleAction,
    asks: Vec<Fragment>,
    rendered: &mut Vec<FelixRule>,
) {
    let bit = match action {
        RuleAction::Allow => ground.bits.accept,
        RuleAction::Pass => ground.bits.pass,
        RuleAction::Deny => {
            rendered.push(FelixRule::when(asks, Action::Drop));
            return;
        }
        RuleAction::Log => {
            let prefix = format!("{}: ", ground.world.configuration.log_prefix);
            rendered.push(FelixRule::when(asks, Action::Log(prefix)));
            return;
        }
    };
    rendered.push(FelixRule::when(asks, Action::SetMark(bit)));
    rendered.push(FelixRule::when([Fragment::Marked(bit)], Action::Return));
}
