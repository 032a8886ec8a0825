//! `-m statistic` (extensions/libxt_statistic.c).

use super::{Module, module};
use crate::xtables::error::Problem;
use crate::xtables::matches::{Match, Not, StatisticTest};
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::Text;
use crate::xtables::save::value;

pub(super) static MATCHES: [Module<Match>; 1] = [module("statistic", STATISTIC, read)];

const STATISTIC: &[OptionSpec] = &[
    option("mode", 1),
    option("probability", 1).negatable(),
    option("every", 1).negatable(),
    option("packet", 1),
];

/// The kernel's unit of probability.
const ALWAYS: f64 = 2_147_483_648.0;

#[derive(Clone, Copy)]
enum Mode {
    Random,
    Nth,
}

fn read(options: &Options<'_>) -> Result<Match, Problem> {
    let mode = options.required("mode", |word, _| match &*word.text {
        "random" => Ok(Mode::Random),
        "nth" => Ok(Mode::Nth),
        _ => Err(word.problem("random or nth")),
    })?;
    match mode.value {
        Mode::Random => {
            options.at_most_one(&["probability", "every", "packet"])?;
            let probability = options.required("probability", probability)?;
            Ok(Match::Statistic(Not {
                negated: probability.negated,
                value: StatisticTest::Random {
                    probability: probability.value,
                },
            }))
        }
        Mode::Nth => {
            options.at_most_one(&["probability", "every"])?;
            let every = options.required("every", |word, _| {
                let highest = u64::from(u32::MAX);
                Ok(value::number_within(word, &word.text, 1, highest)? as u32)
            })?;
            let packet = options.required("packet", value::number32)?.value;
            if packet >= every.value {
                return Err(options.missing("`--packet` below `--every`"));
            }
            Ok(Match::Statistic(Not {
                negated: every.negated,
                value: StatisticTest::Nth {
                    every: every.value,
                    packet,
                },
            }))
        }
    }
}

fn probability(word: &Word<'_>, _: &Context) -> Result<u32, Problem> {
    let number = word.text.parse::<f64>().ok();
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .map(|number| (number * ALWAYS).round() as u32)
        .ok_or_else(|| word.problem("a probability from 0 to 1"))
}

pub(super) fn write(text: &mut Text, test: &Not<StatisticTest>) {
    text.module("statistic");
    match test.value {
        StatisticTest::Random { probability } => {
            text.option("mode", "random");
            let number = f64::from(probability) / ALWAYS;
            text.negatable("probability", test.negated, format_args!("{number:.11}"));
        }
        StatisticTest::Nth { every, packet } => {
            text.option("mode", "nth");
            text.negatable("every", test.negated, every);
            text.option("packet", packet);
        }
    }
}
