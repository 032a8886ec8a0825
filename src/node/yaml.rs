//! YAML files: where in them something is wrong.

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::de::DeserializeOwned;
use serde_saphyr::{Location, NonFiniteFloatPolicy, Options};

/// A YAML file that does not say what it should: where, and why.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{file}:{line}:{column}: {problem}")]
pub struct WrongYaml {
    file: String,
    line: usize,
    column: usize,
    problem: String,
    #[source_code]
    source_code: NamedSource<String>,
    #[label("here")]
    span: SourceSpan,
}

/// A YAML file and its text, for errors that point into it.
#[derive(Clone, Copy, Debug)]
pub struct Yaml<'a> {
    /// The file's name.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Yaml<'_> {
    /// Reads it as a value.
    ///
    /// # Errors
    ///
    /// [`WrongYaml`] where the text is no YAML, or not that of such a value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Box<WrongYaml>> {
        serde_saphyr::from_str_with_options(self.text, options())
            .map_err(|error| self.malformed(&error))
    }

    /// Reads each of its documents as a value; empty ones are none.
    ///
    /// # Errors
    ///
    /// [`WrongYaml`] where the text is no YAML, or a document not that of such a value.
    pub fn read_all<T: DeserializeOwned>(&self) -> Result<Vec<T>, Box<WrongYaml>> {
        serde_saphyr::from_multiple_with_options(self.text, options())
            .map_err(|error| self.malformed(&error))
    }

    /// An error about the bytes from `start` to the end of the word there.
    #[must_use]
    pub fn wrong(&self, start: usize, problem: String) -> Box<WrongYaml> {
        let before = self.text.get(..start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.find(['\n', ' ', ':', ',']).unwrap_or(rest.len());
        Box::new(WrongYaml {
            file: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem,
            source_code: NamedSource::new(self.name, self.text.to_owned()),
            span: (start, length).into(),
        })
    }

    /// An error about a byte of a text that begins here: there where it stands in the file as it is,
    /// perhaps in quotes, and at its beginning where it is folded or escaped.
    #[must_use]
    pub fn wrong_inside(
        &self,
        begins: usize,
        text: &str,
        offset: usize,
        problem: String,
    ) -> Box<WrongYaml> {
        let stands = |from: &usize| {
            let rest = self.text.get(*from..);
            rest.is_some_and(|rest| rest.starts_with(text))
        };
        let found = [begins, begins + 1].into_iter().find(stands);
        self.wrong(found.map_or(begins, |start| start + offset), problem)
    }

    /// The same file up to the end of the value that begins here, at the end of a line: to the next
    /// line that is indented no more than the value's first.
    #[must_use]
    pub fn up_to_end_of(&self, begins: usize) -> Self {
        let before = self.text.get(..begins).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let depth = indent(&self.text[line_start..]);
        let mut end = line_start;
        for (number, line) in self.text[line_start..].split_inclusive('\n').enumerate() {
            let says_nothing = line.trim().is_empty() || line.trim_start().starts_with('#');
            let of_value = says_nothing || indent(line) >= depth.max(1);
            if number > 0 && !of_value {
                break;
            }
            end += line.len();
        }
        Self {
            name: self.name,
            text: &self.text[..end],
        }
    }

    /// An error about the last value of a key that is this word.
    #[must_use]
    pub fn wrong_value(&self, key: &str, word: &str, problem: String) -> Box<WrongYaml> {
        let entry = self.text.rfind(&format!("{key}: {word}"));
        let start = match entry {
            Some(start) => start + key.len() + 2,
            None => self.text.rfind(word).unwrap_or(0),
        };
        self.wrong(start, problem)
    }

    /// The byte at which a place of the YAML reader begins.
    #[must_use]
    pub fn offset(&self, location: Location) -> usize {
        let lines = self.text.split_inclusive('\n');
        let before: usize = lines.take(place(location.line())).map(str::len).sum();
        let rest = self.text.get(before..).unwrap_or_default();
        let inside = rest.char_indices().nth(place(location.column()));
        before + inside.map_or(0, |(at, _)| at)
    }

    fn malformed(&self, error: &serde_saphyr::Error) -> Box<WrongYaml> {
        let start = error.location().map_or(0, |location| self.offset(location));
        let error = error.without_snippet();
        if let serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } = error {
            let problem = format!("the field `{key}` is here twice; expected it once");
            return self.wrong(start, problem);
        }
        let message = error.to_string();
        let end = message.rfind(" at line ").unwrap_or(message.len());
        let told = &message[..end];
        let ours = WORDS.iter().find(|(theirs, _)| *theirs == told);
        let problem = ours.map_or(told, |(_, ours)| ours);
        self.wrong(start, problem.to_owned())
    }
}

/// What the YAML reader says in the words of its own making, and the same in everybody's.
const WORDS: [(&str, &str); 3] = [
    (
        "expected mapping start",
        "expected fields, as `name: value`",
    ),
    ("expected sequence start", "expected a list"),
    ("expected string scalar", "expected text"),
];

/// YAML 1.2: `y`, `no`, `off` and their like are texts. Infinite numbers are the readers' to refuse.
fn options() -> Options {
    serde_saphyr::options! {
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    }
}

/// A place counted from 1, counted from 0.
#[must_use]
pub fn place(number: u64) -> usize {
    usize::try_from(number)
        .unwrap_or(usize::MAX)
        .saturating_sub(1)
}
