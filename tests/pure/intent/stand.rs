//! Something to judge: a node with two workloads, one interface that belongs to nobody, two uplinks.

use calidiff::calico::Selector;
use calidiff::calico::configuration::Configuration;
use calidiff::calico::rule::{PortNumbers, Ports, RuleProtocol};
use calidiff::calico::world::{
    Applied, DefaultAction, HostEndpoint, HostInterface, Peers, PeersBy, PeersIndex, Policy,
    PolicyId, Profile, Stage, Tier, WorkloadEndpoint,
};
use calidiff::calico::{Action, Rule, World};
use calidiff::intent::{Clause, Connections, Era, Judge, Opinion, Others};
use calidiff::node::Node;
use calidiff::packet::Connection;

const NODE: &str = "\
name: node
interfaces:
  - {name: cali1}
  - {name: cali2}
  - {name: cali9}
  - {name: eth0, addresses: [192.168.1.1/24, fd00:1::1/64]}
  - {name: eth1, addresses: [192.168.2.1/24, fd00:2::1/64]}
routes:
  - {destination: 10.65.0.1/32, to: {unicast: {interface: cali1}}}
  - {destination: 10.65.0.2/32, to: {unicast: {interface: cali2}}}
  - {destination: 10.65.0.9/32, to: {unicast: {interface: cali9}}}
  - {destination: fd00:65::1/128, to: {unicast: {interface: cali1}}}
  - {destination: fd00:65::2/128, to: {unicast: {interface: cali2}}}
  - {destination: 10.1.0.0/16, to: blackhole}
  - {destination: 0.0.0.0/0, to: {unicast: {interface: eth0, via: 192.168.1.254}}}
  - {destination: ::/0, to: {unicast: {interface: eth0}}}
";

/// From the first workload, to the second, to the node, far away; and the other way round.
pub const W1_TO_W2: &str = "in=cali1 tcp 10.65.0.1:1000 > 10.65.0.2:80";
pub const W1_TO_NODE: &str = "in=cali1 tcp 10.65.0.1:1000 > 192.168.1.1:80";
pub const W1_TO_FAR: &str = "in=cali1 tcp 10.65.0.1:1000 > 8.8.8.8:80";
pub const FAR_TO_W1: &str = "in=eth0 tcp 8.8.8.8:1000 > 10.65.0.1:80";
pub const FAR_TO_NODE: &str = "in=eth0 tcp 8.8.8.8:1000 > 192.168.1.1:80";
pub const NODE_TO_FAR: &str = "from=node tcp 192.168.1.1:1000 > 8.8.8.8:80";
pub const NODE_TO_W1: &str = "from=node tcp 192.168.1.1:1000 > 10.65.0.1:80";
/// From the network behind one uplink to that behind the other.
pub const TRANSIT: &str = "in=eth0 tcp 8.8.8.8:1000 > 192.168.2.9:80";

/// Which ends of rules a test means.
#[derive(Clone, Copy)]
pub enum Ends {
    Source,
    Destination,
}

pub struct Stand {
    pub era: Era,
    pub world: World,
    pub node: Node,
    pub connections: Vec<Connection>,
}

impl Stand {
    /// Without any policy, and with a profile `open` that allows everything and is both workloads'.
    pub fn new() -> Self {
        let open = Profile {
            ingress: vec![Rule::bare(Action::Allow)],
            egress: vec![Rule::bare(Action::Allow)],
        };
        let world = World {
            tiers: vec![tier("default")],
            profiles: [("open".to_owned(), open)].into(),
            workloads: vec![
                workload("w1", "cali1", &["10.65.0.1", "fd00:65::1"]),
                workload("w2", "cali2", &["10.65.0.2", "fd00:65::2"]),
            ],
            configuration: Configuration {
                failsafe_inbound: vec![22],
                failsafe_outbound: vec![2379],
                ..Configuration::default()
            },
            ..World::default()
        };
        Self {
            era: Era::Seed,
            world,
            node: calidiff::node::text::read("node.yaml", NODE).expect("a node"),
            connections: Vec::new(),
        }
    }

    /// The same in the modern era.
    pub fn modern() -> Self {
        Self {
            era: Era::Modern,
            ..Self::new()
        }
    }

    /// Adds a policy of both directions to the first tier, behind the others.
    pub fn policy(&mut self, name: &str, ingress: Vec<Rule>, egress: Vec<Rule>) -> Applied {
        self.policy_of(0, name, Stage::Normal, ingress, egress)
    }

    pub fn untracked(&mut self, name: &str, ingress: Vec<Rule>, egress: Vec<Rule>) -> Applied {
        self.policy_of(0, name, Stage::Untracked, ingress, egress)
    }

    pub fn policy_of(
        &mut self,
        tier: usize,
        name: &str,
        stage: Stage,
        ingress: Vec<Rule>,
        egress: Vec<Rule>,
    ) -> Applied {
        let policies = &mut self.world.tiers[tier].policies;
        policies.push(Policy {
            name: name.to_owned(),
            governs_ingress: true,
            governs_egress: true,
            ingress,
            egress,
            stage,
            id: PolicyId::global(name),
            staged: false,
            selector: Selector::all(),
        });
        Applied {
            tier,
            policy: policies.len() - 1,
        }
    }

    /// Adds a host endpoint of an interface, without profiles.
    pub fn host(&mut self, name: &str, interface: &str, policies: Vec<Applied>) {
        self.world.hosts.push(HostEndpoint {
            name: name.to_owned(),
            of: HostInterface::Named(interface.parse().expect("a name")),
            expected_addresses: Vec::new(),
            policies,
            profiles: Vec::new(),
            dscp: None,
        });
    }

    /// Adds a group, told by a selector.
    pub fn group(&mut self, selector: &str, members: &[&str]) -> PeersIndex {
        self.world.peers.push(Peers {
            by: PeersBy::Selector(selector.to_owned()),
            members: members
                .iter()
                .map(|text| text.parse().expect("a net"))
                .collect(),
        });
        PeersIndex(self.world.peers.len() - 1)
    }

    pub fn connection(&mut self, line: &str) {
        self.connections.push(line.parse().expect("a connection"));
    }

    pub fn opinion(&self, line: &str) -> Opinion {
        self.opinion_beside(line, &Others::NONE)
    }

    pub fn opinion_beside(&self, line: &str, others: &Others) -> Opinion {
        let judge = Judge::new(&self.world, &self.node, self.era).expect("a world of the era");
        let packet = line.parse().unwrap_or_else(|why| panic!("{line}: {why}"));
        judge.judge_beside(&packet, &Connections::new(&self.connections), others)
    }

    /// The verdict and who decided: `deny I6.spoofed`.
    pub fn says(&self, line: &str) -> String {
        let opinion = self.opinion(line);
        format!("{} {}", opinion.verdict, opinion.decision.clause)
    }

    /// The decisions in words.
    pub fn words(&self, line: &str) -> Vec<String> {
        let judge = Judge::new(&self.world, &self.node, self.era).expect("a world of the era");
        let opinion = self.opinion(line);
        opinion
            .decisions()
            .map(|decision| judge.words(decision).to_string())
            .collect()
    }

    /// Whether a branch decided or took part.
    pub fn takes_part(&self, line: &str, clause: Clause) -> bool {
        self.opinion(line).clauses.has(clause)
    }
}

pub fn tier(name: &str) -> Tier {
    Tier {
        name: name.to_owned(),
        default_action: DefaultAction::Deny,
        policies: Vec::new(),
    }
}

pub fn workload(name: &str, interface: &str, addresses: &[&str]) -> WorkloadEndpoint {
    WorkloadEndpoint {
        name: name.to_owned(),
        interface: interface.parse().expect("a name"),
        addresses: addresses
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect(),
        up: true,
        policies: Vec::new(),
        profiles: vec!["open".to_owned()],
        floating: Vec::new(),
        allowed_sources: Vec::new(),
        orchestrator: "k8s".to_owned(),
        qos: Default::default(),
    }
}

pub fn allow() -> Rule {
    Rule::bare(Action::Allow)
}

pub fn deny() -> Rule {
    Rule::bare(Action::Deny)
}

pub fn pass() -> Rule {
    Rule::bare(Action::Pass)
}

pub fn log() -> Rule {
    Rule::bare(Action::Log)
}

/// A rule, and then some of its fields.
pub fn with(mut rule: Rule, change: impl FnOnce(&mut Rule)) -> Rule {
    change(&mut rule);
    rule
}

/// The rule, for TCP to one port.
pub fn to_port(rule: Rule, port: u16) -> Rule {
    with(rule, |rule| {
        rule.protocol = Some(RuleProtocol::Number(6));
        rule.destination.ports = vec![one_port(port)];
    })
}

pub fn one_port(port: u16) -> Ports {
    Ports::Numbers(PortNumbers::one(port))
}

pub fn ports(first: u16, last: u16) -> Ports {
    Ports::Numbers(PortNumbers::new(first, last).expect("a range"))
}
