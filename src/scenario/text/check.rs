//! Scenarios that say what can't be: refused with their place.

use serde_saphyr::Spanned;

use super::{Fields, NotAScenario, Reader, Source};
use crate::node::Node;
use crate::packet::{Connection, Family, InterfaceName, Origin, Packet};
use crate::scenario::Completion;
use crate::xtables::{Firewall, Ruleset, Target};

/// How the names of Calico's chains and sets begin (felix 2.1.1, rules/rule_defs.go and
/// ipsets/ipset_defs.go).
const CALICOS_CHAINS: &str = "cali-";
const CALICOS_SETS: [&str; 2] = ["cali4", "cali6"];

type Checked = Result<(), NotAScenario>;

impl Reader<'_> {
    pub(super) fn check_name(&self, name: &Spanned<String>) -> Checked {
        match name.value.trim().is_empty() {
            false => Ok(()),
            true => Err(self.wrong(name, "no name; expected what reports shall call it".into())),
        }
    }

    /// Packets arrive by interfaces that are there.
    pub(super) fn check_packets(
        &self,
        lines: &[Spanned<String>],
        packets: &[Packet],
        node: &Node,
    ) -> Checked {
        let lacks = |packet: &Packet| match packet.origin {
            Origin::Arrives(InterfaceName::LOOPBACK) | Origin::Node => None,
            Origin::Arrives(name) => node.interface(name).is_none().then_some(name),
        };
        let mut found = lines.iter().zip(packets);
        let found = found.find_map(|(line, packet)| Some((line, lacks(packet)?)));
        let Some((line, name)) = found else {
            return Ok(());
        };
        let own = node.interfaces.iter().map(|one| one.name.to_string());
        let expected: Vec<String> = own.chain([InterfaceName::LOOPBACK.to_string()]).collect();
        let problem = format!(
            "the node has no interface `{name}` for this packet; expected {}",
            expected.join(" or ")
        );
        Err(self.wrong(line, problem))
    }

    /// No two connections have a key in common: the kernel keeps one of each.
    pub(super) fn check_connections(
        &self,
        lines: &[Spanned<String>],
        connections: &[Connection],
    ) -> Checked {
        let keys = |one: &Connection| [one.original, one.reply];
        for (place, (line, connection)) in lines.iter().zip(connections).enumerate() {
            let earlier = connections[..place].iter();
            let mut known = earlier.flat_map(keys);
            if known.any(|key| keys(connection).contains(&key)) {
                let problem = "a connection that one above it is in the way of; expected keys of \
                               its own in both directions";
                return Err(self.wrong(line, problem.to_owned()));
            }
            if connection.original.family() != connection.reply.family() {
                let problem = "a connection of two families; expected answers of the first's";
                return Err(self.wrong(line, problem.to_owned()));
            }
        }
        Ok(())
    }

    /// Who says why a rule was added speaks of rules that are there.
    pub(super) fn check_completed(
        &self,
        completed: &[Spanned<Completion>],
        firewall: &Firewall,
    ) -> Checked {
        let covers_none = |one: &&Spanned<Completion>| {
            let mut rules = firewall.ruleset(one.value.family).rules();
            !one.value.rules.is_empty() && !rules.any(|(id, _)| one.value.covers(&id))
        };
        match completed.iter().find(covers_none) {
            None => Ok(()),
            Some(one) => {
                let problem = "these rules are not there; expected some of those above";
                Err(self.wrong(one, problem.to_owned()))
            }
        }
    }

    /// Beside resources stand the rules and sets of other programs: Calico's are made of them.
    pub(super) fn check_foreign(&self, fields: &Fields, firewall: &Firewall) -> Checked {
        for family in Family::BOTH {
            let source = match family {
                Family::V4 => &fields.rules.v4,
                Family::V6 => &fields.rules.v6,
            };
            if let Some(what) = calicos(firewall.ruleset(family)) {
                return Err(self.of_calico(source, &what));
            }
        }
        let of_calico = |name: &str| CALICOS_SETS.iter().any(|start| name.starts_with(start));
        let mut names = firewall.sets.iter().map(|set| set.name.as_str());
        match names.find(|name| of_calico(name)) {
            None => Ok(()),
            Some(name) => Err(self.of_calico(&fields.sets, &format!("the set `{name}`"))),
        }
    }

    fn of_calico(&self, source: &Option<Source>, what: &str) -> NotAScenario {
        let problem = format!(
            "{what} is Calico's, and beside `resources` it is made of them; expected what other \
             programs have loaded"
        );
        match source {
            Some(Source::File(place) | Source::Text(place)) => self.wrong(place, problem),
            None => self.yaml.wrong(0, problem).into(),
        }
    }
}

/// A chain of Calico's, or a rule that leads to one.
fn calicos(ruleset: &Ruleset) -> Option<String> {
    let mut chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    if let Some(chain) = chains.find(|chain| chain.name.starts_with(CALICOS_CHAINS)) {
        return Some(format!("the chain `{}`", chain.name));
    }
    let mut rules = ruleset.rules();
    rules.find_map(|(_, rule)| match &rule.target {
        Target::Jump(chain) | Target::Goto(chain) if chain.starts_with(CALICOS_CHAINS) => {
            Some(format!("the chain `{chain}`, to which a rule jumps,"))
        }
        _ => None,
    })
}
