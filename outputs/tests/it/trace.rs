//! Every line of every file of a trace reads back, and all of them tell of the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use outputs::trace;
use scenarios::experiment::answer::Alternative;
use serde_json::Value;

use crate::run;

/// Five seconds with something of everything: a rule that does not match, a node without a pod under `Local`, small pods that
/// turn requests away, clients that leave, a name with a blank and quotes in it.
const SCENARIO: &str = r#"(
    format: 1,
    seed: 3,
    run: (length: "4s", warm_up: "1s", replications: 1),
    cluster: (network: Overlay(), zones: ["a", "b"], node_groups: { "workers": (count: 4) }),
    deployments: {
        "web": (replicas: 5, placement: [2, 2, 1, 0], server: (workers: 2, queue: 2, when_full: Status(503), service_time: Exponential(mean: "50ms"))),
        "old": (replicas: 2, placement: [0, 1, 0, 1], server: (workers: 8, service_time: Constant("5ms"), keep_alive: (timeout: "30ms"))),
    },
    services: { "web": (selects: "web"), "old": (selects: "old", external_traffic_policy: Local) },
    load_balancer: (
        target_groups: { "web": (service: "web"), "old": (service: "old") },
        rules: [(path: "/web", forward: "web"), (path: "/old", forward: "old")],
    ),
    clients: {
        "people \"here\"": (
            arrivals: Poisson(rate: "300/s"), addresses: 40, timeout: "120ms",
            requests: [(path: "/web", weight: 4.0), (path: "/old", weight: 2.0), (path: "/nothing")],
        ),
    },
    alternatives: {
        "instance": {},
        "ip": { "cluster.network": CiliumChained, "load_balancer.target_groups.*.target_type": Ip },
        "kube-proxy": { "cluster.network": VpcCni, "cluster.proxy": KubeProxy() },
    },
)"#;

/// The files of a trace by name.
type Files = BTreeMap<String, String>;

/// Writes into a map.
struct File<'a> {
    name: String,
    bytes: Vec<u8>,
    files: &'a std::cell::RefCell<Files>,
}

impl io::Write for File<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = String::from_utf8(self.bytes.clone()).expect("UTF-8");
        self.files.borrow_mut().insert(self.name.clone(), text);
        Ok(())
    }
}

fn files(alternative: &Alternative, seed: u64) -> Files {
    let files = std::cell::RefCell::default();
    let open = |name: &str| {
        Ok(File {
            name: name.to_owned(),
            bytes: Vec::new(),
            files: &files,
        })
    };
    trace::write(alternative, seed, open).expect("the trace can be written");
    files.into_inner()
}

/// Every alternative with its trace.
fn traces() -> Vec<(Alternative, Files)> {
    let (_, answer) = run::run(SCENARIO, None, 1);
    let seed = answer.seed;
    let traced = answer.alternatives.into_iter();
    traced
        .map(|one| {
            let files = files(&one, seed);
            (one, files)
        })
        .collect()
}

/// The rows of a file of comma-separated values, by column. None of these has a field with a line break.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let fields = |line: &str| -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                c => fields.last_mut().expect("never empty").push(c),
            }
        }
        fields
    };
    let mut lines = text.lines();
    let columns = fields(lines.next().expect("a heading"));
    lines
        .map(|line| columns.iter().cloned().zip(fields(line)).collect())
        .collect()
}

/// The fields of a line of an access log: blanks divide them, unless they are in quotes.
fn access_log_fields(line: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let end = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"').expect("a quote that closes") + 2,
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        fields.push(&rest[..end]);
        rest = &rest[end..];
        assert!(rest.is_empty() || rest.starts_with(' '), "{line}");
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    fields
}

fn access_log(files: &Files) -> Vec<Vec<&str>> {
    let logs = files.iter().filter(|(name, _)| name.ends_with(".log"));
    logs.flat_map(|(_, text)| text.lines().map(access_log_fields))
        .collect()
}

fn flows(files: &Files) -> Vec<Value> {
    let lines = files["flows.jsonl"].lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

#[test]
fn a_line_of_the_access_log_has_33_fields_and_what_holds_blanks_is_in_quotes() {
    // Source: AWS, "Access logs for your Application Load Balancer".
    let quoted = [13, 14, 18, 19, 20, 23, 24, 25, 26, 27, 28, 29, 31, 32];
    for (_, files) in traces() {
        for fields in access_log(&files) {
            assert_eq!(fields.len(), 33, "{fields:?}");
            for (number, field) in (1..).zip(&fields) {
                assert_eq!(
                    field.starts_with('"'),
                    quoted.contains(&number),
                    "{number}: {field}"
                );
            }
            for number in [6, 7, 8] {
                let time: f64 = fields[number - 1].parse().expect("seconds");
                assert!(time == -1.0 || time >= 0.0);
            }
            for time in [fields[1], fields[21]] {
                assert!(
                    time.starts_with("2026-01-01T00:00:0") && time.ends_with('Z'),
                    "{time}"
                );
                assert_eq!(time.len(), "2026-01-01T00:00:00.000000Z".len());
            }
            assert_eq!(fields[4], fields[25].trim_matches('"'));
            assert_eq!(fields[9], fields[26].trim_matches('"'));
        }
    }
}

#[test]
fn the_access_log_and_the_requests_agree_on_every_outcome() {
    for (_, files) in traces() {
        let mut expected: BTreeMap<(String, String), u32> = BTreeMap::new();
        for row in rows(&files["requests.csv"]) {
            // Who never reached a load balancer node is in no log.
            if !row["load_balancer_s"].is_empty() {
                let key = (row["status"].clone(), row["path"].clone());
                *expected.entry(key).or_default() += 1;
            }
        }
        let mut found: BTreeMap<(String, String), u32> = BTreeMap::new();
        for fields in access_log(&files) {
            let (_, path) = fields[12].split_once(":80").expect("a port");
            let path = path.trim_end_matches(" HTTP/1.1\"").to_owned();
            *found.entry((fields[8].to_owned(), path)).or_default() += 1;
        }
        assert_eq!(found, expected);
        assert!(found.len() > 3, "there is something to tell: {found:?}");
    }
}

#[test]
fn what_was_not_dispatched_has_no_times_and_no_status_of_a_target() {
    let mut kinds: BTreeSet<&str> = BTreeSet::new();
    let traces = traces();
    for (_, files) in &traces {
        for fields in access_log(files) {
            let (times, status, target_status) = (&fields[5..8], fields[8], fields[9]);
            match status {
                "404" => {
                    assert_eq!((times, fields[4]), (&["-1", "-1", "-1"][..], "-"));
                    assert_eq!((fields[16], fields[20]), ("-", "0"));
                    assert_eq!(fields[22], "\"fixed-response\"");
                }
                "200" => {
                    assert_eq!(target_status, "200");
                    assert!(times.iter().all(|&time| time != "-1"));
                    assert_eq!(fields[22], "\"forward\"");
                }
                _ if target_status == "-" => assert_eq!(times[2], "-1"),
                _ => assert_eq!(target_status, status),
            }
            let rule = if fields[12].contains("/web ") {
                "1"
            } else {
                "2"
            };
            assert!(status == "404" || fields[20] == rule, "{fields:?}");
            kinds.insert(status);
        }
    }
    for kind in ["200", "404", "460", "502", "503"] {
        assert!(kinds.contains(kind), "{kind} is among {kinds:?}");
    }
}

#[test]
fn every_connection_is_seen_at_every_point_that_it_passes() {
    let (instance, files) = &traces()[0];
    let flows = flows(files);
    let at = |point: &str| -> Vec<&Value> {
        let flows = flows.iter().map(|line| &line["flow"]);
        flows
            .filter(|flow| flow["trace_observation_point"] == point)
            .collect()
    };
    let (overlay, endpoint) = (at("TO_OVERLAY"), at("TO_ENDPOINT"));
    assert_eq!(overlay.len() + endpoint.len(), flows.len());
    // Requests on new connections opened them; a few connections opened for clients that had left.
    let requests = rows(&files["requests.csv"]);
    let opened = requests
        .iter()
        .filter(|row| !row["connection"].is_empty() && row["reused"] == "false");
    let (all, second): (Vec<_>, Vec<_>) =
        opened.map(|row| ((), row["second_hop"] == "true")).unzip();
    let second = second.into_iter().filter(|&it| it).count();
    assert!(endpoint.len() >= all.len() && endpoint.len() < all.len() + 50);
    assert!(overlay.len() >= second && overlay.len() < second + 50);
    let balancers: BTreeSet<String> = instance
        .blueprint
        .addresses()
        .load_balancer_nodes
        .iter()
        .map(ToString::to_string)
        .collect();
    for flow in &endpoint {
        // A pod sees a load balancer node, or after a second hop the router of another node's range.
        let source = flow["IP"]["source"].as_str().expect("an address");
        let router = source.starts_with("10.128.") && source.ends_with(".1");
        assert!(balancers.contains(source) || router, "{source}");
        assert_eq!(flow["traffic_direction"], "INGRESS");
        assert!(flow["destination"]["ID"].is_u64());
        assert!(flow["event_type"].get("sub_type").is_none());
    }
    let routed = |flow: &&&Value| {
        let source = flow["IP"]["source"].as_str().expect("an address");
        source.starts_with("10.128.")
    };
    assert_eq!(endpoint.iter().filter(routed).count(), overlay.len());
    assert!(
        overlay
            .iter()
            .all(|flow| routed(&flow) && flow["event_type"]["sub_type"] == 4)
    );
    for line in &flows {
        assert_eq!(line["time"], line["flow"]["time"]);
        assert_eq!(line["node_name"], line["flow"]["node_name"]);
    }
}

#[test]
fn with_ip_targets_the_pod_sees_load_balancer_nodes_alone_and_without_cilium_nobody_sees_anything()
{
    let traces = traces();
    let (_, ip) = &traces[1];
    for line in flows(ip) {
        let flow = &line["flow"];
        assert_eq!(flow["trace_observation_point"], "TO_ENDPOINT");
        assert!(
            flow["IP"]["source"]
                .as_str()
                .is_some_and(|it| !it.starts_with("10.128."))
        );
        assert_eq!(flow["source"]["labels"][0], "reserved:world");
    }
    let (_, kube_proxy) = &traces[2];
    assert!(!kube_proxy.contains_key("flows.jsonl"));
    assert!(kube_proxy.contains_key("service-map.csv"));
}

#[test]
fn the_service_map_shows_the_pods_of_the_flows_and_no_others() {
    // Among other things: a service map never shows more pods than the flows it was drawn from.
    for (one, files) in traces() {
        let map = rows(&files["service-map.csv"]);
        let mut edges: BTreeSet<(String, String)> = BTreeSet::new();
        let mut pods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for row in &map {
            let edge = (row["source"].clone(), row["pod"].clone());
            assert!(edges.insert(edge), "an edge is drawn once: {row:?}");
            let seen = pods.entry(&row["service"]).or_default();
            seen.insert(&row["pod"]);
            assert_eq!(row["pods_seen"], seen.len().to_string());
            let number = |name: &str| row[name].parse::<f64>().expect("a number");
            assert!(number("pods_by_chance") <= number("pods"));
            assert!(number("connections") >= number("pods_seen"));
        }
        if files.contains_key("flows.jsonl") {
            let flows = flows(&files);
            let drawn: BTreeSet<(String, String)> = flows
                .iter()
                .map(|line| &line["flow"])
                .filter(|flow| flow["trace_observation_point"] == "TO_ENDPOINT")
                .map(|flow| {
                    let text = |value: &Value| value.as_str().expect("a text").to_owned();
                    (
                        text(&flow["IP"]["source"]),
                        text(&flow["destination"]["pod_name"]),
                    )
                })
                .collect();
            assert_eq!(drawn, edges);
        }
        // Without a warm-up they would be the pods that the report counts as reached; with it there may be more.
        let reached: BTreeSet<String> = rows(&files["requests.csv"])
            .iter()
            .filter(|row| !row["pod_s"].is_empty())
            .map(|row| row["pod"].clone())
            .collect();
        let shown: BTreeSet<String> = map.iter().map(|row| row["pod"].clone()).collect();
        assert!(reached.is_subset(&shown), "{}", one.name);
    }
}

#[test]
fn a_time_line_is_json_and_its_slices_nest() {
    for (_, files) in traces() {
        let trace: Value = serde_json::from_str(&files["trace.perfetto.json"]).expect("JSON");
        let events = trace["traceEvents"].as_array().expect("a list");
        let mut threads: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
        let mut arrows: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        for event in events {
            let number = |key: &str| event[key].as_u64().expect("a whole number");
            match event["ph"].as_str().expect("a phase") {
                "X" => {
                    let span = (number("ts"), number("ts") + number("dur"));
                    threads
                        .entry((number("pid"), number("tid")))
                        .or_default()
                        .push(span);
                }
                phase @ ("s" | "t" | "f") => arrows.entry(number("id")).or_default().push(phase),
                "M" => assert!(event["args"]["name"].is_string()),
                other => panic!("a phase that is not written here: {other}"),
            }
        }
        for mut spans in threads.into_values() {
            // The outer one first, where two begin together.
            spans.sort_by_key(|&(from, until)| (from, std::cmp::Reverse(until)));
            let mut open: Vec<(u64, u64)> = Vec::new();
            for span in spans {
                while open.last().is_some_and(|outer| outer.1 <= span.0) {
                    open.pop();
                }
                assert!(
                    open.last().is_none_or(|outer| span.1 <= outer.1),
                    "{span:?} in {open:?}"
                );
                open.push(span);
            }
        }
        for phases in arrows.values() {
            let count = |phase| phases.iter().filter(|&&it| it == phase).count();
            assert_eq!((count("s"), count("f")), (1, 1), "{phases:?}");
        }
        // Every request has a slice at its client.
        let requests = rows(&files["requests.csv"]).len();
        let clients = events
            .iter()
            .filter(|event| event["ph"] == "X" && event["pid"] == 1);
        assert_eq!(clients.count(), requests);
    }
}

#[test]
fn the_service_map_ends_with_the_pods_that_the_claim_counts() {
    // The claim runs without a warm-up until every request of its curl loop is answered: whoever was reached is on the map.
    let shipped = scenarios::library::find("three-of-ten").expect("a shipped scenario");
    let (_, answer) = run::run(shipped.text, std::num::NonZeroU32::new(1), 2);
    let seed = answer.seed;
    for one in &answer.alternatives {
        let map = rows(&files(one, seed)["service-map.csv"]);
        let last = map.last().expect("an edge");
        let service = one.layout.service_named("nginx").expect("the Service");
        let requests = one.readings.pods.requests(&one.layout, service);
        let reached = requests.iter().filter(|&&count| count > 0).count();
        assert_eq!(last["pods_seen"], reached.to_string(), "{}", one.name);
    }
}
