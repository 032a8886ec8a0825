//! Rules: about a packet that could be, so that what they ask for can meet; or about anything.

use std::net::IpAddr;

use ipnet::IpNet;

use super::site::Site;
use super::{Feature, Maker};
use crate::calico::resources::{Entity, Rule};
use crate::calico::rule::{Action, IcmpMessage, NamedProtocol, RuleProtocol};
use crate::generate::bits::Bits;
use crate::packet::Family;

/// Protocols by number: those that have a name, one that has ports, encapsulation, IPv6's own headers,
/// and the ends.
const NUMBERS: [u8; 12] = [1, 2, 4, 6, 17, 41, 47, 50, 58, 132, 136, 255];

/// ICMP types and codes from the ends; 254 is the highest type that the API takes.
const KINDS: [u8; 10] = [0, 3, 8, 11, 13, 128, 129, 135, 136, 254];
const CODES: [u8; 5] = [0, 1, 3, 4, 255];

/// Lengths of prefixes besides the whole address.
const LENGTHS_V4: [u8; 9] = [0, 1, 8, 16, 24, 26, 30, 31, 32];
const LENGTHS_V6: [u8; 8] = [0, 1, 16, 64, 120, 126, 127, 128];

/// What a rule may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Family,
    Protocol,
    Icmp,
    Net(End),
    Ports(End),
    Selector(End),
    Tag(End),
}

/// Which end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Destination,
}

impl Field {
    const ALL: [Self; 11] = [
        Self::Family,
        Self::Protocol,
        Self::Icmp,
        Self::Net(End::Source),
        Self::Net(End::Destination),
        Self::Ports(End::Source),
        Self::Ports(End::Destination),
        Self::Selector(End::Source),
        Self::Selector(End::Destination),
        Self::Tag(End::Source),
        Self::Tag(End::Destination),
    ];

    /// By which feature rules ask for it.
    pub(super) fn feature(self) -> Feature {
        match self {
            Self::Family => Feature::Families,
            Self::Protocol => Feature::Protocols,
            Self::Icmp => Feature::Icmp,
            Self::Net(_) => Feature::Nets,
            Self::Ports(_) => Feature::Ports,
            Self::Selector(_) => Feature::Selectors,
            Self::Tag(_) => Feature::ProfileLabels,
        }
    }
}

/// The packet that a rule is about: who to whom.
pub(super) struct About {
    pub(super) family: Family,
    source: IpAddr,
    destination: IpAddr,
}

impl<B: Bits> Maker<'_, B> {
    /// A rule.
    pub(super) fn rule(&mut self, site: &Site) -> Rule {
        let mut rule = Rule::bare(self.action());
        let about = self.about(site);
        let known = Field::ALL.into_iter();
        let mut open: Vec<Field> = known.filter(|field| self.has(field.feature())).collect();
        let all = self.at_times(Feature::AllFields, 1, 3);
        // Rules without a question end their policy: some, not most.
        let mut more = all || self.bits.chance(4, 5);
        while more && !open.is_empty() {
            let field = open.swap_remove(self.bits.below(open.len()));
            self.ask(&mut rule, field, &about, site);
            more = all || self.bits.chance(self.dials.fields, 100);
        }
        self.make_whole(&mut rule);
        rule
    }

    pub(super) fn action(&mut self) -> Action {
        let log = if self.has(Feature::Log) { 2 } else { 0 };
        let pass = if self.has(Feature::Pass) { 3 } else { 0 };
        let actions = [
            (7, Action::Allow),
            (3, Action::Deny),
            (log, Action::Log),
            (pass, Action::Pass),
        ];
        self.bits.weighted(&actions).unwrap_or(Action::Allow)
    }

    pub(super) fn about(&mut self, site: &Site) -> About {
        let family = match self.at_times(Feature::V6, 1, 2) {
            true => Family::V6,
            false => Family::V4,
        };
        About {
            family,
            source: self.anyone(site, family),
            destination: self.anyone(site, family),
        }
    }

    /// Somebody's address.
    pub(super) fn anyone(&mut self, site: &Site, family: Family) -> IpAddr {
        let people = site.people(family);
        match (self.bits.pick(people), family) {
            (Some(address), _) => *address,
            (None, Family::V4) => IpAddr::from([192, 0, 2, 7]),
            (None, Family::V6) => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7]),
        }
    }

    pub(super) fn ask(&mut self, rule: &mut Rule, field: Field, about: &About, site: &Site) {
        let negated = self.at_times(Feature::Negations, 1, 3);
        let also = self.has(Feature::Clashes) && self.bits.chance(1, 4);
        match field {
            Field::Family => rule.family = Some(about.family),
            Field::Protocol => {
                if negated || also {
                    rule.not_protocol = Some(self.protocol(about.family));
                }
                if !negated || also {
                    rule.protocol = Some(self.protocol(about.family));
                }
            }
            Field::Icmp => {
                if negated || self.at_times(Feature::Negations, 1, 3) {
                    rule.not_icmp = Some(self.message());
                }
                if !negated || self.bits.chance(1, 6) {
                    rule.icmp = Some(self.message());
                }
            }
            Field::Net(end) => {
                let (entity, address) = about.end(rule, end);
                if negated || also {
                    entity.not_nets = vec![self.not_net(site, address)];
                }
                if !negated || also {
                    entity.nets = vec![self.net(site, address)];
                }
            }
            Field::Ports(end) => {
                let (entity, _) = about.end(rule, end);
                let both = self.at_times(Feature::Negations, 1, 4);
                if negated || both {
                    entity.not_ports = self.ports();
                }
                if !negated || both {
                    entity.ports = self.ports();
                }
            }
            Field::Selector(end) => {
                let (entity, _) = about.end(rule, end);
                let both = self.at_times(Feature::Negations, 1, 4);
                if negated || both {
                    entity.not_selector = Some(self.selector());
                }
                if !negated || both {
                    entity.selector = Some(self.selector());
                }
            }
            Field::Tag(end) => {
                let (entity, _) = about.end(rule, end);
                if negated {
                    entity.not_tag = Some(self.tag());
                } else {
                    entity.tag = Some(self.tag());
                }
            }
        }
    }

    fn protocol(&mut self, family: Family) -> RuleProtocol {
        let icmp = match family {
            Family::V4 => NamedProtocol::Icmp,
            Family::V6 => NamedProtocol::Icmpv6,
        };
        match self.bits.below(8) {
            0..=2 => RuleProtocol::Named(NamedProtocol::Tcp),
            3 => RuleProtocol::Named(NamedProtocol::Udp),
            4 => RuleProtocol::Named(icmp),
            5 => RuleProtocol::Named(self.bits.one(NamedProtocol::ALL)),
            _ => RuleProtocol::Number(self.bits.one(NUMBERS)),
        }
    }

    fn message(&mut self) -> IcmpMessage {
        IcmpMessage {
            kind: self.bits.one(KINDS),
            code: match self.bits.chance(1, 2) {
                true => Some(self.bits.one(CODES)),
                false => None,
            },
        }
    }

    /// A prefix around an address, or now and then around another.
    pub(super) fn net(&mut self, site: &Site, address: IpAddr) -> IpNet {
        let family = Family::of(address);
        let address = match self.bits.chance(1, 4) {
            true => self.anyone(site, family),
            false => address,
        };
        let length = match family {
            Family::V4 => self.bits.one(LENGTHS_V4),
            Family::V6 => self.bits.one(LENGTHS_V6),
        };
        prefix(address, length)
    }

    /// A prefix that rather spares an address.
    pub(super) fn not_net(&mut self, site: &Site, address: IpAddr) -> IpNet {
        let other = self.anyone(site, Family::of(address));
        let net = self.net(site, other);
        match net.contains(&address) && self.bits.chance(2, 3) {
            true => IpNet::from(other),
            false => net,
        }
    }

    /// Gives a rule what the API demands beside what it asks: a protocol with ports for ports, ICMP for
    /// its messages, one family throughout.
    pub(super) fn make_whole(&mut self, rule: &mut Rule) {
        let ports = [&rule.source, &rule.destination]
            .iter()
            .any(|entity| !entity.ports.is_empty() || !entity.not_ports.is_empty());
        let message = rule.icmp.is_some() || rule.not_icmp.is_some();
        // The two exclude each other.
        let (ports, message) = match (ports, message) {
            (true, true) => {
                let ports = self.bits.chance(1, 2);
                (ports, !ports)
            }
            other => other,
        };
        if !message {
            (rule.icmp, rule.not_icmp) = (None, None);
        }
        if !ports {
            for entity in [&mut rule.source, &mut rule.destination] {
                entity.ports.clear();
                entity.not_ports.clear();
            }
        }
        let family = family_of_nets(rule);
        if ports {
            rule.protocol = Some(self.protocol_with_ports());
        } else if message {
            let family = family.or(rule.family).unwrap_or(Family::V4);
            rule.protocol = Some(self.icmp_protocol(family));
            // Without a family the rule stands in both families' chains, and one's tools refuse it.
            if family_of_nets(rule).is_none() && !self.bits.chance(1, 12) {
                rule.family = Some(family);
            }
        }
        let clashes = rule.protocol.is_some() && rule.not_protocol.is_some();
        if clashes && !self.has(Feature::Clashes) {
            rule.not_protocol = None;
        }
        self.make_of_one_family(rule);
    }

    fn protocol_with_ports(&mut self) -> RuleProtocol {
        match self.bits.below(10) {
            0..=4 => RuleProtocol::Named(NamedProtocol::Tcp),
            5 | 6 => RuleProtocol::Named(NamedProtocol::Udp),
            7 => RuleProtocol::Named(self.bits.one([NamedProtocol::Sctp, NamedProtocol::UdpLite])),
            _ => RuleProtocol::Number(self.bits.one([6, 17, 132, 136])),
        }
    }

    fn icmp_protocol(&mut self, family: Family) -> RuleProtocol {
        let (named, number) = match family {
            Family::V4 => (NamedProtocol::Icmp, 1),
            Family::V6 => (NamedProtocol::Icmpv6, 58),
        };
        match self.bits.chance(3, 4) {
            true => RuleProtocol::Named(named),
            false => RuleProtocol::Number(number),
        }
    }

    /// Where fields speak of two families, the prefixes win, then the protocol.
    fn make_of_one_family(&mut self, rule: &mut Rule) {
        let by_nets = family_of_nets(rule);
        let by_protocol = rule
            .protocol
            .and_then(|protocol| match protocol.protocol().0 {
                1 => Some(Family::V4),
                58 => Some(Family::V6),
                _ => None,
            });
        match (by_nets, by_protocol) {
            (Some(nets), Some(protocol)) if nets != protocol => {
                rule.protocol = None;
                (rule.icmp, rule.not_icmp) = (None, None);
            }
            _ => {}
        }
        let said = by_nets.or(by_protocol);
        if rule.family.is_some() && said.is_some() {
            rule.family = said;
        }
    }
}

impl About {
    /// One end of a rule, and the address of the packet there.
    pub(super) fn end<'r>(&self, rule: &'r mut Rule, end: End) -> (&'r mut Entity, IpAddr) {
        match end {
            End::Source => (&mut rule.source, self.source),
            End::Destination => (&mut rule.destination, self.destination),
        }
    }
}

fn family_of_nets(rule: &Rule) -> Option<Family> {
    let mut nets = [&rule.source, &rule.destination]
        .into_iter()
        .flat_map(|entity| entity.nets.iter().chain(&entity.not_nets));
    nets.next().map(|net| Family::of(net.addr()))
}

/// The prefix of a length around an address; the address itself where there is no such length.
pub(super) fn prefix(address: IpAddr, length: u8) -> IpNet {
    IpNet::new(address, length)
        .unwrap_or(IpNet::from(address))
        .trunc()
}
