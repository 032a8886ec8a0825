//! `-m icmp`, `-m icmp6` (extensions/libxt_icmp.h, libipt_icmp.c, libip6t_icmp6.c).

use super::{Module, module};
use crate::packet::Family;
use crate::xtables::error::Problem;
use crate::xtables::matches::{IcmpTest, Match, Not};
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, option};
use crate::xtables::save::text::{Range, Text};
use crate::xtables::scalar::parse_number;

pub(super) static MATCHES: [Module<Match>; 2] = [
    module("icmp", &[option("icmp-type", 1).negatable()], |options| {
        Ok(Match::Icmp(options.required("icmp-type", read_icmp)?))
    })
    .only(Family::V4),
    module(
        "icmp6",
        &[option("icmpv6-type", 1).negatable()],
        |options| Ok(Match::Icmp6(options.required("icmpv6-type", read_icmp6)?)),
    )
    .only(Family::V6),
];

/// A name, its type, its lowest and its highest code.
type Named = (&'static str, u8, u8, u8);

const ICMP: [Named; 40] = [
    ("any", 255, 0, 255),
    ("echo-reply", 0, 0, 255),
    ("pong", 0, 0, 255),
    ("destination-unreachable", 3, 0, 255),
    ("network-unreachable", 3, 0, 0),
    ("host-unreachable", 3, 1, 1),
    ("protocol-unreachable", 3, 2, 2),
    ("port-unreachable", 3, 3, 3),
    ("fragmentation-needed", 3, 4, 4),
    ("source-route-failed", 3, 5, 5),
    ("network-unknown", 3, 6, 6),
    ("host-unknown", 3, 7, 7),
    ("network-prohibited", 3, 9, 9),
    ("host-prohibited", 3, 10, 10),
    ("TOS-network-unreachable", 3, 11, 11),
    ("TOS-host-unreachable", 3, 12, 12),
    ("communication-prohibited", 3, 13, 13),
    ("host-precedence-violation", 3, 14, 14),
    ("precedence-cutoff", 3, 15, 15),
    ("source-quench", 4, 0, 255),
    ("redirect", 5, 0, 255),
    ("network-redirect", 5, 0, 0),
    ("host-redirect", 5, 1, 1),
    ("TOS-network-redirect", 5, 2, 2),
    ("TOS-host-redirect", 5, 3, 3),
    ("echo-request", 8, 0, 255),
    ("ping", 8, 0, 255),
    ("router-advertisement", 9, 0, 255),
    ("router-solicitation", 10, 0, 255),
    ("time-exceeded", 11, 0, 255),
    ("ttl-exceeded", 11, 0, 255),
    ("ttl-zero-during-transit", 11, 0, 0),
    ("ttl-zero-during-reassembly", 11, 1, 1),
    ("parameter-problem", 12, 0, 255),
    ("ip-header-bad", 12, 0, 0),
    ("required-option-missing", 12, 1, 1),
    ("timestamp-request", 13, 0, 255),
    ("timestamp-reply", 14, 0, 255),
    ("address-mask-request", 17, 0, 255),
    ("address-mask-reply", 18, 0, 255),
];

const ICMP6: [Named; 28] = [
    ("destination-unreachable", 1, 0, 255),
    ("no-route", 1, 0, 0),
    ("communication-prohibited", 1, 1, 1),
    ("beyond-scope", 1, 2, 2),
    ("address-unreachable", 1, 3, 3),
    ("port-unreachable", 1, 4, 4),
    ("failed-policy", 1, 5, 5),
    ("reject-route", 1, 6, 6),
    ("packet-too-big", 2, 0, 255),
    ("time-exceeded", 3, 0, 255),
    ("ttl-exceeded", 3, 0, 255),
    ("ttl-zero-during-transit", 3, 0, 0),
    ("ttl-zero-during-reassembly", 3, 1, 1),
    ("parameter-problem", 4, 0, 255),
    ("bad-header", 4, 0, 0),
    ("unknown-header-type", 4, 1, 1),
    ("unknown-option", 4, 2, 2),
    ("echo-request", 128, 0, 255),
    ("ping", 128, 0, 255),
    ("echo-reply", 129, 0, 255),
    ("pong", 129, 0, 255),
    ("router-solicitation", 133, 0, 255),
    ("router-advertisement", 134, 0, 255),
    ("neighbour-solicitation", 135, 0, 255),
    ("neighbor-solicitation", 135, 0, 255),
    ("neighbour-advertisement", 136, 0, 255),
    ("neighbor-advertisement", 136, 0, 255),
    ("redirect", 137, 0, 255),
];

fn read_icmp(word: &Word<'_>, _: &Context) -> Result<IcmpTest, Problem> {
    read(word, ICMP.iter())
}

fn read_icmp6(word: &Word<'_>, _: &Context) -> Result<IcmpTest, Problem> {
    read(word, ICMP6.iter())
}

/// A name, perhaps abbreviated, or `TYPE`, `TYPE/CODE` or `TYPE/FIRST:LAST`.
fn read<'n>(word: &Word<'_>, names: impl Iterator<Item = &'n Named>) -> Result<IcmpTest, Problem> {
    let text = &*word.text;
    let mut named = names.filter(|(name, ..)| {
        name.get(..text.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(text))
    });
    match (named.next(), named.next()) {
        (Some((_, kind, first_code, last_code)), None) => {
            return Ok(IcmpTest {
                kind: *kind,
                first_code: *first_code,
                last_code: *last_code,
            });
        }
        (Some((one, ..)), Some((other, ..))) => {
            let found = format!("is short for {one} and for {other}");
            return Err(word.because(found, "one of them"));
        }
        (None, _) => {}
    }
    let expected = || word.problem("a type such as 8, 3/1 or `echo-request`, numbers up to 255");
    let byte = |text: &str| {
        let number = parse_number(text).and_then(|number| u8::try_from(number).ok());
        number.ok_or_else(expected)
    };
    let (kind, codes) = match text.split_once('/') {
        Some((kind, codes)) => (kind, Some(codes)),
        None => (text, None),
    };
    let (first_code, last_code) =
        match codes.map(|codes| codes.split_once(':').unwrap_or((codes, codes))) {
            Some((first, last)) => (byte(first)?, byte(last)?),
            None => (0, 255),
        };
    Ok(IcmpTest {
        kind: byte(kind)?,
        first_code,
        last_code,
    })
}

pub(super) fn write_icmp(text: &mut Text, test: &Not<IcmpTest>) {
    text.module("icmp");
    match test.value {
        IcmpTest {
            kind: 255,
            first_code: 0,
            last_code: 255,
        } => text.negatable("icmp-type", test.negated, "any"),
        _ => write(text, "icmp-type", test),
    }
}

pub(super) fn write_icmp6(text: &mut Text, test: &Not<IcmpTest>) {
    text.module("icmp6");
    write(text, "icmpv6-type", test);
}

fn write(text: &mut Text, name: &str, test: &Not<IcmpTest>) {
    let IcmpTest {
        kind,
        first_code,
        last_code,
    } = test.value;
    match (first_code, last_code) {
        (0, 255) => text.negatable(name, test.negated, kind),
        _ => {
            let codes = Range(first_code, last_code);
            text.negatable(name, test.negated, format_args!("{kind}/{codes}"));
        }
    }
}
