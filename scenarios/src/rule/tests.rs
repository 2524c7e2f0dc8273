//! One scenario without fault, and what each rule says when one thing is changed.

use crate::code::{self, Code};
use crate::diagnostic::Diagnostic;
use crate::load::{Loaded, load};
use crate::patch::Patch;
use crate::source::Sources;

const RIGHT: &str = r#"(
    format: 1, seed: 1, run: (length: "1min", warm_up: "0s"),
    cluster: (zones: ["a", "b"], node_groups: { "workers": (count: 4) }),
    deployments: { "web": (replicas: 4, placement: [1, 1, 1, 1], server: (workers: 4, service_time: "10ms")) },
    services: { "web": (selects: "web") },
    load_balancer: (
        zones: ["a", "b"],
        target_groups: { "web": (service: "web", target_type: Instance) },
        rules: [(path: "/", forward: "web")],
    ),
    clients: { "users": (arrivals: Poisson(rate: "100/s"), requests: [(path: "/")], connection: (reuse: Always)) },
)"#;

/// Codes, each with the text under its first label.
type Seen = Vec<(Code, String)>;

/// Loads the scenario with changes: what was found, each with the text under its first label.
fn with(changes: &[&str]) -> Result<(Loaded, Seen), Seen> {
    let mut sources = Sources::default();
    let source = sources.add("test.ron", RIGHT);
    let patches: Vec<Patch> = changes
        .iter()
        .map(|change| Patch::from_argument(&mut sources, change).expect("a patch"))
        .collect();
    let seen = |all: &[Diagnostic]| {
        all.iter()
            .map(|one| (one.code, sources.slice(one.labels[0].span).to_owned()))
            .collect()
    };
    match load(&sources, source, &patches) {
        Ok(loaded) => {
            let warnings = seen(&loaded.warnings);
            Ok((loaded, warnings))
        }
        Err(errors) => Err(seen(&errors)),
    }
}

fn errors(changes: &[&str]) -> Vec<(Code, String)> {
    with(changes).expect_err("an error")
}

fn warnings(changes: &[&str]) -> Vec<(Code, String)> {
    with(changes).expect("no error").1
}

fn found(code: Code, text: &str) -> Vec<(Code, String)> {
    vec![(code, text.to_owned())]
}

#[test]
fn the_scenario_is_right() {
    assert_eq!(warnings(&[]), []);
}

#[test]
fn errors_are_found_and_pointed_at() {
    let cases: &[(&[&str], Code, &str)] = &[
        (&["format=2"], code::OTHER_FORMAT, "2"),
        (&["clients={}"], code::EMPTY_PART, "clients"),
        (
            &["cluster.zones=[]", "load_balancer.zones=None"],
            code::EMPTY_PART,
            "zones",
        ),
        (
            &["cluster.zones=[\"a\", \"b\", \"a\"]"],
            code::TWICE,
            "\"a\"",
        ),
        (
            &["services.web.selects=\"wbe\""],
            code::DANGLING_NAME,
            "\"wbe\"",
        ),
        (
            &["load_balancer.target_groups.web.service=\"x\""],
            code::DANGLING_NAME,
            "\"x\"",
        ),
        (
            &["load_balancer.rules[0].forward=\"x\""],
            code::DANGLING_NAME,
            "\"x\"",
        ),
        (
            &["load_balancer.zones=[\"a\", \"c\"]"],
            code::DANGLING_NAME,
            "\"c\"",
        ),
        (
            &[
                "cluster.network=Overlay()",
                "load_balancer.target_groups.web.target_type=Ip",
            ],
            code::IP_ON_OVERLAY,
            "Ip",
        ),
        (
            &[
                "load_balancer.target_groups.web.health_check=(port: HealthCheckNodePort)",
                "services.web.external_traffic_policy=Local",
            ],
            code::NO_HEALTH_CHECK_NODE_PORT,
            "HealthCheckNodePort",
        ),
        (
            &[
                "load_balancer.target_groups.web.health_check=(port: HealthCheckNodePort)",
                "services.web.type=LoadBalancer",
            ],
            code::NO_HEALTH_CHECK_NODE_PORT,
            "HealthCheckNodePort",
        ),
        (
            &[
                "load_balancer.target_groups.web.health_check=(port: HealthCheckNodePort)",
                "load_balancer.target_groups.web.target_type=Ip",
            ],
            code::NO_HEALTH_CHECK_NODE_PORT,
            "HealthCheckNodePort",
        ),
        (
            &["load_balancer.target_groups.web.health_check=(success_codes: (12, 12))"],
            code::OUT_OF_RANGE,
            "success_codes",
        ),
        (
            &["load_balancer.target_groups.web.health_check=(success_codes: (300, 200))"],
            code::OUT_OF_RANGE,
            "success_codes",
        ),
        (
            &["deployments.web.placement=[4]"],
            code::BAD_PLACEMENT,
            "placement",
        ),
        (
            &["deployments.web.replicas=5"],
            code::BAD_PLACEMENT,
            "placement",
        ),
        (
            &["deployments.web.server.service_time=LogNormal(mean: \"0s\", cv: 1)"],
            code::BAD_DISTRIBUTION,
            "LogNormal",
        ),
        (
            &["clients.users.rtt=LogNormal(median: \"2ms\", p99: \"1ms\")"],
            code::BAD_DISTRIBUTION,
            "LogNormal",
        ),
        (
            &["clients.users.requests[0].weight=-1"],
            code::OUT_OF_RANGE,
            "-1",
        ),
        (&["cluster.links.jitter=1.5"], code::OUT_OF_RANGE, "1.5"),
        (
            &["load_balancer.controller.retry=(initial: \"2s\", max: \"1s\")"],
            code::OUT_OF_RANGE,
            "\"1s\"",
        ),
        (
            &["load_balancer.idle_timeout=\"2h\""],
            code::OUT_OF_RANGE,
            "\"2h\"",
        ),
        (
            &["load_balancer.kind=Alb(nodes_per_zone: 51)"],
            code::OUT_OF_RANGE,
            "51",
        ),
        (
            &["clients.users.connection.reuse=Geometric(mean: 0.5)"],
            code::OUT_OF_RANGE,
            "0.5",
        ),
        (
            &["deployments.web.server.when_full=Status(200)"],
            code::OUT_OF_RANGE,
            "200",
        ),
        (&["run.length=\"0s\""], code::OUT_OF_RANGE, "\"0s\""),
        (
            &[
                "clients.users.arrivals.Poisson.rate=\"1000000000/s\"",
                "run.length=\"1000s\"",
            ],
            code::TOO_LARGE,
            "Poisson",
        ),
        (
            &["clients.users.arrivals=CurlLoop(requests: 1000000000000)"],
            code::TOO_LARGE,
            "CurlLoop",
        ),
        (
            &[
                "deployments.web.replicas=4000000000",
                "deployments.web.placement=None",
            ],
            code::TOO_LARGE,
            "deployments",
        ),
        (
            &["sweeps={\"seed\": [1, 2]}"],
            code::NOT_PART_OF_THE_SYSTEM,
            "seed",
        ),
        (
            &["alternatives={\"x\": {\"run.length\": \"1s\"}}"],
            code::NOT_PART_OF_THE_SYSTEM,
            "run",
        ),
        (
            &["sweeps={\"deployments.web.replicas\": []}"],
            code::EMPTY_PART,
            "[",
        ),
        (
            &["alternatives={\"x\": {\"services.wbe.selects\": \"web\"}}"],
            code::BAD_PATH,
            "wbe",
        ),
    ];
    for (changes, code, place) in cases {
        assert_eq!(errors(changes), found(*code, place), "{changes:?}");
    }
}

#[test]
fn several_target_groups_need_rules() {
    let changes = [
        "load_balancer.rules=[]",
        "load_balancer.target_groups={\"a\": (service: \"web\"), \"b\": (service: \"web\")}",
    ];
    assert_eq!(errors(&changes), found(code::NO_RULES, "target_groups"));
}

#[test]
fn direct_return_needs_more_than_vxlan() {
    let network = |tunnel: &str| format!("cluster.network=Overlay(tunnel: {tunnel})");
    for mode in ["Dsr", "Hybrid"] {
        let proxy = format!("cluster.proxy=Cilium(mode: {mode})");
        let vxlan = network("Vxlan");
        assert_eq!(
            errors(&[proxy.as_str(), vxlan.as_str()]),
            found(code::DIRECT_RETURN_ON_VXLAN, mode)
        );
        let geneve = network("Geneve");
        assert_eq!(warnings(&[proxy.as_str(), geneve.as_str()]), []);
        assert_eq!(warnings(&[proxy.as_str()]), []);
    }
}

#[test]
fn tables_are_as_large_as_the_machine_allows() {
    let capacity = |changes: &[&str]| {
        let loaded = with(changes).expect("right").0;
        let tracking = loaded.cases[0].blueprint.tracking.clone()?;
        Some(tracking.capacity.as_slice().to_vec())
    };
    assert_eq!(capacity(&[]), None);
    // Two entries for each connection: 131,072 / 2 where nothing is known of the node.
    let cilium = "cluster.proxy=Cilium(conntrack: ())";
    assert_eq!(capacity(&[cilium]), Some(vec![65_536; 4]));
    // An m6i.2xlarge has 32 GiB: 9,500 x 32 / 2; and 8 cores: 32,768 x 8.
    let large = "cluster.node_groups.workers.instance_type=\"m6i.2xlarge\"";
    assert_eq!(capacity(&[cilium, large]), Some(vec![152_000; 4]));
    let kube_proxy = "cluster.proxy=KubeProxy(snat: ())";
    assert_eq!(capacity(&[kube_proxy, large]), Some(vec![262_144; 4]));
}

#[test]
fn a_group_that_does_not_take_what_clients_speak_is_a_warning() {
    assert_eq!(
        warnings(&["clients.users.protocol=Grpc"]),
        found(code::WRONG_PROTOCOL, "Grpc")
    );
    // An HTTP/1.1 group takes HTTP/2 from clients.
    assert_eq!(warnings(&["clients.users.protocol=Http2"]), []);
}

#[test]
fn http2_to_nodes_rides_on_few_connections() {
    let group = "load_balancer.target_groups.web";
    let protocol = format!("{group}.protocol_version=Http2");
    let changes = ["clients.users.protocol=Http2", protocol.as_str()];
    assert_eq!(warnings(&changes), found(code::FEW_CONNECTIONS, "Http2"));
    let ip = format!("{group}.target_type=Ip");
    assert_eq!(warnings(&[changes[0], changes[1], ip.as_str()]), []);
}

#[test]
fn warnings_are_found_and_pointed_at() {
    let local = "services.web.external_traffic_policy=Local";
    let cases: &[(&[&str], Code, &str)] = &[
        (
            &[local, "deployments.web.placement=[2, 2, 0, 0]"],
            code::LOCAL_WITHOUT_POD,
            "Local",
        ),
        (
            &[
                local,
                "deployments.web.placement=None",
                "deployments.web.replicas=3",
            ],
            code::LOCAL_WITHOUT_POD,
            "Local",
        ),
        (
            &["deployments.web.server.software=ApacheHttpd"],
            code::KEEP_ALIVE_RACE,
            "ApacheHttpd",
        ),
        (
            &["deployments.web.server.software=Go"],
            code::PINNED_CONNECTIONS,
            "Go",
        ),
        (
            &[
                "clients.users.requests=[(path: \"x\")]",
                "clients.users.requests[0].path=\"/\"",
                "load_balancer.rules[0].path=\"/x\"",
            ],
            code::NO_RULE_MATCHES,
            "\"/\"",
        ),
        (
            &["clients.users.arrivals.Poisson.rate=\"1600/s\""],
            code::OVERLOAD,
            "\"web\"",
        ),
        (
            &["services={\"web\": (selects: \"web\"), \"old\": (selects: \"web\")}"],
            code::NEVER_USED,
            "\"old\"",
        ),
        (&["load_balancer.zones=[\"a\"]"], code::FEW_ZONES, "zones"),
        (
            &["clients.users.start=\"2min\""],
            code::NEVER_ACTIVE,
            "\"2min\"",
        ),
        (
            &["clients.users.start=\"30s\"", "clients.users.stop=\"20s\""],
            code::NEVER_ACTIVE,
            "\"20s\"",
        ),
        (
            &["load_balancer.target_groups.web.health_check=(protocol: Https)"],
            code::NEVER_HEALTHY,
            "health_check",
        ),
        (
            &[
                "load_balancer.target_groups.web.protocol=Https",
                "load_balancer.target_groups.web.health_check=(protocol: Http)",
            ],
            code::NEVER_HEALTHY,
            "health_check",
        ),
        (
            &[
                "services.web.type=LoadBalancer",
                "services.web.external_traffic_policy=Local",
                "load_balancer.target_groups.web.protocol=Https",
                "load_balancer.target_groups.web.health_check=(port: HealthCheckNodePort)",
            ],
            code::NEVER_HEALTHY,
            "health_check",
        ),
        (
            &["load_balancer.controller.readiness_gate=true"],
            code::GATE_WITHOUT_IP,
            "true",
        ),
    ];
    for (changes, code, place) in cases {
        assert_eq!(warnings(changes), found(*code, place), "{changes:?}");
    }
}

#[test]
fn a_rolling_update_of_pods_may_exceed_a_quota() {
    // 900 pods and a surge of 25 %: 1,125 targets; 100 % of 500 are 1,000, which is the quota.
    let rolled = |replicas: &str, surge: &str| {
        let replicas = format!("deployments.web.replicas={replicas}");
        let surge = format!("deployments.web.strategy.rolling_update.max_surge={surge}");
        let found = warnings(&[
            &replicas,
            &surge,
            "deployments.web.placement=None",
            "deployments.web.resources.requests.cpu=\"1m\"",
            "cluster.node_groups.workers.count=20",
            "load_balancer.target_groups.web.target_type=Ip",
            "faults=[(on: Deployment(name: \"web\"), becomes: RolledOut(), from: \"10s\")]",
        ]);
        found.into_iter().any(|(code, _)| code == code::QUOTA)
    };
    assert!(rolled("900", "\"25%\""));
    assert!(!rolled("500", "\"100%\""));
}

#[test]
fn limits_of_aws_and_kubernetes_are_known() {
    let large = [
        "cluster.node_groups.workers.count=5001",
        "deployments.web.placement=None",
    ];
    let codes: Vec<Code> = warnings(&large).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [code::BEYOND_KUBERNETES, code::QUOTA]);
    let raised = "load_balancer.quotas=(targets: 9000, targets_per_group: 9000)";
    let large: Vec<&str> = large.iter().copied().chain([raised]).collect();
    let codes: Vec<Code> = warnings(&large).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [code::BEYOND_KUBERNETES]);
}

#[test]
fn pods_that_work_at_exactly_their_capacity_are_overloaded() {
    // 4 pods x 4 workers / 10 ms = 1600 requests/s.
    assert_eq!(
        warnings(&["clients.users.arrivals.Poisson.rate=\"1599/s\""]),
        []
    );
    assert_eq!(
        warnings(&["clients.users.arrivals.Poisson.rate=\"1600/s\""]).len(),
        1
    );
}

#[test]
fn cases_are_alternatives_times_sweeps_with_the_last_axis_fastest() {
    let (loaded, _) = with(&[
        "alternatives={\"all\": {}, \"local\": {\"services.*.external_traffic_policy\": Local}}",
        "sweeps={\"cluster.links.jitter\": [0.0, 0.5], \"deployments.web.server.workers\": [4, 8]}",
    ])
    .expect("right");
    let names: Vec<&str> = loaded.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), 8);
    assert_eq!(
        names[..3],
        [
            "all, jitter = 0.0, workers = 4",
            "all, jitter = 0.0, workers = 8",
            "all, jitter = 0.5, workers = 4"
        ]
    );
    assert_eq!(names[7], "local, jitter = 0.5, workers = 8");
    assert_eq!(
        loaded.cases[7]
            .scenario
            .deployments
            .get("web")
            .expect("there")
            .server
            .workers
            .get(),
        8
    );
}

#[test]
fn what_only_some_cases_say_names_them() {
    let mut sources = Sources::default();
    let source = sources.add("test.ron", RIGHT);
    let change = "alternatives={\"as is\": {}, \"httpd\": {\"deployments.web.server.software\": ApacheHttpd}}";
    let patch = Patch::from_argument(&mut sources, change).expect("a patch");
    let loaded = load(&sources, source, &[patch]).expect("right");
    assert_eq!(
        loaded.warnings[0].help.last().map(String::as_str),
        Some("this is so in the case \"httpd\"")
    );
}

#[test]
fn too_many_cases_are_refused() {
    let values = "1, ".repeat(40);
    let sweeps = format!(
        "sweeps={{\"cluster.links.jitter\": [{values}], \"deployments.web.server.queue\": [{values}]}}"
    );
    assert_eq!(errors(&[&sweeps])[0].0, code::TOO_MANY_CASES);
}

#[test]
fn the_scheduler_places_where_nobody_does_by_hand() {
    let (loaded, _) = with(&[
        "deployments.web.placement=None",
        "deployments.web.replicas=10",
    ])
    .expect("right");
    let pods = &loaded.cases[0].blueprint.pods;
    let on = |node: u32| pods.iter().filter(|pod| pod.node.0 == node).count();
    let counts: Vec<usize> = (0..4).map(on).collect();
    assert_eq!(counts.iter().sum::<usize>(), 10);
    // The built-in soft constraints keep the host names within a skew of 3.
    assert!(
        counts
            .iter()
            .max()
            .zip(counts.iter().min())
            .is_some_and(|(most, least)| most - least <= 3),
        "{counts:?}"
    );
}

#[test]
fn nodes_lie_in_the_zones_in_turn_and_names_become_ids() {
    let (loaded, _) = with(&[]).expect("right");
    let blueprint = &loaded.cases[0].blueprint;
    let nodes: Vec<(&str, u32)> = blueprint
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.zone.0))
        .collect();
    assert_eq!(
        nodes,
        [
            ("workers-0", 0),
            ("workers-1", 1),
            ("workers-2", 0),
            ("workers-3", 1)
        ]
    );
    let pods: Vec<(&str, u32)> = blueprint
        .pods
        .iter()
        .map(|pod| (pod.name.as_str(), pod.node.0))
        .collect();
    assert_eq!(
        pods,
        [("web-0", 0), ("web-1", 1), ("web-2", 2), ("web-3", 3)]
    );
    assert_eq!(blueprint.load_balancer.nodes.len(), 2);
}

#[test]
fn pods_without_room_stay_pending() {
    // Four nodes with 1930m each take one pod of 1000m each; six are wanted.
    let changes = [
        "deployments.web.placement=None",
        "deployments.web.replicas=6",
        r#"deployments.web.resources=(requests: (cpu: "1"))"#,
        r#"cluster.node_groups.workers=(count: 4, instance_type: "m6i.large")"#,
    ];
    let (loaded, warnings) = with(&changes).expect("no error");
    assert_eq!(warnings, found(code::PENDING, r#""web""#));
    let said = &loaded.warnings[0];
    assert_eq!(said.message, r#"2 of 6 pods of "web" stay Pending"#);
    assert!(
        said.labels[0]
            .text
            .starts_with("0/4 nodes are available: 4 Insufficient cpu. preemption:"),
        "{:?}",
        said.labels[0].text
    );
}

#[test]
fn a_hard_constraint_on_the_deployments_own_pods_needs_no_selector() {
    // Two nodes and at most one pod more on one than on the other; the tainted two count as empty domains and block.
    let spread = |policy: &str| {
        format!(
            r#"deployments.web.topology_spread_constraints=[(max_skew: 1, topology_key: "kubernetes.io/hostname",
            when_unsatisfiable: DoNotSchedule, node_taints_policy: {policy})]"#
        )
    };
    let groups = r#"cluster.node_groups={ "tainted": (count: 2, taints: [(key: "k", effect: NoSchedule)]), "workers": (count: 2) }"#;
    let none = "deployments.web.placement=None";
    assert_eq!(
        warnings(&[none, groups, &spread("Ignore")]),
        found(code::PENDING, r#""web""#)
    );
    assert_eq!(warnings(&[none, groups, &spread("Honor")]), []);
}

#[test]
fn what_keeps_pods_away_is_told_per_node_group() {
    // 2000m ask for more than any m6i.large has (1930m); the other two nodes are tainted.
    let changes = [
        "deployments.web.placement=None",
        r#"deployments.web.resources=(requests: (cpu: "2"))"#,
        r#"cluster.node_groups={ "big": (count: 2, taints: [(key: "k", value: "v", effect: NoSchedule)]),
            "workers": (count: 2, instance_type: "m6i.large") }"#,
    ];
    let (loaded, _) = with(&changes).expect("no error");
    let labels = loaded.warnings[0].labels[1..].iter();
    let texts: Vec<&str> = labels.map(|label| label.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "NodeResourcesFit rejects 2 of 4 nodes",
            "2 node(s) had untolerated taint {k: v}",
            "2 Insufficient cpu"
        ]
    );
    assert_eq!(
        loaded.warnings[0].help[0],
        "2 of 4 nodes are smaller than one pod, even when they are empty"
    );
}

#[test]
fn pods_that_avoid_each_other_need_a_node_each() {
    // Six pods, four nodes, and no two pods on one node.
    let changes = [
        "deployments.web.placement=None",
        "deployments.web.replicas=6",
        r#"deployments.web.affinity=(pod_anti_affinity: (required_during_scheduling_ignored_during_execution: [
            (topology_key: "kubernetes.io/hostname", label_selector: (match_labels: { "app": "web" }))]))"#,
    ];
    let (loaded, _) = with(&changes).expect("no error");
    let said = &loaded.warnings[0];
    assert_eq!(said.message, r#"2 of 6 pods of "web" stay Pending"#);
    assert_eq!(said.labels[1].text, "InterPodAffinity rejects 4 of 4 nodes");
    assert_eq!(
        said.help[0],
        r#"the pods avoid each other: "kubernetes.io/hostname" has 4 values here, and each takes one pod"#
    );
}

#[test]
fn a_host_port_is_taken_once_on_each_node() {
    let changes = [
        "deployments.web.placement=None",
        "deployments.web.replicas=5",
        "deployments.web.host_ports=[(port: 443)]",
    ];
    let (loaded, _) = with(&changes).expect("no error");
    assert_eq!(
        loaded.warnings[0].message,
        r#"1 of 5 pods of "web" stay Pending"#
    );
    assert_eq!(
        loaded.warnings[0].labels[1].text,
        "NodePorts rejects 4 of 4 nodes"
    );
}

#[test]
fn a_node_group_stands_in_zones_of_the_cluster() {
    let zones = |zones: &str| format!("cluster.node_groups.workers=(count: 4, zones: {zones})");
    assert_eq!(
        errors(&[&zones(r#"["nowhere"]"#)]),
        found(code::DANGLING_NAME, r#""nowhere""#)
    );
    assert!(!errors(&[&zones("[]")]).is_empty());
}

#[test]
fn controllers_set_the_label_app_themselves() {
    let change = r#"deployments.web.labels={ "app": "other" }"#;
    assert_eq!(errors(&[change]), found(code::OUT_OF_RANGE, r#""other""#));
}

#[test]
fn an_instance_type_must_be_known() {
    let change = r#"cluster.node_groups.workers=(count: 4, instance_type: "m6i.humongous")"#;
    assert_eq!(
        errors(&[change]),
        found(code::BAD_VALUE, r#""m6i.humongous""#)
    );
}

#[test]
fn a_constraint_that_the_api_refuses_is_an_error_at_its_field() {
    let spread = |fields: &str| {
        format!(
            "deployments.web.topology_spread_constraints=[({fields}, when_unsatisfiable: ScheduleAnyway)]"
        )
    };
    let none = "deployments.web.placement=None";
    let skew = spread(r#"max_skew: 0, topology_key: "kubernetes.io/hostname""#);
    assert_eq!(errors(&[none, &skew]), found(code::BAD_CONSTRAINT, "0"));
    let domains = spread(r#"max_skew: 1, topology_key: "kubernetes.io/hostname", min_domains: 3"#);
    assert_eq!(errors(&[none, &domains]), found(code::BAD_CONSTRAINT, "3"));
    let key = spread(r#"max_skew: 1, topology_key: "rack""#);
    assert_eq!(
        warnings(&[none, &key]),
        found(code::UNKNOWN_TOPOLOGY_KEY, r#""rack""#)
    );
}

#[test]
fn base_load_and_daemon_sets_take_room() {
    // m6i.large: 1930m. The first node holds 1200m already and every node 150m: 580m are left, and 1780m on the others.
    let changes = [
        "deployments.web.placement=None",
        "deployments.web.replicas=7",
        r#"deployments.web.resources=(requests: (cpu: "700m"))"#,
        r#"cluster.node_groups.workers=(count: 4, instance_type: "m6i.large", base_load: [(cpu: "1200m")])"#,
        r#"cluster.daemon_sets={ "agent": (resources: (requests: (cpu: "150m"))) }"#,
    ];
    let (loaded, _) = with(&changes).expect("no error");
    // 0 + 2 + 2 + 2 pods of 700m.
    assert_eq!(
        loaded.warnings[0].message,
        r#"1 of 7 pods of "web" stay Pending"#
    );
    let longer = r#"cluster.node_groups.workers=(count: 4, base_load: [(), (), (), (), ()])"#;
    assert_eq!(errors(&[longer])[0].0, code::OUT_OF_RANGE);
}

#[test]
fn maglev_is_a_choice_with_the_defaults_of_cilium() {
    use sim_models::request::node_port::{NoBackendResponse, Proxy};
    use sim_models::request::select::{Algorithm, maglev};
    let proxy = |change: &str| {
        with(&[change]).expect("right").0.cases[0]
            .blueprint
            .proxy
            .clone()
    };
    let maglev = |config| Proxy::Cilium {
        algorithm: Algorithm::Maglev(config),
        service_no_backend_response: NoBackendResponse::Reject,
        mode: Default::default(),
        unready_backend: Default::default(),
        gone_pod_address: Default::default(),
        health_check_node_port: true,
        conntrack: None,
        snat: None,
        agent: Default::default(),
    };
    for plain in ["Maglev", "Maglev()"] {
        let change = format!("cluster.proxy=Cilium(algorithm: {plain})");
        assert_eq!(proxy(&change), maglev(maglev::Config::DEFAULT), "{plain}");
    }
    let small = maglev::Config {
        table_size: 251.try_into().expect("allowed"),
        ..maglev::Config::DEFAULT
    };
    let change =
        "cluster.proxy=Cilium(algorithm: Maglev(table_size: 251, seed: \"JLfvgnHc2kaSUFaI\"))";
    assert_eq!(proxy(change), maglev(small));
}

#[test]
fn a_maglev_table_or_seed_that_cilium_refuses_is_refused_at_its_place() {
    for (wrong, place, why) in [
        ("table_size: 16384", "16384", "one of 251, 509, 1021"),
        ("seed: \"JLfv\"", "\"JLfv\"", "holds 3 bytes"),
        ("seed: \"not base64\"", "\"not base64\"", "not base64"),
    ] {
        let change = format!("cluster.proxy=Cilium(algorithm: Maglev({wrong}))");
        let mut sources = Sources::default();
        let source = sources.add("test.ron", RIGHT);
        let patch = Patch::from_argument(&mut sources, &change).expect("a patch");
        let errors = load(&sources, source, &[patch]).expect_err("an error");
        assert_eq!(sources.slice(errors[0].labels[0].span), place);
        assert!(errors[0].message.contains(why), "{}", errors[0].message);
    }
}

#[test]
fn kube_proxy_has_modes_and_schedulers() {
    use sim_models::request::node_port::{Mode, Proxy};
    use sim_models::request::select::ipvs::Scheduler;
    let mode = |change: &str| {
        let proxy = with(&[change]).expect("right").0.cases[0]
            .blueprint
            .proxy
            .clone();
        match proxy {
            Proxy::KubeProxy { mode, .. } => mode,
            Proxy::Cilium { .. } => panic!("not Cilium"),
        }
    };
    let ipvs = |scheduler| Mode::Ipvs { scheduler };
    assert_eq!(mode("cluster.proxy=KubeProxy()"), Mode::Iptables);
    assert_eq!(
        mode("cluster.proxy=KubeProxy(mode: Nftables)"),
        Mode::Nftables
    );
    assert_eq!(
        mode("cluster.proxy=KubeProxy(mode: Ipvs())"),
        ipvs(Scheduler::Rr)
    );
    assert_eq!(
        mode("cluster.proxy=KubeProxy(mode: Ipvs(scheduler: Sh))"),
        ipvs(Scheduler::Sh)
    );
}

#[test]
fn session_affinity_has_the_api_servers_default_and_range() {
    let affinity = |changes: &[&str]| {
        let loaded = with(changes).expect("right").0;
        let service = loaded.cases[0].blueprint.services.iter().next().cloned();
        service.expect("one service").session_affinity
    };
    let client_ip = "services.web.session_affinity=ClientIp";
    let seconds = sim_core::SimDuration::from_secs;
    assert_eq!(affinity(&[]), None);
    assert_eq!(affinity(&[client_ip]), Some(seconds(10_800)));
    let short = "services.web.session_affinity_timeout=\"1min\"";
    assert_eq!(affinity(&[client_ip, short]), Some(seconds(60)));
    let long = "services.web.session_affinity_timeout=\"2d\"";
    assert_eq!(errors(&[client_ip, long])[0].0, code::OUT_OF_RANGE);
}

#[test]
fn a_rule_may_split_requests_by_weight() {
    let groups = "load_balancer.target_groups={ \"old\": (service: \"web\"), \"new\": (service: \"web\", target_type: Ip) }";
    let chained = "cluster.network=CiliumChained";
    let forward =
        |weights: &str| format!("load_balancer.rules=[(path: \"/\", forward: {weights})]");
    let both = forward("{ \"old\": 9, \"new\": 1 }");
    let loaded = with(&[groups, chained, &both]).expect("right").0;
    let population = loaded.cases[0].blueprint.populations.iter().next().cloned();
    let classes = population.expect("one population").classes;
    let shares: Vec<f64> = classes.iter().map(|class| class.weight).collect();
    assert_eq!(shares, [0.9, 0.1]);
    assert!(classes.iter().all(|class| class.path == "/"));

    let wrong = |weights: &str| errors(&[groups, chained, &forward(weights)]);
    let unknown = wrong("{ \"old\": 9, \"now\": 1 }");
    assert_eq!(unknown, found(code::DANGLING_NAME, "1"));
    for weights in ["{}", "{ \"old\": 0 }", "{ \"old\": 1000 }"] {
        assert_eq!(wrong(weights)[0].0, code::OUT_OF_RANGE, "{weights}");
    }
}

#[test]
fn timeouts_and_retries_have_ranges() {
    let loaded = with(&[
        "clients.users.timeout=\"10s\"",
        "clients.users.retries=(at_most: 2, budget: 0.1)",
    ]);
    let population = loaded.expect("right").0.cases[0]
        .blueprint
        .populations
        .iter()
        .next()
        .cloned();
    let config = population.expect("one population").config;
    assert_eq!(config.timeout, Some(sim_core::SimDuration::from_secs(10)));
    assert_eq!(
        (config.retries.at_most, config.retries.budget),
        (2, Some(0.1))
    );
    for (wrong, place) in [
        ("clients.users.timeout=\"0s\"", "\"0s\""),
        ("clients.users.retries=(at_most: 11)", "11"),
        ("clients.users.retries=(at_most: 1, budget: 1.5)", "1.5"),
        ("clients.users.retries=(backoff: \"2h\")", "\"2h\""),
    ] {
        let mut sources = Sources::default();
        let source = sources.add("test.ron", RIGHT);
        let patch = Patch::from_argument(&mut sources, wrong).expect("a patch");
        let errors = load(&sources, source, &[patch]).expect_err("an error");
        assert_eq!(errors[0].code, code::OUT_OF_RANGE);
        assert_eq!(sources.slice(errors[0].labels[0].span), place);
    }
}

#[test]
fn cross_zone_and_stickiness_have_the_albs_defaults_and_ranges() {
    let group = |changes: &[&str]| {
        let loaded = with(changes).expect("right").0;
        let group = loaded.cases[0]
            .blueprint
            .target_groups
            .iter()
            .next()
            .cloned();
        let group = group.expect("one target group");
        (group.cross_zone, group.stickiness)
    };
    assert_eq!(group(&[]), (true, None));
    let off = "load_balancer.target_groups.web.cross_zone=false";
    assert_eq!(group(&[off]), (false, None));
    let sticky = "load_balancer.target_groups.web.stickiness=(enabled: true)";
    let day = sim_core::SimDuration::from_secs(86_400);
    assert_eq!(group(&[sticky]), (true, Some(day)));
    let month = "load_balancer.target_groups.web.stickiness=(enabled: true, duration: \"30d\")";
    assert_eq!(errors(&[month]), found(code::OUT_OF_RANGE, "\"30d\""));
}

#[test]
fn ages_and_classes_of_work_are_read_and_checked() {
    for right in [
        "load_balancer.client_keep_alive=\"10min\"",
        "clients.users.connection.max_age=\"5min\"",
        "load_balancer.target_groups.web.upstream=(pool_max_age: \"1min\")",
        "clients.users.requests=[(path: \"/\", demand: Exponential(mean: \"5ms\"))]",
    ] {
        assert_eq!(warnings(&[right]), [], "{right}");
    }
    for (wrong, code) in [
        (
            "load_balancer.client_keep_alive=\"10s\"",
            code::OUT_OF_RANGE,
        ),
        (
            "clients.users.connection.max_age=\"0s\"",
            code::OUT_OF_RANGE,
        ),
        (
            "load_balancer.target_groups.web.upstream=(pool_max_age: \"0s\")",
            code::OUT_OF_RANGE,
        ),
        (
            "clients.users.requests=[(path: \"/\", demand: LogNormal(mean: \"0s\", cv: 1.0))]",
            code::BAD_DISTRIBUTION,
        ),
    ] {
        assert_eq!(errors(&[wrong])[0].0, code, "{wrong}");
    }
    // 100/s of 1 s each need 100 workers; there are 16.
    let heavy = "clients.users.requests=[(path: \"/\", demand: \"1s\")]";
    assert_eq!(warnings(&[heavy])[0].0, code::OVERLOAD);
}
