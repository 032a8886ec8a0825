//! Faults in a world, rules apart.
//!
//! What no clause of the intent reads is not among them: the other nodes, the tunnel, the metadata
//! service, and where Felix inserts its rules.

use std::net::IpAddr;

use ipnet::IpNet;

use super::rule::{faults, resize};
use crate::calico::World;
use crate::calico::configuration::modern::Failsafe;
use crate::calico::configuration::{Configuration, EndpointToHost, InterfacePrefix};
use crate::calico::world::{Applied, HostEndpoint, Stage, WorkloadEndpoint};
use crate::mutants::change::next;

faults! {
    /// One way in which something of a world can be misunderstood.
    WorldFault:
    /// The policies of each workload are asked in the opposite order.
    ReverseWorkloadPolicies,
    /// The first policy of each workload does not apply to it.
    LoseFirstWorkloadPolicy,
    /// The last policy of each workload does not apply to it.
    LoseLastWorkloadPolicy,
    /// The policies of each host endpoint are asked in the opposite order.
    ReverseHostPolicies,
    /// The first policy of each host endpoint does not apply to it.
    LoseFirstHostPolicy,
    /// The last policy of each host endpoint does not apply to it.
    LoseLastHostPolicy,
    /// The profiles of each workload are asked in the opposite order.
    ReverseProfiles,
    /// The first profile of each workload is not its own.
    LoseFirstProfile,
    /// The last profile of each workload is not its own.
    LoseLastProfile,
    /// The first profile of each host endpoint is not its own.
    LoseHostProfile,
    /// Policies of single packets are taken for policies of connections.
    TrackUntracked,
    /// Policies of connections are taken for policies of single packets.
    UntrackNormal,
    /// Endpoints that are down are up.
    Raise,
    /// Endpoints that are up are down.
    TakeDown,
    /// A workload's last address is not its own.
    LoseAddress,
    /// A workload's last address is the next one.
    NextAddress,
    /// A workload's interface is the next workload's.
    RotateInterfaces,
    /// Workloads have no floating addresses.
    LoseFloating,
    /// A workload's last floating address is the next one.
    NextFloating,
    /// Floating addresses stand for the next address.
    NextInside,
    /// Host endpoints without an interface don't expect addresses.
    LoseExpectedAddresses,
    /// There is no first host endpoint.
    LoseFirstHost,
    /// There is no last host endpoint.
    LoseLastHost,
    /// There is no first workload.
    LoseFirstWorkload,
    /// There is no last workload.
    LoseLastWorkload,
    /// The first member of each group does not belong to it.
    LoseFirstMember,
    /// The last member of each group does not belong to it.
    LoseLastMember,
    /// The neighbour of each group's last member belongs to it.
    GainMember,
    /// There are no pools.
    LosePools,
    /// The prefixes of pools are one bit shorter.
    WidenPools,
    /// The prefixes of pools are one bit longer.
    NarrowPools,
    /// Pools leave with the node's address, or with their own, the other way round.
    FlipOutgoing,
    /// There is one interface prefix less.
    LosePrefix,
    /// Interface prefixes are a letter shorter.
    ShortenPrefixes,
    /// What workloads send to their node is dropped.
    ToHostDrop,
    /// What workloads send to their node is left to others.
    ToHostReturn,
    /// What workloads send to their node is accepted.
    ToHostAccept,
    /// IPv6 is governed if it is not, and the other way round.
    FlipV6,
    /// There is no inbound failsafe port.
    LoseFailsafesIn,
    /// The last inbound failsafe port is none.
    LoseFailsafeIn,
    /// The last inbound failsafe port is the next one.
    NextFailsafeIn,
    /// There is no outbound failsafe port.
    LoseFailsafesOut,
    /// The last outbound failsafe port is none.
    LoseFailsafeOut,
    /// The last outbound failsafe port is the next one.
    NextFailsafeOut,
    /// Inbound and outbound failsafe ports are taken for each other.
    SwapFailsafes,
    /// The cluster is not said to be OpenStack's.
    LoseClusterType,
}

impl WorldFault {
    #[allow(clippy::too_many_lines, reason = "one arm a fault, each a line or two")]
    pub(super) fn change(self, world: &mut World) {
        let told = &mut world.configuration;
        match self {
            Self::ReverseWorkloadPolicies => of_workloads(world, |policies| policies.reverse()),
            Self::LoseFirstWorkloadPolicy => of_workloads(world, lose_first),
            Self::LoseLastWorkloadPolicy => of_workloads(world, lose_last),
            Self::ReverseHostPolicies => of_hosts(world, |policies| policies.reverse()),
            Self::LoseFirstHostPolicy => of_hosts(world, lose_first),
            Self::LoseLastHostPolicy => of_hosts(world, lose_last),
            Self::ReverseProfiles => each(world, |one| one.profiles.reverse()),
            Self::LoseFirstProfile => each(world, |one| lose_first(&mut one.profiles)),
            Self::LoseLastProfile => each(world, |one| lose_last(&mut one.profiles)),
            Self::LoseHostProfile => {
                let hosts = world.hosts.iter_mut();
                hosts.for_each(|host| lose_first(&mut host.profiles));
            }
            Self::TrackUntracked => restage(world, Stage::Untracked, Stage::Normal),
            Self::UntrackNormal => restage(world, Stage::Normal, Stage::Untracked),
            Self::Raise => each(world, |one| one.up = true),
            Self::TakeDown => each(world, |one| one.up = false),
            Self::LoseAddress => each(world, |one| lose_last(&mut one.addresses)),
            Self::NextAddress => each(world, |one| next_of(one.addresses.last_mut())),
            Self::RotateInterfaces => rotate(&mut world.workloads),
            Self::LoseFloating => each(world, |one| one.floating.clear()),
            Self::NextFloating => each(world, |one| {
                next_of(
                    one.floating
                        .last_mut()
                        .map(|floating| &mut floating.outside),
                );
            }),
            Self::NextInside => each(world, |one| {
                next_of(one.floating.last_mut().map(|floating| &mut floating.inside));
            }),
            Self::LoseExpectedAddresses => {
                let hosts = world.hosts.iter_mut();
                hosts.for_each(|host| host.expected_addresses.clear());
            }
            Self::LoseFirstHost => lose_first(&mut world.hosts),
            Self::LoseLastHost => lose_last(&mut world.hosts),
            Self::LoseFirstWorkload => lose_first(&mut world.workloads),
            Self::LoseLastWorkload => lose_last(&mut world.workloads),
            Self::LoseFirstMember => of_peers(world, lose_first),
            Self::LoseLastMember => of_peers(world, lose_last),
            Self::GainMember => of_peers(world, gain),
            Self::LosePools => world.pools.clear(),
            Self::WidenPools => resize_pools(world, -1),
            Self::NarrowPools => resize_pools(world, 1),
            Self::FlipOutgoing => {
                let pools = world.pools.iter_mut();
                pools.for_each(|pool| pool.nat_outgoing = !pool.nat_outgoing);
            }
            Self::LosePrefix if told.interface_prefixes.len() > 1 => {
                told.interface_prefixes.pop();
            }
            Self::LosePrefix => {}
            Self::ShortenPrefixes => {
                for prefix in &mut told.interface_prefixes {
                    let text = prefix.as_str();
                    let shorter = text.get(..text.len() - 1).and_then(InterfacePrefix::new);
                    *prefix = shorter.unwrap_or_else(|| prefix.clone());
                }
            }
            Self::ToHostDrop => told.endpoint_to_host = EndpointToHost::Drop,
            Self::ToHostReturn => told.endpoint_to_host = EndpointToHost::Return,
            Self::ToHostAccept => told.endpoint_to_host = EndpointToHost::Accept,
            Self::FlipV6 => told.ipv6 = !told.ipv6,
            Self::LoseFailsafesIn => {
                told.failsafe_inbound.clear();
                inbound(told).clear();
            }
            Self::LoseFailsafeIn => {
                lose_last(&mut told.failsafe_inbound);
                lose_last(inbound(told));
            }
            Self::NextFailsafeIn => {
                next_port(told.failsafe_inbound.last_mut());
                next_port(port_of(inbound(told).last_mut()));
            }
            Self::LoseFailsafesOut => {
                told.failsafe_outbound.clear();
                outbound(told).clear();
            }
            Self::LoseFailsafeOut => {
                lose_last(&mut told.failsafe_outbound);
                lose_last(outbound(told));
            }
            Self::NextFailsafeOut => {
                next_port(told.failsafe_outbound.last_mut());
                next_port(port_of(outbound(told).last_mut()));
            }
            Self::SwapFailsafes => {
                std::mem::swap(&mut told.failsafe_inbound, &mut told.failsafe_outbound);
                let inbound = inbound(told).clone();
                let outbound = std::mem::replace(outbound(told), inbound);
                told.modern.failsafe_inbound = Some(outbound);
            }
            // Of its words the intent knows this one.
            Self::LoseClusterType => {
                let words = told.cluster_type.split(',');
                let others = words.filter(|word| word.trim() != "openstack");
                told.cluster_type = others.collect::<Vec<_>>().join(",");
            }
        }
    }
}

/// The failsafe ports in the words of API v3, which the intent of its era reads.
fn inbound(told: &mut Configuration) -> &mut Vec<Failsafe> {
    let told = &mut told.modern.failsafe_inbound;
    told.get_or_insert_with(Failsafe::inbound)
}

fn outbound(told: &mut Configuration) -> &mut Vec<Failsafe> {
    let told = &mut told.modern.failsafe_outbound;
    told.get_or_insert_with(Failsafe::outbound)
}

fn port_of(failsafe: Option<&mut Failsafe>) -> Option<&mut u16> {
    failsafe.map(|failsafe| &mut failsafe.port)
}

fn each(world: &mut World, change: impl FnMut(&mut WorkloadEndpoint)) {
    world.workloads.iter_mut().for_each(change);
}

fn of_workloads(world: &mut World, mut change: impl FnMut(&mut Vec<Applied>)) {
    each(world, |one| change(&mut one.policies));
}

fn of_hosts(world: &mut World, mut change: impl FnMut(&mut Vec<Applied>)) {
    let policies = |host: &mut HostEndpoint| change(&mut host.policies);
    world.hosts.iter_mut().for_each(policies);
}

fn of_peers(world: &mut World, mut change: impl FnMut(&mut Vec<IpNet>)) {
    let peers = world.peers.iter_mut();
    peers.for_each(|peers| change(&mut peers.members));
}

fn lose_first<T>(list: &mut Vec<T>) {
    if !list.is_empty() {
        list.remove(0);
    }
}

fn lose_last<T>(list: &mut Vec<T>) {
    list.pop();
}

fn restage(world: &mut World, from: Stage, to: Stage) {
    let policies = world.tiers.iter_mut().flat_map(|tier| &mut tier.policies);
    for policy in policies.filter(|policy| policy.stage == from) {
        policy.stage = to;
    }
}

fn rotate(workloads: &mut [WorkloadEndpoint]) {
    let mut interfaces: Vec<_> = workloads.iter().map(|one| one.interface).collect();
    if interfaces.len() > 1 {
        interfaces.rotate_left(1);
    }
    for (workload, interface) in workloads.iter_mut().zip(interfaces) {
        workload.interface = interface;
    }
}

fn gain(members: &mut Vec<IpNet>) {
    let Some(last) = members.last() else { return };
    if let Ok(neighbour) = IpNet::new(next(last.broadcast()), last.prefix_len()) {
        members.push(neighbour);
    }
}

fn resize_pools(world: &mut World, by: i16) {
    let mut nets: Vec<IpNet> = world.pools.iter().map(|pool| pool.net).collect();
    let _ = resize(&mut nets, by);
    for (pool, net) in world.pools.iter_mut().zip(nets) {
        pool.net = net;
    }
}

fn next_of(address: Option<&mut IpAddr>) {
    if let Some(address) = address {
        *address = next(*address);
    }
}

fn next_port(port: Option<&mut u16>) {
    if let Some(port) = port {
        *port = port.wrapping_add(1);
    }
}
