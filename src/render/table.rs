//! Felix's rules, chains and tables, and their way into a firewall.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::fragment::{Action, Fragment, Network, Refusal};
use crate::calico::configuration::InsertMode;
use crate::hash::{self, ChainHasher, RULE_PREFIX};
use crate::packet::Family;
use crate::verdict::NotProgrammed;
use crate::xtables::ruleset::AddressMask;
use crate::xtables::set::Set;
use crate::xtables::{Chain, Firewall, Hook, Match, Not, Rule, Ruleset, Table, TableName};

/// A rule as Felix has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FelixRule {
    /// What it asks, in the order in which it is hashed.
    pub asks: Vec<Fragment>,
    /// What it does.
    pub action: Action,
    /// What it says behind its hash.
    pub comments: Vec<Cow<'static, str>>,
}

impl FelixRule {
    /// A rule that asks these.
    #[must_use]
    pub fn when(asks: impl Into<Vec<Fragment>>, action: Action) -> Self {
        Self {
            asks: asks.into(),
            action,
            comments: Vec::new(),
        }
    }

    /// A rule that asks nothing.
    #[must_use]
    pub fn always(action: Action) -> Self {
        Self::when([], action)
    }

    /// The same with a comment more.
    #[must_use]
    pub fn saying(mut self, comment: impl Into<Cow<'static, str>>) -> Self {
        self.comments.push(comment.into());
        self
    }

    /// Writes match and action as they are hashed.
    fn spell(&self, text: &mut String) {
        // Writing to a String does not fail.
        for fragment in &self.asks {
            let _ = write!(text, "{fragment} ");
        }
        let _ = write!(text, "{}", self.action);
        // A rule without a target ends with what it asks.
        text.truncate(text.trim_end().len());
    }

    /// The rules that the tools make of it: of one that names several addresses, one for each.
    fn program(&self, hash: &str, family: Family) -> Result<Vec<Rule>, Refusal> {
        let several = self.asks.iter().enumerate();
        let mut several = several.filter_map(|(place, fragment)| match fragment {
            Fragment::AnyAddress(end, addresses) => Some((place, *end, addresses)),
            _ => None,
        });
        let Some((place, end, addresses)) = several.next() else {
            return Ok(vec![self.program_one(hash, family)?]);
        };
        let rules = addresses.iter().map(|address| {
            let mut one = self.clone();
            let address = Network::Address(*address);
            one.asks[place] = Fragment::Address(end, Not::is(address));
            one.program_one(hash, family)
        });
        rules.collect()
    }

    /// The rule that the tools make of it, its comments first, as Felix writes them.
    fn program_one(&self, hash: &str, family: Family) -> Result<Rule, Refusal> {
        let mut rule = Rule {
            target: self.action.target(family),
            ..Rule::default()
        };
        let comments = self.comments.iter();
        rule.matches.reserve(1 + comments.len() + self.asks.len());
        let hash = Match::Comment(format!("{RULE_PREFIX}{hash}"));
        rule.matches.push(hash);
        let comments = comments.map(|comment| Match::Comment(comment.clone().into_owned()));
        rule.matches.extend(comments);
        for fragment in &self.asks {
            fragment.add_to(&mut rule, family)?;
        }
        rule.source = rule.source.filter(asks_something);
        rule.destination = rule.destination.filter(asks_something);
        Ok(rule)
    }
}

/// The tools make nothing of a prefix that holds every address, unless it is negated
/// (iptables/xshared.c, `save_ipv4_addr`).
fn asks_something(address: &Not<AddressMask>) -> bool {
    address.negated || !address.value.mask.is_unspecified()
}

/// A chain as Felix has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FelixChain {
    /// Its name.
    pub name: String,
    /// Its rules, first to last.
    pub rules: Vec<FelixRule>,
}

impl FelixChain {
    /// A chain.
    #[must_use]
    pub fn new(name: impl Into<String>, rules: Vec<FelixRule>) -> Self {
        Self {
            name: name.into(),
            rules,
        }
    }

    fn program(&self, table: TableName, family: Family) -> Result<Chain, NotProgrammed> {
        Ok(Chain {
            name: self.name.clone(),
            policy: None,
            counters: None,
            rules: program_rules(Place::In(&self.name), &self.rules, table, family)?,
        })
    }
}

/// Where rules stand: in a chain of their own, among others at the beginning of one of the kernel's (or
/// as a whole at its end), or always behind others there.
#[derive(Clone, Copy)]
enum Place<'a> {
    In(&'a str),
    Behind(Hook),
}

impl Place<'_> {
    /// The chain.
    fn chain(&self) -> &str {
        match self {
            Self::In(chain) => chain,
            Self::Behind(hook) => hook.chain(),
        }
    }

    fn hasher(self) -> ChainHasher {
        match self {
            Self::In(chain) => ChainHasher::new(chain),
            Self::Behind(hook) => ChainHasher::new(&hash::appended_to(hook.chain())),
        }
    }
}

/// Calls with each rule, its hash and its spelling: rules of the same place are hashed one over the
/// other.
fn hashed<E>(
    place: Place<'_>,
    rules: &[FelixRule],
    mut call: impl FnMut(&FelixRule, &str, &str) -> Result<(), E>,
) -> Result<(), E> {
    let mut hasher = place.hasher();
    let mut spelling = String::new();
    for rule in rules {
        spelling.clear();
        rule.spell(&mut spelling);
        let hash = hasher.next(rule.comments.iter().map(Cow::as_ref), &spelling);
        call(rule, &hash, &spelling)?;
    }
    Ok(())
}

fn program_rules(
    place: Place<'_>,
    rules: &[FelixRule],
    table: TableName,
    family: Family,
) -> Result<Vec<Rule>, NotProgrammed> {
    let mut programmed = Vec::with_capacity(rules.len());
    let chain = place.chain();
    hashed(place, rules, |rule, hash, _| {
        let number = programmed.len() + 1;
        let rules = rule
            .program(hash, family)
            .map_err(|refusal| NotProgrammed {
                tool: restore_tool(family).to_owned(),
                message: format!("{table}/{chain} rule {number}: {refusal}"),
            })?;
        programmed.extend(rules);
        Ok(())
    })?;
    Ok(programmed)
}

/// The tool that loads a family's rules.
#[must_use]
pub fn restore_tool(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables-restore",
        Family::V6 => "ip6tables-restore",
    }
}

/// A table as Felix has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FelixTable {
    /// Which.
    pub name: TableName,
    /// The rules that it puts into each of the kernel's chains.
    pub hooks: Vec<(Hook, Vec<FelixRule>)>,
    /// The rules that it puts at the end of each, wherever the others go.
    pub appends: Vec<(Hook, Vec<FelixRule>)>,
    /// Its chains, in the order of their names.
    pub chains: Vec<FelixChain>,
}

impl FelixTable {
    /// A table whose built-in chains at these hooks each jump to Calico's chain of the same name.
    #[must_use]
    pub fn new(name: TableName, hooks: &[Hook], mut chains: Vec<FelixChain>) -> Self {
        chains.sort_by(|one, other| one.name.cmp(&other.name));
        let hooks = hooks.iter().map(|hook| {
            let jump = Action::Jump(format!("cali-{hook}"));
            (*hook, vec![FelixRule::always(jump)])
        });
        Self {
            name,
            hooks: hooks.collect(),
            appends: Vec::new(),
            chains,
        }
    }

    /// The same with rules at the end of one of the kernel's chains.
    #[must_use]
    pub fn appending(mut self, hook: Hook, rules: Vec<FelixRule>) -> Self {
        self.appends.push((hook, rules));
        self
    }

    /// All its rules.
    pub fn rules(&self) -> impl Iterator<Item = &FelixRule> {
        let hooks = self.hooks.iter().chain(&self.appends);
        let hooks = hooks.map(|(_, rules)| rules);
        let chains = self.chains.iter().map(|chain| &chain.rules);
        hooks.chain(chains).flatten()
    }

    fn program(&self, family: Family) -> Result<RenderedTable, NotProgrammed> {
        let hooks = self.hooks.iter().map(|(hook, rules)| {
            let rules = program_rules(Place::In(hook.chain()), rules, self.name, family)?;
            Ok((*hook, rules))
        });
        let appends = self.appends.iter().map(|(hook, rules)| {
            let rules = program_rules(Place::Behind(*hook), rules, self.name, family)?;
            Ok((*hook, rules))
        });
        let chains = self.chains.iter();
        Ok(RenderedTable {
            name: self.name,
            hooks: hooks.collect::<Result<_, _>>()?,
            appends: appends.collect::<Result<_, _>>()?,
            chains: chains
                .map(|chain| chain.program(self.name, family))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The lines that Felix hands to the restore tool, for tables that hold nothing yet.
    fn write(&self, text: &mut String) {
        // Writing to a String does not fail.
        let _ = writeln!(text, "*{}", self.name);
        for chain in &self.chains {
            let _ = writeln!(text, ":{} - -", chain.name);
        }
        for chain in &self.chains {
            write_rules(text, Place::In(&chain.name), &chain.rules);
        }
        for (hook, rules) in &self.hooks {
            write_rules(text, Place::In(hook.chain()), rules);
        }
        for (hook, rules) in &self.appends {
            write_rules(text, Place::Behind(*hook), rules);
        }
        text.push_str("COMMIT\n");
    }
}

fn write_rules(text: &mut String, place: Place<'_>, rules: &[FelixRule]) {
    let chain = place.chain();
    let wrote: Result<(), std::fmt::Error> = hashed(place, rules, |rule, hash, spelling| {
        let hash = format!("-m comment --comment \"{RULE_PREFIX}{hash}\"");
        write!(text, "-A {chain} {hash}")?;
        for comment in &rule.comments {
            write!(text, " -m comment --comment \"{comment}\"")?;
        }
        let space = if spelling.is_empty() { "" } else { " " };
        writeln!(text, "{space}{spelling}")
    });
    // Writing to a String does not fail.
    let _ = wrote;
}

/// What Felix makes of a world, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// iptables' tables.
    pub v4: Vec<FelixTable>,
    /// ip6tables' tables; none where Felix leaves IPv6 alone.
    pub v6: Vec<FelixTable>,
    /// The sets, in the order in which they are created.
    pub sets: Vec<Set>,
    /// Where its rules stand in the kernel's chains.
    pub insert_mode: InsertMode,
}

impl Draft {
    /// The text for one family's restore tool as Felix writes it, which differs from
    /// iptables-save's.
    #[must_use]
    pub fn text(&self, family: Family) -> String {
        let mut text = String::new();
        let tables = match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        };
        for table in tables {
            table.write(&mut text);
        }
        text
    }

    /// The first rule of a family of which iptables takes no such, whatever stands around it, as Felix spells
    /// it.
    #[must_use]
    pub fn refused_rule(&self, family: Family) -> Option<String> {
        let tables = match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        };
        let mut rules = tables.iter().flat_map(FelixTable::rules);
        let refused = |rule: &&FelixRule| rule.program("", family).is_err();
        rules.find(refused).map(|rule| {
            let mut spelling = String::new();
            rule.spell(&mut spelling);
            spelling
        })
    }

    /// One family's tables as typed rules.
    ///
    /// # Errors
    ///
    /// [`NotProgrammed`] where iptables takes no such rule.
    pub fn program_family(&self, family: Family) -> Result<Vec<RenderedTable>, NotProgrammed> {
        let tables = match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        };
        tables.iter().map(|table| table.program(family)).collect()
    }

    /// The same of both families, with the sets.
    ///
    /// # Errors
    ///
    /// [`NotProgrammed`] where iptables takes no such rule.
    pub fn program(self) -> Result<Rendered, NotProgrammed> {
        Ok(Rendered {
            v4: self.program_family(Family::V4)?,
            v6: self.program_family(Family::V6)?,
            sets: self.sets,
            insert_mode: self.insert_mode,
        })
    }
}

/// A table as it is programmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedTable {
    /// Which.
    pub name: TableName,
    /// The rules that go into each of the kernel's chains.
    pub hooks: Vec<(Hook, Vec<Rule>)>,
    /// The rules that go to the end of each, wherever the others go.
    pub appends: Vec<(Hook, Vec<Rule>)>,
    /// Calico's chains, in the order of their names.
    pub chains: Vec<Chain>,
}

/// What is programmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// iptables' tables.
    pub v4: Vec<RenderedTable>,
    /// ip6tables' tables; none where Felix leaves IPv6 alone.
    pub v6: Vec<RenderedTable>,
    /// The sets, in the order in which they are created.
    pub sets: Vec<Set>,
    /// Where the rules stand in the kernel's chains.
    pub insert_mode: InsertMode,
}

impl Rendered {
    /// Puts the rules and sets into a firewall that has none of Calico's: other programs' rules and
    /// the policies of the kernel's chains stay. Chains besides the kernel's are then in the order
    /// of their names, as iptables-legacy keeps them (libiptc/libiptc.c, `iptc_insert_chain`).
    pub fn install(self, firewall: &mut Firewall) {
        firewall.sets.extend(self.sets);
        for (tables, ruleset) in [(self.v4, &mut firewall.v4), (self.v6, &mut firewall.v6)] {
            for table in tables {
                install_table(table, ruleset, self.insert_mode);
            }
        }
    }
}

fn install_table(rendered: RenderedTable, ruleset: &mut Ruleset, mode: InsertMode) {
    let mut known = ruleset.tables.iter();
    let known = known.position(|table| table.name == rendered.name);
    let place = known.unwrap_or_else(|| {
        ruleset.tables.push(Table::untouched(rendered.name));
        ruleset.tables.len() - 1
    });
    let table = &mut ruleset.tables[place];
    for (hook, rules) in rendered.hooks {
        let chain = built_in(table, hook);
        let at = match mode {
            InsertMode::Insert => 0,
            InsertMode::Append => chain.rules.len(),
        };
        chain.rules.splice(at..at, rules);
    }
    for (hook, rules) in rendered.appends {
        built_in(table, hook).rules.extend(rules);
    }
    table.chains.extend(rendered.chains);
    table
        .chains
        .sort_by(|one, other| order(one).cmp(&order(other)));
}

/// The kernel's chains first, as they are; the others by name.
fn order(chain: &Chain) -> (bool, &str) {
    match chain.policy {
        Some(_) => (false, ""),
        None => (true, &chain.name),
    }
}

/// The kernel's chain at a hook; where the table did not say that it has it, untouched.
fn built_in(table: &mut Table, hook: Hook) -> &mut Chain {
    let mut known = table.chains.iter();
    let known = known.position(|chain| chain.name == hook.chain());
    let place = known.unwrap_or_else(|| {
        table.chains.push(Chain::untouched(hook));
        table.chains.len() - 1
    });
    &mut table.chains[place]
}
