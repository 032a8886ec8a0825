//! The options of one `-m` or `-j` module: which there are, and which a rule gives.
//!
//! A module declares its options as data ([`OptionSpec`]); the reader of rules collects what a rule
//! gives ([`Options`]) and has refused what is unknown, negated in vain or given twice before the
//! module looks at it.

use std::ops::Range;

use smallvec::SmallVec;

use super::lex::Word;
use crate::packet::{Family, Protocol};
use crate::xtables::error::Problem;
use crate::xtables::matches::Not;

/// One option of a module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OptionSpec {
    /// Its name without the dashes.
    pub name: &'static str,
    /// The name under which the module looks for it: of a synonym, the usual one.
    pub means: &'static str,
    /// How many words it takes.
    pub arguments: usize,
    /// Whether `!` may stand before it.
    pub negatable: bool,
    /// Whether it may be given more than once.
    pub repeatable: bool,
}

/// An option of this name that takes so many words.
pub(super) const fn option(name: &'static str, arguments: usize) -> OptionSpec {
    OptionSpec {
        name,
        means: name,
        arguments,
        negatable: false,
        repeatable: false,
    }
}

impl OptionSpec {
    /// The same, and `!` may stand before it.
    pub const fn negatable(self) -> Self {
        Self {
            negatable: true,
            ..self
        }
    }

    /// The same, and it may be given more than once.
    pub const fn repeatable(self) -> Self {
        Self {
            repeatable: true,
            ..self
        }
    }

    /// The same under another name.
    pub const fn also(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

/// What an option's words are read against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// iptables' or ip6tables' rule.
    pub family: Family,
    /// The rule's `-p`.
    pub protocol: Option<Not<Protocol>>,
}

/// One option as a rule gives it.
#[derive(Clone, Debug)]
pub(super) struct Given<'t> {
    /// Which.
    pub spec: &'static OptionSpec,
    /// Whether `!` stands before it.
    pub negated: bool,
    /// Its words, as many as its spec says.
    pub arguments: SmallVec<[Word<'t>; 1]>,
    /// Where it stands.
    pub span: Range<usize>,
}

/// The options that a rule gives one module.
#[derive(Debug)]
pub(super) struct Options<'t> {
    /// The module's name as written.
    pub module: Word<'t>,
    /// Its options in the order given.
    pub given: SmallVec<[Given<'t>; 2]>,
    /// What they are read against.
    pub context: Context,
}

/// A reader of an option's one word.
pub(super) type Read<T> = fn(&Word<'_>, &Context) -> Result<T, Problem>;

impl<'t> Options<'t> {
    /// The option of a name, if given.
    pub fn find(&self, name: &str) -> Option<&Given<'t>> {
        self.given.iter().find(|given| given.spec.means == name)
    }

    /// Whether an option without words is given.
    pub fn flag(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// An option without words that `!` may stand before.
    pub fn negatable_flag(&self, name: &str) -> Option<Not<()>> {
        self.find(name).map(|given| Not {
            negated: given.negated,
            value: (),
        })
    }

    /// An option of one word.
    pub fn value<T>(&self, name: &str, read: Read<T>) -> Result<Option<T>, Problem> {
        Ok(self.negatable(name, read)?.map(|not| not.value))
    }

    /// An option of one word that `!` may stand before.
    pub fn negatable<T>(&self, name: &str, read: Read<T>) -> Result<Option<Not<T>>, Problem> {
        let Some(given) = self.find(name) else {
            return Ok(None);
        };
        let value = read(&given.arguments[0], &self.context)?;
        Ok(Some(Not {
            negated: given.negated,
            value,
        }))
    }

    /// An option of one word that the module can't do without.
    pub fn required<T>(&self, name: &str, read: Read<T>) -> Result<Not<T>, Problem> {
        self.negatable(name, read)?
            .ok_or_else(|| self.missing(format!("`--{name}` behind it")))
    }

    /// Refuses two options that exclude each other.
    pub fn at_most_one(&self, names: &[&str]) -> Result<(), Problem> {
        let mut given = self
            .given
            .iter()
            .filter(|given| names.contains(&given.spec.means));
        match (given.next(), given.next()) {
            (Some(first), Some(second)) => Err(Problem::new(
                second.span.clone(),
                format!(
                    "`--{}` excludes `--{}` of the same rule",
                    first.spec.name, second.spec.name
                ),
                "one of them",
            )),
            _ => Ok(()),
        }
    }

    /// Refuses a module that is given none of these options.
    pub fn at_least_one(&self, names: &[&str]) -> Result<(), Problem> {
        if names.iter().any(|name| self.flag(name)) {
            return Ok(());
        }
        let names: Vec<String> = names.iter().map(|name| format!("`--{name}`")).collect();
        Err(self.missing(format!("{} behind it", names.join(" or "))))
    }

    /// Every option and its words, to the letter.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for given in &self.given {
            words.extend(given.negated.then(|| "!".to_owned()));
            words.push(format!("--{}", given.spec.means));
            words.extend(given.arguments.iter().map(|word| word.text.to_string()));
        }
        words
    }

    /// The problem that the module lacks something.
    pub fn missing(&self, expected: impl Into<String>) -> Problem {
        self.module.because("is incomplete", expected)
    }
}
