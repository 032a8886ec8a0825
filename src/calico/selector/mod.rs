//! Selectors: expressions over labels (`role == "db" && !has(retired)`).
//!
//! * [`Expression`] is what one says, and how it is written and judged;
//! * [`parse`] reads the text.
//!
//! The canonical spelling is Calico's own (libcalico-go, lib/selector/parser): sets are named by its
//! hash, so it is part of what Felix renders.

mod parse;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use parse::WrongSelector;

/// How deep parentheses may stand in each other. Calico has no such limit; a text without one could
/// exhaust the stack.
pub const DEEPEST: usize = 64;

/// How long a label's key may be (libcalico-go, lib/selector/tokenizer, `LabelKeyMatcher`).
pub const LONGEST_KEY: usize = 512;

/// What has labels.
pub trait Labels {
    /// The value of a label; `None` where it is missing.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labels for BTreeMap<String, String> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

/// What a selector says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Expression {
    /// `all()`: everything.
    All,
    /// `global()`: in a selector of namespaces, what has no namespace.
    Global,
    /// `has(KEY)`: whatever has the label.
    Has(String),
    /// `KEY == "VALUE"` and its like.
    Compare {
        /// The label.
        key: String,
        /// How.
        by: Comparison,
        /// With which value.
        value: String,
    },
    /// `KEY in {…}`.
    In(String, BTreeSet<String>),
    /// `KEY not in {…}`: also what lacks the label.
    NotIn(String, BTreeSet<String>),
    /// `!…`: what it does not select.
    Not(Box<Self>),
    /// `(… && …)`: what all of them select.
    And(Vec<Self>),
    /// `(… || …)`: what any of them selects.
    Or(Vec<Self>),
}

/// How a label is held against one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`: also what lacks the label.
    NotEqual,
    /// `contains`
    Contains,
    /// `starts with`
    StartsWith,
    /// `ends with`
    EndsWith,
}

impl Comparison {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Equal,
        Self::NotEqual,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
    ];

    /// As selectors write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Contains => "contains",
            Self::StartsWith => "starts with",
            Self::EndsWith => "ends with",
        }
    }

    fn holds(self, label: Option<&str>, value: &str) -> bool {
        match self {
            Self::Equal => label == Some(value),
            Self::NotEqual => label != Some(value),
            Self::Contains => label.is_some_and(|label| label.contains(value)),
            Self::StartsWith => label.is_some_and(|label| label.starts_with(value)),
            Self::EndsWith => label.is_some_and(|label| label.ends_with(value)),
        }
    }
}

impl Expression {
    /// Whether it selects what has these labels.
    #[must_use]
    pub fn selects(&self, labels: &impl Labels) -> bool {
        let among = |key: &str, values: &BTreeSet<String>| {
            labels
                .label(key)
                .is_some_and(|label| values.contains(label))
        };
        match self {
            Self::All => true,
            // Only a selector of namespaces says so, and that is put in terms of labels
            // ([`Expression::of_namespace`]) before it is asked.
            Self::Global => labels.label(NAMESPACE).is_none(),
            Self::Has(key) => labels.label(key).is_some(),
            Self::Compare { key, by, value } => by.holds(labels.label(key), value),
            Self::In(key, values) => among(key, values),
            Self::NotIn(key, values) => !among(key, values),
            Self::Not(inner) => !inner.selects(labels),
            Self::And(parts) => parts.iter().all(|part| part.selects(labels)),
            Self::Or(parts) => parts.iter().any(|part| part.selects(labels)),
        }
    }

    /// The same over labels that bear a prefix, with other words for `all()` and `global()`.
    fn renamed(&self, prefix: &str, all: &Self, global: &Self) -> Self {
        let key = |key: &String| format!("{prefix}{key}");
        let parts = |parts: &[Self]| {
            let parts = parts.iter().map(|part| part.renamed(prefix, all, global));
            parts.collect()
        };
        match self {
            Self::All => all.clone(),
            Self::Global => global.clone(),
            Self::Has(label) => Self::Has(key(label)),
            Self::Compare {
                key: label,
                by,
                value,
            } => Self::Compare {
                key: key(label),
                by: *by,
                value: value.clone(),
            },
            Self::In(label, values) => Self::In(key(label), values.clone()),
            Self::NotIn(label, values) => Self::NotIn(key(label), values.clone()),
            Self::Not(inner) => Self::Not(Box::new(inner.renamed(prefix, all, global))),
            Self::And(inner) => Self::And(parts(inner)),
            Self::Or(inner) => Self::Or(parts(inner)),
        }
    }

    /// A selector of namespaces as one of what is in them: their labels appear with `pcns.`.
    #[must_use]
    pub fn of_namespace(&self) -> Self {
        let namespaced = Self::Has(NAMESPACE.to_owned());
        let global = Self::Not(Box::new(namespaced.clone()));
        self.renamed(NAMESPACE_PREFIX, &namespaced, &global)
    }

    /// A selector of service accounts as one of what runs under them: their labels appear with
    /// `pcsa.`.
    #[must_use]
    pub fn of_service_account(&self) -> Self {
        let accounted = Self::Has(SERVICE_ACCOUNT.to_owned());
        self.renamed(SERVICE_ACCOUNT_PREFIX, &accounted, &Self::Global)
    }

    /// Whether it says `global()` somewhere.
    #[must_use]
    pub fn says_global(&self) -> bool {
        match self {
            Self::Global => true,
            Self::Not(inner) => inner.says_global(),
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::says_global),
            _ => false,
        }
    }
}

/// The label that says in which namespace an endpoint is.
pub const NAMESPACE: &str = "projectcalico.org/namespace";
/// The label that says who started an endpoint.
pub const ORCHESTRATOR: &str = "projectcalico.org/orchestrator";
/// The label that says under which service account an endpoint runs.
pub const SERVICE_ACCOUNT: &str = "projectcalico.org/serviceaccount";

/// What stands before the labels of an endpoint's namespace among its own (libcalico-go,
/// lib/backend/k8s/conversion, `NamespaceLabelPrefix`).
pub const NAMESPACE_PREFIX: &str = "pcns.";
/// What stands before the labels of an endpoint's service account among its own (libcalico-go,
/// lib/backend/k8s/conversion, `ServiceAccountLabelPrefix`).
pub const SERVICE_ACCOUNT_PREFIX: &str = "pcsa.";

/// A value in the quotes that it does not contain.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if self.0.contains('"') { '\'' } else { '"' };
        write!(f, "{quote}{}{quote}", self.0)
    }
}

fn write_list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
    between: &str,
) -> fmt::Result {
    for (place, item) in items.into_iter().enumerate() {
        let before = if place == 0 { "" } else { between };
        write!(f, "{before}{item}")?;
    }
    Ok(())
}

impl fmt::Display for Expression {
    /// The canonical spelling.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |f: &mut fmt::Formatter<'_>, values: &BTreeSet<String>| {
            f.write_str("{")?;
            write_list(f, values.iter().map(|value| Quoted(value)), ", ")?;
            f.write_str("}")
        };
        let parts = |f: &mut fmt::Formatter<'_>, parts: &[Self], between: &str| {
            f.write_str("(")?;
            write_list(f, parts, between)?;
            f.write_str(")")
        };
        match self {
            Self::All => f.write_str("all()"),
            Self::Global => f.write_str("global()"),
            Self::Has(key) => write!(f, "has({key})"),
            Self::Compare { key, by, value } => {
                write!(f, "{key} {} {}", by.as_str(), Quoted(value))
            }
            Self::In(key, values) => {
                write!(f, "{key} in ")?;
                set(f, values)
            }
            Self::NotIn(key, values) => {
                write!(f, "{key} not in ")?;
                set(f, values)
            }
            Self::Not(inner) => write!(f, "!{inner}"),
            Self::And(inner) => parts(f, inner, " && "),
            Self::Or(inner) => parts(f, inner, " || "),
        }
    }
}

/// A selector: an expression that can be written, with its canonical spelling. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector(Arc<Inner>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Inner {
    text: String,
    expression: Expression,
}

impl Selector {
    /// The selector of an expression; `None` where none can be written so: a key with other
    /// characters than letters, digits, `_`, `.`, `/` and `-`, a value with both quotes in it, `&&`
    /// and `||` between fewer than two, `!` before `!`, more than [`DEEPEST`] levels.
    #[must_use]
    pub fn new(expression: Expression) -> Option<Self> {
        let text = expression.to_string();
        let read = text.parse::<Self>().ok()?;
        (*read.expression() == expression).then_some(read)
    }

    /// The selector of everything.
    #[must_use]
    pub fn all() -> Self {
        Self::from_parts(Expression::All)
    }

    /// The selector of an expression that is known to be writable.
    fn from_parts(expression: Expression) -> Self {
        let text = expression.to_string();
        Self(Arc::new(Inner { text, expression }))
    }

    /// What all of some selectors select, as Calico joins them: in the order given, each as it
    /// stands.
    #[must_use]
    pub fn every(parts: impl IntoIterator<Item = Expression>) -> Self {
        let mut parts: Vec<Expression> = parts.into_iter().collect();
        Self::from_parts(match parts.len() {
            0 => Expression::All,
            1 => parts.remove(0),
            _ => Expression::And(parts),
        })
    }

    /// What it says.
    #[must_use]
    pub fn expression(&self) -> &Expression {
        &self.0.expression
    }

    /// Its canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether it selects what has these labels.
    #[must_use]
    pub fn selects(&self, labels: &impl Labels) -> bool {
        self.expression().selects(labels)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selector({})", self.as_str())
    }
}

impl FromStr for Selector {
    type Err = WrongSelector;

    /// Reads a selector; an empty one selects everything.
    fn from_str(text: &str) -> Result<Self, WrongSelector> {
        parse::expression(text).map(Self::from_parts)
    }
}

/// Whether a character may stand in a label's key.
#[must_use]
pub fn is_key_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '/' | '-')
}
