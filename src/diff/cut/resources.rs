//! Calico's resources.

use super::Walk;
use crate::calico::configuration::InterfacePrefix;
use crate::calico::resources::policy::DEFAULT_TIER;
use crate::calico::resources::{
    HostEndpoint, IpInIp, Labels, NetworkSet, Node, Policy, Pool, Profile, Resources, Setting,
    Tier, WorkloadEndpoint,
};
use crate::calico::world::{DefaultAction, Stage};

impl Walk<'_> {
    pub(super) fn resources(&mut self, resources: &mut Resources) {
        self.each(&mut resources.configurations, |walk, one| {
            walk.option(&mut one.node);
            walk.each(&mut one.settings, Self::setting);
        });
        self.each(&mut resources.nodes, Self::cluster_node);
        self.each(&mut resources.pools, Self::pool);
        self.each(&mut resources.tiers, Self::tier);
        self.each(&mut resources.policies, Self::policy);
        self.each(&mut resources.profiles, Self::profile);
        self.each(&mut resources.sets, Self::network_set);
        self.each(&mut resources.workloads, Self::workload);
        self.each(&mut resources.hosts, Self::host);
        self.each(&mut resources.slices, |walk, slice| {
            walk.list(&mut slice.addresses);
            walk.list(&mut slice.ports);
        });
        self.list(&mut resources.service_nets);
        self.option(&mut resources.cluster);
    }

    fn setting(&mut self, setting: &mut Setting) {
        match setting {
            // There is always one.
            Setting::InterfacePrefixes(prefixes) if prefixes.len() > 1 => {
                self.list(prefixes);
                if prefixes.is_empty() {
                    prefixes.push(InterfacePrefix::CALI);
                }
            }
            Setting::FailsafeInbound(ports) | Setting::FailsafeOutbound(ports) => self.list(ports),
            Setting::LogPrefix(prefix) => self.ladder(prefix, &["calico-packet".to_owned()]),
            _ => {}
        }
    }

    fn cluster_node(&mut self, node: &mut Node) {
        self.option(&mut node.v4);
        self.option(&mut node.v6);
        self.option(&mut node.tunnel);
    }

    fn pool(&mut self, pool: &mut Pool) {
        self.ladder(&mut pool.nat_outgoing, &[false]);
        self.ladder(&mut pool.ip_in_ip, &[IpInIp::Never]);
    }

    fn tier(&mut self, tier: &mut Tier) {
        self.option(&mut tier.order);
        self.ladder(&mut tier.default_action, &[DefaultAction::Deny]);
    }

    fn policy(&mut self, policy: &mut Policy) {
        self.ladder(&mut policy.tier, &[DEFAULT_TIER.to_owned()]);
        self.option(&mut policy.namespace);
        self.option(&mut policy.order);
        self.selector(&mut policy.selector);
        self.optional_selector(&mut policy.namespace_selector);
        self.optional_selector(&mut policy.service_account_selector);
        self.option(&mut policy.types);
        self.ladder(&mut policy.stage, &[Stage::Normal]);
        self.rules(&mut policy.ingress);
        self.rules(&mut policy.egress);
    }

    fn profile(&mut self, profile: &mut Profile) {
        self.labels(&mut profile.labels);
        self.list(&mut profile.tags);
        self.rules(&mut profile.ingress);
        self.rules(&mut profile.egress);
    }

    fn network_set(&mut self, set: &mut NetworkSet) {
        self.option(&mut set.namespace);
        self.labels(&mut set.labels);
        self.list(&mut set.nets);
    }

    fn workload(&mut self, endpoint: &mut WorkloadEndpoint) {
        self.option(&mut endpoint.id.namespace);
        self.ladder(&mut endpoint.id.orchestrator, &["k8s".to_owned()]);
        self.ladder(&mut endpoint.id.endpoint, &["eth0".to_owned()]);
        self.labels(&mut endpoint.labels);
        self.list(&mut endpoint.addresses);
        self.ladder(&mut endpoint.up, &[true]);
        self.list(&mut endpoint.profiles);
        self.list(&mut endpoint.floating);
        self.list(&mut endpoint.allowed_sources);
        self.option(&mut endpoint.service_account);
        self.list(&mut endpoint.ports);
    }

    fn host(&mut self, endpoint: &mut HostEndpoint) {
        self.labels(&mut endpoint.labels);
        self.list(&mut endpoint.expected_addresses);
        self.list(&mut endpoint.profiles);
        self.list(&mut endpoint.ports);
    }

    fn labels(&mut self, labels: &mut Labels) {
        labels.retain(|_, _| self.stays());
    }
}
