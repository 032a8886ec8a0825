//! Calico's resources as people write them: values, before they are resolved for a node.
//!
//! * [`policy`]: tiers, policies and profiles, and their rules;
//! * [`endpoint`]: workloads, hosts, and sets of addresses beside them;
//! * [`service`]: what stands behind services;
//! * [`setting`]: what Felix is told.
//!
//! Both versions of the API share these values; what only one of them can say is named where it
//! stands. What the API forbids and the types allow, the reader refuses ([`super::read`]).

pub mod endpoint;
pub mod policy;
pub mod service;
pub mod setting;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

pub use endpoint::{HostEndpoint, NamedPort, NetworkSet, WorkloadEndpoint};
pub use policy::{Entity, Policy, Profile, Rule, ServiceAccounts, Tier, Types};
pub use service::{EndpointSlice, SlicePort};
pub use setting::{FelixConfiguration, Setting};

/// Which version of the API resources are written in. It decides what they mean, too: see
/// [`Policy::governs`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Api {
    /// `v1`, of calicoctl 1.x: Calico 2.
    V1,
    /// `projectcalico.org/v3`.
    #[default]
    V3,
}

impl Api {
    /// As `apiVersion` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V3 => "projectcalico.org/v3",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Labels by key.
pub type Labels = BTreeMap<String, String>;

/// Resources of one cluster, all of one version of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// The version.
    pub api: Api,
    /// What Felix is told, everywhere or on one node.
    pub configurations: Vec<FelixConfiguration>,
    /// The nodes that say their addresses.
    pub nodes: Vec<Node>,
    /// The pools of addresses for workloads.
    pub pools: Vec<Pool>,
    /// The tiers besides `default`, or that one with its order (v3).
    pub tiers: Vec<Tier>,
    /// The policies.
    pub policies: Vec<Policy>,
    /// The profiles.
    pub profiles: Vec<Profile>,
    /// The sets of addresses (v3).
    pub sets: Vec<NetworkSet>,
    /// The workloads' endpoints.
    pub workloads: Vec<WorkloadEndpoint>,
    /// The nodes' own endpoints.
    pub hosts: Vec<HostEndpoint>,
    /// The addresses of services (v3, `BGPConfiguration`).
    pub service_nets: Vec<ServiceNets>,
    /// What the cluster is (v3, `ClusterInformation`).
    pub cluster: Option<ClusterInformation>,
    /// What stands behind services (Kubernetes, `EndpointSlice`).
    pub slices: Vec<EndpointSlice>,
}

/// Where a tier or policy stands among others: a finite number, lower first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order(f64);

impl Order {
    /// An order; `None` where the number is none or infinite.
    #[must_use]
    pub fn new(number: f64) -> Option<Self> {
        // Minus zero is zero: the two can't be told apart by how the API compares them.
        number.is_finite().then_some(Self(number + 0.0))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> f64 {
        self.0
    }
}

impl From<i32> for Order {
    fn from(number: i32) -> Self {
        Self(number.into())
    }
}

impl PartialEq for Order {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Order {}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A node and its addresses, towards which the others route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its address in IPv4.
    pub v4: Option<Ipv4Addr>,
    /// Its address in IPv6.
    pub v6: Option<Ipv6Addr>,
    /// Its address on `tunl0` (v3; API v1 tells it to Felix, [`Setting::TunnelAddress`]).
    pub tunnel: Option<Ipv4Addr>,
    /// Its address on `vxlan.calico` (v3).
    pub vxlan: Option<Ipv4Addr>,
    /// Its address on `vxlan-v6.calico` (v3).
    pub vxlan_v6: Option<Ipv6Addr>,
}

/// The addresses of Kubernetes' services, as `BGPConfiguration` tells them to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceNets {
    /// The resource's name; Felix reads `default`.
    pub name: String,
    /// `serviceClusterIPs`.
    pub cluster: Vec<IpNet>,
    /// `serviceExternalIPs`.
    pub external: Vec<IpNet>,
    /// `serviceLoadBalancerIPs`.
    pub load_balancer: Vec<IpNet>,
}

/// What the cluster is, which the API has under the name `default` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterInformation {
    /// `clusterType`: words separated by commas. In v1 Felix is told it ([`Setting::ClusterType`]).
    pub cluster_type: String,
}

/// A pool of addresses for workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The prefix.
    pub net: IpNet,
    /// Whether its workloads leave the pools with their node's address.
    pub nat_outgoing: bool,
    /// Whether traffic between nodes is wrapped in IP.
    pub ip_in_ip: IpInIp,
    /// Whether it is wrapped in VXLAN (v3); never both.
    pub vxlan: IpInIp,
    /// Whether the addresses are for services alone (v3, `allowedUses`).
    pub for_services: bool,
}

/// When traffic between nodes is wrapped, in IP or in VXLAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IpInIp {
    /// Never.
    #[default]
    Never,
    /// Always.
    Always,
    /// Where a router lies between them.
    CrossSubnet,
}
