//! One thing changed in a scenario: something left out, doubled, moved, made wider or narrower by one, or
//! put there from another scenario; and other packets.
//!
//! What comes out may be something that the API refuses: whoever writes it finds that out by reading it.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::input::{PACKETS, traffic, undisturbed};
use crate::arm::plan::Plan;
use crate::calico::Resources;
use crate::calico::resources::policy::Rule;
use crate::calico::resources::{Order, Policy, Profile};
use crate::calico::rule::{Action, PortNumbers, Ports};
use crate::diff::shrink::Case as _;
use crate::generate::bits::{Bits, Seeded};
use crate::generate::world::{self, Dials};
use crate::packet::Transport;
use crate::render::Layout;
use crate::render::ports::SLOTS;
use crate::scenario::Scenario;

/// A scenario of a layout with one thing changed, or the same where there is no such thing.
pub(super) fn alter(layout: Layout, mut scenario: Scenario, bits: &mut Seeded) -> Scenario {
    match bits.below(12) {
        0 | 1 => return left_out(scenario, bits),
        2 => shift_packet(&mut scenario, bits),
        3 => other_packets(layout, &mut scenario, bits),
        kind => {
            if let Some(resources) = &mut scenario.resources {
                match kind {
                    4 => transplant(resources, bits),
                    5 => reorder(resources, bits),
                    _ => alter_rules(resources, bits),
                }
                // Packets are aimed at what the rules ask: at what they ask now.
                if bits.chance(1, 2) {
                    other_packets(layout, &mut scenario, bits);
                }
            }
        }
    }
    scenario
}

/// Up to three things less, of all that a scenario can do without.
fn left_out(scenario: Scenario, bits: &mut Seeded) -> Scenario {
    let parts = scenario.parts();
    let count = 1 + bits.below(3);
    let less: Vec<usize> = (0..count)
        .filter_map(|_| bits.pick(&parts).copied())
        .collect();
    scenario.without(&less).unwrap_or(scenario)
}

/// A packet with a port one higher or lower, or a port of a rule's edge.
fn shift_packet(scenario: &mut Scenario, bits: &mut Seeded) {
    let count = scenario.batch.packets.len();
    let place = bits.below(count);
    let Some(packet) = scenario.batch.packets.get_mut(place) else {
        return;
    };
    let ports = match &mut packet.transport {
        Transport::Tcp(tcp) => &mut tcp.ports,
        Transport::Udp(ports) | Transport::UdpLite(ports) | Transport::Sctp { ports, .. } => ports,
        Transport::Icmp(icmp) => {
            icmp.code = icmp.code.wrapping_add(1);
            return;
        }
        Transport::Other(_) => return,
    };
    let port = match bits.chance(1, 3) {
        true => &mut ports.source,
        false => &mut ports.destination,
    };
    *port = shifted(*port, bits);
}

/// Packets made for what is programmed now, half of them or all.
fn other_packets(layout: Layout, scenario: &mut Scenario, bits: &mut Seeded) {
    let Ok(plan) = Plan::new(layout, scenario) else {
        return;
    };
    let Some(traffic) = traffic(layout, &plan) else {
        return;
    };
    let kept = match bits.chance(1, 2) {
        true => scenario.batch.packets.len() / 2,
        false => 0,
    };
    let shots = traffic.shots(bits, PACKETS.saturating_sub(kept));
    scenario.batch.packets.truncate(kept);
    scenario.batch = undisturbed(&plan, &scenario.batch, shots);
}

/// A policy, a profile or the settings from another scenario.
fn transplant(resources: &mut Resources, bits: &mut Seeded) {
    let other = world::scenario(bits, &Dials::default(), resources.api);
    let Some(other) = other.resources else {
        return;
    };
    match bits.below(3) {
        0 => transplant_policy(resources, &other.policies, bits),
        1 => transplant_profile(resources, &other.profiles, bits),
        _ => resources.configurations = other.configurations,
    }
}

fn transplant_policy(resources: &mut Resources, others: &[Policy], bits: &mut Seeded) {
    let Some(other) = bits.pick(others).cloned() else {
        return;
    };
    let place = bits.below(resources.policies.len() + 1);
    match resources.policies.get_mut(place) {
        Some(policy) => {
            let name = std::mem::take(&mut policy.name);
            *policy = Policy { name, ..other };
        }
        None => resources.policies.push(other),
    }
}

fn transplant_profile(resources: &mut Resources, others: &[Profile], bits: &mut Seeded) {
    let Some(other) = bits.pick(others).cloned() else {
        return;
    };
    let place = bits.below(resources.profiles.len());
    if let Some(profile) = resources.profiles.get_mut(place) {
        let name = std::mem::take(&mut profile.name);
        *profile = Profile { name, ..other };
    }
}

/// Policies in another order.
fn reorder(resources: &mut Resources, bits: &mut Seeded) {
    let place = bits.below(resources.policies.len());
    let orders: Vec<Option<Order>> = resources.policies.iter().map(|one| one.order).collect();
    let Some(policy) = resources.policies.get_mut(place) else {
        return;
    };
    policy.order = match bits.below(4) {
        0 => None,
        1 => bits.pick(&orders).copied().flatten(),
        _ => Some(bits.one([-1, 0, 1, 10, 100, 1000]).into()),
    };
}

/// One list of rules changed: a policy's or profile's, of either direction.
fn alter_rules(resources: &mut Resources, bits: &mut Seeded) {
    let policies = resources.policies.iter_mut();
    let policies = policies.flat_map(|one| [&mut one.ingress, &mut one.egress]);
    let profiles = resources.profiles.iter_mut();
    let profiles = profiles.flat_map(|one| [&mut one.ingress, &mut one.egress]);
    let mut lists: Vec<&mut Vec<Rule>> = policies.chain(profiles).collect();
    let place = bits.below(lists.len());
    let Some(rules) = lists.get_mut(place) else {
        return;
    };
    let (place, other) = (bits.below(rules.len()), bits.below(rules.len()));
    let Some(rule) = rules.get(place).cloned() else {
        rules.push(Rule::bare(action(bits)));
        return;
    };
    match bits.below(8) {
        0 => drop(rules.remove(place)),
        1 => rules.insert(other, rule),
        2 => rules.swap(place, other),
        3 => rules[place].action = action(bits),
        _ => alter_rule(&mut rules[place], bits),
    }
}

fn action(bits: &mut Seeded) -> Action {
    bits.one([Action::Allow, Action::Deny, Action::Pass, Action::Log])
}

/// What a rule asks, changed at an edge or turned into its opposite.
fn alter_rule(rule: &mut Rule, bits: &mut Seeded) {
    let side = match bits.chance(1, 2) {
        true => &mut rule.source,
        false => &mut rule.destination,
    };
    match bits.below(8) {
        0 => std::mem::swap(&mut side.ports, &mut side.not_ports),
        1 => std::mem::swap(&mut side.nets, &mut side.not_nets),
        2 => std::mem::swap(&mut side.selector, &mut side.not_selector),
        3 => std::mem::swap(&mut side.tag, &mut side.not_tag),
        4 => std::mem::swap(&mut rule.icmp, &mut rule.not_icmp),
        5 => {
            alter_net(&mut side.nets, bits);
            alter_net(&mut side.not_nets, bits);
        }
        _ => {
            alter_ports(&mut side.ports, bits);
            alter_ports(&mut side.not_ports, bits);
        }
    }
}

/// A prefix one longer or shorter.
fn alter_net(nets: &mut [IpNet], bits: &mut Seeded) {
    let place = bits.below(nets.len());
    let Some(net) = nets.get_mut(place) else {
        return;
    };
    let length = match bits.chance(1, 2) {
        true => net.prefix_len().saturating_sub(1),
        false => (net.prefix_len() + 1).min(net.max_prefix_len()),
    };
    let other = match net.addr() {
        IpAddr::V4(address) => Ipv4Net::new(address, length).map(|net| IpNet::V4(net.trunc())),
        IpAddr::V6(address) => Ipv6Net::new(address, length).map(|net| IpNet::V6(net.trunc())),
    };
    *net = other.unwrap_or(*net);
}

/// A range with another edge, or one range more: up to what a rule has room for, and one beyond.
fn alter_ports(list: &mut Vec<Ports>, bits: &mut Seeded) {
    let place = bits.below(list.len());
    let Some(Ports::Numbers(numbers)) = list.get(place).cloned() else {
        return;
    };
    let (first, last) = (numbers.first(), numbers.last());
    let (first, last) = match bits.below(3) {
        0 => (shifted(first, bits), last),
        1 => (first, shifted(last, bits)),
        _ => {
            let wanted = bits.one([1, SLOTS - 1, SLOTS, SLOTS + 1]);
            let missing = wanted.saturating_sub(list.len());
            let more = (0..missing).map(|_| PortNumbers::one(shifted(last, bits)));
            list.extend(more.map(Ports::Numbers).collect::<Vec<_>>());
            return;
        }
    };
    list[place] = Ports::Numbers(PortNumbers::new(first, last).unwrap_or(numbers));
}

/// A port one higher or lower, at an end, or any.
fn shifted(port: u16, bits: &mut Seeded) -> u16 {
    match bits.below(6) {
        0 | 1 => port.saturating_add(1),
        2 | 3 => port.saturating_sub(1),
        4 => bits.one([0, 1, 65_534, 65_535]),
        _ => u16::try_from(bits.below(65_536)).unwrap_or(port),
    }
}
