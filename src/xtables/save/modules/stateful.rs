//! Matches whose answer hangs on time or on earlier packets: `-m limit`, `-m hashlimit`,
//! `-m connlimit`, `-m recent`, `-m time`, `-m policy`. Their options are checked and kept as words.

use super::{Module, module};
use crate::xtables::error::Problem;
use crate::xtables::matches::{Match, StatefulKind, StatefulTest};
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, Read, option};
use crate::xtables::save::text::Text;
use crate::xtables::save::value;

pub(super) static MATCHES: [Module<Match>; 6] = [
    module("limit", LIMIT, |options| read(options, StatefulKind::Limit)),
    module("recent", RECENT, |options| {
        let orders = ["set", "rcheck", "update", "remove"];
        options.at_least_one(&orders)?;
        options.at_most_one(&orders)?;
        read(options, StatefulKind::Recent)
    }),
    module("hashlimit", HASHLIMIT, |options| {
        let rates = ["hashlimit-upto", "hashlimit-above"];
        options.at_least_one(&rates)?;
        options.at_most_one(&rates)?;
        options.at_least_one(&["hashlimit-name"])?;
        read(options, StatefulKind::Hashlimit)
    }),
    module("connlimit", CONNLIMIT, |options| {
        options.at_least_one(&["connlimit-upto", "connlimit-above"])?;
        options.at_most_one(&["connlimit-upto", "connlimit-above"])?;
        options.at_most_one(&["connlimit-saddr", "connlimit-daddr"])?;
        read(options, StatefulKind::Connlimit)
    }),
    module("time", TIME, |options| read(options, StatefulKind::Time)),
    module("policy", POLICY, |options| {
        options.at_least_one(&["dir"])?;
        read(options, StatefulKind::Policy)
    }),
];

const LIMIT: &[OptionSpec] = &[option("limit", 1), option("limit-burst", 1)];

const HASHLIMIT: &[OptionSpec] = &[
    option("hashlimit-upto", 1).negatable(),
    option("hashlimit-upto", 1).negatable().also("hashlimit"),
    option("hashlimit-above", 1).negatable(),
    option("hashlimit-srcmask", 1),
    option("hashlimit-dstmask", 1),
    option("hashlimit-burst", 1),
    option("hashlimit-htable-size", 1),
    option("hashlimit-htable-max", 1),
    option("hashlimit-htable-gcinterval", 1),
    option("hashlimit-htable-expire", 1),
    option("hashlimit-mode", 1),
    option("hashlimit-name", 1),
    option("hashlimit-rate-match", 0),
    option("hashlimit-rate-interval", 1),
];

const CONNLIMIT: &[OptionSpec] = &[
    option("connlimit-upto", 1).negatable(),
    option("connlimit-above", 1).negatable(),
    option("connlimit-mask", 1),
    option("connlimit-saddr", 0),
    option("connlimit-daddr", 0),
];

const RECENT: &[OptionSpec] = &[
    option("set", 0).negatable(),
    option("rcheck", 0).negatable(),
    option("update", 0).negatable(),
    option("remove", 0).negatable(),
    option("seconds", 1),
    option("reap", 0),
    option("hitcount", 1),
    option("rttl", 0),
    option("name", 1),
    option("rsource", 0),
    option("rdest", 0),
    option("mask", 1),
];

const TIME: &[OptionSpec] = &[
    option("datestart", 1),
    option("datestop", 1),
    option("timestart", 1),
    option("timestop", 1),
    option("contiguous", 0),
    option("weekdays", 1).negatable(),
    option("monthdays", 1).negatable(),
    option("kerneltz", 0),
    option("kerneltz", 0).also("localtz"),
    option("utc", 0),
];

const POLICY: &[OptionSpec] = &[
    option("dir", 1),
    option("pol", 1),
    option("strict", 0),
    option("reqid", 1).negatable().repeatable(),
    option("spi", 1).negatable().repeatable(),
    option("tunnel-src", 1).negatable().repeatable(),
    option("tunnel-dst", 1).negatable().repeatable(),
    option("proto", 1).negatable().repeatable(),
    option("mode", 1).negatable().repeatable(),
    option("next", 0).repeatable(),
];

fn read(options: &Options<'_>, kind: StatefulKind) -> Result<Match, Problem> {
    for given in &options.given {
        if let Some(word) = given.arguments.first() {
            checker(given.spec.means)(word, &options.context)?;
        }
    }
    Ok(Match::Stateful(StatefulTest {
        kind,
        words: options.words(),
    }))
}

/// What an option's word must be.
fn checker(option: &str) -> Read<()> {
    match option {
        "limit" => |word, _| rate(word),
        "limit-burst" => |word, _| value::number_within(word, &word.text, 0, 10_000).map(drop),
        "hashlimit-upto" | "hashlimit-above" => |word, _| byte_rate(word),
        "hashlimit-htable-size"
        | "hashlimit-htable-max"
        | "hashlimit-htable-gcinterval"
        | "hashlimit-htable-expire"
        | "connlimit-upto"
        | "connlimit-above"
        | "seconds"
        | "hitcount"
        | "reqid"
        | "spi" => |word, context| value::number32(word, context).map(drop),
        "hashlimit-mode" => |word, _| hash_mode(word),
        "mask" => |word, context| value::address(word, context).map(drop),
        "tunnel-src" | "tunnel-dst" => {
            |word, context| value::host_and_mask(word, context).map(drop)
        }
        "proto" => |word, context| value::protocol(word, context).map(drop),
        "dir" => |word, _| one_of(word, &["in", "out"]),
        "pol" => |word, _| one_of(word, &["none", "ipsec"]),
        "mode" => |word, _| one_of(word, &["transport", "tunnel"]),
        _ => |word: &Word<'_>, context: &Context| value::text(word, context).map(drop),
    }
}

fn one_of(word: &Word<'_>, allowed: &[&str]) -> Result<(), Problem> {
    match allowed.contains(&&*word.text) {
        true => Ok(()),
        false => Err(word.problem(allowed.join(" or "))),
    }
}

/// Units of time with their seconds; any abbreviation will do.
const UNITS: [(&str, u64); 4] = [
    ("second", 1),
    ("minute", 60),
    ("hour", 3600),
    ("day", 86400),
];

/// `PACKETS/UNIT`, not so fast that the kernel's period would be zero (libxt_limit.c, `parse_rate`).
fn rate(word: &Word<'_>) -> Result<(), Problem> {
    let (packets, unit) = word.text.split_once('/').unwrap_or((&word.text, "second"));
    let fastest = value::abbreviated(&UNITS, unit).map(|seconds| seconds * 10_000);
    packets
        .parse::<u64>()
        .ok()
        .zip(fastest)
        .filter(|(packets, fastest)| (1..=*fastest).contains(packets))
        .map(drop)
        .ok_or_else(|| word.problem("a rate such as 3/hour, up to 10000/second"))
}

/// A rate in packets as above but finer, or in bytes: `512kb/s`.
fn byte_rate(word: &Word<'_>) -> Result<(), Problem> {
    let bytes = word.text.strip_suffix("b/s");
    let (number, unit) = match bytes {
        Some(bytes) => (bytes.trim_end_matches(['k', 'm']), "second"),
        None => word.text.split_once('/').unwrap_or((&word.text, "second")),
    };
    let known = value::abbreviated(&UNITS, unit).is_some();
    let positive = number.parse::<u64>().is_ok_and(|number| number > 0);
    match known && positive {
        true => Ok(()),
        false => Err(word.problem("a rate such as 100/second or 512kb/s")),
    }
}

fn hash_mode(word: &Word<'_>) -> Result<(), Problem> {
    let parts = ["srcip", "srcport", "dstip", "dstport"];
    let mut modes = word.text.split([',', '|']).filter(|mode| !mode.is_empty());
    match modes.all(|mode| parts.contains(&mode)) {
        true => Ok(()),
        false => Err(word.problem("srcip, srcport, dstip, dstport parted by commas")),
    }
}

pub(super) fn write(text: &mut Text, test: &StatefulTest) {
    text.module(test.kind.name());
    text.words(&test.words);
}
