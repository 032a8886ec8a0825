//! What is worked out once for a world and read by all tables.
//!
//! IPVS is in use where the node has its interface `kube-ipvs0`: that is how Felix finds out
//! (felix, dataplane/driver.go). Its special cases for OpenStack are on where the cluster says so, where
//! interfaces are named as OpenStack names them, or where a metadata service is told; unlike in the seed's
//! era, no service at all (`None`, or nothing) does not count (felix since 2.6, config/config_params.go).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::marks::EndpointMarks;
use crate::calico::configuration::Modern;
use crate::calico::configuration::modern::{AllowAction, DenyAction};
use crate::calico::world::{HostEndpoint, HostInterface, Policy, Profile, WorkloadEndpoint, World};
use crate::mark::{ModernMarkBits, TooFewBits};
use crate::node::Node;
use crate::packet::{Family, InterfaceName};
use crate::render::behind;
use crate::render::fragment::Action;
use crate::render::to_host::OpenStack;
use crate::xtables::ruleset::InterfacePattern;

/// The interface that bears services' addresses where kube-proxy uses IPVS.
const IPVS: &str = "kube-ipvs0";

/// What says that there is no metadata service, or where it is by default.
const NO_METADATA: [&str; 3] = ["", "none", "127.0.0.1"];

/// A world as the renderer reads it.
pub(super) struct Ground<'w> {
    pub world: &'w World,
    pub told: &'w Modern,
    pub bits: ModernMarkBits,
    pub openstack: OpenStack,
    /// The policies that apply to some endpoint of the node, but for staged ones.
    pub policies: Vec<&'w Policy>,
    /// The profiles that some endpoint of the node names. One that does not exist has no rules.
    pub profiles: BTreeMap<&'w str, Option<&'w Profile>>,
    /// The workloads by interface.
    pub workloads: BTreeMap<InterfaceName, &'w WorkloadEndpoint>,
    /// The host endpoints by interface.
    pub hosts: BTreeMap<InterfaceName, &'w HostEndpoint>,
    /// The host endpoint of all other interfaces.
    pub wildcard: Option<&'w HostEndpoint>,
    /// How endpoints are noted on packets that IPVS forwards, where it is in use.
    pub marks: Option<EndpointMarks>,
    /// The node's addresses but for those of workloads' interfaces and of services.
    pub addresses: Vec<IpAddr>,
}

impl<'w> Ground<'w> {
    pub fn of(world: &'w World, node: &Node) -> Result<Self, TooFewBits> {
        let told = &world.configuration.modern;
        let bits = ModernMarkBits::within(told.mark_mask, told.wireguard.enabled())?;
        let workloads = behind::workloads(world);
        let hosts = behind::hosts(world, node);
        let uses_ipvs = node
            .interfaces
            .iter()
            .any(|interface| interface.name.as_str() == IPVS);
        let marks = uses_ipvs.then(|| {
            let named = workloads.keys().chain(hosts.keys());
            EndpointMarks::of(bits, told.mark_mask, named.copied())
        });
        let all = |host: &&HostEndpoint| host.of == HostInterface::All;
        Ok(Self {
            world,
            told,
            bits,
            openstack: OpenStack::of(&world.configuration, &NO_METADATA),
            policies: policies(world),
            profiles: profiles(world),
            wildcard: world.hosts.iter().find(all),
            marks: marks.transpose()?,
            addresses: addresses(world, node),
            workloads,
            hosts,
        })
    }

    /// The patterns of the workloads' interfaces, in the order of the configuration.
    pub fn workload_patterns(&self) -> impl Iterator<Item = InterfacePattern> + '_ {
        let prefixes = self.world.configuration.interface_prefixes.iter();
        prefixes.map(|prefix| InterfacePattern::Prefix(prefix.as_str().to_owned()))
    }

    /// What becomes of what is denied, in every table.
    pub fn deny(&self) -> Action {
        match self.told.filter_deny {
            DenyAction::Drop => Action::Drop,
            DenyAction::Reject => Action::Reject,
        }
    }

    /// What comments call that.
    pub fn denies(&self) -> &'static str {
        match self.told.filter_deny {
            DenyAction::Drop => "Drop",
            DenyAction::Reject => "Reject",
        }
    }

    /// What becomes of what is allowed, in filter.
    pub fn filter_allow(&self) -> Action {
        allow(self.told.filter_allow)
    }

    /// What becomes of what is allowed, in mangle.
    pub fn mangle_allow(&self) -> Action {
        allow(self.told.mangle_allow)
    }

    /// Whether traffic of a family between nodes is wrapped in IP: there is no such thing in IPv6.
    pub fn wraps_in_ip(&self, family: Family) -> bool {
        family == Family::V4 && self.world.wraps_in_ip()
    }
}

fn allow(action: AllowAction) -> Action {
    match action {
        AllowAction::Accept => Action::Accept,
        AllowAction::Return => Action::Return,
    }
}

fn policies(world: &World) -> Vec<&Policy> {
    let of_workloads = world.workloads.iter().flat_map(|one| &one.policies);
    let of_hosts = world.hosts.iter().flat_map(|one| &one.policies);
    let applied: BTreeSet<_> = of_workloads.chain(of_hosts).copied().collect();
    let applied = applied.into_iter();
    let policies = applied.filter_map(|one| behind::policy(world, one));
    policies.filter(|policy| !policy.staged).collect()
}

fn profiles(world: &World) -> BTreeMap<&str, Option<&Profile>> {
    let of_workloads = world.workloads.iter().flat_map(|one| &one.profiles);
    let of_hosts = world.hosts.iter().flat_map(|one| &one.profiles);
    let named = of_workloads.chain(of_hosts);
    named
        .map(|name| (name.as_str(), world.profiles.get(name)))
        .collect()
}

/// What Felix sees of the node: neither workloads' interfaces nor the one of services
/// (felix, intdataplane/hostip_mgr.go; `interfaceExclude` is kube-ipvs0 by default).
fn addresses(world: &World, node: &Node) -> Vec<IpAddr> {
    let prefixes = &world.configuration.interface_prefixes;
    let own = node.addresses().filter(|(interface, _)| {
        let name = interface.as_str();
        name != IPVS && !prefixes.iter().any(|prefix| prefix.begins(name))
    });
    own.map(|(_, net)| net.addr()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calico::Selector;
    use crate::calico::world::{Applied, PolicyId, PolicyKind, Stage, Tier};

    fn policy(name: &str, staged: bool) -> Policy {
        Policy {
            name: name.to_owned(),
            governs_ingress: true,
            governs_egress: true,
            ingress: Vec::new(),
            egress: Vec::new(),
            stage: Stage::Normal,
            id: PolicyId {
                kind: PolicyKind::GlobalNetworkPolicy,
                namespace: None,
                name: name.to_owned(),
            },
            staged,
            selector: Selector::all(),
        }
    }

    /// No hook leads to the chains of staged ones, whatever table they are offered to.
    #[test]
    fn policies_that_apply_are_each_there_once_but_for_staged_ones() {
        let policies = [("first", false), ("staged", true), ("nobodys", false)];
        let host = |applied: &[usize]| HostEndpoint {
            name: "host".to_owned(),
            of: HostInterface::All,
            expected_addresses: Vec::new(),
            policies: applied
                .iter()
                .map(|policy| Applied {
                    tier: 0,
                    policy: *policy,
                })
                .collect(),
            profiles: Vec::new(),
            dscp: None,
        };
        let world = World {
            tiers: vec![Tier {
                name: "default".to_owned(),
                default_action: crate::calico::world::DefaultAction::Deny,
                policies: policies.map(|(name, staged)| policy(name, staged)).into(),
            }],
            hosts: vec![host(&[0, 1]), host(&[1, 0])],
            ..World::default()
        };
        let names: Vec<&str> = super::policies(&world)
            .into_iter()
            .map(|policy| policy.name.as_str())
            .collect();
        assert_eq!(names, ["first"]);
    }
}
