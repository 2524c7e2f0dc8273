//! W4: a balancer, twenty nodes, a hundred pods.
//!
//! Requests arrive at 20,000/s from 1,000 clients. The balancer deals them to the nodes in turn; the node picks one of
//! all pods uniformly; a pod serves four at a time and queues the rest. Hops take a constant time, the same there and
//! back: 0.25 ms between client and node, 0.05 ms to a pod on the node, 0.30 ms to a pod elsewhere.

mod arrival;
mod full;
mod merged;
mod six;

use crate::draw;
use crate::report::Outcome;
use sim_core::{Histogram, Model, SimDuration, SimTime, Simulation, Stream};
use std::collections::VecDeque;
use std::str::FromStr;

const GAP_NANOS: f64 = 50_000.0;
const CLIENTS: u32 = 1000;
const NODES: u32 = 20;
const PODS: u32 = 100;
const WORKERS: usize = 4;
const TO_NODE: SimDuration = SimDuration::from_micros(250);
const TO_LOCAL_POD: SimDuration = SimDuration::from_micros(50);
const TO_REMOTE_POD: SimDuration = SimDuration::from_micros(300);

/// How the way of a request is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Every hop is an event: six per request.
    Six,
    /// Constant hops are added up: three events per request.
    Merged,
    /// Completions are computed when a request reaches its pod: two events per request.
    Arrival,
    /// The whole ingress model with all default metrics; a connection to a target carries many requests.
    Full,
    /// The same with a connection for each request.
    FullFresh,
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "six" => Ok(Self::Six),
            "merged" => Ok(Self::Merged),
            "arrival" => Ok(Self::Arrival),
            "full" => Ok(Self::Full),
            "full-fresh" => Ok(Self::FullFresh),
            _ => Err(format!(
                "found path={text}, expected six, merged, arrival, full or full-fresh"
            )),
        }
    }
}

/// Simulates `secs` seconds of traffic and drains.
#[must_use]
pub fn run(path: Path, secs: f64, seed: u64) -> Outcome {
    let traffic = Traffic {
        stream: draw::stream(seed),
        cursor: 0,
        end: SimTime::ZERO + SimDuration::from_secs_f64(secs),
    };
    match path {
        Path::Six => drained(six::ready(traffic), |model| model.ledger),
        Path::Merged => drained(merged::ready(traffic), |model| model.ledger),
        Path::Arrival => drained(arrival::ready(traffic), |model| model.ledger),
        Path::Full => full::run(full::Reuse::Pooled, secs, seed),
        Path::FullFresh => full::run(full::Reuse::Never, secs, seed),
    }
}

fn drained<M: Model>(mut simulation: Simulation<M>, ledger: impl FnOnce(M) -> Ledger) -> Outcome {
    simulation.run().expect("there is no limit on events");
    let events = simulation.events();
    ledger(simulation.into_model()).outcome(events)
}

/// Who sends what, and where the balancer sends it.
struct Traffic {
    stream: Stream,
    /// The node whose turn it is.
    cursor: u16,
    end: SimTime,
}

impl Traffic {
    fn gap(&mut self) -> SimDuration {
        draw::exponential(&mut self.stream, GAP_NANOS)
    }

    fn client(&mut self) -> u32 {
        draw::below(&mut self.stream, CLIENTS)
    }

    fn pod(&mut self) -> u32 {
        draw::below(&mut self.stream, PODS)
    }

    fn next_node(&mut self) -> u16 {
        let node = self.cursor;
        self.cursor = if u32::from(node) + 1 == NODES {
            0
        } else {
            node + 1
        };
        node
    }

    /// Mean 15 ms, coefficient of variation 1: the logarithm has variance ln 2 and mean ln 15e6 - (ln 2) / 2. To base 2
    /// that is a standard deviation of 1 / sqrt(ln 2) and a mean of log2 15e6 - 1/2.
    fn service(&mut self) -> SimDuration {
        const SIGMA: f64 = 1.201_122_408_786_449_8;
        const MU: f64 = 23.838_459_164_932_695 - 0.5;
        draw::log_normal(&mut self.stream, MU, SIGMA)
    }
}

/// The time from a node to a pod; pod p runs on node p mod 20.
fn hop(node: u16, pod: u32) -> SimDuration {
    if pod % NODES == u32::from(node) {
        TO_LOCAL_POD
    } else {
        TO_REMOTE_POD
    }
}

/// A request under way.
#[derive(Clone, Copy)]
struct Request {
    sent: SimTime,
    client: u32,
    node: u16,
    pod: u16,
}

/// Requests under way, by number; numbers are used again.
#[derive(Default)]
struct Requests {
    all: Vec<Request>,
    free: Vec<u32>,
}

impl Requests {
    fn add(&mut self, request: Request) -> u32 {
        match self.free.pop() {
            Some(id) => {
                self.all[id as usize] = request;
                id
            }
            None => {
                self.all.push(request);
                self.all.len() as u32 - 1
            }
        }
    }

    fn get(&self, id: u32) -> Request {
        self.all[id as usize]
    }

    fn remove(&mut self, id: u32) -> Request {
        self.free.push(id);
        self.get(id)
    }
}

/// A pod with its workers and its queue.
#[derive(Clone, Default)]
struct Pod {
    busy: usize,
    queue: VecDeque<u32>,
}

impl Pod {
    /// Takes a request in: into service (`true`) or into the queue.
    fn admit(&mut self, id: u32) -> bool {
        let is_free = self.busy < WORKERS;
        if is_free {
            self.busy += 1;
        } else {
            self.queue.push_back(id);
        }
        is_free
    }

    /// Lets one out; who enters service instead, if anyone.
    fn finish(&mut self) -> Option<u32> {
        let next = self.queue.pop_front();
        self.busy -= usize::from(next.is_none());
        next
    }
}

/// What came of the requests.
struct Ledger {
    latency: Histogram,
    by_pod: Vec<u64>,
    by_client: Vec<u64>,
}

impl Ledger {
    fn new() -> Self {
        Self {
            latency: Histogram::new(),
            by_pod: vec![0; PODS as usize],
            by_client: vec![0; CLIENTS as usize],
        }
    }

    fn outcome(&self, events: u64) -> Outcome {
        let units = self.latency.count();
        assert_eq!(
            self.by_pod.iter().sum::<u64>(),
            units,
            "every request was served by one pod"
        );
        assert_eq!(
            self.by_client.iter().sum::<u64>(),
            units,
            "every request came back to its client"
        );
        let mut more = latencies(&self.latency);
        more.extend([
            (
                "pod_min",
                self.by_pod
                    .iter()
                    .min()
                    .map_or(f64::NAN, |&count| count as f64),
            ),
            (
                "pod_max",
                self.by_pod
                    .iter()
                    .max()
                    .map_or(f64::NAN, |&count| count as f64),
            ),
        ]);
        Outcome {
            events,
            units,
            more,
        }
    }
}

fn latencies(latency: &Histogram) -> Vec<(&'static str, f64)> {
    let millis = |nanos: Option<u64>| nanos.map_or(f64::NAN, |nanos| nanos as f64 / 1e6);
    vec![
        ("mean_ms", latency.mean().unwrap_or(f64::NAN) / 1e6),
        ("p50_ms", millis(latency.quantile(0.5))),
        ("p99_ms", millis(latency.quantile(0.99))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cuts_of_the_way_tell_the_same() {
        // 60 s are 1.2 million requests; their mean latency, 23.5 ms, is known to about 0.3 %.
        let mean = |path| run(path, 60.0, 1).more[0].1;
        for path in [Path::Six, Path::Merged, Path::Arrival] {
            assert!(
                (mean(path) / 23.5 - 1.0).abs() < 0.01,
                "{path:?}: {}",
                mean(path)
            );
        }
    }

    #[test]
    fn every_request_is_accounted_once() {
        for (path, per_request) in [(Path::Six, 6), (Path::Merged, 3), (Path::Arrival, 2)] {
            let outcome = run(path, 1.0, 2);
            assert_eq!(outcome.events, per_request * outcome.units, "{path:?}");
        }
    }

    #[test]
    fn the_whole_model_agrees_but_for_the_handshake() {
        // With a connection per request, a handshake goes to the pod and back before the request does: one pod in twenty
        // is on the node, so 2 (0.25 + 0.05 / 20 + 0.30 * 19 / 20) ms = 1.075 ms come on top of 23.5 ms.
        let outcome = run(Path::FullFresh, 60.0, 1);
        assert!(
            (outcome.more[0].1 / 24.575 - 1.0).abs() < 0.01,
            "{outcome:?}"
        );
    }

    #[test]
    fn connections_that_are_used_again_load_pods_unevenly() {
        let spread = |path| {
            let of = |outcome: &Outcome, name| {
                outcome.more.iter().find(|(key, _)| *key == name).unwrap().1
            };
            let outcome = run(path, 10.0, 1);
            of(&outcome, "pod_max") / of(&outcome, "pod_min")
        };
        // 200,000 requests on 100 pods: drawn for each request, a pod gets 2,000 ± 45 of them, and even five standard
        // deviations on both sides leave max/min below 1.26. Drawn for each connection, the spread is that of far fewer draws.
        assert!(spread(Path::FullFresh) < 1.26);
        assert!(spread(Path::Full) > 1.26);
    }
}
