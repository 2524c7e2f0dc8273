//! A deterministic discrete-event engine: calendar, random streams, statistics.

pub mod calendar;
pub mod dist;
pub mod engine;
pub mod estimate;
pub mod fingerprint;
pub mod histogram;
pub mod level;
pub mod replicate;
pub mod series;
pub mod stream;
pub mod tally;
pub mod time;
pub mod warmup;

pub use calendar::Calendar;
pub use dist::{Dist, DistError, Sampler};
pub use engine::{Agenda, BudgetSpent, Model, Simulation};
pub use estimate::{Estimate, Interval};
pub use fingerprint::Fingerprint;
pub use histogram::Histogram;
pub use level::Level;
pub use replicate::{replicate, replicate_each};
pub use series::Series;
pub use stream::{Block, Blocks, Stream, StreamName, Streams, Unit};
pub use tally::Tally;
pub use time::{SimDuration, SimTime};
