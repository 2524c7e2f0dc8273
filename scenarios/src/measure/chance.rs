//! How uneven is even: what pure chance does to counts when every draw is fair.
//!
//! Ten pods that get a thousand requests by fair draws do not get a hundred each. The busiest gets about 115, the
//! least busy about 85, so a max/min of 1.35 is nobody's fault. And where requests ride on pinned connections, the fair
//! draws are the connections: fewer, so chance does more. Every extreme is shown beside this band.

use sim_core::{Interval, Stream, StreamName, Streams};

use super::metric::pods::tally;
use super::quantity::{Absent, ratio};

/// Greatest count over least; a least count of zero is taken as one, so that the number stays finite.
///
/// # Errors
///
/// [`Absent::Nothing`] when there are no counts, or all are zero.
pub fn max_over_min(counts: &[u64]) -> Result<f64, Absent> {
    let most = counts
        .iter()
        .copied()
        .max()
        .filter(|&most| most > 0)
        .ok_or(Absent::Nothing)?;
    let least = counts.iter().copied().min().unwrap_or(0).max(1);
    Ok(most as f64 / least as f64)
}

/// Coefficient of variation: population standard deviation over mean.
///
/// # Errors
///
/// [`Absent::Nothing`] when there are no counts, or all are zero.
pub fn cv(counts: &[u64]) -> Result<f64, Absent> {
    tally(counts).cv().ok_or(Absent::Nothing)
}

/// How many fair independent draws over `places` give this coefficient of variation on average: `(places - 1) / CV²`.
///
/// For fair draws the sum of squared deviations over the mean, `draws · CV²`, is nearly chi-square distributed with
/// `places - 1` degrees of freedom, so its mean is `places - 1`.
///
/// # Errors
///
/// [`Absent::Nothing`] with fewer than two places, or where all counts are equal.
pub fn effective_draws(places: usize, cv: f64) -> Result<f64, Absent> {
    if places < 2 {
        return Err(Absent::Nothing);
    }
    ratio((places - 1) as f64, cv * cv)
}

/// The numbers of fair draws that do not contradict one observed coefficient of variation, with 95 % confidence.
///
/// `None` under the conditions of [`effective_draws`].
#[must_use]
pub fn effective_draws_interval(places: usize, cv: f64) -> Option<(f64, f64)> {
    use statrs::distribution::{ChiSquared, ContinuousCDF};
    let freedom = places
        .checked_sub(1)
        .filter(|&freedom| freedom > 0 && cv > 0.0)?;
    let chi_squared = ChiSquared::new(freedom as f64).ok()?;
    Some((
        chi_squared.inverse_cdf(0.025) / (cv * cv),
        chi_squared.inverse_cdf(0.975) / (cv * cv),
    ))
}

/// Where the true share lies when `held` of `all` independent trials held: the interval that misses it with at most
/// `1 - confidence`, however small `all` is.
///
/// With all trials held it reaches up to 1 and down to ((1 - confidence) / 2)^(1 / all): to show a share of 99 % with 95 %
/// confidence takes 368 trials that all hold. Without any trial it is all of 0 to 1.
///
/// Source: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
/// binomial", Biometrika 26 (1934).
#[must_use]
pub fn share_interval(held: u64, all: u64, confidence: f64) -> Interval {
    use statrs::distribution::{Beta, ContinuousCDF};
    let tail = (1.0 - confidence) / 2.0;
    let quantile =
        |a: u64, b: u64, p: f64| Beta::new(a as f64, b as f64).map(|beta| beta.inverse_cdf(p));
    let failed = all - held;
    Interval {
        low: quantile(held, failed + 1, tail).unwrap_or(0.0),
        high: quantile(held + 1, failed, 1.0 - tail).unwrap_or(1.0),
    }
}

/// How many trials, all of which hold, show with this confidence that the true share is `share` or more: the smallest n
/// with ((1 - confidence) / 2)^(1 / n) >= share, as [`share_interval`] says. `None` for a share of 1.
#[must_use]
pub fn trials_to_show(share: f64, confidence: f64) -> Option<u64> {
    let tail = (1.0 - confidence) / 2.0;
    (share < 1.0).then(|| libm::ceil(libm::log(tail) / libm::log(share)) as u64)
}

/// Where 95 % of the outcomes of pure chance lie, and their middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// 2.5 % lie below.
    pub low: f64,
    /// Half lie below.
    pub median: f64,
    /// 2.5 % lie above.
    pub high: f64,
}

/// What fair draws over equal places do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fair {
    /// Equal places.
    pub places: usize,
    /// Independent draws.
    pub draws: u64,
    /// Greatest count over least, as [`max_over_min`].
    pub max_over_min: Band,
    /// Coefficient of variation, as [`cv`].
    pub cv: Band,
}

/// Fixed numbers, so that the band is the same everywhere; no run draws under this name.
const CHANCE: StreamName = StreamName::new("chance alone");

/// Mean counts from which on a count is drawn from the corrected normal distribution instead of draw by draw.
const MANY: u64 = 16;

/// The sampling distribution of max/min and CV when `draws` fair draws fall on `places`; `None` without either.
///
/// It is simulated with fixed random numbers: 100 to 1,000 times, fewer for more places. Draw by draw up to 16 draws
/// for each place; above, each count is a normal variate with the correction of Cornish and Fisher for skewness, and
/// the counts are shifted to their known sum.
///
/// Source: R. A. Fisher and E. A. Cornish, "The percentile points of distributions having known cumulants",
/// Technometrics 2 (1960).
#[must_use]
pub fn fair(places: usize, draws: u64) -> Option<Fair> {
    if places == 0 || draws == 0 {
        return None;
    }
    let rounds = (500_000 / places).clamp(100, 1_000);
    let mut stream = Streams::new(0, 0).stream(CHANCE, places as u64 ^ draws.rotate_left(32));
    let mut counts = vec![0; places];
    let (mut ratios, mut cvs) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for _ in 0..rounds {
        if draws / places as u64 >= MANY {
            draw_at_once(&mut counts, draws, &mut stream);
        } else {
            draw_one_by_one(&mut counts, draws, &mut stream);
        }
        ratios.push(max_over_min(&counts).ok()?);
        cvs.push(cv(&counts).ok()?);
    }
    Some(Fair {
        places,
        draws,
        max_over_min: band(ratios),
        cv: band(cvs),
    })
}

fn draw_one_by_one(counts: &mut [u64], draws: u64, stream: &mut Stream) {
    counts.fill(0);
    let places = u32::try_from(counts.len()).expect("places are numbered in 32 bits");
    for _ in 0..draws {
        counts[stream.below(places) as usize] += 1;
    }
}

fn draw_at_once(counts: &mut [u64], draws: u64, stream: &mut Stream) {
    let mean = draws as f64 / counts.len() as f64;
    let deviations: Vec<f64> = (0..counts.len())
        .map(|_| {
            let normal = standard_normal(stream);
            mean.sqrt() * normal + (normal * normal - 1.0) / 6.0
        })
        .collect();
    let shift = deviations.iter().sum::<f64>() / counts.len() as f64;
    for (count, deviation) in counts.iter_mut().zip(deviations) {
        *count = libm::round((mean + deviation - shift).max(0.0)) as u64;
    }
}

/// Source: G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", Annals of
/// Mathematical Statistics 29 (1958).
fn standard_normal(stream: &mut Stream) -> f64 {
    let radius = (-2.0 * libm::log(stream.unit().get())).sqrt();
    radius * libm::cos(std::f64::consts::TAU * stream.unit().get())
}

fn band(mut values: Vec<f64>) -> Band {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[libm::round(share * (values.len() - 1) as f64) as usize];
    Band {
        low: at(0.025),
        median: at(0.5),
        high: at(0.975),
    }
}

/// Where one place's count lies with 95 % probability, as a multiple of the mean count, when `draws` fair draws fall on
/// `places`.
///
/// By the normal distribution with the correction of Cornish and Fisher; `draws` need not be whole, so that
/// [`effective_draws`] may be put in. `None` without draws or with fewer than two places.
#[must_use]
pub fn count_band(places: usize, draws: f64) -> Option<Band> {
    const NORMAL_97_5: f64 = 1.959_963_984_540_054;
    if places < 2 || draws.is_nan() || draws <= 0.0 {
        return None;
    }
    let share = 1.0 / places as f64;
    let mean = draws * share;
    let deviation = (mean * (1.0 - share)).sqrt();
    let skew = (1.0 - 2.0 * share) / 6.0;
    let at = |z: f64| ((mean + z * deviation + (z * z - 1.0) * skew) / mean).max(0.0);
    Some(Band {
        low: at(-NORMAL_97_5),
        median: at(0.0),
        high: at(NORMAL_97_5),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!(
            (found - expected).abs() <= tolerance * expected,
            "{found} is not within {tolerance} of {expected}"
        );
    }

    #[test]
    fn the_field_report_is_read_as_78_draws() {
        // 287 to 875 requests on ten pods: CV 0.34, N_eff = 9 / CV^2; chi-square(9) has 2.5 % below 2.70 and above 19.02.
        let counts = [287, 875, 332, 635, 585, 384, 470, 416, 774, 594];
        let cv = cv(&counts).unwrap();
        close(cv, 0.341, 0.005);
        close(effective_draws(10, cv).unwrap(), 78.0, 0.02);
        let (low, high) = effective_draws_interval(10, cv).unwrap();
        close(low, 23.0, 0.03);
        close(high, 164.0, 0.01);
    }

    #[test]
    fn extremes_of_nothing_do_not_exist() {
        assert_eq!(max_over_min(&[]), Err(Absent::Nothing));
        assert_eq!(max_over_min(&[0, 0]), Err(Absent::Nothing));
        assert_eq!(max_over_min(&[6, 0]), Ok(6.0));
        assert_eq!(effective_draws(10, 0.0), Err(Absent::Nothing));
        assert_eq!(effective_draws(1, 0.5), Err(Absent::Nothing));
        assert_eq!((fair(0, 5), fair(5, 0)), (None, None));
    }

    #[test]
    fn the_band_of_cv_follows_chi_square() {
        // draws * CV^2 is chi-square with places - 1 = 9 degrees of freedom: 2.70, 8.34 and 19.02 at 2.5, 50 and 97.5 %.
        // A simulated quantile of 1,000 rounds is good to a few per cent; both ways of drawing are asked.
        for draws in [100, 5_352] {
            let band = fair(10, draws).unwrap().cv;
            let at = |quantile: f64| (quantile / draws as f64).sqrt();
            close(band.low, at(2.70), 0.08);
            close(band.median, at(8.34), 0.04);
            close(band.high, at(19.02), 0.06);
        }
    }

    #[test]
    fn both_ways_of_drawing_agree_where_they_meet() {
        // 15 and 16 draws for each of 100 places lie on both sides of the switch.
        let (one, other) = (fair(100, 1_599).unwrap(), fair(100, 1_600).unwrap());
        close(other.max_over_min.median, one.max_over_min.median, 0.05);
        close(other.cv.median, one.cv.median, 0.02);
    }

    #[test]
    fn more_draws_even_out() {
        let medians: Vec<f64> = [30, 300, 3_000, 30_000]
            .map(|draws| fair(3, draws).unwrap().max_over_min.median)
            .into();
        assert!(medians.is_sorted_by(|a, b| a > b), "{medians:?}");
        close(medians[3], 1.0, 0.05);
    }

    #[test]
    fn the_interval_of_a_share_is_exact() {
        // Clopper and Pearson: 0.025 = (1 - high)^n for none of n, 0.025 = low^n for all of n. Of 20 and of 368: 0.8316 and 0.99003.
        // For 9 of 10, tables say 0.5550 to 0.9975.
        let rows = [
            (0, 20, 0.0, 0.1684),
            (20, 20, 0.8316, 1.0),
            (368, 368, 0.990_03, 1.0),
            (9, 10, 0.5550, 0.9975),
            (0, 0, 0.0, 1.0),
        ];
        for (held, all, low, high) in rows {
            let found = share_interval(held, all, 0.95);
            let near = (found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4;
            assert!(near, "{held} of {all}: {found:?}");
        }
        // ln 0.025 / ln 0.99 = 367.04, ln 0.025 / ln 0.9 = 35.01.
        let needed = [0.99, 0.9, 1.0].map(|share| trials_to_show(share, 0.95));
        assert_eq!(needed, [Some(368), Some(36), None]);
    }

    #[test]
    fn the_count_of_one_place_is_binomial() {
        // Binomial(78, 1/10): mean 7.8, 2.5 % below 3 and above 13, that is 0.38 and 1.67 of the mean, in steps of 0.13.
        let band = count_band(10, 78.0).unwrap();
        assert!(
            (band.low - 0.38).abs() < 0.13 && (band.high - 1.67).abs() < 0.13,
            "{band:?}"
        );
        assert_eq!(count_band(1, 78.0), None);
    }
}
