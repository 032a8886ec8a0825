//! I15 and I16: when a rule matches.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::addresses::{Addresses, Number, number};
use super::clause::{Clause, Clauses};
use crate::calico::rule::{IcmpMessage, Ports, RuleProtocol};
use crate::calico::world::{PeersBy, PeersIndex, ServiceEndpoint};
use crate::calico::{Action, Rule, Side, World};
use crate::packet::{self, Defect, Family, Fragment, Packet, Protocol, Transport};

/// What a rule is shown of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) family: Family,
    pub(super) protocol: Protocol,
    pub(super) source: Number,
    pub(super) destination: Number,
    /// `None` where the packet has no ports, or not with it.
    pub(super) ports: Option<packet::Ports>,
    /// Type and code; `None` where the packet is no ICMP message, or its header is not with it.
    pub(super) icmp: Option<(u8, u8)>,
}

impl Seen {
    /// What a rule is shown of a packet on its way to an address, which may be a translated one; so may
    /// the port, where one is given.
    pub(super) fn new(packet: &Packet, destination: IpAddr, port: Option<u16>) -> Self {
        let protocol = packet.protocol();
        let translated = |ports: packet::Ports| packet::Ports {
            destination: port.unwrap_or(ports.destination),
            ..ports
        };
        Self {
            family: packet.family(),
            protocol,
            source: number(packet.source),
            destination: number(destination),
            ports: ports(packet, protocol)
                .filter(|_| shows(packet, 4))
                .map(translated),
            icmp: message(packet).filter(|_| shows(packet, 2)),
        }
    }

    /// The port to which it goes.
    pub(super) fn destination_port(&self) -> Option<u16> {
        self.ports.map(|ports| ports.destination)
    }
}

/// > I15 Ports belong to TCP, UDP, SCTP and UDP-Lite.
fn ports(packet: &Packet, protocol: Protocol) -> Option<packet::Ports> {
    match protocol {
        // What is sent as bare protocol numbers has zeros where the ports are.
        Protocol::TCP | Protocol::UDP | Protocol::SCTP | Protocol::UDP_LITE => {
            Some(packet.transport.ports().unwrap_or_default())
        }
        _ => None,
    }
}

fn message(packet: &Packet) -> Option<(u8, u8)> {
    match packet.transport {
        Transport::Icmp(icmp) => Some((icmp.kind, icmp.code)),
        _ => None,
    }
}

/// Whether the first bytes of the transport's header are with the packet: a later fragment hasn't
/// them, nor has one cut short before.
fn shows(packet: &Packet, bytes: u8) -> bool {
    !matches!(packet.fragment, Some(Fragment { offset: 1.., .. }))
        && !matches!(packet.defect, Some(Defect::Truncated(length)) if length < bytes)
}

/// A rule, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) action: Action,
    /// Of which families it is, IPv4 first.
    families: [bool; 2],
    protocol: Option<Protocol>,
    not_protocol: Option<Protocol>,
    icmp: Option<IcmpMessage>,
    not_icmp: Option<IcmpMessage>,
    source: End,
    destination: End,
    /// What takes part where it decides.
    pub(super) asks: Clauses,
}

/// One end of what a rule asks.
#[derive(Clone, Debug)]
struct End {
    /// Whether it asks nothing.
    silent: bool,
    nets: Option<Addresses>,
    not_nets: Option<Addresses>,
    ports: PortList,
    not_ports: PortList,
    peers: Box<[Arc<Addresses>]>,
    not_peers: Box<[Arc<Addresses>]>,
    service: Option<Service>,
}

/// A list of ports.
#[derive(Clone, Debug, Default)]
struct PortList {
    /// From one to another, in the order of the rule: both included.
    numbers: Box<[(u16, u16)]>,
    /// Whose port of a name it is, sorted.
    named: Box<[Place]>,
    /// Whether the rule has none.
    silent: bool,
}

/// A port of a protocol at an address of a family.
type Place = (Family, Number, Protocol, u16);

/// Those who stand behind a service, sorted.
#[derive(Clone, Debug)]
enum Service {
    /// Of whom only the address counts.
    Addresses(Box<[(Family, Number)]>),
    /// Of whom the port counts as well.
    Places(Box<[Place]>),
}

impl Question {
    /// A rule of a world whose groups are `groups`.
    pub(super) fn new(rule: &Rule, world: &World, groups: &[Arc<Addresses>]) -> Self {
        Self {
            action: rule.action,
            families: families(rule),
            protocol: rule.protocol.map(RuleProtocol::protocol),
            not_protocol: rule.not_protocol.map(RuleProtocol::protocol),
            icmp: rule.icmp,
            not_icmp: rule.not_icmp,
            source: End::new(&rule.source, rule, world, groups, Service::of_source),
            destination: End::new(
                &rule.destination,
                rule,
                world,
                groups,
                Service::of_destination,
            ),
            asks: asks(rule, world),
        }
    }

    /// > I15 A rule matches when all of its fields do. Within a list any element suffices. […] A negated
    /// > field matches when no element does; several negated fields must all hold.
    pub(super) fn matches(&self, seen: &Seen) -> bool {
        self.families[place(seen.family)]
            && self.protocol.is_none_or(|asked| asked == seen.protocol)
            && self.not_protocol.is_none_or(|asked| asked != seen.protocol)
            && self.icmp.is_none_or(|asked| is_message(asked, seen))
            && self.not_icmp.is_none_or(|asked| !is_message(asked, seen))
            && (self.source.silent
                || self
                    .source
                    .matches(seen, seen.source, seen.ports.map(|ports| ports.source)))
            && (self.destination.silent
                || self
                    .destination
                    .matches(seen, seen.destination, seen.destination_port()))
    }
}

/// > I15 A rule that names addresses (nets or notNets) of one family, or an ICMP protocol of one family,
/// > is a rule about that family.
///
/// Each field by itself: a source of one family and a destination of the other leave a rule without
/// any. A protocol that the rule *excludes* names no family: the sentence counts negation for
/// addresses alone, and everything that isn't ICMP is what `notProtocol: icmp` says.
fn families(rule: &Rule) -> [bool; 2] {
    let protocol = rule.protocol.map(RuleProtocol::protocol);
    Family::BOTH.map(|family| {
        let of_protocol = match protocol {
            Some(Protocol::ICMP) => family == Family::V4,
            Some(Protocol::ICMP6) => family == Family::V6,
            _ => true,
        };
        let named = [&rule.source, &rule.destination]
            .into_iter()
            .flat_map(|side| [&side.nets, &side.not_nets])
            .all(|nets| nets.is_empty() || nets.iter().any(|net| Family::of(net.addr()) == family));
        of_protocol && named && rule.family.is_none_or(|asked| asked == family)
    })
}

fn place(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

/// > I15 An ICMP type or code is a value, any from 0 to 254.
///
/// Nothing says that a rule about ICMP messages is one about ICMP, as it is said of ports: a
/// packet that is no such message is not the one that a negated field excludes.
fn is_message(asked: IcmpMessage, seen: &Seen) -> bool {
    seen.icmp.is_some_and(|(kind, code)| {
        kind == asked.kind && asked.code.is_none_or(|asked| asked == code)
    })
}

impl End {
    fn new(
        side: &Side,
        rule: &Rule,
        world: &World,
        groups: &[Arc<Addresses>],
        service: impl Fn(&[ServiceEndpoint]) -> Service,
    ) -> Self {
        let addresses = |nets: &Vec<IpNet>| (!nets.is_empty()).then(|| Addresses::of(nets));
        let members = |peers: &[PeersIndex]| {
            let groups = peers.iter().filter_map(|index| groups.get(index.0));
            groups.cloned().collect()
        };
        Self {
            silent: *side == Side::default(),
            nets: addresses(&side.nets),
            not_nets: addresses(&side.not_nets),
            ports: PortList::new(&side.ports, rule, world),
            not_ports: PortList::new(&side.not_ports, rule, world),
            peers: members(&side.peers),
            not_peers: members(&side.not_peers),
            service: side.service.as_ref().map(|name| {
                let behind = world.services.get(name);
                service(behind.map_or(&[], Vec::as_slice))
            }),
        }
    }

    /// > I15 Ports are a list of numbers, ranges and names. […] Ports belong to TCP, UDP, SCTP and
    /// > UDP-Lite. […] A selector stands for the addresses of the endpoints and network sets that it
    /// > selects, a negated selector for every other address, also one that Calico doesn't know.
    ///
    /// As ports *belong* to these protocols, a rule that asks for ports, or for others, is a rule about
    /// them: what has no port matches neither.
    fn matches(&self, seen: &Seen, address: Number, port: Option<u16>) -> bool {
        let family = seen.family;
        self.ports_match(seen, address, port)
            && self
                .service
                .as_ref()
                .is_none_or(|service| service.has(seen, address, port))
            && self
                .nets
                .as_ref()
                .is_none_or(|nets| nets.contains(family, address))
            && self
                .not_nets
                .as_ref()
                .is_none_or(|nets| !nets.contains(family, address))
            && self
                .peers
                .iter()
                .all(|group| group.contains(family, address))
            && !self
                .not_peers
                .iter()
                .any(|group| group.contains(family, address))
    }

    fn ports_match(&self, seen: &Seen, address: Number, port: Option<u16>) -> bool {
        if self.ports.silent && self.not_ports.silent {
            return true;
        }
        let Some(port) = port else { return false };
        let at = (seen.family, address, seen.protocol, port);
        (self.ports.silent || self.ports.has(at)) && !self.not_ports.has(at)
    }
}

impl PortList {
    /// > I15 Ports are a list of numbers, ranges and names.
    ///
    /// A name stands for the ports that endpoints call so, each at its own addresses and of its own
    /// protocol: of the rule's where that has one.
    fn new(ports: &[Ports], rule: &Rule, world: &World) -> Self {
        let numbers = ports.iter().filter_map(|ports| match ports {
            Ports::Numbers(numbers) => Some((numbers.first(), numbers.last())),
            Ports::Named(_) => None,
        });
        let asked = rule.protocol.map(RuleProtocol::protocol);
        let named = |name: &str| {
            ports
                .iter()
                .any(|ports| matches!(ports, Ports::Named(one) if one == name))
        };
        let mut places = Vec::new();
        for who in &world.selectable {
            let called = who.ports.iter().filter(|port| named(&port.name));
            for port in
                called.filter(|port| asked.is_none_or(|asked| asked == port.protocol.protocol()))
            {
                let at = |net: &IpNet| {
                    let family = Family::of(net.addr());
                    (
                        family,
                        number(net.addr()),
                        port.protocol.protocol(),
                        port.port,
                    )
                };
                places.extend(who.nets.iter().map(at));
            }
        }
        Self {
            numbers: numbers.collect(),
            named: sorted(places),
            silent: ports.is_empty(),
        }
    }

    fn has(&self, at: Place) -> bool {
        let (.., port) = at;
        let mut numbers = self.numbers.iter();
        numbers.any(|(first, last)| (*first..=*last).contains(&port))
            || self.named.binary_search(&at).is_ok()
    }
}

impl Service {
    /// Who stands behind a service receives by its port, and sends from any.
    fn of_source(behind: &[ServiceEndpoint]) -> Self {
        let address = |one: &ServiceEndpoint| (Family::of(one.address), number(one.address));
        Self::Addresses(sorted(behind.iter().map(address).collect()))
    }

    fn of_destination(behind: &[ServiceEndpoint]) -> Self {
        let place = |one: &ServiceEndpoint| {
            let family = Family::of(one.address);
            (family, number(one.address), one.protocol, one.port)
        };
        Self::Places(sorted(behind.iter().map(place).collect()))
    }

    fn has(&self, seen: &Seen, address: Number, port: Option<u16>) -> bool {
        match self {
            Self::Addresses(addresses) => addresses.binary_search(&(seen.family, address)).is_ok(),
            Self::Places(places) => port.is_some_and(|port| {
                let at = (seen.family, address, seen.protocol, port);
                places.binary_search(&at).is_ok()
            }),
        }
    }
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Box<[T]> {
    all.sort_unstable();
    all.dedup();
    all.into()
}

/// Which branches take part where a rule decides.
///
/// > I16 Labels of an endpoint: its own, and those that its profiles give (`labelsToApply`; seed era:
/// > the profile's labels and tags); its own win. Kubernetes: the namespace's labels appear as
/// > `pcns.KEY`, the service account's as `pcsa.KEY`; `projectcalico.org/namespace`, `/orchestrator`,
/// > `/serviceaccount` are there by themselves. Selected addresses: a workload's, a host endpoint's
/// > expectedIPs, a network set's nets.
///
/// > I15 In a namespaced policy a selector means endpoints of that namespace, unless a
/// > namespaceSelector says which.
///
/// A world has its selectors resolved, and so its groups hold the addresses: what is left here is to
/// ask them.
///
/// > I15 HTTP matches belong to another layer and match everything here.
///
/// The rules of a world have none.
fn asks(rule: &Rule, world: &World) -> Clauses {
    let mut asks = Clauses::NONE;
    let mut note = |asked: bool, clause: Clause| {
        if asked {
            asks.add(clause);
        }
    };
    note(families(rule) != [true; 2], Clause::I15Family);
    note(rule.protocol.is_some(), Clause::I15Protocol);
    note(rule.not_protocol.is_some(), Clause::I15NotProtocol);
    note(rule.icmp.is_some(), Clause::I15Icmp);
    note(rule.not_icmp.is_some(), Clause::I15NotIcmp);
    for side in [&rule.source, &rule.destination] {
        note(!side.nets.is_empty(), Clause::I15Nets);
        note(!side.not_nets.is_empty(), Clause::I15NotNets);
        note(side.ports.iter().any(is_number), Clause::I15Ports);
        note(side.not_ports.iter().any(is_number), Clause::I15NotPorts);
        note(side.ports.iter().any(is_name), Clause::I15NamedPorts);
        note(side.not_ports.iter().any(is_name), Clause::I15NotNamedPorts);
        note(side.service.is_some(), Clause::I15Service);
        note(!side.not_peers.is_empty(), Clause::I15NotSelector);
        for index in side.peers.iter().chain(&side.not_peers) {
            match world.peers.get(index.0).map(|group| &group.by) {
                Some(PeersBy::Selector(_)) => note(true, Clause::I16Selector),
                Some(PeersBy::Tag(_)) => note(true, Clause::I16Tag),
                None => {}
            }
        }
    }
    asks
}

fn is_name(ports: &Ports) -> bool {
    matches!(ports, Ports::Named(_))
}

fn is_number(ports: &Ports) -> bool {
    !is_name(ports)
}
