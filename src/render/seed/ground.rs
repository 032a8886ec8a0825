//! What is worked out once for a world and read by all tables.

use std::collections::{BTreeMap, BTreeSet};

use super::names;
use crate::calico::rule::Rule;
use crate::calico::world::{
    Applied, HostEndpoint, PeersIndex, Policy, Profile, Stage, WorkloadEndpoint, World,
};
use crate::mark::{MarkBits, TooFewBits};
use crate::node::Node;
use crate::packet::InterfaceName;
use crate::render::behind;
use crate::render::to_host::OpenStack;
use crate::xtables::ruleset::InterfacePattern;

/// Where a metadata service says nothing: where it is by default. No address at all does say something.
const NO_METADATA: [&str; 1] = ["127.0.0.1"];

/// A world as the renderer reads it.
pub(super) struct Ground<'w> {
    pub world: &'w World,
    pub bits: MarkBits,
    pub openstack: OpenStack,
    /// The policies that apply to some endpoint of the node.
    pub policies: Vec<&'w Policy>,
    /// The profiles that some endpoint of the node names. One that does not exist has no rules.
    pub profiles: BTreeMap<&'w str, Option<&'w Profile>>,
    /// The ids of the sets of the groups that their rules speak of.
    pub peers: BTreeMap<PeersIndex, String>,
    /// The workloads by interface.
    pub workloads: BTreeMap<InterfaceName, &'w WorkloadEndpoint>,
    /// The host endpoints by interface.
    pub hosts: BTreeMap<InterfaceName, &'w HostEndpoint>,
}

impl<'w> Ground<'w> {
    pub fn of(world: &'w World, node: &Node) -> Result<Self, TooFewBits> {
        let applied: BTreeSet<Applied> = world
            .workloads
            .iter()
            .flat_map(|workload| &workload.policies)
            .chain(world.hosts.iter().flat_map(|host| &host.policies))
            .copied()
            .collect();
        let policies = applied
            .into_iter()
            .filter_map(|one| behind::policy(world, one));
        let policies: Vec<&Policy> = policies.collect();
        let named = world
            .workloads
            .iter()
            .flat_map(|workload| &workload.profiles)
            .chain(world.hosts.iter().flat_map(|host| &host.profiles));
        let profiles: BTreeMap<&str, Option<&Profile>> = named
            .map(|name| (name.as_str(), world.profiles.get(name)))
            .collect();
        let rules = policies
            .iter()
            .flat_map(|policy| policy.ingress.iter().chain(&policy.egress));
        let of_profiles = profiles
            .values()
            .flatten()
            .flat_map(|profile| profile.ingress.iter().chain(&profile.egress));
        Ok(Self {
            world,
            bits: MarkBits::within(world.configuration.mark_mask)?,
            openstack: OpenStack::of(&world.configuration, &NO_METADATA),
            peers: peers(world, rules.chain(of_profiles)),
            policies,
            profiles,
            workloads: behind::workloads(world),
            hosts: behind::hosts(world, node),
        })
    }

    /// The patterns of the workloads' interfaces, in the order of the configuration.
    pub fn workload_patterns(&self) -> impl Iterator<Item = InterfacePattern> + '_ {
        let prefixes = self.world.configuration.interface_prefixes.iter();
        prefixes.map(|prefix| InterfacePattern::Prefix(prefix.as_str().to_owned()))
    }

    /// The names of the policies of a stage among these, in the order in which they are asked.
    pub fn named(&self, applied: &[Applied], stage: Stage) -> Vec<&'w str> {
        let policies = applied
            .iter()
            .filter_map(|one| behind::policy(self.world, *one));
        let of_stage = policies.filter(|policy| policy.stage == stage);
        of_stage.map(|policy| policy.name.as_str()).collect()
    }
}

fn peers<'w>(world: &World, rules: impl Iterator<Item = &'w Rule>) -> BTreeMap<PeersIndex, String> {
    let sides = rules.flat_map(|rule| [&rule.source, &rule.destination]);
    let asked = sides.flat_map(|side| side.peers.iter().chain(&side.not_peers));
    let asked: BTreeSet<PeersIndex> = asked.copied().collect();
    let ids = asked.into_iter();
    ids.map(|index| (index, names::peers_id(&world.peers(index).by)))
        .collect()
}
