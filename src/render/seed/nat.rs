//! The nat table (felix 2.1.1, rules/static.go and rules/nat.go).

use super::ground::Ground;
use super::names;
use crate::calico::world::FloatingAddress;
use crate::packet::Family;
use crate::render::floating;
use crate::render::fragment::{Action, End, Fragment};
use crate::render::pieces::jump;
use crate::render::table::{FelixChain, FelixRule, FelixTable};
use crate::xtables::ruleset::InterfacePattern;
use crate::xtables::{Hook, Not, TableName};

/// The interface of IP in IP. The kernel makes it when the module ipip is loaded.
const TUNNEL: &str = "tunl0";

pub(super) fn table(ground: &Ground<'_>, family: Family) -> FelixTable {
    let chains = vec![
        FelixChain::new("cali-PREROUTING", prerouting(ground, family)),
        FelixChain::new("cali-OUTPUT", vec![jump(names::FLOATING_DNAT)]),
        FelixChain::new("cali-POSTROUTING", postrouting(ground, family)),
        FelixChain::new(
            names::FLOATING_DNAT,
            floating::dnat(&floating(ground, family)),
        ),
        FelixChain::new(
            names::FLOATING_SNAT,
            floating::snat(&floating(ground, family), Action::Snat),
        ),
        FelixChain::new(names::NAT_OUTGOING, nat_outgoing(ground, family)),
    ];
    let hooks = [Hook::Prerouting, Hook::Postrouting, Hook::Output];
    FelixTable::new(TableName::Nat, &hooks, chains)
}

fn prerouting(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = vec![jump(names::FLOATING_DNAT)];
    rules.extend(ground.openstack.metadata_dnat(family));
    rules
}

fn postrouting(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = vec![jump(names::FLOATING_SNAT), jump(names::NAT_OUTGOING)];
    let configuration = &ground.world.configuration;
    let tunnelled = configuration.ip_in_ip && configuration.tunnel_address.is_some();
    if let (Family::V4, true, Ok(tunnel)) = (family, tunnelled, TUNNEL.parse()) {
        let asks = [
            Fragment::OutInterface(InterfacePattern::Exactly(tunnel)),
            Fragment::SourceIsNotOfOutInterface,
            Fragment::SourceIsLocal,
        ];
        rules.push(FelixRule::when(asks, Action::Masquerade));
    }
    rules
}

/// The floating addresses of a family, of workloads that are down too.
fn floating(ground: &Ground<'_>, family: Family) -> Vec<FloatingAddress> {
    let workloads = ground.world.workloads.iter();
    let floating = workloads.flat_map(|workload| &workload.floating).copied();
    let of_family = floating.filter(|one| Family::of(one.outside) == family);
    of_family.collect()
}

fn nat_outgoing(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    if !masquerades(ground, family) {
        return Vec::new();
    }
    let inside = names::set_name(family, names::MASQUERADED_POOLS);
    let pools = names::set_name(family, names::ALL_POOLS);
    let asks = [
        Fragment::Set(End::Source, Not::is(inside)),
        Fragment::Set(End::Destination, Not::negated(pools)),
    ];
    vec![FelixRule::when(asks, Action::Masquerade)]
}

/// Whether some pool of the family leaves with the node's address.
pub(super) fn masquerades(ground: &Ground<'_>, family: Family) -> bool {
    let mut pools = ground.world.pools.iter();
    pools.any(|pool| pool.nat_outgoing && Family::of(pool.net.addr()) == family)
}
