//! iptables-save and ip6tables-save text, read and written; restore files that people write by hand
//! read as well.
//!
//! What the tools do with a text is the measure: what they take is taken, what they expand (`-s a,b`)
//! is expanded, and what they refuse for its text alone is refused, with the place and what was
//! expected. What only the kernel refuses (a match in the wrong table, a loop) is not judged here.
//! No name is looked up: hosts are refused, the usual protocols and services are known.
//!
//! * [`lex`]: words and quotes;
//! * [`restore`]: lines, tables, chains and orders such as `-A`;
//! * [`command`], [`options`]: one line's options, as getopt cuts them;
//! * [`rule`]: from options to rules;
//! * [`modules`]: each match's and target's options, read and written;
//! * [`value`], [`text`]: single values, read and written;
//! * [`print`]: rules and rulesets written.

mod command;
mod lex;
mod modules;
mod options;
mod print;
mod restore;
mod rule;
mod text;
mod value;

pub use print::{Style, print, print_match, print_rule, print_target};

use super::error::ParseError;
use super::ruleset::Ruleset;
use crate::packet::Family;

/// Reads iptables-save text; `source_name` stands for it in errors.
///
/// Every table that the text names has all its built-in chains, in the order of the hooks, those that
/// the text does not declare with the policy ACCEPT; then the users' chains in the order declared.
///
/// # Errors
///
/// Where the tools would refuse the text, the first place that they would refuse.
pub fn parse(source_name: &str, text: &str, family: Family) -> Result<Ruleset, ParseError> {
    let mut restore = restore::Restore::new(family);
    let mut offset = 0;
    for (index, line) in text.split('\n').enumerate() {
        restore
            .line(line, offset, index + 1)
            .map_err(|problem| ParseError::new(source_name, text, problem))?;
        offset += line.len() + 1;
    }
    restore
        .finish(text.len())
        .map_err(|problem| ParseError::new(source_name, text, problem))
}
