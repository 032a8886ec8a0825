//! YAML as it is written: values in the order in which they are put.

use std::fmt::Display;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::calico::resources::Order;

/// A value.
#[derive(Debug)]
pub(super) enum Node {
    Truth(bool),
    Whole(i64),
    Real(f64),
    Text(String),
    List(Vec<Self>),
    Map(Map),
}

/// Fields.
#[derive(Debug, Default)]
pub(super) struct Map(Vec<(String, Node)>);

impl Map {
    /// With a field more.
    pub(super) fn with(mut self, name: &str, value: impl Into<Node>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// With a field more, if it says something: no empty list, no empty fields.
    pub(super) fn some(self, name: &str, value: impl Into<Node>) -> Self {
        match value.into() {
            Node::List(list) if list.is_empty() => self,
            Node::Map(map) if map.0.is_empty() => self,
            value => self.with(name, value),
        }
    }

    /// With a field more, if there is a value.
    pub(super) fn maybe(self, name: &str, value: Option<impl Into<Node>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a field more that is true, or none.
    pub(super) fn flag(self, name: &str, set: bool) -> Self {
        self.maybe(name, set.then_some(true))
    }
}

impl Node {
    /// A text.
    pub(super) fn text(value: impl Display) -> Self {
        Self::Text(value.to_string())
    }

    /// A list of texts.
    pub(super) fn texts<T: Display>(values: &[T]) -> Self {
        values.iter().map(Self::text).collect()
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<bool> for Node {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

impl From<u8> for Node {
    fn from(number: u8) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u16> for Node {
    fn from(number: u16) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u32> for Node {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<Order> for Node {
    fn from(order: Order) -> Self {
        let number = order.number();
        // 2^53: up to there every whole number is one of `f64`, and prints as one.
        let whole = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation)]
        if whole {
            Self::Whole(number as i64)
        } else {
            Self::Real(number)
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl FromIterator<Node> for Node {
    fn from_iter<I: IntoIterator<Item = Node>>(items: I) -> Self {
        Self::List(items.into_iter().collect())
    }
}

impl<'a> FromIterator<(&'a String, &'a String)> for Map {
    fn from_iter<I: IntoIterator<Item = (&'a String, &'a String)>>(items: I) -> Self {
        let entry = |(key, value): (&String, &String)| (key.clone(), Node::text(value));
        Self(items.into_iter().map(entry).collect())
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Truth(truth) => serializer.serialize_bool(*truth),
            Self::Whole(number) => serializer.serialize_i64(*number),
            Self::Real(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(map) => map.serialize(serializer),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            fields.serialize_entry(name, value)?;
        }
        fields.end()
    }
}
