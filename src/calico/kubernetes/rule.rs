//! Peers and ports as rules (conversion.go, `k8sRuleToCalico`, and for admin policies the functions
//! beside it, which do the same): one rule for every protocol and peer, protocols by name, peers as
//! written, with all ports of the protocol in it.

use std::collections::BTreeMap;

use crate::calico::resources::{Api, Entity, Rule};
use crate::calico::rule::{Action, NamedProtocol, PortNumbers, Ports, RuleProtocol};
use crate::calico::words::{self, word_for};

/// Which way a rule looks: the peer of what pods receive is the source, that of what they send the
/// destination; ports are always the destination's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// What pods receive.
    Ingress,
    /// What pods send.
    Egress,
}

/// Ports of a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPort {
    /// TCP, UDP or SCTP; absent: whichever the named port has (admin policies alone).
    pub protocol: Option<NamedProtocol>,
    /// The ports; absent: all of the protocol.
    pub ports: Option<Ports>,
}

/// The rules about any of these peers and any of these ports; none of either asks nothing of it.
#[must_use]
pub fn rules(
    action: Action,
    direction: Direction,
    peers: &[Entity],
    ports: &[PolicyPort],
) -> Vec<Rule> {
    let anybody = [Entity::default()];
    let peers = if peers.is_empty() { &anybody } else { peers };
    let of_protocol = |(protocol, ports): (Option<NamedProtocol>, Vec<Ports>)| {
        let rule = move |peer: &Entity| rule(action, direction, peer, protocol, &ports);
        peers.iter().map(rule).collect::<Vec<Rule>>()
    };
    by_protocol(ports)
        .into_iter()
        .flat_map(of_protocol)
        .collect()
}

fn rule(
    action: Action,
    direction: Direction,
    peer: &Entity,
    protocol: Option<NamedProtocol>,
    ports: &[Ports],
) -> Rule {
    let mut rule = Rule {
        protocol: protocol.map(RuleProtocol::Named),
        ..Rule::bare(action)
    };
    match direction {
        Direction::Ingress => rule.source = peer.clone(),
        Direction::Egress => rule.destination = peer.clone(),
    }
    rule.destination.ports = ports.to_vec();
    rule
}

/// The ports of each protocol, in the order of the protocols' names, none first; no ports are all of
/// them. Without any port at all: everything.
fn by_protocol(ports: &[PolicyPort]) -> Vec<(Option<NamedProtocol>, Vec<Ports>)> {
    if ports.is_empty() {
        return vec![(None, Vec::new())];
    }
    // `None` for a protocol of which all ports are meant: further ports change nothing of that.
    let mut all: BTreeMap<&str, (Option<NamedProtocol>, Option<Vec<Ports>>)> = BTreeMap::new();
    for PolicyPort { protocol, ports } in ports {
        let named = protocol.map(|protocol| word_for(words::protocols(Api::V3), &protocol));
        let (_, known) = all
            .entry(named.unwrap_or_default())
            .or_insert((*protocol, Some(Vec::new())));
        match (ports, known.as_mut()) {
            (Some(ports), Some(known)) => known.push(ports.clone()),
            _ => *known = None,
        }
    }
    all.into_values()
        .map(|(protocol, ports)| (protocol, ports.map(simplified).unwrap_or_default()))
        .collect()
}

/// The same ports in as few ranges as possible, behind the named ones (conversion.go,
/// `SimplifyPorts`). A single number, or none, is left where it stands.
fn simplified(ports: Vec<Ports>) -> Vec<Ports> {
    let numbers = |ports: &Ports| match ports {
        Ports::Numbers(numbers) => Some(*numbers),
        Ports::Named(_) => None,
    };
    let mut ranges: Vec<PortNumbers> = ports.iter().filter_map(numbers).collect();
    let single = |range: &PortNumbers| range.first() == range.last();
    if ports.len() <= 1 || (ranges.len() <= 1 && ranges.iter().all(single)) {
        return ports;
    }
    ranges.sort_unstable();
    let mut joined: Vec<PortNumbers> = Vec::new();
    for range in ranges {
        let touched = joined
            .last_mut()
            .filter(|last| range.first() <= last.last().saturating_add(1));
        match touched {
            Some(last) => *last = spanning(*last, range),
            None => joined.push(range),
        }
    }
    let named = ports.into_iter().filter(|ports| numbers(ports).is_none());
    named
        .chain(joined.into_iter().map(Ports::Numbers))
        .collect()
}

/// From where one range begins to where the further one of two ends.
fn spanning(first: PortNumbers, other: PortNumbers) -> PortNumbers {
    PortNumbers::new(first.first(), first.last().max(other.last())).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(texts: &[&str]) -> Vec<Ports> {
        let one = |text: &&str| {
            let (first, last) = text.split_once(':').unwrap_or((text, text));
            match (first.parse(), last.parse()) {
                (Ok(first), Ok(last)) => {
                    Ports::Numbers(PortNumbers::new(first, last).expect("in order"))
                }
                _ => Ports::Named((*text).to_owned()),
            }
        };
        texts.iter().map(one).collect()
    }

    #[test]
    fn ports_that_touch_become_ranges_behind_the_names() {
        for (given, expected) in [
            (&["80"][..], &["80"][..]),
            (&["1000:2000"], &["1000:2000"]),
            (&["80", "web"], &["80", "web"]),
            (&["80", "80"], &["80"]),
            (&["81", "80"], &["80:81"]),
            (&["80", "82"], &["80", "82"]),
            (&["82", "80"], &["80", "82"]),
            (&["80", "web", "79"], &["web", "79:80"]),
            (&["80:90", "web"], &["web", "80:90"]),
            (&["80:90", "85", "100", "91"], &["80:91", "100"]),
            (&["1:65535", "65535", "7"], &["1:65535"]),
            (&["b", "a"], &["b", "a"]),
        ] {
            assert_eq!(simplified(ports(given)), ports(expected), "{given:?}");
        }
    }

    #[test]
    fn each_protocol_has_its_ports_and_all_of_them_wins() {
        let port = |protocol, port: &str| PolicyPort {
            protocol,
            ports: ports(&[port]).pop(),
        };
        let all = |protocol| PolicyPort {
            protocol: Some(protocol),
            ports: None,
        };
        let given = [
            port(Some(NamedProtocol::Udp), "53"),
            port(Some(NamedProtocol::Tcp), "53"),
            all(NamedProtocol::Udp),
            port(Some(NamedProtocol::Udp), "54"),
            port(None, "web"),
            all(NamedProtocol::Sctp),
        ];
        assert_eq!(
            by_protocol(&given),
            [
                (None, ports(&["web"])),
                (Some(NamedProtocol::Sctp), Vec::new()),
                (Some(NamedProtocol::Tcp), ports(&["53"])),
                (Some(NamedProtocol::Udp), Vec::new()),
            ]
        );
        assert_eq!(by_protocol(&[]), [(None, Vec::new())]);
    }

    #[test]
    fn there_is_a_rule_for_every_protocol_and_peer() {
        let net = |net: &str| Entity {
            nets: vec![net.parse().expect("a prefix")],
            ..Entity::default()
        };
        let peers = [net("10.0.0.0/8"), net("11.0.0.0/8")];
        let given = [NamedProtocol::Udp, NamedProtocol::Tcp].map(|protocol| PolicyPort {
            protocol: Some(protocol),
            ports: Some(Ports::Numbers(PortNumbers::one(53))),
        });
        let ingress = rules(Action::Allow, Direction::Ingress, &peers, &given);
        let told = |rule: &Rule| {
            let protocol = rule.protocol.expect("a protocol").to_string();
            (protocol, rule.source.nets.clone())
        };
        let of = |protocol: &str, peer: &Entity| (protocol.to_owned(), peer.nets.clone());
        let [first, second] = &peers;
        assert_eq!(
            ingress.iter().map(told).collect::<Vec<_>>(),
            [
                of("tcp", first),
                of("tcp", second),
                of("udp", first),
                of("udp", second)
            ]
        );
        assert!(
            ingress
                .iter()
                .all(|rule| rule.destination.ports == ports(&["53"]))
        );
        let egress = rules(Action::Deny, Direction::Egress, &peers[..1], &[]);
        let [only] = egress.as_slice() else {
            panic!("{egress:?}");
        };
        assert_eq!((&only.destination, only.protocol), (first, None));
        assert_eq!(
            rules(Action::Pass, Direction::Egress, &[], &[]),
            [Rule::bare(Action::Pass)]
        );
    }
}
