//! The testbed: a small cluster of real components on one Linux kernel (nginx or HAProxy, iptables or nftables, connection
//! tracking, VXLAN, HTTP servers), recorded configuration by configuration.
//!
//! The files are found by the pattern `E*.json`. E1 and E2 count requests per pod: the same cluster is built as a world and
//! judged by the class of its configuration. E3, E4 and E6 break pods, remove endpoints and check health; E5 times single
//! paths and is counted as not modelled yet.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use observed::{SEEDS, some_seeds};
use serde_json::Value;

mod calibrate;
mod checks;
mod cluster;
mod faults;
mod judge;
mod observed;
mod record;
mod windows;

/// What became of one file.
enum Verdict {
    /// Compared with the simulator, number by number.
    Judged(judge::Comparisons),
    /// Shown beside what the simulator gives; no rule decides.
    Shown(String),
    /// Not understood, or not simulated yet.
    NotJudged(String),
}

/// How many files had which verdict.
#[derive(Default)]
struct Totals {
    judged: usize,
    agreed: usize,
    comparisons: usize,
    comparisons_agreed: usize,
    shown: usize,
    not_judged: usize,
}

#[test]
fn requests_per_pod_agree_with_the_recorded_components() {
    let directory = super::directory().join("testbed");
    let files = recordings(&directory);
    if files.is_empty() {
        println!("skipped: no {}/E*.json", directory.display());
        return;
    }
    let mut totals = Totals::default();
    let mut failures = String::new();
    for path in &files {
        let name = path
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let verdict = verdict(&read(path));
        println!("{}", totals.add(&name, &verdict, &mut failures));
    }
    println!(
        "testbed: {} files: {} judged, {} agreed; {} shown, {} not judged; {} comparisons, {} agreed",
        files.len(),
        totals.judged,
        totals.agreed,
        totals.shown,
        totals.not_judged,
        totals.comparisons,
        totals.comparisons_agreed
    );
    assert!(failures.is_empty(), "{failures}");
    assert!(totals.judged > 0, "some recording is understood");
}

impl Totals {
    /// Counts a file, and says what became of it.
    fn add(&mut self, name: &str, verdict: &Verdict, failures: &mut String) -> String {
        match verdict {
            Verdict::Judged(comparisons) => {
                let wrong = comparisons.disagreements();
                self.judged += 1;
                self.agreed += usize::from(wrong.is_empty());
                self.comparisons += comparisons.len();
                self.comparisons_agreed += comparisons.len() - wrong.len();
                for line in &wrong {
                    writeln!(failures, "{name}: {line}").expect("a string takes any text");
                }
                let agreed = comparisons.len() - wrong.len();
                format!(
                    "{name}: {} judged, {agreed} agreed; {}",
                    comparisons.len(),
                    comparisons.note()
                )
            }
            Verdict::Shown(text) => {
                self.shown += 1;
                format!("{name}: shown only: {text}")
            }
            Verdict::NotJudged(why) => {
                self.not_judged += 1;
                format!("{name}: not judged: {why}")
            }
        }
    }
}

/// The recordings in a directory, by name.
fn recordings(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("the directory can be read").path());
    let is_recording = |path: &PathBuf| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name.starts_with('E') && name.ends_with(".json"))
    };
    let mut found: Vec<PathBuf> = paths.filter(is_recording).collect();
    found.sort();
    found
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a recording that is there can be read");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn verdict(file: &Value) -> Verdict {
    match file["experiment"].as_str() {
        Some("E1" | "E2") => match record::Recording::read(file) {
            Ok(recording) => requests_per_pod(&recording),
            Err(why) => Verdict::NotJudged(why),
        },
        Some("E3" | "E4" | "E6") => faults::verdict(file),
        Some("E5") => Verdict::NotJudged(
            "the cost of source NAT and of a tunnel apart from each other is not modelled yet"
                .into(),
        ),
        other => Verdict::NotJudged(format!("an unknown experiment, {other:?}")),
    }
}

/// Builds the recorded cluster, runs it, and compares by the rule of its class.
fn requests_per_pod(recording: &record::Recording) -> Verdict {
    let config = &recording.config;
    if let Err(why) = cluster::understood(config) {
        return Verdict::NotJudged(why);
    }
    let simulated = || some_seeds(&cluster::blueprint(config, 1.0), SEEDS);
    match cluster::class(config) {
        cluster::Class::NoReuse => {
            Verdict::Judged(judge::without_reuse(&recording.runs, &simulated()))
        }
        cluster::Class::Pooled => Verdict::Judged(judge::with_reuse(
            &recording.runs,
            &calibrate::simulate(recording),
        )),
        cluster::Class::Nothing(why) => Verdict::Shown(format!(
            "{why}; {}",
            judge::beside(&recording.runs, &simulated())
        )),
    }
}
