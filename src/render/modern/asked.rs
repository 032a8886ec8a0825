//! Which sets a rule asks (felix, calc/rule_scanner.go and calc/event_sequencer.go).
//!
//! A selector and a negated one at the same end become one: `S && !N`. So an address that somebody has
//! who is selected is in the set, whoever else has it. A negated selector alone stays a negated set.
//!
//! A port's name becomes a set of addresses and ports: those of everyone who is selected and calls one of
//! its ports so; the selector is then asked by that set, and is not asked by itself unless there are ports
//! by number, too. The protocol is the rule's, TCP where it says none that has named ports. A negated
//! port's name is sought among those that the (positive) selector means.
//!
//! A service as a source is the set of the addresses behind it; as a destination the set of addresses and
//! ports.

use crate::calico::Selector;
use crate::calico::rule::{NamedProtocol, PortNumbers, Ports, RuleProtocol, ServiceName, Side};
use crate::calico::selector::Expression;
use crate::hash;
use crate::packet::Protocol;
use crate::render::fragment::End;

/// What tells a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The addresses of those whom a selector means.
    Selected(Selector),
    /// The addresses and ports of those whom a selector means and who call a port of theirs so.
    NamedPort(Selector, NamedProtocol, String),
    /// The addresses and ports behind a service.
    Service(ServiceName),
    /// The addresses behind a service.
    ServiceAddresses(ServiceName),
}

impl Asked {
    /// The set's id.
    pub fn id(&self) -> String {
        let of_service = |kind, service: &ServiceName| {
            hash::set_id(kind, &format!("{}/{}", service.namespace, service.name))
        };
        match self {
            Self::Selected(selector) => hash::set_id("s", selector.as_str()),
            Self::NamedPort(selector, protocol, name) => {
                let selector = hash::set_id("s", selector.as_str());
                hash::set_id(
                    "n",
                    &format!("{selector},{protocol},{name}", protocol = protocol.as_str()),
                )
            }
            Self::Service(service) => of_service("svc", service),
            Self::ServiceAddresses(service) => of_service("svcnoport", service),
        }
    }
}

/// The sets that are asked about one end of a rule, and the ports that are asked by number.
#[derive(Default)]
pub(super) struct AskedOfEnd {
    /// It is in all of these.
    pub groups: Vec<Asked>,
    /// It is in this, with its port.
    pub service: Option<Asked>,
    /// It is in one of these with its port, or its port is one of the numbers.
    pub named: Vec<Asked>,
    /// Its port is one of these.
    pub numbers: Vec<PortNumbers>,
    /// It is in none of these.
    pub not_groups: Vec<Asked>,
    /// It is in none of these with its port.
    pub not_named: Vec<Asked>,
    /// Its port is none of these.
    pub not_numbers: Vec<PortNumbers>,
}

impl AskedOfEnd {
    /// What a rule of a protocol asks of one end.
    pub fn of(end: End, side: &Side, protocol: Option<RuleProtocol>) -> Self {
        let (positive, negative) = combined(side);
        let (numbers, names) = parted(&side.ports);
        let (not_numbers, not_names) = parted(&side.not_ports);
        let among = positive.clone().unwrap_or_else(Selector::all);
        let protocol = port_protocol(protocol);
        let named = |names: Vec<&String>| {
            let sets = names.into_iter();
            sets.map(|name| Asked::NamedPort(among.clone(), protocol, name.clone()))
                .collect()
        };
        let by_itself = names.is_empty() || !numbers.is_empty();
        let mut groups: Vec<Asked> = Vec::new();
        groups.extend(positive.filter(|_| by_itself).map(Asked::Selected));
        let service = side.service.clone();
        let service = match end {
            End::Source => {
                groups.extend(service.map(Asked::ServiceAddresses));
                None
            }
            End::Destination => service.map(Asked::Service),
        };
        Self {
            groups,
            service,
            named: named(names),
            numbers,
            not_groups: negative.map(Asked::Selected).into_iter().collect(),
            not_named: named(not_names),
            not_numbers,
        }
    }

    /// All sets.
    pub fn sets(self) -> impl Iterator<Item = Asked> {
        let positive = self.groups.into_iter().chain(self.service);
        let negative = self.not_groups.into_iter().chain(self.not_named);
        positive.chain(self.named).chain(negative)
    }
}

/// The selector of who is meant, and of who is not.
fn combined(side: &Side) -> (Option<Selector>, Option<Selector>) {
    match (&side.selector, &side.not_selector) {
        (Some(who), Some(not)) => {
            let not = Expression::Not(Box::new(not.expression().clone()));
            let both = Selector::every([who.expression().clone(), not]);
            (Some(both), None)
        }
        (who, not) => (who.clone(), not.clone()),
    }
}

/// Ports by number, and by name.
fn parted(ports: &[Ports]) -> (Vec<PortNumbers>, Vec<&String>) {
    let mut numbers = Vec::new();
    let mut names = Vec::new();
    for ports in ports {
        match ports {
            Ports::Numbers(range) => numbers.push(*range),
            Ports::Named(name) => names.push(name),
        }
    }
    (numbers, names)
}

fn port_protocol(protocol: Option<RuleProtocol>) -> NamedProtocol {
    match protocol.map(RuleProtocol::protocol) {
        Some(Protocol::UDP) => NamedProtocol::Udp,
        Some(Protocol::SCTP) => NamedProtocol::Sctp,
        _ => NamedProtocol::Tcp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str) -> Option<Selector> {
        text.parse().ok()
    }

    #[test]
    fn a_selector_and_a_negated_one_are_one_set() {
        let side = Side {
            selector: selector("a == 'b' && has(c)"),
            not_selector: selector("d == 'e'"),
            ..Side::default()
        };
        let (both, none) = combined(&side);
        let both = both.map(|both| both.to_string());
        assert_eq!(
            both.as_deref(),
            Some("((a == \"b\" && has(c)) && !d == \"e\")")
        );
        assert_eq!(none, None);
    }

    #[test]
    fn a_named_port_is_of_the_rules_protocol_and_else_of_tcp() {
        let side = Side {
            ports: vec![Ports::Named("dns".to_owned())],
            ..Side::default()
        };
        let named = |protocol: Option<NamedProtocol>| {
            let protocol = protocol.map(RuleProtocol::Named);
            AskedOfEnd::of(End::Destination, &side, protocol).named
        };
        for (said, asked) in [
            (Some(NamedProtocol::Udp), NamedProtocol::Udp),
            (Some(NamedProtocol::Sctp), NamedProtocol::Sctp),
            (Some(NamedProtocol::Tcp), NamedProtocol::Tcp),
            (None, NamedProtocol::Tcp),
        ] {
            let expected = Asked::NamedPort(Selector::all(), asked, "dns".to_owned());
            assert_eq!(named(said), [expected]);
        }
    }

    #[test]
    fn a_named_port_asks_the_selector_itself() {
        let side = Side {
            selector: selector("has(a)"),
            ports: vec![Ports::Named("http".to_owned())],
            ..Side::default()
        };
        let tcp = Some(RuleProtocol::Named(NamedProtocol::Tcp));
        let asked = AskedOfEnd::of(End::Destination, &side, tcp);
        assert!(asked.groups.is_empty());
        assert_eq!(asked.named.len(), 1);
        let with_number = Side {
            ports: vec![
                Ports::Named("http".to_owned()),
                Ports::Numbers(PortNumbers::one(80)),
            ],
            ..side
        };
        let asked = AskedOfEnd::of(End::Destination, &with_number, tcp);
        assert_eq!((asked.groups.len(), asked.named.len()), (1, 1));
    }
}
