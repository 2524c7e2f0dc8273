//! A distribution as it stands in a file: `"250ms"`, `LogNormal(mean: "12ms", cv: 1.0)`, `Uniform("1s", "5s")`.

use super::{Component, Dist, Empirical, LogNormal, Pareto, Weibull};
use crate::time::SimDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{
    Deserialize, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::ser::{Serialize, SerializeStructVariant, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

const NAMES: &[&str] = &[
    "Constant",
    "Uniform",
    "Exponential",
    "LogNormal",
    "Gamma",
    "Weibull",
    "Pareto",
    "Empirical",
    "Mixture",
    "Shifted",
];

impl<'de> Deserialize<'de> for Dist {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DistVisitor)
    }
}

struct DistVisitor;

impl<'de> Visitor<'de> for DistVisitor {
    type Value = Dist;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a duration such as \"250ms\", or a distribution such as Exponential(mean: \"10ms\")",
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Dist, E> {
        text.parse().map(Dist::Constant).map_err(E::custom)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Dist, A::Error> {
        let (name, variant) = access.variant::<Name>()?;
        name.read(variant)
    }

    /// JSON has no enums of its own: `{"Exponential": {"mean": "10ms"}}` is a map with one entry.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Dist, A::Error> {
        self.visit_enum(serde::de::value::MapAccessDeserializer::new(map))
    }
}

#[derive(serde::Deserialize)]
enum Name {
    Constant,
    Uniform,
    Exponential,
    LogNormal,
    Gamma,
    Weibull,
    Pareto,
    Empirical,
    Mixture,
    Shifted,
}

impl Name {
    fn read<'de, V: VariantAccess<'de>>(self, variant: V) -> Result<Dist, V::Error> {
        match self {
            Self::Constant => variant.newtype_variant().map(Dist::Constant),
            Self::Uniform => parameters(variant, &["low", "high"])
                .map(|Range { low, high }| Dist::Uniform { low, high }),
            Self::Exponential => {
                parameters(variant, &["mean"]).map(|Mean { mean }| Dist::Exponential { mean })
            }
            Self::LogNormal => log_normal(parameters(variant, &["mean", "cv", "median", "p99"])?)
                .map(Dist::LogNormal),
            Self::Gamma => parameters(variant, &["mean", "cv"])
                .map(|Moments { mean, cv }| Dist::Gamma { mean, cv }),
            Self::Weibull => {
                weibull(parameters(variant, &["mean", "cv", "scale", "shape"])?).map(Dist::Weibull)
            }
            Self::Pareto => {
                pareto(parameters(variant, &["mean", "alpha", "scale"])?).map(Dist::Pareto)
            }
            Self::Empirical => empirical(variant.newtype_variant()?).map(Dist::Empirical),
            Self::Mixture => Ok(Dist::Mixture(variant.newtype_variant()?)),
            Self::Shifted => {
                parameters(variant, &["by", "of"]).map(|Shift { by, of }| Dist::Shifted { by, of })
            }
        }
    }
}

/// The parameters of a variant, by name or, where all are required, by position.
fn parameters<'de, T: Deserialize<'de>, V: VariantAccess<'de>>(
    variant: V,
    fields: &'static [&'static str],
) -> Result<T, V::Error> {
    variant.struct_variant(fields, Parameters(PhantomData))
}

struct Parameters<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Parameters<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the parameters of a distribution")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(list))
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    low: SimDuration,
    high: SimDuration,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Mean {
    mean: SimDuration,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Moments {
    mean: SimDuration,
    cv: f64,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Shift {
    by: SimDuration,
    of: Box<Dist>,
}

/// Parameters of which only some pairs make sense.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogNormalParameters {
    mean: Option<SimDuration>,
    cv: Option<f64>,
    median: Option<SimDuration>,
    p99: Option<SimDuration>,
}

fn log_normal<E: Error>(found: LogNormalParameters) -> Result<LogNormal, E> {
    match (found.mean, found.cv, found.median, found.p99) {
        (Some(mean), Some(cv), None, None) => Ok(LogNormal::Moments { mean, cv }),
        (None, None, Some(median), Some(p99)) => Ok(LogNormal::Quantiles { median, p99 }),
        _ => Err(E::custom(
            "LogNormal takes `mean` and `cv`, or `median` and `p99`",
        )),
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WeibullParameters {
    mean: Option<SimDuration>,
    cv: Option<f64>,
    scale: Option<SimDuration>,
    shape: Option<f64>,
}

fn weibull<E: Error>(found: WeibullParameters) -> Result<Weibull, E> {
    match (found.mean, found.cv, found.scale, found.shape) {
        (Some(mean), Some(cv), None, None) => Ok(Weibull::Moments { mean, cv }),
        (None, None, Some(scale), Some(shape)) => Ok(Weibull::Shape { scale, shape }),
        _ => Err(E::custom(
            "Weibull takes `mean` and `cv`, or `scale` and `shape`",
        )),
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ParetoParameters {
    mean: Option<SimDuration>,
    alpha: Option<f64>,
    scale: Option<SimDuration>,
}

fn pareto<E: Error>(found: ParetoParameters) -> Result<Pareto, E> {
    match (found.mean, found.scale, found.alpha) {
        (Some(mean), None, Some(alpha)) => Ok(Pareto::Mean { mean, alpha }),
        (None, Some(scale), Some(alpha)) => Ok(Pareto::Scale { scale, alpha }),
        _ => Err(E::custom("Pareto takes `alpha`, and `mean` or `scale`")),
    }
}

/// `"10ms"`, `("10ms", 0.3)` or `(0.5, "10ms")`.
enum Entry {
    Value(SimDuration, f64),
    Quantile(f64, SimDuration),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration, a duration with a weight as in (\"10ms\", 0.3), or a quantile as in (0.5, \"10ms\")")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Entry, E> {
        text.parse()
            .map(|value| Entry::Value(value, 1.0))
            .map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Entry, A::Error> {
        let missing = |i| A::Error::invalid_length(i, &EntryVisitor);
        match pair.next_element::<Half>()?.ok_or_else(|| missing(0))? {
            Half::Duration(value) => pair
                .next_element()?
                .map(|weight| Entry::Value(value, weight)),
            Half::Number(share) => pair
                .next_element()?
                .map(|value| Entry::Quantile(share, value)),
        }
        .ok_or_else(|| missing(1))
    }
}

enum Half {
    Duration(SimDuration),
    Number(f64),
}

impl<'de> Deserialize<'de> for Half {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HalfVisitor;

        impl Visitor<'_> for HalfVisitor {
            type Value = Half;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration or a share")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Half, E> {
                text.parse().map(Half::Duration).map_err(E::custom)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Half, E> {
                Ok(Half::Number(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Half, E> {
                Ok(Half::Number(number as f64))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Half, E> {
                Ok(Half::Number(number as f64))
            }
        }

        deserializer.deserialize_any(HalfVisitor)
    }
}

fn empirical<E: Error>(entries: Vec<Entry>) -> Result<Empirical, E> {
    let (mut values, mut quantiles) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::Value(value, weight) => values.push((value, weight)),
            Entry::Quantile(share, value) => quantiles.push((share, value)),
        }
    }
    match (values.is_empty(), quantiles.is_empty()) {
        (_, true) => Ok(Empirical::Values(values)),
        (true, false) => Ok(Empirical::Quantiles(quantiles)),
        (false, false) => Err(E::custom(
            "Empirical takes either values with weights or quantiles, not both",
        )),
    }
}

impl<'de> Deserialize<'de> for Component {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Component {
            weight: f64,
            of: Dist,
        }
        Component::deserialize(deserializer).map(|Component { weight, of }| Self { weight, of })
    }
}

impl Serialize for Component {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Component", 2)?;
        fields.serialize_field("weight", &self.weight)?;
        fields.serialize_field("of", &self.of)?;
        fields.end()
    }
}

impl Serialize for Dist {
    /// Writes what [`Deserialize`] reads; a constant as its duration alone.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Constant(value) => value.serialize(serializer),
            Self::Uniform { low, high } => pair(serializer, 1, ("low", low), ("high", high)),
            Self::Exponential { mean } => {
                let mut fields = serializer.serialize_struct_variant("Dist", 2, NAMES[2], 1)?;
                fields.serialize_field("mean", mean)?;
                fields.end()
            }
            Self::LogNormal(LogNormal::Moments { mean, cv }) => {
                pair(serializer, 3, ("mean", mean), ("cv", cv))
            }
            Self::LogNormal(LogNormal::Quantiles { median, p99 }) => {
                pair(serializer, 3, ("median", median), ("p99", p99))
            }
            Self::Gamma { mean, cv } => pair(serializer, 4, ("mean", mean), ("cv", cv)),
            Self::Weibull(Weibull::Moments { mean, cv }) => {
                pair(serializer, 5, ("mean", mean), ("cv", cv))
            }
            Self::Weibull(Weibull::Shape { scale, shape }) => {
                pair(serializer, 5, ("scale", scale), ("shape", shape))
            }
            Self::Pareto(Pareto::Mean { mean, alpha }) => {
                pair(serializer, 6, ("mean", mean), ("alpha", alpha))
            }
            Self::Pareto(Pareto::Scale { scale, alpha }) => {
                pair(serializer, 6, ("scale", scale), ("alpha", alpha))
            }
            Self::Empirical(Empirical::Values(values)) => {
                serializer.serialize_newtype_variant("Dist", 7, NAMES[7], values)
            }
            Self::Empirical(Empirical::Quantiles(points)) => {
                serializer.serialize_newtype_variant("Dist", 7, NAMES[7], points)
            }
            Self::Mixture(parts) => {
                serializer.serialize_newtype_variant("Dist", 8, NAMES[8], parts)
            }
            Self::Shifted { by, of } => pair(serializer, 9, ("by", by), ("of", of)),
        }
    }
}

fn pair<S: Serializer>(
    serializer: S,
    index: u32,
    a: (&'static str, &impl Serialize),
    b: (&'static str, &impl Serialize),
) -> Result<S::Ok, S::Error> {
    let mut fields =
        serializer.serialize_struct_variant("Dist", index, NAMES[index as usize], 2)?;
    fields.serialize_field(a.0, a.1)?;
    fields.serialize_field(b.0, b.1)?;
    fields.end()
}

impl JsonSchema for Dist {
    fn schema_name() -> Cow<'static, str> {
        "Dist".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let duration = generator.subschema_for::<SimDuration>();
        let this = generator.subschema_for::<Self>();
        let named = |name: &str, parameters: Schema| json_schema!({ "type": "object", "properties": { name: parameters }, "required": [name], "additionalProperties": false });
        let two = |a: &str, b: &str, b_is: &Schema| json_schema!({ "type": "object", "properties": { a: duration, b: b_is }, "required": [a, b], "additionalProperties": false });
        let number = json_schema!({ "type": "number" });
        let either = |first: Schema, second: Schema| json_schema!({ "anyOf": [first, second] });
        let one = json_schema!({ "type": "object", "properties": { "mean": duration }, "required": ["mean"], "additionalProperties": false });
        let entry = json_schema!({ "anyOf": [
            duration,
            { "type": "array", "prefixItems": [duration, number], "minItems": 2, "maxItems": 2 },
            { "type": "array", "prefixItems": [number, duration], "minItems": 2, "maxItems": 2 },
        ] });
        let part = json_schema!({ "type": "object", "properties": { "weight": number, "of": this }, "required": ["weight", "of"], "additionalProperties": false });
        json_schema!({
            "description": "the distribution of a duration; a duration alone is constant",
            "anyOf": [
                duration,
                named("Constant", duration.clone()),
                named("Uniform", two("low", "high", &duration)),
                named("Exponential", one),
                named("LogNormal", either(two("mean", "cv", &number), two("median", "p99", &duration))),
                named("Gamma", two("mean", "cv", &number)),
                named("Weibull", either(two("mean", "cv", &number), two("scale", "shape", &number))),
                named("Pareto", either(two("mean", "alpha", &number), two("scale", "alpha", &number))),
                named("Empirical", json_schema!({ "type": "array", "items": entry })),
                named("Mixture", json_schema!({ "type": "array", "items": part })),
                named("Shifted", two("by", "of", &this)),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Dist {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    fn millis(n: u64) -> SimDuration {
        SimDuration::from_millis(n)
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        let cases = [
            (r#""250ms""#, Dist::Constant(millis(250))),
            (
                r#"{"Uniform":{"low":"1s","high":"5s"}}"#,
                Dist::Uniform {
                    low: millis(1000),
                    high: millis(5000),
                },
            ),
            (
                r#"{"Exponential":{"mean":"10ms"}}"#,
                Dist::Exponential { mean: millis(10) },
            ),
            (
                r#"{"LogNormal":{"mean":"12ms","cv":1.0}}"#,
                Dist::log_normal(millis(12), 1.0),
            ),
            (
                r#"{"LogNormal":{"median":"6ms","p99":"40ms"}}"#,
                Dist::LogNormal(LogNormal::Quantiles {
                    median: millis(6),
                    p99: millis(40),
                }),
            ),
            (
                r#"{"Gamma":{"mean":"12ms","cv":0.5}}"#,
                Dist::gamma(millis(12), 0.5),
            ),
            (
                r#"{"Weibull":{"scale":"12ms","shape":0.5}}"#,
                Dist::Weibull(Weibull::Shape {
                    scale: millis(12),
                    shape: 0.5,
                }),
            ),
            (
                r#"{"Pareto":{"mean":"12ms","alpha":1.5}}"#,
                Dist::Pareto(Pareto::Mean {
                    mean: millis(12),
                    alpha: 1.5,
                }),
            ),
            (
                r#"{"Empirical":[["10ms",0.3],["20ms",0.7]]}"#,
                Dist::Empirical(Empirical::Values(vec![
                    (millis(10), 0.3),
                    (millis(20), 0.7),
                ])),
            ),
            (
                r#"{"Empirical":[[0.0,"10ms"],[1.0,"20ms"]]}"#,
                Dist::Empirical(Empirical::Quantiles(vec![
                    (0.0, millis(10)),
                    (1.0, millis(20)),
                ])),
            ),
            (
                r#"{"Mixture":[{"weight":0.9,"of":"1ms"},{"weight":0.1,"of":{"Exponential":{"mean":"9ms"}}}]}"#,
                Dist::Mixture(vec![
                    Component {
                        weight: 0.9,
                        of: Dist::Constant(millis(1)),
                    },
                    Component {
                        weight: 0.1,
                        of: Dist::Exponential { mean: millis(9) },
                    },
                ]),
            ),
            (
                r#"{"Shifted":{"by":"2ms","of":{"Exponential":{"mean":"3ms"}}}}"#,
                Dist::shifted(millis(2), Dist::exponential(millis(3))),
            ),
        ];
        for (json, dist) in cases {
            assert_eq!(read(json), dist);
            assert_eq!(serde_json::to_string(&dist).unwrap(), json);
        }
    }

    #[test]
    fn parameters_may_stand_by_position() {
        use serde::de::value::{Error, SeqDeserializer};

        let list = SeqDeserializer::<_, Error>::new(["1s", "5s"].into_iter());
        let Range { low, high } = Parameters(PhantomData).visit_seq(list).unwrap();
        assert_eq!((low, high), (millis(1000), millis(5000)));
    }

    #[test]
    fn measured_values_weigh_the_same_unless_said() {
        let values = vec![(millis(1000), 1.0), (millis(5000), 1.0)];
        assert_eq!(
            read(r#"{"Empirical":["1s","5s"]}"#),
            Dist::Empirical(Empirical::Values(values))
        );
    }

    #[test]
    fn a_wrong_form_is_named() {
        let found = |json: &str| {
            serde_json::from_str::<Dist>(json)
                .expect_err(json)
                .to_string()
        };
        assert!(
            found(r#"{"LogNormal":{"mean":"1s","p99":"2s"}}"#)
                .starts_with("LogNormal takes `mean` and `cv`, or `median` and `p99`")
        );
        assert!(found(r#"{"Gamma":{"mean":"1s"}}"#).starts_with("missing field `cv`"));
        assert!(found(r#"{"Gamma":{"mean":"1s","sd":1}}"#).starts_with("unknown field `sd`"));
        assert!(found(r#"{"Normal":{"mean":"1s"}}"#).starts_with("unknown variant `Normal`"));
        assert!(found("5").contains("expected a duration such as \"250ms\""));
        assert!(found(r#""5""#).starts_with("found `5` without a unit"));
        assert!(found(r#"{"Empirical":["1s",[0.5,"2s"]]}"#).starts_with("Empirical takes either"));
    }
}
