//! What the resources come to on one node: its endpoints, which policies apply to each and in which
//! order, and whom each selector stands for.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::configuration::Configuration;
use super::rule::Rule;
use crate::packet::InterfaceName;

/// Calico's resources, resolved for one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// What Felix is told.
    pub configuration: Configuration,
    /// The tiers, in the order in which they are asked. API v1 has one, `default`.
    pub tiers: Vec<Tier>,
    /// The profiles, by name.
    pub profiles: BTreeMap<String, Profile>,
    /// The groups of addresses that rules speak of; each stands here once, in the order of
    /// [`Peers::by`].
    pub peers: Vec<Peers>,
    /// The node's workloads, in the order of their names.
    pub workloads: Vec<WorkloadEndpoint>,
    /// The node's host endpoints, in the order of their names.
    pub hosts: Vec<HostEndpoint>,
    /// The pools of addresses for workloads, in the order of their prefixes.
    pub pools: Vec<Pool>,
    /// The addresses of every node of the cluster, this one's too.
    pub nodes: Vec<IpAddr>,
}

impl World {
    /// The group of an index.
    ///
    /// # Panics
    ///
    /// Where the index is another world's.
    #[must_use]
    pub fn peers(&self, index: PeersIndex) -> &Peers {
        &self.peers[index.0]
    }
}

/// The place of a group in [`World::peers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeersIndex(pub usize);

/// A group of addresses that a rule speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// How the group is told.
    pub by: PeersBy,
    /// The addresses (as prefixes of full length) and prefixes in it, sorted, none twice, of both
    /// families.
    pub members: Vec<IpNet>,
}

impl Peers {
    /// Whether an address belongs to it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.members.iter().any(|net| net.contains(&address))
    }
}

/// How a group of addresses is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PeersBy {
    /// By a selector, in its canonical spelling.
    Selector(String),
    /// By a tag (API v1).
    Tag(String),
}

/// A tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// What becomes of a packet that its policies apply to and none of its rules decides.
    pub default_action: DefaultAction,
    /// Its policies, in the order in which they are asked.
    pub policies: Vec<Policy>,
}

/// What a tier does with what it does not decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DefaultAction {
    /// Denies it.
    #[default]
    Deny,
    /// Leaves it to the next tier.
    Pass,
}

/// A policy that applies to endpoints of this node, or to none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name, with its namespace where it has one (`NAMESPACE/NAME`).
    pub name: String,
    /// Whether it governs what endpoints receive.
    pub governs_ingress: bool,
    /// Whether it governs what endpoints send.
    pub governs_egress: bool,
    /// Its rules for what endpoints receive.
    pub ingress: Vec<Rule>,
    /// Its rules for what endpoints send.
    pub egress: Vec<Rule>,
    /// When it is asked.
    pub stage: Stage,
}

/// When a policy is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Of connections, at workloads, and at host endpoints for what begins or ends at the node.
    #[default]
    Normal,
    /// Besides, of what the node forwards by a host endpoint (`applyOnForward`).
    Forward,
    /// Of what enters by a host endpoint, before its destination is translated (`preDNAT`).
    PreDnat,
    /// Of every packet by itself, before connection tracking (`doNotTrack`).
    Untracked,
}

/// A profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Its rules for what endpoints receive.
    pub ingress: Vec<Rule>,
    /// Its rules for what endpoints send.
    pub egress: Vec<Rule>,
}

/// A policy that applies to an endpoint: which of which tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Applied {
    /// The tier's place in [`World::tiers`].
    pub tier: usize,
    /// The policy's place in [`Tier::policies`].
    pub policy: usize,
}

/// A workload of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadEndpoint {
    /// Its name.
    pub name: String,
    /// The node's end of its link.
    pub interface: InterfaceName,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it is administratively up.
    pub up: bool,
    /// The policies that apply to it, in the order in which they are asked.
    pub policies: Vec<Applied>,
    /// The names of its profiles, in order. One that does not exist has no rules.
    pub profiles: Vec<String>,
    /// The addresses that stand for one of its own from outside.
    pub floating: Vec<FloatingAddress>,
    /// Prefixes that it may send from besides its addresses.
    pub allowed_sources: Vec<IpNet>,
}

/// An address that stands for a workload's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FloatingAddress {
    /// The address outside.
    pub outside: IpAddr,
    /// The workload's, of the same family.
    pub inside: IpAddr,
}

/// A host endpoint of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEndpoint {
    /// Its name.
    pub name: String,
    /// Which interfaces it is about.
    pub of: HostInterface,
    /// The addresses that it is expected to have.
    pub expected_addresses: Vec<IpAddr>,
    /// The policies that apply to it, in the order in which they are asked.
    pub policies: Vec<Applied>,
    /// The names of its profiles, in order. One that does not exist has no rules.
    pub profiles: Vec<String>,
}

/// Which interfaces a host endpoint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostInterface {
    /// The one of this name.
    Named(InterfaceName),
    /// The one that has one of its expected addresses.
    ByAddress,
    /// Every one that no other host endpoint is about (`*`).
    All,
}

/// A pool of addresses for workloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The prefix.
    pub net: IpNet,
    /// Whether its workloads leave the pools with the node's address (`natOutgoing`).
    pub nat_outgoing: bool,
    /// Whether traffic between nodes is wrapped in IP.
    pub ip_in_ip: bool,
}
