//! A node with its rules: as the seed has them, or changed so that an answer can be seen.

use std::fmt::Write as _;

use crate::node::{Interface, Node, Route};
use crate::packet::Family;
use crate::scenario::Scenario;
use crate::xtables::{Chain, Firewall, Policy, Rule, Ruleset, Table, TableName, save};

use super::Trouble;

/// A node with its rules, ready to be programmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// The node's name, and what was changed on it.
    pub name: String,
    /// The node.
    pub node: Node,
    /// Its rules and sets.
    pub firewall: Firewall,
}

/// One change to a stand's iptables rules. Chains are named without their table where only one table
/// is meant.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// A built-in chain's policy.
    Policy(TableName, &'static str, Policy),
    /// Rules before all others of their chains; the line is what iptables-save would print.
    First(TableName, &'static str),
    /// Rules behind all others of their chains; a chain that is not there is made.
    Last(TableName, &'static str),
    /// A rule, counted from 1, in the place of another.
    Replace(TableName, &'static str, usize, &'static str),
    /// A rule, counted from 1, taken away.
    Remove(TableName, &'static str, usize),
    /// A chain, emptied.
    Flush(TableName, &'static str),
}

impl Stand {
    /// A scenario as it is.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name.clone(),
            node: scenario.node.clone(),
            firewall: scenario.firewall.clone(),
        }
    }

    /// The same with changes, and words that say what they amount to.
    ///
    /// # Errors
    ///
    /// [`Trouble::Fixture`] where a change does not fit the rules.
    pub fn but(&self, words: &str, changes: &[Change]) -> Result<Self, Trouble> {
        let mut changed = self.clone();
        let joint = if self.name.contains(" where ") {
            " and "
        } else {
            " where "
        };
        // Writing to a String can't fail.
        let _ = write!(changed.name, "{joint}{words}");
        for change in changes {
            apply(&mut changed.firewall.v4, *change)?;
        }
        Ok(changed)
    }

    /// The same with one more interface, and a route by it.
    ///
    /// # Errors
    ///
    /// [`Trouble::Fixture`] where a name or prefix can't be read.
    pub fn with_interface(&self, name: &str, destination: &str) -> Result<Self, Trouble> {
        let wrong = |what: &dyn std::fmt::Display| Trouble::Fixture(what.to_string());
        let interface = name.parse().map_err(|error| wrong(&error))?;
        let destination = destination.parse().map_err(|error| wrong(&error))?;
        let mut changed = self.but(
            &format!("the interface {name} has no endpoint and a route to {destination}"),
            &[],
        )?;
        changed.node.interfaces.push(Interface {
            name: interface,
            addresses: Vec::new(),
            reverse_path: crate::node::ReversePath::Off,
            route_localnet: false,
        });
        changed.node.routes.push(Route {
            destination,
            to: crate::node::RouteKind::Unicast {
                interface,
                via: None,
            },
        });
        Ok(changed)
    }
}

fn apply(ruleset: &mut Ruleset, change: Change) -> Result<(), Trouble> {
    match change {
        Change::Policy(table, name, policy) => {
            chain(ruleset, table, name)?.policy = Some(policy);
        }
        Change::First(table, lines) => {
            let added = read(table, lines)?;
            for chain in &added.chains {
                let rules = chain.rules.iter().cloned();
                let changed = chain_or_new(ruleset, &added, &chain.name);
                changed.rules.splice(0..0, rules);
            }
        }
        Change::Last(table, lines) => {
            let added = read(table, lines)?;
            for chain in &added.chains {
                let rules = chain.rules.iter().cloned();
                let changed = chain_or_new(ruleset, &added, &chain.name);
                changed.rules.extend(rules);
            }
        }
        Change::Replace(table, name, number, line) => {
            let added = read(table, line)?;
            let mut rules = added.chains.into_iter().flat_map(|chain| chain.rules);
            let replacing = rules.next().ok_or_else(|| missing(table, name, number))?;
            *rule(ruleset, table, name, number)? = replacing;
        }
        Change::Remove(table, name, number) => {
            rule(ruleset, table, name, number)?;
            chain(ruleset, table, name)?.rules.remove(number - 1);
        }
        Change::Flush(table, name) => chain(ruleset, table, name)?.rules.clear(),
    }
    Ok(())
}

fn chain<'a>(
    ruleset: &'a mut Ruleset,
    table: TableName,
    name: &str,
) -> Result<&'a mut Chain, Trouble> {
    let chains = ruleset
        .table_mut(table)
        .map(|table| table.chains.iter_mut());
    let mut chains = chains.into_iter().flatten();
    chains
        .find(|chain| chain.name == name)
        .ok_or_else(|| Trouble::Fixture(format!("there is no chain {table}/{name}")))
}

fn rule<'a>(
    ruleset: &'a mut Ruleset,
    table: TableName,
    name: &str,
    number: usize,
) -> Result<&'a mut Rule, Trouble> {
    let rules = &mut chain(ruleset, table, name)?.rules;
    rules
        .get_mut(number.wrapping_sub(1))
        .ok_or_else(|| missing(table, name, number))
}

fn missing(table: TableName, name: &str, number: usize) -> Trouble {
    Trouble::Fixture(format!("there is no rule {number} in {table}/{name}"))
}

/// The chain of a name; a table or chain that is not there is made.
fn chain_or_new<'a>(ruleset: &'a mut Ruleset, added: &Table, name: &str) -> &'a mut Chain {
    let at = ruleset.tables.iter().position(|one| one.name == added.name);
    let at = at.unwrap_or_else(|| {
        let built_in = added.chains.iter().filter(|chain| chain.policy.is_some());
        let empty = |chain: &Chain| Chain {
            rules: Vec::new(),
            ..chain.clone()
        };
        ruleset.tables.push(Table {
            name: added.name,
            chains: built_in.map(empty).collect(),
        });
        ruleset.tables.len() - 1
    });
    let chains = &mut ruleset.tables[at].chains;
    let at = chains.iter().position(|chain| chain.name == name);
    let at = at.unwrap_or_else(|| {
        chains.push(Chain {
            name: name.to_owned(),
            policy: None,
            counters: None,
            rules: Vec::new(),
        });
        chains.len() - 1
    });
    &mut chains[at]
}

/// Reads `-A` lines into a table; users' chains need not be declared.
fn read(table: TableName, lines: &str) -> Result<Table, Trouble> {
    let mut chains: Vec<&str> = Vec::new();
    for line in lines.lines() {
        let own = line.split_whitespace().nth(1);
        let target = line.split_once(" -j ").or_else(|| line.split_once(" -g "));
        let sent_to = target.map(|(_, target)| target);
        let users = [own, sent_to].into_iter().flatten();
        chains.extend(users.filter(|name| name.starts_with("cali-")));
    }
    chains.sort_unstable();
    chains.dedup();
    let mut text = format!("*{table}\n");
    for name in chains {
        let _ = writeln!(text, ":{name} - [0:0]");
    }
    let _ = write!(text, "{}\nCOMMIT\n", lines.trim_end());
    let ruleset = save::parse("a claim's change", &text, Family::V4)
        .map_err(|error| Trouble::Fixture(error.to_string()))?;
    let read = ruleset.tables.into_iter().next();
    read.ok_or_else(|| Trouble::Fixture(format!("`{lines}` holds no rule")))
}
