//! `-m set` (extensions/libxt_set.c).

use super::{Module, module};
use crate::xtables::error::Problem;
use crate::xtables::matches::{CounterTest, Match, SetSide, SetTest};
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{OptionSpec, Options, option};
use crate::xtables::save::text::{Bare, Listed, Text};
use crate::xtables::save::value;

pub(super) static MATCHES: [Module<Match>; 1] = [module("set", SET, read)];

const MATCH_SET: OptionSpec = option("match-set", 2).negatable();

const SET: &[OptionSpec] = &[
    MATCH_SET,
    MATCH_SET.also("set"),
    option("return-nomatch", 0),
    option("update-counters", 0).negatable(),
    option("update-subcounters", 0).negatable(),
    option("packets-eq", 1).negatable(),
    option("packets-lt", 1),
    option("packets-gt", 1),
    option("bytes-eq", 1).negatable(),
    option("bytes-lt", 1),
    option("bytes-gt", 1),
];

fn read(options: &Options<'_>) -> Result<Match, Problem> {
    let Some(given) = options.find("match-set") else {
        return Err(options.missing("`--match-set` behind it"));
    };
    let name = &given.arguments[0];
    if name.text.is_empty() || name.text.len() > 31 {
        return Err(name.problem("a set's name of 1 to 31 bytes"));
    }
    let without = |name| options.negatable_flag(name).is_some_and(|not| not.negated);
    Ok(Match::Set(SetTest {
        name: name.text.clone().into_owned(),
        sides: sides(&given.arguments[1])?,
        negated: given.negated,
        return_nomatch: options.flag("return-nomatch"),
        no_counter_update: without("update-counters"),
        no_subcounter_update: without("update-subcounters"),
        packets: counter(options, ["packets-eq", "packets-lt", "packets-gt"])?,
        bytes: counter(options, ["bytes-eq", "bytes-lt", "bytes-gt"])?,
    }))
}

/// One to six sides, each told by its first three letters (libxt_set.h, `parse_dirs`).
fn sides(word: &Word<'_>) -> Result<Vec<SetSide>, Problem> {
    let expected = "one to six of src and dst, parted by commas";
    let sides: Vec<SetSide> = word
        .text
        .split(',')
        .map(|side| match side {
            side if side.starts_with("src") => Ok(SetSide::Source),
            side if side.starts_with("dst") => Ok(SetSide::Destination),
            _ => Err(word.problem(expected)),
        })
        .collect::<Result<_, _>>()?;
    match sides.len() {
        1..=6 => Ok(sides),
        _ => Err(word.problem(expected)),
    }
}

fn counter(
    options: &Options<'_>,
    [equal, below, above]: [&str; 3],
) -> Result<Option<CounterTest>, Problem> {
    options.at_most_one(&[equal, below, above])?;
    if let Some(not) = options.negatable(equal, value::number64)? {
        return Ok(Some(match not.negated {
            true => CounterTest::NotEqual(not.value),
            false => CounterTest::Equal(not.value),
        }));
    }
    if let Some(limit) = options.value(below, value::number64)? {
        return Ok(Some(CounterTest::Below(limit)));
    }
    let limit = options.value(above, value::number64)?;
    Ok(limit.map(CounterTest::Above))
}

pub(super) fn write(text: &mut Text, test: &SetTest) {
    text.module("set");
    let sides = test.sides.iter().map(|side| match side {
        SetSide::Source => "src",
        SetSide::Destination => "dst",
    });
    text.negatable("match-set", test.negated, Bare(&test.name));
    text.word(Listed(sides));
    text.flag_if(test.return_nomatch, "return-nomatch");
    text.negation(test.no_counter_update);
    text.flag_if(test.no_counter_update, "update-counters");
    text.negation(test.no_subcounter_update);
    text.flag_if(test.no_subcounter_update, "update-subcounters");
    write_counter(text, "packets", test.packets);
    write_counter(text, "bytes", test.bytes);
}

fn write_counter(text: &mut Text, name: &str, test: Option<CounterTest>) {
    match test {
        None => {}
        Some(CounterTest::Equal(count)) => text.option(&format!("{name}-eq"), count),
        Some(CounterTest::NotEqual(count)) => text.negatable(&format!("{name}-eq"), true, count),
        Some(CounterTest::Below(count)) => text.option(&format!("{name}-lt"), count),
        Some(CounterTest::Above(count)) => text.option(&format!("{name}-gt"), count),
    }
}
