//! What an experiment answers: everything that tables, figures and files need, and nothing that they must recompute.

use std::fmt;

use sim_core::{Fingerprint, SimDuration};
use sim_models::world::blueprint::Blueprint;

use super::{Replications, WarmUp};
use crate::measure::compare::{self, Difference};
use crate::measure::layout::{Layout, Scope};
use crate::measure::metric::{Quantity, Readings};
use crate::measure::objective::{Objective, Verdict};
use crate::measure::quantity::{Absent, Estimated, Mean};

/// The answer to an experiment.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Seed of all random numbers.
    pub seed: u64,
    /// How often each alternative was run.
    pub replications: u32,
    /// Who decided that.
    pub replications_rule: Replications,
    /// Who decided how long the warm-up is; how long it was stands in each blueprint.
    pub warm_up_rule: WarmUp,
    /// What must hold, in the order of the file.
    pub objectives: Vec<Objective>,
    /// What was compared, in the order of the file; the first one is the reference.
    pub alternatives: Vec<Alternative>,
    /// What to read before trusting the results.
    pub warnings: Vec<Warning>,
    /// Digest of every event of every replication of every alternative.
    pub fingerprint: Fingerprint,
}

/// What came out for one alternative.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// Name, unique.
    pub name: String,
    /// The values of the sweeps: path and value as written.
    pub settings: Vec<(String, String)>,
    /// What was simulated, with the warm-up that was used.
    pub blueprint: Blueprint,
    /// The things behind the numbers.
    pub layout: Layout,
    /// Where the pods lie at the end of the first replication; `None` where none was created or deleted.
    pub at_end: Option<Layout>,
    /// All readings, added up over the replications. Divide counts by the replications for those of a mean run.
    pub readings: Readings,
    /// Those of the first replication alone: what one run looks like, where a mean of many would hide the lumps.
    pub first: Readings,
    /// Every named number of every replication.
    pub values: Values,
    /// One answer for each objective.
    pub objectives: Vec<ObjectiveAnswer>,
    /// Digest of every event of its replications, in their order.
    pub fingerprint: Fingerprint,
    /// Events that were simulated.
    pub events: u64,
    /// Requests that were on their way when a replication ended, added up.
    pub in_flight: u64,
}

/// Whether an objective holds in an alternative.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveAnswer {
    /// The verdict over all judgements.
    pub verdict: Verdict,
    /// One for each scope that the objective is about.
    pub judgements: Vec<Judgement>,
}

/// Whether an objective holds for one scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What it is about.
    pub scope: Scope,
    /// The objective's value in each replication.
    pub values: Vec<Result<f64, Absent>>,
    /// Their estimate, or why there is none.
    pub estimate: Result<Estimated, Absent>,
    /// The verdict.
    pub verdict: Verdict,
}

/// Every named number of every replication.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    scopes: usize,
    rows: Vec<Vec<Result<f64, Absent>>>,
}

impl Values {
    /// No replication yet.
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            scopes: layout.scopes().len(),
            rows: Vec::new(),
        }
    }

    /// Adds the next replication, made by [`Values::row`].
    pub(super) fn push(&mut self, row: Vec<Result<f64, Absent>>) {
        self.rows.push(row);
    }

    /// All numbers of one replication: quantity by quantity, and for each, scope by scope.
    pub(super) fn row(
        readings: &Readings,
        layout: &Layout,
        span: SimDuration,
    ) -> Vec<Result<f64, Absent>> {
        use crate::measure::layout::Focus;
        let focus = |scope| Focus {
            layout,
            span,
            scope,
            rough: false,
        };
        let of_quantity = |quantity| {
            layout
                .scopes()
                .map(move |scope| readings.value(quantity, &focus(scope)))
        };
        Quantity::all().flat_map(of_quantity).collect()
    }

    /// A quantity in each replication.
    pub fn of(
        &self,
        quantity: Quantity,
        position_of_scope: usize,
    ) -> impl ExactSizeIterator<Item = Result<f64, Absent>> + '_ {
        let column = quantity.position() * self.scopes + position_of_scope;
        self.rows.iter().map(move |row| row[column])
    }
}

impl Alternative {
    /// A quantity in each replication.
    pub fn values(
        &self,
        quantity: Quantity,
        scope: Scope,
    ) -> impl ExactSizeIterator<Item = Result<f64, Absent>> + '_ {
        self.values.of(quantity, self.layout.position(scope))
    }

    /// The estimate of a quantity over the replications.
    ///
    /// # Errors
    ///
    /// [`Absent`] where some replication has no value: an estimate from the others would be one-sided.
    pub fn estimate(&self, quantity: Quantity, scope: Scope) -> Result<Estimated, Absent> {
        estimate(self.values(quantity, scope), quantity)
    }

    /// Time that was observed in all replications together.
    #[must_use]
    pub fn observed(&self) -> SimDuration {
        self.blueprint.run.length * self.values.rows.len() as u64
    }

    /// The verdict over all objectives; met where there are none.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.objectives.is_empty() {
            true => Verdict::Met,
            false => Verdict::of_all(self.objectives.iter().map(|objective| objective.verdict)),
        }
    }
}

/// The estimate of a quantity from its values, all of which must be there.
pub(super) fn estimate(
    values: impl Iterator<Item = Result<f64, Absent>>,
    quantity: Quantity,
) -> Result<Estimated, Absent> {
    let values = values.collect::<Result<Vec<f64>, Absent>>()?;
    if values.is_empty() {
        return Err(Absent::Nothing);
    }
    Ok(Estimated::of(&values, quantity.about().mean))
}

impl Answer {
    /// The paired differences of all alternatives with the first one, Holm-corrected among each other; `None` for the
    /// first one itself, and where there is nothing to compare.
    ///
    /// `scope` is that of the first alternative; Services are matched by name.
    #[must_use]
    pub fn differences(&self, quantity: Quantity, scope: Scope) -> Vec<Option<Difference>> {
        let Some(first) = self.alternatives.first() else {
            return Vec::new();
        };
        let values = |alternative: &Alternative| {
            let scope = same_scope(&first.layout, scope, &alternative.layout)?;
            alternative
                .values(quantity, scope)
                .collect::<Result<Vec<f64>, Absent>>()
                .ok()
        };
        // Differences of numbers without a well-behaved mean say nothing.
        let reference = values(first).filter(|_| quantity.about().mean == Mean::Arithmetic);
        let compare = |alternative| compare::paired(reference.as_ref()?, &values(alternative)?);
        let others = self.alternatives[1..].iter().map(compare);
        let mut differences: Vec<Option<Difference>> =
            std::iter::once(None).chain(others).collect();
        compare::holm(differences.iter_mut().flatten());
        differences
    }

    /// The worst verdict over all alternatives; met where there are no objectives.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.alternatives
            .iter()
            .map(Alternative::verdict)
            .max()
            .unwrap_or(Verdict::Met)
    }
}

/// The scope of the same name in another alternative.
fn same_scope(from: &Layout, scope: Scope, to: &Layout) -> Option<Scope> {
    match scope {
        Scope::Overall => Some(scope),
        Scope::Service(service) => to
            .service_named(&from.service(service).name)
            .map(Scope::Service),
    }
}

/// Something to read before trusting the results.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The start of the run did not settle; the longest warm-up allowed was cut.
    WarmUpUnsettled {
        /// What was cut.
        cut: SimDuration,
    },
    /// The replications are at their cap, and a number is still not known well enough.
    ReplicationsAtCap {
        /// The number.
        what: String,
        /// Its half-width over its mean.
        relative_half_width: f64,
    },
    /// One replication has no intervals.
    OneReplication,
    /// A number that an objective needs could not be computed.
    NoEstimate {
        /// The alternative.
        alternative: String,
        /// The objective.
        objective: String,
        /// The Service, or "overall".
        scope: String,
        /// Why.
        absent: Absent,
    },
    /// A window is longer than what is observed.
    WindowTooLong {
        /// The objective.
        objective: String,
        /// The alternative.
        alternative: String,
    },
    /// Requests came faster than they were answered.
    PilingUp {
        /// The alternative.
        alternative: String,
        /// Share of the issued requests that were still on their way at the end.
        share: f64,
    },
    /// The pods of a Service were nearly always busy.
    Saturated {
        /// The alternative.
        alternative: String,
        /// The Service.
        service: String,
        /// Its utilisation.
        utilisation: f64,
    },
}

impl Warning {
    /// A fixed name for machine-readable outputs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WarmUpUnsettled { .. } => "warm-up-unsettled",
            Self::ReplicationsAtCap { .. } => "replications-at-cap",
            Self::OneReplication => "one-replication",
            Self::NoEstimate { .. } => "no-estimate",
            Self::WindowTooLong { .. } => "window-too-long",
            Self::PilingUp { .. } => "piling-up",
            Self::Saturated { .. } => "saturated",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WarmUpUnsettled { cut } => {
                write!(
                    f,
                    "the start of the run does not settle: {cut} were cut as warm-up, the longest that is allowed; a longer run would help"
                )
            }
            Self::ReplicationsAtCap {
                what,
                relative_half_width,
            } => {
                write!(
                    f,
                    "{what} is known to ±{:.0} % only: the replications are at their limit",
                    100.0 * relative_half_width
                )
            }
            Self::OneReplication => {
                f.write_str("one replication has no intervals: nothing is decided")
            }
            Self::NoEstimate {
                alternative,
                objective,
                scope,
                absent,
            } => {
                write!(
                    f,
                    "{alternative}: \"{objective}\" cannot be judged for {scope}: {absent}"
                )
            }
            Self::WindowTooLong {
                objective,
                alternative,
            } => {
                write!(
                    f,
                    "{alternative}: \"{objective}\" cannot be judged: no such window fits into the run"
                )
            }
            Self::PilingUp { alternative, share } => write!(
                f,
                "{alternative}: {:.0} % of the requests were still without an answer at the end: they come faster than they are answered, and means depend on the length of the run",
                100.0 * share
            ),
            Self::Saturated {
                alternative,
                service,
                utilisation,
            } => write!(
                f,
                "{alternative}: the pods of {service} are busy {:.1} % of the time: queues hardly have a steady state, and means depend on the length of the run",
                100.0 * utilisation
            ),
        }
    }
}
