//! Lines and words, as ipset cuts them (lib/ipset.c, `build_argv`): white space parts words outside of
//! quotes, a `"` opens or closes a quote anywhere, and nothing escapes one.

use std::ops::Range;

use crate::xtables::error::Problem;

/// One line of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'t> {
    /// What it says, without white space around it.
    pub text: &'t str,
    /// At which byte of the text that begins.
    pub offset: usize,
}

impl Line<'_> {
    /// Whether there is nothing on it but perhaps a comment.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() || self.text.starts_with('#')
    }

    /// Where it stands.
    pub fn span(&self) -> Range<usize> {
        self.offset..self.offset + self.text.len()
    }
}

/// The lines of a text.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut offset = 0;
    text.split('\n').map(move |line| {
        let begins = offset + line.len() - line.trim_ascii_start().len();
        offset += line.len() + 1;
        Line {
            text: line.trim_ascii(),
            offset: begins,
        }
    })
}

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// What it says, quotes removed.
    pub text: String,
    /// Where it stands in the text.
    pub span: Range<usize>,
}

impl Word {
    /// The problem that this word is not what was expected.
    pub fn problem(&self, expected: impl Into<String>) -> Problem {
        Problem::new(self.span.clone(), format!("`{}`", self.text), expected)
    }

    /// The problem that this word can't be used, and why.
    pub fn because(&self, why: impl std::fmt::Display, expected: impl Into<String>) -> Problem {
        let found = format!("`{}` {why}", self.text);
        Problem::new(self.span.clone(), found, expected)
    }
}

/// Cuts a line into words; an empty pair of quotes is none.
pub(super) fn words(line: Line<'_>) -> Result<Vec<Word>, Problem> {
    let mut words = Vec::new();
    let mut text = String::new();
    let mut start = 0;
    let mut quote = None;
    let end = line.text.len();
    for (at, character) in line.text.char_indices().chain([(end, ' ')]) {
        let white = matches!(character, ' ' | '\t' | '\r');
        match character {
            '"' => {
                quote = match quote {
                    Some(_) => None,
                    None => Some(at),
                };
            }
            _ if white && (quote.is_none() || at == end) => {
                if !text.is_empty() {
                    words.push(Word {
                        text: std::mem::take(&mut text),
                        span: line.offset + start..line.offset + at,
                    });
                }
                start = at + 1;
            }
            _ => text.push(character),
        }
    }
    match quote {
        None => Ok(words),
        Some(at) => Err(Problem::new(
            line.offset + at..line.offset + end,
            "this quote is not closed",
            "a `\"` before the line's end",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_toggles() {
        let line = lines("  add s 1.2.3.4 comment \"a b\"c \"\" \r")
            .next()
            .expect("a line");
        let words = words(line).expect("words");
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["add", "s", "1.2.3.4", "comment", "a bc"]);
        assert_eq!(words[0].span, 2..5);
    }

    #[test]
    fn an_open_quote_is_a_problem() {
        let line = lines("add s 1.2.3.4 comment \"a b").next().expect("a line");
        let problem = words(line).expect_err("the quote is open");
        assert_eq!(problem.span, 22..26);
    }
}
