//! The rules: which figures of a class are compared, and how far apart they may be.

use super::calibrate::Calibrated;
use super::observed::Observed;

/// Slack of shares without reuse, beside four standard deviations.
const SHARE: f64 = 0.002;
/// Slack of means without reuse.
const MEAN: f64 = 0.005;
/// Slack of means with reuse, whose calibration is not exact.
const POOLED_MEAN: f64 = 0.03;

/// Slack of connections per request without reuse.
const CONNECTIONS: f64 = 0.01;
/// How far the calibration may miss what it makes equal, as a share of it.
const CALIBRATION: f64 = 0.1;

/// One figure of the recording against the simulated one.
struct Comparison {
    name: String,
    recorded: f64,
    simulated: f64,
    allowed: f64,
}

/// All comparisons of one file, with a word on how they came about.
pub(super) struct Comparisons {
    list: Vec<Comparison>,
    note: String,
}

impl Comparisons {
    /// Compares means of a figure: they may differ by four standard errors and a slack.
    fn means(
        &mut self,
        name: &str,
        recorded: &[Observed],
        simulated: &[Observed],
        slack: f64,
        of: impl Fn(&Observed) -> f64,
    ) {
        let (recorded, simulated) = (Sample::of(recorded, &of), Sample::of(simulated, &of));
        self.list.push(Comparison {
            name: name.into(),
            recorded: recorded.mean,
            simulated: simulated.mean,
            allowed: 4.0 * (recorded.squared_error + simulated.squared_error).sqrt() + slack,
        });
    }

    /// Compares the shares of some pods or nodes, pooled over the runs: they may differ by four binomial standard
    /// deviations of all recorded requests, and a slack.
    fn shares(
        &mut self,
        what: &str,
        recorded: &[Observed],
        simulated: &[Observed],
        of: impl Fn(&Observed) -> &[u64],
    ) {
        let (shares, all) = pooled(recorded, &of);
        let (expected, _) = pooled(simulated, &of);
        for (position, (share, p)) in shares.into_iter().zip(expected).enumerate() {
            self.list.push(Comparison {
                name: format!("share of {what} {position}"),
                recorded: share,
                simulated: p,
                allowed: 4.0 * (p * (1.0 - p) / all).sqrt() + SHARE,
            });
        }
    }

    /// Means of a figure that may differ by four standard errors and a slack, for [`Comparisons::figures`].
    pub(super) fn of_means(
        name: String,
        recorded: &[f64],
        simulated: &[f64],
        slack: f64,
    ) -> (String, f64, f64, f64) {
        let (recorded, simulated) = (Sample::new(recorded), Sample::new(simulated));
        let allowed = 4.0 * (recorded.squared_error + simulated.squared_error).sqrt() + slack;
        (name, recorded.mean, simulated.mean, allowed)
    }

    /// Figures that are compared one by one, with what each may differ by.
    pub(super) fn figures(
        figures: impl IntoIterator<Item = (String, f64, f64, f64)>,
        note: String,
    ) -> Self {
        let figures = figures.into_iter();
        let list = figures.map(|(name, recorded, simulated, allowed)| Comparison {
            name,
            recorded,
            simulated,
            allowed,
        });
        Self {
            list: list.collect(),
            note,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn note(&self) -> &str {
        &self.note
    }

    /// What differs by more than it may.
    pub(super) fn disagreements(&self) -> Vec<String> {
        // A figure that is not a number agrees with nothing.
        let agrees = |it: &Comparison| (it.recorded - it.simulated).abs() <= it.allowed;
        let wrong = self.list.iter().filter(|it| !agrees(it));
        wrong
            .map(|it| {
                let Comparison { name, recorded, simulated, allowed } = it;
                format!("{name}: recorded {recorded:.4}, simulated {simulated:.4}, allowed +- {allowed:.4}")
            })
            .collect()
    }
}

/// Judges a configuration in which each request has a connection of its own.
pub(super) fn without_reuse(recorded: &[Observed], simulated: &[Observed]) -> Comparisons {
    let mut comparisons = Comparisons {
        list: Vec::new(),
        note: beside(recorded, simulated),
    };
    comparisons.shares("pod", recorded, simulated, |run| &run.pods);
    comparisons.shares("the pods of node", recorded, simulated, |run| &run.nodes);
    if both(recorded, simulated, |run| run.ingress.is_some()) {
        comparisons.shares("ingress node", recorded, simulated, |run| {
            run.ingress.as_deref().unwrap_or(&[])
        });
    }
    spread(&mut comparisons, recorded, simulated, MEAN);
    comparisons.means(
        "error share",
        recorded,
        simulated,
        MEAN,
        Observed::error_share,
    );
    // One for each request that found an endpoint: within 1 % of the simulated ones, of which that is true.
    comparisons.list.push(Comparison {
        name: "connections per request".into(),
        recorded: Sample::of(recorded, Observed::connections_per_request).mean,
        simulated: Sample::of(simulated, Observed::connections_per_request).mean,
        allowed: CONNECTIONS,
    });
    comparisons
}

/// Judges a configuration in which nginx keeps connections, after calibration.
pub(super) fn with_reuse(recorded: &[Observed], calibrated: &Calibrated) -> Comparisons {
    let Calibrated {
        runs: simulated,
        factor,
        measure,
        wanted,
        found,
    } = calibrated;
    let calibration = Comparison {
        name: format!("calibration of {measure}"),
        recorded: *wanted,
        simulated: *found,
        allowed: CALIBRATION * wanted,
    };
    let how = format!("service time x {factor:.2} gives {measure} {found:.2} for {wanted:.2}");
    let mut comparisons = Comparisons {
        list: vec![calibration],
        note: format!("{how}; {}", beside(recorded, simulated)),
    };
    spread(&mut comparisons, recorded, simulated, POOLED_MEAN);
    comparisons.means(
        "pods without request",
        recorded,
        simulated,
        POOLED_MEAN,
        Observed::pods_without_request,
    );
    comparisons
}

/// How unevenly pods are used, and how often a request crosses nodes.
fn spread(
    comparisons: &mut Comparisons,
    recorded: &[Observed],
    simulated: &[Observed],
    slack: f64,
) {
    comparisons.means(
        "CoV over pods",
        recorded,
        simulated,
        slack,
        Observed::variation,
    );
    comparisons.means(
        "max / mean over pods",
        recorded,
        simulated,
        slack,
        Observed::max_over_mean,
    );
    if both(recorded, simulated, |run| run.cross_node.is_some()) {
        comparisons.means("cross-node share", recorded, simulated, slack, |run| {
            run.cross_node.unwrap_or(f64::NAN)
        });
    }
}

/// The main figures of both, one beside the other.
pub(super) fn beside(recorded: &[Observed], simulated: &[Observed]) -> String {
    let pair = |name: &str, of: fn(&Observed) -> f64| {
        format!(
            "{name} {:.3} / {:.3}",
            Sample::of(recorded, of).mean,
            Sample::of(simulated, of).mean
        )
    };
    let figures = [
        pair("CoV", Observed::variation),
        pair("max/mean", Observed::max_over_mean),
        pair("pods without request", Observed::pods_without_request),
    ];
    format!("recorded / simulated: {}", figures.join(", "))
}

fn both(recorded: &[Observed], simulated: &[Observed], have: impl Fn(&Observed) -> bool) -> bool {
    recorded.iter().chain(simulated).all(have)
}

/// Mean of a figure over runs, with the square of its standard error.
struct Sample {
    mean: f64,
    squared_error: f64,
}

impl Sample {
    fn of(runs: &[Observed], figure: impl Fn(&Observed) -> f64) -> Self {
        Self::new(&runs.iter().map(figure).collect::<Vec<_>>())
    }

    /// A single run has no spread of its own.
    fn new(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            mean,
            squared_error: squares / (n - 1.0).max(1.0) / n,
        }
    }
}

/// Shares of the counts, all runs together, and how many were counted.
fn pooled<'a>(runs: &'a [Observed], of: impl Fn(&'a Observed) -> &'a [u64]) -> (Vec<f64>, f64) {
    let mut sums = vec![0_u64; runs.first().map_or(0, |run| of(run).len())];
    for run in runs {
        for (sum, count) in sums.iter_mut().zip(of(run)) {
            *sum += count;
        }
    }
    let all = sums.iter().sum::<u64>() as f64;
    (sums.into_iter().map(|sum| sum as f64 / all).collect(), all)
}
