//! Pods, which become endpoints of workloads (libcalico-go,
//! lib/backend/k8s/conversion/workload_endpoint_default.go, `podToDefaultWorkloadEndpoint`).

use std::net::IpAddr;

use ipnet::IpNet;

use sha1::{Digest as _, Sha1};

use super::cluster::{namespace_profile, service_account_profile};
use crate::calico::resources::endpoint::WorkloadId;
use crate::calico::resources::{Labels, NamedPort, WorkloadEndpoint};
use crate::calico::world::FloatingAddress;
use crate::packet::{Family, InterfaceName};

/// Who started it, as endpoints say it.
const ORCHESTRATOR: &str = "k8s";
/// What a pod calls its one endpoint.
const ENDPOINT: &str = "eth0";
/// How the interfaces of pods begin, unless the CNI plugin is told otherwise.
const INTERFACE_PREFIX: &str = "cali";
/// How many digits of the digest are in an interface's name.
const INTERFACE_DIGITS: usize = 11;

/// A pod that has a network of its own, is on a node and has addresses: only such ones are endpoints
/// (conversion.go, `IsReadyCalicoPod`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its labels.
    pub labels: Labels,
    /// The node that it is on.
    pub node: String,
    /// Its service account.
    pub service_account: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its ports that have names.
    pub ports: Vec<NamedPort>,
    /// The addresses that stand for its own from outside.
    pub floating: Vec<IpAddr>,
    /// Prefixes that it may send from besides its addresses.
    pub allowed_sources: Vec<IpNet>,
}

/// The node's end of a pod's link (workload_endpoint_default.go, `VethNameForWorkload`).
#[must_use]
pub fn interface_name(namespace: &str, pod: &str) -> Option<InterfaceName> {
    let digest = Sha1::digest(format!("{namespace}.{pod}"));
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.get(..INTERFACE_DIGITS)?;
    format!("{INTERFACE_PREFIX}{digits}").parse().ok()
}

impl Pod {
    /// What tells its endpoint from others.
    #[must_use]
    pub fn id(&self) -> WorkloadId {
        WorkloadId {
            orchestrator: ORCHESTRATOR.to_owned(),
            namespace: Some(self.namespace.clone()),
            workload: self.name.clone(),
            endpoint: ENDPOINT.to_owned(),
            node: self.node.clone(),
        }
    }

    /// Its endpoint behind an interface. The labels of namespace, orchestrator and service account are
    /// there by themselves, as for any workload of Kubernetes'.
    #[must_use]
    pub fn to_calico(&self, interface: InterfaceName) -> WorkloadEndpoint {
        let account = &self.service_account;
        WorkloadEndpoint {
            labels: self.labels.clone(),
            addresses: self.addresses.clone(),
            profiles: vec![
                namespace_profile(&self.namespace),
                service_account_profile(&self.namespace, account),
            ],
            floating: self
                .floating
                .iter()
                .filter_map(|one| self.stands(*one))
                .collect(),
            allowed_sources: self.allowed_sources.clone(),
            service_account: Some(account.clone()),
            ports: self.ports.clone(),
            ..WorkloadEndpoint::new(self.id(), interface)
        }
    }

    /// A floating address stands for the first own one of its family, if there is any.
    fn stands(&self, outside: IpAddr) -> Option<FloatingAddress> {
        let mut own = self.addresses.iter().copied();
        let inside = own.find(|address| Family::of(*address) == Family::of(outside))?;
        Some(FloatingAddress { outside, inside })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_is_named_by_namespace_and_pod() {
        for (namespace, pod, name) in [
            ("default", "web", "cali68caf03a5f4"),
            ("shop", "web-0", "calia4fc3c48bd8"),
        ] {
            let made = interface_name(namespace, pod).expect("a name");
            assert_eq!(made.as_str(), name);
        }
    }
}
