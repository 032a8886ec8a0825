//! The groups of addresses that rules speak of, each once.

use std::collections::BTreeMap;

use super::labels::{Addresses, Labelled};
use crate::calico::resources::{Entity, Rule as Written, ServiceAccounts};
use crate::calico::rule::{Rule, ServiceName, Side};
use crate::calico::selector::{Comparison, Expression, NAMESPACE, SERVICE_ACCOUNT, Selector};
use crate::calico::world::{Peers, PeersBy, PeersIndex};

/// How a group is told. The order is that of [`PeersBy`]: a selector's spelling comes first in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Selector(Selector),
    Tag(String),
}

/// Groups as they are met.
#[derive(Default)]
pub(super) struct Groups(BTreeMap<Group, usize>);

impl Groups {
    fn index(&mut self, group: Group) -> PeersIndex {
        let next = self.0.len();
        PeersIndex(*self.0.entry(group).or_insert(next))
    }

    /// Rules with groups in the place of selectors and tags. The indexes count groups as they were
    /// met, until [`Groups::finish`] puts them in order.
    pub(super) fn rules(&mut self, rules: &[Written], namespace: Option<&str>) -> Vec<Rule> {
        rules
            .iter()
            .map(|rule| self.rule(rule, namespace))
            .collect()
    }

    fn rule(&mut self, rule: &Written, namespace: Option<&str>) -> Rule {
        Rule {
            action: rule.action,
            family: rule.family,
            protocol: rule.protocol,
            not_protocol: rule.not_protocol,
            icmp: rule.icmp,
            not_icmp: rule.not_icmp,
            source: self.side(&rule.source, namespace),
            destination: self.side(&rule.destination, namespace),
            notes: rule.notes.clone(),
        }
    }

    fn side(&mut self, entity: &Entity, namespace: Option<&str>) -> Side {
        let own = [selector(entity, namespace), entity.not_selector.clone()];
        let selectors = own.clone();
        let tags = [&entity.tag, &entity.not_tag];
        let mut groups = selectors.into_iter().zip(tags).map(|(selector, tag)| {
            let selector = selector.map(Group::Selector);
            let tag = tag.clone().map(Group::Tag);
            let groups = selector.into_iter().chain(tag);
            groups.map(|group| self.index(group)).collect()
        });
        let (peers, not_peers) = (groups.next(), groups.next());
        drop(groups);
        let [selector, not_selector] = own;
        Side {
            nets: entity.nets.clone(),
            not_nets: entity.not_nets.clone(),
            ports: entity.ports.clone(),
            not_ports: entity.not_ports.clone(),
            peers: peers.unwrap_or_default(),
            not_peers: not_peers.unwrap_or_default(),
            selector,
            not_selector,
            service: entity.service.as_ref().map(|one| service(one, namespace)),
        }
    }

    /// The groups in order, with their members; and for each index so far, the place in that order.
    pub(super) fn finish(
        self,
        selectable: &[(Labelled<'_>, Addresses<'_>)],
    ) -> (Vec<Peers>, Vec<PeersIndex>) {
        let mut places = vec![PeersIndex(0); self.0.len()];
        let mut peers = Vec::with_capacity(self.0.len());
        for (group, met) in self.0 {
            places[met] = PeersIndex(peers.len());
            peers.push(group.peers(selectable));
        }
        (peers, places)
    }
}

impl Group {
    fn peers(self, selectable: &[(Labelled<'_>, Addresses<'_>)]) -> Peers {
        let mut members = Vec::new();
        for (labels, addresses) in selectable {
            let selected = match &self {
                Self::Selector(selector) => selector.selects(labels),
                Self::Tag(tag) => labels.has_tag(tag),
            };
            if selected {
                addresses.put(&mut members);
            }
        }
        members.sort_unstable();
        members.dedup();
        Peers {
            by: match self {
                Self::Selector(selector) => PeersBy::Selector(selector.to_string()),
                Self::Tag(tag) => PeersBy::Tag(tag),
            },
            members,
        }
    }
}

/// All that one end of a rule says of who is meant, in one selector: as soon as it says anything, a
/// namespaced policy means its own namespace (libcalico-go, backend/syncersv1/updateprocessors,
/// rules.go).
fn selector(entity: &Entity, namespace: Option<&str>) -> Option<Selector> {
    let says_more = entity.namespace_selector.is_some() || entity.service_accounts.is_some();
    let says_any = says_more || entity.selector.is_some() || entity.not_selector.is_some();
    let own = namespace.filter(|_| says_any && entity.namespace_selector.is_none());
    if !says_more && own.is_none() {
        return entity.selector.clone();
    }
    let namespaces = entity.namespace_selector.iter();
    let accounts = entity.service_accounts.iter().flat_map(account_parts);
    let parts = namespaces
        .map(|selector| selector.expression().of_namespace())
        .chain(own.map(in_namespace))
        .chain(accounts)
        .chain(entity.selector.iter().map(|own| own.expression().clone()));
    Some(Selector::every(parts))
}

/// A service of the policy's own namespace, where it says none.
fn service(service: &ServiceName, namespace: Option<&str>) -> ServiceName {
    let mut service = service.clone();
    if let (true, Some(own)) = (service.namespace.is_empty(), namespace) {
        own.clone_into(&mut service.namespace);
    }
    service
}

/// What is in a namespace.
pub(super) fn in_namespace(namespace: &str) -> Expression {
    Expression::Compare {
        key: NAMESPACE.to_owned(),
        by: Comparison::Equal,
        value: namespace.to_owned(),
    }
}

fn account_parts(accounts: &ServiceAccounts) -> impl Iterator<Item = Expression> {
    let names = accounts.names.iter().cloned().collect();
    let named = Expression::In(SERVICE_ACCOUNT.to_owned(), names);
    let named = (!accounts.names.is_empty()).then_some(named);
    let selected = accounts.selector.as_ref();
    let selected = selected.map(|selector| selector.expression().of_service_account());
    named.into_iter().chain(selected)
}
