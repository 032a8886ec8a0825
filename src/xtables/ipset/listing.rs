//! `ipset list` text: one block a set.

use super::element;
use super::header;
use super::orders::{self, Restore};
use super::words::{self, Line, Word};
use crate::xtables::error::Problem;
use crate::xtables::set::{Method, Set};

/// Reads all blocks of a text; a set holds what `ipset restore` would let it hold.
pub(super) fn read(text: &str) -> Result<Vec<Set>, Problem> {
    let mut restore = Restore::default();
    let mut name: Option<Word> = None;
    let mut in_members = false;
    for line in words::lines(text) {
        let sets = &mut restore.sets;
        let in_list = in_members && sets.last().is_some_and(|set| set.method == Method::List);
        // Among a list's members `#` begins a name.
        if line.text.is_empty() || (line.is_empty() && !in_list) {
            continue;
        }
        let field = field(line).filter(|(name, value)| !in_members || begins_a_block(name, *value));
        match (field, sets.last_mut()) {
            (Some(("Name", value)), _) => {
                in_members = false;
                name = Some(single(line, value)?);
            }
            (Some(("Type", value)), _) => {
                let kind = single(line, value)?;
                let name = name
                    .take()
                    .ok_or_else(|| stray(line, "`Name:` before it"))?;
                if sets.iter().any(|set| set.name == name.text) {
                    return Err(name.because("is there already", "a set's new name"));
                }
                sets.push(header::new_set(&name, &kind)?);
            }
            (Some(("Header", value)), Some(set)) => {
                header::read_options(set, &words::words(value)?)?;
            }
            (Some(("Members", _)), Some(_)) => in_members = true,
            (Some(("Revision" | "Size in memory" | "References" | "Number of entries", _)), _) => {}
            (_, Some(_)) if in_members => {
                let last = sets.len() - 1;
                restore.add_to(last, &words::words(line)?, false)?;
            }
            _ => {
                let expected =
                    "`Name:`, `Type:`, `Header:`, `Members:` or another line of ipset list";
                return Err(stray(line, expected));
            }
        }
    }
    match name {
        Some(name) => Err(name.because("has no kind", "`Type:` behind `Name:`")),
        None => Ok(restore.sets),
    }
}

/// A line of the form `Field: value`. An element has no space behind a colon.
fn field(line: Line<'_>) -> Option<(&str, Line<'_>)> {
    let (name, rest) = line.text.split_once(':')?;
    let value = rest.trim_start();
    let offset = line.offset + line.text.len() - value.len();
    let is_field = rest.is_empty() || rest.starts_with([' ', '\t']);
    is_field.then_some((
        name,
        Line {
            text: value,
            offset,
        },
    ))
}

/// Whether a line among members is the next block's first, and no member that is called `Name:`.
fn begins_a_block(name: &str, value: Line<'_>) -> bool {
    let is_extension = matches!(value.text, "nomatch" | "wildcard");
    name == "Name" && !value.text.is_empty() && !value.text.contains(' ') && !is_extension
}

fn single(line: Line<'_>, value: Line<'_>) -> Result<Word, Problem> {
    match words::words(value)?.as_slice() {
        [word] => Ok(word.clone()),
        _ => Err(stray(line, "one word behind the colon")),
    }
}

fn stray(line: Line<'_>, expected: &str) -> Problem {
    Problem::new(line.span(), format!("`{}`", line.text), expected)
}

/// All sets as `ipset list` prints them, but for what only the kernel knows: revision, size in memory
/// and references.
#[must_use]
pub fn print_list(sets: &[Set]) -> String {
    let blocks: Vec<String> = orders::lists_last(sets).map(block).collect();
    blocks.join("\n")
}

fn block(set: &Set) -> String {
    let (name, kind, options) = (&set.name, header::kind(set), header::options(set));
    let count = set.elements.len();
    let mut text = format!(
        "Name: {name}\nType: {kind}\nHeader: {options}\nNumber of entries: {count}\nMembers:\n"
    );
    for element in &set.elements {
        text.push_str(&element::print(element));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::xtables::ipset::parse;

    #[test]
    fn a_set_holds_what_could_be_added() {
        let twice = "Name: one\nType: hash:ip\nMembers:\n10.0.0.1\n10.0.0.1\n";
        let error = parse("list", twice).expect_err("a set holds nothing twice");
        assert!(error.to_string().starts_with("list:5:1: "), "{error}");
        let stranger = "Name: all\nType: list:set\nMembers:\nelsewhere\n";
        let error = parse("list", stranger).expect_err("a list holds sets that are there");
        assert!(error.to_string().starts_with("list:4:1: "), "{error}");
    }
}
