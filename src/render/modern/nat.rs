//! The nat table (felix, rules/static.go and rules/nat.go).
//!
//! What the node itself sends through a tunnel bears the tunnel's address: other nodes would not know
//! another one's way back. Where VXLAN is on, UDP does not get VXLAN's own port as its source.

use std::net::IpAddr;

use super::ground::Ground;
use super::names;
use super::raw::pattern;
use super::statics::{TUNNEL_UDP, in_set, not_in_set};
use crate::calico::configuration::modern::NatExclusions;
use crate::calico::rule::{PortNumbers, RuleProtocol};
use crate::calico::world::FloatingAddress;
use crate::packet::Family;
use crate::render::floating;
use crate::render::fragment::{Action, End, Fragment};
use crate::render::pieces::{TCP, UDP, jump, protocol};
use crate::render::table::{FelixChain, FelixRule, FelixTable};
use crate::xtables::{Hook, TableName};

/// The interface of IP in IP. The kernel makes it when the module ipip is loaded.
const IP_IN_IP: &str = "tunl0";
/// The interfaces of VXLAN, of IPv4 and of IPv6.
const VXLAN: [&str; 2] = ["vxlan.calico", "vxlan-v6.calico"];

/// The lowest port that is not privileged.
const LOWEST_PORT: u16 = 1024;

/// The orchestrator whose workloads have floating addresses whatever Felix is told.
const OPENSTACK: &str = "openstack";

pub(super) fn table(ground: &Ground<'_>, family: Family) -> FelixTable {
    let floating = floating(ground, family);
    let snat = |to: IpAddr| Action::SnatRandomly(to, None);
    let chains = vec![
        FelixChain::new("cali-PREROUTING", prerouting(ground, family)),
        FelixChain::new("cali-OUTPUT", vec![jump(names::FLOATING_DNAT)]),
        FelixChain::new("cali-POSTROUTING", postrouting(ground, family)),
        FelixChain::new(names::FLOATING_DNAT, floating::dnat(&floating)),
        FelixChain::new(names::FLOATING_SNAT, floating::snat(&floating, snat)),
        FelixChain::new(names::NAT_OUTGOING, nat_outgoing(ground, family)),
    ];
    let hooks = [Hook::Prerouting, Hook::Output];
    let table = FelixTable::new(TableName::Nat, &hooks, chains);
    // Other programs' translations come first, wherever Felix's rules go elsewhere.
    table.appending(Hook::Postrouting, vec![jump("cali-POSTROUTING")])
}

fn prerouting(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = vec![jump(names::FLOATING_DNAT)];
    rules.extend(ground.openstack.metadata_dnat(family));
    rules
}

/// The floating addresses of a family, of workloads that are down too.
fn floating(ground: &Ground<'_>, family: Family) -> Vec<FloatingAddress> {
    let workloads = ground.world.workloads.iter();
    let with_them =
        workloads.filter(|one| ground.told.floating_addresses || one.orchestrator == OPENSTACK);
    let floating = with_them.flat_map(|workload| &workload.floating).copied();
    let of_family = floating.filter(|one| Family::of(one.outside) == family);
    of_family.collect()
}

fn postrouting(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let mut rules = vec![jump(names::FLOATING_SNAT), jump(names::NAT_OUTGOING)];
    for tunnel in tunnels(ground, family) {
        let foreign = [
            Fragment::OutInterface(pattern(&tunnel)),
            Fragment::SourceIsNotOfOutInterface,
            Fragment::SourceIsLocal,
        ];
        if ground.world.wraps_in_vxlan(family) {
            let asks: Vec<Fragment> = [protocol(TUNNEL_UDP)]
                .into_iter()
                .chain(foreign.clone())
                .collect();
            let ports = Some(ports_beside(ground.told.vxlan_port));
            rules.push(FelixRule::when(asks, Action::MasqueradeRandomly(ports)));
        }
        rules.push(FelixRule::when(foreign, Action::MasqueradeRandomly(None)));
    }
    rules
}

/// The tunnels' interfaces of a family.
fn tunnels(ground: &Ground<'_>, family: Family) -> Vec<String> {
    let mut tunnels = Vec::new();
    let configuration = &ground.world.configuration;
    if ground.wraps_in_ip(family) && configuration.tunnel_address.is_some() {
        tunnels.push(IP_IN_IP.to_owned());
    }
    let (v4, v6) = ground.told.vxlan_addresses;
    let has_address = match family {
        Family::V4 => v4.is_some(),
        Family::V6 => v6.is_some(),
    };
    if ground.world.wraps_in_vxlan(family) && has_address {
        tunnels.push(VXLAN[family.place()].to_owned());
    }
    let wireguard = &ground.told.wireguard;
    let (enabled, name) = match family {
        Family::V4 => (wireguard.v4, &wireguard.interface),
        Family::V6 => (wireguard.v6, &wireguard.interface_v6),
    };
    if enabled {
        tunnels.push(name.clone());
    }
    tunnels
}

/// The wider part of the ports that are not privileged, on one side of one of them.
fn ports_beside(taken: u16) -> PortNumbers {
    let below = taken.checked_sub(1);
    let below = below.and_then(|last| PortNumbers::new(LOWEST_PORT, last));
    let above = taken.checked_add(1).map(|first| first.max(LOWEST_PORT));
    let above = above.and_then(|first| PortNumbers::new(first, u16::MAX));
    let width = |ports: &PortNumbers| ports.last() - ports.first();
    let sides = below.into_iter().chain(above);
    // Of sides as wide as each other, the one above.
    sides.max_by_key(width).unwrap_or(PortNumbers::one(taken))
}

fn nat_outgoing(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    if !masquerades(ground, family) {
        return Vec::new();
    }
    let translate = |ports| match ground.told.nat_address {
        None => Action::MasqueradeRandomly(ports),
        Some(address) => Action::SnatRandomly(address, ports),
    };
    let leaves = |transport: Option<RuleProtocol>, action| {
        let mut asks = vec![
            in_set(family, End::Source, names::MASQUERADED_POOLS),
            not_in_set(family, End::Destination, names::POOLS),
        ];
        if ground.told.nat_exclusions == NatExclusions::PoolsAndHosts {
            asks.push(not_in_set(family, End::Destination, names::ALL_HOSTS));
        }
        asks.extend(transport.map(protocol));
        let by = ground.told.nat_interface.as_deref();
        asks.extend(by.map(|name| Fragment::OutInterface(pattern(name))));
        FelixRule::when(asks, action)
    };
    let mut rules = Vec::new();
    if let Some(ports) = ground.told.nat_ports {
        for transport in [TCP, UDP] {
            rules.push(leaves(Some(transport), translate(Some(ports))));
            rules.push(leaves(Some(transport), Action::Return));
        }
    }
    rules.push(leaves(None, translate(None)));
    rules
}

/// Whether some pool of the family leaves with the node's address.
fn masquerades(ground: &Ground<'_>, family: Family) -> bool {
    let mut pools = ground.world.pools.iter();
    pools.any(|pool| pool.nat_outgoing && Family::of(pool.net.addr()) == family)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vxlans_own_port_leaves_those_above_it() {
        assert_eq!(
            ports_beside(4789),
            PortNumbers::new(4790, 65_535).unwrap_or(PortNumbers::one(0))
        );
    }

    proptest! {
        #[test]
        fn the_ports_beside_one_are_the_wider_side(taken in any::<u16>()) {
            let ports = ports_beside(taken);
            prop_assert!(!ports.contains(taken) && ports.first() >= 1024);
            let width = |first: u16, last: u16| u32::from(last).saturating_sub(u32::from(first));
            let own = width(ports.first(), ports.last());
            prop_assert!(ports.last() == 65_535 || ports.last().checked_add(1) == Some(taken));
            prop_assert!(own >= width(taken.saturating_add(1).max(1024), 65_535));
            prop_assert!(own >= width(1024, taken.saturating_sub(1)));
        }
    }
}
