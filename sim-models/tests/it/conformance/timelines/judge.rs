//! How close a faithful simulation must come: the recording's own criteria.

use super::log::Findings;
use super::{Case, Expected, Share};

/// Comparisons made, and those that failed.
#[derive(Default)]
pub(super) struct Judge {
    pub(super) comparisons: usize,
    pub(super) differences: Vec<String>,
}

struct Sample {
    values: Vec<f64>,
    runs: f64,
}

impl Sample {
    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    fn quantile(&self, share: f64) -> f64 {
        let at = share * (self.values.len() - 1) as f64;
        let below = self.values[at.floor() as usize];
        let above = self.values[at.ceil() as usize];
        below + (above - below) * at.fract()
    }
}

impl Judge {
    pub(super) fn case(&mut self, case: &Case, findings: &[Findings]) {
        for (name, expected) in &case.expected {
            let found = |it: &Findings| {
                let numbered = it.numbered.get(name.as_str()).copied();
                numbered.or_else(|| it.events.get(name.as_str()).copied())
            };
            let mut values: Vec<f64> = findings.iter().filter_map(found).collect();
            values.sort_by(f64::total_cmp);
            let runs = findings.len() as f64;
            self.event(case, name, expected, &Sample { values, runs });
        }
        // A stopped kubelet's pods go on answering, and the recording leaves it at that: it does not count what a
        // node refuses under Local between the loss of its last endpoint and its own deregistration.
        if case.horizon_s.is_some() && case.fault != "FM9" {
            self.traffic(case, findings);
        }
    }

    fn event(&mut self, case: &Case, name: &str, expected: &Expected, sample: &Sample) {
        let happened = sample.values.len() as f64 / sample.runs;
        let p = expected.probability.unwrap_or(1.0);
        let near = 3.0 * (p * (1.0 - p) / sample.runs).sqrt() + 0.01;
        self.within(case, name, "probability", happened, p, near);
        let Some(sd) = expected.sd else {
            if !sample.values.is_empty() {
                // A count without a spread of its own in the recording: within five percent.
                let mean = sample.mean();
                self.within(case, name, "mean", mean, expected.mean, 0.2 * expected.mean);
            }
            return;
        };
        if sample.values.len() < 5 {
            return;
        }
        let spread = sd * (1.0 / (sample.values.len() as f64).sqrt() + case.tolerance.mc_sd_factor);
        // The last request that met the fault tells when the fault was over only as exactly as requests follow.
        let gap = if name == "new_connections_safe" {
            case.gap()
        } else {
            0.0
        };
        let seconds = case.tolerance.seconds + 2.0 * gap;
        self.within(
            case,
            name,
            "mean",
            sample.mean(),
            expected.mean,
            seconds + 3.0 * spread,
        );
        let tail = case.fault == "FM4"
            || (case.id.contains("noprobe") || p < 1.0)
                && (name.starts_with("alb_") || name.starts_with("target_out"));
        let quantiles = [
            ("p05", 0.05, expected.p05, 6.0),
            ("p50", 0.5, expected.p50, 6.0),
            ("p95", 0.95, expected.p95, if tail { 15.0 } else { 6.0 }),
        ];
        for (what, share, expected, times) in quantiles {
            if let Some(expected) = expected {
                let found = sample.quantile(share);
                self.within(case, name, what, found, expected, seconds + times * spread);
            }
        }
        if expected.probability.is_none() && !case.id.contains("lognormal") {
            self.range(case, name, expected, sample, 7.0 * gap);
        }
    }

    /// Every single value lies between the recorded ends.
    fn range(&mut self, case: &Case, name: &str, expected: &Expected, sample: &Sample, gap: f64) {
        let sampled = case.config_has_nodes() && !name.starts_with("alb_");
        let wide = gap + if sampled { 0.5 } else { case.tolerance.seconds };
        let (least, most) = (sample.values[0], sample.values[sample.values.len() - 1]);
        if let Some(min) = expected.min {
            self.within(case, name, "min", least.min(min), min, wide);
        }
        if let Some(max) = expected.max {
            self.within(case, name, "max", most.max(max), max, wide);
        }
    }

    fn traffic(&mut self, case: &Case, findings: &[Findings]) {
        let runs = findings.len() as f64;
        let all = findings.iter().flat_map(|it| &it.requests);
        let failed = all.clone().filter(|(_, failed)| *failed).count() as f64;
        if let (Some(oes), Some(tolerance)) = (&case.oes, case.tolerance.oes) {
            let found = failed / case.rate() / runs;
            let sd = oes.sd.unwrap_or(0.0);
            let near = tolerance
                + 3.0 * sd * (1.0 / runs.sqrt() + case.tolerance.mc_sd_factor)
                + 3.0 * (oes.mean / (case.rate() * runs)).sqrt();
            self.within(case, "oes", "mean", found, oes.mean, near);
        }
        if let Some(share) = &case.share {
            self.share(case, share, all);
        }
    }

    fn share<'a>(
        &mut self,
        case: &Case,
        share: &Share,
        requests: impl Iterator<Item = &'a (f64, bool)>,
    ) {
        let mut counts = vec![(0.0, 0.0); share.mean.len()];
        for &(at, failed) in requests {
            if let Some(bin) = counts.get_mut((at / share.bin_s) as usize) {
                bin.0 += 1.0;
                bin.1 += f64::from(u8::from(failed));
            }
        }
        for (bin, &(sent, failed)) in counts.iter().enumerate() {
            let (low, high) = shifted(share, bin, case.tolerance.seconds);
            let found = failed / f64::max(sent, 1.0);
            let error = |p: f64| 3.0 * (p * (1.0 - p) / f64::max(sent, 1.0)).sqrt() + 0.005;
            self.comparisons += 1;
            if found < low - error(low) || found > high + error(high) {
                let at = bin as f64 * share.bin_s;
                self.differences.push(format!(
                    "{}: share at {at:.1} s is {found:.4}, expected {low:.4} to {high:.4}",
                    case.id
                ));
            }
        }
    }

    fn within(
        &mut self,
        case: &Case,
        name: &str,
        what: &str,
        found: f64,
        expected: f64,
        near: f64,
    ) {
        self.comparisons += 1;
        // A mean of nothing is not a number, and no agreement.
        if found.is_nan() || (found - expected).abs() > near {
            self.differences.push(format!(
                "{}: {what} of {name} is {found:.3}, expected {expected:.3} +- {near:.3}",
                case.id
            ));
        }
    }
}

/// The least and the most that a bin of the curve holds when the curve is shifted by up to `seconds`.
fn shifted(share: &Share, bin: usize, seconds: f64) -> (f64, f64) {
    let bins = seconds / share.bin_s;
    let (whole, part) = (bins.floor() as usize, bins.fract());
    let last = share.mean.len() - 1;
    let at = |bin: usize| share.mean[bin.min(last)];
    // Whole bins to either side, and a part of the next ones.
    let near = bin.saturating_sub(whole)..=(bin + whole).min(last);
    let mixed = |near: usize, far: usize| at(near) + (at(far) - at(near)) * part;
    let before = mixed(*near.start(), near.start().saturating_sub(1));
    let after = mixed(*near.end(), near.end() + 1);
    let values = near.map(at).chain([before, after]);
    values.fold((f64::MAX, f64::MIN), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

impl Case {
    /// Mean time between two requests that meet the fault, while it lasts.
    fn gap(&self) -> f64 {
        let share = self.share.as_ref().and_then(|share| share.mean.first());
        share.map_or(0.0, |share| 1.0 / (self.rate() * share.max(0.01)))
    }

    /// Whether the case follows from a silent node: its ends are sampled.
    fn config_has_nodes(&self) -> bool {
        matches!(self.fault.as_str(), "FM6" | "FM9")
    }
}
