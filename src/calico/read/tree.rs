//! YAML as a tree in which everything knows its place, and the questions that readers put to it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::calico::resources::Api;
use crate::node::yaml::{WrongYaml, Yaml};

/// What reading comes to.
pub(super) type Read<T> = Result<T, Box<WrongYaml>>;

/// A value and its place.
pub(super) type Tree = Spanned<Value>;

/// A value of YAML.
#[derive(Debug)]
pub(super) enum Value {
    Nothing,
    Truth(bool),
    Whole(i128),
    Real(f64),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(Spanned<String>, Tree)>),
}

impl Value {
    /// What kind of value it is, in words.
    fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Truth(_) => "a truth value",
            Self::Whole(_) | Self::Real(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "fields",
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Truth(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        Ok(Value::Whole(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Real(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}

/// The fields of a part of a resource, all of them known.
#[derive(Clone, Copy)]
pub(super) struct Fields<'t> {
    /// What has them, in words.
    pub(super) what: &'static str,
    /// Where it stands.
    pub(super) place: Location,
    entries: &'t [(Spanned<String>, Tree)],
}

impl<'t> Fields<'t> {
    /// No field at all.
    pub(super) fn none(what: &'static str, place: Location) -> Self {
        let entries = &[];
        Self {
            what,
            place,
            entries,
        }
    }

    /// A field; `None` where it is missing or holds nothing.
    pub(super) fn get(&self, name: &str) -> Option<&'t Tree> {
        let entry = self.entries.iter().find(|(key, _)| key.value == name)?;
        (!matches!(entry.1.value, Value::Nothing)).then_some(&entry.1)
    }

    /// The fields of one of them, unchecked.
    pub(super) fn inside(&self, tree: &'t Tree) -> Self {
        let entries = match &tree.value {
            Value::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        Self { entries, ..*self }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'t Spanned<String>, &'t Tree)> + use<'t> {
        self.entries.iter().map(|(key, value)| (key, value))
    }
}

/// `a, b or c`.
pub(super) fn alternatives<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// A file while it is read, or one of its resources.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    /// The file.
    pub(super) yaml: Yaml<'a>,
    /// The version of the API that it speaks.
    pub(super) api: Api,
}

impl Reader<'_> {
    /// An error about a place.
    pub(super) fn wrong(&self, place: Location, problem: impl Into<String>) -> Box<WrongYaml> {
        self.yaml.wrong(self.yaml.offset(place), problem.into())
    }

    /// An error about a byte of a text in the YAML.
    pub(super) fn wrong_inside(
        &self,
        tree: &Tree,
        text: &str,
        offset: usize,
        problem: String,
    ) -> Box<WrongYaml> {
        let begins = self.yaml.offset(tree.referenced);
        self.yaml.wrong_inside(begins, text, offset, problem)
    }

    fn mistaken(&self, tree: &Tree, expected: &str) -> Box<WrongYaml> {
        let problem = format!("found {}; expected {expected}", tree.value.kind());
        self.wrong(tree.referenced, problem)
    }

    /// The fields of a part; `what` says in words what it is, `known` which fields it can have.
    pub(super) fn fields<'t>(
        &self,
        tree: &'t Tree,
        what: &'static str,
        known: &[&[&str]],
    ) -> Read<Fields<'t>> {
        let fields = self.any_fields(tree, what)?;
        let is_known = |name: &str| known.iter().any(|names| names.contains(&name));
        match fields.all().find(|(key, _)| !is_known(&key.value)) {
            None => Ok(fields),
            Some((key, _)) => {
                let expected = alternatives(known.iter().copied().flatten().copied());
                let problem = format!("{what} has no field `{}`; expected {expected}", key.value);
                Err(self.wrong(key.referenced, problem))
            }
        }
    }

    /// The fields of a part that may have any.
    pub(super) fn any_fields<'t>(&self, tree: &'t Tree, what: &'static str) -> Read<Fields<'t>> {
        let entries = match &tree.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Nothing => &[],
            _ => return Err(self.mistaken(tree, &format!("the fields of {what}"))),
        };
        Ok(Fields {
            what,
            place: tree.referenced,
            entries,
        })
    }

    /// A field that must be there.
    pub(super) fn required<'t>(&self, fields: &Fields<'t>, name: &str) -> Read<&'t Tree> {
        fields.get(name).ok_or_else(|| {
            let problem = format!("no field `{name}` in {}; expected one", fields.what);
            self.wrong(fields.place, problem)
        })
    }

    /// The items of a list, each read.
    pub(super) fn list<T>(
        &self,
        tree: Option<&Tree>,
        mut read: impl FnMut(&Tree) -> Read<T>,
    ) -> Read<Vec<T>> {
        match tree.map(|tree| (&tree.value, tree)) {
            None | Some((Value::Nothing, _)) => Ok(Vec::new()),
            Some((Value::List(items), _)) => items.iter().map(&mut read).collect(),
            Some((_, tree)) => Err(self.mistaken(tree, "a list")),
        }
    }

    /// A text.
    pub(super) fn text<'t>(&self, tree: &'t Tree) -> Read<&'t str> {
        match &tree.value {
            Value::Text(text) => Ok(text),
            Value::Whole(_) | Value::Real(_) | Value::Truth(_) => {
                Err(self.mistaken(tree, "text; put it in quotes"))
            }
            _ => Err(self.mistaken(tree, "text")),
        }
    }

    /// A truth value; `false` where it is absent.
    pub(super) fn truth(&self, tree: Option<&Tree>) -> Read<bool> {
        match tree.map(|tree| (&tree.value, tree)) {
            None => Ok(false),
            Some((Value::Truth(truth), _)) => Ok(*truth),
            Some((_, tree)) => Err(self.mistaken(tree, "true or false")),
        }
    }

    /// A finite number.
    pub(super) fn number(&self, tree: &Tree) -> Read<f64> {
        match tree.value {
            // Orders are floating-point numbers in the API itself (libcalico-go, `Order *float64`).
            #[expect(clippy::cast_precision_loss)]
            Value::Whole(number) => Ok(number as f64),
            Value::Real(number) if number.is_finite() => Ok(number),
            _ => Err(self.mistaken(tree, "a finite number")),
        }
    }

    /// A whole number between two others, both included.
    pub(super) fn whole<T: TryFrom<i128> + Into<i128> + Copy>(
        &self,
        tree: &Tree,
        what: &str,
        [least, most]: [T; 2],
    ) -> Read<T> {
        let bounds = [least.into(), most.into()];
        let expected = format!("{what}, {} to {}", bounds[0], bounds[1]);
        let Value::Whole(number) = tree.value else {
            return Err(self.mistaken(tree, &expected));
        };
        let fits = (bounds[0]..=bounds[1]).contains(&number);
        fits.then(|| T::try_from(number).ok())
            .flatten()
            .ok_or_else(|| {
                let problem = format!("found {number}; expected {expected}");
                self.wrong(tree.referenced, problem)
            })
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, tree: &Tree, what: &str, words: &[(&str, T)]) -> Read<T> {
        let text = self.text(tree)?;
        let meant = words.iter().find(|(word, _)| *word == text);
        meant.map(|(_, meant)| *meant).ok_or_else(|| {
            let expected = alternatives(words.iter().map(|(word, _)| *word));
            let problem = format!("`{text}` is no {what}; expected {expected}");
            self.wrong(tree.referenced, problem)
        })
    }
}
