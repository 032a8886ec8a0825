//! What a restore tool is told, so that a namespace that held other rules before holds these and
//! nothing else.
//!
//! The tools run with `--noflush`, because a tool that lives on must not be told to flush by starting
//! anew. Each table's block therefore begins by flushing its chains (`-F`), removing the users' (`-X`),
//! and setting every built-in chain's policy, which neither of the two does.

use std::fmt::Write;

use crate::xtables::{Hook, TableName};

/// The tools read lines into a buffer of 10,240 bytes, its end included, and take a longer line for
/// two (iptables/iptables-restore.c, iptables/xtables-restore.c).
const LONGEST_LINE: usize = 10_238;

/// One family's text for a restore tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// What is said.
    text: String,
    /// The tables that may hold something once it is done.
    tables: Vec<TableName>,
}

/// A line that the tools would misread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineTooLong {
    /// Which, counted from 1.
    line: usize,
    /// Its length in bytes.
    bytes: usize,
}

impl std::fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, bytes } = self;
        write!(
            f,
            "line {line} has {bytes} bytes, and the tool reads at most {LONGEST_LINE}"
        )
    }
}

impl Script {
    /// The script that loads iptables-save text where `before` has been loaded.
    pub(super) fn load(text: &str, before: &Self) -> Result<Self, LineTooLong> {
        let mut script = Self::default();
        for (number, line) in text.lines().enumerate() {
            let bytes = line.len();
            if bytes > LONGEST_LINE {
                return Err(LineTooLong {
                    line: number + 1,
                    bytes,
                });
            }
            script.line(line);
            if let Some(name) = line.strip_prefix('*').and_then(TableName::parse) {
                script.open(name);
            }
        }
        script.empty_those_of(before);
        Ok(script)
    }

    /// The script that leaves every table of `before` empty.
    pub(super) fn empty(before: &Self) -> Self {
        let mut script = Self::default();
        script.empty_those_of(before);
        script
    }

    fn empty_those_of(&mut self, before: &Self) {
        for name in &before.tables {
            if !self.tables.contains(name) {
                self.line(&format!("*{name}"));
                self.open(*name);
                self.line("COMMIT");
                self.tables.retain(|table| table != name);
            }
        }
    }

    /// Continues after `*table`: nothing of what was there stays.
    fn open(&mut self, name: TableName) {
        self.line("-F");
        self.line("-X");
        for hook in Hook::ALL {
            if name.priority(hook).is_some() {
                // A policy that the text declares comes later, and wins.
                self.line(&format!(":{hook} ACCEPT [0:0]"));
            }
        }
        if !self.tables.contains(&name) {
            self.tables.push(name);
        }
    }

    fn line(&mut self, line: &str) {
        // Writing to a String can't fail.
        let _ = writeln!(self.text, "{line}");
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Counts the tables of another script as possibly filled: after a refusal nobody knows.
    pub(super) fn may_hold(&mut self, other: &Self) {
        for name in &other.tables {
            if !self.tables.contains(name) {
                self.tables.push(*name);
            }
        }
    }

    /// What the tool complained of, with the lines that it counts shown instead of numbered: it
    /// counts from its start, and lines that no dump has.
    ///
    /// `said_before` is how many lines it was told before this script.
    pub(super) fn explain(&self, complaint: &str, said_before: usize) -> String {
        let mut explained = String::new();
        let mut rest = complaint.trim();
        while let Some(at) = rest.find("line") {
            let (before, after) = rest.split_at(at);
            explained.push_str(before);
            let number = after["line".len()..].trim_start_matches([':', ' ']);
            let digits = number.len()
                - number
                    .trim_start_matches(|c: char| c.is_ascii_digit())
                    .len();
            let line = number[..digits].parse::<usize>().ok();
            match line.and_then(|line| self.shown(line.checked_sub(said_before + 1)?)) {
                Some(shown) => {
                    let _ = write!(explained, "`{shown}`");
                    rest = &number[digits..];
                }
                None => {
                    explained.push_str("line");
                    rest = &after["line".len()..];
                }
            }
        }
        explained.push_str(rest);
        explained.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A line, and of `COMMIT` which table it closes.
    fn shown(&self, index: usize) -> Option<String> {
        let line = self.text.lines().nth(index)?;
        if line != "COMMIT" {
            return Some(line.to_owned());
        }
        let table = self
            .text
            .lines()
            .take(index)
            .filter_map(|line| line.strip_prefix('*'))
            .last();
        Some(format!("COMMIT of {}", table.unwrap_or("no table")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "*filter\n:INPUT DROP [0:0]\n:own - [0:0]\n-A INPUT -j own\nCOMMIT\n";

    #[test]
    fn a_table_is_emptied_before_it_is_filled() {
        let script = Script::load(TEXT, &Script::default()).expect("short lines");
        assert_eq!(
            script.text(),
            "*filter\n-F\n-X\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             :INPUT DROP [0:0]\n:own - [0:0]\n-A INPUT -j own\nCOMMIT\n"
        );
    }

    #[test]
    fn tables_from_before_are_emptied_once() {
        let first = Script::load(TEXT, &Script::default()).expect("short lines");
        let second = Script::load("*raw\nCOMMIT\n", &first).expect("short lines");
        assert!(second.text().ends_with(
            "*filter\n-F\n-X\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
        ));
        let third = Script::load("*raw\nCOMMIT\n", &second).expect("short lines");
        assert!(!third.text().contains("filter"), "{}", third.text());
        assert!(Script::empty(&Script::default()).is_empty());
    }

    #[test]
    fn after_a_refusal_every_table_is_emptied() {
        let first = Script::load(TEXT, &Script::default()).expect("short lines");
        let mut unknown = Script::load("*raw\nCOMMIT\n", &first).expect("short lines");
        unknown.may_hold(&first);
        let empty = Script::empty(&unknown);
        assert!(empty.text().contains("*raw") && empty.text().contains("*filter"));
    }

    #[test]
    fn a_line_that_the_tool_would_split_is_refused() {
        let text = format!(
            "*raw\n-A PREROUTING -m comment --comment {}\nCOMMIT\n",
            "x".repeat(10_239)
        );
        let refused = Script::load(&text, &Script::default()).expect_err("too long");
        assert!(
            refused.to_string().starts_with("line 2 has 102"),
            "{refused}"
        );
    }

    #[test]
    fn a_complaint_shows_the_line() {
        let script = Script::load(TEXT, &Script::default()).expect("short lines");
        assert_eq!(
            script.explain("iptables-restore: line 109 failed\n", 100),
            "iptables-restore: `-A INPUT -j own` failed"
        );
        assert_eq!(
            script.explain("Error occurred at line: 110", 100),
            "Error occurred at `COMMIT of filter`"
        );
        assert_eq!(
            script.explain("the line is long, line 7", 100),
            "the line is long, line 7"
        );
    }
}
