//! Workloads with namespaces and accounts, host endpoints, the profiles of namespaces and accounts, and
//! network sets.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::rule::prefix;
use super::super::site::{NAME, OTHER, Site, workload_address};
use super::super::{Feature, Maker};
use super::{ACCOUNTS, NAMESPACES};
use crate::calico::configuration::Configuration;
use crate::calico::resources::endpoint::WorkloadId;
use crate::calico::resources::{
    HostEndpoint, Labels, NamedPort, NetworkSet, Profile, WorkloadEndpoint,
};
use crate::calico::rule::NamedProtocol;
use crate::calico::selector::{NAMESPACE_PREFIX, SERVICE_ACCOUNT_PREFIX};
use crate::calico::world::{HostInterface, Limits, PacketRate, Qos};
use crate::generate::bits::Bits;
use crate::node::{Interface, ReversePath};
use crate::packet::{Family, InterfaceName};

/// The profile that allows everything and is there by itself.
const DEFAULT_ALLOW: &str = "projectcalico-default-allow";

/// The label by which Kubernetes names a namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The label of whom Istio serves without a sidecar.
const ISTIO_LABEL: &str = "istio.io/dataplane-mode";

/// DSCPs: none, the first, one of those with a name (EF), the last.
const DSCPS: [u8; 4] = [0, 1, 46, 63];

/// Prefixes from which a workload may send: its pool's, others', everything.
const ALLOWED_SOURCES: [&str; 6] = [
    "10.65.0.0/16",
    "192.168.40.0/25",
    "198.51.100.9/32",
    "0.0.0.0/0",
    "fd65::/64",
    "2001:db8::/32",
];

impl<B: Bits> Maker<'_, B> {
    /// The workloads of the node, with their interfaces and routes, and those of the other node.
    pub(super) fn modern_workloads(
        &mut self,
        configuration: &Configuration,
        site: &mut Site,
    ) -> Vec<WorkloadEndpoint> {
        let mut names = BTreeSet::new();
        let wanted = match self.has(Feature::ManyWorkloads) {
            true => 5 + self.bits.below(6),
            false => self.up_to(self.dials.workloads),
        };
        // Where nobody is, nothing is to judge: that is seldom worth a cluster.
        let count = match wanted {
            0 if self.dials.workloads > 0 => usize::from(!self.bits.chance(1, 8)),
            wanted => wanted,
        };
        let mut workloads = Vec::new();
        for number in 0..count {
            let name = self.interface(configuration, number, &mut names);
            if let Some(name) = name {
                workloads.push(self.modern_workload(number, name, site));
            }
        }
        self.strays(configuration, count, &mut names, site);
        if self.has(Feature::OtherNode) {
            for number in 0..=self.bits.below(2) {
                workloads.extend(self.modern_remote(number, site));
            }
        }
        workloads
    }

    fn modern_workload(
        &mut self,
        number: usize,
        name: InterfaceName,
        site: &mut Site,
    ) -> WorkloadEndpoint {
        let mut workload = WorkloadEndpoint::new(self.modern_id(NAME, number), name);
        self.give_identity(&mut workload);
        workload.up = !self.at_times(Feature::Down, 1, 3);
        for family in Family::BOTH {
            if family == Family::V4 || self.has(Feature::V6) {
                workload.addresses.extend(self.addresses(family, number));
            }
        }
        if self.at_times(Feature::AllowedSources, 2, 3) {
            let wanted = ALLOWED_SOURCES.into_iter();
            let wanted: Vec<&str> = wanted.filter(|_| self.bits.chance(1, 3)).collect();
            let nets = wanted.iter().filter_map(|net| net.parse().ok());
            workload.allowed_sources = nets.collect();
        }
        workload.qos = self.qos();
        // Where spoofing is allowed Felix turns the kernel's own check off; else it is the node's.
        let checks = workload.allowed_sources.is_empty() && self.at_times(Feature::OddNode, 1, 2);
        let reverse_path = match checks {
            true => self.bits.one([ReversePath::Strict, ReversePath::Loose]),
            false => ReversePath::Off,
        };
        site.node.interfaces.push(Interface {
            name,
            addresses: Vec::new(),
            reverse_path,
            route_localnet: true,
        });
        if self.has(Feature::Floating) {
            workload.floating = self.floating(number, &workload.addresses);
        }
        let routed = workload.up || self.bits.chance(1, 2);
        let outside = workload.floating.iter().map(|floating| floating.outside);
        let all: Vec<IpAddr> = workload.addresses.iter().copied().chain(outside).collect();
        for address in all {
            site.meet(address);
            if routed && !self.at_times(Feature::OddNode, 1, 6) {
                site.route(IpNet::from(address), name, None);
            }
        }
        workload
    }

    /// Kubernetes' pods for the most part; CNI's containers, and OpenStack's machines, which have floating
    /// addresses whatever Felix is told.
    fn modern_id(&mut self, node: &str, number: usize) -> WorkloadId {
        let orchestrator = match self.bits.below(8) {
            0 => "cni",
            1 if self.has(Feature::Floating) => "openstack",
            _ => "k8s",
        };
        WorkloadId {
            orchestrator: orchestrator.to_owned(),
            namespace: Some(self.namespace()),
            workload: format!("pod-{number}"),
            endpoint: "eth0".to_owned(),
            node: node.to_owned(),
        }
    }

    /// Labels, an account, and ports with names.
    fn give_identity(&mut self, workload: &mut WorkloadEndpoint) {
        workload.labels = self.labels();
        if self.at_times(Feature::Istio, 1, 2) {
            let mode = self.bits.one(["ambient", "ambient", "none"]);
            workload
                .labels
                .insert(ISTIO_LABEL.to_owned(), mode.to_owned());
        }
        if self.mostly(Feature::ServiceAccounts) {
            workload.service_account = Some(self.bits.one(ACCOUNTS).to_owned());
        }
        workload.ports = self.named_ports();
    }

    /// A name may stand for ports of several protocols, and for several ports.
    fn named_ports(&mut self) -> Vec<NamedPort> {
        if !self.has(Feature::NamedPorts) || self.bits.chance(1, 8) {
            return Vec::new();
        }
        // What most have, so that rules about it meet somebody.
        let usual = NamedPort {
            name: "http".to_owned(),
            protocol: NamedProtocol::Tcp,
            port: self.bits.one([80, 80, 8080]),
        };
        let count = self.bits.below(3);
        let protocols = [
            NamedProtocol::Tcp,
            NamedProtocol::Tcp,
            NamedProtocol::Udp,
            NamedProtocol::Sctp,
        ];
        let ports = (0..count).map(|_| NamedPort {
            name: self.bits.one(["http", "dns", "metrics"]).to_owned(),
            protocol: self.bits.one(protocols),
            port: self.port().max(1),
        });
        std::iter::once(usual).chain(ports).collect()
    }

    fn qos(&mut self) -> Qos {
        Qos {
            ingress: self.limits(),
            egress: self.limits(),
            dscp: self.dscp(),
        }
    }

    fn limits(&mut self) -> Limits {
        if !self.at_times(Feature::Qos, 1, 2) {
            return Limits::default();
        }
        let packets = self.bits.chance(1, 2).then(|| PacketRate {
            // iptables counts in parts of 10,000 a second, and refuses more.
            per_second: match self.at_times(Feature::Refusals, 1, 4) {
                true => 10_001,
                false => self.bits.one([1, 100, 10_000]),
            },
            burst: self.bits.one([1, 5, 10_000]),
        });
        let connections = self
            .bits
            .chance(1, 2)
            .then(|| self.bits.one([1, 2, 100_000]));
        Limits {
            packets,
            connections,
        }
    }

    fn dscp(&mut self) -> Option<u8> {
        let some = self.at_times(Feature::Dscp, 1, 2);
        some.then(|| self.bits.one(DSCPS))
    }

    fn modern_remote(&mut self, number: usize, site: &mut Site) -> Option<WorkloadEndpoint> {
        // What its interface is called is the other node's business.
        let name = format!("cali{number}").parse().ok()?;
        let mut workload = WorkloadEndpoint::new(self.modern_id(OTHER, number), name);
        self.give_identity(&mut workload);
        for family in Family::BOTH {
            if family == Family::V4 || self.has(Feature::V6) {
                let address = workload_address(family, 1, number);
                site.meet(address);
                workload.addresses.push(address);
            }
        }
        Some(workload)
    }

    /// Profiles besides those of namespaces and accounts, without rules.
    pub(super) fn own_profiles(&mut self) -> Vec<Profile> {
        if !self.has(Feature::Profiles) || self.dials.profiles == 0 {
            return Vec::new();
        }
        let count = 1 + self.bits.below(self.dials.profiles * self.size);
        let profiles = (0..count).map(|number| Profile {
            name: self.modern_name("profile", number),
            labels: match self.has(Feature::ProfileLabels) {
                true => self.labels(),
                false => Labels::new(),
            },
            ..Profile::default()
        });
        profiles.collect()
    }

    /// A workload's profiles: those of its namespace and account, as Kubernetes has it, or others.
    pub(super) fn modern_profiles_of(
        &mut self,
        workload: &WorkloadEndpoint,
        profiles: &[Profile],
    ) -> Vec<String> {
        if self.bits.chance(1, 4) {
            return self.some_profiles(profiles);
        }
        let namespace = workload.id.namespace.as_deref().unwrap_or_default();
        let mut names = vec![namespace_profile(namespace)];
        let account = workload.service_account.as_deref();
        names.extend(account.map(|account| account_profile(namespace, account)));
        if self.has(Feature::Profiles) && self.bits.chance(1, 3) {
            names.extend(self.some_profiles(profiles));
        }
        names
    }

    /// The profiles of the namespaces, with their labels; without rules.
    pub(super) fn namespaces(&mut self) -> Vec<Profile> {
        let profiles = NAMESPACES.into_iter().map(|namespace| {
            let mut labels = self.labels_behind(NAMESPACE_PREFIX);
            let name = format!("{NAMESPACE_PREFIX}{NAME_LABEL}");
            labels.insert(name, namespace.to_owned());
            if self.at_times(Feature::Istio, 1, 3) {
                let mode = format!("{NAMESPACE_PREFIX}{ISTIO_LABEL}");
                labels.insert(mode, "ambient".to_owned());
            }
            Profile {
                name: namespace_profile(namespace),
                labels,
                ..Profile::default()
            }
        });
        profiles.collect()
    }

    /// The profiles of the service accounts, with their labels; without rules.
    pub(super) fn accounts(&mut self) -> Vec<Profile> {
        if !self.has(Feature::ServiceAccounts) {
            return Vec::new();
        }
        let mut profiles = Vec::new();
        for namespace in NAMESPACES {
            for account in ACCOUNTS {
                profiles.push(Profile {
                    name: account_profile(namespace, account),
                    labels: self.labels_behind(SERVICE_ACCOUNT_PREFIX),
                    ..Profile::default()
                });
            }
        }
        profiles
    }

    fn labels_behind(&mut self, begin: &str) -> Labels {
        let labels = self.labels().into_iter();
        labels
            .map(|(key, value)| (format!("{begin}{key}"), value))
            .collect()
    }

    /// The host endpoints: those of interfaces, and the one of all others.
    pub(super) fn modern_hosts(
        &mut self,
        site: &Site,
        workloads: &[WorkloadEndpoint],
        profiles: &[Profile],
    ) -> Vec<HostEndpoint> {
        let own: Vec<Profile> = profiles
            .iter()
            .filter(|one| !one.name.starts_with("k"))
            .cloned()
            .collect();
        let mut hosts = self.hosts(site, workloads, &own);
        if self.has(Feature::Wildcard) {
            let first = site.uplinks.first().copied();
            let interface = first.unwrap_or(InterfaceName::ETH0);
            let number = hosts.len();
            hosts.push(HostEndpoint {
                of: HostInterface::All,
                ..self.host(number, interface, site, &own)
            });
        }
        for host in &mut hosts {
            host.ports = self.named_ports();
            host.dscp = self.dscp();
            if self.bits.chance(1, 4) {
                host.profiles.push(DEFAULT_ALLOW.to_owned());
            }
        }
        hosts
    }

    /// The network sets: addresses of those who are there, with prefixes around them.
    pub(super) fn sets(&mut self, site: &Site) -> Vec<NetworkSet> {
        if !self.has(Feature::NetworkSets) {
            return Vec::new();
        }
        let count = 1 + self.bits.below(3);
        (0..count).map(|number| self.set(number, site)).collect()
    }

    fn set(&mut self, number: usize, site: &Site) -> NetworkSet {
        let count = self.bits.one([0, 1, 2, 4]);
        let mut nets: Vec<IpNet> = Vec::new();
        for _ in 0..count {
            let family = match self.at_times(Feature::V6, 1, 2) {
                true => Family::V6,
                false => Family::V4,
            };
            let address = self.anyone(site, family);
            let net = self.net(site, address);
            // ipset has no /0 of a set of prefixes, and this is written as it is.
            nets.push(match net.prefix_len() {
                0 if !self.has(Feature::Refusals) => prefix(address, 1),
                _ => net,
            });
        }
        NetworkSet {
            name: format!("set-{number}"),
            namespace: match self.bits.chance(1, 2) {
                true => Some(self.namespace()),
                false => None,
            },
            labels: self.labels(),
            nets,
        }
    }
}

fn namespace_profile(namespace: &str) -> String {
    format!("kns.{namespace}")
}

fn account_profile(namespace: &str, account: &str) -> String {
    format!("ksa.{namespace}.{account}")
}
