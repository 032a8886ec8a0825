//! The rules of policies and profiles.

use ipnet::IpNet;
use serde_saphyr::Location;

use super::known;
use super::tree::{Fields, Read, Reader, Tree, alternatives};
use crate::calico::resources::{Api, Entity, Labels, Rule, ServiceAccounts};
use crate::calico::rule::{IcmpMessage, Ports, RuleProtocol, ServiceName};
use crate::calico::words;
use crate::packet::{Family, Protocol};

/// How many rules one direction may have (FelixRules, v3).
const MOST_RULES: usize = 1024;
/// How many prefixes a field may have (v3).
const MOST_NETS: usize = 256;
/// How many ports a field may have (v3).
const MOST_PORTS: usize = 50;

impl Reader<'_> {
    /// The rules of one direction.
    pub(super) fn rules(&self, fields: &Fields<'_>, direction: &str) -> Read<Vec<Rule>> {
        let tree = fields.get(direction);
        let rules = self.list(tree, |tree| self.rule(tree, direction))?;
        self.at_most(tree, rules, MOST_RULES, "rules")
    }

    /// A list that is not too long for API v3.
    pub(super) fn at_most<T>(
        &self,
        tree: Option<&Tree>,
        items: Vec<T>,
        most: usize,
        what: &str,
    ) -> Read<Vec<T>> {
        match tree {
            Some(tree) if self.api == Api::V3 && items.len() > most => {
                let problem = format!("found {} {what}; expected at most {most}", items.len());
                Err(self.wrong(tree.referenced, problem))
            }
            _ => Ok(items),
        }
    }

    fn rule(&self, tree: &Tree, direction: &str) -> Read<Rule> {
        let known = known::rule(self.api);
        let fields = self.fields(tree, "a rule", known)?;
        if let Some(http) = fields.get("http").filter(|_| direction == "egress") {
            let problem = "`http` in an egress rule; expected it in ingress rules only";
            return Err(self.wrong(http.referenced, problem));
        }
        let action = self.required(&fields, "action")?;
        let rule = Rule {
            action: self.word(action, "action", words::actions(self.api))?,
            family: self.family(&fields)?,
            protocol: self.protocol(fields.get("protocol"))?,
            not_protocol: self.protocol(fields.get("notProtocol"))?,
            icmp: self.icmp(fields.get("icmp"))?,
            not_icmp: self.icmp(fields.get("notICMP"))?,
            source: self.entity(fields.get("source"))?,
            destination: self.entity(fields.get("destination"))?,
            notes: self.notes(fields.get("metadata"))?,
        };
        self.check_services(&fields, &rule, direction)?;
        self.check_ports(&fields, &rule)?;
        self.check_icmp(&fields, &rule)?;
        self.check_families(&fields, &rule)?;
        Ok(rule)
    }

    fn family(&self, fields: &Fields<'_>) -> Read<Option<Family>> {
        let Some(tree) = fields.get("ipVersion") else {
            return Ok(None);
        };
        match self.whole(tree, "an IP version", [0_u8, u8::MAX])? {
            4 => Ok(Some(Family::V4)),
            6 => Ok(Some(Family::V6)),
            other => {
                let problem = format!("`{other}` is no IP version; expected 4 or 6");
                Err(self.wrong(tree.referenced, problem))
            }
        }
    }

    fn icmp(&self, tree: Option<&Tree>) -> Read<Option<IcmpMessage>> {
        let Some(tree) = tree else {
            return Ok(None);
        };
        let fields = self.fields(tree, "an ICMP match", known::ICMP)?;
        let code = fields
            .get("code")
            .map(|code| self.whole(code, "an ICMP code", [0, u8::MAX]))
            .transpose()?;
        match (fields.get("type"), code) {
            (Some(kind), code) => {
                // 255 is how iptables' own match says "any" (net/ipv4/netfilter/ip_tables.c,
                // `icmp_type_code_match`), so the API leaves it out.
                let kind = self.whole(kind, "an ICMP type", [0, 254])?;
                Ok(Some(IcmpMessage { kind, code }))
            }
            (None, None) => Ok(None),
            (None, Some(_)) => {
                let problem = "an ICMP code without a type; expected both";
                Err(self.wrong(tree.referenced, problem))
            }
        }
    }

    fn entity(&self, tree: Option<&Tree>) -> Read<Entity> {
        let Some(tree) = tree else {
            return Ok(Entity::default());
        };
        let known = known::entity(self.api);
        let fields = self.fields(tree, "one end of a rule", known)?;
        let tag = |name| fields.get(name).map(|tree| self.tag(tree)).transpose();
        Ok(Entity {
            nets: self.nets(&fields, ["net", "nets"])?,
            not_nets: self.not_nets(&fields)?,
            ports: self.port_list(&fields, "ports")?,
            not_ports: self.port_list(&fields, "notPorts")?,
            selector: self.selector(fields.get("selector"))?,
            not_selector: self.selector(fields.get("notSelector"))?,
            tag: tag("tag")?,
            not_tag: tag("notTag")?,
            namespace_selector: self.namespace_selector(fields.get("namespaceSelector"))?,
            service_accounts: self.service_accounts(fields.get("serviceAccounts"))?,
            service: self.service(fields.get("services"))?,
        })
    }

    /// What the author notes on a rule.
    fn notes(&self, tree: Option<&Tree>) -> Read<Labels> {
        let Some(tree) = tree else {
            return Ok(Labels::new());
        };
        let fields = self.fields(tree, "a rule's metadata", known::RULE_METADATA)?;
        let Some(notes) = fields.get("annotations") else {
            return Ok(Labels::new());
        };
        let notes = self.any_fields(notes, "annotations")?;
        let read = notes.all().map(|(key, value)| {
            let value = self.text(value)?;
            Ok((key.value.clone(), value.to_owned()))
        });
        read.collect()
    }

    fn service(&self, tree: Option<&Tree>) -> Read<Option<ServiceName>> {
        let Some(tree) = tree else {
            return Ok(None);
        };
        let fields = self.fields(tree, "a match of a service", known::SERVICE)?;
        let namespace = fields.get("namespace").map(|name| self.name(name));
        Ok(Some(ServiceName {
            name: self.name_in(&fields, "name")?,
            // A namespaced policy means its own namespace where it says none.
            namespace: namespace.transpose()?.unwrap_or_default(),
        }))
    }

    /// A service brings its addresses along, and as a destination its ports, too: nothing else may be
    /// asked of that end (libcalico-go, lib/validator, `validateRule`). Who sends is known of what comes
    /// in, who receives of what goes out.
    fn check_services(&self, fields: &Fields<'_>, rule: &Rule, direction: &str) -> Read<()> {
        let sides = [
            ("source", &rule.source, "ingress"),
            ("destination", &rule.destination, "egress"),
        ];
        for (side, entity, only) in sides {
            if entity.service.is_none() {
                continue;
            }
            let place = place_of(fields, &[side, "services"]);
            if direction != only {
                let problem = format!(
                    "`services` of the {side} in an {direction} rule; expected it in {only} rules only"
                );
                return Err(self.wrong(place, problem));
            }
            let alone = Entity {
                service: entity.service.clone(),
                ..Entity::default()
            };
            if *entity != alone {
                let problem = "`services` beside other fields; expected it alone";
                return Err(self.wrong(place, problem));
            }
        }
        Ok(())
    }

    /// The one prefix of API v1, or the list of v3.
    fn nets(&self, fields: &Fields<'_>, [one, many]: [&str; 2]) -> Read<Vec<IpNet>> {
        if let Some(net) = fields.get(one) {
            return Ok(vec![self.net(net)?]);
        }
        let tree = fields.get(many);
        let nets = self.list(tree, |net| self.net(net))?;
        self.at_most(tree, nets, MOST_NETS, "prefixes")
    }

    fn not_nets(&self, fields: &Fields<'_>) -> Read<Vec<IpNet>> {
        let nets = self.nets(fields, ["notNet", "notNets"])?;
        match fields.get("notNets") {
            Some(tree) if nets.iter().any(|net| net.prefix_len() == 0) => {
                let problem = "a rule about no address at all; expected no /0 among notNets";
                Err(self.wrong(tree.referenced, problem))
            }
            _ => Ok(nets),
        }
    }

    fn port_list(&self, fields: &Fields<'_>, name: &str) -> Read<Vec<Ports>> {
        let tree = fields.get(name);
        let ports = self.list(tree, |ports| self.ports(ports))?;
        self.at_most(tree, ports, MOST_PORTS, "ports")
    }

    fn service_accounts(&self, tree: Option<&Tree>) -> Read<Option<ServiceAccounts>> {
        let Some(tree) = tree else {
            return Ok(None);
        };
        let fields = self.fields(tree, "a match of service accounts", known::SERVICE_ACCOUNTS)?;
        let accounts = ServiceAccounts {
            names: self.list(fields.get("names"), |name| self.name(name))?,
            selector: self.selector(fields.get("selector"))?,
        };
        Ok((accounts != ServiceAccounts::default()).then_some(accounts))
    }

    /// Ports by number need a protocol that has some.
    fn check_ports(&self, rule_fields: &Fields<'_>, rule: &Rule) -> Read<()> {
        let has_ports = |protocol: RuleProtocol| {
            let with_ports = [
                Protocol::TCP,
                Protocol::UDP,
                Protocol::SCTP,
                Protocol::UDP_LITE,
            ];
            with_ports.contains(&protocol.protocol())
        };
        if rule.protocol.is_some_and(has_ports) {
            return Ok(());
        }
        let numbered = |ports: &[Ports]| {
            let mut numbers = ports
                .iter()
                .filter(|ports| matches!(ports, Ports::Numbers(_)));
            // A name brings its protocol along, but only where there is no other.
            numbers.next().is_some() || (rule.protocol.is_some() && !ports.is_empty())
        };
        let found = [("source", &rule.source), ("destination", &rule.destination)]
            .into_iter()
            .flat_map(|(side, entity)| {
                [
                    (side, "ports", &entity.ports),
                    (side, "notPorts", &entity.not_ports),
                ]
            })
            .find(|(_, _, ports)| numbered(ports));
        let Some((side, field, _)) = found else {
            return Ok(());
        };
        let names = words::protocols(self.api).iter();
        let named = names.filter(|(_, named)| has_ports(RuleProtocol::Named(*named)));
        let expected = alternatives(named.map(|(name, _)| *name));
        let problem = match rule.protocol {
            None => format!("`{field}` without a protocol; expected `protocol` {expected}"),
            Some(_) => format!("`{field}` of a protocol without ports; expected {expected}"),
        };
        Err(self.wrong(place_of(rule_fields, &[side, field]), problem))
    }

    /// ICMP's messages need ICMP as the protocol.
    fn check_icmp(&self, fields: &Fields<'_>, rule: &Rule) -> Read<()> {
        let asked = [("icmp", rule.icmp), ("notICMP", rule.not_icmp)];
        let protocol = rule.protocol.map(RuleProtocol::protocol);
        let is_icmp = protocol.is_some_and(|protocol| family_of(protocol).is_some());
        match asked.iter().find(|(_, message)| message.is_some()) {
            Some((field, _)) if !is_icmp => {
                let names = match self.api {
                    Api::V1 => "icmp or icmpv6",
                    Api::V3 => "ICMP or ICMPv6",
                };
                let problem = format!("`{field}` needs its protocol; expected `protocol` {names}");
                Err(self.wrong(place_of(fields, &[field]), problem))
            }
            _ => Ok(()),
        }
    }

    /// All that a rule says of addresses must be of one family.
    fn check_families(&self, fields: &Fields<'_>, rule: &Rule) -> Read<()> {
        let lists = [
            ("source", ["net", "nets"], &rule.source.nets),
            ("source", ["notNet", "notNets"], &rule.source.not_nets),
            ("destination", ["net", "nets"], &rule.destination.nets),
            (
                "destination",
                ["notNet", "notNets"],
                &rule.destination.not_nets,
            ),
        ];
        let protocol = rule.protocol.map(RuleProtocol::protocol);
        let by_protocol = protocol.and_then(family_of);
        let mut said = rule.family.or(by_protocol);
        if let (Some(version), Some(protocol)) = (rule.family, by_protocol)
            && version != protocol
        {
            let problem = format!(
                "an ICMP protocol of {}; expected one of {}, as `ipVersion` says",
                name_of(protocol),
                name_of(version)
            );
            return Err(self.wrong(place_of(fields, &["protocol"]), problem));
        }
        for (side, field, nets) in lists {
            for net in nets {
                let family = Family::of(net.addr());
                let expected = *said.get_or_insert(family);
                if expected != family {
                    let problem = format!(
                        "{net} is of {}; expected addresses of {} only, as elsewhere in the rule",
                        name_of(family),
                        name_of(expected)
                    );
                    let field = field[usize::from(self.api == Api::V3)];
                    return Err(self.wrong(place_of(fields, &[side, field]), problem));
                }
            }
        }
        Ok(())
    }
}

/// The family that a protocol belongs to, if to one only.
fn family_of(protocol: Protocol) -> Option<Family> {
    match protocol {
        Protocol::ICMP => Some(Family::V4),
        Protocol::ICMP6 => Some(Family::V6),
        _ => None,
    }
}

fn name_of(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// The place of a field of a field.
fn place_of(fields: &Fields<'_>, path: &[&str]) -> Location {
    let mut fields = *fields;
    let mut place = fields.place;
    for name in path {
        let Some(tree) = fields.get(name) else {
            break;
        };
        place = tree.referenced;
        fields = fields.inside(tree);
    }
    place
}
