//! What happened to each request? Replication 0 of an alternative once more, with listeners that write everything down.
//!
//! | file | what it holds |
//! |---|---|
//! | `requests.csv` | a line for each finished request: [`requests`] |
//! | `access_ADDRESS.log` | the access log of the load balancer node with this address: [`access_log`] |
//! | `flows.jsonl` | what Hubble would show of each new connection: [`flows`]; only where Cilium is on the nodes |
//! | `service-map.csv` | the edges that those connections draw on a service map, in their order: [`service_map`] |
//! | `trace.perfetto.json` | the same requests on a time line: [`perfetto`] |
//!
//! A run with a listener is the run without: it takes the same course, event by event. The warm-up is written too. A run begins
//! at 2026-01-01T00:00:00Z.

use std::io::{self, Write};

use scenarios::experiment::answer::Alternative;
use sim_core::{SimTime, Streams};
use sim_models::observe::{Observation, Recorder};
use sim_models::world::{self, RunError};

use scene::Scene;

pub mod access_log;
mod clock;
pub mod flows;
pub mod perfetto;
pub mod requests;
mod scene;
pub mod service_map;

/// Why a trace was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// A file could not be opened or written.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Runs replication 0 of an alternative again and writes every file of its trace; `open` opens one by its name.
///
/// # Errors
///
/// [`TraceError`] when a file cannot be opened or written, or the run fails.
pub fn write<W: Write>(
    alternative: &Alternative,
    seed: u64,
    mut open: impl FnMut(&str) -> io::Result<W>,
) -> Result<(), TraceError> {
    let scene = Scene::of(alternative, seed);
    let flows = match flows::is_seen(scene.blueprint) {
        true => Some(flows::Writer::new(open("flows.jsonl")?)),
        false => None,
    };
    let mut logs = Vec::new();
    for address in scene.addresses.load_balancer_nodes.iter() {
        logs.push(open(&format!("access_{address}.log"))?);
    }
    let scribe = Scribe {
        requests: requests::Writer::new(open("requests.csv")?)?,
        access_log: access_log::Writer::new(logs),
        flows,
        service_map: service_map::Writer::new(open("service-map.csv")?, &scene)?,
        perfetto: perfetto::Writer::new(open("trace.perfetto.json")?, &scene)?,
        scene,
        refused: None,
    };
    let ended = world::run(&alternative.blueprint, Streams::new(seed, 0), scribe)?;
    Ok(ended.recorder.finish()?)
}

/// Writes down what it hears, each file by its own writer.
struct Scribe<'a, W> {
    scene: Scene<'a>,
    requests: requests::Writer<W>,
    access_log: access_log::Writer<W>,
    flows: Option<flows::Writer<W>>,
    service_map: service_map::Writer<W>,
    perfetto: perfetto::Writer<W>,
    /// Why some file refused, after which nothing is written.
    refused: Option<io::Error>,
}

impl<W: Write> Scribe<'_, W> {
    fn hear(&mut self, now: SimTime, seen: &Observation<'_>) -> io::Result<()> {
        self.scene.see(seen);
        match seen {
            Observation::Finished(request) => {
                self.requests.finished(&self.scene, request)?;
                self.access_log.finished(&self.scene, now, request)?;
                self.service_map.finished(request);
            }
            Observation::Opened { request, there, .. } => {
                if let Some(flows) = &mut self.flows {
                    flows.opened(&self.scene, now, *there, request)?;
                }
                self.service_map.opened(&self.scene, *there, request)?;
            }
            _ => {}
        }
        self.perfetto.see(&self.scene, now, seen)
    }

    fn finish(self) -> io::Result<()> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        self.requests.finish()?;
        self.access_log.finish()?;
        if let Some(flows) = self.flows {
            flows.finish()?;
        }
        self.service_map.finish()?;
        self.perfetto.finish(&self.scene)
    }
}

impl<W: Write> Recorder for Scribe<'_, W> {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        if self.refused.is_none() {
            self.refused = self.hear(now, &seen).err();
        }
    }
}
