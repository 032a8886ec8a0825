//! Rules as API v3 has them: lists of prefixes, ports by name, namespaces, accounts, services, notes.

use ipnet::IpNet;

use super::super::rule::{About, End, Field};
use super::super::site::Site;
use super::super::{Feature, Maker};
use super::SERVICES;
use crate::calico::resources::{Entity, Rule, ServiceAccounts};
use crate::calico::rule::{Ports, ServiceName};
use crate::generate::bits::Bits;

/// What a rule may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// What rules of API v1 can ask for, too.
    Usual(Field),
    Namespaces(End),
    Accounts(End),
    Service,
}

impl Asked {
    const ALL: [Self; 14] = [
        Self::Usual(Field::Family),
        Self::Usual(Field::Protocol),
        Self::Usual(Field::Icmp),
        Self::Usual(Field::Net(End::Source)),
        Self::Usual(Field::Net(End::Destination)),
        Self::Usual(Field::Ports(End::Source)),
        Self::Usual(Field::Ports(End::Destination)),
        Self::Usual(Field::Selector(End::Source)),
        Self::Usual(Field::Selector(End::Destination)),
        Self::Namespaces(End::Source),
        Self::Namespaces(End::Destination),
        Self::Accounts(End::Source),
        Self::Accounts(End::Destination),
        Self::Service,
    ];

    fn feature(self) -> Feature {
        match self {
            Self::Usual(field) => field.feature(),
            Self::Namespaces(_) => Feature::NamespaceSelectors,
            Self::Accounts(_) => Feature::ServiceAccounts,
            Self::Service => Feature::Services,
        }
    }
}

/// How many prefixes a field has.
const NETS: [usize; 5] = [1, 1, 2, 3, 5];

/// What authors note: plain, what is escaped in comments, and what is longer than one.
const NOTES: [(&str, &str); 3] = [
    ("owner", "team-a"),
    ("why", "\"because\" it's 100% {so}; ask!"),
    (
        "long",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
    ),
];

impl<B: Bits> Maker<'_, B> {
    /// A rule for a direction; only a policy's may name services.
    pub(super) fn modern_rule(&mut self, site: &Site, ingress: bool, of_policy: bool) -> Rule {
        let mut rule = Rule::bare(self.action());
        let about = self.about(site);
        let known = Asked::ALL.into_iter();
        let mut open: Vec<Asked> = known
            .filter(|asked| self.may_ask(*asked) && (of_policy || *asked != Asked::Service))
            .collect();
        let all = self.at_times(Feature::AllFields, 1, 3);
        // Rules without a question end their policy: some, not most.
        let mut more = all || self.bits.chance(4, 5);
        let mut service = None;
        while more && !open.is_empty() {
            match open.swap_remove(self.bits.below(open.len())) {
                Asked::Usual(field) => self.ask_modern(&mut rule, field, &about, site),
                Asked::Namespaces(end) => {
                    let (entity, _) = about.end(&mut rule, end);
                    entity.namespace_selector = Some(self.namespace_selector(true));
                }
                Asked::Accounts(end) => {
                    let (entity, _) = about.end(&mut rule, end);
                    entity.service_accounts = Some(self.service_accounts());
                }
                Asked::Service => service = Some(self.service()),
            }
            more = all || self.bits.chance(self.dials.fields, 100);
        }
        if let Some(service) = service {
            // A service stands alone at its end.
            *about.end(&mut rule, far(ingress)).0 = Entity {
                service: Some(service),
                ..Entity::default()
            };
        }
        self.make_modern(&mut rule);
        if self.at_times(Feature::Notes, 1, 3) {
            let notes = NOTES.into_iter().filter(|_| self.bits.chance(1, 2));
            rule.notes = notes
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
        }
        rule
    }

    fn may_ask(&self, asked: Asked) -> bool {
        let by_name = matches!(asked, Asked::Usual(Field::Ports(_)));
        self.has(asked.feature()) || by_name && self.has(Feature::NamedPorts)
    }

    fn ask_modern(&mut self, rule: &mut Rule, field: Field, about: &About, site: &Site) {
        self.ask(rule, field, about, site);
        match field {
            Field::Net(end) => {
                let (entity, address) = about.end(rule, end);
                let count = match self.has(Feature::SeveralNets) {
                    true => self.bits.one(NETS),
                    false => 1,
                };
                let none = [entity.nets.is_empty(), entity.not_nets.is_empty()];
                for _ in 1..count {
                    if !none[0] {
                        entity.nets.push(self.net(site, address));
                    }
                    if !none[1] {
                        entity.not_nets.push(self.not_net(site, address));
                    }
                }
                // What excludes everything the API refuses.
                for net in &mut entity.not_nets {
                    if net.prefix_len() == 0 {
                        *net = IpNet::from(self.anyone(site, about.family));
                    }
                }
                // Prefixes beside excluded ones.
                if self.at_times(Feature::SeveralNets, 1, 4) && entity.nets.is_empty() {
                    entity.nets.push(self.net(site, address));
                }
            }
            Field::Ports(end) => {
                let (entity, _) = about.end(rule, end);
                for ports in [&mut entity.ports, &mut entity.not_ports] {
                    if !ports.is_empty() && self.at_times(Feature::NamedPorts, 1, 2) {
                        if !self.has(Feature::Ports) || self.bits.chance(1, 2) {
                            ports.clear();
                        }
                        ports.push(Ports::Named(self.port_name()));
                    }
                }
            }
            Field::Selector(end) => {
                let (entity, _) = about.end(rule, end);
                if entity.selector.is_some() && self.bits.chance(1, 4) {
                    entity.selector = Some(self.modern_selector());
                }
            }
            _ => {}
        }
    }

    fn service_accounts(&mut self) -> ServiceAccounts {
        let names = ["default", "web", "nobodys"].into_iter();
        let names: Vec<String> = names
            .filter(|_| self.bits.chance(1, 3))
            .map(str::to_owned)
            .collect();
        let selector = match names.is_empty() || self.bits.chance(1, 4) {
            true => Some(self.selector()),
            false => None,
        };
        ServiceAccounts { names, selector }
    }

    fn service(&mut self) -> ServiceName {
        ServiceName {
            namespace: self.namespace(),
            name: self.bits.one(SERVICES).to_owned(),
        }
    }

    /// What the API demands beside what is asked. A port's name brings its protocol along, and may stand
    /// without one.
    fn make_modern(&mut self, rule: &mut Rule) {
        self.make_whole(rule);
        if rule.protocol.is_some() && self.bits.chance(1, 2) {
            // Both in one rule: iptables refuses it.
            rule.not_protocol = None;
        }
        let sides = [&rule.source, &rule.destination];
        let mut ports = sides
            .iter()
            .flat_map(|entity| entity.ports.iter().chain(&entity.not_ports))
            .peekable();
        let any = ports.peek().is_some();
        if any && ports.all(|ports| matches!(ports, Ports::Named(_))) && self.bits.chance(1, 3) {
            rule.protocol = None;
        }
    }
}

/// Who is not at the endpoint: who sends what comes in.
fn far(ingress: bool) -> End {
    match ingress {
        true => End::Source,
        false => End::Destination,
    }
}
