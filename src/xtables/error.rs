//! What is wrong with a text, and where.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// A text that can't be read: where it goes wrong, what stands there, and what was expected.
#[derive(Clone, Debug)]
pub struct ParseError(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    source: NamedSource<Arc<str>>,
    span: Range<usize>,
    line: usize,
    column: usize,
    found: String,
    expected: String,
}

impl ParseError {
    /// Places a problem in the text that it was found in.
    pub(super) fn new(source_name: &str, text: &str, problem: Problem) -> Self {
        let start = floor_char_boundary(text, problem.span.start);
        let end = floor_char_boundary(text, problem.span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        Self(Box::new(Details {
            source: NamedSource::new(source_name, Arc::from(text)),
            span: start..end,
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            found: problem.found,
            expected: problem.expected,
        }))
    }

    /// The name of the text, as its reader gave it.
    #[must_use]
    pub fn source_name(&self) -> &str {
        self.0.source.name()
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.0.line
    }

    /// The column in characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.0.column
    }

    /// What is wrong there.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.0.found
    }

    /// What was expected in its place.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.0.expected
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|place| text.is_char_boundary(*place))
        .unwrap_or(0)
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.source.name();
        let (line, column) = (self.0.line, self.0.column);
        let (found, expected) = (&self.0.found, &self.0.expected);
        write!(f, "{name}:{line}:{column}: {found}; expected {expected}")
    }
}

impl std::error::Error for ParseError {}

impl Diagnostic for ParseError {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.0.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = format!("expected {}", self.0.expected);
        let span = LabeledSpan::new_with_span(Some(label), self.0.span.clone());
        Some(Box::new(std::iter::once(span)))
    }
}

/// A [`ParseError`] in the making: it does not know its text yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Which bytes of the text are wrong.
    pub span: Range<usize>,
    /// What is wrong with them.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl Problem {
    /// A problem of these bytes.
    pub fn new(span: Range<usize>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            span,
            found: found.into(),
            expected: expected.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_file_line_and_column() {
        let problem = Problem::new(8..11, "`two` is odd", "something even");
        let error = ParseError::new("rules", "one\nxü two", problem);
        assert_eq!(
            error.to_string(),
            "rules:2:4: `two` is odd; expected something even"
        );
        assert_eq!((error.line(), error.column()), (2, 4));
    }

    #[test]
    fn a_span_past_the_end_is_the_end() {
        let error = ParseError::new("rules", "one\n", Problem::new(90..99, "no end", "an end"));
        assert_eq!((error.line(), error.column()), (2, 1));
    }
}
