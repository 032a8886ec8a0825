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
//!
//! Where only what changes is said, what a table loses and what it gets is one commit: there are many
//! namespaces whose waiting overlaps, and commits cost more than that.

use std::fmt::Write;

use memchr::memmem;

use crate::xtables::{Backend, Hook, TableName};

/// The tools read lines into a buffer of 10,240 bytes, its end included, and take a longer line for
/// two (iptables/iptables-restore.c, iptables/xtables-restore.c).
const LONGEST_LINE: usize = 10_238;

/// For how many rules there is room in a chain before it grows.
const USUAL_RULES: usize = 8;

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

/// What a table holds: its chains, of the built-in ones those that are not as they are in an empty table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Contents {
    chains: Vec<Chain>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    name: String,
    /// Where it stands, if it is a built-in one.
    hook: Option<Hook>,
    /// Whether it is a built-in one that does not accept what reaches its end.
    drops: bool,
    /// The orders that append its rules.
    rules: String,
    /// Whether rules remember what they have seen: such rules are as new only when they are loaded anew.
    remembers: bool,
}

impl Chain {
    fn new(name: &str, hook: Option<Hook>) -> Self {
        Self {
            name: name.to_owned(),
            hook,
            drops: false,
            rules: String::new(),
            remembers: false,
        }
    }
}

impl Contents {
    /// Where a chain is. Chains are declared and filled in the same order: so `near`, where the one before
    /// was, and the place behind it come first.
    fn place(&self, name: &str, near: usize) -> Option<usize> {
        let is_it = |place: &usize| self.chains[*place].name == name;
        let all = 0..self.chains.len();
        all.clone()
            .skip(near)
            .take(2)
            .find(is_it)
            .or_else(|| all.clone().find(is_it))
    }

    /// The chain of a name; `near` is where the one before was, and becomes where this one is.
    fn find(&self, name: &str, near: &mut usize) -> Option<&Chain> {
        *near = self.place(name, *near)?;
        Some(&self.chains[*near])
    }

    /// Where the chain of a name is, noted if it was not.
    fn note(&mut self, name: &str, hook: Option<Hook>, near: usize) -> usize {
        self.place(name, near).unwrap_or_else(|| {
            self.chains.push(Chain::new(name, hook));
            self.chains.len() - 1
        })
    }

    fn users(&self) -> impl Iterator<Item = &Chain> {
        self.chains.iter().filter(|chain| chain.hook.is_none())
    }

    fn dropping(&self) -> impl Iterator<Item = Hook> {
        let dropping = self.chains.iter().filter(|chain| chain.drops);
        dropping.filter_map(|chain| chain.hook)
    }

    /// Finds out which chains remember, all rules being noted; chains that are as they were are not read again.
    fn find_remembering(&mut self, before: Option<&Self>) {
        let mut near = 0;
        for chain in &mut self.chains {
            let known = before.and_then(|before| before.find(&chain.name, &mut near));
            chain.remembers = match known {
                Some(known) if known.rules == chain.rules => known.remembers,
                _ => remembers(&chain.rules),
            };
        }
    }
}

/// Whether rules remember what they have seen.
fn remembers(rules: &str) -> bool {
    let is_one = |behind: &[u8]| {
        REMEMBERING
            .iter()
            .any(|what| behind.starts_with(what.as_bytes()))
    };
    let rules = rules.as_bytes();
    let mut matches = memmem::find_iter(rules, "-m ");
    matches.any(|place| is_one(&rules[place + "-m ".len()..]))
        || memmem::find(rules, b"-j RATEEST").is_some()
}

/// The matches that keep state from packet to packet.
const REMEMBERING: [&str; 7] = [
    "limit",
    "hashlimit",
    "quota",
    "statistic",
    "recent",
    "connlimit",
    "rateest",
];

impl Table {
    /// A table whose built-in chains are empty and accept, and which has no others.
    fn empty(name: TableName) -> Self {
        Self {
            name,
            contents: Some(Contents::default()),
        }
    }

    fn find_remembering(&mut self, before: &Script) {
        if let Some(contents) = &mut self.contents {
            contents.find_remembering(before.contents(self.name));
        }
    }

    /// Notes what a line of its block makes of it, and says whether the line changes anything. `near` is
    /// where the chain is that the line before was about.
    fn note(&mut self, line: &str, near: &mut usize) -> bool {
        let Some(contents) = &mut self.contents else {
            return true;
        };
        let hook = |chain: &str| Hook::of_chain(chain).filter(|hook| self.name.stands_at(*hook));
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("-A"), Some(chain)) => match (contents.place(chain, *near), hook(chain)) {
                (None, None) => self.contents = None,
                (place, hook) => {
                    *near = place.unwrap_or_else(|| contents.note(chain, hook, *near));
                    let rules = &mut contents.chains[*near].rules;
                    if rules.is_empty() {
                        rules.reserve(USUAL_RULES * line.len());
                    }
                    rules.push_str(line);
                    rules.push('\n');
                }
            },
            (Some(chain), Some(policy)) if chain.starts_with(':') => {
                let chain = &chain[1..];
                match hook(chain) {
                    Some(hook) => {
                        let drops = contents.dropping().any(|known| known == hook);
                        match (policy, drops) {
                            ("ACCEPT", false) => return false,
                            ("DROP", _) => {
                                let place = contents.note(chain, Some(hook), *near);
                                contents.chains[place].drops = true;
                            }
                            // Undone, or no policy of a base chain's.
                            _ => self.contents = None,
                        }
                    }
                    None if !is_plain(chain) => self.contents = None,
                    None => {
                        contents.note(chain, None, *near);
                    }
                }
            }
            (Some("COMMIT"), _) | (None, _) => {}
            // Another order, which may make chains.
            _ => self.contents = None,
        }
        true
    }
}

/// The tables of a text, block by block; `before` is what they were.
fn read(text: &str, before: &Script) -> Result<Vec<Table>, LineTooLong> {
    let mut tables: Vec<Table> = Vec::new();
    let mut near = 0;
    for line in lines(text)? {
        match (opened(line), tables.last_mut()) {
            (Some(name), _) => {
                near = 0;
                tables.push(Table::empty(name));
            }
            (None, Some(table)) => {
                table.note(line, &mut near);
            }
            (None, None) => {}
        }
    }
    for table in &mut tables {
        table.find_remembering(before);
    }
    Ok(tables)
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
        let mut near = 0;
        for line in lines(text)? {
            if let Some(name) = opened(line) {
                near = 0;
                script.line(line);
                script.open(name, emptied.contains(&name));
            } else if script
                .tables
                .last_mut()
                .is_none_or(|table| table.note(line, &mut near))
            {
                script.line(line);
            }
        }
        for table in &mut script.tables {
            table.find_remembering(before);
        }
        Ok(script)
    }

    /// The same, and of what stays as it is nothing is said, and nothing done. Rules that keep state are
    /// never left as they are.
    pub(super) fn change(text: &str, before: &Self, backend: Backend) -> Result<Self, LineTooLong> {
        let wanted = Self {
            text: String::new(),
            tables: read(text, before)?,
        };
        if wanted.opens_a_table_again() || !before.is_known() || !wanted.is_known() {
            return Self::load(text, before);
        }
        let gone = before.tables.iter().map(|table| table.name);
        let gone = gone.filter(|name| wanted.contents(*name).is_none());
        let there = wanted.tables.iter().map(|table| table.name);
        let changes: Vec<Orders> = gone
            .chain(there)
            .map(|name| Change::new(name, before.contents(name), wanted.contents(name)).orders())
            .filter(|orders| !orders.is_empty())
            .collect();
        let mut script = Self::default();
        if backend == Backend::Nft && removes_first(&changes) {
            for change in &changes {
                script.block(change.name, &[&change.removals]);
            }
            for change in &changes {
                script.block(change.name, &[&change.additions]);
            }
        } else {
            for change in &changes {
                script.block(change.name, &[&change.removals, &change.additions]);
            }
        }
        script.tables = wanted.tables;
        Ok(script)
    }

    fn opens_a_table_again(&self) -> bool {
        let mut tables = self.tables.iter().enumerate();
        tables.any(|(place, table)| {
            let mut before = self.tables[..place].iter();
            before.any(|other| other.name == table.name)
        })
    }

    /// Whether it is known of every table what it holds.
    fn is_known(&self) -> bool {
        self.tables.iter().all(|table| table.contents.is_some())
    }

    fn contents(&self, name: TableName) -> Option<&Contents> {
        let mut tables = self.tables.iter();
        tables.find(|table| table.name == name)?.contents.as_ref()
    }

    /// Orders for a table, if there are any.
    fn block(&mut self, name: TableName, orders: &[&str]) {
        if orders.iter().any(|orders| !orders.is_empty()) {
            // Writing to a String can't fail.
            let _ = writeln!(self.text, "*{name}");
            for orders in orders {
                self.text.push_str(orders);
            }
            self.text.push_str("COMMIT\n");
        }
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
                Some(contents) => {
                    for chain in contents.users() {
                        script.line(&format!("-X {}", chain.name));
                    }
                    script.accept_in(contents.dropping());
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

/// Whether nft's tables are told first of all that goes, and then of what comes. Rules that remember must be
/// gone before their like come: what they know stands under a name (net/netfilter/xt_recent.c,
/// `recent_mt_check`; net/netfilter/xt_hashlimit.c, `hashlimit_mt_check_common`). Of others each table is one
/// commit: that waits once for each table but the first, and not once in all, but every commit costs the tool
/// the reading of what is there, and the kernel a walk over all chains of the table.
fn removes_first(changes: &[Orders]) -> bool {
    changes.iter().any(|change| change.forgets)
}

/// What is said of a table that changes.
struct Orders {
    name: TableName,
    /// The orders that take away what does not stay.
    removals: String,
    /// The orders that add what was not there.
    additions: String,
    /// Whether rules go that remember.
    forgets: bool,
}

impl Orders {
    fn is_empty(&self) -> bool {
        self.removals.is_empty() && self.additions.is_empty()
    }
}

/// What a chain is to the chain of its name on the other side of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counterpart {
    /// There is none.
    Missing,
    /// It has other rules, or these have to be loaded anew.
    Other,
    /// It is the same, and stays.
    Same,
}

/// What a table holds, and what it shall hold.
struct Change<'a> {
    name: TableName,
    /// Whether nobody has spoken of it yet.
    is_new: bool,
    old: Vec<(&'a Chain, Counterpart)>,
    new: Vec<(&'a Chain, Counterpart)>,
}

impl<'a> Change<'a> {
    fn new(name: TableName, old: Option<&'a Contents>, new: Option<&'a Contents>) -> Self {
        Self {
            name,
            is_new: old.is_none(),
            old: Self::beside(old, new),
            new: Self::beside(new, old),
        }
    }

    /// The chains of one side with what they are to the other.
    fn beside(
        one: Option<&'a Contents>,
        other: Option<&'a Contents>,
    ) -> Vec<(&'a Chain, Counterpart)> {
        let mut near = 0;
        let compare = |chain: &'a Chain| {
            let other = other.and_then(|other| other.find(&chain.name, &mut near));
            let counterpart = match other {
                None => Counterpart::Missing,
                Some(other) if other.rules == chain.rules && !chain.remembers => Counterpart::Same,
                Some(_) => Counterpart::Other,
            };
            (chain, counterpart)
        };
        let chains = one.iter().flat_map(|contents| &contents.chains);
        chains.map(compare).collect()
    }

    fn orders(&self) -> Orders {
        Orders {
            name: self.name,
            removals: self.removals(),
            additions: self.additions(),
            forgets: self.old.iter().any(|(chain, _)| chain.remembers),
        }
    }

    /// Of the built-in chains of one side those that drop, and only there.
    fn dropping(
        one: &[(&'a Chain, Counterpart)],
        other: &[(&'a Chain, Counterpart)],
    ) -> impl Iterator<Item = Hook> {
        let dropping = |chains: &[(&'a Chain, Counterpart)]| {
            let dropping = chains.iter().filter(|(chain, _)| chain.drops);
            dropping
                .filter_map(|(chain, _)| chain.hook)
                .collect::<Vec<Hook>>()
        };
        let other = dropping(other);
        dropping(one)
            .into_iter()
            .filter(move |hook| !other.contains(hook))
    }

    fn removals(&self) -> String {
        let mut orders = String::new();
        // Writing to a String can't fail.
        if self.is_new {
            orders.push_str("-F\n");
            for hook in built_in(self.name) {
                let _ = writeln!(orders, ":{hook} ACCEPT [0:0]");
            }
        }
        for (chain, counterpart) in &self.old {
            if !chain.rules.is_empty() && *counterpart != Counterpart::Same {
                let _ = writeln!(orders, "-F {}", chain.name);
            }
        }
        for (chain, counterpart) in &self.old {
            if chain.hook.is_none() && *counterpart == Counterpart::Missing {
                let _ = writeln!(orders, "-X {}", chain.name);
            }
        }
        for hook in Self::dropping(&self.old, &self.new) {
            let _ = writeln!(orders, ":{hook} ACCEPT [0:0]");
        }
        orders
    }

    fn additions(&self) -> String {
        let mut orders = String::new();
        // Writing to a String can't fail.
        for hook in Self::dropping(&self.new, &self.old) {
            let _ = writeln!(orders, ":{hook} DROP [0:0]");
        }
        for (chain, counterpart) in &self.new {
            if chain.hook.is_none() && *counterpart == Counterpart::Missing {
                let _ = writeln!(orders, ":{} - [0:0]", chain.name);
            }
        }
        for (chain, counterpart) in &self.new {
            if *counterpart != Counterpart::Same {
                orders.push_str(&chain.rules);
            }
        }
        orders
    }
}

#[cfg(test)]
mod tests;
