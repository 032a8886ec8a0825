//! Label selectors (apimachinery, meta/v1, `LabelSelector`) as Calico's selectors (conversion.go,
//! `k8sSelectorToCalico`).

use std::collections::BTreeSet;

use crate::calico::Selector;
use crate::calico::resources::Labels;
use crate::calico::selector::{Comparison, Expression, ORCHESTRATOR};

/// What labels must be: all that it says must hold; an empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// Labels and their values (`matchLabels`).
    pub labels: Labels,
    /// What else of labels (`matchExpressions`), in the order written.
    pub requirements: Vec<Requirement>,
}

/// What one label must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What it must be.
    pub operator: Operator,
}

/// What a label must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// There, and one of these.
    In(BTreeSet<String>),
    /// None of these, or missing.
    NotIn(BTreeSet<String>),
    /// There.
    Exists,
    /// Missing.
    DoesNotExist,
}

impl Requirement {
    fn expression(&self) -> Expression {
        let key = self.key.clone();
        match &self.operator {
            Operator::In(values) => Expression::In(key, values.clone()),
            Operator::NotIn(values) => Expression::NotIn(key, values.clone()),
            Operator::Exists => Expression::Has(key),
            Operator::DoesNotExist => Expression::Not(Box::new(Expression::Has(key))),
        }
    }
}

/// `KEY == "VALUE"`
fn equal(key: &str, value: &str) -> Expression {
    Expression::Compare {
        key: key.to_owned(),
        by: Comparison::Equal,
        value: value.to_owned(),
    }
}

impl LabelSelector {
    /// Labels by their keys, then the rest as it was written.
    fn parts(&self) -> impl Iterator<Item = Expression> + '_ {
        let labels = self.labels.iter().map(|(key, value)| equal(key, value));
        labels.chain(self.requirements.iter().map(Requirement::expression))
    }

    /// The selector of the pods that it selects; of all pods where there is none. A pod is what
    /// Kubernetes started: host endpoints and network sets are none.
    #[must_use]
    pub fn of_pods(selector: Option<&Self>) -> Selector {
        let pods = equal(ORCHESTRATOR, "k8s");
        let parts = selector.into_iter().flat_map(Self::parts);
        Selector::every([pods].into_iter().chain(parts))
    }

    /// The selector of the namespaces that it selects: `all()` where it says nothing, for to Calico no
    /// selector at all means the policy's own namespace.
    #[must_use]
    pub fn of_namespaces(&self) -> Selector {
        Selector::every(self.parts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    fn selector() -> LabelSelector {
        let requirement = |key: &str, operator| Requirement {
            key: key.to_owned(),
            operator,
        };
        LabelSelector {
            labels: [("b", "2"), ("a/x", "")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            requirements: vec![
                requirement("z", Operator::In(set(&["t", "s"]))),
                requirement("y", Operator::NotIn(set(&["r"]))),
                requirement("x", Operator::Exists),
                requirement("w", Operator::DoesNotExist),
            ],
        }
    }

    #[test]
    fn labels_go_by_key_and_requirements_as_written() {
        let rest =
            r#"a/x == "" && b == "2" && z in {"s", "t"} && y not in {"r"} && has(x) && !has(w)"#;
        let selector = selector();
        assert_eq!(selector.of_namespaces().as_str(), format!("({rest})"));
        assert_eq!(
            LabelSelector::of_pods(Some(&selector)).as_str(),
            format!(r#"(projectcalico.org/orchestrator == "k8s" && {rest})"#)
        );
    }

    #[test]
    fn an_empty_one_selects_all_namespaces_and_all_pods_but_no_host() {
        let empty = LabelSelector::default();
        assert_eq!(empty.of_namespaces(), Selector::all());
        let pods = r#"projectcalico.org/orchestrator == "k8s""#;
        assert_eq!(LabelSelector::of_pods(Some(&empty)).as_str(), pods);
        assert_eq!(LabelSelector::of_pods(None).as_str(), pods);
    }

    #[test]
    fn what_is_made_is_what_calico_would_read() {
        let made = LabelSelector::of_pods(Some(&selector()));
        assert_eq!(made.as_str().parse().ok(), Some(made));
    }
}
