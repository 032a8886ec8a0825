//! The node that resources speak of without saying all of it, and what of a node and its resources is
//! allowed and yet looks like a mistake.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::Scenario;
use crate::calico::Resources;
use crate::calico::resources::{Api, HostEndpoint};
use crate::calico::world::HostInterface;
use crate::node::{Interface, Node, ReversePath};
use crate::packet::{Batch, InterfaceName};
use crate::xtables::Firewall;

/// The nodes that have endpoints.
#[must_use]
pub fn nodes_with_endpoints(resources: &Resources) -> BTreeSet<&str> {
    let workloads = resources.workloads.iter().map(|one| one.id.node.as_str());
    let hosts = resources.hosts.iter().map(|one| one.node.as_str());
    workloads.chain(hosts).collect()
}

/// The nodes that are named anywhere.
#[must_use]
pub fn nodes_named(resources: &Resources) -> BTreeSet<&str> {
    let nodes = resources.nodes.iter().map(|one| one.name.as_str());
    let configurations = resources.configurations.iter();
    let configured = configurations.filter_map(|one| one.node.as_deref());
    let named = nodes_with_endpoints(resources).into_iter();
    named.chain(nodes).chain(configured).collect()
}

/// A node of no more than what resources say of it: the interfaces of its workloads, and those of its
/// host endpoints, with the addresses that they expect there.
#[must_use]
pub fn node(resources: &Resources, name: &str) -> Node {
    let mut interfaces: BTreeMap<InterfaceName, Interface> = BTreeMap::new();
    let workloads = resources.workloads.iter().filter(|one| one.id.node == name);
    for workload in workloads {
        let interface = Interface {
            // What Felix writes to them (intdataplane/endpoint_mgr.go): 2.1.1 has the kernel check where
            // they send from; since 3.24 its own rules do, and the kernel as the node's default says.
            reverse_path: match resources.api {
                Api::V1 => ReversePath::Strict,
                Api::V3 => ReversePath::Off,
            },
            route_localnet: true,
            ..bare(workload.interface)
        };
        interfaces.insert(workload.interface, interface);
    }
    for (interface, host) in named_hosts(resources, name) {
        let own = interfaces
            .entry(interface)
            .or_insert_with(|| bare(interface));
        let addresses = host.expected_addresses.iter().map(|one| IpNet::from(*one));
        own.addresses.extend(addresses);
    }
    let mut seen = BTreeSet::new();
    for interface in interfaces.values_mut() {
        interface.addresses.retain(|net| seen.insert(*net));
    }
    interfaces.remove(&InterfaceName::LOOPBACK);
    Node {
        name: name.to_owned(),
        interfaces: interfaces.into_values().collect(),
        routes: Vec::new(),
        forwards_v4: true,
        forwards_v6: true,
    }
}

fn bare(name: InterfaceName) -> Interface {
    Interface {
        name,
        addresses: Vec::new(),
        reverse_path: ReversePath::Off,
        route_localnet: false,
    }
}

fn named_hosts<'a>(
    resources: &'a Resources,
    node: &'a str,
) -> impl Iterator<Item = (InterfaceName, &'a HostEndpoint)> {
    let hosts = resources.hosts.iter().filter(move |one| one.node == node);
    hosts.filter_map(|host| match host.of {
        HostInterface::Named(interface) => Some((interface, host)),
        HostInterface::ByAddress | HostInterface::All => None,
    })
}

/// A scenario of a node that resources imply, with nothing else on it.
#[must_use]
pub fn scenario(resources: Resources, node_name: &str) -> Scenario {
    Scenario {
        name: node_name.to_owned(),
        why: None,
        node: node(&resources, node_name),
        firewall: Firewall::default(),
        resources: Some(resources),
        completed: Vec::new(),
        batch: Batch::default(),
        changed: None,
    }
}

impl Scenario {
    /// What about it is allowed, and yet looks like a mistake: a sentence each.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let Some(resources) = &self.resources else {
            return Vec::new();
        };
        let mut doubts = Vec::new();
        let node = &self.node.name;
        let others = nodes_with_endpoints(resources);
        if !others.is_empty() && !others.contains(node.as_str()) {
            let others: Vec<&str> = others.into_iter().collect();
            let others = others.join(", ");
            doubts.push(format!(
                "no endpoint is on the node `{node}`, only on {others}: no policy applies here"
            ));
        }
        let here = resources.hosts.iter().filter(|one| one.node == *node);
        for host in here.filter(|host| !self.stands(host)) {
            doubts.push(format!(
                "the node `{node}` has no interface for the host endpoint `{}`: it has no effect",
                host.name
            ));
        }
        let here = resources
            .workloads
            .iter()
            .filter(|one| one.id.node == *node);
        for workload in here.filter(|one| self.node.interface(one.interface).is_none()) {
            doubts.push(format!(
                "the node `{node}` has no interface `{}`, which is the workload {}'s: nothing \
                 comes from it or reaches it",
                workload.interface, workload.id
            ));
        }
        doubts
    }

    fn stands(&self, host: &HostEndpoint) -> bool {
        let expected = |net: &IpNet| host.expected_addresses.contains(&net.addr());
        match host.of {
            HostInterface::All | HostInterface::Named(InterfaceName::LOOPBACK) => true,
            HostInterface::Named(name) => self.node.interface(name).is_some(),
            HostInterface::ByAddress => self.node.addresses().any(|(_, net)| expected(&net)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calico::read::read;

    const RESOURCES: &str = "\
- apiVersion: v1
  kind: workloadEndpoint
  metadata: { name: eth0, workload: web, orchestrator: k8s, node: one }
  spec: { interfaceName: cali1, ipNetworks: [10.65.0.1/32] }
- apiVersion: v1
  kind: hostEndpoint
  metadata: { name: outside, node: one }
  spec: { interfaceName: eth0, expectedIPs: [10.0.0.1] }
- apiVersion: v1
  kind: hostEndpoint
  metadata: { name: somewhere, node: one }
  spec: { expectedIPs: [10.0.0.2] }
- apiVersion: v1
  kind: node
  metadata: { name: two }
";

    #[test]
    fn a_node_has_the_interfaces_of_its_endpoints() -> Result<(), Box<dyn std::error::Error>> {
        let resources = read("resources.yaml", RESOURCES)?;
        assert_eq!(nodes_named(&resources), BTreeSet::from(["one", "two"]));
        assert_eq!(nodes_with_endpoints(&resources), BTreeSet::from(["one"]));
        let node = node(&resources, "one");
        let interfaces = node.interfaces.iter().map(|one| one.name.to_string());
        assert_eq!(interfaces.collect::<Vec<_>>(), ["cali1", "eth0"]);
        assert_eq!(node.interfaces[1].addresses, ["10.0.0.1/32".parse()?]);
        assert_eq!(node.interfaces[0].reverse_path, ReversePath::Strict);
        Ok(())
    }

    #[test]
    fn of_api_v3_the_kernel_checks_no_workload() -> Result<(), Box<dyn std::error::Error>> {
        let workload = "\
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: { name: one-k8s-web-eth0, namespace: default }
spec:
  { node: one, orchestrator: k8s, pod: web, endpoint: eth0, interfaceName: cali1, ipNetworks: [10.65.0.1/32] }
";
        let node = node(&read("resources.yaml", workload)?, "one");
        assert_eq!(node.interfaces[0].reverse_path, ReversePath::Off);
        Ok(())
    }

    #[test]
    fn doubts_are_about_endpoints_without_a_place() -> Result<(), Box<dyn std::error::Error>> {
        let resources = read("resources.yaml", RESOURCES)?;
        let mut one = scenario(resources.clone(), "one");
        let doubts = one.doubts();
        assert_eq!(doubts.len(), 1, "{doubts:?}");
        assert!(
            doubts[0].contains("host endpoint `somewhere`"),
            "{doubts:?}"
        );
        one.node.interfaces[1]
            .addresses
            .push("10.0.0.2/24".parse()?);
        assert!(one.doubts().is_empty());
        one.node.interfaces.remove(0);
        assert!(one.doubts()[0].contains("no interface `cali1`"));
        let doubts = scenario(resources, "two").doubts();
        assert!(doubts[0].contains("only on one"), "{doubts:?}");
        Ok(())
    }
}
