//! What a restore tool is told, so that a namespace that held other rules before holds these and
//! nothing else.
//!
//! The tools run with `--noflush`, because a tool that lives on must not be told to flush by starting
//! anew. So a script empties every table, each in a commit of its own, and then fills those that the new
//! rules have. Which chains there are to delete, and which policies to set back, is known from the
//! script before.
//!
//! Order and names are for nft's sake. A commit of nf_tables that deletes anything, or sets the policy of
//! a chain that is there, leaves work behind that takes a grace period of the whole machine, and the next
//! commit that adds a match waits for it (net/netfilter/nf_tables_api.c, `nf_tables_commit`;
//! net/netfilter/nft_compat.c, `nft_compat_wait_for_destructors`): so a ruleset waits once, and not once
//! a table. And to delete chains that are not named, `iptables-nft-restore` first reads the rules of each
//! (iptables/nft-cmd.c, `nft_cmd_chain_del`).

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
    tables: Vec<Table>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Table {
    name: TableName,
    /// `None`: nobody knows what it holds.
    contents: Option<Contents>,
}

/// What a table holds besides rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Contents {
    /// The users' chains.
    chains: Vec<String>,
    /// The built-in chains that do not accept what reaches their end.
    dropping: Vec<Hook>,
}

impl Table {
    /// A table whose built-in chains are empty and accept, and which has no others.
    fn empty(name: TableName) -> Self {
        Self {
            name,
            contents: Some(Contents::default()),
        }
    }

    /// Notes what a line of its block makes of it, and says whether the line changes anything.
    fn note(&mut self, line: &str) -> bool {
        let Some(contents) = &mut self.contents else {
            return true;
        };
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some(chain), Some(policy)) if chain.starts_with(':') => {
                let chain = &chain[1..];
                let hook = Hook::of_chain(chain).filter(|hook| self.name.stands_at(*hook));
                match hook {
                    Some(hook) if policy == "ACCEPT" && !contents.dropping.contains(&hook) => {
                        return false;
                    }
                    Some(hook) => contents.dropping.push(hook),
                    None if !is_plain(chain) => self.contents = None,
                    None if contents.chains.iter().any(|known| known == chain) => {}
                    None => contents.chains.push(chain.to_owned()),
                }
            }
            (Some("-A" | "COMMIT"), _) | (None, _) => {}
            // Another order, which may make chains.
            _ => self.contents = None,
        }
        true
    }
}

/// The lines of a text, none of which is too long.
fn lines(text: &str) -> Result<std::str::Lines<'_>, LineTooLong> {
    match text
        .lines()
        .enumerate()
        .find(|(_, line)| line.len() > LONGEST_LINE)
    {
        None => Ok(text.lines()),
        Some((index, line)) => Err(LineTooLong {
            line: index + 1,
            bytes: line.len(),
        }),
    }
}

/// The table whose block a line opens.
fn opened(line: &str) -> Option<TableName> {
    line.strip_prefix('*').and_then(TableName::parse)
}

/// Whether a chain's name stands for itself in an order, without quotes.
fn is_plain(chain: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+@/".contains(&byte);
    chain.bytes().all(plain)
}

fn built_in(name: TableName) -> impl Iterator<Item = Hook> {
    let has = move |hook: &Hook| name.stands_at(*hook);
    Hook::ALL.into_iter().filter(has)
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
        let mut script = Self::empty(before);
        let emptied: Vec<TableName> = before.tables.iter().map(|table| table.name).collect();
        for line in lines(text)? {
            if let Some(name) = opened(line) {
                script.line(line);
                script.open(name, emptied.contains(&name));
            } else if script
                .tables
                .last_mut()
                .is_none_or(|table| table.note(line))
            {
                script.line(line);
            }
        }
        Ok(script)
    }

    /// The same for a tool that is started for this alone, without `--noflush`: it empties each table
    /// that it is told of, but for policies.
    pub(super) fn load_alone(text: &str, before: &Self) -> Result<Self, LineTooLong> {
        let mut script = Self::default();
        for line in lines(text)? {
            script.line(line);
            if let Some(name) = opened(line) {
                script.accept_in(built_in(name));
                script.tables.push(Table {
                    name,
                    contents: None,
                });
            }
        }
        for Table { name, .. } in &before.tables {
            if script.tables.iter().all(|table| table.name != *name) {
                script.line(&format!("*{name}"));
                script.accept_in(built_in(*name));
                script.line("COMMIT");
            }
        }
        Ok(script)
    }

    /// The script that leaves every table of `before` empty.
    pub(super) fn empty(before: &Self) -> Self {
        let mut script = Self::default();
        for Table { name, contents } in &before.tables {
            script.line(&format!("*{name}"));
            script.line("-F");
            match contents {
                Some(Contents { chains, dropping }) => {
                    for chain in chains {
                        script.line(&format!("-X {chain}"));
                    }
                    script.accept_in(dropping.iter().copied());
                }
                None => {
                    script.line("-X");
                    script.accept_in(built_in(*name));
                }
            }
            script.line("COMMIT");
        }
        script
    }

    /// Continues after `*table`. It is empty: it may have been emptied, or this is the first that is
    /// said of it; or the text has it a second time, which undoes the first.
    fn open(&mut self, name: TableName, emptied: bool) {
        // Where there is nothing to flush, this has nft read all chains at once instead of each that is
        // named (iptables/nft-cache.c, `nft_cache_level_set`).
        self.line("-F");
        let again = self.tables.iter().position(|table| table.name == name);
        if let Some(first) = again {
            self.tables.remove(first);
            self.line("-X");
        }
        if again.is_some() || !emptied {
            self.accept_in(built_in(name));
        }
        self.tables.push(Table::empty(name));
    }

    fn accept_in(&mut self, hooks: impl IntoIterator<Item = Hook>) {
        for hook in hooks {
            self.line(&format!(":{hook} ACCEPT [0:0]"));
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

    /// Counts the tables of another script as possibly filled, and forgets what any holds: after a
    /// refusal nobody knows.
    pub(super) fn may_hold(&mut self, other: &Self) {
        for table in &other.tables {
            if self.tables.iter().all(|known| known.name != table.name) {
                self.tables.push(table.clone());
            }
        }
        for table in &mut self.tables {
            table.contents = None;
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
    fn what_is_new_is_said_whole() {
        let script = Script::load(TEXT, &Script::default()).expect("short lines");
        assert_eq!(
            script.text(),
            "*filter\n-F\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             :INPUT DROP [0:0]\n:own - [0:0]\n-A INPUT -j own\nCOMMIT\n"
        );
    }

    #[test]
    fn all_tables_are_emptied_before_any_is_filled() {
        let raw = "*raw\n:OUTPUT ACCEPT [0:0]\n:PREROUTING DROP [0:0]\nCOMMIT\n";
        let first = Script::load(&format!("{raw}{TEXT}"), &Script::default()).expect("short lines");
        let second = Script::load(raw, &first).expect("short lines");
        assert_eq!(
            second.text(),
            "*raw\n-F\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n\
             *filter\n-F\n-X own\n:INPUT ACCEPT [0:0]\nCOMMIT\n\
             *raw\n-F\n:PREROUTING DROP [0:0]\nCOMMIT\n"
        );
        let third = Script::load("", &second).expect("short lines");
        assert!(!third.text().contains("filter"), "{}", third.text());
        assert!(Script::empty(&Script::default()).is_empty());
    }

    #[test]
    fn the_second_block_of_a_table_undoes_the_first() {
        let script = Script::load(&format!("{TEXT}{TEXT}"), &Script::default());
        let script = script.expect("short lines");
        let second = script.text().rsplit("*filter\n").next();
        let second = second.expect("a second block");
        assert!(second.starts_with("-F\n-X\n:INPUT ACCEPT"), "{second}");
        let next = Script::load("", &script).expect("short lines");
        assert_eq!(
            next.text(),
            "*filter\n-F\n-X own\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
        );
    }

    #[test]
    fn what_is_not_known_is_emptied_whole() {
        const WHOLE: &str = "*filter\n-F\n-X\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
        for line in ["-N other", ":a\"b - [0:0]", "-P INPUT DROP"] {
            let text = format!("*filter\n{line}\nCOMMIT\n");
            let script = Script::load(&text, &Script::default()).expect("short lines");
            assert_eq!(Script::empty(&script).text(), WHOLE, "after {line}");
        }
        let first = Script::load(TEXT, &Script::default()).expect("short lines");
        let mut refused = Script::load("*raw\nCOMMIT\n", &first).expect("short lines");
        refused.may_hold(&first);
        let empty = Script::empty(&refused);
        assert!(empty.text().ends_with(WHOLE), "{}", empty.text());
        assert!(
            empty.text().starts_with("*raw\n-F\n-X\n"),
            "{}",
            empty.text()
        );
    }

    #[test]
    fn a_tool_of_its_own_empties_what_it_is_told_of() {
        let first = Script::load_alone(TEXT, &Script::default()).expect("short lines");
        let second = Script::load_alone("*raw\nCOMMIT\n", &first).expect("short lines");
        assert_eq!(
            second.text(),
            "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n\
             *filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
        );
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
            script.explain("iptables-restore: line 108 failed\n", 100),
            "iptables-restore: `-A INPUT -j own` failed"
        );
        assert_eq!(
            script.explain("Error occurred at line: 109", 100),
            "Error occurred at `COMMIT of filter`"
        );
        assert_eq!(
            script.explain("the line is long, line 7", 100),
            "the line is long, line 7"
        );
    }
}
