//! What is measured: one file per question, in the order of the report.
//!
//! A metric is a struct of integers. It sees what happens after the warm-up, merges with its like from other
//! replications, and answers the quantities it defines. Adding one takes its file and its line in the list below.

use sim_core::SimDuration;
use sim_models::observe::Observation;

use super::layout::{Focus, Layout};
use super::presence::Presence;
use super::quantity::{About, Absent, Definition};
use super::reading::{Merge, Reading};

pub mod ages;
pub mod connections;
pub mod distance;
pub mod drains;
pub mod health;
pub mod hops;
pub mod latency;
pub mod load;
pub mod outcomes;
pub mod paths;
pub mod placement;
pub mod places;
pub mod pods;
pub mod replicas;
pub mod requests;
pub mod rollouts;
pub mod sources;
pub mod targets;

/// Something that is measured.
///
/// It steers nothing: a metric cannot reach the run it watches.
pub trait Metric: Merge + Clone + Send + Sync + 'static {
    /// The question it answers.
    const QUESTION: &'static str;

    /// The named numbers it answers it with, in the order of the report.
    const QUANTITIES: &'static [Definition<Self>];

    /// Nothing seen yet.
    fn new(layout: &Layout) -> Self;

    /// Sees something that happened `since` the observation began.
    fn see(&mut self, layout: &Layout, since: SimDuration, seen: &Observation<'_>);

    /// Makes the readings consistent after the last observation, and learns which pods were there.
    fn close(&mut self, _: &Presence) {}

    /// All its numbers, for outputs that write everything.
    fn read<'a>(&'a self, layout: &'a Layout) -> Vec<Reading<'a>>;
}

/// Description of one metric of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricAbout {
    /// Its key in machine-readable outputs.
    pub key: &'static str,
    /// The question it answers.
    pub question: &'static str,
}

/// Writes down the list of metrics once: the recorder of all of them, the recorder of one of them, and the register
/// of their quantities. Everything is dispatched statically.
macro_rules! metrics {
    ($($(#[$doc:meta])* $kind:ident $field:ident: $path:path;)*) => {
        /// The readings of all metrics: of one replication, or merged over several.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Readings {
            $($(#[$doc])* pub $field: $path,)*
        }

        impl Readings {
            /// Nothing seen yet.
            #[must_use]
            pub fn new(layout: &Layout) -> Self {
                Self { $($field: <$path as Metric>::new(layout),)* }
            }

            /// Shows an observation to all metrics.
            #[inline]
            pub fn see(&mut self, layout: &Layout, since: SimDuration, seen: &Observation<'_>) {
                $(self.$field.see(layout, since, seen);)*
            }

            /// Makes the readings consistent after the last observation, and tells them which pods were there.
            pub fn close(&mut self, there: &Presence) {
                $(self.$field.close(there);)*
            }

            /// The value of a quantity.
            ///
            /// # Errors
            ///
            /// [`Absent`] says why there is none.
            pub fn value(&self, quantity: Quantity, focus: &Focus<'_>) -> Result<f64, Absent> {
                match quantity.kind {
                    $(Kind::$kind => value(&self.$field, quantity, focus),)*
                }
            }

            /// All numbers of all metrics, for outputs that write everything; with the key of each metric.
            #[must_use]
            pub fn read<'a>(&'a self, layout: &'a Layout) -> Vec<(&'static str, Vec<Reading<'a>>)> {
                vec![$((stringify!($field), self.$field.read(layout)),)*]
            }
        }

        impl Merge for Readings {
            fn merge(&mut self, other: &Self) {
                $(self.$field.merge(&other.$field);)*
            }
        }

        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        enum Kind {
            $($kind,)*
        }

        /// Any one metric on its own, for objectives on a part of the run.
        #[derive(Clone, Debug)]
        pub(crate) enum Single {
            $($kind(Box<$path>),)*
        }

        impl Single {
            /// The metric that defines `quantity`.
            pub(crate) fn new(quantity: Quantity, layout: &Layout) -> Self {
                match quantity.kind {
                    $(Kind::$kind => Self::$kind(Box::new(<$path as Metric>::new(layout))),)*
                }
            }

            pub(crate) fn see(&mut self, layout: &Layout, since: SimDuration, seen: &Observation<'_>) {
                match self {
                    $(Self::$kind(metric) => metric.see(layout, since, seen),)*
                }
            }

            pub(crate) fn close(&mut self, there: &Presence) {
                match self {
                    $(Self::$kind(metric) => metric.close(there),)*
                }
            }

            /// The value of a quantity of this metric.
            pub(crate) fn value(&self, quantity: Quantity, focus: &Focus<'_>) -> Result<f64, Absent> {
                match self {
                    $(Self::$kind(metric) => value(metric.as_ref(), quantity, focus),)*
                }
            }
        }

        /// Every metric, in the order of the report.
        pub const METRICS: &[MetricAbout] = &[
            $(MetricAbout { key: stringify!($field), question: <$path as Metric>::QUESTION },)*
        ];

        const COUNTS: &[(Kind, usize)] = &[
            $((Kind::$kind, <$path as Metric>::QUANTITIES.len()),)*
        ];

        impl Quantity {
            /// Its description.
            #[must_use]
            pub fn about(self) -> &'static About {
                match self.kind {
                    $(Kind::$kind => &<$path as Metric>::QUANTITIES[self.index].about,)*
                }
            }
        }
    };
}

metrics! {
    /// How long requests take.
    Latency latency: latency::Latency;
    /// Where their time goes.
    Hops hops: hops::Hops;
    /// What became of them.
    Outcomes outcomes: outcomes::Outcomes;
    /// How many came, and through which load balancer node.
    Requests requests: requests::Requests;
    /// How evenly pods are used.
    Pods pods: pods::Pods;
    /// How evenly targets and nodes are used.
    Places places: places::Places;
    /// How evenly pods lie.
    Placement placement: placement::Placement;
    /// How connections carry requests.
    Connections connections: connections::Connections;
    /// How old connections are.
    Ages ages: ages::Ages;
    /// How far requests travel.
    Distance distance: distance::Distance;
    /// Which way requests go.
    Paths paths: paths::Paths;
    /// Whose address pods see.
    Sources sources: sources::Sources;
    /// How busy pods are.
    Load load: load::Load;
    /// How many targets are registered.
    Targets targets: targets::Targets;
    /// Who notices a fault, and when.
    Health health: health::Health;
    /// How rolling updates go.
    Rollouts rollouts: rollouts::Rollouts;
    /// How drains go.
    Drains drains: drains::Drains;
    /// How many replicas autoscalers want.
    Replicas replicas: replicas::Replicas;
}

/// A named number of one replication, such as "p99 latency".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    kind: Kind,
    index: usize,
}

impl Quantity {
    /// Every quantity, in the order of the report.
    pub fn all() -> impl Iterator<Item = Self> {
        COUNTS
            .iter()
            .flat_map(|&(kind, count)| (0..count).map(move |index| Self { kind, index }))
    }

    /// How many quantities there are.
    #[must_use]
    pub fn count() -> usize {
        COUNTS.iter().map(|&(_, count)| count).sum()
    }

    /// Its place in [`Quantity::all`].
    #[must_use]
    pub fn position(self) -> usize {
        let before = COUNTS.iter().take_while(|&&(kind, _)| kind != self.kind);
        before.map(|&(_, count)| count).sum::<usize>() + self.index
    }

    /// The quantity of that name; capitals and the number of blanks do not matter.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let same = |a: &str| {
            a.split_whitespace()
                .map(str::to_lowercase)
                .eq(name.split_whitespace().map(str::to_lowercase))
        };
        Self::all().find(|quantity| same(quantity.name()))
    }

    /// Its fixed name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.about().name
    }
}

fn value<M: Metric>(metric: &M, quantity: Quantity, focus: &Focus<'_>) -> Result<f64, Absent> {
    use super::layout::Scope;
    use super::quantity::Applies;
    let definition = &M::QUANTITIES[quantity.index];
    match (definition.about.applies, focus.scope) {
        (Applies::ServicesOnly, Scope::Overall) | (Applies::OverallOnly, Scope::Service(_)) => {
            Err(Absent::Nothing)
        }
        _ => (definition.value)(metric, focus),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sim_core::SimTime;
    use sim_models::request::{Hop, Outcome, Request};

    use super::*;
    use crate::measure::testing::{after, answered, refused, web_pod};

    #[test]
    fn names_differ_and_are_found() {
        let all: Vec<Quantity> = Quantity::all().collect();
        for (position, &quantity) in all.iter().enumerate() {
            assert_eq!(
                Quantity::named(quantity.name()),
                Some(quantity),
                "{}",
                quantity.name()
            );
            assert_eq!(quantity.position(), position);
        }
        assert_eq!(all.len(), Quantity::count());
        assert_eq!(
            Quantity::named(" P99  Latency"),
            Quantity::named("p99 latency")
        );
        assert_eq!(Quantity::named("p98.7 latency"), None);
    }

    #[test]
    fn no_name_can_be_mistaken_for_another_part_of_an_objective() {
        for quantity in Quantity::all() {
            let name = quantity.name();
            assert!(
                !name.contains(['<', '>', '=']) && !name.contains(" of "),
                "{name}"
            );
            assert!(quantity.about().meaning.ends_with('.'), "{name}");
        }
    }

    /// A request in a second of the run, of a pod or refused.
    fn request() -> impl Strategy<Value = Request> {
        (0..100u64, 0..4usize, 1..4usize, any::<bool>()).prop_map(
            |(second, pod, outcome, reused)| {
                let at = SimTime::from_secs(second);
                let mut request = if pod < 3 {
                    answered(at, web_pod(pod))
                } else {
                    refused(at)
                };
                request.reused = reused;
                if pod == 3 {
                    request.outcome =
                        [Outcome::NoTarget, Outcome::NoRule, Outcome::NodeRefused][outcome - 1];
                    request.service = request.service.filter(|_| reused);
                }
                request
            },
        )
    }

    fn in_time(mut requests: Vec<Request>) -> Vec<Request> {
        requests.sort_by_key(|request| request.at(Hop::Returned));
        requests
    }

    fn merged(parts: &[&Readings]) -> Readings {
        let mut sum = parts[0].clone();
        parts[1..].iter().for_each(|part| sum.merge(part));
        sum
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn merge_is_associative_order_free_and_the_same_as_seeing_all(
            requests in prop::collection::vec(request(), 0..30),
            cuts in (0..30usize, 0..30usize),
        ) {
            let requests = in_time(requests);
            let (one, two) = (cuts.0.min(cuts.1).min(requests.len()), cuts.0.max(cuts.1).min(requests.len()));
            let [a, b, c] = [&requests[..one], &requests[one..two], &requests[two..]].map(after);
            // As many observations of the same length, whoever saw the requests.
            let [together, none] = [&requests[..], &[]].map(after);
            let together = merged(&[&together, &none, &none]);
            prop_assert_eq!(&merged(&[&a, &b, &c]), &together);
            prop_assert_eq!(&merged(&[&c, &a, &b]), &together);
            prop_assert_eq!(&merged(&[&a, &merged(&[&b, &c])]), &together);
        }
    }
}
