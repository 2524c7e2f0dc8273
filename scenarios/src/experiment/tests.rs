//! Experiments on worlds that answer as told, and on the small world.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};

use sim_core::{Fingerprint, SimDuration, SimTime, Streams};
use sim_models::observe::{Observation, Recorder};
use sim_models::request::Request;
use sim_models::world::blueprint::Blueprint;
use sim_models::world::{Ended, RunError};

use super::case::{Runner, World};
use super::*;
use crate::measure::layout::Scope;
use crate::measure::metric::Quantity;
use crate::measure::objective::Verdict;
use crate::measure::observer::Observer;
use crate::measure::quantity::Absent;
use crate::measure::testing::{answered, blueprint, refused, service, web_pod};

/// A world in which so many requests are answered in each replication, one each millisecond after the warm-up.
struct Told<F>(F);

impl<F: Fn(&Blueprint, u64) -> u64 + Sync> Runner for Told<F> {
    fn run<'a>(
        &self,
        blueprint: &Blueprint,
        streams: Streams,
        mut observer: Observer<'a>,
    ) -> Result<Ended<Observer<'a>>, RunError> {
        let request = answered(SimTime::ZERO, web_pod(0));
        let start = SimTime::ZERO + blueprint.run.warm_up;
        for i in 0..self.0(blueprint, streams.replication()) {
            observer.see(
                start + SimDuration::from_millis(i),
                Observation::Finished(&request),
            );
        }
        Ok(ended(blueprint, observer))
    }
}

fn ended<'a>(blueprint: &Blueprint, recorder: Observer<'a>) -> Ended<Observer<'a>> {
    let ended_at = SimTime::ZERO + blueprint.run.warm_up + blueprint.run.length;
    Ended {
        recorder,
        events: 1,
        fingerprint: Fingerprint::new(),
        in_flight: 0,
        ended_at,
    }
}

fn alternative(name: &str) -> Alternative {
    Alternative {
        name: name.to_owned(),
        settings: Vec::new(),
        placed_from: None,
        blueprint: blueprint(),
    }
}

fn experiment(names: &[&str], replications: Replications, objectives: &[&str]) -> Experiment {
    Experiment {
        seed: 7,
        alternatives: names.iter().map(|name| alternative(name)).collect(),
        replications,
        warm_up: WarmUp::AsWritten,
        objectives: objectives
            .iter()
            .map(|text| text.parse().expect("a right objective"))
            .collect(),
        threads: NonZeroUsize::MIN,
    }
}

fn exactly(count: u32) -> Replications {
    Replications::Exactly(NonZeroU32::new(count).expect("at least one"))
}

fn web() -> Scope {
    Scope::Service(service("web"))
}

fn values(answer: &Answer, alternative: usize, name: &str) -> Vec<Result<f64, Absent>> {
    let quantity = Quantity::named(name).expect("a quantity");
    answer.alternatives[alternative]
        .values(quantity, web())
        .collect()
}

#[test]
fn auto_replications_stop_at_five_per_cent() {
    // Values alternate between 90 and 110: s = 10 sqrt(n / (n - 1)). Half-width t s / sqrt(n):
    // n = 10: 2.262 * 10.54 / 3.162 = 7.5 %; n = 20: 2.093 * 10.26 / 4.472 = 4.8 %.
    let told = Told(|_: &Blueprint, replication| 90 + 20 * (replication % 2));
    let question = experiment(&["a"], Replications::Auto, &["requests > 1"]);
    let answer = run_with(&question, &(), &told).unwrap();
    assert_eq!(answer.replications, 20);
    assert_eq!(answer.warnings, []);
}

#[test]
fn auto_replications_end_at_the_cap_with_a_warning() {
    // Values alternate between 0 and 200: at n = 200, 1.972 * 100.25 / 14.14 = 14.0 %.
    let told = Told(|_: &Blueprint, replication| 200 * (replication % 2));
    let question = experiment(&["a"], Replications::Auto, &["requests > 1"]);
    let answer = run_with(&question, &(), &told).unwrap();
    assert_eq!(answer.replications, plan::CAP);
    let [
        Warning::ReplicationsAtCap {
            what,
            relative_half_width,
        },
    ] = &answer.warnings[..]
    else {
        panic!("{:?}", answer.warnings)
    };
    assert_eq!(what, "requests of web");
    assert!((relative_half_width - 0.140).abs() < 0.0005);
}

#[test]
fn other_alternatives_change_nothing() {
    // The second alternative, told by its length, is far more varied; only the first one counts.
    let told = Told(|blueprint: &Blueprint, replication| {
        let spread = if blueprint.run.length > SimDuration::from_secs(100) {
            80
        } else {
            1
        };
        100 + spread * (replication % 2)
    });
    let alone = experiment(&["a"], Replications::Auto, &["requests > 1"]);
    let mut together = experiment(&["a", "b"], Replications::Auto, &["requests > 1"]);
    together.alternatives[1].blueprint.run.length = SimDuration::from_secs(200);
    let [alone, together] =
        [alone, together].map(|question| run_with(&question, &(), &told).unwrap());
    assert_eq!((alone.replications, together.replications), (10, 10));
    assert_eq!(
        values(&alone, 0, "requests"),
        values(&together, 0, "requests")
    );
    assert_eq!(
        together.alternatives[1]
            .values(Quantity::named("requests").unwrap(), web())
            .len(),
        10
    );
}

#[test]
fn what_cannot_be_known_asks_for_no_more() {
    // 500 requests are too few for p99, whatever the number of replications.
    let told = Told(|_: &Blueprint, _| 500);
    let question = experiment(&["a"], Replications::Auto, &["p99 latency < 1s"]);
    let answer = run_with(&question, &(), &told).unwrap();
    assert_eq!(answer.replications, 10);
    assert_eq!(
        answer.alternatives[0].objectives[0].verdict,
        Verdict::Undecided
    );
    let absent = Absent::TooFew {
        seen: 500,
        needed: 1_000,
    };
    assert!(
        matches!(&answer.warnings[..], [Warning::NoEstimate { absent: found, .. }] if *found == absent)
    );
}

#[test]
fn an_objective_is_judged_for_each_service_that_is_asked_for() {
    let told = Told(|_: &Blueprint, replication| 100 + replication);
    let question = experiment(
        &["a"],
        exactly(3),
        &[
            "requests > 90",
            "requests of idle > 90",
            "load balancer node imbalance < 1e9",
            "requests < 101",
        ],
    );
    let answer = run_with(&question, &(), &told).unwrap();
    let [every, idle, overall, near] = &answer.alternatives[0].objectives[..] else {
        panic!("four objectives")
    };
    let scopes = |objective: &ObjectiveAnswer| {
        objective
            .judgements
            .iter()
            .map(|judgement| judgement.scope)
            .collect::<Vec<_>>()
    };
    assert_eq!((scopes(every), every.verdict), (vec![web()], Verdict::Met));
    assert_eq!(
        (scopes(idle), idle.verdict),
        (vec![Scope::Service(service("idle"))], Verdict::Missed)
    );
    assert_eq!(scopes(overall), [Scope::Overall]);
    // 100, 101, 102: the interval lies on both sides of 101.
    assert_eq!(near.verdict, Verdict::Undecided);
    assert_eq!(answer.verdict(), Verdict::Missed);
}

/// A world in which one of ten requests fails between 40 and 50 s after the warm-up, one request each 100 ms.
struct Incident;

impl Runner for Incident {
    fn run<'a>(
        &self,
        blueprint: &Blueprint,
        _: Streams,
        mut observer: Observer<'a>,
    ) -> Result<Ended<Observer<'a>>, RunError> {
        let (good, bad): (Request, Request) =
            (answered(SimTime::ZERO, web_pod(0)), refused(SimTime::ZERO));
        for i in 0..1_000 {
            let since = SimDuration::from_millis(100 * i);
            let fails = (400..500).contains(&i) && i % 10 == 0;
            observer.see(
                SimTime::ZERO + blueprint.run.warm_up + since,
                Observation::Finished(if fails { &bad } else { &good }),
            );
        }
        Ok(ended(blueprint, observer))
    }
}

#[test]
fn a_reducer_is_applied_inside_each_replication() {
    let question = experiment(
        &["a"],
        exactly(2),
        &[
            "availability > 95%",
            "availability > 95% in the worst 10s",
            "availability > 95% after 1min",
            "availability > 95% before the first fault",
            "error window < 10s",
            "availability > 95% in the worst hour",
        ],
    );
    let answer = run_with(&question, &(), &Incident).unwrap();
    let found: Vec<Option<f64>> = answer.alternatives[0]
        .objectives
        .iter()
        .map(|objective| {
            objective.judgements[0]
                .estimate
                .ok()
                .map(|estimate| estimate.mean)
        })
        .collect();
    // 10 of 1,000 fail, all in the fifth window of 100. One minute of the run is 50 s after its warm-up of 10 s.
    // The first failure is at 40 s, the last at 49 s.
    assert_eq!(
        found,
        [
            Some(0.99),
            Some(0.9),
            Some(1.0),
            Some(0.99),
            Some(9.0),
            None
        ]
    );
    let verdicts: Vec<Verdict> = answer.alternatives[0]
        .objectives
        .iter()
        .map(|objective| objective.verdict)
        .collect();
    use Verdict::{Met, Missed, Undecided};
    assert_eq!(verdicts, [Met, Missed, Met, Met, Met, Undecided]);
    assert!(matches!(
        &answer.warnings[..],
        [Warning::WindowTooLong { .. }]
    ));
}

#[test]
fn differences_are_paired_with_the_first() {
    // The second alternative, told by its length, has 10 requests more in each replication.
    let told = Told(|blueprint: &Blueprint, replication| {
        let more = if blueprint.run.length > SimDuration::from_secs(100) {
            10
        } else {
            0
        };
        100 + 30 * (replication % 3) + more
    });
    let mut question = experiment(&["a", "b"], exactly(6), &[]);
    question.alternatives[1].blueprint.run.length = SimDuration::from_secs(200);
    let answer = run_with(&question, &(), &told).unwrap();
    let differences = answer.differences(Quantity::named("requests").unwrap(), web());
    assert_eq!(differences[0], None);
    let difference = differences[1].unwrap();
    assert_eq!(
        (
            difference.estimate.mean(),
            difference.estimate.half_width(0.95)
        ),
        (10.0, 0.0)
    );
    // Nothing failed in either: certain, and no difference.
    let none = answer.differences(Quantity::named("lost requests").unwrap(), web())[1].unwrap();
    assert_eq!((none.estimate.mean(), none.holm_p_value), (0.0, 1.0));
    // N_eff has no difference worth the name.
    assert_eq!(
        answer.differences(Quantity::named("N_eff").unwrap(), web())[1],
        None
    );
}

#[test]
fn a_service_that_is_not_there_is_named() {
    let question = experiment(&["a"], exactly(1), &["p99 latency of nope < 1s"]);
    let error = run_with(&question, &(), &World).unwrap_err();
    assert_eq!(
        error.to_string(),
        "objective \"p99 latency of nope < 1s\" names a service that alternative \"a\" does not have"
    );
}

#[test]
fn nothing_to_run_is_an_error() {
    let question = experiment(&[], exactly(1), &[]);
    assert_eq!(
        run(&question, &()).unwrap_err(),
        ExperimentError::NoAlternative
    );
}

#[test]
fn a_spent_event_budget_names_its_run() {
    let mut question = experiment(&["a", "b"], exactly(2), &[]);
    question.alternatives[1].blueprint.run.event_budget = 1_000;
    let error = run(&question, &()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("alternative \"b\", replication 0: "),
        "{error}"
    );
}

/// Counts what it is told and wants to stop after some runs.
struct Impatient {
    stop_after: u64,
    told: AtomicU64,
}

impl Progress for Impatient {
    fn at(&self, done: u64, total: u64) {
        assert!(done <= total);
        self.told.store(done, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.told.load(Ordering::Relaxed) >= self.stop_after
    }
}

#[test]
fn an_experiment_can_be_cancelled() {
    let question = experiment(&["a"], exactly(20), &[]);
    let progress = Impatient {
        stop_after: 3,
        told: AtomicU64::new(0),
    };
    assert_eq!(
        run(&question, &progress).unwrap_err(),
        ExperimentError::Cancelled
    );
    assert_eq!(progress.told.load(Ordering::Relaxed), 3);
}

#[test]
fn progress_ends_at_the_total() {
    let told = Told(|_: &Blueprint, replication| 90 + 20 * (replication % 2));
    let mut question = experiment(&["a", "b"], Replications::Auto, &["requests > 1"]);
    question.warm_up = WarmUp::Auto;
    let progress = Impatient {
        stop_after: u64::MAX,
        told: AtomicU64::new(0),
    };
    run_with(&question, &progress, &told).unwrap();
    // Three pilots, and 20 replications of two alternatives.
    assert_eq!(progress.told.load(Ordering::Relaxed), 3 + 2 * 20);
}

#[test]
fn threads_leave_no_trace() {
    let mut question = experiment(
        &["a", "b"],
        exactly(5),
        &["p99 latency < 1s", "availability > 99% in the worst 10s"],
    );
    question.warm_up = WarmUp::Auto;
    let [one, two] = [1, 2].map(|threads| {
        question.threads = NonZeroUsize::new(threads).expect("at least one");
        run(&question, &()).expect("the small world runs")
    });
    assert_eq!(one.fingerprint, two.fingerprint);
    assert_eq!(one.warnings, two.warnings);
    for (one, two) in one.alternatives.iter().zip(&two.alternatives) {
        assert_eq!(one.readings, two.readings);
        assert_eq!(one.values, two.values);
        assert_eq!(one.objectives, two.objectives);
        assert_eq!(one.blueprint.run, two.blueprint.run);
    }
}

#[test]
fn metrics_never_steer() {
    let question = experiment(&["a"], exactly(1), &["p99 latency < 1s in the worst 10s"]);
    let answer = run(&question, &()).unwrap();
    let unheard = sim_models::world::run(&blueprint(), Streams::new(7, 0), ()).unwrap();
    let mut expected = Fingerprint::new();
    expected.join(unheard.fingerprint);
    assert_eq!(answer.alternatives[0].fingerprint, expected);
    assert_eq!(answer.alternatives[0].events, unheard.events);
}

#[test]
fn the_small_world_is_measured_as_queueing_theory_says() {
    // 50/s for 10 ms of work each: 0.5 busy workers of 6, so utilisation 1/12; half of the requests go to either node, and
    // from there to any of three pods: from node one 1/3 leave, from node two 2/3, in all 1/2.
    let answer = run(&experiment(&["a"], exactly(10), &[]), &()).unwrap();
    let estimate = |name: &str| {
        answer.alternatives[0]
            .estimate(Quantity::named(name).unwrap(), web())
            .unwrap()
    };
    let rate = estimate("request rate").interval;
    assert!(rate.contains(50.0), "{rate:?}");
    let utilisation = estimate("utilisation").interval;
    assert!(utilisation.contains(1.0 / 12.0), "{utilisation:?}");
    assert!((estimate("second-hop share").mean - 0.5).abs() < 0.2);
    assert_eq!(estimate("availability").mean, 1.0);
    assert_eq!(estimate("target count").mean, 2.0);
    assert_eq!(
        answer.alternatives[0].observed(),
        SimDuration::from_secs(1_000)
    );
}
