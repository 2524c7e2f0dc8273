//! How is a question put to the model: alternatives × replications, and how long, and how often?
//!
//! Every alternative runs the same replications on the same random numbers. Length of the warm-up and number of
//! replications are found with the first alternative alone, so no other alternative can change a result by being there.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use sim_core::Fingerprint;
use sim_models::world::RunError;
use sim_models::world::blueprint::Blueprint;

use crate::auto::Auto;
use crate::load::{self, Loaded};
use crate::measure::objective::Objective;
use crate::scenario::Scenario;

pub mod answer;
mod case;
mod crew;
pub mod plan;
#[cfg(test)]
mod tests;
mod trust;

pub use answer::{Alternative as AlternativeAnswer, Answer, Judgement, ObjectiveAnswer, Warning};

use case::{Case, Runner};
use crew::Crew;
use plan::WarmUpFound;

/// A question to the model.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Seed of all random numbers.
    pub seed: u64,
    /// What is compared; the first one is the reference. At least one.
    pub alternatives: Vec<Alternative>,
    /// How often each is run.
    pub replications: Replications,
    /// How much of the start is thrown away.
    pub warm_up: WarmUp,
    /// What must hold.
    pub objectives: Vec<Objective>,
    /// Threads to run replications on; they leave no trace in the answer.
    pub threads: NonZeroUsize,
}

impl Experiment {
    /// The question that a scenario asks: every case an alternative, in the order of the file.
    #[must_use]
    pub fn of(loaded: &Loaded, threads: NonZeroUsize) -> Self {
        let run = &loaded.scenario.run;
        let alternative = |case: &load::Case| Alternative {
            name: case.name.clone(),
            settings: case.point.clone(),
            blueprint: case.blueprint.clone(),
            placed_from: Some(Arc::new(case.scenario.clone())),
        };
        Experiment {
            seed: loaded.scenario.seed,
            alternatives: loaded.cases.iter().map(alternative).collect(),
            replications: match run.replications {
                Auto::Auto => Replications::Auto,
                Auto::Given(count) => Replications::Exactly(count),
            },
            warm_up: match run.warm_up {
                Auto::Auto => WarmUp::Auto,
                Auto::Given(_) => WarmUp::AsWritten,
            },
            objectives: loaded.objectives.clone(),
            threads,
        }
    }
}

/// One way how things could be.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// Name, unique: of the alternative, with the values of the sweeps.
    pub name: String,
    /// The values of the sweeps: path and value as written.
    pub settings: Vec<(String, String)>,
    /// What is simulated.
    pub blueprint: Blueprint,
    /// The scenario whose pods are placed anew in every replication, so that the answer does not hang on one draw of the
    /// scheduler's ties; `None` to keep the pods of the blueprint, which are those of replication 0.
    pub placed_from: Option<Arc<Scenario>>,
}

/// How often each alternative is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replications {
    /// So often.
    Exactly(NonZeroU32),
    /// 10 times, then in rounds of 10 until the first alternative is known well enough, at most 200 times.
    Auto,
}

/// How much of the start is thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// What the blueprints say.
    AsWritten,
    /// Found by MSER-5 in pilot runs of the first alternative, and the same for all.
    Auto,
}

/// Who wants to know how far it is.
pub trait Progress: Sync {
    /// `done` of `total` runs are over; with `Auto` replications the total may grow.
    fn at(&self, done: u64, total: u64);

    /// Whether to stop at the next opportunity.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Nobody wants to know.
impl Progress for () {
    fn at(&self, _: u64, _: u64) {}
}

/// Why an experiment has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// There is nothing to run.
    #[error("an experiment needs at least one alternative")]
    NoAlternative,
    /// A run ended in an error.
    #[error("alternative {alternative:?}, replication {replication}: {source}")]
    Run {
        /// Name of the alternative.
        alternative: String,
        /// Which replication, from 0.
        replication: u64,
        /// What happened.
        source: Box<RunError>,
    },
    /// An objective names a Service that an alternative does not have.
    #[error(
        "objective {objective:?} names a service that alternative {alternative:?} does not have"
    )]
    NoSuchService {
        /// The objective.
        objective: String,
        /// Name of the alternative.
        alternative: String,
    },
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why not.
        reason: String,
    },
    /// Someone asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// Runs an experiment.
///
/// The answer is the same on any number of threads.
///
/// # Errors
///
/// [`ExperimentError`]: when a run needs more events than its budget, when an objective names a Service that is not
/// there, when cancelled.
pub fn run(experiment: &Experiment, progress: &dyn Progress) -> Result<Answer, ExperimentError> {
    run_with(experiment, progress, &case::World)
}

fn run_with(
    experiment: &Experiment,
    progress: &dyn Progress,
    runner: &dyn Runner,
) -> Result<Answer, ExperimentError> {
    let first = experiment
        .alternatives
        .first()
        .ok_or(ExperimentError::NoAlternative)?;
    let crew = Crew::new(experiment, progress, runner)?;
    let found = match experiment.warm_up {
        WarmUp::AsWritten => None,
        WarmUp::Auto => Some(crew.find_warm_up(first)?),
    };
    let cut = found.map(|found| found.cut);
    let prepare = |alternative| Case::new(experiment, alternative, cut);
    let mut cases = experiment
        .alternatives
        .iter()
        .map(prepare)
        .collect::<Result<Vec<Case<'_>>, ExperimentError>>()?;
    let replications = match experiment.replications {
        Replications::Exactly(count) => count.get(),
        Replications::Auto => crew.run_until_known(&mut cases[0])?,
    };
    crew.run_to(&mut cases, replications)?;
    Ok(answer(experiment, cases, replications, found))
}

fn answer(
    experiment: &Experiment,
    cases: Vec<Case<'_>>,
    replications: u32,
    found: Option<WarmUpFound>,
) -> Answer {
    let mut warnings = Vec::new();
    if let Some(WarmUpFound {
        cut,
        settled: false,
    }) = found
    {
        warnings.push(Warning::WarmUpUnsettled { cut });
    }
    if replications == 1 {
        warnings.push(Warning::OneReplication);
    }
    if experiment.replications == Replications::Auto && replications == plan::CAP {
        warnings.extend(cases[0].unknown().map(|(what, relative_half_width)| {
            Warning::ReplicationsAtCap {
                what,
                relative_half_width,
            }
        }));
    }
    let alternatives: Vec<AlternativeAnswer> = cases
        .into_iter()
        .map(|case| case.answer(&experiment.objectives))
        .collect();
    warnings.extend(
        alternatives
            .iter()
            .flat_map(|alternative| trust::warnings(alternative, &experiment.objectives)),
    );
    let mut fingerprint = Fingerprint::new();
    alternatives
        .iter()
        .for_each(|alternative| fingerprint.join(alternative.fingerprint));
    Answer {
        seed: experiment.seed,
        replications,
        replications_rule: experiment.replications,
        warm_up_rule: experiment.warm_up,
        objectives: experiment.objectives.clone(),
        alternatives,
        warnings,
        fingerprint,
    }
}
