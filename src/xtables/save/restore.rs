//! The lines of a restore file, one after the other, as iptables-restore obeys them
//! (iptables/iptables-restore.c, `ip46tables_restore_main`).

use rustc_hash::FxHashMap;

use super::command::{self, CommandLine, Order};
use super::lex::{self, Word};
use super::modules;
use super::rule::{self, Place};
use crate::packet::Family;
use crate::xtables::error::Problem;
use crate::xtables::ruleset::{Chain, Counters, Hook, Policy, Rule, Ruleset, Table, TableName};

/// What has been read so far.
pub(super) struct Restore {
    family: Family,
    tables: Vec<Table>,
    open: Option<OpenTable>,
}

/// The table between `*TABLE` and `COMMIT`.
struct OpenTable {
    table: Table,
    /// Where each chain stands in the table.
    places: FxHashMap<String, usize>,
}

/// The longest name of a chain or a module, in bytes (`XT_EXTENSION_MAXNAMELEN` less its zero).
pub(super) const LONGEST_NAME: usize = 28;

impl Restore {
    /// Nothing read.
    pub fn new(family: Family) -> Self {
        Self {
            family,
            tables: Vec::new(),
            open: None,
        }
    }

    /// Obeys one line (without its newline), which begins at byte `offset` of the text.
    pub fn line(&mut self, line: &str, offset: usize, number: usize) -> Result<(), Problem> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let whole = offset..offset + line.len();
        if line.ends_with('\r') {
            let span = whole.end - 1..whole.end;
            return Err(Problem::new(
                span,
                "the line ends in a carriage return",
                "a newline alone",
            ));
        }
        let Some(open) = &mut self.open else {
            let words = lex::plain_words(line.strip_prefix('*').unwrap_or_default(), offset + 1);
            return match (line.starts_with('*'), words.as_slice()) {
                (true, [name, ..]) => self.begin(name),
                _ => Err(Problem::new(
                    whole,
                    "this line stands outside of a table",
                    "`*TABLE` or `#`",
                )),
            };
        };
        if line == "COMMIT" {
            self.commit();
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix(':') {
            return open.declare(&lex::plain_words(rest, offset + 1), whole);
        }
        let (counters, rest) = rule_counters(line, offset)?;
        let words = lex::words(rest, offset + line.len() - rest.len())?;
        match command::read(words, whole, self.family)? {
            Some(mut command) => {
                command.counters = command.counters.or(counters);
                open.obey(command, self.family, number)
            }
            None => Ok(()),
        }
    }

    /// The rules, once the text has ended at byte `end`.
    pub fn finish(self, end: usize) -> Result<Ruleset, Problem> {
        match self.open {
            Some(open) => Err(Problem::new(
                end..end,
                format!("the text ends within table {}", open.table.name),
                "`COMMIT`",
            )),
            None => Ok(Ruleset {
                family: self.family,
                tables: self.tables,
            }),
        }
    }

    /// A table that comes a second time is emptied, but for its policies.
    fn begin(&mut self, name: &Word<'_>) -> Result<(), Problem> {
        let Some(table) = TableName::parse(&name.text) else {
            return Err(name.because(
                "is no table",
                "raw, mangle, nat, filter or security behind `*`",
            ));
        };
        let before = self.tables.iter().find(|other| other.name == table);
        let hooks = Hook::ALL.into_iter().filter(|hook| table.stands_at(*hook));
        let chains: Vec<Chain> = hooks
            .map(|hook| Chain {
                name: hook.chain().to_owned(),
                policy: before
                    .and_then(|table| table.chain(hook.chain()))
                    .and_then(|chain| chain.policy)
                    .or(Some(Policy::Accept)),
                counters: None,
                rules: Vec::new(),
            })
            .collect();
        let mut open = OpenTable {
            table: Table {
                name: table,
                chains,
            },
            places: FxHashMap::default(),
        };
        open.index();
        self.open = Some(open);
        Ok(())
    }

    fn commit(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        match self
            .tables
            .iter_mut()
            .find(|table| table.name == open.table.name)
        {
            Some(before) => *before = open.table,
            None => self.tables.push(open.table),
        }
    }
}

/// `[PACKETS:BYTES]` at a line's beginning, and what follows it.
fn rule_counters(line: &str, offset: usize) -> Result<(Option<Counters>, &str), Problem> {
    let Some(inner) = line.strip_prefix('[') else {
        return Ok((None, line));
    };
    let end = inner.find(']').unwrap_or(inner.len());
    let counters = parse_counters(&line[..(end + 2).min(line.len())]).ok_or_else(|| {
        let span = offset..offset + end + 1;
        Problem::new(
            span,
            "these are no counters",
            "`[PACKETS:BYTES]` before the rule",
        )
    })?;
    Ok((Some(counters), &inner[end + 1..]))
}

fn parse_counters(text: &str) -> Option<Counters> {
    let (packets, bytes) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some(Counters {
        packets: packets.parse().ok()?,
        bytes: bytes.parse().ok()?,
    })
}

impl OpenTable {
    fn index(&mut self) {
        self.places = self
            .table
            .chains
            .iter()
            .enumerate()
            .map(|(place, chain)| (chain.name.clone(), place))
            .collect();
    }

    /// `:CHAIN POLICY [PACKETS:BYTES]`.
    fn declare(&mut self, words: &[Word<'_>], line: std::ops::Range<usize>) -> Result<(), Problem> {
        let (name, policy, counters) = match words {
            [name, policy] => (name, policy, None),
            [name, policy, counters, ..] => (name, policy, Some(counters)),
            _ => {
                return Err(Problem::new(
                    line,
                    "this declares no chain",
                    "`:CHAIN POLICY`, where a user's chain has `-` for a policy",
                ));
            }
        };
        let counters = match counters {
            // Behind a user's chain the tools read nothing (iptables/iptables-restore.c); Felix
            // writes `- -`.
            Some(word) if policy.text == "-" => parse_counters(&word.text),
            Some(word) => Some(
                parse_counters(&word.text)
                    .ok_or_else(|| word.problem("counters: `[PACKETS:BYTES]`"))?,
            ),
            None => None,
        };
        if Hook::of_chain(&name.text).is_some() {
            let chain = self.chain_mut(name)?;
            if policy.text != "-" {
                chain.policy = Some(parse_policy(policy)?);
            }
            chain.counters = counters;
            return Ok(());
        }
        if policy.text != "-" {
            return Err(policy.because("can't be a user's chain's policy", "`-`"));
        }
        self.make(name, counters)
    }

    fn make(&mut self, name: &Word<'_>, counters: Option<Counters>) -> Result<(), Problem> {
        check_chain_name(name)?;
        if self.places.contains_key(&*name.text) {
            return Err(name.because("is there already", "a chain's new name"));
        }
        self.places
            .insert(name.text.clone().into_owned(), self.table.chains.len());
        self.table.chains.push(Chain {
            name: name.text.clone().into_owned(),
            policy: None,
            counters,
            rules: Vec::new(),
        });
        Ok(())
    }

    fn chain_mut(&mut self, name: &Word<'_>) -> Result<&mut Chain, Problem> {
        match self.places.get(&*name.text) {
            Some(place) => Ok(&mut self.table.chains[*place]),
            None => Err(name.because(
                format!("is no chain of table {}", self.table.name),
                "a built-in chain, or one that a line `:CHAIN -` or `-N CHAIN` before it makes",
            )),
        }
    }

    fn obey(
        &mut self,
        mut command: CommandLine<'_>,
        family: Family,
        line: usize,
    ) -> Result<(), Problem> {
        let order = std::mem::replace(&mut command.order, Order::Append);
        let name = command.chain.clone();
        match (order, name) {
            (Order::Flush, None) => self
                .table
                .chains
                .iter_mut()
                .for_each(|one| one.rules.clear()),
            (Order::Zero, None) => self.table.chains.iter_mut().for_each(zero),
            (Order::DeleteChain, None) => self.delete_chains(),
            (_, None) => {}
            (Order::Flush, Some(name)) => self.chain_mut(&name)?.rules.clear(),
            (Order::Zero, Some(name)) => zero(self.chain_mut(&name)?),
            (Order::DeleteChain, Some(name)) => self.delete_chain(&name)?,
            (Order::NewChain, Some(name)) => self.make(&name, None)?,
            (Order::Rename(to), Some(name)) => self.rename(&name, &to)?,
            (Order::Policy(policy), Some(name)) => {
                let policy = parse_policy(&policy)?;
                let chain = self.chain_mut(&name)?;
                if chain.policy.replace(policy).is_none() {
                    return Err(name.because("is a user's chain", "a built-in chain"));
                }
                chain.counters = None;
            }
            (Order::Append, Some(name)) => {
                let rules = self.rules(command, family, line)?;
                self.chain_mut(&name)?.rules.extend(rules);
            }
            (Order::Insert(place), Some(name)) => {
                let rules = self.rules(command, family, line)?;
                let chain = self.chain_mut(&name)?;
                check_place(&name, place, chain.rules.len() + 1)?;
                // Each is put at the same place, so that the last comes to stand first.
                rules
                    .into_iter()
                    .for_each(|rule| chain.rules.insert(place, rule));
            }
            (Order::Replace(place), Some(name)) => {
                let mut rules = self.rules(command, family, line)?;
                let chain = self.chain_mut(&name)?;
                check_place(&name, place, chain.rules.len())?;
                match rules.len() {
                    1 => chain.rules[place] = rules.remove(0),
                    _ => return Err(name.because("gets several rules for one", "one address")),
                }
            }
            (Order::Delete(Some(place)), Some(name)) => {
                let chain = self.chain_mut(&name)?;
                check_place(&name, place, chain.rules.len())?;
                chain.rules.remove(place);
            }
            (Order::Delete(None), Some(name)) => {
                for rule in self.rules(command, family, line)? {
                    let chain = self.chain_mut(&name)?;
                    let place = chain.rules.iter().position(|other| same_rule(other, &rule));
                    let place =
                        place.ok_or_else(|| name.because("has no such rule", "a rule of it"))?;
                    chain.rules.remove(place);
                }
            }
        }
        Ok(())
    }

    fn rules(
        &self,
        command: CommandLine<'_>,
        family: Family,
        line: usize,
    ) -> Result<Vec<Rule>, Problem> {
        let is_chain =
            |name: &str| self.places.contains_key(name) && Hook::of_chain(name).is_none();
        let place = Place {
            family,
            table: self.table.name,
            line,
            is_chain: &is_chain,
        };
        rule::rules(command, &place)
    }

    fn delete_chain(&mut self, name: &Word<'_>) -> Result<(), Problem> {
        let chain = self.chain_mut(name)?;
        if chain.policy.is_some() || !chain.rules.is_empty() {
            return Err(name.because("is built in or not empty", "an empty chain of a user"));
        }
        self.table.chains.retain(|chain| chain.name != name.text);
        self.index();
        Ok(())
    }

    fn delete_chains(&mut self) {
        self.table
            .chains
            .retain(|chain| chain.policy.is_some() || !chain.rules.is_empty());
        self.index();
    }

    fn rename(&mut self, from: &Word<'_>, to: &Word<'_>) -> Result<(), Problem> {
        use crate::xtables::target::Target;
        check_chain_name(to)?;
        if self.places.contains_key(&*to.text) {
            return Err(to.because("is there already", "a chain's new name"));
        }
        let chain = self.chain_mut(from)?;
        if chain.policy.is_some() {
            return Err(from.because("is built in", "a user's chain"));
        }
        chain.name = to.text.clone().into_owned();
        for rule in self
            .table
            .chains
            .iter_mut()
            .flat_map(|chain| &mut chain.rules)
        {
            if let Target::Jump(name) | Target::Goto(name) = &mut rule.target
                && *name == from.text
            {
                *name = to.text.clone().into_owned();
            }
        }
        self.index();
        Ok(())
    }
}

fn zero(chain: &mut Chain) {
    let rules = chain.rules.iter_mut().map(|rule| &mut rule.counters);
    for counters in rules.chain([&mut chain.counters]) {
        *counters = counters.map(|_| Counters::default());
    }
}

fn same_rule(one: &Rule, other: &Rule) -> bool {
    let bare = |rule: &Rule| Rule {
        counters: None,
        line: 0,
        ..rule.clone()
    };
    bare(one) == bare(other)
}

fn check_place(name: &Word<'_>, place: usize, places: usize) -> Result<(), Problem> {
    if place < places {
        return Ok(());
    }
    let found = format!("has no place {}", place + 1);
    Err(name.because(found, format!("a place from 1 to {places}")))
}

fn parse_policy(word: &Word<'_>) -> Result<Policy, Problem> {
    match &*word.text {
        "ACCEPT" => Ok(Policy::Accept),
        "DROP" => Ok(Policy::Drop),
        _ => Err(word.because("is no policy", "ACCEPT or DROP")),
    }
}

/// As the tools have it (iptables/xshared.c, `assert_valid_chain_name`).
fn check_chain_name(name: &Word<'_>) -> Result<(), Problem> {
    let text = &*name.text;
    let expected = "a chain's name of 1 to 28 bytes that begins with neither `-` nor `!`";
    if text.is_empty() || text.len() > LONGEST_NAME || text.starts_with(['-', '!']) {
        return Err(name.problem(expected));
    }
    if text.chars().any(char::is_whitespace) {
        return Err(name.problem("a chain's name without white space"));
    }
    if modules::find_target(text).is_some() || modules::is_known_target(text) {
        return Err(name.because("is a target's name", "a name of its own for the chain"));
    }
    Ok(())
}
