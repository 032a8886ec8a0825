//! Resources and a node's name, resolved into the [`World`] of that node.
//!
//! * [`labels`] says what selectors see of endpoints and sets;
//! * [`groups`] turns the selectors and tags of rules into groups of addresses.
//!
//! Every combination of values has a world: what is missing (a profile, a tier) is as if empty.

mod groups;
mod labels;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use self::groups::{Groups, in_namespace};
use self::labels::Profiles;
use super::configuration::Configuration;
use super::kubernetes::policy::NAME_PREFIX;
use super::resources::policy::{
    ADMIN_TIER, BASELINE_ADMIN_TIER, DEFAULT_TIER, KUBE_ADMIN_TIER, KUBE_BASELINE_TIER,
};
use super::resources::{Api, HostEndpoint, IpInIp, Order, Resources, Types, WorkloadEndpoint};
use super::rule::{Action, Rule, ServiceName};
use super::selector::{Expression, Labels, Selector};
use super::world::{
    self, Applied, DefaultAction, HostInterface, PeersIndex, Policy, PolicyId, PolicyKind, Pool,
    Profile, ServiceEndpoint, Stage, Tier, World,
};
use super::{resources, rule};

/// The profile of v3 that is there by itself and allows everything (libcalico-go, lib/resources,
/// `DefaultAllowProfile`).
const DEFAULT_ALLOW: &str = "projectcalico-default-allow";

/// The world of a node.
#[must_use]
pub fn resolve(resources: &Resources, node: &str) -> World {
    let profiles = Profiles::new(resources);
    let tiers = sorted_tiers(resources);
    let mut groups = Groups::default();
    let mut world = World {
        configuration: configuration(resources, node),
        tiers: tiers
            .iter()
            .map(|tier| tier.resolved(resources.api, &mut groups))
            .collect(),
        profiles: resolved_profiles(resources, &mut groups),
        pools: pools(resources),
        nodes: nodes(resources),
        services: services(resources),
        ..World::default()
    };
    let selectable = profiles.selectable(resources);
    let (peers, places) = groups.finish(&selectable);
    world.selectable = selectable
        .iter()
        .map(|(labels, addresses)| labels.resolved(*addresses))
        .collect();
    world.peers = peers;
    put_in_place(&mut world, &places);
    let applicants: Vec<Applicant<'_>> = applicants(&tiers);
    let here = resources.workloads.iter().filter(|one| one.id.node == node);
    world.workloads = here
        .map(|one| {
            let labels = profiles.workload(resources.api, one);
            workload(
                one,
                applied(&applicants, &labels, |stage| {
                    matches!(stage, Stage::Normal | Stage::Forward)
                }),
            )
        })
        .collect();
    let here = resources.hosts.iter().filter(|one| one.node == node);
    world.hosts = here
        .map(|one| {
            // Untracked policies need an interface to stand at.
            let everywhere = one.of == HostInterface::All;
            let asked = |stage| !(everywhere && stage == Stage::Untracked);
            host(one, applied(&applicants, &profiles.host(one), asked))
        })
        .collect();
    world.workloads.sort_by(|a, b| a.name.cmp(&b.name));
    world.hosts.sort_by(|a, b| a.name.cmp(&b.name));
    world
}

/// What Felix on a node is told: what is for it before what is for all.
fn configuration(resources: &Resources, node: &str) -> Configuration {
    let mut configuration = Configuration::default();
    let own = resources.nodes.iter().find(|one| one.name == node);
    if let Some(tunnel) = own.and_then(|node| node.tunnel) {
        configuration.tunnel_address = Some(tunnel.into());
    }
    if let Some(own) = own {
        configuration.modern.vxlan_addresses = (own.vxlan, own.vxlan_v6);
    }
    configuration.modern.service_nets = service_nets(resources);
    if let Some(cluster) = &resources.cluster {
        configuration.cluster_type.clone_from(&cluster.cluster_type);
    }
    let (for_all, for_one): (Vec<_>, Vec<_>) = resources
        .configurations
        .iter()
        .filter(|one| one.node.as_deref().is_none_or(|of| of == node))
        .partition(|one| one.node.is_none());
    for one in for_all.into_iter().chain(for_one) {
        one.apply(&mut configuration);
    }
    configuration
}

/// The addresses of services, each range once, as the API spells them in order.
fn service_nets(resources: &Resources) -> Vec<IpNet> {
    let read = resources
        .service_nets
        .iter()
        .filter(|one| one.name == "default");
    let nets = read.flat_map(|one| {
        one.cluster
            .iter()
            .chain(&one.external)
            .chain(&one.load_balancer)
    });
    let named: BTreeMap<String, IpNet> = nets.map(|net| (net.to_string(), *net)).collect();
    named.into_values().collect()
}

/// What stands behind each service: every address of a slice with every port of it, each once.
fn services(resources: &Resources) -> BTreeMap<ServiceName, Vec<ServiceEndpoint>> {
    let mut services: BTreeMap<_, BTreeSet<ServiceEndpoint>> = BTreeMap::new();
    for slice in &resources.slices {
        let name = ServiceName {
            namespace: slice.namespace.clone(),
            name: slice.service.clone(),
        };
        let endpoints = slice.addresses.iter().flat_map(|address| {
            slice.ports.iter().map(|port| ServiceEndpoint {
                address: *address,
                protocol: port.protocol.protocol(),
                port: port.port,
            })
        });
        services.entry(name).or_default().extend(endpoints);
    }
    let in_order = |(name, endpoints): (_, BTreeSet<_>)| (name, endpoints.into_iter().collect());
    services.into_iter().map(in_order).collect()
}

/// Lower first, none last.
fn by_order(one: Option<Order>, other: Option<Order>) -> Ordering {
    (one.is_none(), one).cmp(&(other.is_none(), other))
}

/// A tier and its policies, in the order in which they are asked.
struct SortedTier<'a> {
    name: &'a str,
    order: Option<Order>,
    default_action: DefaultAction,
    policies: Vec<&'a resources::Policy>,
}

fn sorted_tiers(resources: &Resources) -> Vec<SortedTier<'_>> {
    let written = resources.tiers.iter().map(|tier| SortedTier {
        name: &tier.name,
        order: tier.order,
        default_action: tier.default_action,
        policies: Vec::new(),
    });
    let mut tiers: Vec<SortedTier<'_>> = written.collect();
    let named = resources.policies.iter().map(|policy| policy.tier.as_str());
    for name in [DEFAULT_TIER].into_iter().chain(named) {
        if tiers.iter().all(|tier| tier.name != name) {
            tiers.push(SortedTier::built_in(name));
        }
    }
    for policy in &resources.policies {
        let own = tiers.iter_mut().find(|tier| tier.name == policy.tier);
        if let Some(tier) = own {
            tier.policies.push(policy);
        }
    }
    for tier in &mut tiers {
        tier.policies.sort_by(|a, b| {
            let tie = || tie_breaker(a, resources.api).cmp(tie_breaker(b, resources.api));
            by_order(a.order, b.order).then_with(tie)
        });
    }
    tiers.sort_by(|a, b| by_order(a.order, b.order).then(a.name.cmp(b.name)));
    tiers
}

/// What decides between policies of one order: in v1 the name, in v3 `NAME/NAMESPACE/KIND`, byte by
/// byte, so that `a-b` comes before `a`.
fn tie_breaker(policy: &resources::Policy, api: Api) -> impl Iterator<Item = u8> + '_ {
    let namespace = policy.namespace.as_deref();
    let kind = policy_kind(policy).as_str();
    let parts = ["/", namespace.unwrap_or_default(), "/", kind];
    let parts = parts.into_iter().filter(move |_| api == Api::V3);
    policy.name.bytes().chain(parts.flat_map(str::bytes))
}

fn policy_kind(policy: &resources::Policy) -> PolicyKind {
    match (&policy.namespace, policy.staged) {
        (None, false) => PolicyKind::GlobalNetworkPolicy,
        (Some(_), false) => PolicyKind::NetworkPolicy,
        (None, true) => PolicyKind::StagedGlobalNetworkPolicy,
        (Some(_), true) => PolicyKind::StagedNetworkPolicy,
    }
}

impl<'a> SortedTier<'a> {
    /// A tier that nobody wrote.
    fn built_in(name: &'a str) -> Self {
        let (order, default_action) = match name {
            ADMIN_TIER | KUBE_ADMIN_TIER => (Some(1_000), DefaultAction::Pass),
            DEFAULT_TIER => (Some(1_000_000), DefaultAction::Deny),
            BASELINE_ADMIN_TIER | KUBE_BASELINE_TIER => (Some(10_000_000), DefaultAction::Pass),
            _ => (None, DefaultAction::Deny),
        };
        Self {
            name,
            order: order.map(Order::from),
            default_action,
            policies: Vec::new(),
        }
    }

    fn resolved(&self, api: Api, groups: &mut Groups) -> Tier {
        let policies = self.policies.iter();
        Tier {
            name: self.name.to_owned(),
            default_action: self.default_action,
            policies: policies
                .map(|policy| resolved_policy(policy, api, groups))
                .collect(),
        }
    }
}

fn resolved_policy(policy: &resources::Policy, api: Api, groups: &mut Groups) -> Policy {
    let namespace = policy.namespace.as_deref();
    let governs = policy.governs(api);
    Policy {
        name: match namespace {
            Some(namespace) => format!("{namespace}/{}", policy.name),
            None => policy.name.clone(),
        },
        governs_ingress: governs != Types::Egress,
        governs_egress: governs != Types::Ingress,
        ingress: groups.rules(&policy.ingress, namespace),
        egress: groups.rules(&policy.egress, namespace),
        stage: policy.stage,
        id: policy_id(policy),
        staged: policy.staged,
        selector: whole_selector(policy),
    }
}

/// Which policy of the API it is: what Calico makes of Kubernetes' own is told by its name
/// ([`super::kubernetes`]).
fn policy_id(policy: &resources::Policy) -> PolicyId {
    let named = |kind, name: &str| PolicyId {
        kind,
        namespace: policy.namespace.clone(),
        name: name.to_owned(),
    };
    let of_kubernetes = KUBERNETES.iter().find_map(|(prefix, namespaced, kind)| {
        let name = policy.name.strip_prefix(prefix)?;
        (policy.namespace.is_some() == *namespaced).then(|| named(*kind, name))
    });
    let own = || named(policy_kind(policy), &policy.name);
    of_kubernetes.filter(|_| !policy.staged).unwrap_or_else(own)
}

/// How the names of what Calico makes of Kubernetes' policies begin, whether they have a namespace, and
/// what they are.
const KUBERNETES: [(&str, bool, PolicyKind); 5] = {
    use PolicyKind::{KubernetesClusterNetworkPolicy as Cluster, KubernetesNetworkPolicy as Own};
    [
        (NAME_PREFIX, true, Own),
        ("kanp.adminnetworkpolicy.", false, Cluster),
        ("kbanp.baselineadminnetworkpolicy.", false, Cluster),
        ("kcnp.kube-admin.", false, Cluster),
        ("kcnp.kube-baseline.", false, Cluster),
    ]
};

/// The policy's own selector and what its namespace, its selectors of namespaces and of service accounts
/// add, in the order in which Calico joins them (libcalico-go, backend/syncersv1/updateprocessors,
/// networkpolicyprocessor.go and globalnetworkpolicyprocessor.go).
fn whole_selector(policy: &resources::Policy) -> Selector {
    let own = std::iter::once(policy.selector.expression().clone());
    Selector::every(own.chain(besides(policy)))
}

fn resolved_profiles(resources: &Resources, groups: &mut Groups) -> BTreeMap<String, Profile> {
    let built_in = (resources.api == Api::V3).then(|| {
        let allow = vec![Rule::bare(Action::Allow)];
        let profile = Profile {
            ingress: allow.clone(),
            egress: allow,
        };
        (DEFAULT_ALLOW.to_owned(), profile)
    });
    let written = resources.profiles.iter().map(|profile| {
        let resolved = Profile {
            ingress: groups.rules(&profile.ingress, None),
            egress: groups.rules(&profile.egress, None),
        };
        (profile.name.clone(), resolved)
    });
    built_in.into_iter().chain(written).collect()
}

/// Gives every group in the rules its place in the order.
fn put_in_place(world: &mut World, places: &[PeersIndex]) {
    let of_policies = world
        .tiers
        .iter_mut()
        .flat_map(|tier| &mut tier.policies)
        .flat_map(|policy| [&mut policy.ingress, &mut policy.egress]);
    let of_profiles = world
        .profiles
        .values_mut()
        .flat_map(|profile| [&mut profile.ingress, &mut profile.egress]);
    for rule in of_policies.chain(of_profiles).flatten() {
        for rule::Side {
            peers, not_peers, ..
        } in [&mut rule.source, &mut rule.destination]
        {
            for peers in peers.iter_mut().chain(not_peers) {
                *peers = places[peers.0];
            }
        }
    }
}

/// A policy that looks for endpoints.
struct Applicant<'a> {
    applied: Applied,
    policy: &'a resources::Policy,
    /// What endpoints must be besides, of namespace and service account.
    besides: Vec<Expression>,
}

fn applicants<'a>(tiers: &[SortedTier<'a>]) -> Vec<Applicant<'a>> {
    let of_tier = |(tier, sorted): (usize, &SortedTier<'a>)| {
        let policies = sorted.policies.clone().into_iter().enumerate();
        policies.map(move |(place, policy)| Applicant {
            applied: Applied {
                tier,
                policy: place,
            },
            policy,
            besides: besides(policy).collect(),
        })
    };
    tiers.iter().enumerate().flat_map(of_tier).collect()
}

/// What endpoints must be besides what a policy's selector says.
fn besides(policy: &resources::Policy) -> impl Iterator<Item = Expression> + '_ {
    let own = policy.namespace.as_deref().map(in_namespace);
    let namespaces = policy.namespace_selector.iter();
    let accounts = policy.service_account_selector.iter();
    own.into_iter()
        .chain(namespaces.map(|one| one.expression().of_namespace()))
        .chain(accounts.map(|one| one.expression().of_service_account()))
}

/// The policies that apply to an endpoint, of the stages at which it is asked.
fn applied(
    applicants: &[Applicant<'_>],
    labels: &impl Labels,
    asked: impl Fn(Stage) -> bool,
) -> Vec<Applied> {
    let applies = |one: &&Applicant<'_>| {
        asked(one.policy.stage)
            && one.policy.selector.selects(labels)
            && one.besides.iter().all(|besides| besides.selects(labels))
    };
    let applying = applicants.iter().filter(applies);
    applying.map(|one| one.applied).collect()
}

fn workload(workload: &WorkloadEndpoint, policies: Vec<Applied>) -> world::WorkloadEndpoint {
    world::WorkloadEndpoint {
        name: workload.id.to_string(),
        interface: workload.interface,
        addresses: workload.addresses.clone(),
        up: workload.up,
        policies,
        profiles: workload.profiles.clone(),
        floating: workload.floating.clone(),
        allowed_sources: workload.allowed_sources.clone(),
        orchestrator: workload.id.orchestrator.clone(),
        qos: workload.qos,
    }
}

fn host(host: &HostEndpoint, policies: Vec<Applied>) -> world::HostEndpoint {
    world::HostEndpoint {
        name: host.name.clone(),
        of: host.of,
        expected_addresses: host.expected_addresses.clone(),
        policies,
        profiles: host.profiles.clone(),
        dscp: host.dscp,
    }
}

fn pools(resources: &Resources) -> Vec<Pool> {
    let resolved = resources.pools.iter().map(|pool| Pool {
        net: pool.net,
        nat_outgoing: pool.nat_outgoing,
        ip_in_ip: pool.ip_in_ip != IpInIp::Never,
        vxlan: pool.vxlan != IpInIp::Never,
        for_services: pool.for_services,
    });
    let mut pools: Vec<Pool> = resolved.collect();
    pools.sort_by_key(|pool| pool.net);
    pools
}

fn nodes(resources: &Resources) -> Vec<IpAddr> {
    let addresses = resources.nodes.iter().flat_map(|node| {
        let v4 = node.v4.map(IpAddr::V4);
        v4.into_iter().chain(node.v6.map(IpAddr::V6))
    });
    let mut addresses: Vec<IpAddr> = addresses.collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
