//! From a command line to the rules that it stands for.

use super::command::{CommandLine, Kind, Loaded};
use super::modules;
use super::options::{Context, Options};
use super::restore::LONGEST_NAME;
use super::value;
use crate::packet::{Family, Protocol};
use crate::xtables::error::Problem;
use crate::xtables::matches::{Match, Not};
use crate::xtables::ruleset::{AddressMask, Hook, InterfacePattern, Rule, TableName};
use crate::xtables::target::Target;

/// Where a rule is read for.
pub(super) struct Place<'a> {
    /// iptables' or ip6tables'.
    pub family: Family,
    /// The table.
    pub table: TableName,
    /// The line, counted from 1.
    pub line: usize,
    /// Whether a chain of a name is there.
    pub is_chain: &'a dyn Fn(&str) -> bool,
}

/// The rules of a line: one for each pair of its sources and destinations, in the order in which
/// iptables adds them.
pub(super) fn rules(command: CommandLine<'_>, place: &Place<'_>) -> Result<Vec<Rule>, Problem> {
    check_interfaces(&command)?;
    let sources = separate(command.sources);
    let destinations = separate(command.destinations);
    let context = Context {
        family: place.family,
        protocol: command.protocol,
    };
    let mut rule = Rule {
        counters: command.counters,
        source: None,
        destination: None,
        in_interface: some_interface(command.in_interface.map(|(pattern, _)| pattern)),
        out_interface: some_interface(command.out_interface.map(|(pattern, _)| pattern)),
        protocol: command.protocol.filter(|not| not.value != Protocol(0)),
        fragment: command.fragment,
        matches: Vec::with_capacity(command.modules.len()),
        target: Target::None,
        line: place.line,
    };
    for loaded in command.modules {
        match loaded.kind {
            Kind::Match(module) => rule.matches.push((module.read)(&options(loaded, context))?),
            Kind::OpaqueMatch => rule.matches.push(Match::Opaque {
                module: loaded.name.text.into_owned(),
                words: loaded.words,
            }),
            Kind::Target(module) => {
                check_nat_drop(&loaded, place.table)?;
                rule.target = (module.read)(&options(loaded, context))?;
            }
            Kind::OtherTarget => rule.target = other_target(loaded, command.goto, place)?,
        }
    }
    let destinations = &destinations;
    let pairs = sources.iter().flat_map(|source| {
        let to = move |destination| (source, destination);
        destinations.iter().map(to)
    });
    let copies = std::iter::repeat_n(rule, sources.len() * destinations.len());
    let rules = copies.zip(pairs).map(|(copy, (source, destination))| Rule {
        source: *source,
        destination: *destination,
        ..copy
    });
    Ok(rules.collect())
}

fn options<'t>(loaded: Loaded<'t>, context: Context) -> Options<'t> {
    Options {
        module: loaded.name,
        given: loaded.given,
        context,
    }
}

/// An address under an empty mask asks nothing, unless it is negated.
fn separate(addresses: Option<Not<Vec<AddressMask>>>) -> Vec<Option<Not<AddressMask>>> {
    let Some(Not { negated, value }) = addresses else {
        return vec![None];
    };
    value
        .into_iter()
        .map(|value| {
            let asks = negated || value::prefix_length(value.mask) != Some(0);
            asks.then_some(Not { negated, value })
        })
        .collect()
}

/// `-i +` asks nothing, unless it is negated.
fn some_interface(pattern: Option<Not<InterfacePattern>>) -> Option<Not<InterfacePattern>> {
    let every = InterfacePattern::Prefix(String::new());
    pattern.filter(|not| not.negated || not.value != every)
}

/// What has no incoming (outgoing) interface yet can't be asked for it (iptables/xshared.c).
fn check_interfaces(command: &CommandLine<'_>) -> Result<(), Problem> {
    let Some(chain) = &command.chain else {
        return Ok(());
    };
    let refused = match Hook::of_chain(&chain.text) {
        Some(Hook::Prerouting | Hook::Input) => &command.out_interface,
        Some(Hook::Output | Hook::Postrouting) => &command.in_interface,
        _ => &None,
    };
    match refused {
        Some((_, span)) => Err(Problem::new(
            span.clone(),
            format!("packets in {} have no such interface", chain.text),
            "the other interface, or none",
        )),
        None => Ok(()),
    }
}

fn check_nat_drop(target: &Loaded<'_>, table: TableName) -> Result<(), Problem> {
    match (&*target.name.text, table) {
        ("DROP", TableName::Nat) => Err(target.name.because(
            "is refused in the nat table, which is asked for a connection's first packet only",
            "another target",
        )),
        _ => Ok(()),
    }
}

/// A chain has no options (iptables/xshared.c, `command_default`).
fn jump(target: &Loaded<'_>, goto: bool) -> Result<Target, Problem> {
    let name = target.name.text.clone().into_owned();
    match target.words.first() {
        Some(word) => Err(target.name.because(
            format!("is a chain, and `{word}` none of its options"),
            "options of a match behind the `-p` or `-m` that knows them",
        )),
        None if goto => Ok(Target::Goto(name)),
        None => Ok(Target::Jump(name)),
    }
}

fn other_target(target: Loaded<'_>, goto: bool, place: &Place<'_>) -> Result<Target, Problem> {
    let name = &*target.name.text;
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_whitespace) {
        let expected = "a name of 1 to 28 bytes without white space";
        return Err(target.name.problem(expected));
    }
    if (place.is_chain)(name) {
        return jump(&target, goto);
    }
    let known = modules::is_known_target(name) || !target.words.is_empty();
    if known && !goto {
        return Ok(Target::Opaque {
            name: target.name.text.into_owned(),
            words: target.words,
        });
    }
    Err(target.name.because(
        format!(
            "is no target, and table {} has no such chain up to here",
            place.table
        ),
        "a target, or a chain that a line `:CHAIN -` or `-N CHAIN` before it makes",
    ))
}
