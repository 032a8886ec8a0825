//! `-m addrtype`, `-m iprange`, `-m rpfilter` (extensions/libxt_addrtype.c, libxt_iprange.c,
//! libxt_rpfilter.c).

use std::net::IpAddr;

use super::{Module, module};
use crate::xtables::error::Problem;
use crate::xtables::matches::{AddressTypes, AddrtypeTest, IprangeTest, Match, Not, RpfilterTest};
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::{Listed, Text};
use crate::xtables::save::value;
use crate::xtables::scalar::Address;

pub(super) static MATCHES: [Module<Match>; 3] = [
    module("addrtype", ADDRTYPE, read_addrtype),
    module("iprange", IPRANGE, read_iprange),
    module("rpfilter", RPFILTER, |options| {
        Ok(Match::Rpfilter(RpfilterTest {
            loose: options.flag("loose"),
            valid_mark: options.flag("validmark"),
            accept_local: options.flag("accept-local"),
            invert: options.flag("invert"),
        }))
    }),
];

const ADDRTYPE: &[OptionSpec] = &[
    option("src-type", 1).negatable(),
    option("dst-type", 1).negatable(),
    option("limit-iface-in", 0),
    option("limit-iface-out", 0),
];

const IPRANGE: &[OptionSpec] = &[
    option("src-range", 1).negatable(),
    option("dst-range", 1).negatable(),
];

const RPFILTER: &[OptionSpec] = &[
    option("loose", 0),
    option("validmark", 0),
    option("accept-local", 0),
    option("invert", 0),
];

fn read_addrtype(options: &Options<'_>) -> Result<Match, Problem> {
    options.at_least_one(&["src-type", "dst-type"])?;
    options.at_most_one(&["limit-iface-in", "limit-iface-out"])?;
    Ok(Match::Addrtype(AddrtypeTest {
        source: options.negatable("src-type", address_types)?,
        destination: options.negatable("dst-type", address_types)?,
        limit_in: options.flag("limit-iface-in"),
        limit_out: options.flag("limit-iface-out"),
    }))
}

fn address_types(word: &Word<'_>, _: &Context) -> Result<AddressTypes, Problem> {
    let mut place = 0;
    let names = AddressTypes::NAMES.map(|name| {
        place += 1;
        (name, AddressTypes::one(place - 1))
    });
    let expected = "UNSPEC, UNICAST, LOCAL, BROADCAST, ANYCAST, MULTICAST, BLACKHOLE, UNREACHABLE, \
                    PROHIBIT, THROW, NAT, XRESOLVE parted by commas";
    let types = value::name_list(word, &names, expected)?;
    let bits = types.into_iter().fold(0, |all, one| all | one.0);
    Ok(AddressTypes(bits))
}

fn read_iprange(options: &Options<'_>) -> Result<Match, Problem> {
    options.at_least_one(&["src-range", "dst-range"])?;
    Ok(Match::Iprange(IprangeTest {
        source: options.negatable("src-range", address_range)?,
        destination: options.negatable("dst-range", address_range)?,
    }))
}

fn address_range(word: &Word<'_>, context: &Context) -> Result<(IpAddr, IpAddr), Problem> {
    let (first, last) = word
        .text
        .split_once('-')
        .unwrap_or((&word.text, &word.text));
    Ok((
        value::address_of(word, first, context.family)?,
        value::address_of(word, last, context.family)?,
    ))
}

pub(super) fn write_addrtype(text: &mut Text, test: &AddrtypeTest) {
    text.module("addrtype");
    write_types(text, "src-type", &test.source);
    write_types(text, "dst-type", &test.destination);
    text.flag_if(test.limit_in, "limit-iface-in");
    text.flag_if(test.limit_out, "limit-iface-out");
}

fn write_types(text: &mut Text, name: &str, types: &Option<Not<AddressTypes>>) {
    let Some(not) = types else {
        return;
    };
    let bits = not.value.0;
    let set = AddressTypes::NAMES
        .into_iter()
        .enumerate()
        .filter(move |(place, _)| bits & AddressTypes::one(*place).0 != 0)
        .map(|(_, name)| name);
    text.negatable(name, not.negated, Listed(set));
}

pub(super) fn write_iprange(text: &mut Text, test: &IprangeTest) {
    text.module("iprange");
    for (name, range) in [
        ("src-range", &test.source),
        ("dst-range", &test.destination),
    ] {
        if let Some(not) = range {
            let (first, last) = not.value;
            text.negatable(
                name,
                not.negated,
                format_args!("{}-{}", Address(first), Address(last)),
            );
        }
    }
}

pub(super) fn write_rpfilter(text: &mut Text, test: RpfilterTest) {
    text.module("rpfilter");
    text.flag_if(test.loose, "loose");
    text.flag_if(test.valid_mark, "validmark");
    text.flag_if(test.accept_local, "accept-local");
    text.flag_if(test.invert, "invert");
}
