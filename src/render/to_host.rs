//! What workloads send to the node itself, and Felix's special cases for OpenStack, whose virtual machines
//! ask the node for metadata, leases and names (felix, rules/static.go).

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::fragment::{Action, End, Fragment, Network};
use super::names;
use super::pieces::{NEIGHBOURS, TCP, UDP, address, jump, port, protocol};
use super::table::FelixRule;
use crate::calico::configuration::{Configuration, EndpointToHost};
use crate::calico::rule::{IcmpMessage, RuleProtocol};
use crate::packet::Family;
use crate::xtables::Not;

/// Felix writes the protocols of its own tunnels and of ICMPv6 as numbers.
const ICMPV6: RuleProtocol = RuleProtocol::Number(58);

/// Where virtual machines look for OpenStack's metadata service, with its length, as Felix writes it.
const METADATA: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 169, 254), 32);

/// The port of the metadata service, unless Felix is told otherwise.
const METADATA_PORT: u16 = 8775;

/// How OpenStack names workloads' interfaces.
const TAP: &str = "tap";

/// Felix's special cases for OpenStack.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenStack {
    /// Whether they are on.
    pub active: bool,
    /// Where the metadata service listens, if that is an address.
    metadata: Option<IpAddr>,
    /// By which port.
    port: u16,
}

impl OpenStack {
    /// They are on where the cluster says so, or where something hints at it: a metadata service elsewhere
    /// than at these places, which say nothing, or interfaces named as OpenStack names them (felix,
    /// config/config_params.go, `OpenstackActive`).
    pub(super) fn of(configuration: &Configuration, say_nothing: &[&str]) -> Self {
        let cluster = configuration.cluster_type.to_lowercase();
        let told = configuration.metadata_address.to_lowercase();
        let mut prefixes = configuration.interface_prefixes.iter();
        Self {
            active: cluster.contains("openstack")
                || !say_nothing.contains(&told.as_str())
                || configuration.metadata_port != METADATA_PORT
                || prefixes.any(|prefix| prefix.as_str() == TAP),
            metadata: configuration.metadata_address.parse().ok(),
            port: configuration.metadata_port,
        }
    }

    /// What is asked of the metadata service, from where machines look for it to where it is.
    pub(super) fn metadata_dnat(self, family: Family) -> Option<FelixRule> {
        let service = self.metadata.filter(|_| self.active)?;
        let asked = Network::Prefix(METADATA.into());
        let asks = [
            protocol(TCP),
            port(End::Destination, 80),
            Fragment::Address(End::Destination, Not::is(asked)),
        ];
        let rule = FelixRule::when(asks, Action::Dnat(service, Some(self.port)));
        (family == Family::V4).then_some(rule)
    }

    /// What machines may ask the node.
    fn to_host(self, family: Family, allow: &Action) -> Vec<FelixRule> {
        if !self.active {
            return Vec::new();
        }
        let mut rules = Vec::new();
        if let (Family::V4, Some(service)) = (family, self.metadata) {
            let asks = [
                protocol(TCP),
                address(End::Destination, service),
                port(End::Destination, self.port),
            ];
            rules.push(FelixRule::when(asks, allow.clone()));
        }
        let (client, server) = match family {
            Family::V4 => (68, 67),
            Family::V6 => (546, 547),
        };
        let lease = [
            protocol(UDP),
            port(End::Source, client),
            port(End::Destination, server),
        ];
        rules.push(FelixRule::when(lease, allow.clone()));
        let name = [protocol(UDP), port(End::Destination, 53)];
        rules.push(FelixRule::when(name, allow.clone()));
        rules
    }
}

/// The chain of what workloads send to the node; `allow` is what becomes of what is accepted there.
pub(super) fn workload_to_host(
    configuration: &Configuration,
    openstack: OpenStack,
    family: Family,
    allow: &Action,
) -> Vec<FelixRule> {
    let mut rules = Vec::new();
    if family == Family::V6 {
        rules.extend(NEIGHBOURS.map(|kind| {
            let message = IcmpMessage { kind, code: None };
            let asks = [protocol(ICMPV6), Fragment::Icmp(family, Not::is(message))];
            FelixRule::when(asks, allow.clone())
        }));
    }
    rules.extend(openstack.to_host(family, allow));
    rules.push(jump(names::FROM_WORKLOAD_DISPATCH));
    let configured = FelixRule::always(match configuration.endpoint_to_host {
        EndpointToHost::Drop => Action::Drop,
        EndpointToHost::Return => Action::Return,
        EndpointToHost::Accept => allow.clone(),
    });
    rules.push(configured.saying("Configured DefaultEndpointToHostAction"));
    rules
}
