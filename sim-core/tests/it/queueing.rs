//! Queueing theory through the engine alone.

use crate::network::{Network, Readings, Source};
use sim_core::{Dist, Estimate, Sampler, SimDuration, SimTime, Streams, replicate};

const SEED: u64 = 20_260_101;
const REPLICATIONS: u64 = 40;

fn exponential(mean_secs: f64) -> Sampler {
    let dist = Dist::exponential(SimDuration::from_secs_f64(mean_secs));
    dist.sampler().expect("a mean is longer than zero")
}

/// Runs `warm_up` seconds, forgets them, and measures as many seconds as `length`.
fn measure(
    streams: &Streams,
    source: Source,
    stations: &[(Sampler, u8)],
    [warm_up, length]: [f64; 2],
) -> Readings {
    let mut simulation = Network::ready(source, stations, streams);
    let start = SimTime::ZERO + SimDuration::from_secs_f64(warm_up);
    let end = start + SimDuration::from_secs_f64(length);
    simulation
        .run_until(start)
        .expect("there is no limit on events");
    simulation.model_mut().reset(start);
    simulation
        .run_until(end)
        .expect("there is no limit on events");
    simulation.model().readings(start, end)
}

fn estimate(runs: &[Readings], name: &str) -> Estimate {
    let value = |run: &Readings| {
        *run.get(name)
            .unwrap_or_else(|| panic!("no reading is called {name}"))
    };
    Estimate::of(&runs.iter().map(value).collect::<Vec<_>>())
}

/// `servers` servers of rate 1/s under `arrivals` per second.
fn station(arrivals: f64, servers: u8, times: [f64; 2]) -> Vec<Readings> {
    replicate(REPLICATIONS, SEED, |streams| {
        let source = Source::Open(exponential(1.0 / arrivals));
        measure(&streams, source, &[(exponential(1.0), servers)], times)
    })
}

#[test]
fn sojourn_time_of_mm1_agrees_with_theory() {
    // Arrivals 0.8/s, service 1/s: W = 1 / (1.0 - 0.8) = 5 s, utilisation 0.8, L = 0.8 * 5 = 4.
    // Its quantiles are those of an exponential with mean 5 s: the median is 5 ln 2 s.
    // Warm-up: 20 relaxation times of 2 / (1 - 0.8)^2 = 50 s.
    let runs = station(0.8, 1, [1_000.0, 50_000.0]);
    let agrees = |name, expected| {
        let estimate = estimate(&runs, name);
        assert!(
            estimate.interval(0.999).contains(expected),
            "{name}: {estimate:?}"
        );
        assert!(
            estimate.half_width(0.999) < 0.05 * expected,
            "{name}: {estimate:?}"
        );
    };
    agrees("mean_sojourn_s", 5.0);
    agrees("utilisation[0]", 0.8);
    agrees("mean_in_system", 4.0);
    agrees("probability_of_waiting[0]", 0.8);
    agrees("sojourn_s.p50", 5.0 * std::f64::consts::LN_2);
}

#[test]
fn waiting_in_mmc_agrees_with_erlang() {
    // 4 servers of 1/s, arrivals 3/s: Erlang C = 0.509434 (27/53), W = 1 + 0.509434 / (4 - 3) = 1.509434 s.
    let runs = station(3.0, 4, [200.0, 20_000.0]);
    let waiting = estimate(&runs, "probability_of_waiting[0]");
    assert!(waiting.interval(0.999).contains(27.0 / 53.0), "{waiting:?}");
    let sojourn = estimate(&runs, "mean_sojourn_s");
    assert!(
        sojourn.interval(0.999).contains(1.0 + 27.0 / 53.0),
        "{sojourn:?}"
    );
    assert!(sojourn.relative_half_width(0.999) < 0.02, "{sojourn:?}");
}

#[test]
fn littles_law_holds_in_every_run() {
    // L = λ W with the measured λ holds but for the jobs that were present at an end of the stretch: at most some
    // dozens of 60,000.
    for run in station(3.0, 4, [200.0, 20_000.0]) {
        let expected = run["throughput_per_s"] * run["mean_sojourn_s"];
        assert!(
            (run["mean_in_system"] / expected - 1.0).abs() < 2e-3,
            "{run:?}"
        );
    }
}

/// The recorded exact results: every case that is a matter of the engine alone.
mod conformance {
    use super::*;
    use serde_json::Value;
    use std::path::{Path, PathBuf};

    /// The probability that any number of the whole file is called wrong though all are right.
    const ERROR: f64 = 0.01;
    /// The confidence of the intervals whose width is limited.
    const CONFIDENCE: f64 = 0.95;

    #[test]
    fn stations_in_series_agree_with_exact_results() {
        let path = vectors().join("queueing.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!(
                "queueing.json: skipped, there is no file {}",
                path.display()
            );
            return;
        };
        let file: Value = serde_json::from_str(&text).expect("a file of recordings is JSON");
        let cases = file["cases"]
            .as_array()
            .expect("a file of recordings has cases");
        let numbers_in_file: usize = cases
            .iter()
            .map(|case| leaves(&case["expected"]).len())
            .sum();
        let judged: Vec<_> = cases.iter().filter_map(judge).collect();
        let wrong = disagreements(&judged, numbers_in_file);
        let wrong_cases = judged
            .iter()
            .filter(|case| wrong.iter().any(|name| name.starts_with(&case.id)));
        println!(
            "queueing.json: {} cases judged on the bare engine ({} numbers), {} agreed; {} judged elsewhere (one station: the product's own path)",
            judged.len(),
            judged.iter().map(|case| case.numbers.len()).sum::<usize>(),
            judged.len() - wrong_cases.count(),
            cases.len() - judged.len()
        );
        assert!(wrong.is_empty(), "these numbers disagree: {wrong:#?}");
    }

    /// The directory of recordings: `TWOHOP_VECTORS` where it is set, else the copy in the repository.
    fn vectors() -> PathBuf {
        let copy = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim-models/tests/vectors");
        std::env::var_os("TWOHOP_VECTORS").map_or_else(copy, PathBuf::from)
    }

    struct Judged {
        id: String,
        /// Name, expected value, estimate.
        numbers: Vec<(String, f64, Estimate)>,
    }

    /// Simulates a case that is a matter of the engine alone, for long enough to know every number well.
    fn judge(case: &Value) -> Option<Judged> {
        let id = case["id"].as_str().expect("a case has an id").to_owned();
        let system = System::of(case)?;
        let expected = leaves(&case["expected"]);
        let mut length = system.first_length();
        loop {
            let runs = replicate(REPLICATIONS, SEED, |streams| system.run(&streams, length));
            let numbers: Vec<_> = expected
                .iter()
                .map(|(name, value)| (name.clone(), *value, estimate(&runs, name)))
                .collect();
            let is_known = |(name, value, estimate): &(String, f64, Estimate)| {
                estimate.half_width(CONFIDENCE) <= system.tolerance(name, *value) * value.abs()
            };
            if numbers.iter().all(is_known) {
                return Some(Judged { id, numbers });
            }
            length *= 2.0;
            assert!(
                length < 1e7,
                "{id}: a number is not known well enough after 10^7 s"
            );
        }
    }

    /// The names of the numbers that disagree, by Holm's step-down over as many numbers as the file has.
    fn disagreements(judged: &[Judged], numbers_in_file: usize) -> Vec<String> {
        let mut p_values: Vec<(f64, String)> = Vec::new();
        for case in judged {
            for (name, expected, estimate) in &case.numbers {
                let label = format!(
                    "{}: {name}: expected {expected}, found {estimate:?}",
                    case.id
                );
                p_values.push((estimate.p_value(*expected), label));
            }
        }
        p_values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let threshold = |rank: usize| ERROR / (numbers_in_file - rank) as f64;
        let wrong = p_values
            .iter()
            .enumerate()
            .take_while(|(rank, (p, _))| *p < threshold(*rank));
        wrong.map(|(_, (_, label))| label.clone()).collect()
    }

    /// What is simulated, rates per second and times in seconds.
    struct System {
        /// The mean time between arrivals, or the number of users and the mean time they think.
        source: Result<f64, (u32, f64)>,
        service_means: Vec<f64>,
    }

    impl System {
        fn of(case: &Value) -> Option<Self> {
            let parameters = &case["parameters"];
            let number = |name: &str| {
                parameters[name]
                    .as_f64()
                    .unwrap_or_else(|| panic!("{name} is a number"))
            };
            let list = |name: &str| -> Vec<f64> {
                let list = parameters[name]
                    .as_array()
                    .unwrap_or_else(|| panic!("{name} is a list"));
                list.iter()
                    .map(|value| value.as_f64().expect("a parameter is a number"))
                    .collect()
            };
            match case["model"].as_str()? {
                "tandem" => Some(Self {
                    source: Ok(1.0 / number("arrival_per_s")),
                    service_means: list("service_per_s")
                        .iter()
                        .map(|rate| 1.0 / rate)
                        .collect(),
                }),
                "closed-network" => Some(Self {
                    source: Err((number("users") as u32, number("think_mean_s"))),
                    service_means: list("service_mean_s"),
                }),
                _ => None,
            }
        }

        /// At least 20 relaxation times, `2 / (mu (1 - rho)^2)` for each station; with users, as many of their rounds
        /// as there are users, none of which can take longer than to think and to be served last everywhere.
        fn warm_up(&self) -> f64 {
            match self.source {
                Ok(gap) => {
                    let relaxation = |mean: &f64| 2.0 * mean / (1.0 - mean / gap).powi(2);
                    20.0 * self.service_means.iter().map(relaxation).sum::<f64>()
                }
                Err((users, think)) => {
                    let users = f64::from(users);
                    users * (think + users * self.service_means.iter().sum::<f64>())
                }
            }
        }

        fn first_length(&self) -> f64 {
            10.0 * self.warm_up()
        }

        /// How well a number must be known: 2 %, or 5 % for quantiles, small numbers and heavy load.
        fn tolerance(&self, name: &str, value: f64) -> f64 {
            let heavy = self
                .source
                .is_ok_and(|gap| self.service_means.iter().any(|mean| mean / gap >= 0.9));
            let is_small = name.starts_with("probability") && value < 0.05;
            if heavy || is_small || name.contains(".p") {
                0.05
            } else {
                0.02
            }
        }

        fn run(&self, streams: &Streams, length: f64) -> Readings {
            let source = match self.source {
                Ok(gap) => Source::Open(exponential(gap)),
                Err((users, think)) => Source::Closed(users, exponential(think)),
            };
            let stations: Vec<_> = self
                .service_means
                .iter()
                .map(|&mean| (exponential(mean), 1))
                .collect();
            measure(streams, source, &stations, [self.warm_up(), length])
        }
    }

    /// The numbers of a value by name: `utilisation[0]`, `sojourn_s.p50`.
    fn leaves(value: &Value) -> Vec<(String, f64)> {
        let mut leaves = Vec::new();
        collect(String::new(), value, &mut leaves);
        leaves
    }

    fn collect(name: String, value: &Value, leaves: &mut Vec<(String, f64)>) {
        match value {
            Value::Number(number) => leaves.push((name, number.as_f64().expect("a number fits"))),
            Value::Array(list) => {
                let parts = list.iter().enumerate();
                parts.for_each(|(i, part)| collect(format!("{name}[{i}]"), part, leaves));
            }
            Value::Object(map) => {
                let dot = if name.is_empty() { "" } else { "." };
                let parts = map.iter();
                parts.for_each(|(key, part)| collect(format!("{name}{dot}{key}"), part, leaves));
            }
            _ => {}
        }
    }
}
