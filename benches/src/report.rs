//! What a run of a workload reports: one line of JSON.

use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write;
use std::time::Instant;

/// Wall and processor time since a point.
///
/// On a shared machine the processor time of the process does not count what others took.
pub struct Stopwatch {
    wall: Instant,
    cpu: f64,
}

/// What a stopwatch shows, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Elapsed {
    /// Wall time.
    pub wall: f64,
    /// Processor time of the whole process.
    pub cpu: f64,
}

impl Stopwatch {
    /// Starts.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "to measure wall time is what a benchmark is for"
    )]
    pub fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: cpu_seconds(),
        }
    }

    /// Reads.
    #[must_use]
    pub fn elapsed(&self) -> Elapsed {
        Elapsed {
            wall: self.wall.elapsed().as_secs_f64(),
            cpu: cpu_seconds() - self.cpu,
        }
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The most memory the process has held, in KiB; 0 where the system does not say.
fn peak_resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|value| value.trim().trim_end_matches(" kB").trim().parse().ok())
        .unwrap_or(0)
}

/// The result of one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Events handled.
    pub events: u64,
    /// What the rate counts: events (W1, W2), customers (W3) or requests (W4, W5).
    pub units: u64,
    /// Further numbers by name.
    pub more: Vec<(&'static str, f64)>,
}

impl Outcome {
    /// A workload whose unit is the event.
    #[must_use]
    pub const fn of_events(events: u64) -> Self {
        Self {
            events,
            units: events,
            more: Vec::new(),
        }
    }
}

/// The line of JSON for a workload.
#[must_use]
pub fn line(workload: &str, outcome: &Outcome, elapsed: Elapsed) -> String {
    let Outcome {
        events,
        units,
        more,
    } = outcome;
    let Elapsed { wall, cpu } = elapsed;
    let resident = peak_resident_kib();
    let mut line = format!(
        r#"{{"w":"{workload}","events":{events},"units":{units},"wall":{wall:.6},"cpu":{cpu:.6},"rss_kib":{resident}"#
    );
    for (name, value) in more {
        write!(line, r#","{name}":{value}"#).expect("a string takes whatever is written");
    }
    line + "}"
}
