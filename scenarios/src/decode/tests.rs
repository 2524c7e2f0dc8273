//! Types as the stages write them, decoded from texts.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::Deserialize;

use super::*;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::parser::parse;
use crate::source::Sources;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Scenario {
    seed: u64,
    #[serde(default)]
    deployments: BTreeMap<String, Deployment>,
    #[serde(default)]
    proxy: Proxy,
    #[serde(default)]
    ports: Vec<u16>,
    #[serde(default)]
    pair: Option<(u8, f64)>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Deployment {
    replicas: NonZeroU32,
    #[serde(default)]
    max_skew: u8,
    timeout: Option<Seconds>,
    work: Option<Work>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(try_from = "String")]
struct Seconds(u64);

impl TryFrom<String> for Seconds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text
            .strip_suffix('s')
            .ok_or_else(|| format!("{text:?} has no unit"))?;
        digits
            .parse()
            .map(Seconds)
            .map_err(|_| format!("{text:?} is no time"))
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
enum Work {
    Fixed(Seconds),
    LogNormal { mean: Seconds, cv: f64 },
    Pair(u8, u8),
    Nothing,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
enum Proxy {
    Cilium(Cilium),
    #[default]
    KubeProxy,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, default)]
struct Cilium {
    maglev: bool,
    port_min: Option<u16>,
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Vec<(String, Diagnostic)>> {
    let mut sources = Sources::default();
    let source = sources.add("test.ron", text);
    let tree = parse(&sources, source).expect("valid RON");
    decode(&tree).map_err(|all| {
        all.into_iter()
            .map(|one| (sources.slice(one.labels[0].span).to_owned(), one))
            .collect()
    })
}

/// The only complaint: the text under its first label, and the complaint.
fn complaint(text: &str) -> (String, Diagnostic) {
    let mut all = read::<Scenario>(text).expect_err("not a scenario");
    assert_eq!(all.len(), 1, "{all:?}");
    all.swap_remove(0)
}

#[test]
fn every_shape_is_read() {
    let scenario: Scenario = read(
        r#"(seed: 18446744073709551615, ports: [80, 443], pair: (1, 2), proxy: Cilium(maglev: true), deployments: {
            "a": (replicas: 1, timeout: "5s", work: Fixed("1s")),
            "b": (replicas: 2, timeout: Some("5s"), work: Some(LogNormal(mean: "1s", cv: 1))),
            "c": (replicas: 3, timeout: None, work: Pair(1, 2)),
            "d": (replicas: 4, work: Nothing),
        })"#,
    )
    .expect("a scenario");
    assert_eq!((scenario.seed, scenario.pair), (u64::MAX, Some((1, 2.0))));
    assert_eq!(
        scenario.proxy,
        Proxy::Cilium(Cilium {
            maglev: true,
            port_min: None
        })
    );
    assert_eq!(
        scenario.deployments["a"].work,
        Some(Work::Fixed(Seconds(1)))
    );
    assert_eq!(
        scenario.deployments["b"].work,
        Some(Work::LogNormal {
            mean: Seconds(1),
            cv: 1.0
        })
    );
    assert_eq!(scenario.deployments["c"].timeout, None);
}

#[test]
fn brackets_of_a_struct_in_a_variant_may_be_left_out() {
    for text in [
        "(seed: 1, proxy: Cilium)",
        "(seed: 1, proxy: Cilium())",
        "(seed: 1, proxy: Cilium(()))",
    ] {
        assert_eq!(
            read::<Scenario>(text).expect(text).proxy,
            Proxy::Cilium(Cilium::default()),
            "{text}"
        );
    }
    let scenario: Scenario = read("(seed: 1, proxy: Cilium((port_min: 5)))").expect("a scenario");
    assert_eq!(
        scenario.proxy,
        Proxy::Cilium(Cilium {
            maglev: false,
            port_min: Some(5)
        })
    );
}

#[test]
fn complaints_point_at_the_innermost_value() {
    for (text, at, code, message) in [
        (
            "(seed: -1)",
            "-1",
            code::BAD_VALUE,
            "expected a whole number from 0 to 18446744073709551615, found the number -1",
        ),
        (
            "(seed: 1.5)",
            "1.5",
            code::WRONG_TYPE,
            "expected a whole number, found the number 1.5",
        ),
        (
            "(seed: 1, ports: [80, 70000])",
            "70000",
            code::BAD_VALUE,
            "expected a whole number from 0 to 65535, found the number 70000",
        ),
        (
            "(seed: 1, ports: (80))",
            "(",
            code::WRONG_TYPE,
            "expected a list in square brackets `[..]`, found values in round brackets `(..)`",
        ),
        (
            "(seed: 1, pair: (1, 2, 3))",
            "(",
            code::WRONG_TYPE,
            "expected 2 values in round brackets, found 3",
        ),
        (
            "(seed: 1, pair: (1, inf))",
            "inf",
            code::BAD_VALUE,
            "expected a finite number, found the number inf",
        ),
        (
            "(seed: 1, proxy: Cilium(maglev: 1))",
            "1",
            code::WRONG_TYPE,
            "expected `true` or `false`, found the number 1",
        ),
        (
            "(seed: 1, proxy: 5)",
            "5",
            code::WRONG_TYPE,
            "expected one of `Cilium` or `KubeProxy`, found the number 5",
        ),
        (
            "(seed: 1, proxy: KubeProxy(1))",
            "(",
            code::WRONG_TYPE,
            "expected `KubeProxy` without brackets, found values in round brackets `(..)`",
        ),
        (
            "(seed: 1, deployments: {\"a\": (replicas: 0)})",
            "0",
            code::BAD_VALUE,
            "expected a whole number from 1 up, found the number 0",
        ),
        (
            "(seed: 1, deployments: {\"a\": (replicas: 1, timeout: \"5\")})",
            "\"5\"",
            code::BAD_VALUE,
            "\"5\" has no unit",
        ),
        (
            "(seed: 1, deployments: {\"a\": (replicas: 1, timeout: 5)})",
            "5",
            code::WRONG_TYPE,
            "expected a text in quotes, found the number 5",
        ),
        (
            "(seed: 1, deployments: {\"a\": (replicas: 1, work: Fixed)})",
            "Fixed",
            code::WRONG_TYPE,
            "expected a text in quotes in brackets, `Fixed(..)`, found `Fixed`",
        ),
        (
            "(seed: 1, deployments: {\"a\": (replicas: 1, work: LogNormal(mean: \"1s\"))})",
            "LogNormal",
            code::MISSING_FIELD,
            "the field `cv` is missing",
        ),
        (
            "(seed: 1, deployments: {a: (replicas: 1)})",
            "a",
            code::WRONG_TYPE,
            "expected a text in quotes, found `a`",
        ),
    ] {
        let (place, diagnostic) = complaint(text);
        assert_eq!(
            (place.as_str(), diagnostic.code, diagnostic.message.as_str()),
            (at, code, message),
            "{text}"
        );
    }
}

#[test]
fn unknown_names_get_the_nearest_and_the_list() {
    let (place, diagnostic) =
        complaint(r#"(seed: 1, deployments: {"a": (replicas: 1, maxSkew: 2)})"#);
    assert_eq!(
        (place.as_str(), diagnostic.message.as_str()),
        ("maxSkew", "there is no field `maxSkew` in `deployments.a`")
    );
    assert_eq!(diagnostic.labels[0].text, "did you mean `max_skew`?");
    assert_eq!(
        diagnostic.help,
        ["the fields here are `replicas`, `max_skew`, `timeout` and `work`"]
    );
    let (place, diagnostic) = complaint("(seed: 1, proxy: Cillium)");
    assert_eq!(
        (place.as_str(), diagnostic.message.as_str()),
        ("Cillium", "`Cillium` is not a choice for `proxy`")
    );
    assert_eq!(diagnostic.labels[0].text, "did you mean `Cilium`?");
}

#[test]
fn wrong_brackets_and_quotes_are_explained() {
    for (text, help) in [
        (
            r#"{"seed": 1}"#,
            "fields stand in round brackets and without quotes: `(seed: ..)`",
        ),
        (
            r#"(seed: 1, deployments: (a: (replicas: 1)))"#,
            "things with names of your own stand in braces and in quotes: `{ \"nginx\": (..) }`",
        ),
        (
            r#"(seed: 1, deployments: {"a": {"replicas": 1}})"#,
            "fields stand in round brackets and without quotes: `(replicas: ..)`",
        ),
        (r#"(seed: "1")"#, "numbers have no quotes: 1"),
        (
            r#"(seed: 1, proxy: "KubeProxy")"#,
            "choices have no quotes: KubeProxy",
        ),
        (
            r#"(seed: 1, deployments: {"a": (replicas: 1, work: LogNormal("1s", 1.0))})"#,
            "its fields are `mean` and `cv`",
        ),
    ] {
        assert_eq!(complaint(text).1.help[0], help, "{text}");
    }
}

#[test]
fn a_known_field_that_is_not_modelled_yet_is_refused_as_such() {
    let (place, diagnostic) = complaint("(seed: 1, prices: ())");
    assert_eq!((place.as_str(), diagnostic.code), ("prices", code::NOT_YET));
}

#[test]
fn several_complaints_come_at_once_in_the_order_of_the_text() {
    let all = read::<Scenario>(
        r#"(colour: 1, ports: [1, -2, 3, "x"], proxy: Cilum, deployments: {
            "a": (replcias: 1), "b": (replicas: 1, timeout: "x", work: Fixed("y")), "c": 5 })"#,
    )
    .expect_err("nine complaints");
    let places: Vec<&str> = all.iter().map(|(place, _)| place.as_str()).collect();
    // The missing `seed` points at the scenario's bracket. `replcias` is complained about as such, not as missing, too.
    assert_eq!(
        places,
        [
            "(", "colour", "-2", "\"x\"", "Cilum", "replcias", "\"x\"", "\"y\"", "5"
        ]
    );
}

#[test]
fn what_pruning_causes_is_not_reported() {
    let all = read::<Scenario>(r#"(seed: "x", deployments: {"a": (replicas: -1)})"#)
        .expect_err("two complaints");
    assert_eq!(
        all.len(),
        2,
        "no complaint about a missing seed or missing replicas: {all:?}"
    );
}

#[test]
fn complaints_end_at_twenty() {
    let items = "-1,".repeat(50);
    let all =
        read::<Scenario>(&format!("(seed: 1, ports: [{items}])")).expect_err("fifty complaints");
    assert_eq!(all.len(), 20);
}

/// A hand-written visitor, as distributions have it: a text or a variant.
#[derive(Debug, PartialEq)]
enum Either {
    Text(String),
    Choice(Work),
}

impl<'de> Deserialize<'de> for Either {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherVisitor;

        impl<'de> Visitor<'de> for EitherVisitor {
            type Value = Either;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a duration such as \"250ms\" or a distribution")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Either, E> {
                Ok(Either::Text(text.to_owned()))
            }

            fn visit_enum<A: de::EnumAccess<'de>>(self, access: A) -> Result<Either, A::Error> {
                Work::deserialize(de::value::EnumAccessDeserializer::new(access))
                    .map(Either::Choice)
            }
        }

        deserializer.deserialize_any(EitherVisitor)
    }
}

#[test]
fn a_visitor_may_take_a_text_or_a_variant() {
    assert_eq!(
        read::<Either>("\"5s\"").expect("a text"),
        Either::Text("5s".into())
    );
    assert_eq!(
        read::<Either>("Fixed(\"5s\")").expect("a variant"),
        Either::Choice(Work::Fixed(Seconds(5)))
    );
    let all = read::<Either>("LogNormal(mean: \"5\", cv: 1)").expect_err("no unit");
    assert_eq!(
        (all[0].0.as_str(), all[0].1.message.as_str()),
        ("\"5\"", "\"5\" has no unit")
    );
    let all = read::<Either>("7").expect_err("a number");
    assert_eq!(
        all[0].1.message,
        "expected a duration such as \"250ms\" or a distribution, found the number 7"
    );
}
