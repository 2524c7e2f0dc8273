//! Time lines: what each layer knows when, after a fault.
//!
//! The recording computes them from the rules alone: phases, thresholds and delays, without queues, connection pools or
//! retries. A world set up alike must agree with every event within the recording's own criteria.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Deserialize;

use super::recording;

mod judge;
mod log;
mod setup;

use judge::Judge;
use log::Log;

/// Replications of each case; the recording's own check used 300 and 1,000.
const REPLICATIONS: u64 = 300;
const SEED: u64 = 2026;
/// Requests of a run while the recording counts them, within limits of the rate.
const REQUESTS: f64 = 9_000.0;

/// Failure modes that this world models; the others are counted.
const MODELLED: [&str; 16] = [
    "FM1", "FM2", "FM3", "FM4", "FM5", "FM6", "FM9", "FM10", "FM12", "FM13", "FM14", "FM15",
    "FM16", "FM17", "FM18", "FM23",
];

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

/// One case of the recording.
#[derive(Deserialize)]
struct Case {
    id: String,
    fault: String,
    mode: String,
    config: setup::Config,
    horizon_s: Option<f64>,
    expected: BTreeMap<String, Expected>,
    share: Option<Share>,
    oes: Option<Expected>,
    tolerance: Tolerance,
    /// The closed form of checks that fail independently of each other, where they do.
    flapping: Option<serde_json::Value>,
}

/// Statistics of one event, in seconds after the fault.
#[derive(Clone, Deserialize)]
struct Expected {
    min: Option<f64>,
    mean: f64,
    max: Option<f64>,
    p05: Option<f64>,
    p50: Option<f64>,
    p95: Option<f64>,
    sd: Option<f64>,
    probability: Option<f64>,
}

/// Share of the requests that meet the fault, by time.
#[derive(Deserialize)]
struct Share {
    bin_s: f64,
    mean: Vec<f64>,
}

#[derive(Clone, Copy, Deserialize)]
struct Tolerance {
    seconds: f64,
    mc_sd_factor: f64,
    oes: Option<f64>,
}

impl Case {
    /// Requests per second: more of them where the recording looks at a short time.
    fn rate(&self) -> f64 {
        (REQUESTS / self.horizon_s.unwrap_or(REQUESTS)).clamp(100.0, 1_500.0)
    }
}

/// What the replications of a case say, event by event.
fn simulate(case: &Case) -> Option<Vec<log::Findings>> {
    let set_up = setup::blueprint(case)?;
    let runs = (0..REPLICATIONS).into_par_iter().map(|replication| {
        let log = Log::new(&set_up);
        let run = crate::support::run(&set_up.blueprint, SEED, replication, log);
        run.recorder.findings()
    });
    Some(runs.collect())
}

#[test]
fn every_modelled_time_line_agrees() {
    let Some(file) = recording::<File>("timelines.json") else {
        return;
    };
    let only = std::env::var("TWOHOP_CASE").ok();
    let mut judge = Judge::default();
    let (mut judged, mut waiting) = (0, 0);
    for case in &file.cases {
        if only.as_ref().is_some_and(|only| !case.id.contains(only)) {
            continue;
        }
        let modelled = MODELLED.contains(&case.fault.as_str());
        let Some(findings) = modelled.then(|| simulate(case)).flatten() else {
            waiting += 1;
            continue;
        };
        judged += 1;
        judge.case(case, &findings);
    }
    println!(
        "time lines: {judged} cases judged by {} comparisons, {} agreed; {waiting} cases not modelled yet",
        judge.comparisons,
        judge.comparisons - judge.differences.len(),
    );
    assert!(
        judge.differences.is_empty(),
        "\n{}",
        judge.differences.join("\n")
    );
}
