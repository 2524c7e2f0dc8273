//! What commands print about themselves and about fields.

use scenarios::library::LIBRARY;

use crate::program::{compare, directory, transcript, twohop};

fn golden(name: &str, arguments: &[&str]) {
    let found = transcript(&twohop(arguments));
    if let Err(difference) = compare(&directory().join("golden").join(name), &found) {
        panic!("twohop {}: {difference}", arguments.join(" "));
    }
}

#[test]
fn list_names_the_shipped_scenarios() {
    golden("list.txt", &["list"]);
}

#[test]
fn explain_tells_what_a_field_means() {
    golden("explain-top.txt", &["explain"]);
    golden(
        "explain-field.txt",
        &["explain", "load_balancer.idle_timeout"],
    );
    golden(
        "explain-choices.txt",
        &["explain", "clients.users.arrivals"],
    );
    golden("explain-distribution.txt", &["explain", "service_time"]);
    golden("explain-several.txt", &["explain", "zones"]);
    golden("explain-code.txt", &["explain", "T014"]);
    golden("explain-metric.txt", &["explain", "pod imbalance"]);
    golden("explain-metrics.txt", &["explain", "metrics"]);
    golden("explain-not-yet.txt", &["explain", "prices"]);
    golden("explain-misspelt.txt", &["explain", "idle_timeuot"]);
}

#[test]
fn shipped_scenarios_are_right() {
    golden("check-pods-or-nodes.txt", &["check", "pods-or-nodes"]);
    golden("check-uneven-burst.txt", &["check", "uneven-burst.ron"]);
}

#[test]
fn every_shipped_scenario_prints_exactly_this() {
    // Those of `claims/` are compared where their verdicts are read.
    for shipped in LIBRARY {
        if !shipped.file.starts_with("claims/") {
            golden(&format!("run-{}.txt", shipped.name), &["run", shipped.name]);
        }
    }
    let names: String = LIBRARY
        .iter()
        .map(|shipped| format!("{}\n", shipped.name))
        .collect();
    let listed = twohop(&["list", "--names"]).stdout;
    assert_eq!(String::from_utf8(listed).expect("a text"), names);
}

#[test]
fn place_tells_where_pods_land() {
    let few = |rest: &[&'static str]| -> Vec<&'static str> {
        let place = ["place", "how-many-pods", "--replications", "20"];
        place.into_iter().chain(rest.iter().copied()).collect()
    };
    golden("place.txt", &few(&[]));
    golden(
        "place.md",
        &few(&["--format", "markdown", "--set", "sweeps={}"]),
    );
    golden(
        "place.csv",
        &few(&["--format", "csv", "--set", "sweeps={}"]),
    );
    golden(
        "place.json",
        &few(&["--format", "json", "--set", "sweeps={}"]),
    );
}

#[test]
fn check_says_why_pods_stay_pending() {
    golden("check-pending.txt", &["check", "../surprising/pending.ron"]);
    golden(
        "check-wrong-protocol.txt",
        &["check", "../surprising/wrong-protocol.ron"],
    );
}

#[test]
fn check_says_that_replications_are_too_few() {
    golden(
        "check-few-replications.txt",
        &["check", "../surprising/few-replications.ron"],
    );
}

#[test]
fn place_tells_what_the_book_shows() {
    let one = ["place", "eroded-spread", "--set", "alternatives={}"];
    golden(
        "place-rollout.txt",
        &[&one[..], &["--rollout", "3"]].concat(),
    );
    for name in ["eroded-spread", "one-zone-label", "lost-zone", "max-skew"] {
        golden(&format!("place-{name}.txt"), &["place", name]);
    }
}

#[test]
fn place_asks_for_nodes_and_pods_alone() {
    let file = "../surprising/nodes-and-pods.ron";
    golden(
        "place-nodes-and-pods.txt",
        &["place", file, "--rollout", "1"],
    );
}

#[test]
fn place_does_not_depend_on_the_number_of_threads() {
    let on = |threads| {
        let arguments = [
            "place",
            "how-many-pods",
            "--rollout",
            "1",
            "--threads",
            threads,
        ];
        twohop(&arguments).stdout
    };
    assert_eq!(on("1"), on("3"));
}

#[test]
fn show_prints_a_scenario_as_it_is_shipped() {
    let library = directory().join("../../../scenarios/library/pods-or-nodes.ron");
    let shipped = std::fs::read_to_string(library).expect("the library exists");
    assert_eq!(
        String::from_utf8(twohop(&["show", "pods-or-nodes"]).stdout).expect("a text"),
        shipped
    );
    assert_eq!(twohop(&["show", "nothing"]).status.code(), Some(2));
}

#[test]
fn the_schema_is_one() {
    let output = twohop(&["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(schema["title"], "Scenario");
    assert!(schema["properties"]["load_balancer"].is_object());
}

#[test]
fn completions_know_the_commands() {
    let output = twohop(&["completions", "bash"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("explain"));
}
