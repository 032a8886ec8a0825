//! Endpoints, and sets of addresses that selectors can mean like them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Labels;
use crate::calico::rule::NamedProtocol;
use crate::calico::world::{FloatingAddress, HostInterface, Qos};
use crate::packet::InterfaceName;

/// What tells a workload's endpoint from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkloadId {
    /// Who started it: `k8s`, `cni`, `openstack`, …
    pub orchestrator: String,
    /// Its namespace (v3, always).
    pub namespace: Option<String>,
    /// What the orchestrator calls the workload: a pod's name, a container's, …
    pub workload: String,
    /// What the workload calls its endpoint.
    pub endpoint: String,
    /// The node that it is on.
    pub node: String,
}

impl WorkloadId {
    /// The name that v3 demands of it: node, orchestrator, workload and endpoint, joined by `-`,
    /// their own doubled (libcalico-go, lib/names, `CalculateWorkloadEndpointName`).
    #[must_use]
    pub fn resource_name(&self) -> String {
        [
            &self.node,
            &self.orchestrator,
            &self.workload,
            &self.endpoint,
        ]
        .map(|part| part.replace('-', "--"))
        .join("-")
    }
}

impl fmt::Display for WorkloadId {
    /// As Felix tells endpoints of one node apart: `k8s/NAMESPACE/POD/eth0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.orchestrator)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}/{}", self.workload, self.endpoint)
    }
}

/// A workload's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadEndpoint {
    /// Which it is.
    pub id: WorkloadId,
    /// Its own labels.
    pub labels: Labels,
    /// The node's end of its link.
    pub interface: InterfaceName,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it is administratively up. Neither version of the API shows it, but the data that
    /// OpenStack's driver writes has it (`state`).
    pub up: bool,
    /// Its profiles, in order.
    pub profiles: Vec<String>,
    /// The addresses that stand for its own from outside (`ipNATs`).
    pub floating: Vec<FloatingAddress>,
    /// Prefixes that it may send from besides its addresses (v3).
    pub allowed_sources: Vec<IpNet>,
    /// Its service account (v3).
    pub service_account: Option<String>,
    /// Its named ports (v3).
    pub ports: Vec<NamedPort>,
    /// How its traffic is limited and marked (v3, `qosControls`).
    pub qos: Qos,
}

impl WorkloadEndpoint {
    /// An endpoint that is up and has no address, label or profile.
    #[must_use]
    pub fn new(id: WorkloadId, interface: InterfaceName) -> Self {
        Self {
            id,
            labels: Labels::new(),
            interface,
            addresses: Vec::new(),
            up: true,
            profiles: Vec::new(),
            floating: Vec::new(),
            allowed_sources: Vec::new(),
            service_account: None,
            ports: Vec::new(),
            qos: Qos::default(),
        }
    }
}

/// A port that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPort {
    /// The name.
    pub name: String,
    /// Whose port it is: TCP's, UDP's or SCTP's.
    pub protocol: NamedProtocol,
    /// The port.
    pub port: u16,
}

/// An endpoint of a node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEndpoint {
    /// Its name.
    pub name: String,
    /// The node.
    pub node: String,
    /// Its own labels.
    pub labels: Labels,
    /// Which interfaces it is about.
    pub of: HostInterface,
    /// The addresses that it is expected to have.
    pub expected_addresses: Vec<IpAddr>,
    /// Its profiles, in order.
    pub profiles: Vec<String>,
    /// Its named ports (v3).
    pub ports: Vec<NamedPort>,
    /// The DSCP of what it sends out of the cluster, 0 to 63 (v3, the annotation
    /// `qos.projectcalico.org/dscp`).
    pub dscp: Option<u8>,
}

/// A set of addresses (v3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSet {
    /// Its name.
    pub name: String,
    /// The namespace of a `NetworkSet`; absent: a `GlobalNetworkSet`.
    pub namespace: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// The addresses and prefixes in it.
    pub nets: Vec<IpNet>,
}
