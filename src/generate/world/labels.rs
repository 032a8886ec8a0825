//! Labels, tags, and selectors over them: few keys and values, so that they meet.

use std::collections::BTreeSet;

use super::{Feature, Maker};
use crate::calico::Selector;
use crate::calico::resources::Labels;
use crate::calico::selector::{Comparison, Expression};
use crate::generate::bits::Bits;

/// Keys of labels; the last is one that nobody has, the one before looks like a tag.
const KEYS: [&str; 5] = ["role", "env", "example.org/zone", "blue", "nobody_has-it"];
/// Values of labels; a selector may ask for the last ones, which are no values.
const VALUES: [&str; 6] = ["web", "db", "web-2", "x", "it's", ""];
/// How many of the values labels may have.
const LABEL_VALUES: usize = 4;
/// Tags; one looks like a key.
const TAGS: [&str; 3] = ["blue", "green", "role"];

impl<B: Bits> Maker<'_, B> {
    /// The labels of an endpoint.
    pub(super) fn labels(&mut self) -> Labels {
        let mut labels = Labels::new();
        for key in &KEYS[..KEYS.len() - 1] {
            if self.bits.chance(1, 2) {
                let value = match self.at_times(Feature::EmptyLabels, 1, 3) {
                    true => "",
                    false => VALUES[self.bits.below(LABEL_VALUES)],
                };
                labels.insert((*key).to_owned(), value.to_owned());
            }
        }
        labels
    }

    /// A tag.
    pub(super) fn tag(&mut self) -> String {
        self.bits.one(TAGS).to_owned()
    }

    /// A selector.
    pub(super) fn selector(&mut self) -> Selector {
        let depth = self.bits.below(self.dials.depth + 1);
        let expression = self.expression(depth);
        Selector::new(expression).unwrap_or_else(Selector::all)
    }

    fn key(&mut self) -> String {
        self.bits.one(KEYS).to_owned()
    }

    fn value(&mut self) -> String {
        self.bits.one(VALUES).to_owned()
    }

    fn values(&mut self) -> BTreeSet<String> {
        let count = self.bits.one([0, 1, 2, 2, 3]);
        (0..count).map(|_| self.value()).collect()
    }

    fn expression(&mut self, depth: usize) -> Expression {
        if depth == 0 {
            return self.question();
        }
        let within = depth - 1;
        match self.bits.below(4) {
            0 => match self.expression(within) {
                // `!!` is not of the language.
                again @ Expression::Not(_) => again,
                inner => Expression::Not(Box::new(inner)),
            },
            1 => Expression::Or(self.expressions(within)),
            2 => Expression::And(self.expressions(within)),
            _ => self.question(),
        }
    }

    fn expressions(&mut self, depth: usize) -> Vec<Expression> {
        let count = self.bits.one([2, 2, 3]);
        (0..count).map(|_| self.expression(depth)).collect()
    }

    fn question(&mut self) -> Expression {
        let key = self.key();
        match self.bits.below(10) {
            0 => Expression::All,
            1 | 2 => Expression::Has(key),
            3 => Expression::In(key, self.values()),
            4 => Expression::NotIn(key, self.values()),
            5 | 6 => Expression::Compare {
                key,
                by: Comparison::Equal,
                value: self.value(),
            },
            _ => Expression::Compare {
                key,
                by: self.bits.one(Comparison::ALL),
                value: self.value(),
            },
        }
    }
}
