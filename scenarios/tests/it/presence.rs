//! Pods that come and go: who counts pods counts those that were there, and no place that is kept for one.

use std::num::NonZeroUsize;

use scenarios::experiment::answer::Answer;
use scenarios::experiment::{self, Experiment};
use scenarios::load::load;
use scenarios::measure::{Quantity, Scope};
use scenarios::source::Sources;

/// Four pods behind `ip` targets, with what happens to them; measured from 60 s to 120 s.
fn run(deployment: &str, faults: &str) -> Answer {
    run_with(deployment, "", faults)
}

/// The same with another server.
fn run_with(deployment: &str, server: &str, faults: &str) -> Answer {
    let scenario = format!(
        r#"(
            format: 1, seed: 5,
            run: (length: "60s", warm_up: "60s", replications: 2),
            cluster: (network: CiliumChained, node_groups: {{ "workers": (count: 2) }}),
            deployments: {{
                "web": (replicas: 4, {deployment} server: ({server} workers: 8, service_time: "2ms")),
            }},
            services: {{ "web": (selects: "web") }},
            load_balancer: (target_groups: {{ "web": (service: "web", target_type: Ip) }}),
            clients: {{ "users": (arrivals: Poisson(rate: "40/s")) }},
            faults: [{faults}],
        )"#
    );
    let mut sources = Sources::default();
    let source = sources.add("presence.ron", scenario);
    let loaded = load(&sources, source, &[]).unwrap_or_else(|wrong| panic!("{wrong:#?}"));
    let experiment = Experiment::of(&loaded, NonZeroUsize::MIN);
    experiment::run(&experiment, &()).expect("the scenario runs")
}

/// A quantity of "web" in each of the two replications.
fn of_web(answer: &Answer, name: &str) -> Vec<f64> {
    let one = &answer.alternatives[0];
    let service = one.layout.service_named("web").expect("the only Service");
    let quantity = Quantity::named(name).unwrap_or_else(|| panic!("{name}"));
    let values = one.values(quantity, Scope::Service(service));
    values.map(|value| value.expect("it exists")).collect()
}

const AUTOSCALER: &str = r#"
    resources: (requests: (cpu: "1")),
    autoscaler: (min_replicas: 4, max_replicas: 10, cpu_utilization: 70),"#;

#[test]
fn places_that_an_autoscaler_never_fills_are_no_pods() {
    // 40 requests of 2 ms a second are 2 % of one core each of four pods: it never asks for a fifth, and 20 places are kept.
    let answer = run(AUTOSCALER, "");
    assert_eq!(answer.alternatives[0].layout.pod_places(), 20);
    for name in ["pod count", "target count", "pods reached"] {
        assert_eq!(of_web(&answer, name), [4.0, 4.0], "{name}");
    }
    // All requests on four pods: 40/s for 60 s are 2,400, 600 each with a deviation of 24 at most; 10 % are 2.5 of them. Round robin over
    // targets is evener still.
    for each in of_web(&answer, "requests per pod") {
        assert!((540.0..660.0).contains(&each), "{each}");
    }
    for name in ["pod imbalance", "target imbalance"] {
        for ratio in of_web(&answer, name) {
            assert!((1.0..1.2).contains(&ratio), "{name} {ratio}");
        }
    }
}

#[test]
fn a_pod_that_left_before_the_measurement_is_not_counted_and_one_that_leaves_during_it_is() {
    let deleted = |at: u32| {
        format!(r#"(on: Pod(deployment: "web", index: 0), becomes: Deleted, from: "{at}s")"#)
    };
    // Its successor takes another place within seconds. At 20 s, of the first pod only its memory is left when the measurement begins.
    let before = run("", &deleted(20));
    assert_eq!(of_web(&before, "pod count"), [4.0, 4.0]);
    assert_eq!(of_web(&before, "target count"), [4.0, 4.0]);
    let web = before.alternatives[0].layout.service_named("web");
    let web = web.expect("the only Service");
    let one = &before.alternatives[0];
    assert!(one.first.pods.is_steady(&one.layout, web));
    // At 90 s both get their half of the time.
    let during = run("", &deleted(90));
    assert_eq!(of_web(&during, "pod count"), [5.0, 5.0]);
    assert_eq!(of_web(&during, "target count"), [5.0, 5.0]);
    let one = &during.alternatives[0];
    assert!(!one.first.pods.is_steady(&one.layout, web));
    // Three pods that are there all the time get a quarter, two share one: max/min is about 2.
    for ratio in of_web(&during, "pod imbalance") {
        assert!((1.7..2.6).contains(&ratio), "{ratio}");
    }
}

#[test]
fn a_pod_that_is_created_and_never_ready_is_no_pod_yet() {
    // A process takes 10 min until it answers: the successor of the pod that is deleted at 20 s is not ready before 120 s.
    let scenario = r#"readiness_probe: (period: "5s"), "#;
    let answer = run_with(
        scenario,
        r#"startup_time: "10min", "#,
        r#"(on: Pod(deployment: "web", index: 0), becomes: Deleted, from: "20s")"#,
    );
    for name in ["pod count", "target count", "pods reached"] {
        assert_eq!(of_web(&answer, name), [3.0, 3.0], "{name}");
    }
}
