//! What a plan programs, as the tools' own text: sets, and the rules of each family.

use std::fmt::Write as _;

use crate::arm::plan::Plan;
use crate::packet::Family;
use crate::render::table::restore_tool;
use crate::verdict::NotProgrammed;
use crate::xtables::ipset;
use crate::xtables::save::{self, Style};
use crate::xtables::set::{Method, Set};

/// Which parts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The only family, if not both.
    pub family: Option<Family>,
    /// Whether the sets are.
    pub sets: bool,
    /// Whether the rules are.
    pub rules: bool,
}

impl Parts {
    /// The families that are printed.
    pub fn families(self) -> impl Iterator<Item = Family> {
        let families = Family::BOTH.into_iter();
        families.filter(move |family| self.family.is_none_or(|only| only == *family))
    }

    /// Sets of sets belong to no family.
    fn has(self, set: &Set) -> bool {
        set.method == Method::List || self.families().any(|family| family == set.family)
    }
}

/// Sets as `ipset restore` takes them, then rules as iptables-restore and ip6tables-restore do, each part
/// behind a line that says what it is. Of a family whose rules the tools refuse, Felix's own text.
#[must_use]
pub fn text(name: &str, plan: &Plan, parts: Parts) -> String {
    let mut text = String::new();
    let sets = plan.firewall.sets.iter().filter(|set| parts.has(set));
    let sets: Vec<Set> = sets.cloned().collect();
    if parts.sets && !sets.is_empty() {
        section(&mut text, name, "ipset restore", &ipset::print_save(&sets));
    }
    for family in parts.families().filter(|_| parts.rules) {
        let tool = restore_tool(family);
        let (what, rules) = match (refused(plan, family), &plan.calico) {
            (Some(_), Some(calico)) => (
                format!("as Felix writes it, and {tool} refuses it"),
                calico.draft.text(family),
            ),
            _ => (
                tool.to_owned(),
                save::print(plan.firewall.ruleset(family), Style::default()),
            ),
        };
        if !rules.is_empty() {
            section(&mut text, name, &what, &rules);
        }
    }
    text
}

/// Why the tools refuse the rules of a family, if they do.
#[must_use]
pub fn refused(plan: &Plan, family: Family) -> Option<&NotProgrammed> {
    plan.calico.as_ref()?.refused(family)
}

fn section(text: &mut String, name: &str, what: &str, body: &str) {
    // Writing to a String does not fail. The tools read over lines that begin with `#`.
    let name = name.replace('\n', " ");
    let _ = write!(text, "# {name}: {what}\n{body}");
}
