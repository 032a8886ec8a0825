//! What the resources come to on one node: its endpoints, which policies apply to each and in which
//! order, and whom each selector stands for.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::configuration::Configuration;
use super::resources::{Labels, NamedPort};
use super::rule::{Rule, ServiceName};
use super::selector::Selector;
use crate::packet::{Family, InterfaceName, Protocol};

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
    /// Everything that rules can select, of the whole cluster: workloads, then host endpoints, then sets.
    pub selectable: Vec<Selectable>,
    /// What stands behind services that rules may name.
    pub services: BTreeMap<ServiceName, Vec<ServiceEndpoint>>,
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

    /// Whether traffic between nodes is wrapped in IP, as Felix since 3.20 has it: as it is told, else
    /// where some pool says so.
    #[must_use]
    pub fn wraps_in_ip(&self) -> bool {
        let told = self.configuration.modern.ip_in_ip;
        told.unwrap_or_else(|| self.pools.iter().any(|pool| pool.ip_in_ip))
    }

    /// Whether traffic of a family between nodes is wrapped in VXLAN: of IPv4 as Felix is told, else where
    /// some pool of the family says so.
    #[must_use]
    pub fn wraps_in_vxlan(&self, family: Family) -> bool {
        let told = self.configuration.modern.vxlan;
        let told = told.filter(|_| family == Family::V4);
        let of_family = |pool: &&Pool| Family::of(pool.net.addr()) == family;
        let mut pools = self.pools.iter().filter(of_family);
        told.unwrap_or_else(|| pools.any(|pool| pool.vxlan))
    }
}

/// Something that rules can select: an endpoint, or a set of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectable {
    /// Its labels as selectors see them: its own, and those that it is given.
    pub labels: Labels,
    /// Its addresses (as prefixes of full length) or prefixes.
    pub nets: Vec<IpNet>,
    /// The ports that it has names for.
    pub ports: Vec<NamedPort>,
}

/// One address and port behind a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceEndpoint {
    /// The address.
    pub address: IpAddr,
    /// The protocol.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
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
    /// Which of the API's it is.
    pub id: PolicyId,
    /// Whether it is only staged: shown, and not enforced.
    pub staged: bool,
    /// Which endpoints it applies to, with what its namespace and the like add.
    pub selector: Selector,
}

/// Which policy of the API a policy is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId {
    /// Its kind.
    pub kind: PolicyKind,
    /// Its namespace, if its kind has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// The kinds of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyKind {
    /// Calico's, of all namespaces.
    GlobalNetworkPolicy,
    /// Calico's, of one.
    NetworkPolicy,
    /// The same staged.
    StagedGlobalNetworkPolicy,
    /// The same staged.
    StagedNetworkPolicy,
    /// Kubernetes' own, of one namespace.
    KubernetesNetworkPolicy,
    /// Kubernetes' own, of all: `ClusterNetworkPolicy`, and `AdminNetworkPolicy` before it.
    KubernetesClusterNetworkPolicy,
}

impl PolicyKind {
    /// The kind as the API has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GlobalNetworkPolicy => "GlobalNetworkPolicy",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::StagedGlobalNetworkPolicy => "StagedGlobalNetworkPolicy",
            Self::StagedNetworkPolicy => "StagedNetworkPolicy",
            Self::KubernetesNetworkPolicy => "KubernetesNetworkPolicy",
            Self::KubernetesClusterNetworkPolicy => "KubernetesClusterNetworkPolicy",
        }
    }
}

impl PolicyId {
    /// A policy of all namespaces.
    #[must_use]
    pub fn global(name: impl Into<String>) -> Self {
        Self {
            kind: PolicyKind::GlobalNetworkPolicy,
            namespace: None,
            name: name.into(),
        }
    }
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

impl Stage {
    /// Whether such policies judge connections, of workloads and of the node.
    #[must_use]
    pub fn is_of_connections(self) -> bool {
        matches!(self, Self::Normal | Self::Forward)
    }
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
    /// Who started it: `k8s`, `cni`, `openstack`, …
    pub orchestrator: String,
    /// How its traffic is limited and marked.
    pub qos: Qos,
}

/// How a workload's traffic is limited and marked, besides its bandwidth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Qos {
    /// Of what it receives.
    pub ingress: Limits,
    /// Of what it sends.
    pub egress: Limits,
    /// The DSCP of what it sends out of the cluster, 0 to 63.
    pub dscp: Option<u8>,
}

/// What is limited in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Packets a second.
    pub packets: Option<PacketRate>,
    /// Connections at once.
    pub connections: Option<u32>,
}

/// A limit of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PacketRate {
    /// How many a second, 1 at least.
    pub per_second: u32,
    /// How many at once, 1 at least.
    pub burst: u32,
}

impl PacketRate {
    /// Whether packets may ever come too fast for it: not for a burst of so many that nothing here fires them while
    /// room is made for one.
    #[must_use]
    pub fn holds_back(self) -> bool {
        self.burst < 10_000
    }
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
    /// The DSCP of what it sends out of the cluster, 0 to 63.
    pub dscp: Option<u8>,
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
    /// Whether it is wrapped in VXLAN.
    pub vxlan: bool,
    /// Whether the addresses are for services alone (`allowedUses`).
    pub for_services: bool,
}
