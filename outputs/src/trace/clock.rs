//! At which time of the day did it happen?
//!
//! A run begins at 2026-01-01T00:00:00Z, so that logs have time stamps and two traces of one run are the same bytes.

use sim_core::SimTime;

/// Seconds from 1970-01-01T00:00:00Z to the begin of every run.
const EPOCH: u64 = 1_767_225_600;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

/// Whole seconds since 1970.
pub(super) fn unix_seconds(at: SimTime) -> u64 {
    EPOCH + at.as_nanos() / SECOND
}

/// RFC 3339 with nanoseconds, as Hubble writes it.
pub(super) fn with_nanos(at: SimTime) -> String {
    format!("{}.{:09}Z", date_and_time(at), at.as_nanos() % SECOND)
}

/// ISO 8601 with microseconds, as an Application Load Balancer writes it.
pub(super) fn with_micros(at: SimTime) -> String {
    let micros = at.as_nanos() % SECOND / 1_000;
    format!("{}.{micros:06}Z", date_and_time(at))
}

fn date_and_time(at: SimTime) -> String {
    let seconds = unix_seconds(at);
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a day after 1970-01-01, in the Gregorian calendar.
fn date(mut days: u64) -> (u64, usize, u64) {
    let mut year = 1970;
    loop {
        let length = 365 + u64::from(is_leap(year));
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month + 1, days + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_with_the_year() {
        assert_eq!(with_nanos(SimTime::ZERO), "2026-01-01T00:00:00.000000000Z");
        let later = SimTime::from_nanos(3_723 * SECOND + 45_678);
        assert_eq!(with_micros(later), "2026-01-01T01:02:03.000045Z");
    }

    #[test]
    fn days_become_months_and_leap_years_are_counted() {
        // 2026 has 365 days and 2027 too; 31 + 28 days later it is 29 February of the leap year 2028.
        let day = |days: u64| with_micros(SimTime::from_secs(days * DAY));
        assert!(day(58).starts_with("2026-02-28T"));
        assert!(day(59).starts_with("2026-03-01T"));
        assert!(day(2 * 365 + 59).starts_with("2028-02-29T"));
        assert!(day(2 * 365 + 60).starts_with("2028-03-01T"));
        // 2000 was a leap year, 2100 is none: 28 February 2100 is followed by 1 March.
        assert!(is_leap(2000) && !is_leap(2100));
    }
}
