//! `-m rt`: IPv6's routing header (extensions/libip6t_rt.c).

use std::net::Ipv6Addr;

use super::{Module, module};
use crate::packet::Family;
use crate::xtables::error::Problem;
use crate::xtables::matches::{Match, Not, RoutingHeaderTest, RoutingStops};
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::{Listed, Range, Text};
use crate::xtables::save::value;
use crate::xtables::scalar::Address;

pub(super) static MATCHES: [Module<Match>; 1] = [module("rt", OPTIONS, read).only(Family::V6)];

const OPTIONS: &[OptionSpec] = &[
    option("rt-type", 1).negatable(),
    option("rt-segsleft", 1).negatable(),
    option("rt-len", 1).negatable(),
    option("rt-0-res", 0),
    option("rt-0-addrs", 1),
    option("rt-0-not-strict", 0),
];

/// How many addresses a rule can list (include/uapi/linux/netfilter_ipv6/ip6t_rt.h, `IP6T_RT_HOPS`).
const STOPS: usize = 16;

fn read(options: &Options<'_>) -> Result<Match, Problem> {
    let kind = options.negatable("rt-type", value::number32)?;
    let is_zero = kind == Some(Not::is(0));
    for name in ["rt-0-res", "rt-0-addrs"] {
        needs_before(options, name, "rt-type", is_zero, "`--rt-type 0` before it")?;
    }
    needs_before(
        options,
        "rt-0-not-strict",
        "rt-0-addrs",
        true,
        "`--rt-0-addrs` before it",
    )?;
    let stops = options.value("rt-0-addrs", addresses)?;
    Ok(Match::RoutingHeader(Box::new(RoutingHeaderTest {
        kind,
        segments_left: options.negatable("rt-segsleft", segments)?,
        length: options.negatable("rt-len", value::number32)?,
        reserved: options.flag("rt-0-res"),
        stops: stops.map(|addresses| RoutingStops {
            addresses,
            strict: !options.flag("rt-0-not-strict"),
        }),
    })))
}

/// Refuses an option without the one that must stand before it, and be so.
fn needs_before(
    options: &Options<'_>,
    name: &str,
    first: &str,
    is_so: bool,
    expected: &str,
) -> Result<(), Problem> {
    let Some(given) = options.find(name) else {
        return Ok(());
    };
    let before = options.find(first);
    match before.is_some_and(|before| before.span.start < given.span.start) && is_so {
        true => Ok(()),
        false => Err(Problem::new(
            given.span.clone(),
            format!("`--{name}` stands alone"),
            expected,
        )),
    }
}

fn segments(word: &Word<'_>, _: &Context) -> Result<(u32, u32), Problem> {
    let (first, last) = value::number_range(word, u32::MAX.into())?;
    Ok((first as u32, last as u32))
}

fn addresses(word: &Word<'_>, _: &Context) -> Result<Vec<Ipv6Addr>, Problem> {
    let parts = word.text.split(',').map(|part| part.parse().ok());
    let addresses: Option<Vec<Ipv6Addr>> = parts.collect();
    addresses
        .filter(|addresses| addresses.len() <= STOPS)
        .ok_or_else(|| word.problem("1 to 16 IPv6 addresses parted by commas"))
}

pub(super) fn write(text: &mut Text, test: &RoutingHeaderTest) {
    text.module("rt");
    if let Some(kind) = test.kind {
        text.negatable("rt-type", kind.negated, kind.value);
    }
    // The tool prints no range that leaves nothing out, not even negated.
    let segments = test.segments_left;
    if let Some(Not { negated, value }) = segments.filter(|not| not.value != (0, u32::MAX)) {
        text.negatable("rt-segsleft", negated, Range(value.0, value.1));
    }
    if let Some(length) = test.length {
        text.negatable("rt-len", length.negated, length.value);
    }
    text.flag_if(test.reserved, "rt-0-res");
    if let Some(stops) = &test.stops {
        let addresses = stops.addresses.iter();
        let addresses = addresses.map(|address| Address((*address).into()));
        text.option("rt-0-addrs", Listed(addresses));
        text.flag_if(!stops.strict, "rt-0-not-strict");
    }
}

#[cfg(test)]
mod tests {
    use crate::packet::Family;
    use crate::xtables::save::parse;

    fn refusal(options: &str) -> String {
        let text = format!("*filter\n-A INPUT -m rt {options}\nCOMMIT\n");
        let refused = parse("rules", &text, Family::V6);
        refused.map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    }

    #[test]
    fn what_only_type_zero_has_stands_behind_it() {
        for (options, words) in [
            ("--rt-0-res", "`--rt-type 0` before it"),
            ("--rt-0-res --rt-type 0", "`--rt-type 0` before it"),
            ("--rt-type 1 --rt-0-addrs ::1", "`--rt-type 0` before it"),
            ("! --rt-type 0 --rt-0-res", "`--rt-type 0` before it"),
            ("--rt-type 0 --rt-0-not-strict", "`--rt-0-addrs` before it"),
            ("--rt-type 0 --rt-0-addrs ::1,", "1 to 16 IPv6 addresses"),
            ("--rt-type 0 --rt-0-addrs ::1 --rt-0-not-strict", "taken"),
        ] {
            let said = refusal(options);
            assert!(said.contains(words), "{options}: {said}");
        }
        let list = |count| format!("--rt-type 0 --rt-0-addrs {}", vec!["::1"; count].join(","));
        assert_eq!(refusal(&list(16)), "taken");
        assert!(refusal(&list(17)).contains("1 to 16"));
    }
}
