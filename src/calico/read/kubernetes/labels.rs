//! Label selectors (kubernetes, apimachinery, pkg/apis/meta/v1/validation, `ValidateLabelSelector`).

use std::collections::BTreeSet;

use super::known;
use crate::calico::kubernetes::LabelSelector;
use crate::calico::kubernetes::labels::{Operator, Requirement};
use crate::calico::read::tree::{Fields, Read, Reader, Tree};
use crate::calico::words::Words;

/// What a requirement asks, before its values are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// What requirements ask.
pub(super) const QUESTIONS: Words<Question> = &[
    ("In", Question::In),
    ("NotIn", Question::NotIn),
    ("Exists", Question::Exists),
    ("DoesNotExist", Question::DoesNotExist),
];

impl Reader<'_> {
    pub(super) fn label_selector(&self, tree: &Tree) -> Read<LabelSelector> {
        let fields = self.fields(tree, "a label selector", known::LABEL_SELECTOR)?;
        let requirements = fields.get("matchExpressions");
        Ok(LabelSelector {
            labels: self.labels(fields.get("matchLabels"))?,
            requirements: self.list(requirements, |one| self.requirement(one))?,
        })
    }

    /// A label selector that may be missing.
    pub(super) fn some_label_selector(&self, tree: Option<&Tree>) -> Read<Option<LabelSelector>> {
        tree.map(|tree| self.label_selector(tree)).transpose()
    }

    fn requirement(&self, tree: &Tree) -> Read<Requirement> {
        let fields = self.fields(tree, "a requirement of labels", known::REQUIREMENT)?;
        let key = self.required(&fields, "key")?;
        let (key, place) = (self.text(key)?.to_owned(), key.referenced);
        self.label_key(&key, place)?;
        let operator = self.required(&fields, "operator")?;
        let operator = match self.word(operator, "operator", QUESTIONS)? {
            Question::In => Operator::In(self.label_values(&fields)?),
            Question::NotIn => Operator::NotIn(self.label_values(&fields)?),
            Question::Exists => self.without_values(&fields, Operator::Exists)?,
            Question::DoesNotExist => self.without_values(&fields, Operator::DoesNotExist)?,
        };
        Ok(Requirement { key, operator })
    }

    /// The values of `In` and `NotIn`, one at least.
    fn label_values(&self, fields: &Fields<'_>) -> Read<BTreeSet<String>> {
        let values = self.list(fields.get("values"), |value| self.label_value(value))?;
        if values.is_empty() {
            let place = fields
                .get("values")
                .map_or(fields.place, |tree| tree.referenced);
            let problem = "no values for `In` or `NotIn`; expected one at least";
            return Err(self.wrong(place, problem));
        }
        Ok(values.into_iter().collect())
    }

    fn without_values(&self, fields: &Fields<'_>, operator: Operator) -> Read<Operator> {
        match fields.get("values") {
            Some(tree) if !self.list(Some(tree), |_| Ok(()))?.is_empty() => {
                let problem = "values for `Exists` or `DoesNotExist`; expected none";
                Err(self.wrong(tree.referenced, problem))
            }
            _ => Ok(operator),
        }
    }
}
