//! What selectors see: endpoints and sets with their own labels and those that they are given.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::calico::resources::{
    Api, HostEndpoint, Labels as OwnLabels, NamedPort, NetworkSet, Profile, Resources,
    WorkloadEndpoint,
};
use crate::calico::selector::{Labels, NAMESPACE, ORCHESTRATOR, SERVICE_ACCOUNT};
use crate::calico::world::Selectable;

/// An endpoint or a set as selectors see it.
pub(super) struct Labelled<'a> {
    own: &'a OwnLabels,
    /// Labels that are there by themselves, before all others.
    given: [Option<(&'static str, &'a str)>; 3],
    profiles: Vec<&'a Profile>,
    ports: &'a [NamedPort],
}

impl Labels for Labelled<'_> {
    /// Its own labels win over its profiles', an earlier profile's over a later one's. A tag is a
    /// label without a value.
    fn label(&self, key: &str) -> Option<&str> {
        let given = self.given.iter().flatten().find(|(label, _)| *label == key);
        let mut profiles = self.profiles.iter();
        given
            .map(|(_, value)| *value)
            .or_else(|| self.own.get(key).map(String::as_str))
            .or_else(|| profiles.find_map(|profile| profile_label(profile, key)))
    }
}

fn profile_label<'a>(profile: &'a Profile, key: &str) -> Option<&'a str> {
    let tag = || profile.tags.iter().any(|tag| tag == key).then_some("");
    profile.labels.get(key).map(String::as_str).or_else(tag)
}

impl Labelled<'_> {
    /// All its labels, with its addresses.
    pub(super) fn resolved(&self, addresses: Addresses<'_>) -> Selectable {
        let mut labels = OwnLabels::new();
        // What wins is written last.
        for profile in self.profiles.iter().rev() {
            let tags = profile.tags.iter().map(|tag| (tag.clone(), String::new()));
            labels.extend(tags);
            labels.extend(profile.labels.clone());
        }
        labels.extend(self.own.clone());
        let given = self.given.iter().flatten();
        labels.extend(given.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let mut nets = Vec::new();
        addresses.put(&mut nets);
        Selectable {
            labels,
            nets,
            ports: self.ports.to_vec(),
        }
    }

    /// Whether one of its profiles has a tag.
    pub(super) fn has_tag(&self, tag: &str) -> bool {
        let mut profiles = self.profiles.iter();
        profiles.any(|profile| profile.tags.iter().any(|own| own == tag))
    }
}

/// The profiles of a cluster by name.
pub(super) struct Profiles<'a>(HashMap<&'a str, &'a Profile>);

impl<'a> Profiles<'a> {
    pub(super) fn new(resources: &'a Resources) -> Self {
        let named = resources.profiles.iter();
        Self(
            named
                .map(|profile| (profile.name.as_str(), profile))
                .collect(),
        )
    }

    /// The profiles of these names; one that does not exist gives nothing.
    fn of(&self, names: &'a [String]) -> Vec<&'a Profile> {
        let known = |name: &String| self.0.get(name.as_str()).copied();
        names.iter().filter_map(known).collect()
    }

    pub(super) fn workload(&self, api: Api, workload: &'a WorkloadEndpoint) -> Labelled<'a> {
        let account = workload.service_account.as_deref();
        let namespace = workload.id.namespace.as_deref();
        Labelled {
            own: &workload.labels,
            given: match api {
                Api::V1 => [None; 3],
                Api::V3 => [
                    namespace.map(|namespace| (NAMESPACE, namespace)),
                    Some((ORCHESTRATOR, &workload.id.orchestrator)),
                    account.map(|account| (SERVICE_ACCOUNT, account)),
                ],
            },
            profiles: self.of(&workload.profiles),
            ports: &workload.ports,
        }
    }

    pub(super) fn host(&self, host: &'a HostEndpoint) -> Labelled<'a> {
        Labelled {
            own: &host.labels,
            given: [None; 3],
            profiles: self.of(&host.profiles),
            ports: &host.ports,
        }
    }

    fn set(set: &'a NetworkSet) -> Labelled<'a> {
        let namespace = set.namespace.as_deref();
        Labelled {
            own: &set.labels,
            given: [
                namespace.map(|namespace| (NAMESPACE, namespace)),
                None,
                None,
            ],
            profiles: Vec::new(),
            ports: &[],
        }
    }

    /// Everything that rules can select, with its addresses.
    pub(super) fn selectable(
        &self,
        resources: &'a Resources,
    ) -> Vec<(Labelled<'a>, Addresses<'a>)> {
        let api = resources.api;
        let workloads = resources
            .workloads
            .iter()
            .map(|one| (self.workload(api, one), Addresses::Single(&one.addresses)));
        let hosts = resources
            .hosts
            .iter()
            .map(|one| (self.host(one), Addresses::Single(&one.expected_addresses)));
        let sets = resources
            .sets
            .iter()
            .map(|one| (Self::set(one), Addresses::Nets(&one.nets)));
        workloads.chain(hosts).chain(sets).collect()
    }
}

/// The addresses of an endpoint, or the prefixes of a set.
#[derive(Clone, Copy)]
pub(super) enum Addresses<'a> {
    Single(&'a [IpAddr]),
    Nets(&'a [IpNet]),
}

impl Addresses<'_> {
    /// Puts them among others.
    pub(super) fn put(self, nets: &mut Vec<IpNet>) {
        match self {
            Self::Single(addresses) => nets.extend(addresses.iter().copied().map(IpNet::from)),
            Self::Nets(own) => nets.extend_from_slice(own),
        }
    }
}
