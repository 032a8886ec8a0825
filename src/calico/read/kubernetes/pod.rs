//! Pods: what of them makes an endpoint.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Metadata, known};
use crate::calico::kubernetes::Pod;
use crate::calico::read::tree::{Fields, Read, Reader, Tree};
use crate::calico::resources::NamedPort;

/// The annotation that lists the addresses that stand for a pod's own from outside.
const FLOATING: &str = "cni.projectcalico.org/floatingIPs";
/// The annotation that lists the prefixes that a pod may send from besides its addresses.
const ALLOWED_SOURCES: &str = "cni.projectcalico.org/allowedSourcePrefixes";
/// What a pod's service account is called where it says none (kubernetes,
/// plugin/pkg/admission/serviceaccount).
const USUAL_ACCOUNT: &str = "default";
/// The phases of pods whose network is gone (conversion.go, `IsFinished`).
const FINISHED: [&str; 2] = ["Succeeded", "Failed"];

impl Reader<'_> {
    /// A pod; `None` where it has no endpoint: one in its node's own network, one that waits for a node
    /// or an address, one that is done.
    pub(super) fn pod(&self, resource: &Fields<'_>, metadata: &Metadata) -> Read<Option<Pod>> {
        let spec = self.required(resource, "spec")?;
        let spec = self.fields(spec, "a pod's spec", known::POD_SPEC)?;
        let containers = self.list(spec.get("containers"), |one| self.container_ports(one))?;
        let account = spec.get("serviceAccountName").map(|name| self.name(name));
        let addresses = self.pod_addresses(resource)?;
        let node = spec
            .get("nodeName")
            .map(|name| self.name(name))
            .transpose()?;
        let in_host_network = self.truth(spec.get("hostNetwork"))?;
        let place = resource.get("metadata");
        let annotations = place.map(|tree| resource.inside(tree));
        let annotations = annotations.and_then(|fields| fields.get("annotations"));
        let floating = self.annotation(annotations, FLOATING, "addresses")?;
        let allowed: Vec<IpNet> = self.annotation(annotations, ALLOWED_SOURCES, "prefixes")?;
        let Some(node) = node.filter(|_| !in_host_network && !addresses.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(Pod {
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            labels: metadata.labels.clone(),
            node,
            service_account: account
                .transpose()?
                .unwrap_or_else(|| USUAL_ACCOUNT.to_owned()),
            addresses,
            ports: containers.into_iter().flatten().collect(),
            floating,
            allowed_sources: allowed.iter().map(IpNet::trunc).collect(),
        }))
    }

    /// The ports of a container that have names.
    fn container_ports(&self, tree: &Tree) -> Read<Vec<NamedPort>> {
        let fields = self.fields(tree, "a container", known::CONTAINER)?;
        let ports = self.list(fields.get("ports"), |port| {
            let fields = self.fields(port, "a container's port", known::CONTAINER_PORT)?;
            let port = self.port_number(self.required(&fields, "containerPort")?)?;
            let protocol = self.transport(&fields)?;
            let name = fields
                .get("name")
                .map(|name| self.port_name(name))
                .transpose()?;
            Ok(name.map(|name| NamedPort {
                name,
                protocol,
                port,
            }))
        })?;
        Ok(ports.into_iter().flatten().collect())
    }

    /// The addresses that it was given, unless it is done.
    fn pod_addresses(&self, resource: &Fields<'_>) -> Read<Vec<IpAddr>> {
        let Some(status) = resource.get("status") else {
            return Ok(Vec::new());
        };
        let status = self.any_fields(status, "a pod's status")?;
        let phase = status
            .get("phase")
            .map(|phase| self.text(phase))
            .transpose()?;
        if phase.is_some_and(|phase| FINISHED.contains(&phase)) {
            return Ok(Vec::new());
        }
        let several = self.list(status.get("podIPs"), |one| {
            let fields = self.fields(one, "an address of a pod", known::POD_IP)?;
            self.address(self.required(&fields, "ip")?)
        })?;
        match status.get("podIP") {
            Some(one) if several.is_empty() => Ok(vec![self.address(one)?]),
            _ => Ok(several),
        }
    }

    /// The items of an annotation that is a list in JSON.
    fn annotation<T: std::str::FromStr>(
        &self,
        annotations: Option<&Tree>,
        name: &str,
        what: &str,
    ) -> Read<Vec<T>> {
        let Some(annotations) = annotations else {
            return Ok(Vec::new());
        };
        let fields = self.any_fields(annotations, "annotations")?;
        let Some(tree) = fields.get(name) else {
            return Ok(Vec::new());
        };
        let items: Option<Vec<String>> = serde_json::from_str(self.text(tree)?).ok();
        let items = items.map(|items| items.iter().map(|item| item.parse().ok()).collect());
        items.flatten().map_or_else(
            || {
                self.refused(
                    tree,
                    "list",
                    &format!("{what} in quotes, as [\"…\", \"…\"]"),
                )
            },
            Ok,
        )
    }
}
