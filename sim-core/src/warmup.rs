//! Where does the initial transient end: the MSER-5 rule.

/// Observations in a batch.
const BATCH: usize = 5;

/// How many of the first `values` to throw away, by MSER-5; `None` where the series does not settle.
///
/// The values are taken in batches of five (a rest at the end is left out). Of all truncations that keep at least half
/// of the batches, the rule takes the one after which the mean is known best: it minimises
/// `Σ (x - mean)² / kept²`. A minimum that could go on falling past the half means that the run is too short, and
/// the answer is `None`, as it is for fewer than two batches.
///
/// Source: K. Preston White, "An effective truncation heuristic for bias reduction in simulation output", Simulation
/// 69 (1997); K. P. White, M. J. Cobb, S. C. Spratt, "A comparison of five steady-state truncation heuristics",
/// Winter Simulation Conference 2000.
///
/// ```
/// use sim_core::warmup::mser5;
///
/// // Ten values of a transient, then a steady alternation.
/// let values: Vec<f64> = (0..100).map(|i| if i < 10 { 50.0 } else { f64::from(i % 2) }).collect();
/// assert_eq!(mser5(&values), Some(10));
/// ```
#[must_use]
pub fn mser5(values: &[f64]) -> Option<usize> {
    let batches: Vec<f64> = values
        .as_chunks::<BATCH>()
        .0
        .iter()
        .map(|batch| batch.iter().sum::<f64>() / BATCH as f64)
        .collect();
    if batches.len() < 2 {
        return None;
    }
    // One pass from the end: mean and squared distances of the last `kept` batches (Welford's update).
    let (mut mean, mut squares, mut best) = (0.0, 0.0, (f64::INFINITY, 0));
    for (cut, &batch) in batches.iter().enumerate().rev() {
        let kept = (batches.len() - cut) as f64;
        let distance = batch - mean;
        mean += distance / kept;
        squares += distance * (batch - mean);
        let error = squares / (kept * kept);
        // Of equal errors the shortest truncation wins. The last few batches agree by chance, so they are not asked.
        if kept as usize >= FEWEST_KEPT.min(batches.len()) && error <= best.0 {
            best = (error, cut);
        }
    }
    (best.1 <= batches.len() / 2).then_some(best.1 * BATCH)
}

/// Fewer batches than this at the end agree by chance and would always look steady.
///
/// Source: the five-batch guard of J. Mokashi and others, "Performance comparison of MSER-5 and N-Skart on the
/// simulation start-up problem", Winter Simulation Conference 2010.
const FEWEST_KEPT: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_series_loses_nothing() {
        assert_eq!(mser5(&[3.0; 40]), Some(0));
    }

    #[test]
    fn a_step_is_cut_where_it_ends() {
        // Two batches at 9, then 18 at a steady alternation: cut 10 values.
        let values: Vec<f64> = (0..100)
            .map(|i| if i < 10 { 9.0 } else { f64::from(i % 2) })
            .collect();
        assert_eq!(mser5(&values), Some(10));
    }

    #[test]
    fn a_series_that_climbs_to_its_end_does_not_settle() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i * i)).collect();
        assert_eq!(mser5(&values), None);
    }

    #[test]
    fn too_short_a_series_does_not_settle() {
        assert_eq!(mser5(&[1.0; 9]), None);
    }

    #[test]
    fn the_rule_minimises_its_own_formula() {
        // Compared with the sum written out, on a decaying transient with a small ripple.
        let values: Vec<f64> = (0..200)
            .map(|i| 100.0 / f64::from(1 + i) + f64::from(i * 7 % 11))
            .collect();
        let batches: Vec<f64> = values
            .chunks_exact(5)
            .map(|batch| batch.iter().sum::<f64>() / 5.0)
            .collect();
        let error = |cut: usize| {
            let kept = &batches[cut..];
            let mean = kept.iter().sum::<f64>() / kept.len() as f64;
            kept.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>()
                / (kept.len() * kept.len()) as f64
        };
        let best = (0..=35)
            .min_by(|&a, &b| error(a).total_cmp(&error(b)))
            .unwrap();
        assert_eq!(mser5(&values), (best <= 20).then_some(best * 5));
    }
}
