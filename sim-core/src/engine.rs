//! The loop: take the next event, hand it to the model, which plans what follows.

use crate::calendar::Calendar;
use crate::fingerprint::Fingerprint;
use crate::time::{SimDuration, SimTime};
use std::collections::BTreeMap;

/// A system that changes only when something happens to it.
pub trait Model {
    /// Everything that can happen in this system: a closed enum of small values, ids rather than contents.
    ///
    /// An event of at most 8 bytes takes 16 bytes in the calendar.
    type Event: Copy;

    /// Brings the system to its state just after `event`, and plans what follows.
    fn handle(&mut self, event: Self::Event, agenda: &mut Agenda<'_, Self::Event>);

    /// Who goes first at one instant: the lower rank; within a rank, first planned, first served.
    ///
    /// The rank of an event must depend on nothing but the event. Default: 0 for all.
    fn rank(_event: &Self::Event) -> u8 {
        0
    }

    /// What the event is called in messages. Default: `"event"` for all.
    fn kind(_event: &Self::Event) -> &'static str {
        "event"
    }

    /// What goes into the [`Fingerprint`] beside the time: a number that tells different events apart.
    ///
    /// Default: 0 for all, which leaves the sequence of times.
    fn digest(_event: &Self::Event) -> u64 {
        0
    }
}

/// What a model may see and do about time while it handles an event.
#[derive(Debug)]
pub struct Agenda<'a, E> {
    now: SimTime,
    calendar: &'a mut Calendar<E>,
}

impl<E: Copy> Agenda<'_, E> {
    /// The present.
    #[inline]
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// Plans `event` to happen `delay` from now.
    ///
    /// With a delay of zero it happens at this instant, after the event at hand and whatever is planned before it.
    ///
    /// # Panics
    ///
    /// When that lies beyond [`SimTime::MAX`].
    #[inline]
    pub fn after(&mut self, delay: SimDuration, event: E) {
        self.calendar.push(self.now + delay, event);
    }

    /// Plans `event` to happen at `at`.
    ///
    /// # Panics
    ///
    /// When `at` is in the past.
    #[inline]
    pub fn at(&mut self, at: SimTime, event: E) {
        assert!(at >= self.now, "an event cannot be planned for the past");
        self.calendar.push(at, event);
    }
}

/// A model, its clock and its future.
///
/// ```
/// use sim_core::{Agenda, Model, SimDuration, SimTime, Simulation};
///
/// /// A clock that ticks once a second and counts.
/// struct Clock(u32);
///
/// impl Model for Clock {
///     type Event = ();
///
///     fn handle(&mut self, _: (), agenda: &mut Agenda<'_, ()>) {
///         self.0 += 1;
///         agenda.after(SimDuration::from_secs(1), ());
///     }
/// }
///
/// let mut simulation = Simulation::new(Clock(0));
/// simulation.agenda().at(SimTime::ZERO, ());
/// simulation.run_until(SimTime::from_secs(10))?;
/// assert_eq!(simulation.model().0, 10);
/// # Ok::<(), sim_core::engine::BudgetSpent>(())
/// ```
#[derive(Debug)]
pub struct Simulation<M: Model> {
    model: M,
    calendar: Calendar<M::Event>,
    now: SimTime,
    events: u64,
    budget: u64,
    fingerprint: Fingerprint,
}

impl<M: Model> Simulation<M> {
    /// A simulation of `model` at time zero, with nothing planned and no limit on events.
    #[must_use]
    pub fn new(model: M) -> Self {
        Self {
            model,
            calendar: Calendar::new(M::rank),
            now: SimTime::ZERO,
            events: 0,
            budget: u64::MAX,
            fingerprint: Fingerprint::new(),
        }
    }

    /// Stops with an error rather than handle more than `events` events: an endless loop then has an end.
    #[must_use]
    pub fn with_event_budget(mut self, events: u64) -> Self {
        self.budget = events;
        self
    }

    /// The agenda at the present, to plan the first events.
    pub fn agenda(&mut self) -> Agenda<'_, M::Event> {
        Agenda {
            now: self.now,
            calendar: &mut self.calendar,
        }
    }

    /// Handles every event before `until`, and sets the clock to `until`.
    ///
    /// An event planned for `until` itself stays planned, so a run may be cut anywhere: half-open pieces add up to the
    /// same whole.
    ///
    /// # Errors
    ///
    /// [`BudgetSpent`] when the event budget does not suffice.
    pub fn run_until(&mut self, until: SimTime) -> Result<(), BudgetSpent> {
        if let Some(last) = until.as_nanos().checked_sub(1) {
            self.run_through(SimTime::from_nanos(last))?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Handles events until none is left. The clock stands at the last one.
    ///
    /// # Errors
    ///
    /// [`BudgetSpent`] when the event budget does not suffice.
    pub fn run(&mut self) -> Result<(), BudgetSpent> {
        self.run_through(SimTime::MAX)
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model, to be changed between two stretches of a run.
    #[must_use]
    pub fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// The model, at the end.
    #[must_use]
    pub fn into_model(self) -> M {
        self.model
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// How many events have been handled.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many events are planned.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.calendar.len()
    }

    /// The digest of all events handled so far.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Handles every event up to and including `last`; the final stretch of the budget is watched, to name what spent it.
    fn run_through(&mut self, last: SimTime) -> Result<(), BudgetSpent> {
        if self.advance(last, self.budget.saturating_sub(WATCHED), |_| ()) {
            return Ok(());
        }
        let mut kinds = BTreeMap::new();
        if self.advance(last, self.budget, |event| {
            *kinds.entry(M::kind(event)).or_insert(0) += 1
        }) {
            return Ok(());
        }
        let busiest = kinds
            .iter()
            .max_by_key(|&(_, count)| count)
            .map_or(("event", 0), |(&kind, &count)| (kind, count));
        Err(BudgetSpent {
            budget: self.budget,
            at: self.now,
            kind: busiest.0,
            count: busiest.1,
            watched: kinds.values().sum(),
        })
    }

    /// Handles events up to and including `last` and up to `budget` in all; says whether it reached `last`.
    #[inline]
    fn advance(&mut self, last: SimTime, budget: u64, mut watch: impl FnMut(&M::Event)) -> bool {
        let mut agenda = Agenda {
            now: self.now,
            calendar: &mut self.calendar,
        };
        let reached = loop {
            if self.events >= budget {
                break agenda.calendar.is_empty()
                    || agenda.calendar.next_at().is_none_or(|next| next > last);
            }
            let Some((at, event)) = agenda.calendar.pop_until(last) else {
                break true;
            };
            agenda.now = at;
            self.events += 1;
            self.fingerprint.add(at, M::digest(&event));
            watch(&event);
            self.model.handle(event, &mut agenda);
        };
        self.now = agenda.now;
        reached
    }
}

/// How many events at the end of the budget are counted by kind.
const WATCHED: u64 = 65_536;

/// The event budget is spent before the run is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{budget} events were handled by {at}, more than the run was allowed: {count} of the last {watched} were \"{kind}\""
)]
pub struct BudgetSpent {
    /// The budget.
    pub budget: u64,
    /// The time reached.
    pub at: SimTime,
    /// The kind of event that came most often at the end.
    pub kind: &'static str,
    /// How often it came.
    pub count: u64,
    /// Among how many events.
    pub watched: u64,
}
