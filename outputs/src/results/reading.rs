//! Which integers stand behind the numbers?

use scenarios::experiment::answer::Alternative;
use scenarios::measure::METRICS;
use scenarios::measure::reading::{Content, Thing};
use serde::Serialize;
use serde::ser::Serializer;

#[derive(Serialize)]
pub(super) struct ReadingEntry<'a> {
    metric: &'static str,
    name: &'static str,
    scope: &'a str,
    #[serde(flatten)]
    content: ContentEntry<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum ContentEntry<'a> {
    /// One number for each thing, in the order of the scenario.
    Each {
        of: &'static str,
        unit: &'static str,
        values: Vec<u64>,
    },
    /// The requests with one outcome.
    Outcome {
        status: u16,
        decided_by: &'static str,
        requests: u64,
    },
    /// How many in each second after the warm-up.
    Seconds { counts: &'a [u64] },
    /// Buckets of a histogram: least value, width, count.
    Histogram {
        unit: &'static str,
        buckets: Buckets<'a>,
    },
}

/// The buckets of a histogram, written as it goes.
struct Buckets<'a>(&'a sim_core::Histogram);

impl Serialize for Buckets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0
                .buckets()
                .map(|bucket| [bucket.low, bucket.width, bucket.count]),
        )
    }
}

/// The integers behind the numbers; of the histograms only that of the whole latency, because the others are large.
pub(super) fn readings(one: &Alternative) -> Vec<ReadingEntry<'_>> {
    let mut entries = Vec::new();
    for (metric, readings) in one.readings.read(&one.layout) {
        for reading in readings {
            let content = match reading.content {
                Content::Spread(..) if metric != METRICS[0].key => continue,
                Content::Spread(unit, histogram) => ContentEntry::Histogram {
                    unit: unit.name(),
                    buckets: Buckets(histogram),
                },
                Content::Each(Thing::Outcome(status, decided_by), _, counts) => {
                    ContentEntry::Outcome {
                        status,
                        decided_by,
                        requests: counts.iter().sum(),
                    }
                }
                Content::Each(thing, unit, values) => ContentEntry::Each {
                    of: of(thing),
                    unit: unit.name(),
                    values: values.into_owned(),
                },
                Content::Seconds(seconds) => ContentEntry::Seconds {
                    counts: seconds.counts(),
                },
            };
            entries.push(ReadingEntry {
                metric,
                name: reading.name,
                scope: one.layout.name(reading.scope),
                content,
            });
        }
    }
    entries
}

fn of(thing: Thing) -> &'static str {
    match thing {
        Thing::Pod => "pods",
        Thing::Node => "nodes",
        Thing::Target => "targets",
        Thing::LoadBalancerNode => "load balancer nodes",
        Thing::One | Thing::Outcome(..) => "everything",
    }
}
