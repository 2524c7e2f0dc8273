//! What came out of a run, how sure is it, and does it meet the objectives?
//!
//! A [`metric`] folds the observations of one replication into integers. Readings of replications merge exactly, so
//! the number of threads leaves no trace. Floats appear last: a [`Quantity`] is one named number of one replication,
//! such as "p99 latency"; over replications it has an estimate with an interval, paired differences ([`compare`])
//! and verdicts ([`objective`]).

pub mod bundle;
pub mod chance;
pub mod compare;
pub mod layout;
pub mod metric;
pub mod objective;
pub mod observer;
pub mod presence;
pub mod quantity;
pub mod reach;
pub mod reading;
#[cfg(test)]
pub(crate) mod testing;

pub use layout::{Layout, Scope};
pub use metric::{METRICS, Quantity, Readings};
pub use objective::{Objective, Verdict};
pub use quantity::{About, Absent, Better, Estimated, Unit};
