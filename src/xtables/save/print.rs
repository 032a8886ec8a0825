//! Rules as iptables-save prints them.

use std::fmt::Write;

use super::modules;
use super::text::{Bare, Interface, Network, Text};
use crate::packet::Family;
use crate::xtables::matches::{Match, Not};
use crate::xtables::names;
use crate::xtables::ruleset::{
    AddressMask, Chain, Counters, InterfacePattern, Policy, Rule, Ruleset,
};
use crate::xtables::target::Target;

/// How to print a ruleset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether each rule begins with its counters, as `iptables-save -c` has it. The counters of
    /// chains are printed always; those that are not known are zero.
    pub counters: bool,
}

/// About how long a rule's line is.
const LINE: usize = 140;

/// All tables, each from `*TABLE` to `COMMIT`, as `iptables-restore` (with `-c` for the counters)
/// reads them.
#[must_use]
pub fn print(ruleset: &Ruleset, style: Style) -> String {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    let lines: usize = chains.map(|chain| 1 + chain.rules.len()).sum();
    let mut text = String::with_capacity(LINE * lines);
    for table in &ruleset.tables {
        line(&mut text, format_args!("*{}", table.name));
        for chain in &table.chains {
            let Counters { packets, bytes } = chain.counters.unwrap_or_default();
            let (name, policy) = (&chain.name, policy(chain));
            line(
                &mut text,
                format_args!(":{name} {policy} [{packets}:{bytes}]"),
            );
        }
        for chain in &table.chains {
            for rule in &chain.rules {
                if style.counters {
                    let Counters { packets, bytes } = rule.counters.unwrap_or_default();
                    // Writing to a String does not fail.
                    let _ = write!(text, "[{packets}:{bytes}] ");
                }
                text = append_rule(text, &chain.name, rule, ruleset.family);
                text.push('\n');
            }
        }
        line(&mut text, format_args!("COMMIT"));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}

fn policy(chain: &Chain) -> &'static str {
    match chain.policy {
        Some(Policy::Accept) => "ACCEPT",
        Some(Policy::Drop) => "DROP",
        None => "-",
    }
}

/// One rule, from `-A CHAIN` on, without its counters.
#[must_use]
pub fn print_rule(chain: &str, rule: &Rule, family: Family) -> String {
    append_rule(String::new(), chain, rule, family)
}

/// A text, and a rule behind it.
fn append_rule(mut text: String, chain: &str, rule: &Rule, family: Family) -> String {
    text.push_str("-A");
    let mut text = Text::beginning(text);
    text.word(Bare(chain));
    write_address(&mut text, "-s", &rule.source);
    write_address(&mut text, "-d", &rule.destination);
    write_interface(&mut text, "-i", &rule.in_interface);
    write_interface(&mut text, "-o", &rule.out_interface);
    if let Some(not) = rule.protocol {
        text.negation(not.negated);
        text.word("-p");
        match names::protocol_name(not.value) {
            Some(name) => text.word(name),
            None => text.word(not.value),
        }
    }
    if let Some(not) = rule.fragment {
        text.negation(not.negated);
        text.word("-f");
    }
    for one in &rule.matches {
        modules::write_match(&mut text, one, family);
    }
    modules::write_target(&mut text, &rule.target, family);
    text.finish()
}

fn write_address(text: &mut Text, option: &str, address: &Option<Not<AddressMask>>) {
    if let Some(not) = address {
        text.negation(not.negated);
        text.word(option);
        text.word(Network(not.value));
    }
}

fn write_interface(text: &mut Text, option: &str, interface: &Option<Not<InterfacePattern>>) {
    if let Some(not) = interface {
        text.negation(not.negated);
        text.word(option);
        text.word(Interface(&not.value));
    }
}

/// One match, from `-m` on.
#[must_use]
pub fn print_match(one: &Match, family: Family) -> String {
    let mut text = Text::default();
    modules::write_match(&mut text, one, family);
    text.finish()
}

/// A target, from `-j` or `-g` on; empty where a rule has none.
#[must_use]
pub fn print_target(target: &Target, family: Family) -> String {
    let mut text = Text::default();
    modules::write_target(&mut text, target, family);
    text.finish()
}
