//! One alternative on its way: what is run, and what its replications have added up to.

use sim_core::{Fingerprint, SimDuration, SimTime, Streams};
use sim_models::world::blueprint::Blueprint;
use sim_models::world::{self, Ended, RunError};

use super::answer::{self, Judgement, ObjectiveAnswer, Values, estimate};
use super::{Alternative, Experiment, ExperimentError, plan};
use crate::lower::pods;
use crate::measure::layout::{Layout, Scope};
use crate::measure::metric::{Quantity, Readings};
use crate::measure::objective::{Objective, Verdict, When};
use crate::measure::observer::{Keep, Observed, Observer, Part, Watch};
use crate::measure::quantity::Absent;
use crate::measure::reading::Merge;
use crate::placement::Cluster;
use crate::scenario::Scenario;

/// The cluster of a scenario in which ties of the scheduler decide anything.
fn scheduled(scenario: &Scenario) -> Option<Cluster<'_>> {
    let mut deployments = scenario.deployments.values();
    deployments
        .any(|deployment| deployment.placement.is_none())
        .then(|| Cluster::of(scenario))
}

/// One value for each replication, or one for each scope.
type Samples = Vec<Result<f64, Absent>>;

/// What simulates: the world, or in tests something simpler.
pub(super) trait Runner: Sync {
    /// Runs a blueprint once.
    fn run<'a>(
        &self,
        blueprint: &Blueprint,
        streams: Streams,
        observer: Observer<'a>,
    ) -> Result<Ended<Observer<'a>>, RunError>;
}

/// The world of the models.
pub(super) struct World;

impl Runner for World {
    fn run<'a>(
        &self,
        blueprint: &Blueprint,
        streams: Streams,
        observer: Observer<'a>,
    ) -> Result<Ended<Observer<'a>>, RunError> {
        world::run(blueprint, streams, observer)
    }
}

/// One alternative, and what its replications have added up to.
pub(super) struct Case<'a> {
    alternative: &'a Alternative,
    objectives: &'a [Objective],
    blueprint: Blueprint,
    layout: Layout,
    /// The cluster whose pods are placed anew in every replication.
    cluster: Option<Cluster<'a>>,
    /// The scopes of each objective.
    scopes: Vec<Vec<Scope>>,
    readings: Readings,
    /// Those of the first replication alone.
    first: Option<Readings>,
    /// Where the pods lie at the end of the first replication, where some were created or deleted.
    at_end: Option<Layout>,
    values: Values,
    /// For each objective and scope, its value in each replication; empty for objectives on the whole run.
    watched: Vec<Vec<Samples>>,
    fingerprint: Fingerprint,
    events: u64,
    in_flight: u64,
    done: u32,
}

/// A number that the rule of `Auto` replications looks at: name, quantity, and its values so far.
type LookedAt = (String, Quantity, Samples);

/// What came out of one replication.
pub(super) struct Replicated {
    readings: Readings,
    values: Samples,
    watched: Vec<Samples>,
    fingerprint: Fingerprint,
    events: u64,
    in_flight: u64,
    at_end: Option<Layout>,
}

impl<'a> Case<'a> {
    /// An alternative without replications; `warm_up` replaces that of its blueprint.
    pub(super) fn new(
        experiment: &'a Experiment,
        alternative: &'a Alternative,
        warm_up: Option<SimDuration>,
    ) -> Result<Self, ExperimentError> {
        let mut blueprint = alternative.blueprint.clone();
        blueprint.run.warm_up = warm_up.unwrap_or(blueprint.run.warm_up);
        let layout = Layout::of(&blueprint);
        let scopes = scopes(&experiment.objectives, alternative, &layout)?;
        Ok(Self {
            alternative,
            objectives: &experiment.objectives,
            readings: Readings::new(&layout),
            first: None,
            at_end: None,
            values: Values::new(&layout),
            watched: scopes
                .iter()
                .map(|scopes| vec![Vec::new(); scopes.len()])
                .collect(),
            scopes,
            cluster: alternative.placed_from.as_deref().and_then(scheduled),
            blueprint,
            layout,
            fingerprint: Fingerprint::new(),
            events: 0,
            in_flight: 0,
            done: 0,
        })
    }

    /// Replications that have been added.
    pub(super) fn done(&self) -> u32 {
        self.done
    }

    /// Runs one replication.
    pub(super) fn replicate(
        &self,
        streams: Streams,
        runner: &dyn Runner,
    ) -> Result<Replicated, ExperimentError> {
        let placed = self.placed(streams);
        let (blueprint, layout) = match &placed {
            Some((blueprint, layout)) => (blueprint, layout),
            None => (&self.blueprint, &self.layout),
        };
        let from = SimTime::ZERO + blueprint.run.warm_up;
        let observer = Observer::new(layout, from, self.watches());
        let ended = runner
            .run(blueprint, streams, observer)
            .map_err(|source| failed(self.alternative, streams, source))?;
        let Observed {
            layout: at_end,
            readings,
            watched,
        } = ended.recorder.finish(ended.ended_at);
        let readings = readings.expect("this observer listens with all metrics");
        let layout = at_end.as_ref().unwrap_or(layout);
        Ok(Replicated {
            values: Values::row(&readings, layout, ended.ended_at.saturating_since(from)),
            readings,
            watched: watched
                .into_iter()
                .map(|watch| watch.into_iter().map(last).collect())
                .collect(),
            fingerprint: ended.fingerprint,
            events: ended.events,
            in_flight: ended.in_flight,
            at_end,
        })
    }

    /// The blueprint and layout of a replication whose pods lie elsewhere than those of replication 0.
    ///
    /// Readings are added up pod by pod. So where other ties leave another number of pods Pending, the pods lie as in
    /// replication 0.
    fn placed(&self, streams: Streams) -> Option<(Blueprint, Layout)> {
        let cluster = self
            .cluster
            .as_ref()
            .filter(|_| streams.replication() > 0)?;
        let (pods, scheduled) = pods(cluster.place(streams));
        let (ours, others) = (self.blueprint.pods.iter(), pods.iter());
        let alike = ours
            .map(|pod| pod.deployment)
            .eq(others.map(|pod| pod.deployment));
        if !alike || pods == self.blueprint.pods {
            return None;
        }
        let mut blueprint = Blueprint {
            pods,
            ..self.blueprint.clone()
        };
        if let Some(health) = &mut blueprint.health {
            health.scheduled = health.scheduled.take().map(|_| Box::new(scheduled));
        }
        let layout = Layout::of(&blueprint);
        Some((blueprint, layout))
    }

    /// Adds the next replication.
    pub(super) fn add(&mut self, replicated: Replicated) {
        self.readings.merge(&replicated.readings);
        if self.first.is_none() {
            self.first = Some(replicated.readings);
            self.at_end = replicated.at_end;
        }
        self.values.push(replicated.values);
        let mut watched = replicated.watched.into_iter();
        for (objective, values) in self.objectives.iter().zip(&mut self.watched) {
            if objective.when != When::Throughout {
                let new = watched
                    .next()
                    .expect("each objective on a part of the run has its watch");
                values
                    .iter_mut()
                    .zip(new)
                    .for_each(|(values, new)| values.push(new));
            }
        }
        self.fingerprint.join(replicated.fingerprint);
        self.events += replicated.events;
        self.in_flight += replicated.in_flight;
        self.done += 1;
    }

    /// One watch for each objective on a part of the run; the others are answered from all readings.
    fn watches(&self) -> Vec<Watch> {
        let parts = self
            .objectives
            .iter()
            .zip(&self.scopes)
            .filter_map(|(objective, scopes)| {
                let part = self.part(objective)?;
                Some(Watch::new(
                    objective.quantity,
                    scopes.clone(),
                    part,
                    &self.layout,
                ))
            });
        parts.collect()
    }

    fn part(&self, objective: &Objective) -> Option<Part> {
        let run = self.blueprint.run;
        let since_warm_up = |at: SimDuration| at.saturating_sub(run.warm_up);
        match objective.when {
            When::Throughout => None,
            When::WorstWindow(width) => {
                let keep = if objective.comparison.wants_less() {
                    Keep::Greatest
                } else {
                    Keep::Least
                };
                Some(Part::Windows {
                    width,
                    from: SimDuration::ZERO,
                    keep,
                })
            }
            When::After(at) => Some(Part::Stretch {
                from: since_warm_up(at),
                until: run.length,
            }),
            When::BeforeFirstFault => Some(Part::Stretch {
                from: SimDuration::ZERO,
                until: plan::first_fault(&self.blueprint).map_or(run.length, since_warm_up),
            }),
        }
    }

    /// The values of an objective in each replication, for its `scope`-th scope.
    fn objective_values(&self, objective: usize, scope: usize) -> Samples {
        match self.objectives[objective].when {
            When::Throughout => {
                let position = self.layout.position(self.scopes[objective][scope]);
                self.values
                    .of(self.objectives[objective].quantity, position)
                    .collect()
            }
            _ => self.watched[objective][scope].clone(),
        }
    }

    /// What the rule of `Auto` replications looks at and does not know well enough, with its relative half-width.
    ///
    /// A number that cannot be computed asks for no more replications: more would not help.
    pub(super) fn unknown(&self) -> impl Iterator<Item = (String, f64)> + '_ {
        let looked_at: Vec<LookedAt> = match self.objectives.is_empty() {
            true => self.defaults().collect(),
            false => self.asked().collect(),
        };
        let means = looked_at
            .into_iter()
            .filter_map(|(name, quantity, values)| {
                let known = estimate(values.into_iter(), quantity).ok()?;
                let relative = known.relative_half_width();
                (relative > plan::PRECISION).then_some((name, relative))
            });
        means.chain(self.undecided_shares())
    }

    /// Objectives on a share of replications that are still undecided, with the half-width over the share that may miss them.
    fn undecided_shares(&self) -> impl Iterator<Item = (String, f64)> + '_ {
        let objectives = self.objectives.iter().enumerate();
        objectives.flat_map(move |(i, objective)| {
            let scopes = 0..self.scopes[i].len();
            scopes.filter_map(move |k| {
                let share = objective.in_share?;
                let values: Vec<f64> = self
                    .objective_values(i, k)
                    .into_iter()
                    .collect::<Result<_, _>>()
                    .ok()?;
                let known = objective.estimate(&values);
                let relative = known.half_width() / (1.0 - share);
                let undecided = objective.judge(Some(&known)) == Verdict::Undecided;
                undecided.then(|| (objective.text.clone(), relative))
            })
        })
    }

    fn defaults(&self) -> impl Iterator<Item = LookedAt> + '_ {
        plan::looked_at(&[], &self.layout)
            .into_iter()
            .flat_map(move |(quantity, scopes)| {
                scopes.into_iter().map(move |scope| {
                    let name = format!("{} of {}", quantity.name(), self.layout.name(scope));
                    (
                        name,
                        quantity,
                        self.values
                            .of(quantity, self.layout.position(scope))
                            .collect(),
                    )
                })
            })
    }

    fn asked(&self) -> impl Iterator<Item = LookedAt> + '_ {
        self.objectives
            .iter()
            .enumerate()
            .filter(|(_, objective)| objective.in_share.is_none())
            .flat_map(move |(i, objective)| {
                self.scopes[i].iter().enumerate().map(move |(k, &scope)| {
                    let name = format!(
                        "{} of {}",
                        objective.quantity.name(),
                        self.layout.name(scope)
                    );
                    (name, objective.quantity, self.objective_values(i, k))
                })
            })
    }

    /// The alternative's part of the answer.
    pub(super) fn answer(self, objectives: &[Objective]) -> answer::Alternative {
        let judged = objectives
            .iter()
            .enumerate()
            .map(|(i, objective)| self.judge(i, objective))
            .collect();
        answer::Alternative {
            name: self.alternative.name.clone(),
            settings: self.alternative.settings.clone(),
            blueprint: self.blueprint,
            layout: self.layout,
            at_end: self.at_end,
            first: self.first.unwrap_or_else(|| self.readings.clone()),
            readings: self.readings,
            values: self.values,
            objectives: judged,
            fingerprint: self.fingerprint,
            events: self.events,
            in_flight: self.in_flight,
        }
    }

    fn judge(&self, index: usize, objective: &Objective) -> ObjectiveAnswer {
        let judge = |(k, &scope): (usize, &Scope)| {
            let values = self.objective_values(index, k);
            let known = values.iter().copied().collect::<Result<Vec<f64>, _>>();
            let estimate = match known {
                Ok(known) if known.is_empty() => Err(Absent::Nothing),
                known => known.map(|known| objective.estimate(&known)),
            };
            Judgement {
                scope,
                values,
                estimate,
                verdict: objective.judge(estimate.as_ref().ok()),
            }
        };
        let judgements: Vec<Judgement> = self.scopes[index].iter().enumerate().map(judge).collect();
        ObjectiveAnswer {
            verdict: Verdict::of_all(judgements.iter().map(|judgement| judgement.verdict)),
            judgements,
        }
    }
}

/// The error of a run, with its place.
pub(super) fn failed(
    alternative: &Alternative,
    streams: Streams,
    source: RunError,
) -> ExperimentError {
    ExperimentError::Run {
        alternative: alternative.name.clone(),
        replication: streams.replication(),
        source: Box::new(source),
    }
}

fn scopes(
    objectives: &[Objective],
    alternative: &Alternative,
    layout: &Layout,
) -> Result<Vec<Vec<Scope>>, ExperimentError> {
    let of = |objective: &Objective| {
        objective
            .scopes(layout)
            .ok_or_else(|| ExperimentError::NoSuchService {
                objective: objective.text.clone(),
                alternative: alternative.name.clone(),
            })
    };
    objectives.iter().map(of).collect()
}

fn last(values: Samples) -> Result<f64, Absent> {
    values.last().copied().unwrap_or(Err(Absent::Nothing))
}
