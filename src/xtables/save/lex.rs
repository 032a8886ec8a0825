//! The words of one line, as iptables-restore cuts them (iptables/xshared.c, `add_param_to_argv`).
//!
//! Outside quotes white space ends a word and a `"` opens a quote without ending the word; inside, a
//! backslash takes the next character to the letter, and the closing `"` ends the word always.

use std::borrow::Cow;
use std::ops::Range;

use crate::xtables::error::Problem;

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word<'t> {
    /// What it says, quotes and escapes removed.
    pub text: Cow<'t, str>,
    /// Where it stands in the whole text.
    pub span: Range<usize>,
    /// Whether part of it stood in quotes.
    pub quoted: bool,
}

impl<'t> Word<'t> {
    /// The problem that this word is not what was expected.
    pub fn problem(&self, expected: impl Into<String>) -> Problem {
        Problem::new(self.span.clone(), format!("`{}`", self.text), expected)
    }

    /// The problem that this word can't be used, and why.
    pub fn because(&self, why: impl std::fmt::Display, expected: impl Into<String>) -> Problem {
        let found = format!("`{}` {why}", self.text);
        Problem::new(self.span.clone(), found, expected)
    }

    /// What of it follows the first `from` bytes.
    pub fn rest(&self, from: usize) -> Self {
        let text = match &self.text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[from..]),
            Cow::Owned(text) => Cow::Owned(text[from..].to_owned()),
        };
        Self {
            text,
            span: self.span.clone(),
            quoted: self.quoted,
        }
    }

    /// Whether it begins like an option and yet is an argument, by its quotes. The tools tell by the
    /// number of words that an option takes, which is not known of opaque modules.
    pub fn is_quoted_argument(&self) -> bool {
        self.quoted && self.text != "!" && !self.text.starts_with("--")
    }

    /// Whether it is an option or a lone `!`, and no argument.
    pub fn is_option(&self) -> bool {
        self.text.starts_with('-') || self.text == "!"
    }
}

/// Cuts a line at white space only, as the lines of tables and chains are cut.
pub(super) fn plain_words(line: &str, offset: usize) -> Vec<Word<'_>> {
    let mut next = offset;
    let parts = line.split(is_white).map(|part| {
        let start = next;
        next += part.len() + 1;
        Word {
            text: Cow::Borrowed(part),
            span: start..start + part.len(),
            quoted: false,
        }
    });
    parts.filter(|word| !word.text.is_empty()).collect()
}

/// Cuts a line that begins at byte `offset` of the whole text into words.
pub(super) fn words<'t>(line: &'t str, offset: usize) -> Result<Vec<Word<'t>>, Problem> {
    let mut words = Vec::with_capacity(24);
    let mut rest = line.char_indices().peekable();
    while let Some((start, character)) = rest.peek().copied() {
        if is_white(character) {
            rest.next();
            continue;
        }
        let plain_end = line[start..]
            .find(|c: char| is_white(c) || c == '"')
            .map_or(line.len(), |length| start + length);
        if line[plain_end..].starts_with('"') {
            words.push(quoted_word(line, start, offset, &mut rest)?);
        } else {
            words.push(Word {
                text: Cow::Borrowed(&line[start..plain_end]),
                span: offset + start..offset + plain_end,
                quoted: false,
            });
            while rest.next_if(|(at, _)| *at < plain_end).is_some() {}
        }
    }
    Ok(words)
}

fn is_white(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n')
}

type Characters<'t> = std::iter::Peekable<std::str::CharIndices<'t>>;

fn quoted_word<'t>(
    line: &'t str,
    start: usize,
    offset: usize,
    rest: &mut Characters<'t>,
) -> Result<Word<'t>, Problem> {
    let mut text = String::new();
    while let Some((_, character)) = rest.next_if(|(_, character)| *character != '"') {
        text.push(character);
    }
    let (quote, _) = rest.next().unwrap_or((line.len(), '"'));
    while let Some((at, character)) = rest.next() {
        match character {
            '"' => {
                return Ok(Word {
                    text: Cow::Owned(text),
                    span: offset + start..offset + at + 1,
                    quoted: true,
                });
            }
            '\\' => text.extend(rest.next().map(|(_, escaped)| escaped)),
            _ => text.push(character),
        }
    }
    let span = offset + quote..offset + line.len();
    Err(Problem::new(
        span,
        "this quote is not closed",
        "a `\"` before the line's end",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let words = words(line, 0).expect("a line with its quotes closed");
        words
            .into_iter()
            .map(|word| word.text.into_owned())
            .collect()
    }

    #[test]
    fn white_space_parts_words() {
        assert_eq!(
            texts("  -A\tINPUT  -j ACCEPT "),
            ["-A", "INPUT", "-j", "ACCEPT"]
        );
    }

    #[test]
    fn quotes_join_and_escape() {
        assert_eq!(
            texts(r#"--comment "a \"b\" \\c""#),
            ["--comment", r#"a "b" \c"#]
        );
        assert_eq!(texts(r#"pre"a b"post"#), ["prea b", "post"]);
        assert_eq!(texts(r#"a\b "" c"#), [r"a\b", "", "c"]);
    }

    #[test]
    fn a_word_knows_its_place() {
        let words = words(r#"-A "x y""#, 100).expect("a line with its quotes closed");
        assert_eq!(words[0].span, 100..102);
        assert_eq!(words[1].span, 103..108);
        assert!(words[1].quoted && !words[0].quoted);
    }

    #[test]
    fn an_open_quote_is_a_problem() {
        let problem = words(r#"--comment "abc"#, 5).expect_err("the quote is open");
        assert_eq!(problem.span, 15..19);
    }
}
