//! What does the documentation of a field accept?
//!
//! A field says its range in its documentation, and `twohop explain` prints it. The same words are read here, so what is
//! documented is what is checked.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sim_core::SimDuration;
use sim_models::quantity::{Rate, Size};

use crate::explain::Reference;
use crate::scenario::Scenario;
use crate::tree::Value;

/// What is known of the values at one path.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    /// The documented range, where there is one that can be read.
    pub(crate) range: Option<Range>,
    /// Whether a duration may stand here.
    pub(crate) is_duration: bool,
    /// Whether a distribution may stand here.
    pub(crate) is_distribution: bool,
}

/// The limits of a scenario's fields, by path with `*` for names and list items.
pub(crate) fn of(path: &str) -> Option<&'static Limit> {
    static LIMITS: LazyLock<BTreeMap<String, Limit>> = LazyLock::new(all);
    LIMITS.get(path)
}

fn all() -> BTreeMap<String, Limit> {
    let fields = Reference::of::<Scenario>().fields();
    let kind_of = |path: &str| {
        let field = fields.iter().find(|field| field.path == path);
        field.map_or("", |field| field.kind.as_str())
    };
    let duration = kind_of("run.length").to_owned();
    let distribution = kind_of("clients.*.rtt").to_owned();
    let limits = fields.into_iter().map(|field| {
        let limit = Limit {
            range: field.facts.range.as_deref().and_then(Range::parse),
            is_duration: field.kind.starts_with(&duration),
            is_distribution: field.kind == distribution,
        };
        (field.path, limit)
    });
    limits.collect()
}

/// From a least to a greatest number; durations count in nanoseconds, rates in events per second, sizes in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Range {
    least: f64,
    /// Whether the least itself is refused.
    is_open: bool,
    most: f64,
    /// What a message says is accepted.
    pub(crate) words: String,
}

impl Range {
    /// Reads `1 and up`, `above 0`, `0 to 1`, `"1s" to "300s"`. What follows a comma, a semicolon or a bracket is for the reader.
    fn parse(text: &str) -> Option<Self> {
        let end = text.find([';', ',', '(']).unwrap_or(text.len());
        let text = text[..end].trim();
        if let Some(least) = text.strip_suffix(" and up") {
            return Some(Self {
                least: bound(least)?,
                is_open: false,
                most: f64::INFINITY,
                words: format!("{least} or more"),
            });
        }
        if let Some(least) = text.strip_prefix("above ") {
            return Some(Self {
                least: bound(least)?,
                is_open: true,
                most: f64::INFINITY,
                words: text.to_owned(),
            });
        }
        let (least, most) = text.split_once(" to ")?;
        Some(Self {
            least: bound(least)?,
            is_open: false,
            most: bound(most)?,
            words: format!("from {least} to {most}"),
        })
    }

    /// Whether a value lies in the range.
    pub(crate) fn holds(&self, value: f64) -> bool {
        value <= self.most && (value > self.least || (value == self.least && !self.is_open))
    }
}

/// A bound as documentation writes it: a bare number, or a quantity in quotes.
fn bound(text: &str) -> Option<f64> {
    match text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        Some(quantity) => measure(quantity),
        None => text.parse().ok(),
    }
}

/// The number that a value of the tree stands for.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Text(text) => measure(text),
        _ => None,
    }
}

fn measure(text: &str) -> Option<f64> {
    let duration = text.parse::<SimDuration>().ok();
    let duration = duration.map(|it| it.as_nanos() as f64);
    let rate = || text.parse::<Rate>().ok().map(Rate::as_per_second);
    let size = || text.parse::<Size>().ok().map(|it| it.as_bytes() as f64);
    duration.or_else(rate).or_else(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(range: &str, value: &str) -> bool {
        let range = Range::parse(range).expect("a range");
        range.holds(bound(value).expect("a value"))
    }

    #[test]
    fn a_range_is_read_as_it_is_written() {
        assert!(accepts("0 and up; plausible 1 to 10 ms", r#""0s""#));
        assert!(!accepts("above 0", r#""0s""#));
        assert!(accepts("above 0", r#""1ns""#));
        assert!(!accepts(r#""1s" and up"#, r#""999ms""#));
        assert!(accepts(r#""1s" to "300s""#, r#""5min""#));
        assert!(!accepts(r#""1s" to "300s""#, r#""301s""#));
        assert!(accepts("0 to 1", "1"));
        assert!(!accepts("0 to 1", "1.5"));
        assert_eq!(Range::parse("251, 509 or 1021"), None);
    }

    #[test]
    fn every_documented_range_is_read_or_known_to_be_prose() {
        const PROSE: [&str; 9] = [
            "`initial` and up",
            "\"0s\", or",
            "above `port_min`",
            "0 to `from`",
            "0 to 2^64 - 1",
            "251, 509, 1021",
            "up to five groups",
            "weights from 0 to 999",
            "0 (all at once) to `every`",
        ];
        let (mut read, mut unread) = (0, Vec::new());
        for field in Reference::of::<Scenario>().fields() {
            let Some(range) = &field.facts.range else {
                continue;
            };
            if PROSE.iter().any(|prose| range.starts_with(prose)) {
                continue;
            }
            match Range::parse(range) {
                Some(_) => read += 1,
                None => unread.push(format!("{}: {range}", field.path)),
            }
        }
        assert_eq!(unread, [""; 0]);
        assert!(read > 80, "{read} ranges");
    }
}
