//! Who listens to a run: all metrics from the end of the warm-up on, and single metrics on parts of it.
//!
//! What happens before the end of the warm-up is dropped. A request counts by the moment at which its answer reaches
//! the load balancer node, whenever it was born: so nothing is lost from long requests, and the rule needs no memory.

use std::borrow::Cow;

use sim_core::{SimDuration, SimTime};
use sim_models::observe::{Observation, Recorder};

use super::layout::{Focus, Layout, Scope};
use super::metric::{Quantity, Readings, Single};
use super::presence::{Presence, Window};
use super::quantity::Absent;

/// All metrics as one recorder.
///
/// ```
/// use scenarios::measure::observer::Meter;
/// use scenarios::measure::{Layout, Scope};
/// use sim_core::{SimTime, Streams};
/// use sim_models::world::{self, blueprint::Blueprint};
///
/// fn requests_answered(blueprint: &Blueprint) -> Result<u64, world::RunError> {
///     let layout = Layout::of(blueprint);
///     let meter = Meter::new(&layout, SimTime::ZERO + blueprint.run.warm_up);
///     let readings = world::run(blueprint, Streams::new(7, 0), meter)?.recorder.finish();
///     Ok(readings.outcomes.of(Scope::Overall).finished())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Meter<'a> {
    layout: Cow<'a, Layout>,
    from: SimTime,
    /// The last observation.
    last: SimTime,
    readings: Readings,
}

impl<'a> Meter<'a> {
    /// Listens to what happens from `from` on.
    #[must_use]
    pub fn new(layout: &'a Layout, from: SimTime) -> Self {
        Self {
            layout: Cow::Borrowed(layout),
            from,
            last: from,
            readings: Readings::new(layout),
        }
    }

    /// What was read, up to the last observation.
    #[must_use]
    pub fn finish(mut self) -> Readings {
        let window = Window {
            from: self.from,
            until: self.last,
        };
        self.readings.close(&self.layout.presence(window));
        self.readings
    }
}

impl Recorder for Meter<'_> {
    #[inline]
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        follow(&mut self.layout, now, &seen);
        if now >= self.from {
            self.last = now;
            self.readings.see(&self.layout, now - self.from, &seen);
        }
    }
}

/// Follows pods to their nodes, also before the end of the warm-up.
#[inline]
fn follow(layout: &mut Cow<'_, Layout>, now: SimTime, seen: &Observation<'_>) {
    if let Observation::Health(seen) = seen
        && layout.moves(seen)
    {
        layout.to_mut().follow(now, seen);
    }
}

/// Listens to one replication: with all metrics, or none, and with watches.
#[derive(Clone, Debug)]
pub(crate) struct Observer<'a> {
    readings: Option<Readings>,
    layout: Cow<'a, Layout>,
    from: SimTime,
    watches: Vec<Watch>,
}

/// What an [`Observer`] knows when the run is over.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    /// Where pods lie at the end; `None` where none was created or deleted.
    pub(crate) layout: Option<Layout>,
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
            readings: Some(Readings::new(layout)),
            layout: Cow::Borrowed(layout),
            from,
            watches,
        }
    }

    /// Listens with these watches alone, from the start.
    pub(crate) fn of_watches(layout: &'a Layout, watches: Vec<Watch>) -> Self {
        Self {
            readings: None,
            layout: Cow::Borrowed(layout),
            from: SimTime::ZERO,
            watches,
        }
    }

    /// Ends the observation at `until`.
    pub(crate) fn finish(mut self, until: SimTime) -> Observed {
        let scene = Scene {
            layout: &self.layout,
            from: self.from,
        };
        let span = until.saturating_since(self.from);
        if let Some(readings) = &mut self.readings {
            readings.close(&scene.presence(SimDuration::ZERO, span));
        }
        let watched = self.watches.into_iter();
        Observed {
            watched: watched.map(|watch| watch.finish(&scene, span)).collect(),
            readings: self.readings,
            layout: match self.layout {
                Cow::Borrowed(_) => None,
                Cow::Owned(layout) => Some(layout),
            },
        }
    }
}

impl Recorder for Observer<'_> {
    #[inline]
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        follow(&mut self.layout, now, &seen);
        if now < self.from {
            return;
        }
        let since = now - self.from;
        let scene = Scene {
            layout: &self.layout,
            from: self.from,
        };
        if let Some(readings) = &mut self.readings {
            readings.see(&self.layout, since, &seen);
        }
        for watch in &mut self.watches {
            watch.see(&scene, since, &seen);
        }
    }
}

/// What a watch looks at: the things, and when the observation began.
#[derive(Clone, Copy, Debug)]
struct Scene<'a> {
    layout: &'a Layout,
    from: SimTime,
}

impl Scene<'_> {
    /// Which pods were there in a part of the observation.
    fn presence(&self, since: SimDuration, span: SimDuration) -> Presence {
        let from = self.from + since;
        self.layout.presence(Window {
            from,
            until: from + span,
        })
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

    fn see(&mut self, scene: &Scene<'_>, since: SimDuration, seen: &Observation<'_>) {
        match self.part {
            Part::Stretch { from, until } => {
                if from <= since && since < until {
                    self.single.see(scene.layout, since - from, seen);
                }
            }
            Part::Windows { .. } => {
                let from = self.turn_windows(scene, since);
                self.single.see(scene.layout, since - from, seen);
            }
        }
    }

    /// Closes every window that ends by `since`; the begin of the window in progress.
    fn turn_windows(&mut self, scene: &Scene<'_>, since: SimDuration) -> SimDuration {
        loop {
            let Part::Windows { width, from, keep } = self.part else {
                return SimDuration::ZERO;
            };
            if since < from + width {
                return from;
            }
            self.value(scene, from, width, keep);
            self.single = Single::new(self.quantity, scene.layout);
            self.part = Part::Windows {
                width,
                from: from + width,
                keep,
            };
        }
    }

    /// Takes the value of the window that ends, or of the stretch.
    fn value(&mut self, scene: &Scene<'_>, from: SimDuration, span: SimDuration, keep: Keep) {
        self.single.close(&scene.presence(from, span));
        for (&scope, values) in self.scopes.iter().zip(&mut self.values) {
            let focus = Focus {
                layout: scene.layout,
                span,
                scope,
                rough: keep == Keep::Every,
            };
            keep.add(values, self.single.value(self.quantity, &focus));
        }
    }

    fn finish(mut self, scene: &Scene<'_>, span: SimDuration) -> Watched {
        match self.part {
            Part::Stretch { from, until } => {
                let length = until.min(span).saturating_sub(from);
                self.value(scene, from, length, Keep::Greatest);
            }
            Part::Windows { .. } => {
                self.turn_windows(scene, span);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::testing::{answered, layout, refused, service, web_pod};
    use sim_models::request::Hop;

    fn web() -> Vec<Scope> {
        vec![Scope::Service(service("web"))]
    }

    /// What a watch of `name` says about requests that were answered or refused at these times.
    fn watched(
        name: &str,
        part: Part,
        requests: &[(u64, bool)],
        until: u64,
    ) -> Vec<Result<f64, Absent>> {
        let layout = layout();
        let watch = Watch::new(Quantity::named(name).unwrap(), web(), part, &layout);
        let mut observer = Observer::new(&layout, SimTime::from_secs(10), vec![watch]);
        for &(at, ok) in requests {
            let request = if ok {
                answered(SimTime::from_secs(at), web_pod(0))
            } else {
                refused(SimTime::from_secs(at))
            };
            observer.see(request.at(Hop::Returned), Observation::Finished(&request));
        }
        observer
            .finish(SimTime::from_secs(until))
            .watched
            .swap_remove(0)
            .swap_remove(0)
    }

    fn windows(seconds: u64, keep: Keep) -> Part {
        Part::Windows {
            width: SimDuration::from_secs(seconds),
            from: SimDuration::ZERO,
            keep,
        }
    }

    #[test]
    fn an_answer_before_the_end_of_the_warm_up_does_not_count() {
        let layout = layout();
        let mut observer = Observer::new(&layout, SimTime::from_secs(10), Vec::new());
        // Born at 9.9980 s and 9.9985 s, they reach the load balancer node 6 ms later: at 10.004 s and 10.0045 s. The last at 9.996 s.
        for born in [9_998_000, 9_998_500, 9_990_000] {
            let request = answered(SimTime::from_micros(born), web_pod(0));
            observer.see(request.at(Hop::Returned), Observation::Finished(&request));
        }
        let readings = observer.finish(SimTime::from_secs(20)).readings.unwrap();
        assert_eq!(readings.latency.of(Scope::Overall).count(), 2);
    }

    #[test]
    fn the_worst_window_is_found_wherever_it_lies() {
        // From 10 s on in windows of 10 s: 1 of 2, 0 of 1, nothing, 1 of 1; the incomplete one from 50 s on is left out.
        let requests = [
            (1, false),
            (11, true),
            (12, false),
            (25, true),
            (45, true),
            (51, false),
        ];
        assert_eq!(
            watched("availability", windows(10, Keep::Least), &requests, 55),
            [Ok(0.5)]
        );
        assert_eq!(
            watched("availability", windows(10, Keep::Greatest), &requests, 55),
            [Ok(1.0)]
        );
        assert_eq!(
            watched("lost requests", windows(10, Keep::Greatest), &requests, 55),
            [Ok(1.0)]
        );
    }

    #[test]
    fn empty_windows_count_for_what_can_be_zero() {
        // Four complete windows of 10 s, of which the third is empty.
        let requests = [(11, true), (25, true), (45, true)];
        assert_eq!(
            watched("request rate", windows(10, Keep::Least), &requests, 50),
            [Ok(0.0)]
        );
        let every = watched("availability", windows(10, Keep::Every), &requests, 50);
        assert_eq!(every, [Ok(1.0), Ok(1.0), Err(Absent::Nothing), Ok(1.0)]);
    }

    #[test]
    fn a_window_with_too_few_requests_leaves_the_extreme_unknown() {
        let requests = [(11, true)];
        assert_eq!(
            watched("p99 latency", windows(10, Keep::Greatest), &requests, 30),
            [Err(Absent::TooFew {
                seen: 1,
                needed: 1_000
            })]
        );
    }

    #[test]
    fn no_complete_window_has_no_value() {
        assert_eq!(
            watched("availability", windows(60, Keep::Least), &[(11, true)], 50),
            []
        );
    }

    #[test]
    fn a_stretch_has_its_own_length() {
        // From 15 s to 35 s: two requests in 20 s.
        let part = Part::Stretch {
            from: SimDuration::from_secs(5),
            until: SimDuration::from_secs(25),
        };
        let requests = [(11, true), (16, true), (34, true), (36, true)];
        assert_eq!(watched("request rate", part, &requests, 50), [Ok(0.1)]);
    }
}
