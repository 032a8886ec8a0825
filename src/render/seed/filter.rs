//! The filter table (felix 2.1.1, rules/static.go).

use super::endpoint;
use super::ground::Ground;
use super::names;
use super::policy;
use super::statics::{failsafe_chains, host_dispatch};
use crate::calico::rule::RuleProtocol;
use crate::calico::world::Stage;
use crate::packet::{Family, InterfaceName};
use crate::render::dispatch::{By, Dispatch, unknown};
use crate::render::fragment::{Action, End, Fragment};
use crate::render::pieces::{jump, protocol};
use crate::render::table::{FelixChain, FelixRule, FelixTable};
use crate::render::to_host::workload_to_host;
use crate::xtables::matches::States;
use crate::xtables::{Hook, Not, TableName};

/// Felix writes the protocols of its own tunnels as numbers.
const IP_IN_IP: RuleProtocol = RuleProtocol::Number(4);

pub(super) fn table(ground: &Ground<'_>, family: Family, policies: Vec<FelixChain>) -> FelixTable {
    let mut chains = policies;
    chains.extend(policy::profile_chains(ground, family));
    chains.extend([
        FelixChain::new("cali-INPUT", input(ground, family)),
        FelixChain::new("cali-FORWARD", forward(ground)),
        FelixChain::new("cali-OUTPUT", output(ground)),
        FelixChain::new(
            names::WORKLOAD_TO_HOST,
            workload_to_host(
                &ground.world.configuration,
                ground.openstack,
                family,
                &Action::Accept,
            ),
        ),
    ]);
    chains.extend(failsafe_chains(ground));
    chains.extend(workload_chains(ground));
    chains.extend(host_chains(ground));
    let hooks = [Hook::Input, Hook::Forward, Hook::Output];
    FelixTable::new(TableName::Filter, &hooks, chains)
}

fn input(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = vec![untracked(ground)];
    if family == Family::V4 && ground.world.configuration.ip_in_ip {
        let hosts = names::set_name(family, names::ALL_HOSTS);
        let strange = [
            protocol(IP_IN_IP),
            Fragment::Set(End::Source, Not::negated(hosts)),
        ];
        let drop = FelixRule::when(strange, Action::Drop);
        rules.push(drop.saying("Drop IPIP packets from non-Calico hosts"));
    }
    rules.extend(connections());
    rules.extend(ground.workload_patterns().map(|pattern| {
        let to_host = Action::Goto(names::WORKLOAD_TO_HOST.to_owned());
        FelixRule::when([Fragment::InInterface(pattern)], to_host)
    }));
    rules.push(FelixRule::always(Action::ClearMark(ground.bits.all())));
    rules.push(jump(names::FROM_HOST_ENDPOINT));
    rules.push(accepted_by_host_endpoint(ground));
    rules
}

fn forward(ground: &Ground<'_>) -> Vec<FelixRule> {
    let mut rules = vec![untracked(ground)];
    rules.extend(connections());
    let each_way = |from: Action, to: Action| {
        ground.workload_patterns().flat_map(move |pattern| {
            let came = Fragment::InInterface(pattern.clone());
            [
                FelixRule::when([came], from.clone()),
                FelixRule::when([Fragment::OutInterface(pattern)], to.clone()),
            ]
        })
    };
    rules.extend(each_way(
        Action::Jump(names::FROM_WORKLOAD_DISPATCH.to_owned()),
        Action::Jump(names::TO_WORKLOAD_DISPATCH.to_owned()),
    ));
    rules.extend(each_way(Action::Accept, Action::Accept));
    rules.push(FelixRule::always(Action::ClearMark(ground.bits.all())));
    rules.push(jump(names::FROM_HOST_ENDPOINT));
    rules.push(jump(names::TO_HOST_ENDPOINT));
    rules.push(accepted_by_host_endpoint(ground));
    rules
}

fn output(ground: &Ground<'_>) -> Vec<FelixRule> {
    let mut rules = vec![untracked(ground)];
    rules.extend(connections());
    rules.extend(
        ground
            .workload_patterns()
            .map(|pattern| FelixRule::when([Fragment::OutInterface(pattern)], Action::Return)),
    );
    rules.push(FelixRule::always(Action::ClearMark(ground.bits.all())));
    rules.push(jump(names::TO_HOST_ENDPOINT));
    rules.push(accepted_by_host_endpoint(ground));
    rules
}

fn workload_chains(ground: &Ground<'_>) -> Vec<FelixChain> {
    let interfaces: Vec<InterfaceName> = ground.workloads.keys().copied().collect();
    let from = Dispatch {
        root: names::FROM_WORKLOAD_DISPATCH,
        endpoints: names::FROM_WORKLOAD,
        by: By::In,
        end: unknown(Action::Drop),
    };
    let to = Dispatch {
        root: names::TO_WORKLOAD_DISPATCH,
        endpoints: names::TO_WORKLOAD,
        by: By::Out,
        end: unknown(Action::Drop),
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
    let interfaces: Vec<InterfaceName> = ground.hosts.keys().copied().collect();
    let mut chains = host_dispatch(&interfaces);
    let hosts = ground.hosts.iter();
    chains.extend(hosts.flat_map(|(interface, host)| {
        endpoint::host_chains(ground, *interface, host, Stage::Normal)
    }));
    chains
}

/// What raw has accepted and kept from connection tracking.
fn untracked(ground: &Ground<'_>) -> FelixRule {
    let asks = [
        Fragment::Marked(ground.bits.accept),
        Fragment::States(States::UNTRACKED),
    ];
    FelixRule::when(asks, Action::Accept)
}

/// Of all packets of the node, Calico's or not.
fn connections() -> [FelixRule; 2] {
    let known = States::RELATED.union(States::ESTABLISHED);
    [
        FelixRule::when([Fragment::States(States::INVALID)], Action::Drop),
        FelixRule::when([Fragment::States(known)], Action::Accept),
    ]
}

fn accepted_by_host_endpoint(ground: &Ground<'_>) -> FelixRule {
    let asks = [Fragment::Marked(ground.bits.accept)];
    FelixRule::when(asks, Action::Accept).saying("Host endpoint policy accepted packet.")
}
