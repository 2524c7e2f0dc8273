//! The same question has the same answer, byte for byte, however it is asked.

use std::fs;
use std::path::PathBuf;

use crate::program::twohop;

/// A short run of a shipped scenario that still has everything in it: two services, three alternatives, pooled connections.
const SHORT: [&str; 8] = [
    "run",
    "pods-or-nodes",
    "--set",
    "run.length=\"20s\"",
    "--set",
    "run.warm_up=\"5s\"",
    "--replications",
    "3",
];

/// What is printed with more arguments.
fn printed(more: &[&str]) -> String {
    let arguments: Vec<&str> = SHORT.iter().chain(more).copied().collect();
    let output = twohop(&arguments);
    String::from_utf8(output.stdout).expect("a text")
}

/// A directory of this test alone.
fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    path
}

#[test]
fn one_thread_is_many() {
    let one = printed(&["--threads", "1", "--format", "json"]);
    assert!(one.contains("\"fingerprint\""), "{one}");
    for threads in ["2", "5"] {
        assert!(
            printed(&["--threads", threads, "--format", "json"]) == one,
            "{threads} threads"
        );
    }
}

#[test]
fn another_seed_is_another_answer() {
    let json = printed(&["--format", "json"]);
    assert_eq!(printed(&["--format", "json"]), json);
    assert_ne!(printed(&["--format", "json", "--seed", "1"]), json);
}

#[test]
fn listening_changes_nothing() {
    let quiet = printed(&["--format", "json"]);
    let traced = directory("traced");
    let out = traced.to_str().expect("UTF-8");
    let printed = printed(&["--format", "json", "--out", out, "--trace"]);
    assert!(printed == quiet);
    let kept = fs::read_to_string(traced.join("results.json")).expect("results");
    assert!(kept == quiet);
    // Every request that the run counts has a line, and those of the warm-up have one too.
    let trace = fs::read_to_string(traced.join("trace/ip/requests.csv")).expect("a trace");
    let results: serde_json::Value = serde_json::from_str(&kept).expect("JSON");
    let requests = results["alternatives"][2]["numbers"]
        .as_array()
        .and_then(|numbers| {
            numbers
                .iter()
                .find(|one| one["name"] == "requests" && one["scope"] == "overall")
        })
        .and_then(|one| one["values"][0].as_f64())
        .unwrap_or_else(|| {
            panic!(
                "requests of replication 0 in {}",
                results["alternatives"][2]["numbers"][0]
            )
        });
    let lines = (trace.lines().count() - 1) as f64;
    assert!(
        lines > requests && lines < 1.4 * requests,
        "{lines} lines, {requests} requests in 20 of 25 seconds"
    );
}

#[test]
fn alternatives_stand_alone() {
    let shipped = twohop(&["show", "pods-or-nodes"]).stdout;
    let shipped = String::from_utf8(shipped).expect("a text");
    let begin = shipped.find("    alternatives: {").expect("alternatives");
    let end = begin + shipped[begin..].find("    },\n").expect("their end");
    let swapped = format!(
        "{}    alternatives: {{\n        \"ip\": {{ \"cluster.network\": CiliumChained, \"load_balancer.target_groups.*.target_type\": Ip }},\n        \"instance, Cluster\": {{}},\n{}",
        &shipped[..begin],
        &shipped[end..]
    );
    let directory = directory("swapped");
    fs::create_dir_all(&directory).expect("can be made");
    let file = directory.join("swapped.ron");
    fs::write(&file, swapped).expect("can be written");
    let mut arguments = SHORT.to_vec();
    arguments[1] = file.to_str().expect("UTF-8");
    arguments.extend(["--format", "json"]);
    let swapped: serde_json::Value =
        serde_json::from_slice(&twohop(&arguments).stdout).expect("JSON");
    let written: serde_json::Value =
        serde_json::from_str(&printed(&["--format", "json"])).expect("JSON");
    let of = |results: &serde_json::Value, name: &str| {
        let mut one = results["alternatives"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["name"] == name))
            .cloned()
            .expect("the alternative");
        // Differences are to the first alternative, which is another one.
        for number in one["numbers"].as_array_mut().expect("numbers") {
            number
                .as_object_mut()
                .expect("an object")
                .remove("difference");
        }
        one
    };
    for name in ["ip", "instance, Cluster"] {
        assert!(of(&swapped, name) == of(&written, name), "{name}");
    }
}
