//! One whole case: a node, what it has loaded, and the packets sent at it.
//!
//! * [`Scenario`] is the case as values;
//! * [`text`] reads and writes it as YAML, rules and sets in the tools' own text, inline or in
//!   files beside;
//! * [`implied`]: the node that resources speak of, and what about the two looks like a mistake.

pub mod implied;
pub mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calico::Resources;
use crate::node::Node;
use crate::packet::{Batch, Connection, Family, Order, Packet};
use crate::xtables::{Firewall, RuleId, TableName};

/// One whole case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What reports call it.
    pub name: String,
    /// What it shows, and who is right: a sentence or more for people.
    pub why: Option<String>,
    /// The node.
    pub node: Node,
    /// What is loaded on it; besides what Calico makes of its resources, where there are any.
    pub firewall: Firewall,
    /// Calico's resources, where it runs on the node: their rules are rendered, not written down.
    pub resources: Option<Resources>,
    /// Which of its rules its source does not have, and why they stand here.
    pub completed: Vec<Completion>,
    /// The packets, and the connections that exist when they are sent.
    pub batch: Batch,
    /// What changes behind the packets, and what comes then.
    pub changed: Option<Changed>,
}

/// Other resources in the place of those before, while the connections stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// All that there are from now on.
    pub resources: Resources,
    /// What is sent then, one packet behind the other.
    pub packets: Vec<Packet>,
}

impl Scenario {
    /// The scenario that it is behind its change, with the connections that there are then.
    #[must_use]
    pub fn behind_change(&self, connections: &[Connection]) -> Option<Self> {
        let changed = self.changed.as_ref()?;
        Some(Self {
            resources: Some(changed.resources.clone()),
            batch: Batch {
                connections: connections.to_vec(),
                packets: changed.packets.clone(),
                order: Order::InSequence,
            },
            changed: None,
            ..self.clone()
        })
    }

    /// Why a rule that the scenario's source does not have stands here; `None` for one that it has.
    #[must_use]
    pub fn completion(&self, id: &RuleId) -> Option<&Completion> {
        self.completed.iter().find(|one| one.covers(id))
    }
}

/// Rules that were added to what a scenario's source has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// Of which family.
    pub family: Family,
    /// In which table; absent: in all.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "table_by_name"
    )]
    #[schemars(with = "Option<String>")]
    pub table: Option<TableName>,
    /// In which chain; absent: in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// Which rules, counted from 1 as the tools do; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<usize>,
    /// Why they belong there.
    pub why: String,
}

impl Completion {
    /// Whether a rule is one of these.
    #[must_use]
    pub fn covers(&self, id: &RuleId) -> bool {
        self.family == id.family
            && self.table.is_none_or(|table| table == id.table)
            && self.chain.as_ref().is_none_or(|chain| *chain == id.chain)
            && (self.rules.is_empty() || self.rules.contains(&(id.index + 1)))
    }
}

mod table_by_name {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::xtables::TableName;

    pub fn serialize<S: Serializer>(
        table: &Option<TableName>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match table {
            Some(table) => serializer.serialize_some(table.as_str()),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<TableName>, D::Error> {
        let Some(name) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let expected = "expected raw, mangle, nat, filter or security";
        TableName::parse(&name)
            .map(Some)
            .ok_or_else(|| D::Error::custom(format!("`{name}` is no table; {expected}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_covers_what_it_names_and_nothing_beside() {
        let rule = |table, chain: &str, index| RuleId {
            family: Family::V4,
            table,
            chain: chain.to_owned(),
            index,
        };
        let sixth = Completion {
            family: Family::V4,
            table: Some(TableName::Filter),
            chain: Some("a".to_owned()),
            rules: vec![6],
            why: String::new(),
        };
        assert!(sixth.covers(&rule(TableName::Filter, "a", 5)));
        assert!(!sixth.covers(&rule(TableName::Filter, "a", 6)));
        assert!(!sixth.covers(&rule(TableName::Raw, "a", 5)));
        assert!(!sixth.covers(&rule(TableName::Filter, "b", 5)));
        let all_of_v6 = Completion {
            family: Family::V6,
            table: None,
            chain: None,
            rules: Vec::new(),
            why: String::new(),
        };
        assert!(!all_of_v6.covers(&rule(TableName::Raw, "a", 0)));
    }
}
