//! Who listens to a run: all metrics from the end of the warm-up on, and single metrics on parts of it.
//!
//! What happens before the end of the warm-up is dropped. A request counts by the moment at which its answer reaches
//! the load balancer node, whenever it was born: so nothing is lost from long requests, and the rule needs no memory.

use sim_core::{SimDuration, SimTime};
use sim_models::observe::{Observation, Recorder};

use super::layout::{Focus, Layout, Scope};
use super::metric::{Quantity, Readings, Single};
use super::quantity::Absent;

/// Listens to one replication.
#[derive(Clone, Debug)]
pub struct Observer<'a> {
    layout: &'a Layout,
    from: SimTime,
    readings: Option<Readings>,
    watches: Vec<Watch>,
}

/// What an [`Observer`] knows when the run is over.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    /// All metrics; nothing where only the watches were asked.
    pub(crate) readings: Option<Readings>,
    /// One answer for each watch, in their order.
    pub(crate) watched: Vec<Watched>,
}

/// What a watch has to say: a list for each of its scopes.
pub(crate) type Watched = Vec<Vec<Result<f64, Absent>>>;

impl<'a> Observer<'a> {
    /// Listens with all metrics and these watches to what happens from `from` on.
    pub(crate) fn new(layout: &'a Layout, from: SimTime, watches: Vec<Watch>) -> Self {
        Self {
            layout,
            from,
            readings: Some(Readings::new(layout)),
            watches,
        }
    }

    /// Listens with these watches alone, from the start.
    pub(crate) fn of_watches(layout: &'a Layout, watches: Vec<Watch>) -> Self {
        Self {
            layout,
            from: SimTime::ZERO,
            readings: None,
            watches,
        }
    }

    /// Ends the observation at `until`.
    pub(crate) fn finish(mut self, until: SimTime) -> Observed {
        let span = until.saturating_since(self.from);
        if let Some(readings) = &mut self.readings {
            readings.close();
        }
        let watched = self
            .watches
            .into_iter()
            .map(|watch| watch.finish(self.layout, span))
            .collect();
        Observed {
            readings: self.readings,
            watched,
        }
    }
}

impl Recorder for Observer<'_> {
    #[inline]
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        if now < self.from {
            return;
        }
        let since = now - self.from;
        if let Some(readings) = &mut self.readings {
            readings.see(self.layout, since, &seen);
        }
        for watch in &mut self.watches {
            watch.see(self.layout, since, &seen);
        }
    }
}

/// One metric on a part of the run.
///
/// Windows follow each other, and so do observations: one metric serves all windows in turn, and memory does not grow
/// with their number.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    quantity: Quantity,
    scopes: Vec<Scope>,
    single: Single,
    part: Part,
    values: Watched,
}

/// Which part of the observation is watched; times count from its begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// One stretch.
    Stretch {
        /// Begin.
        from: SimDuration,
        /// End.
        until: SimDuration,
    },
    /// Windows of one width, one after the other; an incomplete one at the end is left out.
    Windows {
        /// Width of a window.
        width: SimDuration,
        /// Begin of the window in progress.
        from: SimDuration,
        /// What is kept of them.
        keep: Keep,
    },
}

/// What is kept of a sequence of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The greatest value.
    Greatest,
    /// The least value.
    Least,
    /// Every value, also of windows with few observations.
    Every,
}

impl Watch {
    /// Watches `quantity` for these scopes.
    pub(crate) fn new(quantity: Quantity, scopes: Vec<Scope>, part: Part, layout: &Layout) -> Self {
        let values = vec![Vec::new(); scopes.len()];
        Self {
            quantity,
            scopes,
            single: Single::new(quantity, layout),
            part,
            values,
        }
    }

    fn see(&mut self, layout: &Layout, since: SimDuration, seen: &Observation<'_>) {
        match self.part {
            Part::Stretch { from, until } => {
                if from <= since && since < until {
                    self.single.see(layout, since - from, seen);
                }
            }
            Part::Windows { .. } => {
                let from = self.turn_windows(layout, since);
                self.single.see(layout, since - from, seen);
            }
        }
    }

    /// Closes every window that ends by `since`; the begin of the window in progress.
    fn turn_windows(&mut self, layout: &Layout, since: SimDuration) -> SimDuration {
        loop {
            let Part::Windows { width, from, keep } = self.part else {
                return SimDuration::ZERO;
            };
            if since < from + width {
                return from;
            }
            self.value(layout, width, keep);
            self.single = Single::new(self.quantity, layout);
            self.part = Part::Windows {
                width,
                from: from + width,
                keep,
            };
        }
    }

    /// Takes the value of the window that ends, or of the stretch.
    fn value(&mut self, layout: &Layout, span: SimDuration, keep: Keep) {
        self.single.close();
        for (&scope, values) in self.scopes.iter().zip(&mut self.values) {
            let focus = Focus {
                layout,
                span,
                scope,
                rough: keep == Keep::Every,
            };
            keep.add(values, self.single.value(self.quantity, &focus));
        }
    }

    fn finish(mut self, layout: &Layout, span: SimDuration) -> Watched {
        match self.part {
            Part::Stretch { from, until } => {
                self.value(layout, until.min(span).saturating_sub(from), Keep::Greatest)
            }
            Part::Windows { .. } => {
                self.turn_windows(layout, span);
            }
        }
        self.values
    }
}

impl Keep {
    /// A window without any observation says nothing; one with too few for a quantile makes the extreme unknown.
    fn add(self, values: &mut Vec<Result<f64, Absent>>, new: Result<f64, Absent>) {
        let choose: fn(f64, f64) -> f64 = match self {
            Self::Every => return values.push(new),
            Self::Greatest => f64::max,
            Self::Least => f64::min,
        };
        let folded = match (values.pop(), new) {
            (None | Some(Err(Absent::Nothing)), new) => new,
            (Some(old), Err(Absent::Nothing)) => old,
            (Some(Ok(old)), Ok(new)) => Ok(choose(old, new)),
            (Some(Err(old)), Err(new)) => Err(old.min(new)),
            (Some(Err(absent)), Ok(_)) | (Some(Ok(_)), Err(absent)) => Err(absent),
        };
        values.push(folded);
    }
}
