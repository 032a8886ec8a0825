//! `-m mark`, `-m connmark`, `-j MARK`, `-j CONNMARK` (extensions/libxt_mark.c, libxt_connmark.c,
//! libxt_MARK.c, libxt_CONNMARK.c).

use super::{Module, jump, module};
use crate::xtables::error::Problem;
use crate::xtables::matches::{MaskedMark, Match, Not};
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::Text;
use crate::xtables::save::value;
use crate::xtables::target::{Connmark, Target, Xmark};

pub(super) static MATCHES: [Module<Match>; 2] = [
    module("mark", &[option("mark", 1).negatable()], |options| {
        Ok(Match::Mark(options.required("mark", masked_mark)?))
    }),
    module("connmark", &[option("mark", 1).negatable()], |options| {
        Ok(Match::Connmark(options.required("mark", masked_mark)?))
    }),
];

pub(super) static TARGETS: [Module<Target>; 2] = [
    module("MARK", MARK, |options| {
        Ok(Target::Mark(read_change(options)?.ok_or_else(|| {
            options
                .missing("`--set-xmark`, `--set-mark`, `--and-mark`, `--or-mark` or `--xor-mark`")
        })?))
    }),
    module("CONNMARK", CONNMARK, read_connmark),
];

const MARK: &[OptionSpec] = &[
    option("set-xmark", 1),
    option("set-mark", 1),
    option("and-mark", 1),
    option("or-mark", 1),
    option("xor-mark", 1),
];

const CONNMARK: &[OptionSpec] = &[
    option("set-xmark", 1),
    option("set-mark", 1),
    option("and-mark", 1),
    option("or-mark", 1),
    option("xor-mark", 1),
    option("save-mark", 0),
    option("restore-mark", 0),
    option("nfmask", 1),
    option("ctmask", 1),
    option("mask", 1),
    option("left-shift-mark", 1),
    option("right-shift-mark", 1),
];

fn masked_mark(word: &Word<'_>, context: &Context) -> Result<MaskedMark, Problem> {
    let (value, mask) = value::masked32(word, context)?;
    Ok(MaskedMark { value, mask })
}

/// All spellings are one operation: clear `mask`, flip `value` (libxt_MARK.c, `mark_tg_parse`).
fn read_change(options: &Options<'_>) -> Result<Option<Xmark>, Problem> {
    options.at_most_one(&["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"])?;
    let xmark = |value, mask| Some(Xmark { value, mask });
    if let Some((value, mask)) = options.value("set-xmark", value::masked32)? {
        return Ok(xmark(value, mask));
    }
    if let Some((value, mask)) = options.value("set-mark", value::masked32)? {
        return Ok(xmark(value, value | mask));
    }
    if let Some(bits) = options.value("and-mark", value::number32)? {
        return Ok(xmark(0, !bits));
    }
    if let Some(bits) = options.value("or-mark", value::number32)? {
        return Ok(xmark(bits, bits));
    }
    let bits = options.value("xor-mark", value::number32)?;
    Ok(bits.and_then(|bits| xmark(bits, 0)))
}

fn read_connmark(options: &Options<'_>) -> Result<Target, Problem> {
    if options.flag("left-shift-mark") || options.flag("right-shift-mark") {
        return Ok(Target::Opaque {
            name: "CONNMARK".to_owned(),
            words: options.words(),
        });
    }
    let setters = ["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"];
    for setter in setters {
        options.at_most_one(&[setter, "save-mark", "restore-mark"])?;
    }
    options.at_most_one(&["mask", "nfmask"])?;
    options.at_most_one(&["mask", "ctmask"])?;
    if let Some(change) = read_change(options)? {
        return Ok(Target::Connmark(Connmark::Set(change)));
    }
    let both = options.value("mask", value::number32)?.unwrap_or(u32::MAX);
    let packet_mask = options.value("nfmask", value::number32)?.unwrap_or(both);
    let connection_mask = options.value("ctmask", value::number32)?.unwrap_or(both);
    options.at_least_one(&["set-xmark", "save-mark", "restore-mark"])?;
    Ok(Target::Connmark(match options.flag("save-mark") {
        true => Connmark::Save {
            packet_mask,
            connection_mask,
        },
        false => Connmark::Restore {
            packet_mask,
            connection_mask,
        },
    }))
}

pub(super) fn write_match(text: &mut Text, module: &str, mark: &Not<MaskedMark>) {
    let MaskedMark { value, mask } = mark.value;
    text.module(module);
    text.negation(mark.negated);
    match mask {
        u32::MAX => text.option("mark", format_args!("{value:#x}")),
        _ => text.option("mark", format_args!("{value:#x}/{mask:#x}")),
    }
}

pub(super) fn write_mark(text: &mut Text, xmark: Xmark) {
    jump(text, "MARK");
    write_xmark(text, xmark);
}

fn write_xmark(text: &mut Text, xmark: Xmark) {
    let Xmark { value, mask } = xmark;
    text.option("set-xmark", format_args!("{value:#x}/{mask:#x}"));
}

pub(super) fn write_connmark(text: &mut Text, change: Connmark) {
    jump(text, "CONNMARK");
    let (name, packet_mask, connection_mask) = match change {
        Connmark::Set(xmark) => return write_xmark(text, xmark),
        Connmark::Save {
            packet_mask,
            connection_mask,
        } => ("save-mark", packet_mask, connection_mask),
        Connmark::Restore {
            packet_mask,
            connection_mask,
        } => ("restore-mark", packet_mask, connection_mask),
    };
    text.flag(name);
    text.option("nfmask", format_args!("{packet_mask:#x}"));
    text.option("ctmask", format_args!("{connection_mask:#x}"));
}
