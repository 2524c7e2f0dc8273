//! Active checks: how soon they find a broken pod or an emptied node, and how often nodes flap.

use serde_json::Value;

use super::faults::{Course, Kind, Log, Mode, Victim, simulate};
use super::judge::Comparisons;
use super::observed::SEEDS;
use super::record::TargetType;

/// Simulated detection times, at least, for each file.
const TIMES: u64 = 5_000;
/// Slack of rates and shares where nodes flap, as a share of the simulated mean.
const FLAPPING: f64 = 0.1;

/// Judges a configuration with an active check.
pub(super) fn judge(course: &Course, file: &Value) -> Result<Comparisons, String> {
    let runs = file["runs"].as_array().ok_or("there are no runs")?;
    if course.events.iter().any(|it| it.pod == Victim::Busiest) {
        return Err("a check of a pod that is chosen while it runs".into());
    }
    if course
        .events
        .iter()
        .all(|it| it.kind == Kind::EndpointRemove)
    {
        return emptied_node(course, runs);
    }
    match course.config.lb.target_type {
        TargetType::Ip => detection_times(course, runs),
        TargetType::Instance => flapping(course, runs),
    }
}

/// From each fault to the load balancer's verdict: the same distribution.
fn detection_times(course: &Course, runs: &[Value]) -> Result<Comparisons, String> {
    let detections = runs.iter().filter_map(|run| run["detections"].as_array());
    let found = detections
        .flatten()
        .filter_map(|it| it["down_after_s"].as_f64());
    let recorded: Vec<f64> = found.collect();
    let faults = course.events.iter();
    let faults = faults.filter(|it| it.kind == Kind::PodFault && it.mode != Some(Mode::Ok));
    let faults: Vec<_> = faults.collect();
    let logs = simulate(course, TIMES.div_ceil(faults.len().max(1) as u64));
    let after = |log: &Log| {
        let times = faults.iter().filter_map(|event| {
            let Victim::Numbered(target) = event.pod else {
                return None;
            };
            let fault = event.at(log.jitter);
            let mut down = log.down.iter();
            let found = down.find(|&&(at, it)| it == target && at >= fault);
            found.map(|(at, _)| at - fault)
        });
        times.collect::<Vec<_>>()
    };
    same_distribution(recorded, logs.iter().flat_map(after).collect())
}

/// The last endpoint of a node is removed, and the check finds the node.
fn emptied_node(course: &Course, runs: &[Value]) -> Result<Comparisons, String> {
    let after = |run: &Value| {
        let removed = run["events"][0]["start_s"].as_f64()?;
        let first = downs(run).into_iter().find(|&at| at >= removed)?;
        Some(first - removed)
    };
    let recorded = runs.iter().filter_map(after).collect();
    let simulated = |log: &Log| {
        let removed = course.events[0].at(log.jitter);
        let (at, _) = log.down.iter().find(|(at, _)| *at >= removed)?;
        Some(at - removed)
    };
    let logs = simulate(course, TIMES);
    same_distribution(recorded, logs.iter().filter_map(simulated).collect())
}

/// When the recorded load balancer marked some target down.
fn downs(run: &Value) -> Vec<f64> {
    let changes = run["lb_state_changes"].as_array().into_iter().flatten();
    let down = |it: &&Value| {
        it["change"]
            .as_str()
            .is_some_and(|it| it.contains(" is DOWN"))
    };
    changes
        .filter(down)
        .filter_map(|it| it["t_s"].as_f64())
        .collect()
}

/// Checks through NodePorts that land on a broken pod now and then.
fn flapping(course: &Course, runs: &[Value]) -> Result<Comparisons, String> {
    // The simulated run goes on for a while after the load.
    let end = course.config.load.duration_s;
    let logs = simulate(course, SEEDS);
    let counted = |run: &Value| downs(run).into_iter().filter(|&at| at < end).count() as f64;
    let recorded: Vec<f64> = runs.iter().map(counted).collect();
    let during = |log: &Log| log.down.iter().filter(|(at, _)| *at < end).count() as f64;
    let found: Vec<f64> = logs.iter().map(during).collect();
    let slack = |values: &[f64]| FLAPPING * values.iter().sum::<f64>() / values.len() as f64;
    let down = Comparisons::of_means(
        "nodes found unhealthy".into(),
        &recorded,
        &found,
        slack(&found),
    );
    let shares = runs.iter().map(|run| run["error_share"].as_f64());
    let shares: Vec<f64> = shares
        .collect::<Option<_>>()
        .ok_or("a run without its error share")?;
    let failed = |log: &Log| {
        let failed = log.requests.iter().filter(|it| it.failed).count();
        failed as f64 / log.requests.len() as f64
    };
    let found: Vec<f64> = logs.iter().map(failed).collect();
    let share = Comparisons::of_means("error share".into(), &shares, &found, slack(&found));
    Ok(Comparisons::figures(
        [down, share],
        "flapping node checks".into(),
    ))
}

/// Two samples of one distribution, by the test of Kolmogorov and Smirnov.
fn same_distribution(
    mut recorded: Vec<f64>,
    mut simulated: Vec<f64>,
) -> Result<Comparisons, String> {
    if recorded.is_empty() || simulated.is_empty() {
        return Err("nothing was found down".into());
    }
    let (distance, allowed) = kolmogorov_smirnov(&mut recorded, &mut simulated);
    let note = format!(
        "{} recorded against {} simulated times",
        recorded.len(),
        simulated.len()
    );
    let figure = (
        "largest distance of the distributions".into(),
        distance,
        0.0,
        allowed,
    );
    Ok(Comparisons::figures([figure], note))
}

/// The largest distance of two empirical distributions, and the distance that one pair in a thousand exceeds.
fn kolmogorov_smirnov(one: &mut [f64], other: &mut [f64]) -> (f64, f64) {
    one.sort_by(f64::total_cmp);
    other.sort_by(f64::total_cmp);
    let share = |sorted: &[f64], at: f64| {
        sorted.partition_point(|&value| value <= at) as f64 / sorted.len() as f64
    };
    let points = one.iter().chain(other.iter());
    let distance = points.map(|&at| (share(one, at) - share(other, at)).abs());
    let distance = distance.fold(0.0, f64::max);
    // Smirnov: P(D > c sqrt(1/n + 1/m)) = 2 exp(-2 c^2); 0.001 gives c = 1.949.
    let (n, m) = (one.len() as f64, other.len() as f64);
    (distance, 1.949 * (1.0 / n + 1.0 / m).sqrt())
}
