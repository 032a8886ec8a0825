//! The rules of policies and profiles, written.

use super::tree::{Map, Node};
use crate::calico::resources::{Api, Entity, Rule};
use crate::calico::rule::{IcmpMessage, Ports, RuleProtocol, ServiceName};
use crate::calico::words::{self, word_for};
use crate::packet::Family;

/// The rules of one direction.
pub(super) fn rules(api: Api, rules: &[Rule]) -> Node {
    rules.iter().map(|one| rule(api, one).into()).collect()
}

fn rule(api: Api, rule: &Rule) -> Map {
    let version = |family| match family {
        Family::V4 => 4_u8,
        Family::V6 => 6,
    };
    Map::default()
        .with("action", word_for(words::actions(api), &rule.action))
        .maybe("ipVersion", rule.family.map(version))
        .maybe("protocol", rule.protocol.map(|one| protocol(api, one)))
        .maybe(
            "notProtocol",
            rule.not_protocol.map(|one| protocol(api, one)),
        )
        .maybe("icmp", rule.icmp.map(icmp))
        .maybe("notICMP", rule.not_icmp.map(icmp))
        .some("source", entity(api, &rule.source))
        .some("destination", entity(api, &rule.destination))
        .some("metadata", notes(api, rule))
}

fn notes(api: Api, rule: &Rule) -> Map {
    match api {
        Api::V1 => Map::default(),
        Api::V3 => Map::default().some("annotations", rule.notes.iter().collect::<Map>()),
    }
}

fn protocol(api: Api, protocol: RuleProtocol) -> Node {
    match protocol {
        RuleProtocol::Named(named) => word_for(words::protocols(api), &named).into(),
        RuleProtocol::Number(number) => number.into(),
    }
}

fn icmp(message: IcmpMessage) -> Map {
    Map::default()
        .with("type", message.kind)
        .maybe("code", message.code)
}

fn entity(api: Api, entity: &Entity) -> Map {
    let map = match api {
        Api::V1 => Map::default()
            .maybe("tag", entity.tag.as_deref())
            .maybe("net", entity.nets.first().map(Node::text))
            .maybe("notTag", entity.not_tag.as_deref())
            .maybe("notNet", entity.not_nets.first().map(Node::text)),
        Api::V3 => {
            let accounts = entity.service_accounts.as_ref().map(|accounts| {
                Map::default()
                    .some("names", Node::texts(&accounts.names))
                    .maybe("selector", accounts.selector.as_ref().map(Node::text))
            });
            let namespaces = entity.namespace_selector.as_ref();
            Map::default()
                .some("nets", Node::texts(&entity.nets))
                .some("notNets", Node::texts(&entity.not_nets))
                .maybe("namespaceSelector", namespaces.map(Node::text))
                .maybe("serviceAccounts", accounts)
                .maybe("services", entity.service.as_ref().map(service))
        }
    };
    map.maybe("selector", entity.selector.as_ref().map(Node::text))
        .maybe("notSelector", entity.not_selector.as_ref().map(Node::text))
        .some("ports", ports(&entity.ports))
        .some("notPorts", ports(&entity.not_ports))
}

fn service(service: &ServiceName) -> Map {
    let namespace = Some(service.namespace.as_str()).filter(|name| !name.is_empty());
    Map::default()
        .with("name", service.name.as_str())
        .maybe("namespace", namespace)
}

fn ports(ports: &[Ports]) -> Node {
    let one = |ports: &Ports| match ports {
        Ports::Numbers(numbers) if numbers.first() == numbers.last() => numbers.first().into(),
        Ports::Numbers(numbers) => Node::text(numbers),
        Ports::Named(name) => Node::text(name),
    };
    ports.iter().map(one).collect()
}
