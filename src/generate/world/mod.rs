//! Makers of scenarios from nothing: here for the seed's era (Calico 2.1, API v1), in [`modern`] for that
//! of API v3, which shares what both say alike.
//!
//! * [`dials`]: how large scenarios are, and what is in them;
//! * `site`: the node, its networks and pools, and whose addresses there are;
//! * `endpoint`: workloads and host endpoints;
//! * `labels`: labels, tags and selectors;
//! * `policy`: policies and profiles; `rule`: their rules; `ports`: what these ask of ports;
//! * `names`: of all of them;
//! * `options`: what Felix is told;
//! * `foreign`: what else is on the node.
//!
//! Everything is what the API takes. What of it Felix or the tools can't do is theirs to say.

pub mod dials;
mod endpoint;
mod foreign;
mod labels;
mod modern;
mod names;
mod options;
mod policy;
mod ports;
mod rule;
mod site;

use crate::calico::configuration::Configuration;
use crate::calico::resources::{Api, FelixConfiguration, Resources};
use crate::generate::bits::Bits;
use crate::packet::Batch;
use crate::scenario::Scenario;
use crate::xtables::Firewall;

pub use dials::{Dials, Feature, Features};
pub(in crate::generate) use ports::PORTS;
use site::Site;

/// A scenario without packets: a node, Calico's resources of a version of the API, and of the firewall
/// what other programs keep there.
pub fn scenario(bits: &mut impl Bits, dials: &Dials, api: Api) -> Scenario {
    Cluster::make(bits, dials, api).scenario(bits)
}

/// What a scenario has but for policies and profiles' rules: the node, its endpoints, pools, options, and the
/// others' rules. Many scenarios can be made for one.
pub struct Cluster {
    dials: Dials,
    features: Features,
    size: usize,
    site: Site,
    resources: Resources,
    firewall: Firewall,
}

impl Cluster {
    /// Makes one of a version of the API, with a fresh subset of what there is in it.
    pub fn make(bits: &mut impl Bits, dials: &Dials, api: Api) -> Self {
        let features = Features::draw(bits, dials, api);
        let large = dials.large > 0 && bits.chance(1, dials.large);
        let size = if large { 2 + bits.below(4) } else { 1 };
        let mut maker = Maker {
            bits,
            dials,
            features,
            size,
        };
        let (site, resources, firewall) = match api {
            Api::V1 => maker.cluster(),
            Api::V3 => maker.modern_cluster(),
        };
        Self {
            dials: *dials,
            features,
            size,
            site,
            resources,
            firewall,
        }
    }

    /// Its features, and those of the scenarios made for it.
    #[must_use]
    pub fn features(&self) -> Features {
        self.features
    }

    /// A scenario for it: policies, and rules in the profiles.
    pub fn scenario(&self, bits: &mut impl Bits) -> Scenario {
        let mut maker = Maker {
            bits,
            dials: &self.dials,
            features: self.features,
            size: self.size,
        };
        let mut resources = self.resources.clone();
        match resources.api {
            Api::V1 => maker.give_policies(&mut resources, &self.site),
            Api::V3 => maker.modern_policies(&mut resources, &self.site),
        }
        Scenario {
            name: self.site.node.name.clone(),
            why: None,
            node: self.site.node.clone(),
            firewall: self.firewall.clone(),
            resources: Some(resources),
            completed: Vec::new(),
            batch: Batch::default(),
            changed: None,
        }
    }
}

/// Who makes a scenario: the source of all choices, and what is wanted.
struct Maker<'a, B> {
    bits: &'a mut B,
    dials: &'a Dials,
    features: Features,
    /// How many times as much of everything there is than in a scenario of ordinary size.
    size: usize,
}

impl<B: Bits> Maker<'_, B> {
    /// What a scenario of API v1 has but for policies and profiles' rules.
    fn cluster(&mut self) -> (Site, Resources, Firewall) {
        let told = FelixConfiguration {
            node: None,
            settings: self.settings(),
        };
        let mut configuration = Configuration::default();
        told.apply(&mut configuration);
        let mut site = self.site(&configuration);
        let mut workloads = self.workloads(&configuration, &mut site);
        let profiles = self.profiles();
        for workload in &mut workloads {
            workload.profiles = self.some_profiles(&profiles);
        }
        let resources = Resources {
            api: Api::V1,
            configurations: vec![told],
            nodes: self.nodes(),
            pools: site.pools.clone(),
            hosts: self.hosts(&site, &workloads, &profiles),
            workloads,
            profiles,
            ..Resources::default()
        };
        let firewall = self.firewall(&site);
        (site, resources, firewall)
    }

    /// Policies, and rules in the profiles, for a cluster of API v1.
    fn give_policies(&mut self, resources: &mut Resources, site: &Site) {
        for profile in &mut resources.profiles {
            self.give_rules(profile, site);
        }
        let of_workloads = resources.workloads.iter().map(|one| &one.profiles);
        let of_hosts = resources.hosts.iter().map(|one| &one.profiles);
        let are_profiled = of_workloads.chain(of_hosts).any(|names| !names.is_empty());
        resources.policies = self.policies(site, are_profiled);
    }

    /// Whether a feature is in this scenario.
    fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// Whether something happens that does so `times` of `of` times where a feature is in.
    fn at_times(&mut self, feature: Feature, times: usize, of: usize) -> bool {
        self.features.has(feature) && self.bits.chance(times, of)
    }

    /// A number from 0 to one of the dials', more in a large scenario.
    fn up_to(&mut self, most: usize) -> usize {
        self.bits.below(most * self.size + 1)
    }
}
