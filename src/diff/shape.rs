//! What kind of rule one is: where it stands, what it asks and what it does, without any value.
//!
//! Rules of one shape come from one line of whoever writes them: what goes wrong with one goes wrong
//! with all. So a class of divergences names a shape, and coverage counts shapes.

use std::fmt::{self, Write as _};

use super::chains;
use crate::generate::question::{Condition, Question, conditions, module};
use crate::xtables::matches::{PortSide, SetSide, States};
use crate::xtables::ruleset::InterfacePattern;
use crate::xtables::{Hook, Rule, TableName, Target};

/// A rule's shape, as text: `filter cali-pi-*: protocol, not set source -> set mark`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape(String);

impl Shape {
    /// The shape of a rule. Of another program's rule only where it stands and what it does: it was
    /// written by nobody whose work is judged here.
    #[must_use]
    pub fn of(table: TableName, chain: &str, rule: &Rule) -> Self {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = write!(text, "{table} {}:", Kind(chain));
        if !is_calicos(chain, rule) {
            text.push_str(" another program's rule -> ");
            let _ = done(&mut text, &rule.target);
            return Self(text);
        }
        for (place, condition) in conditions(rule).iter().enumerate() {
            text.push_str(if place == 0 { " " } else { ", " });
            let _ = asked(&mut text, condition);
        }
        text.push_str(" -> ");
        let _ = done(&mut text, &rule.target);
        Self(text)
    }

    /// What coverage counts of a rule: of a policy's or profile's, which asks anything beside anything,
    /// each thing that it asks and what it does; of any other, its shape.
    #[must_use]
    pub fn parts_of(table: TableName, chain: &str, rule: &Rule) -> Vec<Self> {
        if !chains::is_of_policy(chain) {
            return vec![Self::of(table, chain, rule)];
        }
        let part = |write: &dyn Fn(&mut String) -> fmt::Result| {
            let mut text = String::new();
            // Writing to a String does not fail.
            let _ = write!(text, "{table} {}: ", Kind(chain));
            let _ = write(&mut text);
            Self(text)
        };
        let asked_of = conditions(rule);
        let mut parts: Vec<Self> = asked_of
            .iter()
            .map(|condition| part(&|text| asked(text, condition)))
            .collect();
        if asked_of.is_empty() {
            parts.push(part(&|text| text.write_str("everything")));
        }
        parts.push(part(&|text| {
            text.push_str("-> ");
            done(text, &rule.target)
        }));
        parts
    }

    /// The shape of a whole chain.
    #[must_use]
    pub fn of_chain(table: TableName, chain: &str) -> Self {
        Self(format!("{table} {}", Kind(chain)))
    }

    /// One question, without its values: `not set source`.
    #[must_use]
    pub fn question(condition: &Condition<'_>) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = asked(&mut text, condition);
        text
    }

    /// What a rule does, without its values: `-> set mark`.
    #[must_use]
    pub fn action(target: &Target) -> String {
        let mut text = "-> ".to_owned();
        // Writing to a String does not fail.
        let _ = done(&mut text, target);
        text
    }

    /// The shape of a built-in chain's end.
    #[must_use]
    pub fn of_policy(table: TableName, chain: &str) -> Self {
        Self(format!("{table} {chain}: policy"))
    }

    /// What is decided by no rule at all.
    #[must_use]
    pub fn none() -> Self {
        Self("no rule".to_owned())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether a rule is in one of Calico's chains, or leads to one.
#[must_use]
pub fn is_calicos(chain: &str, rule: &Rule) -> bool {
    let leads = match &rule.target {
        Target::Jump(chain) | Target::Goto(chain) => chain.starts_with("cali-"),
        _ => false,
    };
    leads || chain.starts_with("cali-")
}

/// A chain's kind: its name, the part cut that tells it from others of its kind. Other programs' chains
/// are all of one kind.
struct Kind<'a>(&'a str);

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chains::one_of_many(self.0) {
            Some(beginning) => write!(f, "{beginning}*"),
            None if self.0.starts_with("cali-") || Hook::of_chain(self.0).is_some() => {
                f.write_str(self.0)
            }
            None => f.write_str("another program's chain"),
        }
    }
}

fn asked(text: &mut String, condition: &Condition<'_>) -> fmt::Result {
    if !condition.wanted {
        text.push_str("not ");
    }
    match condition.question {
        Question::Source(_) | Question::SourceRange(..) => text.write_str("source"),
        Question::Destination(_) | Question::DestinationRange(..) => text.write_str("destination"),
        Question::SourceType(_) => text.write_str("source type"),
        Question::DestinationType(_) => text.write_str("destination type"),
        Question::In(pattern) => write!(text, "in {}", interface(pattern)),
        Question::Out(pattern) => write!(text, "out {}", interface(pattern)),
        Question::Protocol(_) => text.write_str("protocol"),
        Question::Ports(side, _) => text.write_str(match side {
            PortSide::Source => "source ports",
            PortSide::Destination => "destination ports",
            PortSide::Either => "either ports",
        }),
        Question::Icmp(test, _) => text.write_str(match test.first_code == test.last_code {
            true => "ICMP type and code",
            false => "ICMP type",
        }),
        Question::Set(test) => {
            text.write_str("set")?;
            test.sides.iter().try_for_each(|side| {
                text.write_str(match side {
                    SetSide::Source => " source",
                    SetSide::Destination => " destination",
                })
            })
        }
        Question::Mark(test) => text.write_str(match test.value {
            0 => "no mark",
            _ => "mark",
        }),
        Question::States(states) => {
            let names = States::NAMES
                .iter()
                .filter(|(_, one)| one.intersects(states));
            let names: Vec<&str> = names.map(|(name, _)| *name).collect();
            text.write_str(&names.join("+"))
        }
        Question::ReversePath(_) => text.write_str("reverse path"),
        Question::Beyond(one) => text.write_str(module(one)),
        Question::At(_)
        | Question::Fragment
        | Question::Flags(_)
        | Question::Option(_)
        | Question::Chunk(_)
        | Question::Direction(_)
        | Question::Hops(_)
        | Question::Dscp(_)
        | Question::Tos(..)
        | Question::Length(..)
        | Question::Text(_)
        | Question::Cast(_)
        | Question::Keeps(..) => text.write_str("another header"),
    }
}

fn interface(pattern: &InterfacePattern) -> &'static str {
    match pattern {
        InterfacePattern::Exactly(_) | InterfacePattern::Unnameable(_) => "interface",
        InterfacePattern::Prefix(_) => "interfaces",
    }
}

fn done(text: &mut String, target: &Target) -> fmt::Result {
    match target {
        Target::None => text.write_str("nothing"),
        Target::Accept => text.write_str("ACCEPT"),
        Target::Drop => text.write_str("DROP"),
        Target::Return => text.write_str("RETURN"),
        Target::Jump(chain) => write!(text, "jump {}", Kind(chain)),
        Target::Goto(chain) => write!(text, "goto {}", Kind(chain)),
        Target::Mark(xmark) if xmark.value == 0 => text.write_str("clear mark"),
        Target::Mark(_) => text.write_str("set mark"),
        Target::Log(_) => text.write_str("LOG"),
        Target::Reject(_) => text.write_str("REJECT"),
        Target::Dnat(_) => text.write_str("DNAT"),
        Target::Snat(_) => text.write_str("SNAT"),
        Target::Masquerade(_) => text.write_str("MASQUERADE"),
        Target::Notrack => text.write_str("NOTRACK"),
        Target::Ct(_) => text.write_str("CT"),
        _ => text.write_str("another target"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Family;
    use crate::xtables::save;

    fn shapes(rules: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let text = format!(
            "*filter\n:cali-pi-a - [0:0]\n:cali-tw-b - [0:0]\n:mine - [0:0]\n{rules}COMMIT\n"
        );
        let ruleset = save::parse("rules", &text, Family::V4)?;
        let rules = ruleset.rules();
        Ok(rules
            .map(|(id, rule)| Shape::of(id.table, &id.chain, rule).to_string())
            .collect())
    }

    #[test]
    fn a_shape_has_no_values_and_says_all_else() -> Result<(), Box<dyn std::error::Error>> {
        let found = shapes(
            "-A cali-pi-a -p tcp -m set ! --match-set x src -m multiport --dports 1,2 -j MARK --set-xmark 0x1/0x1\n\
             -A cali-tw-b -m mark --mark 0x0/0x2 -m comment --comment x -j cali-pi-a\n\
             -A mine -i cali+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n",
        )?;
        let expected = [
            "filter cali-pi-*: protocol, not set source, destination ports -> set mark",
            "filter cali-tw-*: no mark -> jump cali-pi-*",
            "filter another program's chain: another program's rule -> ACCEPT",
        ];
        assert_eq!(found, expected);
        Ok(())
    }

    #[test]
    fn rules_that_differ_in_values_only_are_of_one_shape() -> Result<(), Box<dyn std::error::Error>>
    {
        let found = shapes(
            "-A cali-pi-a -s 10.0.0.0/8 -p udp -j DROP\n-A cali-pi-a -s 10.1.0.0/16 -p 47 -j DROP\n",
        )?;
        assert_eq!(found[0], found[1]);
        Ok(())
    }
}
