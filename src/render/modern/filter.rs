//! The filter table (felix, rules/static.go).

use super::endpoint::{self, HostChain};
use super::ground::Ground;
use super::host::{self, HostTree};
use super::marks;
use super::names::{self, Direction};
use super::policy;
use super::statics::{
    TUNNEL_UDP, accepted, accepted_by_host, clear, failsafe_chains, in_set, version,
};
use super::tiers::Point;
use crate::calico::configuration::modern::ServiceLoops;
use crate::calico::rule::RuleProtocol;
use crate::packet::{Family, InterfaceName};
use crate::render::dispatch::{By, Dispatch, unknown};
use crate::render::fragment::{Action, End, Fragment, Network};
use crate::render::pieces::{jump, port, protocol};
use crate::render::table::{FelixChain, FelixRule, FelixTable};
use crate::render::to_host::workload_to_host;
use crate::xtables::matches::States;
use crate::xtables::{Hook, Not, TableName};

/// Felix writes the protocols of its own tunnels as numbers.
const IP_IN_IP: RuleProtocol = RuleProtocol::Number(4);

pub(super) fn table(ground: &Ground<'_>, family: Family, policies: Vec<FelixChain>) -> FelixTable {
    let mut chains = policies;
    chains.extend(policy::profile_chains(ground, family, &Direction::BOTH));
    chains.extend([
        FelixChain::new("cali-INPUT", input(ground, family)),
        FelixChain::new("cali-FORWARD", forward(ground)),
        FelixChain::new("cali-OUTPUT", output(ground, family)),
        FelixChain::new(
            names::WORKLOAD_TO_HOST,
            workload_to_host(
                &ground.world.configuration,
                ground.openstack,
                family,
                &ground.filter_allow(),
            ),
        ),
        FelixChain::new(names::CIDR_BLOCK, cidr_block(ground, family)),
    ]);
    chains.extend(failsafe_chains(ground, family, false));
    chains.extend(marks::chains(
        ground,
        &names::set_name(family, names::THIS_HOST),
    ));
    chains.extend(workload_chains(ground));
    chains.extend(host_chains(ground));
    let hooks = [Hook::Input, Hook::Forward, Hook::Output];
    let table = FelixTable::new(TableName::Filter, &hooks, chains);
    // Behind other programs' rules: what policy has accepted, and else what none has anything against.
    let explicitly = accepted(ground, ground.filter_allow());
    table.appending(
        Hook::Forward,
        vec![
            explicitly.saying("Policy explicitly accepted packet."),
            FelixRule::always(Action::SetMark(ground.bits.accept)),
        ],
    )
}

fn input(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = tunnels_in(ground, family);
    rules.extend(marks::input(ground));
    rules.extend(ground.workload_patterns().map(|pattern| {
        let to_host = Action::Goto(names::WORKLOAD_TO_HOST.to_owned());
        FelixRule::when([Fragment::InInterface(pattern)], to_host)
    }));
    rules.push(accepted(ground, ground.filter_allow()));
    rules.push(clear(ground));
    rules.push(jump(names::FROM_HOST_ENDPOINT));
    rules.push(accepted_by_host(ground, ground.filter_allow()));
    rules
}

/// What other nodes send through tunnels to this one.
fn tunnels_in(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = Vec::new();
    let (version, denies) = (version(family), ground.denies());
    if ground.wraps_in_ip(family) {
        let hosts = in_set(family, End::Source, names::ALL_HOSTS);
        let from_hosts = [protocol(IP_IN_IP), hosts, Fragment::DestinationIsLocal];
        let allow = FelixRule::when(from_hosts, ground.filter_allow());
        rules.push(allow.saying("Allow IPIP packets from Calico hosts"));
        let deny = FelixRule::when([protocol(IP_IN_IP)], ground.deny());
        rules.push(deny.saying(format!("{denies} IPIP packets from non-Calico hosts")));
    }
    if ground.world.wraps_in_vxlan(family) {
        let vxlan = || {
            [
                protocol(TUNNEL_UDP),
                port(End::Destination, ground.told.vxlan_port),
            ]
        };
        let mut from_hosts = vxlan().to_vec();
        from_hosts.push(in_set(family, End::Source, names::ALL_VXLAN));
        from_hosts.push(Fragment::DestinationIsLocal);
        let allow = FelixRule::when(from_hosts, ground.filter_allow());
        let says = format!("Allow IPv{version} VXLAN packets from allowed hosts");
        rules.push(allow.saying(says));
        let mut others = vxlan().to_vec();
        others.push(Fragment::DestinationIsLocal);
        // What IPv4's rule does hangs on no option, unlike IPv6's.
        let (action, denies) = match family {
            Family::V4 => (Action::Drop, "Drop"),
            Family::V6 => (ground.deny(), denies),
        };
        let deny = FelixRule::when(others, action);
        let says = format!("{denies} IPv{version} VXLAN packets from non-allowed hosts");
        rules.push(deny.saying(says));
    }
    if let Some(number) = wireguard_port(ground, family) {
        let asks = [
            protocol(TUNNEL_UDP),
            port(End::Destination, number),
            Fragment::DestinationIsLocal,
        ];
        let allow = FelixRule::when(asks, ground.filter_allow());
        let says = format!("Allow incoming IPv{version} Wireguard packets");
        rules.push(allow.saying(says));
    }
    rules
}

/// What this node sends through tunnels to others.
fn tunnels_out(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = Vec::new();
    let version = version(family);
    if ground.wraps_in_ip(family) {
        let asks = [
            protocol(IP_IN_IP),
            in_set(family, End::Destination, names::ALL_HOSTS),
            Fragment::SourceIsLocal,
        ];
        let allow = FelixRule::when(asks, ground.filter_allow());
        rules.push(allow.saying("Allow IPIP packets to other Calico hosts"));
    }
    if ground.world.wraps_in_vxlan(family) {
        let asks = [
            protocol(TUNNEL_UDP),
            port(End::Destination, ground.told.vxlan_port),
            Fragment::SourceIsLocal,
            in_set(family, End::Destination, names::ALL_VXLAN),
        ];
        let allow = FelixRule::when(asks, ground.filter_allow());
        let says = format!("Allow IPv{version} VXLAN packets to other allowed hosts");
        rules.push(allow.saying(says));
    }
    if let Some(number) = wireguard_port(ground, family) {
        let asks = [
            protocol(TUNNEL_UDP),
            port(End::Destination, number),
            Fragment::SourceIsLocal,
        ];
        let allow = FelixRule::when(asks, ground.filter_allow());
        let says = format!("Allow outgoing IPv{version} Wireguard packets");
        rules.push(allow.saying(says));
    }
    rules
}

fn wireguard_port(ground: &Ground<'_>, family: Family) -> Option<u16> {
    let wireguard = &ground.told.wireguard;
    match family {
        Family::V4 => wireguard.v4.then_some(wireguard.port),
        Family::V6 => wireguard.v6.then_some(wireguard.port_v6),
    }
}

fn forward(ground: &Ground<'_>) -> Vec<FelixRule> {
    let bits = ground.bits;
    // What mangle has accepted stays so.
    let clear = FelixRule::always(Action::ClearMark(bits.all_but_accept()));
    let undecided = [Fragment::Unmarked(bits.accept)];
    let from_host = Action::Jump(names::FROM_HOST_FORWARD.to_owned());
    let mut rules = vec![clear, FelixRule::when(undecided, from_host)];
    rules.extend(ground.workload_patterns().flat_map(|pattern| {
        let from = Action::Jump(names::FROM_WORKLOAD_DISPATCH.to_owned());
        let to = Action::Jump(names::TO_WORKLOAD_DISPATCH.to_owned());
        [
            FelixRule::when([Fragment::InInterface(pattern.clone())], from),
            FelixRule::when([Fragment::OutInterface(pattern)], to),
        ]
    }));
    rules.push(jump(names::TO_HOST_FORWARD));
    rules.push(jump(names::CIDR_BLOCK));
    rules
}

fn output(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = vec![accepted(ground, ground.filter_allow())];
    if let Some(marks) = &ground.marks {
        let forwarded = Fragment::Mark(Not::negated(0), marks.mask);
        let forward = Action::Goto(names::FORWARD_ENDPOINT_MARK.to_owned());
        rules.push(FelixRule::when([forwarded], forward));
    }
    rules.extend(
        ground
            .workload_patterns()
            .map(|pattern| FelixRule::when([Fragment::OutInterface(pattern)], Action::Return)),
    );
    rules.extend(tunnels_out(ground, family));
    rules.push(clear(ground));
    // What is translated leaves elsewhere than it seems: mangle asks about that.
    let untranslated = Fragment::NotStates(States::DNAT);
    let dispatch = Action::Jump(names::TO_HOST_ENDPOINT.to_owned());
    rules.push(FelixRule::when([untranslated], dispatch));
    rules.push(accepted_by_host(ground, ground.filter_allow()));
    rules
}

/// Packets to services' addresses that nothing has translated would go round between the node and its
/// router.
fn cidr_block(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let action = match ground.told.service_loops {
        ServiceLoops::Drop => Action::Drop,
        ServiceLoops::Reject => Action::Reject,
        ServiceLoops::Disabled => return Vec::new(),
    };
    let nets = ground.told.service_nets.iter();
    let own = nets.filter(|net| Family::of(net.addr()) == family);
    let rules = own.map(|net| {
        let to = Fragment::Address(End::Destination, Not::is(Network::Prefix(*net)));
        FelixRule::when([to], action.clone())
    });
    rules.collect()
}

fn workload_chains(ground: &Ground<'_>) -> Vec<FelixChain> {
    let interfaces: Vec<InterfaceName> = ground.workloads.keys().copied().collect();
    let from = Dispatch {
        root: names::FROM_WORKLOAD_DISPATCH,
        endpoints: names::FROM_WORKLOAD,
        by: By::In,
        end: unknown(ground.deny()),
    };
    let to = Dispatch {
        root: names::TO_WORKLOAD_DISPATCH,
        endpoints: names::TO_WORKLOAD,
        by: By::Out,
        end: unknown(ground.deny()),
    };
    let mut chains = from.render(&interfaces);
    chains.extend(to.render(&interfaces));
    let workloads = ground.workloads.iter();
    chains.extend(
        workloads.flat_map(|(interface, workload)| {
            endpoint::workload_chains(ground, *interface, workload)
        }),
    );
    chains
}

fn host_chains(ground: &Ground<'_>) -> Vec<FelixChain> {
    use Direction::{Egress, Ingress};
    let trees = [
        (
            (names::FROM_HOST_ENDPOINT, By::In),
            (names::FROM_HOST, Point::Normal, Ingress),
        ),
        (
            (names::TO_HOST_ENDPOINT, By::Out),
            (names::TO_HOST, Point::Normal, Egress),
        ),
        (
            (names::FROM_HOST_FORWARD, By::In),
            (names::FROM_HOST_FORWARD_ENDPOINT, Point::Forward, Ingress),
        ),
        (
            (names::TO_HOST_FORWARD, By::Out),
            (names::TO_HOST_FORWARD_ENDPOINT, Point::Forward, Egress),
        ),
    ];
    let chains = trees.into_iter().flat_map(|(tree, chain)| {
        let (root, by) = tree;
        let (prefix, point, direction) = chain;
        let tree = HostTree {
            root,
            by,
            chain: HostChain {
                prefix,
                point,
                direction,
                allow: ground.filter_allow(),
            },
            spares_workloads: false,
        };
        host::chains(ground, &tree, |_| true)
    });
    chains.collect()
}
