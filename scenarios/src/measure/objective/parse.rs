//! How is an objective read from its sentence, and where in it is what wrong?

use std::ops::Range;
use std::str::FromStr;

use sim_core::SimDuration;
use sim_models::quantity::{Rate, Size};

use super::problem::{ObjectiveError, Problem};
use super::words::Words;
use super::{Comparison, Objective, When};
use crate::measure::metric::Quantity;
use crate::measure::quantity::{Applies, Unit};
use crate::suggest;

impl FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let (comparison, symbol) = find_comparison(text)?;
        let (quantity, service) = parse_subject(Words {
            text,
            range: 0..symbol.start,
        })?;
        let rest = Words {
            text,
            range: symbol.end..text.len(),
        };
        let (threshold, after) = parse_value(quantity, comparison, rest)?;
        let rest = Words {
            text,
            range: after..text.len(),
        };
        let (rest, in_share) = parse_share(rest)?;
        let when = parse_when(rest)?;
        Ok(Self {
            text: text.to_owned(),
            quantity,
            service,
            comparison,
            threshold,
            when,
            in_share,
        })
    }
}

fn find_comparison(text: &str) -> Result<(Comparison, Range<usize>), ObjectiveError> {
    let end = text.trim_end().len();
    let start = text
        .find(['<', '>'])
        .ok_or_else(|| ObjectiveError::new(end..end, Problem::NoComparison))?;
    let symbol = &text[start..];
    let (comparison, length) = match (symbol.starts_with('<'), symbol[1..].starts_with('=')) {
        (true, false) => (Comparison::Below, 1),
        (true, true) => (Comparison::AtMost, 2),
        (false, false) => (Comparison::Above, 1),
        (false, true) => (Comparison::AtLeast, 2),
    };
    Ok((comparison, start..start + length))
}

type Subject = (Quantity, Option<(String, Range<usize>)>);

fn parse_subject(words: Words<'_>) -> Result<Subject, ObjectiveError> {
    let words = words.trimmed();
    // The blank before `of` may be the last of the sentence's left side: "latency of < 1s" lacks its Service.
    let split = words
        .as_str()
        .rfind(" of ")
        .or_else(|| words.as_str().strip_suffix(" of").map(str::len));
    let Some(split) = split else {
        return Ok((parse_metric(&words)?, None));
    };
    let metric = Words {
        text: words.text,
        range: words.range.start..words.range.start + split,
    }
    .trimmed();
    let service = Words {
        text: words.text,
        range: words.range.start + split + " of".len()..words.range.end,
    }
    .trimmed();
    let quantity = parse_metric(&metric)?;
    if service.is_empty() {
        return Err(ObjectiveError::new(service.range, Problem::NoService));
    }
    if quantity.about().applies == Applies::OverallOnly {
        return Err(ObjectiveError::new(
            service.range,
            Problem::NotPerService {
                metric: quantity.name(),
            },
        ));
    }
    Ok((quantity, Some((service.as_str().to_owned(), service.range))))
}

fn parse_metric(words: &Words<'_>) -> Result<Quantity, ObjectiveError> {
    let found = words.as_str();
    if found.is_empty() {
        return Err(ObjectiveError::new(words.range.clone(), Problem::NoMetric));
    }
    Quantity::named(found).ok_or_else(|| {
        let near = suggest::nearest(found, Quantity::all().map(Quantity::name));
        ObjectiveError::new(
            words.range.clone(),
            Problem::UnknownMetric {
                found: found.to_owned(),
            },
        )
        .with_help(near.map(|near| format!("did you mean `{near}`?")))
    })
}

/// The threshold in the base unit, and where the value ends.
fn parse_value(
    quantity: Quantity,
    comparison: Comparison,
    words: Words<'_>,
) -> Result<(f64, usize), ObjectiveError> {
    let (expected, example) = kind(quantity.about().unit);
    let value = words.first();
    if value.is_empty() {
        return Err(ObjectiveError::new(
            value.range,
            Problem::NoValue {
                comparison: comparison.symbol(),
                example,
            },
        ));
    }
    let found = value.as_str();
    let threshold = threshold(quantity.about().unit, found).ok_or_else(|| {
        let problem = Problem::WrongValue {
            found: found.to_owned(),
            metric: quantity.name(),
            expected,
            example,
        };
        ObjectiveError::new(value.range.clone(), problem)
    })?;
    Ok((threshold, value.range.end))
}

/// What is expected of a value in this unit, and an example.
fn kind(unit: Unit) -> (&'static str, &'static str) {
    match unit {
        Unit::Seconds => ("a duration", "200ms"),
        Unit::Share => ("a percentage, or a share between 0 and 1", "99.9%"),
        Unit::Count => ("a number", "1000"),
        Unit::Ratio => ("a number", "1.5"),
        Unit::PerSecond => ("a rate", "400/s"),
        Unit::Bytes => ("a size", "64KiB"),
    }
}

fn threshold(unit: Unit, text: &str) -> Option<f64> {
    let number = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|number| number.is_finite() && *number >= 0.0)
    };
    match unit {
        Unit::Seconds => text
            .parse::<SimDuration>()
            .ok()
            .map(SimDuration::as_secs_f64),
        Unit::Share => match text.strip_suffix('%') {
            Some(percent) => number(percent)
                .filter(|&percent| percent <= 100.0)
                .map(|percent| percent / 100.0),
            None => number(text).filter(|&share| share <= 1.0),
        },
        Unit::Count | Unit::Ratio => number(text),
        // A rate of zero is no `Rate`, but "error rate <= 0/s" is a fair objective.
        Unit::PerSecond => match text.split_once('/') {
            Some((zero, "s" | "min" | "h")) if number(zero) == Some(0.0) => Some(0.0),
            _ => text.parse::<Rate>().ok().map(Rate::as_per_second),
        },
        Unit::Bytes => text.parse::<Size>().ok().map(|size| size.as_bytes() as f64),
    }
}

/// The share of replications at the end of a sentence, and what stands before it.
fn parse_share(words: Words<'_>) -> Result<(Words<'_>, Option<f64>), ObjectiveError> {
    let (before, last) = words.split_last();
    let (before, of) = before.split_last();
    if !(last.says("replications") && of.says("of")) {
        return Ok((words, None));
    }
    let (before, share) = before.split_last();
    let (before, word) = before.split_last();
    let number = threshold(Unit::Share, share.as_str()).filter(|&share| share > 0.0);
    let Some(number) = number.filter(|_| word.says("in")) else {
        let found = share.as_str().to_owned();
        return Err(ObjectiveError::new(
            share.range,
            Problem::WrongShare { found },
        ));
    };
    Ok((before, Some(number)))
}

fn parse_when(words: Words<'_>) -> Result<When, ObjectiveError> {
    let words = words.trimmed();
    if words.is_empty() {
        return Ok(When::Throughout);
    }
    if words
        .after("before the first fault")
        .is_some_and(|rest| rest.is_empty())
    {
        return Ok(When::BeforeFirstFault);
    }
    if let Some(window) = words.after("in the worst") {
        return parse_window(&window).map(When::WorstWindow);
    }
    if let Some(delay) = words.after("after") {
        return parse_duration(&delay, "a duration, such as 30s").map(When::After);
    }
    Err(ObjectiveError::new(
        words.range.clone(),
        Problem::UnknownPart {
            found: words.as_str().to_owned(),
        },
    ))
}

fn parse_window(words: &Words<'_>) -> Result<SimDuration, ObjectiveError> {
    let one = match words.as_str() {
        "second" => Some(1),
        "minute" => Some(60),
        "hour" => Some(3_600),
        _ => None,
    };
    let expected =
        "a window: expected `second`, `minute`, `hour` or a duration above zero, such as 30s";
    let window = one.map_or_else(
        || parse_duration(words, expected),
        |seconds| Ok(SimDuration::from_secs(seconds)),
    )?;
    if window.is_zero() {
        return Err(wrong_duration(words, expected));
    }
    Ok(window)
}

fn parse_duration(
    words: &Words<'_>,
    expected: &'static str,
) -> Result<SimDuration, ObjectiveError> {
    words
        .as_str()
        .parse()
        .map_err(|_| wrong_duration(words, expected))
}

fn wrong_duration(words: &Words<'_>, expected: &'static str) -> ObjectiveError {
    ObjectiveError::new(
        words.range.clone(),
        Problem::WrongDuration {
            found: words.as_str().to_owned(),
            expected,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Objective {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn read_when(text: &str) -> When {
        read(text).when
    }

    #[test]
    fn every_form_is_read() {
        // sentence, metric, service, comparison, threshold in the base unit
        let table = [
            (
                "lost requests <= 0 in 99% of replications",
                "lost requests",
                None,
                "<=",
                0.0,
            ),
            ("p99 latency < 200ms", "p99 latency", None, "<", 0.2),
            ("P99 Latency<1m30s", "p99 latency", None, "<", 90.0),
            ("availability >= 99.9%", "availability", None, ">=", 0.999),
            ("availability > 0.5", "availability", None, ">", 0.5),
            (
                "pod imbalance of nginx < 1.5",
                "pod imbalance",
                Some("nginx"),
                "<",
                1.5,
            ),
            (
                "  requests per pod CV   of  nginx <= 0.2 ",
                "requests per pod CV",
                Some("nginx"),
                "<=",
                0.2,
            ),
            ("N_eff > 100", "N_eff", None, ">", 100.0),
            ("error window < 30s", "error window", None, "<", 30.0),
            ("error rate <= 0/s", "error rate", None, "<=", 0.0),
            ("request rate >= 60/min", "request rate", None, ">=", 1.0),
            (
                "overlay bytes <= 64KiB",
                "overlay bytes",
                None,
                "<=",
                65_536.0,
            ),
            ("lost requests < 1", "lost requests", None, "<", 1.0),
        ];
        for (text, metric, service, comparison, threshold) in table {
            let objective = read(text);
            assert_eq!(objective.quantity.name(), metric, "{text}");
            assert_eq!(
                objective.service.as_ref().map(|(name, _)| name.as_str()),
                service,
                "{text}"
            );
            assert_eq!(objective.comparison.symbol(), comparison, "{text}");
            assert!(
                (objective.threshold - threshold).abs() <= 1e-12 * threshold,
                "{text}: {}",
                objective.threshold
            );
            assert_eq!(objective.when, When::Throughout, "{text}");
        }
    }

    #[test]
    fn every_part_of_a_run_is_read() {
        let seconds = SimDuration::from_secs;
        assert_eq!(
            read_when("availability >= 99.9% in the worst minute"),
            When::WorstWindow(seconds(60))
        );
        assert_eq!(
            read_when("availability >= 99.9% in the worst 30s"),
            When::WorstWindow(seconds(30))
        );
        assert_eq!(
            read_when("availability >= 99.9%  In The  worst 1h30m"),
            When::WorstWindow(seconds(5_400))
        );
        assert_eq!(
            read_when("p99 latency < 1s after 2min"),
            When::After(seconds(120))
        );
        assert_eq!(
            read_when("p99 latency < 1s before the first fault"),
            When::BeforeFirstFault
        );
    }

    #[test]
    fn a_share_of_replications_may_end_any_sentence() {
        let table = [
            ("lost requests < 1", None, When::Throughout),
            (
                "lost requests < 1 in 99% of replications",
                Some(0.99),
                When::Throughout,
            ),
            (
                "lost requests < 1 after 2min In  0.9 of Replications ",
                Some(0.9),
                When::After(SimDuration::from_secs(120)),
            ),
            (
                "p99 latency < 1s in the worst minute in 95% of replications",
                Some(0.95),
                When::WorstWindow(SimDuration::from_secs(60)),
            ),
        ];
        for (text, share, when) in table {
            let found = read(text);
            assert_eq!((found.in_share, found.when), (share, when), "{text}");
        }
    }

    #[test]
    fn every_error_points_at_its_place() {
        // sentence, the bytes that are wrong, how the message begins, help
        let table = [
            ("p99 latency", 11..11, "an objective compares", None),
            ("", 0..0, "an objective compares", None),
            (" < 200ms", 1..1, "expected the name of a metric", None),
            (
                "p99 latncy < 200ms",
                0..10,
                "no metric is called \"p99 latncy\"",
                Some("did you mean `p99 latency`?"),
            ),
            (
                "happiness of nginx > 3",
                0..9,
                "no metric is called \"happiness\"",
                None,
            ),
            (
                "p99 latency of < 3s",
                14..14,
                "expected the name of a service",
                None,
            ),
            (
                "requests issued of nginx > 3",
                19..24,
                "requests issued is one number",
                None,
            ),
            (
                "p99 latency <",
                13..13,
                "expected a value after `<`, such as 200ms",
                None,
            ),
            (
                "p99 latency < 200",
                14..17,
                "\"200\" is not a value of p99 latency: expected a duration",
                None,
            ),
            (
                "availability >= 101%",
                16..20,
                "\"101%\" is not a value of availability",
                None,
            ),
            (
                "availability >= 99.9",
                16..20,
                "\"99.9\" is not a value of availability",
                None,
            ),
            (
                "pod imbalance < NaN",
                16..19,
                "\"NaN\" is not a value",
                None,
            ),
            ("pod imbalance < -1", 16..18, "\"-1\" is not a value", None),
            (
                "availability >= 99% in worst minute",
                20..35,
                "found \"in worst minute\" after the value",
                None,
            ),
            (
                "availability >= 99% in the worst day",
                33..36,
                "\"day\" is not a window",
                None,
            ),
            (
                "availability >= 99% in the worst 0s",
                33..35,
                "\"0s\" is not a window",
                None,
            ),
            (
                "p99 latency < 1s after lunch",
                23..28,
                "\"lunch\" is not a duration",
                None,
            ),
            (
                "lost requests < 1 in most of replications",
                21..25,
                "\"most\" is not a share of replications",
                None,
            ),
            (
                "lost requests < 1 in 0% of replications",
                21..23,
                "\"0%\" is not a share of replications",
                None,
            ),
            (
                "p99 latency < 1s before the first fault ever",
                17..44,
                "found",
                None,
            ),
        ];
        for (text, at, message, help) in table {
            let error = text.parse::<Objective>().expect_err(text);
            assert_eq!(error.at, at, "{text}: {error}");
            assert!(error.to_string().starts_with(message), "{text}: {error}");
            assert_eq!(error.help.as_deref(), help, "{text}");
        }
    }
}
