//! How is a number written? One place decides, so that a value reads the same in the terminal, the page and a figure.
//!
//! An estimate is written to the digits that its interval supports: one significant digit of the half-width, two where it
//! begins with a 1, and the mean to the same place. A number without an interval gets three significant digits. Digits before
//! the decimal point are never rounded away, so a count is always the count.

/// What stands where there is nothing to say: a metric that this alternative does not have.
pub const MISSING: &str = "–";

/// More decimals than these are not written of a number that is about one or more.
const MOST_DECIMALS: i32 = 6;

/// An interval that needs more decimals than these, about a number that is not small, is narrower than anybody asks.
const NARROWEST: i32 = 3;

/// Numbers from here on are written with an exponent: nobody reads ten digits.
const LONGEST: f64 = 1e7;

/// A number to three significant digits: `41.2`, `0.0317`, `5,352`, `1.20e-7`; more where three would say 100 for 99.96.
///
/// Below one in a hundred thousand and from ten million on it is written with an exponent. What is not finite is [`MISSING`].
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    if value != 0.0 && (value.abs() < 1e-5 || value.abs() >= LONGEST) {
        return format!("{value:.2e}");
    }
    // 99.96 is not 100: what lies just below a power of ten keeps the digits that say so.
    let own = magnitude(value, 15);
    let rounds_up = |decimals: i32| magnitude(rounded(value, decimals), 15) > own;
    let decimals = (2 - own..=MOST_DECIMALS).find(|decimals| !rounds_up(*decimals));
    fixed(value, decimals.unwrap_or(2 - magnitude(value, 3)))
}

/// A whole number with its thousands set apart: `5,352`.
pub fn count(value: u64) -> String {
    group(&value.to_string())
}

/// A mean and the half-width of its interval, in the same unit: `41.2 ± 0.6`.
///
/// Where the half-width is nothing beside the mean, the mean stands alone: an interval of a thousandth helps nobody.
pub fn estimate(mean: f64, half_width: f64) -> String {
    match interval_decimals(mean, half_width) {
        None => number(mean),
        Some(decimals) => format!(
            "{} ± {}",
            fixed(mean, decimals),
            fixed(half_width, decimals)
        ),
    }
}

/// A value and an interval that need not lie evenly about it: `196 [110, 340]`.
///
/// Of a value that is written with an exponent only its size matters: it stands alone.
pub fn range(centre: f64, low: f64, high: f64) -> String {
    match interval_decimals(centre, (high - low) / 2.0) {
        None => number(centre),
        Some(_) if centre.abs() >= LONGEST => number(centre),
        Some(decimals) => {
            format!(
                "{} [{}, {}]",
                fixed(centre, decimals),
                fixed(low, decimals),
                fixed(high, decimals)
            )
        }
    }
}

/// A difference and its interval, always with signs: `+2.7 [+2.3, +3.1]`.
///
/// An end that is not zero is never written as zero: on which side of it the interval ends is what a reader looks for.
pub fn difference(mean: f64, low: f64, high: f64) -> String {
    let Some(decimals) = interval_decimals(mean, (high - low) / 2.0) else {
        return signed(short(mean));
    };
    let hides = |decimals: i32, end: f64| end != 0.0 && is_nothing(&fixed(end, decimals));
    let enough = |decimals: &i32| !hides(*decimals, low) && !hides(*decimals, high);
    let decimals = (decimals..decimals + 4).find(enough).unwrap_or(decimals);
    let place = |value| signed(fixed(value, decimals));
    format!("{} [{}, {}]", place(mean), place(low), place(high))
}

/// A span of time in the unit that suits it: `250 ms`, `1.5 s`, `10 min`.
///
/// Units: seconds.
pub fn duration(seconds: f64) -> String {
    const UNITS: [(f64, &str); 6] = [
        (3600.0, "h"),
        (60.0, "min"),
        (1.0, "s"),
        (1e-3, "ms"),
        (1e-6, "µs"),
        (1e-9, "ns"),
    ];
    if seconds == 0.0 {
        return "0 s".to_owned();
    }
    scaled(seconds, &UNITS)
}

/// A size in the unit that suits it: `50 B`, `64 KiB`.
///
/// Units: bytes.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [(f64, &str); 5] = [
        (1_099_511_627_776.0, "TiB"),
        (1_073_741_824.0, "GiB"),
        (1_048_576.0, "MiB"),
        (1024.0, "KiB"),
        (1.0, "B"),
    ];
    if bytes == 0.0 {
        return "0 B".to_owned();
    }
    scaled(bytes, &UNITS)
}

/// A share of one as a percentage: `75 %`, `0.5 %`.
pub fn percent(share: f64) -> String {
    format!("{} %", trimmed(number(share * 100.0)))
}

/// A number as short as it can be: three significant digits without the zeros that say nothing. For ticks and running text.
pub fn short(value: f64) -> String {
    trimmed(number(value))
}

/// The value with exactly this many decimals and its thousands set apart; negative decimals count as none.
pub fn fixed(value: f64, decimals: i32) -> String {
    if value.is_finite() && value.abs() >= LONGEST {
        return format!("{value:.2e}");
    }
    let decimals = usize::try_from(decimals.clamp(0, 12)).expect("clamped to 0..=12");
    let text = format!("{value:.decimals$}");
    let zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    group(if zero {
        text.trim_start_matches('-')
    } else {
        &text
    })
}

/// The value as it is read back when written with so many decimals.
fn rounded(value: f64, decimals: i32) -> f64 {
    let decimals = usize::try_from(decimals.clamp(0, 12)).expect("clamped to 0..=12");
    format!("{value:.decimals$}")
        .parse()
        .expect("what was just written is a number")
}

/// How many decimals the interval supports; `None` when there is no interval to speak of.
fn interval_decimals(mean: f64, half_width: f64) -> Option<i32> {
    if !half_width.is_finite() || !mean.is_finite() || half_width <= 1e-9 * mean.abs() {
        return None;
    }
    let leading_one = format!("{half_width:.0e}").starts_with('1');
    let digits = if leading_one { 2 } else { 1 };
    let decimals = digits - 1 - magnitude(half_width, 1);
    (decimals <= NARROWEST || mean.abs() < 0.1).then_some(decimals)
}

/// The power of ten of the first digit, after rounding to `digits` significant digits.
fn magnitude(value: f64, digits: i32) -> i32 {
    if value == 0.0 {
        return 0;
    }
    let places = usize::try_from(digits - 1).expect("at least one significant digit");
    let text = format!("{value:.places$e}");
    let (_, exponent) = text.split_once('e').expect("the exponent form has an e");
    exponent.parse().expect("the exponent is a small integer")
}

fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let size = value.abs() * (1.0 + 1e-9);
    let (scale, unit) = units
        .iter()
        .find(|(scale, _)| size >= *scale)
        .unwrap_or(&units[units.len() - 1]);
    format!("{} {unit}", trimmed(number(value / scale)))
}

fn trimmed(text: String) -> String {
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn signed(text: String) -> String {
    if is_nothing(&text) || text.starts_with('-') || text == MISSING {
        text
    } else {
        format!("+{text}")
    }
}

/// Whether all digits are zeros.
fn is_nothing(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

fn group(text: &str) -> String {
    let (sign, rest) = text
        .strip_prefix('-')
        .map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let mut grouped = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_three_significant_digits_and_keeps_its_whole_part() {
        assert_eq!(number(41.2345), "41.2");
        assert_eq!(number(0.031_74), "0.0317");
        assert_eq!(number(9.996), "9.996"); // three digits would be 10.0
        assert_eq!(number(99.96), "99.96"); // an availability of 99.96 % is not one of 100 %
        assert_eq!(number(99.999_999_99), "100");
        assert_eq!(number(5352.4), "5,352"); // four digits stand before the point: none is lost
        assert_eq!(number(-1_234_567.0), "-1,234,567");
        assert_eq!(number(0.0), "0.00");
        assert_eq!(number(1.2e-7), "1.20e-7");
        assert_eq!(number(8_292_973_116.0), "8.29e9");
        assert_eq!(number(f64::NAN), MISSING);
    }

    #[test]
    fn an_estimate_has_the_digits_its_half_width_supports() {
        assert_eq!(estimate(41.234, 0.6123), "41.2 ± 0.6");
        assert_eq!(estimate(99.9437, 0.0049), "99.944 ± 0.005");
        assert_eq!(estimate(1.3071, 0.0141), "1.307 ± 0.014"); // begins with a 1: a second digit
        assert_eq!(estimate(41.0, 0.96), "41.0 ± 1.0"); // 0.96 rounds to 1: a second digit
        assert_eq!(estimate(1234.5, 56.0), "1,234 ± 56");
        assert_eq!(estimate(75.0, 0.0), "75.0");
        assert_eq!(estimate(0.25, f64::NAN), "0.250");
    }

    #[test]
    fn an_interval_narrower_than_anybody_asks_is_left_out() {
        assert_eq!(estimate(1.000_09, 0.000_02), "1.00");
        assert_eq!(estimate(99.9015, 0.0006), "99.9");
        assert_eq!(estimate(99.9997, 0.0002), "99.9997"); // an availability that is not 100 % keeps its digits
        assert_eq!(estimate(0.0317, 0.0002), "0.0317 ± 0.0002"); // a small number is small, not exact
        assert_eq!(range(8.29e9, 6.5e9, 1.14e10), "8.29e9");
    }

    #[test]
    fn a_difference_always_shows_its_sign() {
        assert_eq!(difference(2.71, 2.31, 3.11), "+2.7 [+2.3, +3.1]");
        assert_eq!(difference(-0.2, -0.6, 0.2), "-0.2 [-0.6, +0.2]");
        assert_eq!(difference(0.0, 0.0, 0.0), "0");
        // To one decimal the upper end would be 0.0, as if the interval ended there.
        assert_eq!(difference(-0.18, -0.37, 0.011), "-0.18 [-0.37, +0.01]");
        assert_eq!(difference(-6.0, -6.0, -6.0), "-6");
    }

    #[test]
    fn a_range_need_not_lie_evenly() {
        assert_eq!(range(196.2, 110.1, 340.4), "196 [110, 340]");
    }

    #[test]
    fn durations_and_sizes_choose_their_unit() {
        assert_eq!(duration(0.25), "250 ms");
        assert_eq!(duration(0.000_056), "56 µs");
        assert_eq!(duration(600.0), "10 min");
        assert_eq!(duration(90.0), "1.5 min");
        assert_eq!(duration(0.0), "0 s");
        assert_eq!(bytes(50.0), "50 B");
        assert_eq!(bytes(65_536.0), "64 KiB");
    }

    #[test]
    fn minus_zero_is_zero() {
        assert_eq!(fixed(-0.0004, 2), "0.00");
        assert_eq!(percent(0.75), "75 %");
        assert_eq!(short(0.50), "0.5");
    }
}
