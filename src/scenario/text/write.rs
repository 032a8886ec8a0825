//! Scenarios, written: everything inline, in one canonical order.

use std::fmt::Display;

use serde::Serialize;
use serde_saphyr::LitString;

use crate::calico::write::{self, Document};
use crate::node::Node;
use crate::packet::Order;
use crate::scenario::{Completion, Scenario};
use crate::xtables::{Ruleset, ipset, save};

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    Text(LitString),
}

#[derive(Serialize)]
struct Sources {
    #[serde(skip_serializing_if = "Option::is_none")]
    v4: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    v6: Option<Source>,
}

impl Sources {
    fn is_empty(&self) -> bool {
        self.v4.is_none() && self.v6.is_none()
    }
}

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    node: &'a Node,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<Document>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sets: Option<Source>,
    #[serde(skip_serializing_if = "Sources::is_empty")]
    rules: Sources,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    completed: &'a [Completion],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    connections: Vec<String>,
    #[serde(skip_serializing_if = "is_apart")]
    order: Order,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<WrittenChange>,
}

#[derive(Serialize)]
struct WrittenChange {
    resources: Vec<Document>,
    packets: Vec<String>,
}

fn is_apart(order: &Order) -> bool {
    *order == Order::Apart
}

/// Writes a scenario as one file, all of it inline, that [`super::read`] reads.
///
/// # Errors
///
/// Where the YAML writer fails, which no scenario makes it do.
pub fn write(scenario: &Scenario) -> Result<String, serde_saphyr::ser::Error> {
    let firewall = &scenario.firewall;
    let sets = !firewall.sets.is_empty();
    serde_saphyr::to_string(&Written {
        name: &scenario.name,
        why: scenario.why.as_deref(),
        node: &scenario.node,
        resources: scenario.resources.as_ref().map(write::documents),
        sets: sets.then(|| Source::Text(LitString(ipset::print_save(&firewall.sets)))),
        rules: Sources {
            v4: rules(&firewall.v4),
            v6: rules(&firewall.v6),
        },
        completed: &scenario.completed,
        connections: printed(&scenario.batch.connections),
        order: scenario.batch.order,
        packets: printed(&scenario.batch.packets),
        changed: scenario.changed.as_ref().map(|changed| WrittenChange {
            resources: write::documents(&changed.resources),
            packets: printed(&changed.packets),
        }),
    })
}

fn rules(ruleset: &Ruleset) -> Option<Source> {
    let some = !ruleset.tables.is_empty();
    some.then(|| Source::Text(LitString(save::print(ruleset, save::Style::default()))))
}

fn printed<T: Display>(values: &[T]) -> Vec<String> {
    values.iter().map(T::to_string).collect()
}
