//! Which value did every parameter have?

use std::fmt;

use scenarios::scenario::Scenario;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::table::{Cell, Column, Table};

/// Every parameter of a scenario with its value, defaults included, by the path that `--set` takes.
pub fn table(scenario: &Scenario) -> Table {
    let columns = vec![Column::key("parameter"), Column::left("value")];
    let mut table = Table::new("parameters", "Every parameter, defaults included", columns);
    for (path, value) in list(scenario) {
        table.row(vec![Cell::Text(path), Cell::Text(value)]);
    }
    table
}

/// Path and value of every parameter, in the order of the format.
pub fn list(scenario: &Scenario) -> Vec<(String, String)> {
    let json = serde_json::to_string(scenario).expect("a scenario can be written as JSON");
    let tree: Tree = serde_json::from_str(&json).expect("what was just written can be read");
    let mut leaves = Vec::new();
    tree.leaves(String::new(), &mut leaves);
    leaves
}

/// JSON in the order in which it was written.
enum Tree {
    Leaf(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    fn leaves(self, path: String, into: &mut Vec<(String, String)>) {
        match self {
            Self::Leaf(value) => into.push((path, value)),
            Self::List(items) if items.iter().all(|item| matches!(item, Self::Leaf(_))) => {
                let words: Vec<String> = items.into_iter().map(Self::word).collect();
                into.push((path, format!("[{}]", words.join(", "))));
            }
            Self::List(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    item.leaves(format!("{path}[{index}]"), into);
                }
            }
            Self::Map(entries) if entries.is_empty() => into.push((path, "{}".to_owned())),
            Self::Map(entries) => {
                for (key, value) in entries {
                    value.leaves(joined(&path, &key), into);
                }
            }
        }
    }

    fn word(self) -> String {
        match self {
            Self::Leaf(word) => word,
            Self::List(_) | Self::Map(_) => String::new(),
        }
    }
}

/// A step of a path; names with dots or blanks are quoted, as `--set` reads them.
fn joined(path: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'));
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf("none".to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_set_and_keep_their_order() {
        let json =
            r#"{"b":{"a.b":{"Poisson":{"rate":"400/s"}}},"a":[1,2],"c":[{"d":null}],"e":{}}"#;
        let tree: Tree = serde_json::from_str(json).unwrap();
        let mut leaves = Vec::new();
        tree.leaves(String::new(), &mut leaves);
        let leaves: Vec<String> = leaves
            .into_iter()
            .map(|(path, value)| format!("{path} = {value}"))
            .collect();
        assert_eq!(
            leaves,
            [
                "b[\"a.b\"].Poisson.rate = 400/s",
                "a = [1, 2]",
                "c[0].d = none",
                "e = {}"
            ]
        );
    }
}
