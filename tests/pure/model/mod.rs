//! The chain machine against what the kernel's sources say, one behaviour a test.

mod answers;
mod chains;
mod choices;
mod connections;
mod matches;
mod nat;
mod readings;
mod refusals;
mod routing;

use calidiff::journey::{Answer, Fate, Journey, Possible};
use calidiff::model::{Connections, Machine};
use calidiff::node::Node;
use calidiff::packet::{Connection, Family, Packet};
use calidiff::verdict::NotProgrammed;
use calidiff::xtables::set::Set;
use calidiff::xtables::{Backend, Firewall, save};

/// A node with a workload, an uplink, and an interface without an address.
const NODE: &str = "
name: node
interfaces:
- name: cali1
- name: eth0
  addresses: [192.168.7.1/24, 2001:db8:7::1/64]
- name: tunl0
routes:
- {destination: 10.65.0.2/32, to: !unicast {interface: cali1}}
- {destination: 10.99.0.0/16, to: !unicast {interface: eth0, via: 192.168.7.9}}
- {destination: 10.98.0.0/16, to: !unicast {interface: tunl0}}
- {destination: 10.1.0.0/16, to: blackhole}
- {destination: 10.2.0.0/16, to: unreachable}
- {destination: 10.3.0.0/16, to: prohibit}
- {destination: 'fd00:65::2/128', to: !unicast {interface: cali1}}
- {destination: 'fd00:99::/32', to: !unicast {interface: eth0, via: '2001:db8:7::9'}}
- {destination: 'fd00:2::/32', to: unreachable}
- {destination: 'fd00:3::/32', to: prohibit}
";

/// A machine under test.
struct Case {
    backend: Backend,
    node: Node,
    firewall: Firewall,
    connections: Vec<Connection>,
}

impl Case {
    /// These IPv4 rules, as iptables-save writes them.
    fn v4(rules: &str) -> Self {
        let mut case = Self::bare();
        case.firewall.v4 = parse(rules, Family::V4);
        case
    }

    /// These IPv6 rules.
    fn v6(rules: &str) -> Self {
        let mut case = Self::bare();
        case.firewall.v6 = parse(rules, Family::V6);
        case
    }

    fn bare() -> Self {
        Self {
            backend: Backend::Legacy,
            node: calidiff::node::text::read("node", NODE).unwrap(),
            firewall: Firewall::default(),
            connections: Vec::new(),
        }
    }

    /// The same as another backend reads it.
    fn read_by(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    fn set(mut self, set: Set) -> Self {
        self.firewall.sets.push(set);
        self
    }

    fn connection(mut self, line: &str) -> Self {
        self.connections.push(line.parse().unwrap());
        self
    }

    fn node(mut self, change: impl FnOnce(&mut Node)) -> Self {
        change(&mut self.node);
        self
    }

    fn machine(&self) -> Result<Machine, NotProgrammed> {
        Machine::new(self.backend, &self.node, &self.firewall)
    }

    /// What the machine says of a packet.
    fn answer(&self, packet: &str) -> Answer {
        let packet: Packet = packet.parse().unwrap();
        let connections = Connections::new(&self.connections);
        self.machine().unwrap().judge(&connections, &packet)
    }

    /// All journeys that are possible.
    fn possible(&self, packet: &str) -> Vec<Possible> {
        match self.answer(packet) {
            Answer::Judged(possible) => possible.into_vec(),
            Answer::Unjudged(why) => panic!("unjudged: {why}"),
        }
    }

    /// The only journey that is possible.
    fn journey(&self, packet: &str) -> Journey {
        let mut possible = self.possible(packet);
        assert_eq!(possible.len(), 1, "{possible:?}");
        possible.remove(0).journey
    }

    /// The end of the only journey, in a few words, and its last mark: `sent eth0 0x1`.
    fn end(&self, packet: &str) -> String {
        end(&self.journey(packet))
    }
}

fn parse(rules: &str, family: Family) -> calidiff::xtables::Ruleset {
    save::parse("rules", rules, family).unwrap_or_else(|error| panic!("{error}"))
}

/// The end of a journey in a few words, with its last mark.
fn end(journey: &Journey) -> String {
    let fate = match journey.fate {
        Fate::Local => "local".to_owned(),
        Fate::Sent(interface) => format!("sent {interface}"),
        Fate::Dropped(point) => format!("dropped {point}"),
        Fate::Unrouted(Some(point)) => format!("unrouted {point}"),
        Fate::Unrouted(None) => "unrouted".to_owned(),
        Fate::Unhooked => "unhooked".to_owned(),
    };
    match journey.sights.last() {
        Some(sight) => format!("{fate} {}", sight.mark),
        None => fate,
    }
}

/// The headers and interfaces at the last sight, as packets are said.
fn last(journey: &Journey) -> String {
    let sight = journey.sights.last().unwrap();
    let headers = sight.headers;
    format!(
        "{}:{} > {}:{}",
        headers.source, headers.ports.source, headers.destination, headers.ports.destination
    )
}
