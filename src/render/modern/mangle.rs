//! The mangle table (felix, rules/static.go): it asks the host endpoints' policies about what comes in
//! before its destination is translated, and about what leaves with a translated destination; and it sets
//! the DSCP of what leaves the cluster.

use std::collections::BTreeMap;

use super::endpoint::{HostChain, has_tiers};
use super::ground::Ground;
use super::host::{self, HostTree};
use super::names::{self, Direction};
use super::policy;
use super::statics::{accepted, accepted_by_host, clear, failsafe_chains, in_set, not_in_set};
use super::tiers::Point;
use crate::calico::world::World;
use crate::packet::Family;
use crate::render::dispatch::By;
use crate::render::fragment::{Action, End, Fragment};
use crate::render::pieces::{TCP, jump, protocol};
use crate::render::table::{FelixChain, FelixRule, FelixTable};
use crate::xtables::matches::States;
use crate::xtables::{Hook, Not, TableName};
use std::net::IpAddr;

pub(super) fn table(ground: &Ground<'_>, family: Family, policies: Vec<FelixChain>) -> FelixTable {
    let mut chains = policies;
    let profiles = policy::profile_chains(ground, family, &[Direction::Egress]);
    chains.extend(profiles);
    chains.push(FelixChain::new("cali-PREROUTING", prerouting(ground)));
    chains.push(FelixChain::new(
        "cali-POSTROUTING",
        postrouting(ground, family),
    ));
    chains.push(FelixChain::new(
        names::EGRESS_DSCP,
        egress_dscp(ground.world, family),
    ));
    chains.extend(failsafe_chains(ground, family, false));
    chains.extend(host_chains(ground));
    let hooks = [Hook::Prerouting, Hook::Postrouting];
    FelixTable::new(TableName::Mangle, &hooks, chains)
}

fn prerouting(ground: &Ground<'_>) -> Vec<FelixRule> {
    let known = Fragment::States(States::RELATED.union(States::ESTABLISHED));
    vec![
        FelixRule::when([known], ground.mangle_allow()),
        accepted(ground, ground.mangle_allow()),
        jump(names::FROM_HOST_ENDPOINT),
        accepted_by_host(ground, ground.mangle_allow()),
    ]
}

fn postrouting(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = Vec::new();
    if ground.told.istio {
        rules.extend(istio(ground, family));
    }
    let leaves = [
        in_set(family, End::Source, names::DSCP_SOURCES),
        not_in_set(family, End::Destination, names::POOLS),
        not_in_set(family, End::Destination, names::THIS_HOST),
    ];
    let dscp = FelixRule::when(leaves, Action::Jump(names::EGRESS_DSCP.to_owned()));
    rules.push(dscp.saying("set dscp for traffic leaving cluster."));
    rules.push(accepted(ground, Action::Return));
    if let Some(marks) = &ground.marks {
        let forwarded = Fragment::Mark(Not::negated(0), marks.mask);
        rules.push(FelixRule::when([forwarded], Action::Return));
    }
    rules.push(clear(ground));
    let translated = Fragment::States(States::DNAT);
    let dispatch = Action::Jump(names::TO_HOST_ENDPOINT.to_owned());
    rules.push(FelixRule::when([translated], dispatch));
    rules.push(accepted_by_host(ground, Action::Return));
    rules
}

/// Connections between workloads that Istio serves without a sidecar.
fn istio(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let rules = ground.workload_patterns().map(|pattern| {
        let asks = [
            protocol(TCP),
            Fragment::States(States::NEW),
            Fragment::OutInterface(pattern),
            in_set(family, End::Destination, names::ISTIO_WORKLOADS),
            in_set(family, End::Source, names::ISTIO_WORKLOADS),
        ];
        FelixRule::when(asks, Action::Dscp(ground.told.istio_dscp))
    });
    rules.collect()
}

/// Each endpoint with a DSCP: its addresses in one rule, in the order of their texts.
fn egress_dscp(world: &World, family: Family) -> Vec<FelixRule> {
    let mut sorted: BTreeMap<String, (Vec<IpAddr>, u8)> = BTreeMap::new();
    for (addresses, dscp) in dscp_endpoints(world) {
        let own = addresses.iter().filter(|one| Family::of(**one) == family);
        let mut own: Vec<IpAddr> = own.copied().collect();
        own.sort_by_key(IpAddr::to_string);
        let texts: Vec<String> = own.iter().map(IpAddr::to_string).collect();
        if !own.is_empty() {
            sorted.insert(texts.join(","), (own, dscp));
        }
    }
    let rules = sorted.into_values().map(|(addresses, dscp)| {
        let asks = [Fragment::AnyAddress(End::Source, addresses)];
        FelixRule::when(asks, Action::Dscp(dscp))
    });
    rules.collect()
}

/// The endpoints whose traffic out of the cluster bears a DSCP.
pub(super) fn dscp_endpoints(world: &World) -> impl Iterator<Item = (&[IpAddr], u8)> {
    let workloads = world.workloads.iter();
    let workloads = workloads.map(|one| (one.addresses.as_slice(), one.qos.dscp));
    let hosts = world.hosts.iter();
    let hosts = hosts.map(|one| (one.expected_addresses.as_slice(), one.dscp));
    let all = workloads.chain(hosts);
    all.filter_map(|(addresses, dscp)| Some((addresses, dscp?)))
}

/// What comes in is asked of policies before translation, of endpoints that have any; what leaves of the
/// usual ones: they are asked here where filter can't see where a packet really leaves.
fn host_chains(ground: &Ground<'_>) -> Vec<FelixChain> {
    let from = HostTree {
        root: names::FROM_HOST_ENDPOINT,
        by: By::In,
        chain: HostChain {
            prefix: names::FROM_HOST,
            point: Point::PreDnat,
            direction: Direction::Ingress,
            allow: ground.mangle_allow(),
        },
        spares_workloads: false,
    };
    let to = HostTree {
        root: names::TO_HOST_ENDPOINT,
        by: By::Out,
        chain: HostChain {
            prefix: names::TO_HOST,
            point: Point::Normal,
            direction: Direction::Egress,
            allow: Action::Return,
        },
        spares_workloads: true,
    };
    let mut chains = host::chains(ground, &from, |host| {
        has_tiers(ground, host, Point::PreDnat)
    });
    chains.extend(host::chains(ground, &to, |_| true));
    chains
}
