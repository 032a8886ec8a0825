//! The raw table (felix, rules/static.go): it tells the workloads' packets from others, checks that they
//! come from whom they say, and asks the host endpoints' untracked policies.

use super::endpoint::{HostChain, has_tiers};
use super::ground::Ground;
use super::host::{self, HostTree};
use super::names::{self, Direction};
use super::statics::{accepted, clear, failsafe_chains};
use super::tiers::Point;
use crate::packet::Family;
use crate::render::dispatch::By;
use crate::render::fragment::{Action, End, Fragment, Network};
use crate::render::pieces::{UDP, address, jump, port, protocol};
use crate::render::table::{FelixChain, FelixRule, FelixTable};
use crate::xtables::ruleset::InterfacePattern;
use crate::xtables::{Hook, Not, TableName};
use std::net::{IpAddr, Ipv4Addr};

pub(super) fn table(ground: &Ground<'_>, family: Family, policies: Vec<FelixChain>) -> FelixTable {
    let mut chains = policies;
    chains.push(FelixChain::new(
        "cali-PREROUTING",
        prerouting(ground, family),
    ));
    chains.push(FelixChain::new("cali-OUTPUT", output(ground, family)));
    chains.push(FelixChain::new(names::RPF_SKIP, rpf_skip(ground, family)));
    chains.push(FelixChain::new(
        names::WIREGUARD_INCOMING,
        wireguard_incoming(ground),
    ));
    chains.extend(failsafe_chains(ground, family, true));
    chains.extend(host_chains(ground));
    FelixTable::new(TableName::Raw, &[Hook::Prerouting, Hook::Output], chains)
}

fn prerouting(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let bits = ground.bits;
    let from_workload = bits.scratch0;
    let mut rules = vec![clear(ground)];
    let wireguard = &ground.told.wireguard;
    if wireguard.enabled() && wireguard.host_encryption {
        rules.push(jump(names::WIREGUARD_INCOMING));
    }
    rules.extend(no_tracking_of_vxlan(ground, family));
    rules.extend(ground.workload_patterns().map(|pattern| {
        let mark = Action::SetMark(from_workload);
        FelixRule::when([Fragment::InInterface(pattern)], mark)
    }));
    let of_workloads = Fragment::Marked(from_workload);
    let skip = Action::Jump(names::RPF_SKIP.to_owned());
    rules.push(FelixRule::when([of_workloads.clone()], skip));
    if ground.openstack.active && family == Family::V4 {
        // Virtual machines ask for their address before they have one.
        let asks = [
            address(End::Source, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            protocol(UDP),
            port(End::Source, 68),
            port(End::Destination, 67),
        ];
        rules.push(FelixRule::when(asks, Action::Accept));
    }
    let strays = [of_workloads, Fragment::ReversePathFailsByMark];
    rules.push(FelixRule::when(strays, ground.deny()));
    let others = [Fragment::Unmarked(from_workload)];
    let dispatch = Action::Jump(names::FROM_HOST_ENDPOINT.to_owned());
    rules.push(FelixRule::when(others, dispatch));
    rules.push(accepted(ground, Action::Accept));
    rules
}

fn output(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = vec![clear(ground), jump(names::TO_HOST_ENDPOINT)];
    rules.extend(no_tracking_of_vxlan(ground, family));
    rules.push(accepted(ground, Action::Accept));
    rules
}

/// VXLAN chooses a source port by flow: tracked, each would be a connection.
fn no_tracking_of_vxlan(ground: &Ground<'_>, family: Family) -> Option<FelixRule> {
    let asks = [protocol(UDP), Fragment::UdpPort(ground.told.vxlan_port)];
    let rule = FelixRule::when(asks, Action::Notrack);
    ground.world.wraps_in_vxlan(family).then_some(rule)
}

/// Prefixes from which workloads may send besides their addresses.
fn rpf_skip(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let workloads = ground.workloads.iter();
    let rules = workloads.flat_map(|(interface, workload)| {
        let allowed = workload.allowed_sources.iter();
        let allowed = allowed.filter(|net| Family::of(net.addr()) == family);
        allowed.map(|net| {
            let asks = [
                Fragment::InInterface(InterfacePattern::Exactly(*interface)),
                Fragment::Address(End::Source, Not::is(Network::Prefix(*net))),
            ];
            FelixRule::when(asks, Action::Accept)
        })
    });
    rules.collect()
}

/// What comes in neither from the node itself nor from a workload nor by `WireGuard`: its answers go back
/// outside of the tunnel.
fn wireguard_incoming(ground: &Ground<'_>) -> Vec<FelixRule> {
    let Some(bit) = ground.bits.wireguard else {
        return Vec::new();
    };
    let wireguard = &ground.told.wireguard;
    let own = ["lo", &wireguard.interface, &wireguard.interface_v6].map(pattern);
    let patterns = own.into_iter().chain(ground.workload_patterns());
    let mut rules: Vec<FelixRule> = patterns
        .map(|pattern| FelixRule::when([Fragment::InInterface(pattern)], Action::Return))
        .collect();
    rules.push(FelixRule::always(Action::SetMark(bit)));
    rules
}

/// An interface of this name, or those that begin so, if a `+` ends it.
pub(super) fn pattern(name: &str) -> InterfacePattern {
    match (name.strip_suffix('+'), name.parse()) {
        (Some(prefix), _) => InterfacePattern::Prefix(prefix.to_owned()),
        (None, Ok(name)) => InterfacePattern::Exactly(name),
        (None, Err(_)) => InterfacePattern::Unnameable(name.to_owned()),
    }
}

/// Only interfaces whose host endpoint has untracked policies are led anywhere.
fn host_chains(ground: &Ground<'_>) -> Vec<FelixChain> {
    let trees = [
        (
            names::FROM_HOST_ENDPOINT,
            By::In,
            names::FROM_HOST,
            Direction::Ingress,
        ),
        (
            names::TO_HOST_ENDPOINT,
            By::Out,
            names::TO_HOST,
            Direction::Egress,
        ),
    ];
    let chains = trees.into_iter().flat_map(|(root, by, prefix, direction)| {
        let tree = HostTree {
            root,
            by,
            chain: HostChain {
                prefix,
                point: Point::Untracked,
                direction,
                allow: Action::Accept,
            },
            spares_workloads: false,
        };
        host::chains(ground, &tree, |host| {
            has_tiers(ground, host, Point::Untracked)
        })
    });
    chains.collect()
}
