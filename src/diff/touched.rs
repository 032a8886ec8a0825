//! What of a scenario one packet's way has touched: the rest can usually go at once.
//!
//! Touched is what the intent's decisions name and what the model's steps pass. That is a guess: a
//! selector may mean somebody whom the packet never meets. So the cuts are made one after another, and
//! each is kept only where the packet still fails.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::chains;
use crate::arm::plan::{Calico, Plan};
use crate::calico::resources::{self, Resources};
use crate::calico::world::{HostInterface, World};
use crate::intent::{self, By};
use crate::journey::Answer;
use crate::model::Connections;
use crate::packet::{InterfaceName, Origin, Packet, Transport};
use crate::render::names::Direction;
use crate::scenario::Scenario;
use crate::xtables::{Backend, Hook, Ruleset};

/// What a packet's way has touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Chains that it was in.
    chains: BTreeSet<String>,
    /// Rules that it matched, by chain and number.
    rules: BTreeSet<(String, usize)>,
    /// The interfaces of its way.
    interfaces: BTreeSet<InterfaceName>,
    /// Every address that it had or spoke of.
    addresses: BTreeSet<IpAddr>,
    /// The policies that the intent names, and those that were asked, by the world's names.
    policies: BTreeSet<String>,
    /// The profiles that the intent names.
    profiles: BTreeSet<String>,
}

impl Touched {
    /// What a packet of a scenario touches, by its plan.
    #[must_use]
    pub fn by(scenario: &Scenario, plan: &mut Plan, packet: &Packet) -> Self {
        let mut touched = Self::default();
        touched
            .addresses
            .extend([packet.source, packet.destination]);
        if let Transport::Icmp(icmp) = packet.transport
            && let Some(quoted) = icmp.quoted
        {
            touched
                .addresses
                .extend([quoted.source, quoted.destination]);
        }
        if let Origin::Arrives(interface) = packet.origin {
            touched.interfaces.insert(interface);
        }
        let connections = Connections::new(&scenario.batch.connections);
        for backend in Backend::BOTH {
            let (answer, steps) = plan.machine(backend).trace(&connections, packet);
            touched.walked(&answer);
            for step in steps {
                if let (Some(rule), Ok(())) = (step.rule, step.matched) {
                    touched.rules.insert((step.chain.clone(), rule));
                }
                touched.chains.insert(step.chain);
            }
        }
        if let Some(calico) = &plan.calico
            && let Ok(judge) = calico.judge(&plan.node)
        {
            let others = calico.translator().others(&judge, packet, &connections);
            let known = intent::Connections::new(&scenario.batch.connections);
            let opinion = judge.judge_beside(packet, &known, &others);
            for decision in opinion.decisions() {
                touched.named(decision.by, &calico.world);
            }
            touched.asked(calico);
        }
        touched
    }

    fn walked(&mut self, answer: &Answer) {
        let Answer::Judged(possible) = answer else {
            return;
        };
        for sight in possible.iter().flat_map(|one| &one.journey.sights) {
            let interfaces = [sight.in_interface, sight.out_interface];
            self.interfaces.extend(interfaces.into_iter().flatten());
            let headers = &sight.headers;
            self.addresses.extend([headers.source, headers.destination]);
        }
    }

    fn named(&mut self, by: By, world: &World) {
        match by {
            By::Rule { policy, .. } => {
                let tier = world.tiers.get(policy.tier);
                let policy = tier.and_then(|tier| tier.policies.get(policy.policy));
                self.policies
                    .extend(policy.map(|policy| policy.name.clone()));
            }
            By::Profile { at, profile, .. } => {
                let profiles = match at.endpoint {
                    intent::Endpoint::Workload(index) => {
                        world.workloads.get(index).map(|one| &one.profiles)
                    }
                    intent::Endpoint::Host(index) => {
                        world.hosts.get(index).map(|one| &one.profiles)
                    }
                };
                let name = profiles.and_then(|profiles| profiles.get(profile));
                self.profiles.extend(name.cloned());
            }
            _ => {}
        }
    }

    /// Takes note of the policies whose chains the packet was in.
    fn asked(&mut self, calico: &Calico) {
        let tiers = calico.world.tiers.iter();
        for policy in tiers.flat_map(|tier| &tier.policies) {
            let mut directions = Direction::BOTH.into_iter();
            let chain = |direction| chains::of_policy(calico.layout, direction, policy);
            if directions.any(|one| self.chains.contains(&chain(one))) {
                self.policies.insert(policy.name.clone());
            }
        }
    }

    fn is_in(&self, net: &IpNet) -> bool {
        self.addresses.iter().any(|address| net.contains(address))
    }

    fn has_policy(&self, policy: &resources::Policy) -> bool {
        let name = match &policy.namespace {
            Some(namespace) => format!("{namespace}/{}", policy.name),
            None => policy.name.clone(),
        };
        self.policies.contains(&name)
    }

    fn has_profile(&self, name: &str) -> bool {
        let mut chains = Direction::BOTH.iter().map(|one| one.profile_chain(name));
        self.profiles.contains(name) || chains.any(|chain| self.chains.contains(&chain))
    }

    fn has_workload(&self, endpoint: &resources::WorkloadEndpoint) -> bool {
        let outside = endpoint.floating.iter().map(|one| &one.outside);
        let mut addresses = endpoint.addresses.iter().chain(outside);
        self.interfaces.contains(&endpoint.interface)
            || addresses.any(|address| self.addresses.contains(address))
    }

    fn has_host(&self, endpoint: &resources::HostEndpoint) -> bool {
        match endpoint.of {
            HostInterface::Named(name) => self.interfaces.contains(&name),
            HostInterface::ByAddress | HostInterface::All => true,
        }
    }
}

/// Leaves out of a scenario what is not touched, of one kind.
type Cut = fn(&mut Scenario, &Touched);

/// The cuts, those first that leave out the most.
const CUTS: [Cut; 5] = [policies, endpoints, others, ground, foreign];

/// Leaves out all that is not touched, of every kind for which the scenario still fails.
pub fn reduce_to_trace(
    scenario: Scenario,
    touched: &Touched,
    mut fails: impl FnMut(&Scenario) -> bool,
) -> Scenario {
    let mut smallest = scenario;
    for cut in CUTS {
        let mut smaller = smallest.clone();
        cut(&mut smaller, touched);
        if smaller != smallest && fails(&smaller) {
            smallest = smaller;
        }
    }
    smallest
}

fn of_resources(scenario: &mut Scenario, cut: impl FnOnce(&mut Resources)) {
    if let Some(resources) = &mut scenario.resources {
        cut(resources);
    }
}

fn policies(scenario: &mut Scenario, touched: &Touched) {
    of_resources(scenario, |resources| {
        resources.policies.retain(|one| touched.has_policy(one));
        let profiles = &mut resources.profiles;
        profiles.retain(|profile| touched.has_profile(&profile.name));
    });
}

fn endpoints(scenario: &mut Scenario, touched: &Touched) {
    of_resources(scenario, |resources| {
        resources.workloads.retain(|one| touched.has_workload(one));
        resources.hosts.retain(|one| touched.has_host(one));
    });
}

fn others(scenario: &mut Scenario, touched: &Touched) {
    of_resources(scenario, |resources| {
        let sets = &mut resources.sets;
        sets.retain(|set| set.nets.iter().any(|net| touched.is_in(net)));
        resources.pools.retain(|pool| touched.is_in(&pool.net));
        resources.nodes.retain(|node| {
            let mut addresses = [node.v4.map(IpAddr::from), node.v6.map(IpAddr::from)]
                .into_iter()
                .flatten();
            addresses.any(|address| touched.addresses.contains(&address))
        });
    });
}

fn ground(scenario: &mut Scenario, touched: &Touched) {
    let node = &mut scenario.node;
    node.interfaces.retain(|interface| {
        let mut addresses = interface.addresses.iter();
        touched.interfaces.contains(&interface.name)
            || addresses.any(|net| touched.addresses.contains(&net.addr()))
    });
    let routes = &mut node.routes;
    routes.retain(|route| touched.is_in(&route.destination));
    super::cut::drop_what_hangs(scenario);
}

fn foreign(scenario: &mut Scenario, touched: &Touched) {
    leave_rules(&mut scenario.firewall.v4, touched);
    leave_rules(&mut scenario.firewall.v6, touched);
}

/// Leaves the rules that matched. In the kernel's own chains Felix's rules stand too, so that numbers
/// there say nothing of the others': those stay.
fn leave_rules(ruleset: &mut Ruleset, touched: &Touched) {
    for table in &mut ruleset.tables {
        for chain in &mut table.chains {
            let name = &chain.name;
            let entered = touched.chains.contains(name);
            let mut number = 0;
            chain.rules.retain(|_| {
                let matched = touched.rules.contains(&(name.clone(), number));
                number += 1;
                entered && (matched || Hook::of_chain(name).is_some())
            });
        }
    }
}
