//! Which target group does a listener rule send a request to?
//!
//! One, or several with weights: the way to move traffic from one group to another step by step.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The `forward` action of a listener rule: a target group, or several with their weights.
///
/// Written `"web"` or `{ "old": 9, "new": 1 }`. Each request is a draw of its own.
///
/// Range: up to five groups, weights from 0 to 999, not all of them 0.
/// Source: AWS, "Listener rules for your Application Load Balancer", forward actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// In the order of the file.
    groups: Vec<(String, u16)>,
    /// Whether only a name was written.
    plain: bool,
}

impl Forward {
    /// Most groups of an action.
    pub const MOST_GROUPS: usize = 5;
    /// The largest weight.
    pub const MOST_WEIGHT: u16 = 999;

    /// Everything to one group.
    pub fn to(group: impl Into<String>) -> Self {
        Self {
            groups: vec![(group.into(), 1)],
            plain: true,
        }
    }

    /// The groups in the order of the file, each with its weight.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&str, u16)> {
        let groups = self.groups.iter();
        groups.map(|(group, weight)| (group.as_str(), *weight))
    }

    /// The groups that get requests, each with its share of them.
    pub fn shares(&self) -> impl Iterator<Item = (&str, f64)> {
        let all: f64 = self.groups().map(|(_, weight)| f64::from(weight)).sum();
        let some = self.groups().filter(|(_, weight)| *weight > 0);
        some.map(move |(group, weight)| (group, f64::from(weight) / all))
    }

    /// Whether the load balancer accepts it: one to five groups, weights up to 999, one of them above 0.
    pub fn is_right(&self) -> bool {
        let weights = || self.groups.iter().map(|&(_, weight)| weight);
        (1..=Self::MOST_GROUPS).contains(&self.groups.len())
            && weights().all(|weight| weight <= Self::MOST_WEIGHT)
            && weights().any(|weight| weight > 0)
    }

    /// Whether only a name was written.
    pub fn is_plain(&self) -> bool {
        self.plain
    }
}

impl<'de> Deserialize<'de> for Forward {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ForwardVisitor)
    }
}

struct ForwardVisitor;

impl<'de> Visitor<'de> for ForwardVisitor {
    type Value = Forward;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a target group such as \"web\", or several with weights such as { \"old\": 9, \"new\": 1 }")
    }

    fn visit_str<E: Error>(self, group: &str) -> Result<Forward, E> {
        Ok(Forward::to(group))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Forward, A::Error> {
        let mut groups = Vec::new();
        while let Some(entry) = map.next_entry()? {
            groups.push(entry);
        }
        Ok(Forward {
            groups,
            plain: false,
        })
    }
}

impl Serialize for Forward {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let (true, [(group, _)]) = (self.plain, self.groups.as_slice()) {
            return serializer.serialize_str(group);
        }
        let mut map = serializer.serialize_map(Some(self.groups.len()))?;
        for (group, weight) in &self.groups {
            map.serialize_entry(group, weight)?;
        }
        map.end()
    }
}

impl JsonSchema for Forward {
    fn schema_name() -> Cow<'static, str> {
        "Forward".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a target group, or up to five with weights from 0 to 999",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "additionalProperties": { "type": "integer", "minimum": 0, "maximum": Self::MOST_WEIGHT },
                    "minProperties": 1,
                    "maxProperties": Self::MOST_GROUPS,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_map_of_weights_are_read_and_written_alike() {
        for json in [r#""web""#, r#"{"old":9,"new":1}"#, r#"{"web":1}"#] {
            let forward: Forward = serde_json::from_str(json).expect("right");
            assert_eq!(serde_json::to_string(&forward).expect("written"), json);
        }
        assert!(serde_json::from_str::<Forward>(r#"{"web":-1}"#).is_err());
        assert!(serde_json::from_str::<Forward>("7").is_err());
    }

    #[test]
    fn the_load_balancer_accepts_one_to_five_groups_with_weights_up_to_999() {
        let right = |json| {
            serde_json::from_str::<Forward>(json)
                .expect("read")
                .is_right()
        };
        for json in [r#""web""#, r#"{"a":0,"b":999}"#] {
            assert!(right(json), "{json}");
        }
        for json in [
            "{}",
            r#"{"a":0}"#,
            r#"{"a":1000}"#,
            r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}"#,
        ] {
            assert!(!right(json), "{json}");
        }
    }

    #[test]
    fn shares_are_weights_over_their_sum_and_a_group_of_weight_0_gets_nothing() {
        let forward: Forward = serde_json::from_str(r#"{"a":3,"b":0,"c":1}"#).expect("right");
        let shares: Vec<(&str, f64)> = forward.shares().collect();
        assert_eq!(shares, [("a", 0.75), ("c", 0.25)]);
    }
}
