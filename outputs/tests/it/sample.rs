//! Made-up numbers with the shape of real ones, to draw every kind of picture and table. Nothing here was simulated.

use outputs::figure::Figure;
use outputs::report::{Provenance, Report, Section, Warning};
use outputs::table::{Cell, Column, Table, Verdict};
use outputs::view::graph::{Graph, Vertex};
use outputs::view::{difference, graph, latency, outcomes, placement, share};
use scenarios::measure::bundle::Layer;
use scenarios::measure::metric::paths::{Reach, Step};

const NAMES: [&str; 3] = ["instance, Cluster", "instance, Local", "ip"];

/// A small generator, so that the samples need no other crate: Knuth's linear congruence.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: the sum of twelve uniforms less six.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

pub(crate) fn provenance() -> Provenance {
    Provenance {
        program: "twohop 0.1.0".to_owned(),
        scenario: "field-report".to_owned(),
        seed: 2026,
        runs: vec![
            "24 replications of 10 min".to_owned(),
            "warm-up 1.5 min (MSER-5)".to_owned(),
            "intervals 95 %".to_owned(),
        ],
        fingerprint: "9f3c-71aa-03e2-b5d8".to_owned(),
        command: "twohop run field-report --seed 2026 --replications 24".to_owned(),
    }
}

pub(crate) fn shares() -> Figure {
    let counts = [
        vec![
            vec![585, 470, 332],
            vec![635, 416, 287],
            vec![774, 384],
            vec![875, 594],
        ],
        vec![
            vec![452, 447, 441],
            vec![455, 446, 439],
            vec![675, 663],
            vec![671, 663],
        ],
        vec![
            vec![541, 536, 529],
            vec![538, 533, 531],
            vec![540, 535],
            vec![539, 530],
        ],
    ];
    let chance = [
        Some((405.0, 668.0)),
        Some((488.0, 583.0)),
        Some((502.0, 569.0)),
    ];
    let measured = [
        287.0, 875.0, 332.0, 635.0, 585.0, 384.0, 470.0, 416.0, 774.0, 594.0,
    ];
    let share = |(index, nodes): (usize, &Vec<Vec<u32>>)| {
        let mut pod = 0;
        share::Share {
            alternative: NAMES[index].to_owned(),
            index,
            nodes: nodes
                .iter()
                .enumerate()
                .map(|(node, pods)| share::Node {
                    name: format!("workers-{}", node + 1),
                    pods: pods
                        .iter()
                        .map(|&requests| {
                            pod += 1;
                            share::Pod {
                                name: format!("{pod}"),
                                requests: f64::from(requests),
                                mean: Some(535.0),
                                measured: (index == 0).then(|| measured[pod - 1]),
                            }
                        })
                        .collect(),
                })
                .collect(),
            chance: chance[index],
            chance_of_requests: Some((535.0 - 43.0, 535.0 + 43.0)),
            numbers: share::numbers(
                [3.05, 1.54, 1.02][index],
                [0.341, 0.204, 0.008][index],
                [0.896, 0.96, 0.9999][index],
                [77.4, 216.0, 140_000.0][index],
                5352.0,
            ),
        }
    };
    share::figure(
        "requests-per-pod",
        "nginx",
        &counts.iter().enumerate().map(share).collect::<Vec<_>>(),
        &provenance().line(),
    )
}

pub(crate) fn tails() -> Figure {
    let tail = |index: usize| {
        let (median, spread): (f64, f64) = [(0.0128, 0.62), (0.0121, 0.60), (0.0113, 0.52)][index];
        let curve = |shift: f64| -> Vec<(f64, f64)> {
            (0..160)
                .map(|step| {
                    let x = 0.002 * libm::exp10(f64::from(step) / 60.0);
                    let z = (libm::log(x / median) / spread) * shift;
                    (x, 0.5 * libm::erfc(z / std::f64::consts::SQRT_2))
                })
                .filter(|point| point.1 > 2e-6)
                .collect()
        };
        let quantiles = [
            (0.5, 0.0),
            (0.1, 1.2816),
            (0.01, 2.3263),
            (0.001, 3.0902),
            (0.0001, 3.719),
        ];
        let quantiles = quantiles.map(|(share, z)| {
            let x = median * libm::exp(spread * z);
            (
                share,
                x,
                (x * (1.0 - 0.01 * (1.0 + z)), x * (1.0 + 0.01 * (1.0 + z))),
            )
        });
        latency::Tail {
            alternative: NAMES[index].to_owned(),
            index,
            points: curve(1.0),
            quantiles: quantiles.into(),
        }
    };
    let mut table = Table::new(
        "latency",
        "Latency by percentile",
        vec![
            Column::key("percentile"),
            Column::right(NAMES[0]).unit("ms"),
            Column::right(NAMES[1]).unit("ms"),
            Column::right(NAMES[2]).unit("ms"),
        ],
    );
    for (name, factor) in [("p50", 1.0), ("p90", 2.2), ("p99", 4.1), ("p99.9", 7.2)] {
        let estimate = |base: f64| Cell::Estimate {
            mean: base * factor,
            half_width: base * factor * 0.012,
        };
        table.row(vec![
            Cell::text(name),
            estimate(12.8),
            estimate(12.1),
            estimate(11.3),
        ]);
    }
    latency::figure(
        "latency-tail",
        " to nginx",
        &(0..3).map(tail).collect::<Vec<_>>(),
        Some(latency::Threshold {
            seconds: 0.2,
            level: Some(0.01),
            words: "objective: p99 < 200 ms".to_owned(),
        }),
        table,
        &provenance().line(),
    )
}

pub(crate) fn differences() -> Figure {
    let mut numbers = Numbers(7);
    let mut one = |index: usize, mean: f64, half: f64| difference::Difference {
        alternative: NAMES[index].to_owned(),
        index,
        mean,
        low: mean - half,
        high: mean + half,
        replications: (0..24)
            .map(|_| mean + half * 2.4 * numbers.normal())
            .collect(),
    };
    let mut metric =
        |name: &str, unit: &str, local: (f64, f64), ip: (f64, f64)| difference::Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            differences: vec![one(1, local.0, local.1), one(2, ip.0, ip.1)],
        };
    let metrics = [
        metric("p99 latency", "ms", (-1.3, 0.4), (-2.7, 0.5)),
        metric("pod imbalance", "max/min", (0.24, 0.03), (-0.23, 0.04)),
        metric("availability", "%", (0.01, 0.06), (0.35, 0.06)),
    ];
    difference::figure("differences", NAMES[0], &metrics, &provenance().line())
}

pub(crate) fn over_time() -> Figure {
    let mut numbers = Numbers(3);
    let mut series = |index: usize, until: usize| {
        let bins = 120;
        let offered: Vec<f64> = (0..bins).map(|_| 400.0 + 12.0 * numbers.normal()).collect();
        let bad = |bin: usize| (48..until).contains(&bin);
        let of = |share: f64| -> Vec<f64> {
            offered
                .iter()
                .enumerate()
                .map(|(bin, rate)| if bad(bin) { rate * share } else { 0.0 })
                .collect()
        };
        let errors = of(0.31);
        let timeouts = of(0.05);
        let good = offered
            .iter()
            .zip(errors.iter().zip(&timeouts))
            .map(|(all, (one, other))| all - one - other)
            .collect();
        outcomes::Series {
            alternative: NAMES[index].to_owned(),
            index,
            outcomes: vec![
                ("2xx".to_owned(), good),
                ("500 from the pod".to_owned(), errors),
                ("client timeout".to_owned(), timeouts),
            ],
        }
    };
    let events = [
        (240.0, "fault begins".to_owned()),
        (360.0, "ends".to_owned()),
    ];
    outcomes::figure(
        "outcomes",
        5.0,
        &[series(0, 72), series(1, 70), series(2, 51)],
        &events,
        &provenance().line(),
    )
}

pub(crate) fn grid() -> Figure {
    let node = |index: usize, pods: &[(&str, usize, f64)]| placement::Node {
        name: format!("workers-{}", index + 1),
        zone: if index < 2 { "use1-az1" } else { "use1-az2" }.to_owned(),
        pods: pods
            .iter()
            .map(|&(name, deployment, strength)| placement::Pod {
                name: name.to_owned(),
                deployment,
                strength,
            })
            .collect(),
    };
    let nginx = |name: &'static str| (name, 0, 1.0);
    let httpd = |name: &'static str| (name, 1, 1.0);
    let even = placement::Grid {
        title: "maxSkew 1".to_owned(),
        nodes: vec![
            node(
                0,
                &[
                    nginx("nginx-1"),
                    nginx("nginx-5"),
                    nginx("nginx-9"),
                    httpd("httpd-1"),
                ],
            ),
            node(1, &[nginx("nginx-2"), nginx("nginx-6"), nginx("nginx-10")]),
            node(2, &[nginx("nginx-3"), nginx("nginx-7"), httpd("httpd-2")]),
            node(3, &[nginx("nginx-4"), nginx("nginx-8"), httpd("httpd-3")]),
        ],
    };
    let odd = placement::Grid {
        title: "no constraint".to_owned(),
        nodes: vec![
            node(
                0,
                &[
                    nginx("nginx-1"),
                    nginx("nginx-5"),
                    nginx("nginx-9"),
                    nginx("nginx-4"),
                    httpd("httpd-1"),
                ],
            ),
            node(1, &[nginx("nginx-2"), nginx("nginx-6"), nginx("nginx-10")]),
            node(
                2,
                &[
                    nginx("nginx-3"),
                    nginx("nginx-7"),
                    httpd("httpd-2"),
                    httpd("httpd-3"),
                ],
            ),
            node(3, &[nginx("nginx-8")]),
        ],
    };
    placement::figure(
        "placement",
        &["nginx".to_owned(), "httpd".to_owned()],
        &[even, odd],
        &provenance().line(),
    )
}

/// Two load balancer nodes before four nodes: ten pods that any node may choose, then 200 of which only a node's own.
pub(crate) fn ways() -> Figure {
    let vertex = |name: String, things: usize| Vertex {
        name,
        things,
        single: false,
    };
    let layers = |pods: Vec<Vertex>| {
        let named = |prefix: &str, count: usize| -> Vec<Vertex> {
            (0..count)
                .map(|number| vertex(format!("{prefix}{number}"), 1))
                .collect()
        };
        let clients = vec![vertex("users".to_owned(), 1)];
        [clients, named("LB node ", 2), named("workers-", 4), pods]
    };
    let step = |from_layer: Layer, from: usize, to: usize, reach: Reach, requests: u64| Step {
        from_layer,
        from,
        to,
        reach,
        requests,
    };
    let mut numbers = Numbers(7);
    let mut count = |mean: f64| (mean * (1.0 + 0.1 * numbers.normal())) as u64;
    let zone = |one: usize, other: usize| {
        if one % 2 == other % 2 {
            Reach::Zone
        } else {
            Reach::CrossZone
        }
    };
    let mut graphs = Vec::new();
    for (index, name) in ["10 pods, Cluster", "200 pods, Local"].iter().enumerate() {
        let mut steps = Vec::new();
        let homes: Vec<usize> = match index {
            0 => vec![0, 0, 0, 1, 1, 1, 2, 2, 3, 3],
            _ => vec![0, 1, 2, 3],
        };
        for balancer in 0..2 {
            steps.push(step(
                Layer::Clients,
                0,
                balancer,
                Reach::Here,
                count(4_000.0),
            ));
            for node in 0..4 {
                let (layer, reach) = (Layer::LoadBalancerNodes, zone(balancer, node));
                steps.push(step(layer, balancer, node, reach, count(1_000.0)));
            }
        }
        for node in 0..4 {
            for (pod, &home) in homes.iter().enumerate() {
                let (layer, here) = (Layer::Nodes, home == node);
                match (index, here) {
                    (0, true) => steps.push(step(layer, node, pod, Reach::Here, count(200.0))),
                    (0, false) => {
                        steps.push(step(layer, node, pod, zone(node, home), count(200.0)));
                    }
                    (_, true) => steps.push(step(layer, node, pod, Reach::Here, count(2_000.0))),
                    (_, false) => {}
                }
            }
        }
        let pods = match index {
            0 => (0..10)
                .map(|pod| vertex(format!("nginx-{pod}"), 1))
                .collect(),
            _ => vec![vertex("nginx".to_owned(), 50); 4],
        };
        let mut layers = layers(pods);
        layers[1][0].single = index == 1;
        graphs.push(Graph {
            alternative: (*name).to_owned(),
            index,
            layers,
            steps,
            replications: 10.0,
        });
    }
    graph::figure("traffic-graph", &graphs, &provenance().line())
}

pub(crate) fn figures() -> Vec<Figure> {
    vec![
        shares(),
        tails(),
        differences(),
        over_time(),
        grid(),
        ways(),
    ]
}

pub(crate) fn alternatives() -> Table {
    let columns = [Column::key(""), Column::key("unit")]
        .into_iter()
        .chain(NAMES.map(Column::left))
        .collect();
    let mut table = Table::new("alternatives", "The alternatives side by side", columns)
        .question("What does each alternative cost, and what does it buy?");
    let estimate = |mean, half_width| Cell::Estimate { mean, half_width };
    let change = |mean: f64, half: f64| Cell::Difference {
        mean,
        low: mean - half,
        high: mean + half,
    };
    let mut metric = |name: &str, unit: &str, cells: [Cell; 3]| {
        table.row(
            [Cell::text(name), Cell::text(unit)]
                .into_iter()
                .chain(cells)
                .collect(),
        )
    };
    metric(
        "p99 latency",
        "ms",
        [
            estimate(43.9, 0.7),
            estimate(42.6, 0.7),
            estimate(41.2, 0.6),
        ],
    );
    table.detail(vec![
        Cell::text("vs instance, Cluster"),
        Cell::Empty,
        Cell::Missing,
        change(-1.3, 0.4),
        change(-2.7, 0.5),
    ]);
    let mut metric = |name: &str, unit: &str, cells: [Cell; 3]| {
        table.row(
            [Cell::text(name), Cell::text(unit)]
                .into_iter()
                .chain(cells)
                .collect(),
        )
    };
    metric(
        "availability",
        "%",
        [
            estimate(99.59, 0.06),
            estimate(99.60, 0.06),
            estimate(99.944, 0.005),
        ],
    );
    metric(
        "pod imbalance",
        "max/min",
        [
            estimate(1.31, 0.05),
            estimate(1.55, 0.04),
            estimate(1.08, 0.013),
        ],
    );
    table.detail(vec![
        Cell::text("chance alone"),
        Cell::Empty,
        Cell::Number(1.29),
        Cell::Number(1.54),
        Cell::Number(1.06),
    ]);
    let mut metric = |name: &str, unit: &str, cells: [Cell; 3]| {
        table.row(
            [Cell::text(name), Cell::text(unit)]
                .into_iter()
                .chain(cells)
                .collect(),
        )
    };
    metric(
        "second hop",
        "%",
        [Cell::Number(75.0), Cell::Number(0.0), Cell::Missing],
    );
    metric(
        "targets",
        "",
        [Cell::Count(4), Cell::Count(4), Cell::Count(10)],
    );
    table.summary(vec![
        Cell::text("objectives"),
        Cell::Empty,
        Cell::Verdict(Verdict::Missed, "2 missed".to_owned()),
        Cell::Verdict(Verdict::Missed, "2 missed, 1 undecided".to_owned()),
        Cell::Verdict(Verdict::Met, "all met".to_owned()),
    ]);
    table.note("Intervals: 95 %. Changes are paired on common random numbers. “Chance alone” is what the same number of independent draws would give.");
    table
}

pub(crate) fn report() -> Report {
    let mut verdicts = Table::new(
        "objectives",
        "Objectives",
        [Column::key("objective")]
            .into_iter()
            .chain(NAMES.map(Column::left))
            .collect(),
    );
    let estimate = |mean, half_width| Cell::Estimate { mean, half_width };
    use Verdict::{Met, Missed, Undecided};
    verdicts.row(vec![
        Cell::text("p99 latency < 200ms"),
        estimate(43.9, 0.7).judged(Met),
        estimate(42.6, 0.7).judged(Met),
        estimate(41.2, 0.6).judged(Met),
    ]);
    verdicts.row(vec![
        Cell::text("availability >= 99.9% in the worst minute"),
        estimate(99.59, 0.06).judged(Missed),
        estimate(99.60, 0.06).judged(Missed),
        estimate(99.944, 0.005).judged(Met),
    ]);
    verdicts.row(vec![
        Cell::text("pod imbalance of nginx < 1.5"),
        estimate(1.31, 0.05).judged(Met),
        estimate(1.55, 0.07).judged(Undecided),
        estimate(1.08, 0.013).judged(Met),
    ]);
    let mut parameters = Table::new(
        "parameters",
        "Every parameter",
        vec![Column::key("parameter"), Column::left("value")],
    );
    for (name, value) in [
        ("cluster.zones", "[\"use1-az1\", \"use1-az2\"]"),
        ("services.nginx.external_traffic_policy", "Cluster"),
        ("load_balancer.idle_timeout", "60s"),
    ] {
        parameters.row(vec![Cell::text(name), Cell::text(value)]);
    }
    Report {
        title: "Pods or nodes as ALB targets?".to_owned(),
        simulated: "One ALB with 2 nodes before 4 workers in 2 zones; nginx with 10 pods; 400 requests per second; 3 alternatives on the same random numbers.".to_owned(),
        provenance: provenance(),
        verdicts: Some(verdicts),
        because: "under instance the load balancer kept 31 open connections pinned to the broken pod, and a fast 500 is a valid answer; under ip the target was deregistered after 11 s.".to_owned(),
        warnings: vec![Warning {
            code: "T104".to_owned(),
            text: "10 pods on 4 nodes under Local: two nodes hold 3 pods, two hold 2".to_owned(),
            help: "the load balancer gives each node the same share, so pods differ by 3/2".to_owned(),
        }],
        sections: vec![
            Section { title: "What changes".to_owned(), text: String::new(), tables: vec![alternatives()],
                details: vec![],
                figures: vec![differences()] },
            Section { title: "Who answers".to_owned(), text: "A backend is chosen once per upstream connection, and requests ride on pooled connections.".to_owned(), tables: vec![],
                details: vec![],
                figures: vec![shares(), grid()] },
            Section { title: "How long it takes".to_owned(), text: String::new(), tables: vec![],
                details: vec![],
                figures: vec![tails(), over_time()] },
        ],
        assumptions: None,
        parameters: Some(parameters),
    }
}
