//! Who does the work: replications on threads, their results folded in order.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use sim_core::{SimDuration, Streams};

use super::case::{Case, Replicated, Runner, failed};
use super::plan::{self, WarmUpFound};
use super::{Alternative, Experiment, ExperimentError, Progress, Replications, WarmUp};
use crate::measure::layout::Layout;
use crate::measure::observer::{Keep, Observed, Observer, Part, Watch, Watched};

/// Threads with work to do.
pub(super) struct Crew<'a> {
    experiment: &'a Experiment,
    progress: &'a dyn Progress,
    runner: &'a dyn Runner,
    pool: ThreadPool,
    done: AtomicU64,
    total: AtomicU64,
}

/// Replications in the works for each thread: enough that none waits for the slowest, few enough that their readings
/// take little memory.
const IN_THE_WORKS: usize = 4;

impl<'a> Crew<'a> {
    /// Starts the threads.
    pub(super) fn new(
        experiment: &'a Experiment,
        progress: &'a dyn Progress,
        runner: &'a dyn Runner,
    ) -> Result<Self, ExperimentError> {
        let threads = experiment.threads.get();
        let refused = |error: rayon::ThreadPoolBuildError| ExperimentError::Threads {
            threads,
            reason: error.to_string(),
        };
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(refused)?;
        let replications = match experiment.replications {
            Replications::Exactly(count) => count.get(),
            Replications::Auto => plan::ROUND,
        };
        let pilots = if experiment.warm_up == WarmUp::Auto {
            plan::PILOTS
        } else {
            0
        };
        let total = u64::from(replications) * experiment.alternatives.len() as u64 + pilots;
        Ok(Self {
            experiment,
            progress,
            runner,
            pool,
            done: AtomicU64::new(0),
            total: AtomicU64::new(total),
        })
    }

    /// Runs the first alternative until what is asked of it is known well enough; how many replications that took.
    pub(super) fn run_until_known(&self, first: &mut Case<'_>) -> Result<u32, ExperimentError> {
        loop {
            let worst = first
                .unknown()
                .map(|(_, relative)| relative)
                .fold(0.0, f64::max);
            let Some(next) = plan::next_round(first.done(), worst) else {
                return Ok(first.done());
            };
            let others = self.experiment.alternatives.len() as u64;
            self.total.fetch_add(
                u64::from(next.saturating_sub(first.done().max(plan::ROUND))) * others,
                Ordering::Relaxed,
            );
            self.run_to(std::slice::from_mut(first), next)?;
        }
    }

    /// Runs every case until it has so many replications.
    pub(super) fn run_to(
        &self,
        cases: &mut [Case<'_>],
        replications: u32,
    ) -> Result<(), ExperimentError> {
        let missing = |(index, case): (usize, &Case<'_>)| {
            (case.done()..replications)
                .map(move |replication| (index, replication))
                .collect()
        };
        let jobs: Vec<(usize, u32)> = cases
            .iter()
            .enumerate()
            .flat_map::<Vec<_>, _>(missing)
            .collect();
        for batch in jobs.chunks(IN_THE_WORKS * self.experiment.threads.get()) {
            let run =
                |&(index, replication): &(usize, u32)| self.run_one(&cases[index], replication);
            let results: Vec<Result<Replicated, ExperimentError>> = self
                .pool
                .install(|| batch.par_iter().with_max_len(1).map(run).collect());
            for (&(index, _), result) in batch.iter().zip(results) {
                cases[index].add(result?);
            }
        }
        Ok(())
    }

    fn run_one(&self, case: &Case<'_>, replication: u32) -> Result<Replicated, ExperimentError> {
        self.check()?;
        let replicated = case.replicate(self.streams(u64::from(replication)), self.runner)?;
        self.tell();
        Ok(replicated)
    }

    /// Looks for the end of the warm-up in pilot runs of an alternative.
    pub(super) fn find_warm_up(
        &self,
        alternative: &Alternative,
    ) -> Result<WarmUpFound, ExperimentError> {
        let blueprint = plan::pilot(&alternative.blueprint);
        let layout = Layout::of(&blueprint);
        let looked_at = plan::looked_at(&self.experiment.objectives, &layout);
        let watch = |(quantity, scopes)| {
            let part = Part::Windows {
                width: plan::BIN,
                from: SimDuration::ZERO,
                keep: Keep::Every,
            };
            Watch::new(quantity, scopes, part, &layout)
        };
        let watches: Vec<Watch> = looked_at.into_iter().map(watch).collect();
        let run = |replication: u64| {
            self.check()?;
            let streams = self.streams(replication);
            let observer = Observer::of_watches(&layout, watches.clone());
            let ended = self
                .runner
                .run(&blueprint, streams, observer)
                .map_err(|source| failed(alternative, streams, source))?;
            self.tell();
            let Observed { watched, .. } = ended.recorder.finish(ended.ended_at);
            Ok(watched)
        };
        let pilots: Result<Vec<Vec<Watched>>, ExperimentError> = self
            .pool
            .install(|| {
                (0..plan::PILOTS)
                    .into_par_iter()
                    .map(run)
                    .collect::<Vec<_>>()
            })
            .into_iter()
            .collect();
        Ok(plan::find_warm_up(&pilots?, &alternative.blueprint))
    }

    fn streams(&self, replication: u64) -> Streams {
        Streams::new(self.experiment.seed, replication)
    }

    fn check(&self) -> Result<(), ExperimentError> {
        if self.progress.cancelled() {
            Err(ExperimentError::Cancelled)
        } else {
            Ok(())
        }
    }

    fn tell(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.progress.at(done, self.total.load(Ordering::Relaxed));
    }
}
