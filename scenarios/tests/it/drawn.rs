//! A thousand scenarios drawn at random: whatever can be written runs, and nothing is lost on the way.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use scenarios::experiment::{self, Experiment};
use scenarios::load::load;
use scenarios::source::Sources;
use sim_core::Streams;
use sim_models::observe::Conservation;
use sim_models::world;

/// A small scenario with a place `<name>` for each of the [`CHOICES`].
const SCENARIO: &str = r#"(
    format: 1, seed: 7,
    run: (length: "4s", warm_up: <warm_up>, replications: 1),
    cluster: (
        network: <network>, zones: ["a", "b"],
        node_groups: { "workers": (count: <nodes>, <node>) },
        <proxy> <links> <scheduler>
    ),
    deployments: {
        "web": (replicas: <pods>, <spread> <readiness> <liveness> <lifecycle> <strategy>
            server: (<software> workers: <workers>, queue: <queue>, <when_full> <keep_alive> service_time: <service_time>)),
        "other": (replicas: 2, server: (workers: 2, service_time: "2ms")),
    },
    services: {
        "web": (selects: "web", <policy> <affinity>),
        "other": (selects: "other"),
    },
    load_balancer: (
        kind: Alb(nodes_per_zone: <lb_nodes>), <idle_timeout> <icmp>
        target_groups: {
            "web": (service: "web", target_type: <target_type>, <algorithm> <cross_zone> <stickiness> <pool> <health_check> <deregistration>),
            "other": (service: "other", target_type: Instance),
        },
        rules: [(path: "/other", forward: "other"), (path: "/", forward: <forward>)],
    ),
    clients: {
        "users": (arrivals: <arrivals>, <requests> <addresses> <reuse> <rtt> <dns> <timeout> <retries>),
        "a script": (arrivals: <script>),
    },
    faults: [<fault> <second_fault>],
    objectives: [<objective>],
)"#;

/// What may stand in each place. The first choice is the plainest: a failure is reported with as few others as possible.
const CHOICES: &[(&str, &[&str])] = &[
    ("warm_up", &[r#""0s""#, r#""1s""#, "Auto"]),
    (
        "network",
        &["CiliumChained", "Overlay()", "Overlay(tunnel: Geneve)"],
    ),
    ("nodes", &["2", "1", "5"]),
    (
        "node",
        &[
            "",
            r#"cpu: "4", memory: "8Gi""#,
            r#"taints: [(key: "slow", effect: PreferNoSchedule)]"#,
        ],
    ),
    (
        "proxy",
        &[
            "",
            "proxy: Cilium(algorithm: Maglev(table_size: 251)),",
            "proxy: Cilium(service_no_backend_response: Drop),",
            "proxy: KubeProxy(),",
            "proxy: KubeProxy(mode: Nftables),",
            "proxy: KubeProxy(mode: Ipvs(scheduler: Lc)),",
            "proxy: KubeProxy(mode: Ipvs(scheduler: Sh), icmp_burst: 1),",
        ],
    ),
    (
        "links",
        &["", r#"links: (cross_zone_rtt: "2ms", jitter: 0.5),"#],
    ),
    ("scheduler", &["", "scheduler: (tie: First),"]),
    ("pods", &["2", "1", "7", "40"]),
    (
        "spread",
        &[
            "",
            r#"topology_spread_constraints: [(max_skew: 1, topology_key: "kubernetes.io/hostname", when_unsatisfiable: ScheduleAnyway)],"#,
        ],
    ),
    (
        "readiness",
        &[
            "",
            r#"readiness_probe: (period: "1s", failure_threshold: 1),"#,
            r#"readiness_probe: (period: "1s", initial_delay: "1s", timeout: "1s"),"#,
        ],
    ),
    (
        "liveness",
        &[
            "",
            r#"liveness_probe: (period: "1s", failure_threshold: 1),"#,
            r#"startup_probe: (period: "1s", failure_threshold: 2), liveness_probe: (period: "1s"),"#,
        ],
    ),
    (
        "lifecycle",
        &[
            "",
            r#"lifecycle: (pre_stop: "1s"),"#,
            r#"termination_grace_period: "1s","#,
        ],
    ),
    (
        "strategy",
        &[
            "",
            "strategy: (rolling_update: (max_surge: 0, max_unavailable: \"100%\")),",
        ],
    ),
    (
        "software",
        &[
            "",
            "software: Nginx,",
            "software: ApacheHttpd,",
            "software: NodeJs,",
        ],
    ),
    ("workers", &["4", "1", "100"]),
    ("queue", &["10", "0", "1000"]),
    (
        "when_full",
        &[
            "",
            "when_full: Refuse,",
            "when_full: Drop,",
            "when_full: Status(503),",
        ],
    ),
    (
        "keep_alive",
        &[
            "",
            r#"keep_alive: (timeout: "0s"),"#,
            r#"keep_alive: (timeout: "500ms", max_requests: 3),"#,
        ],
    ),
    (
        "service_time",
        &[
            r#""5ms""#,
            r#"LogNormal(mean: "20ms", cv: 2.0)"#,
            r#"Pareto(mean: "10ms", alpha: 1.5)"#,
            r#"Exponential(mean: "1s")"#,
            r#"Uniform(low: "0s", high: "10ms")"#,
        ],
    ),
    ("policy", &["", "external_traffic_policy: Local,"]),
    (
        "affinity",
        &[
            "",
            r#"session_affinity: ClientIp, session_affinity_timeout: "1s","#,
        ],
    ),
    ("lb_nodes", &["1", "2"]),
    ("idle_timeout", &["", r#"idle_timeout: "1s","#]),
    ("icmp", &["", "icmp_unreachable: Timeout,"]),
    ("target_type", &["Instance", "Ip"]),
    (
        "algorithm",
        &[
            "",
            "algorithm: LeastOutstandingRequests,",
            "algorithm: WeightedRandom,",
        ],
    ),
    ("cross_zone", &["", "cross_zone: false,"]),
    (
        "stickiness",
        &["", r#"stickiness: (enabled: true, duration: "1s"),"#],
    ),
    (
        "pool",
        &[
            "",
            "upstream: (pool_pick: Fifo, pool_max_requests: 2),",
            "upstream: (pool_pick: Random, pool_scope: Group, pool_max_idle: 1),",
            r#"upstream: (pool_max_idle: 0, pool_max_age: "1s"),"#,
        ],
    ),
    (
        "health_check",
        &[
            "",
            r#"health_check: (interval: "5s", timeout: "2s", unhealthy_threshold: 2),"#,
        ],
    ),
    ("deregistration", &["", r#"deregistration_delay: "1s","#]),
    ("forward", &[r#""web""#, r#"{ "web": 3, "other": 1 }"#]),
    (
        "arrivals",
        &[
            r#"Poisson(rate: "100/s")"#,
            r#"Constant(rate: "50/s")"#,
            r#"Closed(users: 20, think: Exponential(mean: "100ms"))"#,
            r#"Bursts(every: "1s", requests: 60, within: "10ms")"#,
            r#"Piecewise(steps: [(from: "0s", rate: "10/s"), (from: "1s", rate: "200/s")], period: "2s")"#,
            r#"Trace(times: ["0s", "0s", "1s", "1500ms"])"#,
        ],
    ),
    (
        "requests",
        &[
            "",
            r#"requests: [(path: "/", weight: 3.0), (path: "/other", demand: "1ms")],"#,
        ],
    ),
    ("addresses", &["", "addresses: 50,"]),
    (
        "reuse",
        &[
            "",
            "connection: (reuse: Never),",
            r#"connection: (reuse: Geometric(mean: 3.0), max_age: "1s"),"#,
        ],
    ),
    (
        "rtt",
        &[
            "",
            r#"rtt: "0s","#,
            r#"rtt: LogNormal(mean: "80ms", cv: 1.0),"#,
        ],
    ),
    ("dns", &["", "dns: (pick: First),"]),
    ("timeout", &["", r#"timeout: "50ms","#, r#"timeout: "1s","#]),
    (
        "retries",
        &[
            "",
            "retries: (at_most: 2),",
            "retries: (at_most: 5, budget: 0.1),",
        ],
    ),
    (
        "script",
        &[
            "CurlLoop(requests: 20, in_parallel: AtMost(4))",
            "CurlLoop(requests: 5, in_parallel: All)",
        ],
    ),
    (
        "fault",
        &[
            "",
            r#"(on: Pod(deployment: "web", index: 0), becomes: Erroring(status: 500), from: "1s", until: "3s"),"#,
            r#"(on: Pod(deployment: "web", index: 0), becomes: Hanging, from: "1s"),"#,
            r#"(on: Pods(deployment: "web", share: 0.5), becomes: Refusing, from: "1s", until: "2s"),"#,
            r#"(on: Pod(deployment: "web", index: 0), becomes: Slow(factor: 10.0), from: "1s"),"#,
            r#"(on: Pod(deployment: "web", index: 0), becomes: Exited, from: "1s"),"#,
            r#"(on: Pod(deployment: "web", index: 0), becomes: CrashLoop(lifetime: "500ms"), from: "1s"),"#,
            r#"(on: Pod(deployment: "web", index: 0), becomes: Deleted, from: "1s"),"#,
            r#"(on: Pod(deployment: "web", index: 0), becomes: Unselected, from: "1s"),"#,
        ],
    ),
    (
        "second_fault",
        &[
            "",
            r#"(on: Node(index: 0), becomes: Crashed, from: "2s", until: "3s"),"#,
            r#"(on: Node(index: 0), becomes: Partition(from: ControlPlane), from: "2s"),"#,
            r#"(on: Node(index: 0), becomes: Partition(from: Everything), from: "2s", until: "3s"),"#,
            r#"(on: Node(index: 0), becomes: KubeletHung, from: "1s", until: "3s"),"#,
            r#"(on: Node(index: 0), becomes: KubeletRestarted, from: "2s"),"#,
            r#"(on: Node(index: 0), becomes: Drained, from: "2s"),"#,
            r#"(on: Deployment(name: "web"), becomes: RolledOut(), from: "1s"),"#,
        ],
    ),
    (
        "objective",
        &[
            "",
            r#""p99 latency < 1s""#,
            r#""availability >= 99% in the worst 1s""#,
            r#""error window < 1s""#,
        ],
    ),
];

/// A scenario that is shown as it would be written.
struct Drawn(String);

impl std::fmt::Debug for Drawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    prop::collection::vec(any::<prop::sample::Index>(), CHOICES.len())
        .prop_map(|choices| Drawn(written(&choices)))
}

/// The scenario with a choice in each place.
fn written(choices: &[prop::sample::Index]) -> String {
    let mut text = SCENARIO.to_owned();
    for ((name, options), choice) in CHOICES.iter().zip(choices) {
        text = text.replace(&format!("<{name}>"), options[choice.index(options.len())]);
    }
    // Pods of an overlay cannot be targets: the program says so, and this test is about what it accepts.
    if text.contains("Overlay(") {
        text = text.replace("target_type: Ip", "target_type: Instance");
    }
    text
}

#[test]
fn every_place_has_choices_and_every_choice_a_place() {
    for (name, _) in CHOICES {
        assert!(SCENARIO.contains(&format!("<{name}>")), "{name}");
    }
    assert_eq!(SCENARIO.matches('<').count(), CHOICES.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_drawn_scenario_runs_and_loses_nothing(drawn in drawn()) {
        let mut sources = Sources::default();
        let source = sources.add("drawn.ron", drawn.0);
        let loaded = load(&sources, source, &[]);
        let loaded = loaded.map_err(|wrong| TestCaseError::fail(format!("{wrong:?}")))?;
        let blueprint = &loaded.cases[0].blueprint;
        let ended = world::run(blueprint, Streams::new(7, 0), Conservation::new(blueprint));
        let ended = ended.map_err(|error| TestCaseError::fail(error.to_string()))?;
        ended.recorder.check(ended.in_flight);
        let experiment = Experiment::of(&loaded, NonZeroUsize::MIN);
        let answer = experiment::run(&experiment, &());
        let answer = answer.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(answer.alternatives.len(), 1);
    }
}
