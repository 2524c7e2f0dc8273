//! How close a faithful simulation must come: the recording's own criteria.

use super::log::{Findings, LastMet, WINDOW};
use super::{Case, Expected, Share};

/// Comparisons made, and those that failed.
#[derive(Default)]
pub(super) struct Judge {
    pub(super) comparisons: usize,
    pub(super) differences: Vec<String>,
}

/// Events of which the recording gives the earliest and, if not a retry later, the latest time.
const BETWEEN: [(&str, [&str; 2]); 2] = [
    ("outage_start", ["outage_start_lower", "outage_start_upper"]),
    ("map_empty", ["map_empty_lower", "map_empty_upper"]),
];

/// What a retry of the stale guard and the sync after it take at most, in seconds.
const STALE_RETRY: f64 = 1.05;

struct Sample {
    values: Vec<f64>,
    runs: f64,
}

impl Sample {
    /// The values of an event, of so many runs.
    fn of(mut values: Vec<f64>, runs: usize) -> Self {
        values.sort_by(f64::total_cmp);
        Self {
            values,
            runs: runs as f64,
        }
    }

    fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.values.iter().map(|it| (it - mean).powi(2)).sum();
        (squares / (self.values.len() - 1) as f64).sqrt()
    }

    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// How far a quantile of the sample may lie from the true one: three standard errors of the number of values below it.
    ///
    /// Where few values lie, as between the ends of flapping checks and of an outage, that is more than any multiple of the standard error
    /// of the mean.
    fn doubt(&self, share: f64) -> f64 {
        let error = 3.0 * (share * (1.0 - share) / self.runs).sqrt();
        let here = self.quantile(share);
        let below = here - self.quantile((share - error).max(0.0));
        let above = self.quantile((share + error).min(1.0)) - here;
        below.max(above)
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
            if BETWEEN
                .iter()
                .any(|(_, bounds)| bounds.contains(&name.as_str()))
            {
                continue;
            }
            if name == "new_connections_safe" {
                self.safe(case, expected, findings);
                continue;
            }
            let found = |it: &Findings| {
                let numbered = it.numbered.get(name.as_str()).copied();
                numbered.or_else(|| it.events.get(name.as_str()).copied())
            };
            let values = findings.iter().filter_map(found);
            let sample = Sample::of(values.collect(), findings.len());
            self.event(case, name, expected, &sample);
        }
        for (event, [earliest, latest]) in BETWEEN {
            if let Some(earliest) = case.expected.get(earliest) {
                self.between(case, event, (earliest, case.expected.get(latest)), findings);
            }
        }
        // A stopped kubelet's pods go on answering, and the recording leaves it at that: it does not count what a
        // node refuses under Local between the loss of its last endpoint and its own deregistration.
        let refuses = case.fault == "FM9" && case.mode == "instance+Local";
        if case.horizon_s.is_some() && !refuses {
            self.traffic(case, findings);
        }
    }

    /// An event that the recording bounds: it comes at the earliest without, at the latest with a retry of the stale guard.
    fn between(
        &mut self,
        case: &Case,
        name: &str,
        (earliest, latest): (&Expected, Option<&Expected>),
        findings: &[Findings],
    ) {
        let found = |it: &Findings| it.events.get(name).copied();
        let sample = Sample::of(findings.iter().filter_map(found).collect(), findings.len());
        let runs = sample.values.len() as f64;
        self.within(case, name, "runs", runs, sample.runs, 0.0);
        let spread = |it: &Expected| case.spread(it.sd.unwrap_or(0.0), &sample);
        let end = latest.unwrap_or(earliest);
        let last = if latest.is_some() { 0.0 } else { STALE_RETRY };
        let low = earliest.mean - case.tolerance.seconds - 3.0 * spread(earliest);
        let high = end.mean + last + case.tolerance.seconds + 3.0 * spread(end);
        let (middle, near) = (f64::midpoint(low, high), (high - low) / 2.0);
        self.within(case, name, "mean", sample.mean(), middle, near);
    }

    fn event(&mut self, case: &Case, name: &str, expected: &Expected, sample: &Sample) {
        let happened = sample.values.len() as f64 / sample.runs;
        let p = expected.probability.unwrap_or(1.0);
        let near = 3.0 * (p * (1.0 - p) / sample.runs).sqrt() + 0.01;
        self.within(case, name, "probability", happened, p, near);
        if sample.values.len() < 5 {
            return;
        }
        // A count has no spread in the recording: the simulated one stands for it.
        let sd = expected.sd.unwrap_or_else(|| sample.deviation());
        let spread = case.spread(sd, sample);
        let seconds = case.tolerance.seconds;
        let near = seconds + 3.0 * spread;
        self.within(case, name, "mean", sample.mean(), expected.mean, near);
        let checked = name.starts_with("alb_") || name.starts_with("target_out");
        let tail = case.fault == "FM4" || case.flapping.is_some() && checked;
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
        if expected.probability.is_none() {
            self.range(case, name, expected, sample, 0.0);
        }
    }

    /// From when on no new connection can meet the fault.
    ///
    /// The last request that met the fault was sent E before that, where E is exponential with the mean gap g between such requests.
    /// The time is estimated by adding g as counted over a window W before: E has the standard deviation g, and a count of W / g
    /// makes the added gap g^2 / W too long on average. Of g - E, 5 % lie below (1 - ln 20) g = -2 g, and nothing above g. Of R runs,
    /// one in a thousand such sets has an E beyond g ln(1000 R); none ends after the true time.
    fn safe(&mut self, case: &Case, expected: &Expected, findings: &[Findings]) {
        let name = "new_connections_safe";
        let met: Vec<LastMet> = findings.iter().filter_map(|it| it.last_met).collect();
        let gap = met.iter().map(|it| it.gap).sum::<f64>() / met.len() as f64;
        let estimates = met.iter().map(|it| it.at + it.gap).collect();
        let sample = Sample::of(estimates, findings.len());
        let happened = met.len() as f64 / sample.runs;
        self.within(case, name, "probability", happened, 1.0, 0.01);
        if met.len() < 5 {
            return;
        }
        let sd = expected.sd.unwrap_or(0.0).hypot(gap);
        let spread = case.spread(sd, &sample);
        let seconds = case.tolerance.seconds;
        let near = seconds + 3.0 * spread + gap * gap / WINDOW;
        self.within(case, name, "mean", sample.mean(), expected.mean, near);
        let quantiles = [
            ("p05", 0.05, expected.p05, 2.0 * gap),
            ("p50", 0.5, expected.p50, gap),
            ("p95", 0.95, expected.p95, gap),
        ];
        for (what, share, expected, shift) in quantiles {
            if let Some(expected) = expected {
                let found = sample.quantile(share);
                let near = (seconds + 6.0 * spread).max(sample.doubt(share)) + shift;
                self.within(case, name, what, found, expected, near);
            }
        }
        let last = Sample::of(met.iter().map(|it| it.at).collect(), findings.len());
        let earlier = gap * libm::log(1_000.0 * last.runs);
        self.range(case, name, expected, &last, earlier);
    }

    /// Every single value lies between the recorded ends, or earlier than the first by no more than it may.
    fn range(
        &mut self,
        case: &Case,
        name: &str,
        expected: &Expected,
        sample: &Sample,
        earlier: f64,
    ) {
        if case.config.has_no_ends() {
            return;
        }
        let sampled = case.config_has_nodes() && !name.starts_with("alb_");
        let wide = if sampled { 0.5 } else { case.tolerance.seconds };
        let (least, most) = (sample.values[0], sample.values[sample.values.len() - 1]);
        if let Some(min) = expected.min {
            self.within(case, name, "min", least.min(min), min, wide + earlier);
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
    /// The standard error of the mean of a sample, and of the recorded one.
    fn spread(&self, sd: f64, sample: &Sample) -> f64 {
        sd * (1.0 / (sample.values.len() as f64).sqrt() + self.tolerance.mc_sd_factor)
    }

    /// Whether the case follows from a silent node: its ends are sampled.
    fn config_has_nodes(&self) -> bool {
        matches!(self.fault.as_str(), "FM6" | "FM9" | "FM12" | "FM15")
    }
}
