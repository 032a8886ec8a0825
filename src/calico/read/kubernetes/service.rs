//! Services, and the slices of what stands behind them (kubernetes, pkg/apis/discovery/validation).

use std::net::IpAddr;

use super::{Metadata, known};
use crate::calico::read::tree::{Fields, Read, Reader, Tree};
use crate::calico::resources::{EndpointSlice, SlicePort};
use crate::calico::words::{Words, word_for};
use crate::packet::Family;

/// The label that says whose slice it is.
pub(in crate::calico) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The most addresses that one endpoint can have, endpoints a slice, and ports a slice.
const MOST_ADDRESSES: usize = 100;
const MOST_ENDPOINTS: usize = 1000;
const MOST_PORTS: usize = 20_000;

/// What kinds of addresses a slice has: of a family, or names.
pub(in crate::calico) const ADDRESS_TYPES: Words<Option<Family>> = &[
    ("IPv4", Some(Family::V4)),
    ("IPv6", Some(Family::V6)),
    ("FQDN", None),
];

impl Reader<'_> {
    /// A service. Rules that name it mean what stands behind it, which its slices say: of itself no
    /// packet tells anything.
    pub(super) fn service_of_kubernetes(&self, resource: &Fields<'_>) -> Read<()> {
        let spec = self.required(resource, "spec")?;
        let spec = self.fields(spec, "a service's spec", known::SERVICE_SPEC)?;
        self.list(spec.get("ports"), |port| {
            let fields = self.fields(port, "a service's port", known::SERVICE_PORT)?;
            self.port_number(self.required(&fields, "port")?)?;
            self.transport(&fields)
        })?;
        Ok(())
    }

    /// A slice; `None` where it is no service's, or has names in place of addresses. Felix takes every address, whether it is ready or not
    /// (felix, serviceindex/).
    pub(super) fn endpoint_slice(
        &self,
        resource: &Fields<'_>,
        metadata: &Metadata,
    ) -> Read<Option<EndpointSlice>> {
        let kind = self.required(resource, "addressType")?;
        let family = self.word(kind, "type of addresses", ADDRESS_TYPES)?;
        let tree = resource.get("endpoints");
        let endpoints = self.list(tree, |one| self.endpoint_addresses(one, family))?;
        let endpoints = self.at_most(tree, endpoints, MOST_ENDPOINTS, "endpoints")?;
        let tree = resource.get("ports");
        let ports = self.list(tree, |one| self.slice_port(one))?;
        let ports = self.at_most(tree, ports, MOST_PORTS, "ports")?;
        let (Some(service), Some(family)) = (metadata.labels.get(SERVICE_NAME), family) else {
            return Ok(None);
        };
        Ok(Some(EndpointSlice {
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            service: service.clone(),
            family,
            addresses: endpoints.into_iter().flatten().collect(),
            ports: ports.into_iter().flatten().collect(),
        }))
    }

    /// The addresses of an endpoint, one at least; of names none, because no set can have them.
    fn endpoint_addresses(&self, tree: &Tree, family: Option<Family>) -> Read<Vec<IpAddr>> {
        let fields = self.fields(tree, "an endpoint of a service", known::ENDPOINT)?;
        let list = self.required(&fields, "addresses")?;
        let addresses = self.list(Some(list), |one| self.endpoint_address(one, family))?;
        let addresses = self.at_most(Some(list), addresses, MOST_ADDRESSES, "addresses")?;
        if addresses.is_empty() {
            let problem = "no address of an endpoint; expected one at least";
            return Err(self.wrong(list.referenced, problem));
        }
        Ok(addresses.into_iter().flatten().collect())
    }

    fn endpoint_address(&self, tree: &Tree, family: Option<Family>) -> Read<Option<IpAddr>> {
        let Some(family) = family else {
            return self.text(tree).map(|_| None);
        };
        let address = self.address(tree)?;
        if Family::of(address) == family {
            return Ok(Some(address));
        }
        let expected = word_for(ADDRESS_TYPES, &Some(family));
        let problem = format!("{address} in a slice of {expected}; expected one of that type");
        Err(self.wrong(tree.referenced, problem))
    }

    /// A port; `None` where it has no number, which no set can say.
    fn slice_port(&self, tree: &Tree) -> Read<Option<SlicePort>> {
        let fields = self.fields(tree, "a port behind a service", known::SLICE_PORT)?;
        let protocol = self.transport(&fields)?;
        let port = fields.get("port").map(|port| self.port_number(port));
        Ok(port.transpose()?.map(|port| SlicePort { protocol, port }))
    }
}
