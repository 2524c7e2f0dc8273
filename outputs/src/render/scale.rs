//! Where does a value lie along an axis, and which values get a tick?

use crate::figure::{Axis, Scale, Ticks};
use crate::format;

/// An axis laid out along a stretch of pixels.
#[derive(Clone, Debug)]
pub(super) struct Ruler {
    log: bool,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    ticks: Vec<(f64, String)>,
}

impl Ruler {
    /// Lays an axis out from pixel `from` to pixel `to`; `extent` is what the marks need.
    pub(super) fn new(axis: &Axis, extent: Option<(f64, f64)>, from: f64, to: f64) -> Self {
        let log = axis.scale == Scale::Log;
        let (low, high) = match (&axis.scale, axis.range) {
            (Scale::Places { names, .. }, _) => (0.0, (names.len() as f64).max(1.0)),
            (_, Some(range)) => range,
            (Scale::Log, None) => log_range(extent),
            (Scale::Linear, None) => linear_range(extent),
        };
        // Words need more room side by side than one above the other.
        let each = if from > to { 34.0 } else { 75.0 };
        let ticks = ticks(axis, low, high, (to - from).abs() / each);
        Self {
            log,
            low,
            high,
            from,
            to,
            ticks,
        }
    }

    /// The pixel of a value; `None` when it cannot be on this axis.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        let share = if self.log {
            (value > 0.0).then(|| {
                (libm::log10(value) - libm::log10(self.low))
                    / (libm::log10(self.high) - libm::log10(self.low))
            })?
        } else {
            (value - self.low) / (self.high - self.low)
        };
        let pixel = self.from + share * (self.to - self.from);
        pixel.is_finite().then_some(pixel)
    }

    /// The pixel of a value, held within the axis.
    pub(super) fn within(&self, value: f64) -> f64 {
        let end = if value > self.low { self.to } else { self.from };
        self.at(value).map_or(end, |pixel| {
            pixel.clamp(self.from.min(self.to), self.from.max(self.to))
        })
    }

    /// The ticks that lie on the axis: pixel and words.
    pub(super) fn ticks(&self) -> Vec<(f64, &str)> {
        let slack = 1e-9 * (self.high - self.low);
        let shown =
            |tick: &&(f64, String)| tick.0 >= self.low - slack && tick.0 <= self.high + slack;
        self.ticks
            .iter()
            .filter(shown)
            .filter_map(|(value, text)| Some((self.at(*value)?, text.as_str())))
            .collect()
    }

    /// Whether the axis shows both what lies below zero and zero itself.
    pub(super) fn crosses_zero(&self) -> bool {
        !self.log && self.low < 0.0 && self.high >= 0.0
    }
}

/// From zero, with a little air above; below zero only when the marks go there.
fn linear_range(extent: Option<(f64, f64)>) -> (f64, f64) {
    let (low, high) = extent.unwrap_or((0.0, 1.0));
    let (low, high) = (low.min(0.0), high.max(0.0));
    let span = if high > low { high - low } else { 1.0 };
    let below = if low < 0.0 { 0.08 * span } else { 0.0 };
    let above = if high > 0.0 || low == high {
        0.08 * span
    } else {
        0.0
    };
    (low - below, high + above)
}

/// From 1, 2 or 5 times a power of ten below the marks to one above.
fn log_range(extent: Option<(f64, f64)>) -> (f64, f64) {
    let (low, high) = extent
        .filter(|(low, high)| *low > 0.0 && high >= low)
        .unwrap_or((1.0, 10.0));
    let below = |value: f64| {
        [5.0, 2.0, 1.0]
            .map(|step| step * power(value))
            .into_iter()
            .find(|step| *step <= value * 1.000_001)
    };
    let above = |value: f64| {
        [1.0, 2.0, 5.0, 10.0]
            .map(|step| step * power(value))
            .into_iter()
            .find(|step| *step >= value * 0.999_999)
    };
    let (low, high) = (below(low).unwrap_or(low), above(high).unwrap_or(high));
    if high > low {
        (low, high)
    } else {
        (low / 2.0, high * 2.0)
    }
}

fn power(value: f64) -> f64 {
    libm::exp10(libm::floor(libm::log10(value) + 1e-9))
}

fn ticks(axis: &Axis, low: f64, high: f64, wanted: f64) -> Vec<(f64, String)> {
    let write: fn(f64) -> String = match &axis.ticks {
        Ticks::Given(ticks) => return ticks.clone(),
        Ticks::None => return Vec::new(),
        Ticks::Number => format::short,
        Ticks::Duration => format::duration,
        Ticks::Percent => format::percent,
    };
    let wanted = wanted.clamp(2.0, 10.0);
    let values = match (&axis.scale, &axis.ticks) {
        (Scale::Log, _) => log_ticks(low, high, wanted),
        (_, Ticks::Duration) => multiples(low, high, time_step((high - low) / wanted)),
        _ => multiples(low, high, round_step((high - low) / wanted)),
    };
    values
        .into_iter()
        .map(|value| (value, write(value).replace('-', "−")))
        .collect()
}

/// All multiples of a step within a range.
fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    if step <= 0.0 || !step.is_finite() {
        return vec![low];
    }
    let first = libm::ceil(low / step - 1e-9);
    let last = libm::floor(high / step + 1e-9);
    (0..=(last - first) as u32)
        .map(|index| (first + f64::from(index)) * step)
        .collect()
}

/// The least of 1, 2, 2.5 or 5 times a power of ten that is not below `rough`.
fn round_step(rough: f64) -> f64 {
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * power(rough));
    steps
        .into_iter()
        .find(|step| *step >= rough * 0.999_999)
        .unwrap_or(rough)
}

/// The same for seconds, which people count in halves and quarters of minutes, hours and days.
fn time_step(rough: f64) -> f64 {
    const STEPS: [f64; 14] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    ];
    if rough < 1.0 {
        return round_step(rough);
    }
    STEPS
        .into_iter()
        .find(|step| *step >= rough * 0.999_999)
        .unwrap_or_else(|| 3600.0 * round_step(rough / 3600.0))
}

/// Powers of ten, with 2 and 5 between them where there is room for `wanted` words.
fn log_ticks(low: f64, high: f64, wanted: f64) -> Vec<f64> {
    let steps: &[f64] = if wanted >= 2.0 * libm::log10(high / low) {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let mut values = Vec::new();
    let mut decade = power(low);
    while decade <= high * 1.000_001 {
        values.extend(steps.iter().map(|step| step * decade));
        decade *= 10.0;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_starts_at_zero_and_has_round_ticks() {
        // Highest mark 875: the axis ends 8 % above, at 945; 170 pixels hold about 5 ticks, so every 200.
        let ruler = Ruler::new(&Axis::linear("requests"), Some((287.0, 875.0)), 170.0, 0.0);
        let words: Vec<&str> = ruler.ticks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(words, ["0", "200", "400", "600", "800"]);
        assert_eq!(ruler.at(0.0), Some(170.0));
    }

    #[test]
    fn a_log_axis_has_decades_and_shows_nothing_at_zero() {
        let axis = Axis::log("latency").ticks(Ticks::Duration);
        // From 3 ms to 0.7 s: 2 ms to 1 s are 2.7 decades, and 600 pixels hold 8 words, so 1, 2 and 5 are written.
        let ruler = Ruler::new(&axis, Some((0.003, 0.7)), 0.0, 600.0);
        let words: Vec<&str> = ruler.ticks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(
            words,
            [
                "2 ms", "5 ms", "10 ms", "20 ms", "50 ms", "100 ms", "200 ms", "500 ms", "1 s"
            ]
        );
        assert_eq!(ruler.at(0.0), None);
        assert!((ruler.at(1.0).unwrap() - 600.0).abs() < 1e-6);
    }

    #[test]
    fn minutes_are_divided_as_people_do() {
        // 750 pixels hold 10 words; ten minutes in ten parts of one.
        let axis = Axis::linear("").range(0.0, 600.0).ticks(Ticks::Duration);
        let ruler = Ruler::new(&axis, None, 0.0, 750.0);
        let words: Vec<&str> = ruler.ticks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(words[..3], ["0 s", "1 min", "2 min"]);
    }

    #[test]
    fn differences_show_zero_within() {
        let ruler = Ruler::new(&Axis::linear("difference"), Some((-1.0, 3.0)), 0.0, 400.0);
        assert!(ruler.crosses_zero());
    }
}
