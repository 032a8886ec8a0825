//! Makers of scenarios for the era of API v3 (Calico of August 2026).
//!
//! They stand on those of the seed's era wherever both say the same: labels, ports, prefixes, interfaces'
//! names, networks of the node.
//!
//! * [`options`]: what Felix is told;
//! * [`site`]: tunnels, pools, and the addresses of services;
//! * [`endpoint`]: workloads, host endpoints, namespaces' profiles and network sets;
//! * [`policy`]: tiers and policies; [`rule`]: their rules;
//! * [`kube_proxy`]: what kube-proxy and others translate beside Calico.

mod endpoint;
mod kube_proxy;
mod names;
mod options;
mod policy;
mod rule;
mod site;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::site::{NAME, Site};
use super::{Feature, Maker};
use crate::calico::configuration::Configuration;
use crate::calico::resources::{
    Api, ClusterInformation, EndpointSlice, FelixConfiguration, Resources, Setting, SlicePort,
};
use crate::calico::rule::NamedProtocol;
use crate::generate::bits::Bits;
use crate::packet::Family;
use crate::xtables::Firewall;

/// The namespaces.
const NAMESPACES: [&str; 3] = ["default", "blue", "kube-system"];
/// The services that rules name, of each.
const SERVICES: [&str; 2] = ["frontend", "dns"];
/// The service accounts of each.
const ACCOUNTS: [&str; 2] = ["default", "web"];
/// The names of ports, some more often than others. The last is nobody's.
const PORT_NAMES: [&str; 6] = ["http", "http", "http", "dns", "metrics", "nobodys"];

impl<B: Bits> Maker<'_, B> {
    /// What a scenario has but for policies and profiles' rules.
    pub(super) fn modern_cluster(&mut self) -> (Site, Resources, Firewall) {
        let settings = self.modern_settings();
        let configurations = self.told(settings);
        let mut configuration = Configuration::default();
        for told in &configurations {
            told.apply(&mut configuration);
        }
        let (mut site, nodes) = self.modern_site(&configuration);
        let mut workloads = self.modern_workloads(&configuration, &mut site);
        let mut profiles = self.own_profiles();
        for workload in &mut workloads {
            workload.profiles = self.modern_profiles_of(workload, &profiles);
        }
        profiles.extend(self.namespaces());
        profiles.extend(self.accounts());
        let resources = Resources {
            api: Api::V3,
            configurations,
            nodes,
            pools: site.pools.clone(),
            sets: self.sets(&site),
            hosts: self.modern_hosts(&site, &workloads, &profiles),
            workloads,
            profiles,
            service_nets: self.service_nets(),
            slices: self.slices(&site),
            cluster: self.has(Feature::OpenStack).then(|| ClusterInformation {
                cluster_type: self.cluster_type(),
            }),
            ..Resources::default()
        };
        let mut firewall = self.firewall(&site);
        self.translations(&mut firewall, &resources.workloads);
        (site, resources, firewall)
    }

    /// What stands behind most of the services that rules name: workloads, and addresses of others.
    fn slices(&mut self, site: &Site) -> Vec<EndpointSlice> {
        let mut slices = Vec::new();
        for namespace in NAMESPACES {
            for service in SERVICES {
                if self.bits.chance(2, 3) {
                    slices.push(self.slice(namespace, service, site));
                }
            }
        }
        slices
    }

    fn slice(&mut self, namespace: &str, service: &str, site: &Site) -> EndpointSlice {
        let family = self.bits.one(Family::BOTH);
        let addresses: BTreeSet<IpAddr> = (0..self.bits.one([1, 2, 3]))
            .map(|_| self.anyone(site, family))
            .collect();
        let protocols = [NamedProtocol::Tcp, NamedProtocol::Tcp, NamedProtocol::Udp];
        let ports = (0..self.bits.one([1, 1, 2])).map(|_| SlicePort {
            protocol: self.bits.one(protocols),
            port: self.port().max(1),
        });
        EndpointSlice {
            ports: ports.collect(),
            name: format!("{service}-slice"),
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            family,
            addresses: addresses.into_iter().collect(),
        }
    }

    /// Settings for every node, now and then some of them for this one alone.
    fn told(&mut self, mut settings: Vec<Setting>) -> Vec<FelixConfiguration> {
        let own = match self.bits.chance(1, 4) {
            true => settings.split_off(self.bits.below(settings.len() + 1)),
            false => Vec::new(),
        };
        let told = |node: Option<&str>, settings| FelixConfiguration {
            node: node.map(str::to_owned),
            settings,
        };
        let mut configurations = vec![told(None, settings)];
        if !own.is_empty() {
            configurations.push(told(Some(NAME), own));
        }
        configurations
    }

    /// Policies and profiles' rules for a cluster.
    pub(super) fn modern_policies(&mut self, resources: &mut Resources, site: &Site) {
        for profile in &mut resources.profiles {
            self.give_modern_rules(profile, site);
        }
        resources.tiers = self.tiers();
        resources.policies = self.policies_of_tiers(&resources.tiers, site);
    }

    /// One of the namespaces.
    fn namespace(&mut self) -> String {
        self.bits.one(NAMESPACES).to_owned()
    }

    /// The name of a port.
    fn port_name(&mut self) -> String {
        self.bits.one(PORT_NAMES).to_owned()
    }

    /// Whether something happens that does so most of the times where a feature is in.
    fn mostly(&mut self, feature: Feature) -> bool {
        self.at_times(feature, 3, 4)
    }
}
