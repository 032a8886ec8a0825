//! `-m string` (extensions/libxt_string.c).

use std::fmt::Write;

use super::{Module, module};
use crate::xtables::error::Problem;
use crate::xtables::matches::{Match, Not, StringTest};
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::{Bare, Text};
use crate::xtables::save::value;

pub(super) static MATCHES: [Module<Match>; 1] = [module("string", STRING, read)];

const STRING: &[OptionSpec] = &[
    option("from", 1),
    option("to", 1),
    option("algo", 1),
    option("icase", 0),
    option("string", 1).negatable(),
    option("hex-string", 1).negatable(),
];

/// The longest pattern, in bytes (`XT_STRING_MAX_PATTERN_SIZE`).
const LONGEST: usize = 128;

fn read(options: &Options<'_>) -> Result<Match, Problem> {
    options.at_least_one(&["string", "hex-string"])?;
    options.at_most_one(&["string", "hex-string"])?;
    let pattern: Not<Vec<u8>> = match options.negatable("string", plain)? {
        Some(pattern) => pattern,
        None => options.required("hex-string", hexadecimal)?,
    };
    Ok(Match::String(StringTest {
        algorithm: options.required("algo", value::text)?.value,
        from: options.value("from", value::number16)?.unwrap_or(0),
        to: options.value("to", value::number16)?.unwrap_or(u16::MAX),
        pattern: pattern.value,
        ignore_case: options.flag("icase"),
        negated: pattern.negated,
    }))
}

fn plain(word: &Word<'_>, _: &Context) -> Result<Vec<u8>, Problem> {
    match word.text.len() {
        1..=LONGEST => Ok(word.text.as_bytes().to_vec()),
        _ => Err(word.problem("a pattern of 1 to 128 bytes")),
    }
}

/// Text in which `|` parts blocks of hexadecimal digits from the rest, and a backslash outside of
/// them takes the next byte to the letter (`parse_hex_string`).
fn hexadecimal(word: &Word<'_>, _: &Context) -> Result<Vec<u8>, Problem> {
    let wrong =
        || word.problem("1 to 128 bytes, those in hexadecimal as pairs of digits between `|`");
    let mut pattern = Vec::new();
    let mut bytes = word.text.bytes().peekable();
    let mut in_block = false;
    while let Some(byte) = bytes.next() {
        match (byte, in_block) {
            (b'|', _) => in_block = !in_block,
            (b' ', true) => {}
            (_, true) => {
                let second = bytes.next().ok_or_else(wrong)?;
                let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(wrong);
                pattern.push((digit(byte)? * 16 + digit(second)?) as u8);
            }
            (b'\\', false) => pattern.push(bytes.next().ok_or_else(wrong)?),
            (_, false) => pattern.push(byte),
        }
    }
    match (in_block, pattern.len()) {
        (false, 1..=LONGEST) => Ok(pattern),
        _ => Err(wrong()),
    }
}

/// Whether `--string` can't say it: some byte can't be printed, or the last is a backslash.
fn needs_hexadecimal(pattern: &[u8]) -> bool {
    pattern.last() == Some(&b'\\') || !pattern.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

pub(super) fn write(text: &mut Text, test: &StringTest) {
    text.module("string");
    let mut written = String::from("\"");
    // Writing to a String does not fail.
    match needs_hexadecimal(&test.pattern) {
        true => {
            written.push('|');
            for byte in &test.pattern {
                let _ = write!(written, "{byte:02x}");
            }
            written.push('|');
        }
        false => {
            for byte in &test.pattern {
                let escape = if matches!(byte, b'"' | b'\\') {
                    "\\"
                } else {
                    ""
                };
                let _ = write!(written, "{escape}{}", char::from(*byte));
            }
        }
    }
    written.push('"');
    let name = if needs_hexadecimal(&test.pattern) {
        "hex-string"
    } else {
        "string"
    };
    text.negatable(name, test.negated, written);
    text.option("algo", Bare(&test.algorithm));
    if test.from != 0 {
        text.option("from", test.from);
    }
    if test.to != u16::MAX {
        text.option("to", test.to);
    }
    text.flag_if(test.ignore_case, "icase");
}
