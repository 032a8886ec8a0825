//! `-j LOG`, `-j NFLOG`, `-j TRACE` (extensions/libxt_LOG.c, libxt_NFLOG.c, libxt_TRACE.c).

use super::{Module, jump, module};
use crate::xtables::error::Problem;
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::{Quoted, Text};
use crate::xtables::save::value;
use crate::xtables::scalar::parse_number;
use crate::xtables::target::{Log, Nflog, Target};

pub(super) static TARGETS: [Module<Target>; 3] = [
    module("LOG", LOG, read_log),
    module("NFLOG", NFLOG, read_nflog),
    module("TRACE", &[], |_| Ok(Target::Trace)),
];

const LOG: &[OptionSpec] = &[
    option("log-level", 1),
    option("log-prefix", 1),
    option("log-tcp-sequence", 0),
    option("log-tcp-options", 0),
    option("log-ip-options", 0),
    option("log-uid", 0),
    option("log-macdecode", 0),
];

const NFLOG: &[OptionSpec] = &[
    option("nflog-group", 1),
    option("nflog-prefix", 1),
    option("nflog-range", 1),
    option("nflog-size", 1),
    option("nflog-threshold", 1),
];

/// Names of syslog's levels.
const LEVELS: [(&str, u8); 9] = [
    ("alert", 1),
    ("crit", 2),
    ("debug", 7),
    ("emerg", 0),
    ("error", 3),
    ("info", 6),
    ("notice", 5),
    ("panic", 0),
    ("warning", 4),
];

/// The level of a rule that names none: warning.
const DEFAULT_LEVEL: u8 = 4;

fn read_log(options: &Options<'_>) -> Result<Target, Problem> {
    Ok(Target::Log(Log {
        prefix: options.value("log-prefix", prefix)?,
        level: options
            .value("log-level", level)?
            .filter(|level| *level != DEFAULT_LEVEL),
        tcp_sequence: options.flag("log-tcp-sequence"),
        tcp_options: options.flag("log-tcp-options"),
        ip_options: options.flag("log-ip-options"),
        uid: options.flag("log-uid"),
        mac_decode: options.flag("log-macdecode"),
    }))
}

fn prefix(word: &Word<'_>, _: &Context) -> Result<String, Problem> {
    match word.text.is_empty() {
        true => Err(word.problem("a prefix of one character at least")),
        false => Ok(word.text.clone().into_owned()),
    }
}

fn level(word: &Word<'_>, _: &Context) -> Result<u8, Problem> {
    let number = parse_number(&word.text).filter(|level| *level <= 7);
    let mut known = LEVELS.iter();
    number
        .map(|level| level as u8)
        .or_else(|| {
            known
                .find(|(name, _)| *name == word.text)
                .map(|(_, level)| *level)
        })
        .ok_or_else(|| word.problem("a level from 0 to 7 or its name, such as `debug`"))
}

fn read_nflog(options: &Options<'_>) -> Result<Target, Problem> {
    options.at_most_one(&["nflog-range", "nflog-size"])?;
    Ok(Target::Nflog(Nflog {
        group: options.value("nflog-group", value::number16)?.unwrap_or(0),
        prefix: options.value("nflog-prefix", prefix)?,
        range: options.value("nflog-range", value::number32)?,
        size: options.value("nflog-size", value::number32)?,
        threshold: options.value("nflog-threshold", value::number16)?,
    }))
}

pub(super) fn write_log(text: &mut Text, log: &Log) {
    jump(text, "LOG");
    if let Some(prefix) = &log.prefix {
        text.option("log-prefix", Quoted(prefix));
    }
    if let Some(level) = log.level {
        text.option("log-level", level);
    }
    text.flag_if(log.tcp_sequence, "log-tcp-sequence");
    text.flag_if(log.tcp_options, "log-tcp-options");
    text.flag_if(log.ip_options, "log-ip-options");
    text.flag_if(log.uid, "log-uid");
    text.flag_if(log.mac_decode, "log-macdecode");
}

pub(super) fn write_nflog(text: &mut Text, nflog: &Nflog) {
    jump(text, "NFLOG");
    if let Some(prefix) = &nflog.prefix {
        text.option("nflog-prefix", Quoted(prefix));
    }
    if nflog.group != 0 {
        text.option("nflog-group", nflog.group);
    }
    if let Some(size) = nflog.size {
        text.option("nflog-size", size);
    }
    if let Some(range) = nflog.range {
        text.option("nflog-range", range);
    }
    if let Some(threshold) = nflog.threshold {
        text.option("nflog-threshold", threshold);
    }
}
