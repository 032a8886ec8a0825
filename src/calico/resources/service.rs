//! What stands behind services of Kubernetes, which rules may name (v3).

use std::net::IpAddr;

use crate::calico::rule::NamedProtocol;
use crate::packet::Family;

/// Some of what stands behind a service (Kubernetes, discovery/v1, `EndpointSlice`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Its name.
    pub name: String,
    /// Its namespace, which is the service's.
    pub namespace: String,
    /// The service's name.
    pub service: String,
    /// The family of its addresses.
    pub family: Family,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// The ports of each of them.
    pub ports: Vec<SlicePort>,
}

/// A port behind a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// Its protocol.
    pub protocol: NamedProtocol,
    /// Its number.
    pub port: u16,
}
