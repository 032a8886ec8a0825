//! Selectors, read: the grammar of libcalico-go's lib/selector (tokenizer and parser).
//!
//! Words are told by their place, as Calico's tokenizer does: what follows a label is an operator,
//! what stands where an operand is expected is a label, so `in in {"has"}` asks the label `in`.

use std::collections::BTreeSet;

use winnow::ascii::{multispace0, multispace1};
use winnow::combinator::{
    alt, cut_err, delimited, eof, not, opt, preceded, repeat, separated, terminated,
};
use winnow::error::{AddContext, ErrMode, ParserError};
use winnow::prelude::*;
use winnow::stream::Stream;
use winnow::token::{take_till, take_while};

use super::{Comparison, DEEPEST, Expression, LONGEST_KEY, is_key_character};

const AN_OPERAND: &str = "a label, `has(…)`, `all()`, `!` or `(`";
const AN_OPERATOR: &str =
    "`==`, `!=`, `in`, `not in`, `contains`, `starts with` or `ends with` behind a label";
const A_VALUE: &str = "a value in quotes";
const A_SET: &str = "a set of values, as in `{\"a\", \"b\"}`";
const MORE_OR_SHUT: &str = "`&&`, `||` or `)`";
const MORE_OR_END: &str = "`&&`, `||` or the end";

/// A text that is no selector: where it goes wrong, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found} at character {} of the selector `{text}`; expected {expected}", .text[..*.offset].chars().count() + 1)]
pub struct WrongSelector {
    text: String,
    offset: usize,
    found: String,
    expected: String,
}

impl WrongSelector {
    fn new(text: &str, offset: usize, expected: &str) -> Self {
        let rest = &text[offset..];
        let ends = |character: char| !is_key_character(character);
        let word = match rest.find(ends) {
            Some(0) => rest.chars().next().map(String::from),
            end => Some(rest[..end.unwrap_or(rest.len())].to_owned()),
        };
        let found = match word.filter(|word| !word.is_empty()) {
            Some(word) => format!("`{word}`"),
            None => "the end".to_owned(),
        };
        Self {
            text: text.to_owned(),
            offset,
            found,
            expected: expected.to_owned(),
        }
    }

    /// The byte at which it goes wrong.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What stands there.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What was expected there.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

/// What a parser would have taken instead of what it found.
#[derive(Clone, Copy, Debug)]
struct Expected(&'static str);

impl<I: Stream> ParserError<I> for Expected {
    type Inner = Self;

    fn from_input(_: &I) -> Self {
        Self("")
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

impl<I: Stream> AddContext<I, &'static str> for Expected {
    fn add_context(self, _: &I, _: &I::Checkpoint, context: &'static str) -> Self {
        if self.0.is_empty() {
            Self(context)
        } else {
            self
        }
    }
}

type Parsed<T> = Result<T, ErrMode<Expected>>;

/// Reads a whole text.
pub(super) fn expression(text: &str) -> Result<Expression, WrongSelector> {
    let everything = (multispace0, eof).value(Expression::All);
    let some = terminated(
        |input: &mut &str| disjunction(input, 0),
        (multispace0, eof.context(MORE_OR_END)),
    );
    let wrong = |offset, expected| WrongSelector::new(text, offset, expected);
    alt((everything, some))
        .parse(text)
        .map_err(|error| wrong(error.offset(), error.inner().0))
}

/// One expression, or several joined.
fn joined(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    if parts.len() == 1 {
        parts.remove(0)
    } else {
        join(parts)
    }
}

fn disjunction(input: &mut &str, depth: usize) -> Parsed<Expression> {
    let part = |input: &mut &str| conjunction(input, depth);
    let parts = separated(1.., part, (multispace0, "||"));
    parts
        .map(|parts| joined(parts, Expression::Or))
        .parse_next(input)
}

fn conjunction(input: &mut &str, depth: usize) -> Parsed<Expression> {
    let part = |input: &mut &str| operand(input, depth);
    let parts = separated(1.., part, (multispace0, "&&"));
    parts
        .map(|parts| joined(parts, Expression::And))
        .parse_next(input)
}

/// What stands between `&&` and `||`. Nothing else may stand there, so it never steps back.
fn operand(input: &mut &str, depth: usize) -> Parsed<Expression> {
    multispace0.parse_next(input)?;
    let bangs = repeat(0.., terminated("!", multispace0)).fold(|| false, |negated, _| !negated);
    let inner = alt((
        |input: &mut &str| parenthesised(input, depth),
        ("all(", multispace0, ")").value(Expression::All),
        ("global(", multispace0, ")").value(Expression::Global),
        preceded(
            "has(",
            cut_err(terminated(padded(key.context("a label")), shut)),
        )
        .map(Expression::Has),
        comparison,
    ));
    (bangs, cut_err(inner.context(AN_OPERAND)))
        .map(|(negated, inner)| match (negated, inner) {
            (false, inner) => inner,
            // Two of them cancel out wherever they stand, as in Calico's own parser.
            (true, Expression::Not(inner)) => *inner,
            (true, inner) => Expression::Not(Box::new(inner)),
        })
        .parse_next(input)
}

fn parenthesised(input: &mut &str, depth: usize) -> Parsed<Expression> {
    "(".parse_next(input)?;
    if depth == DEEPEST {
        return Err(ErrMode::Cut(Expected(
            "no more than 64 parentheses inside one another",
        )));
    }
    let inner = |input: &mut &str| disjunction(input, depth + 1);
    cut_err(terminated(inner, (multispace0, ")".context(MORE_OR_SHUT)))).parse_next(input)
}

fn comparison(input: &mut &str) -> Parsed<Expression> {
    let key = terminated(key, multispace0).parse_next(input)?;
    let expression = alt((
        preceded((word("not"), multispace1, word("in")), cut_err(set))
            .map(|values| Expression::NotIn(key.clone(), values)),
        preceded(word("in"), cut_err(set)).map(|values| Expression::In(key.clone(), values)),
        (comparator, cut_err(padded(value))).map(|(by, value)| Expression::Compare {
            key: key.clone(),
            by,
            value,
        }),
    ));
    cut_err(expression.context(AN_OPERATOR)).parse_next(input)
}

fn comparator(input: &mut &str) -> Parsed<Comparison> {
    alt((
        "==".value(Comparison::Equal),
        "!=".value(Comparison::NotEqual),
        word("contains").value(Comparison::Contains),
        (word("starts"), multispace1, word("with")).value(Comparison::StartsWith),
        (word("ends"), multispace1, word("with")).value(Comparison::EndsWith),
    ))
    .parse_next(input)
}

/// A whole word: no label goes on behind it.
fn word<'t>(text: &'static str) -> impl Parser<&'t str, &'t str, ErrMode<Expected>> {
    let behind = take_while(1, is_key_character);
    terminated(text, not(behind))
}

fn key(input: &mut &str) -> Parsed<String> {
    take_while(1..=LONGEST_KEY, is_key_character)
        .map(str::to_owned)
        .parse_next(input)
}

fn shut<'t>(input: &mut &'t str) -> Parsed<&'t str> {
    ")".context("`)`").parse_next(input)
}

fn padded<'t, T>(
    inner: impl Parser<&'t str, T, ErrMode<Expected>>,
) -> impl Parser<&'t str, T, ErrMode<Expected>> {
    delimited(multispace0, inner, multispace0)
}

/// A value in either quotes: whatever does not hold the quote.
fn value(input: &mut &str) -> Parsed<String> {
    let quoted = |quote: char| {
        let inner = take_till(0.., move |character| character == quote);
        delimited(quote, inner, cut_err(quote.context("the closing quote")))
    };
    alt((quoted('"'), quoted('\'')))
        .map(str::to_owned)
        .context(A_VALUE)
        .parse_next(input)
}

/// Values in braces; none, and a comma behind the last, are as good.
fn set(input: &mut &str) -> Parsed<BTreeSet<String>> {
    let value = |input: &mut &str| preceded(multispace0, value).parse_next(input);
    let comma = || (multispace0, ",");
    let values = opt(terminated(separated(1.., value, comma()), opt(comma())));
    let shut = "}".context("a value in quotes, `,` or `}`");
    preceded(
        (multispace0, "{".context(A_SET)),
        cut_err(terminated(values, (multispace0, shut))),
    )
    .map(Option::unwrap_or_default)
    .parse_next(input)
}
