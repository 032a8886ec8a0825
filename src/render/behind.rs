//! Who stands behind which interface, and which policy is meant: alike in every layout.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::calico::world::{Applied, HostEndpoint, HostInterface, Policy, WorkloadEndpoint, World};
use crate::node::Node;
use crate::packet::InterfaceName;

/// A policy that applies.
pub(super) fn policy(world: &World, applied: Applied) -> Option<&Policy> {
    world.tiers.get(applied.tier)?.policies.get(applied.policy)
}

/// Where two workloads claim an interface, the first by name has it.
pub(super) fn workloads(world: &World) -> BTreeMap<InterfaceName, &WorkloadEndpoint> {
    let reversed = world.workloads.iter().rev();
    reversed
        .map(|workload| (workload.interface, workload))
        .collect()
}

/// Each interface that is no workload's, with its host endpoint: one matches if it names the
/// interface, or names none and expects one of its addresses; the first by name of those that match
/// has it, however it matches (felix,
/// intdataplane/endpoint_mgr.go, `resolveHostEndpoints`).
pub(super) fn hosts<'w>(
    world: &'w World,
    node: &Node,
) -> BTreeMap<InterfaceName, &'w HostEndpoint> {
    if world.hosts.is_empty() {
        return BTreeMap::new();
    }
    let mut addresses: BTreeMap<InterfaceName, Vec<IpAddr>> = BTreeMap::new();
    for interface in &node.interfaces {
        addresses.entry(interface.name).or_default();
    }
    for (interface, net) in node.addresses() {
        addresses.entry(interface).or_default().push(net.addr());
    }
    let prefixes = &world.configuration.interface_prefixes;
    addresses.retain(|interface, _| {
        let mut prefixes = prefixes.iter();
        !prefixes.any(|prefix| prefix.begins(interface.as_str()))
    });
    let with_host = addresses.into_iter().filter_map(|(interface, own)| {
        let mut hosts = world.hosts.iter();
        let host = hosts.find(|host| is_of(host, interface, &own))?;
        Some((interface, host))
    });
    with_host.collect()
}

fn is_of(host: &HostEndpoint, interface: InterfaceName, addresses: &[IpAddr]) -> bool {
    match host.of {
        HostInterface::Named(name) => name == interface,
        HostInterface::ByAddress => {
            let mut expected = host.expected_addresses.iter();
            expected.any(|address| addresses.contains(address))
        }
        HostInterface::All => false,
    }
}
