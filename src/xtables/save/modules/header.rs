//! What looks at or changes single fields of headers: `-m ttl`, `-m hl`, `-m dscp`, `-m tos`,
//! `-m length`, `-j TTL`, `-j HL`, `-j DSCP`, `-j TOS`, `-j TCPMSS`, `-j CHECKSUM`.

use super::{Module, jump, module};
use crate::packet::Family;
use crate::xtables::error::Problem;
use crate::xtables::matches::{HopsTest, Match, Not};
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::{Range, Text};
use crate::xtables::save::value;
use crate::xtables::scalar::parse_number;
use crate::xtables::target::{HopsChange, Target, TcpMss, TrafficClass};

pub(super) static MATCHES: [Module<Match>; 5] = [
    module("ttl", TTL, |options| {
        read_hops(options, ["ttl-eq", "ttl-lt", "ttl-gt"])
    })
    .only(Family::V4),
    module("hl", HL, |options| {
        read_hops(options, ["hl-eq", "hl-lt", "hl-gt"])
    })
    .only(Family::V6),
    module("dscp", DSCP, read_dscp),
    module("tos", &[option("tos", 1).negatable()], |options| {
        Ok(Match::Tos(options.required("tos", masked_tos)?))
    }),
    module("length", &[option("length", 1).negatable()], |options| {
        let lengths = options.required("length", |word, _| {
            let (first, last) = value::number_range(word, u16::MAX.into())?;
            Ok((first as u16, last as u16))
        })?;
        Ok(Match::Length(lengths))
    }),
];

pub(super) static TARGETS: [Module<Target>; 6] = [
    module("TCPMSS", TCPMSS, read_mss),
    module("CHECKSUM", &[option("checksum-fill", 0)], |options| {
        options.at_least_one(&["checksum-fill"])?;
        Ok(Target::Checksum)
    }),
    module("DSCP", SET_DSCP, read_set_dscp),
    module("TOS", SET_TOS, read_set_tos),
    module("TTL", SET_TTL, |options| {
        read_hops_change(options, ["ttl-set", "ttl-inc", "ttl-dec"])
    })
    .only(Family::V4),
    module("HL", SET_HL, |options| {
        read_hops_change(options, ["hl-set", "hl-inc", "hl-dec"])
    })
    .only(Family::V6),
];

const TTL: &[OptionSpec] = &[
    option("ttl-eq", 1).negatable(),
    option("ttl-eq", 1).also("ttl"),
    option("ttl-lt", 1),
    option("ttl-gt", 1),
];

const HL: &[OptionSpec] = &[
    option("hl-eq", 1).negatable(),
    option("hl-eq", 1).negatable().also("hl"),
    option("hl-lt", 1),
    option("hl-gt", 1),
];

const DSCP: &[OptionSpec] = &[
    option("dscp", 1).negatable(),
    option("dscp-class", 1).negatable(),
];

const TCPMSS: &[OptionSpec] = &[option("set-mss", 1), option("clamp-mss-to-pmtu", 0)];
const SET_DSCP: &[OptionSpec] = &[option("set-dscp", 1), option("set-dscp-class", 1)];
const SET_TOS: &[OptionSpec] = &[
    option("set-tos", 1),
    option("and-tos", 1),
    option("or-tos", 1),
    option("xor-tos", 1),
];
const SET_TTL: &[OptionSpec] = &[
    option("ttl-set", 1),
    option("ttl-inc", 1),
    option("ttl-dec", 1),
];
const SET_HL: &[OptionSpec] = &[
    option("hl-set", 1),
    option("hl-inc", 1),
    option("hl-dec", 1),
];

/// DiffServ classes (extensions/dscp_helper.c).
const CLASSES: [(&str, u8); 22] = [
    ("CS0", 0x00),
    ("CS1", 0x08),
    ("CS2", 0x10),
    ("CS3", 0x18),
    ("CS4", 0x20),
    ("CS5", 0x28),
    ("CS6", 0x30),
    ("CS7", 0x38),
    ("BE", 0x00),
    ("AF11", 0x0a),
    ("AF12", 0x0c),
    ("AF13", 0x0e),
    ("AF21", 0x12),
    ("AF22", 0x14),
    ("AF23", 0x16),
    ("AF31", 0x1a),
    ("AF32", 0x1c),
    ("AF33", 0x1e),
    ("AF41", 0x22),
    ("AF42", 0x24),
    ("AF43", 0x26),
    ("EF", 0x2e),
];

/// Old names of whole types of service; their mask is 0x3f (extensions/tos_values.c).
const SERVICES: [(&str, u8); 5] = [
    ("Minimize-Delay", 0x10),
    ("Maximize-Throughput", 0x08),
    ("Maximize-Reliability", 0x04),
    ("Minimize-Cost", 0x02),
    ("Normal-Service", 0x00),
];

fn read_hops(options: &Options<'_>, names: [&str; 3]) -> Result<Match, Problem> {
    options.at_least_one(&names)?;
    options.at_most_one(&names)?;
    let [equal, below, above] = names;
    if let Some(not) = options.negatable(equal, value::number8)? {
        return Ok(Match::Hops(match not.negated {
            true => HopsTest::NotEqual(not.value),
            false => HopsTest::Equal(not.value),
        }));
    }
    if let Some(limit) = options.value(below, value::number8)? {
        return Ok(Match::Hops(HopsTest::Below(limit)));
    }
    let limit = options.required(above, value::number8)?;
    Ok(Match::Hops(HopsTest::Above(limit.value)))
}

fn read_dscp(options: &Options<'_>) -> Result<Match, Problem> {
    options.at_most_one(&["dscp", "dscp-class"])?;
    match options.negatable("dscp-class", class)? {
        Some(class) => Ok(Match::Dscp(class)),
        None => Ok(Match::Dscp(options.required("dscp", codepoint)?)),
    }
}

fn codepoint(word: &Word<'_>, _: &Context) -> Result<u8, Problem> {
    Ok(value::number_within(word, &word.text, 0, 63)? as u8)
}

fn class(word: &Word<'_>, _: &Context) -> Result<u8, Problem> {
    let mut known = CLASSES.iter();
    known
        .find(|(name, _)| name.eq_ignore_ascii_case(&word.text))
        .map(|(_, codepoint)| *codepoint)
        .ok_or_else(|| word.problem("a class: EF, BE, CS0 to CS7, or AF11 to AF43"))
}

fn masked_tos(word: &Word<'_>, _: &Context) -> Result<(u8, u8), Problem> {
    let byte = |text: &str| parse_number(text).and_then(|byte| u8::try_from(byte).ok());
    let mut services = SERVICES.iter();
    let service = services.find(|(name, _)| name.eq_ignore_ascii_case(&word.text));
    let pair = match (service, word.text.split_once('/')) {
        (Some((_, value)), _) => Some((*value, 0x3f)),
        (None, Some((value, mask))) => byte(value).zip(byte(mask)),
        (None, None) => byte(&word.text).map(|value| (value, 0xff)),
    };
    pair.ok_or_else(|| {
        word.problem("a byte such as 0x10 or 0x10/0x3f, or Minimize-Delay or the like")
    })
}

fn read_mss(options: &Options<'_>) -> Result<Target, Problem> {
    options.at_least_one(&["set-mss", "clamp-mss-to-pmtu"])?;
    if options.flag("clamp-mss-to-pmtu") {
        return Ok(Target::TcpMss(TcpMss::Clamp));
    }
    let set = options.required("set-mss", |word, context| {
        let header = match context.family {
            Family::V4 => 20,
            Family::V6 => 40,
        };
        let highest = u64::from(u16::MAX) - header;
        Ok(value::number_within(word, &word.text, 0, highest)? as u16)
    })?;
    Ok(Target::TcpMss(TcpMss::Set(set.value)))
}

fn read_set_dscp(options: &Options<'_>) -> Result<Target, Problem> {
    options.at_most_one(&["set-dscp", "set-dscp-class"])?;
    let codepoint = match options.value("set-dscp-class", class)? {
        Some(codepoint) => codepoint,
        None => options.required("set-dscp", codepoint)?.value,
    };
    Ok(Target::TrafficClass(TrafficClass::Dscp(codepoint)))
}

fn read_set_tos(options: &Options<'_>) -> Result<Target, Problem> {
    let names = ["set-tos", "and-tos", "or-tos", "xor-tos"];
    options.at_least_one(&names)?;
    options.at_most_one(&names)?;
    let (value, mask) = if let Some(pair) = options.value("set-tos", masked_tos)? {
        pair
    } else if let Some(bits) = options.value("and-tos", value::number8)? {
        (0, !bits)
    } else if let Some(bits) = options.value("or-tos", value::number8)? {
        (bits, bits)
    } else {
        (options.required("xor-tos", value::number8)?.value, 0)
    };
    Ok(Target::TrafficClass(TrafficClass::Tos { value, mask }))
}

fn read_hops_change(options: &Options<'_>, names: [&str; 3]) -> Result<Target, Problem> {
    options.at_least_one(&names)?;
    options.at_most_one(&names)?;
    let [set, increase, decrease] = names;
    let step = |word: &Word<'_>, _: &Context| {
        value::number_within(word, &word.text, 1, 255).map(|step| step as u8)
    };
    if let Some(hops) = options.value(set, value::number8)? {
        return Ok(Target::Hops(HopsChange::Set(hops)));
    }
    if let Some(hops) = options.value(increase, step)? {
        return Ok(Target::Hops(HopsChange::Increase(hops)));
    }
    let hops = options.required(decrease, step)?;
    Ok(Target::Hops(HopsChange::Decrease(hops.value)))
}

fn hops_prefix(family: Family) -> &'static str {
    match family {
        Family::V4 => "ttl",
        Family::V6 => "hl",
    }
}

pub(super) fn write_hops(text: &mut Text, test: HopsTest, family: Family) {
    let prefix = hops_prefix(family);
    text.module(prefix);
    match test {
        HopsTest::Equal(hops) => text.option(&format!("{prefix}-eq"), hops),
        HopsTest::NotEqual(hops) => text.negatable(&format!("{prefix}-eq"), true, hops),
        HopsTest::Below(hops) => text.option(&format!("{prefix}-lt"), hops),
        HopsTest::Above(hops) => text.option(&format!("{prefix}-gt"), hops),
    }
}

pub(super) fn write_dscp(text: &mut Text, not: &Not<u8>) {
    text.module("dscp");
    text.negatable("dscp", not.negated, format_args!("{:#04x}", not.value));
}

pub(super) fn write_tos(text: &mut Text, not: &Not<(u8, u8)>) {
    let (value, mask) = not.value;
    text.module("tos");
    text.negatable("tos", not.negated, format_args!("{value:#04x}/{mask:#04x}"));
}

pub(super) fn write_length(text: &mut Text, not: &Not<(u16, u16)>) {
    let (first, last) = not.value;
    text.module("length");
    text.negatable("length", not.negated, Range(first, last));
}

pub(super) fn write_class(text: &mut Text, class: TrafficClass) {
    match class {
        TrafficClass::Dscp(codepoint) => {
            jump(text, "DSCP");
            text.option("set-dscp", format_args!("{codepoint:#04x}"));
        }
        TrafficClass::Tos { value, mask } => {
            jump(text, "TOS");
            text.option("set-tos", format_args!("{value:#04x}/{mask:#04x}"));
        }
    }
}

pub(super) fn write_hops_change(text: &mut Text, change: HopsChange, family: Family) {
    let prefix = hops_prefix(family);
    jump(text, &prefix.to_ascii_uppercase());
    match change {
        HopsChange::Set(hops) => text.option(&format!("{prefix}-set"), hops),
        HopsChange::Increase(hops) => text.option(&format!("{prefix}-inc"), hops),
        HopsChange::Decrease(hops) => text.option(&format!("{prefix}-dec"), hops),
    }
}

pub(super) fn write_mss(text: &mut Text, mss: TcpMss) {
    jump(text, "TCPMSS");
    match mss {
        TcpMss::Set(size) => text.option("set-mss", size),
        TcpMss::Clamp => text.flag("clamp-mss-to-pmtu"),
    }
}
