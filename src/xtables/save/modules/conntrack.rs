//! `-m conntrack`, `-m state`, `-j CT`, `-j NOTRACK` (extensions/libxt_conntrack.c, libxt_CT.c).

use super::{Module, jump, module};
use crate::xtables::error::Problem;
use crate::xtables::matches::{ConnectionStatus, Conntrack, Match, Not, PortRange, States};
use crate::xtables::ruleset::AddressMask;
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::{Host, Listed, Ports, Range, Text};
use crate::xtables::save::value;
use crate::xtables::target::{Ct, Target};

pub(super) static MATCHES: [Module<Match>; 2] = [
    module("conntrack", CONNTRACK, read_conntrack),
    module("state", &[option("state", 1).negatable()], |options| {
        Ok(Match::State(options.required("state", read_state)?))
    }),
];

pub(super) static TARGETS: [Module<Target>; 2] = [
    module("CT", CT, read_ct),
    module("NOTRACK", &[], |_| Ok(Target::Notrack)),
];

const CONNTRACK: &[OptionSpec] = &[
    option("ctstate", 1).negatable(),
    option("ctproto", 1).negatable(),
    option("ctorigsrc", 1).negatable(),
    option("ctorigdst", 1).negatable(),
    option("ctreplsrc", 1).negatable(),
    option("ctrepldst", 1).negatable(),
    option("ctorigsrcport", 1).negatable(),
    option("ctorigdstport", 1).negatable(),
    option("ctreplsrcport", 1).negatable(),
    option("ctrepldstport", 1).negatable(),
    option("ctstatus", 1).negatable(),
    option("ctexpire", 1).negatable(),
    option("ctdir", 1),
];

const CT: &[OptionSpec] = &[
    option("notrack", 0),
    option("helper", 1),
    option("timeout", 1),
    option("ctevents", 1),
    option("expevents", 1),
    option("zone", 1),
    option("zone-orig", 1),
    option("zone-reply", 1),
];

fn read_states(word: &Word<'_>, _: &Context) -> Result<States, Problem> {
    let expected = "INVALID, NEW, ESTABLISHED, RELATED, UNTRACKED, SNAT, DNAT parted by commas";
    let states = value::name_list(word, &States::NAMES, expected)?;
    Ok(states.into_iter().fold(States::default(), States::union))
}

fn read_state(word: &Word<'_>, _: &Context) -> Result<States, Problem> {
    let expected = "INVALID, NEW, ESTABLISHED, RELATED, UNTRACKED parted by commas";
    let states = value::name_list(word, &States::NAMES[..5], expected)?;
    Ok(states.into_iter().fold(States::default(), States::union))
}

fn read_statuses(word: &Word<'_>, _: &Context) -> Result<ConnectionStatus, Problem> {
    let mut names = vec![("NONE", ConnectionStatus::NONE)];
    names.extend(ConnectionStatus::NAMES);
    let expected = "NONE, EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED parted by commas";
    let statuses = value::name_list(word, &names, expected)?;
    let bits = statuses.into_iter().fold(0, |all, status| all | status.0);
    Ok(ConnectionStatus(bits))
}

fn read_seconds(word: &Word<'_>, _: &Context) -> Result<(u32, u32), Problem> {
    let (first, last) = value::number_range(word, u32::MAX.into())?;
    Ok((first as u32, last as u32))
}

fn read_direction(word: &Word<'_>, _: &Context) -> Result<bool, Problem> {
    match word.text.to_ascii_uppercase().as_str() {
        "ORIGINAL" => Ok(true),
        "REPLY" => Ok(false),
        _ => Err(word.problem("ORIGINAL or REPLY")),
    }
}

fn read_conntrack(options: &Options<'_>) -> Result<Match, Problem> {
    if options.given.is_empty() {
        return Err(options.missing("`--ctstate` or another of its options behind it"));
    }
    let host = |name| options.negatable(name, value::host_and_mask);
    let ports = |name| options.negatable(name, value::connection_ports);
    Ok(Match::Conntrack(Box::new(Conntrack {
        states: options.negatable("ctstate", read_states)?,
        protocol: options.negatable("ctproto", |word, context| {
            Ok(value::protocol(word, context)?.0)
        })?,
        original_source: host("ctorigsrc")?,
        original_destination: host("ctorigdst")?,
        reply_source: host("ctreplsrc")?,
        reply_destination: host("ctrepldst")?,
        original_source_port: ports("ctorigsrcport")?,
        original_destination_port: ports("ctorigdstport")?,
        reply_source_port: ports("ctreplsrcport")?,
        reply_destination_port: ports("ctrepldstport")?,
        status: options.negatable("ctstatus", read_statuses)?,
        expires: options.negatable("ctexpire", read_seconds)?,
        original_direction: options.value("ctdir", read_direction)?,
    })))
}

fn read_ct(options: &Options<'_>) -> Result<Target, Problem> {
    let zone = |word: &Word<'_>, _: &Context| match word.text.eq_ignore_ascii_case("mark") {
        true => Ok(0),
        false => value::number_within(word, &word.text, 0, u16::MAX.into()),
    };
    for name in ["zone", "zone-orig", "zone-reply"] {
        options.value(name, zone)?;
    }
    let mut words = options.words();
    words.retain(|word| word != "--notrack");
    Ok(Target::Ct(Ct {
        notrack: options.flag("notrack"),
        words,
    }))
}

fn states(states: States) -> impl Iterator<Item = &'static str> + Clone {
    let set = move |(_, state): &(&str, States)| states.intersects(*state);
    States::NAMES.into_iter().filter(set).map(|(name, _)| name)
}

fn write_host(text: &mut Text, name: &str, host: &Option<Not<AddressMask>>) {
    if let Some(not) = host {
        text.negatable(name, not.negated, Host(not.value));
    }
}

fn write_ports(text: &mut Text, name: &str, ports: &Option<Not<PortRange>>) {
    if let Some(not) = ports {
        text.negatable(name, not.negated, Ports(not.value));
    }
}

pub(super) fn write_conntrack(text: &mut Text, test: &Conntrack) {
    text.module("conntrack");
    if let Some(not) = test.states {
        text.negatable("ctstate", not.negated, Listed(states(not.value)));
    }
    if let Some(not) = test.protocol {
        text.negatable("ctproto", not.negated, not.value);
    }
    write_host(text, "ctorigsrc", &test.original_source);
    write_host(text, "ctorigdst", &test.original_destination);
    write_host(text, "ctreplsrc", &test.reply_source);
    write_host(text, "ctrepldst", &test.reply_destination);
    write_ports(text, "ctorigsrcport", &test.original_source_port);
    write_ports(text, "ctorigdstport", &test.original_destination_port);
    write_ports(text, "ctreplsrcport", &test.reply_source_port);
    write_ports(text, "ctrepldstport", &test.reply_destination_port);
    if let Some(not) = test.status {
        text.negatable("ctstatus", not.negated, statuses(not.value));
    }
    if let Some(not) = test.expires {
        let (first, last) = not.value;
        text.negatable("ctexpire", not.negated, Range(first, last));
    }
    match test.original_direction {
        Some(true) => text.option("ctdir", "ORIGINAL"),
        Some(false) => text.option("ctdir", "REPLY"),
        None => {}
    }
}

fn statuses(status: ConnectionStatus) -> String {
    if status == ConnectionStatus::NONE {
        return "NONE".to_owned();
    }
    let set = ConnectionStatus::NAMES
        .iter()
        .filter(|(_, one)| status.0 & one.0 != 0);
    Listed(set.map(|(name, _)| *name)).to_string()
}

pub(super) fn write_state(text: &mut Text, not: &Not<States>) {
    text.module("state");
    text.negatable("state", not.negated, Listed(states(not.value)));
}

pub(super) fn write_ct(text: &mut Text, ct: &Ct) {
    jump(text, "CT");
    text.flag_if(ct.notrack, "notrack");
    text.words(&ct.words);
}
