//! Which pods, and which nodes: label selectors and node selectors, as written and as asked.
//!
//! A selector in a manifest is null, empty or a list of requirements, and the first two are opposites: null selects
//! nothing, empty selects everything. [`Selector`] keeps them apart.
//!
//! Source: Kubernetes `apimachinery/pkg/labels`, `component-helpers/scheduling/corev1/nodeaffinity` at 1.34.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Labels of a pod, a node or a namespace.
pub type Labels = BTreeMap<String, String>;

/// A query over the labels of pods or namespaces. All of its requirements must hold; with none, it selects everything.
///
/// Source: Kubernetes API v1, `LabelSelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LabelSelector {
    /// Labels that must be there with exactly these values. Default: none.
    pub match_labels: Labels,
    /// Further requirements on labels. Default: none.
    pub match_expressions: Vec<LabelRequirement>,
}

/// One requirement on one label.
///
/// Source: Kubernetes API v1, `LabelSelectorRequirement` and `NodeSelectorRequirement`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelRequirement {
    /// The label's key.
    pub key: String,
    /// How the label's value relates to `values`.
    pub operator: Operator,
    /// What the value is compared with: at least one for `In` and `NotIn`, none for `Exists` and `DoesNotExist`,
    /// a single whole number for `Gt` and `Lt`. Default: none.
    #[serde(default)]
    pub values: Vec<String>,
}

/// How a label's value relates to the values of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// The label is there and its value is one of the values.
    In,
    /// The label is not there, or its value is none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
    /// The label's value is a number above the given one. Nodes only.
    Gt,
    /// The label's value is a number below the given one. Nodes only.
    Lt,
}

impl LabelRequirement {
    /// Whether an object with these labels meets the requirement.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.accepts(labels.get(&self.key).map(String::as_str))
    }

    /// Whether a label with this value meets the requirement; `None` when the object does not carry the label.
    fn accepts(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|one| one == value);
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => self.compare(value, |found, bound| found > bound),
            Operator::Lt => self.compare(value, |found, bound| found < bound),
        }
    }

    fn compare(&self, value: Option<&str>, holds: impl Fn(i64, i64) -> bool) -> bool {
        let found = value.and_then(|value| value.parse().ok());
        let bound = self.values.first().and_then(|bound| bound.parse().ok());
        matches!((found, bound), (Some(found), Some(bound)) if holds(found, bound))
    }

    /// Whether the API accepts the requirement: the number of values fits the operator.
    pub fn is_valid(&self) -> bool {
        match self.operator {
            Operator::In | Operator::NotIn => !self.values.is_empty(),
            Operator::Exists | Operator::DoesNotExist => self.values.is_empty(),
            Operator::Gt | Operator::Lt => {
                self.values.len() == 1 && self.values[0].parse::<i64>().is_ok()
            }
        }
    }
}

/// A label selector ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// A null selector: selects nothing.
    Nothing,
    /// All requirements must hold; with none, everything is selected.
    All(Vec<LabelRequirement>),
}

impl Selector {
    /// The selector as written; `None` is null.
    pub fn new(written: Option<&LabelSelector>) -> Self {
        written.map_or(Self::Nothing, |selector| {
            let exact = selector
                .match_labels
                .iter()
                .map(|(key, value)| equals(key, value));
            Self::All(
                exact
                    .chain(selector.match_expressions.iter().cloned())
                    .collect(),
            )
        })
    }

    /// Requires these labels, each with this value, besides what is required already.
    pub fn and_labels<'a>(&mut self, labels: impl IntoIterator<Item = (&'a String, &'a String)>) {
        if let Self::All(requirements) = self {
            requirements.extend(labels.into_iter().map(|(key, value)| equals(key, value)));
        }
    }

    /// Requires of each key that `pod` carries the pod's own value (`In`) or another one (`NotIn`).
    ///
    /// Keys the pod does not carry are passed over. This is what the API server does with `matchLabelKeys` and
    /// `mismatchLabelKeys` when a pod is created.
    pub fn and_own_values(&mut self, keys: &[String], pod: &Labels, operator: Operator) {
        if let Self::All(requirements) = self {
            let carried = keys
                .iter()
                .filter_map(|key| Some((key.clone(), pod.get(key)?.clone())));
            requirements.extend(carried.map(|(key, value)| LabelRequirement {
                key,
                operator,
                values: vec![value],
            }));
        }
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(requirements) => requirements
                .iter()
                .all(|requirement| requirement.matches(labels)),
        }
    }

    /// Whether nothing is required, so that everything is selected.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::All(requirements) if requirements.is_empty())
    }
}

fn equals(key: &str, value: &str) -> LabelRequirement {
    LabelRequirement {
        key: key.to_owned(),
        operator: Operator::In,
        values: vec![value.to_owned()],
    }
}

/// Which nodes a pod may use: at least one of the terms must hold. With no term, no node will do.
///
/// Source: Kubernetes API v1, `NodeSelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSelector {
    /// The terms, any of which suffices.
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// Requirements on one node, all of which must hold. A term without any matches no node.
///
/// Source: Kubernetes API v1, `NodeSelectorTerm`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSelectorTerm {
    /// Requirements on the node's labels. Default: none.
    pub match_expressions: Vec<LabelRequirement>,
    /// Requirements on the node's fields; the only field is `metadata.name`. Default: none.
    pub match_fields: Vec<LabelRequirement>,
}

/// The one field that `match_fields` knows.
const NAME_FIELD: &str = "metadata.name";

impl NodeSelector {
    /// Whether a node with this name and these labels will do.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        self.node_selector_terms
            .iter()
            .any(|term| term.matches(name, labels))
    }

    /// The only nodes that can match, by name, when every term names its nodes; `None` when some term does not.
    pub fn named_nodes(&self) -> Option<Vec<&str>> {
        let mut named = Vec::new();
        for term in &self.node_selector_terms {
            named.extend(term.named_nodes()?);
        }
        (!self.node_selector_terms.is_empty()).then_some(named)
    }
}

impl NodeSelectorTerm {
    /// Whether a node with this name and these labels meets all requirements.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        let none = self.match_expressions.is_empty() && self.match_fields.is_empty();
        let known = |field: &LabelRequirement| field.key == NAME_FIELD && field.accepts(Some(name));
        let valid = self
            .match_expressions
            .iter()
            .all(LabelRequirement::is_valid);
        !none
            && valid
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.matches(labels))
            && self.match_fields.iter().all(known)
    }

    /// The nodes that the `metadata.name` requirements leave, if there are any such requirements.
    fn named_nodes(&self) -> Option<Vec<&str>> {
        let mut lists = self
            .match_fields
            .iter()
            .filter(|field| field.key == NAME_FIELD && field.operator == Operator::In);
        let mut named: Vec<&str> = lists.next()?.values.iter().map(String::as_str).collect();
        for list in lists {
            named.retain(|name| list.values.iter().any(|other| other == name));
        }
        Some(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    fn requirement(key: &str, operator: Operator, values: &[&str]) -> LabelRequirement {
        LabelRequirement {
            key: key.to_owned(),
            operator,
            values: values.iter().map(|&v| v.to_owned()).collect(),
        }
    }

    #[test]
    fn null_selects_nothing_and_empty_selects_everything() {
        assert!(!Selector::new(None).matches(&labels(&[])));
        assert!(!Selector::new(None).is_empty());
        assert!(Selector::new(Some(&LabelSelector::default())).matches(&labels(&[("a", "b")])));
        assert!(Selector::new(Some(&LabelSelector::default())).is_empty());
    }

    #[test]
    fn not_in_accepts_a_missing_label() {
        let not_in = requirement("tier", Operator::NotIn, &["db"]);
        assert!(not_in.matches(&labels(&[])));
        assert!(not_in.matches(&labels(&[("tier", "web")])));
        assert!(!not_in.matches(&labels(&[("tier", "db")])));
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        // As text "9" would be above "10".
        let above = requirement("cores", Operator::Gt, &["10"]);
        assert!(!above.matches(&labels(&[("cores", "9")])));
        assert!(above.matches(&labels(&[("cores", "11")])));
        assert!(!above.matches(&labels(&[("cores", "many")])));
        assert!(!requirement("cores", Operator::Lt, &["10"]).matches(&labels(&[])));
    }

    #[test]
    fn a_term_without_requirements_matches_no_node() {
        assert!(!NodeSelectorTerm::default().matches("a", &labels(&[])));
        assert!(!NodeSelector::default().matches("a", &labels(&[])));
    }

    #[test]
    fn own_values_are_required_of_the_keys_the_pod_carries() {
        let mut selector = Selector::new(Some(&LabelSelector::default()));
        let keys = ["hash".to_owned(), "absent".to_owned()];
        selector.and_own_values(&keys, &labels(&[("hash", "7d9f")]), Operator::In);
        assert!(selector.matches(&labels(&[("hash", "7d9f")])));
        assert!(!selector.matches(&labels(&[("hash", "5c4b")])));
    }

    #[test]
    fn a_selector_that_names_nodes_in_every_term_lists_them() {
        let named = |values: &[&str]| NodeSelectorTerm {
            match_fields: vec![requirement(NAME_FIELD, Operator::In, values)],
            ..NodeSelectorTerm::default()
        };
        let mut selector = NodeSelector {
            node_selector_terms: vec![named(&["a"]), named(&["b"])],
        };
        assert_eq!(selector.named_nodes(), Some(vec!["a", "b"]));
        assert!(selector.matches("b", &labels(&[])));
        selector.node_selector_terms.push(NodeSelectorTerm {
            match_expressions: vec![requirement("zone", Operator::Exists, &[])],
            ..NodeSelectorTerm::default()
        });
        assert_eq!(selector.named_nodes(), None);
    }
}
