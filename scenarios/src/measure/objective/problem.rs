//! What can be wrong with the sentence of an objective.

use std::ops::Range;

/// What is wrong with a sentence, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ObjectiveError {
    /// Bytes of the sentence that are wrong; empty at a place where something is missing.
    pub at: Range<usize>,
    /// What is wrong.
    pub problem: Problem,
    /// How to mend it, where that is known.
    pub help: Option<String>,
}

/// What is wrong with a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No comparison.
    #[error(
        "an objective compares a metric with a value: expected `<`, `<=`, `>` or `>=`, as in \"p99 latency < 200ms\""
    )]
    NoComparison,
    /// Nothing before the comparison.
    #[error("expected the name of a metric")]
    NoMetric,
    /// A metric that does not exist.
    #[error("no metric is called {found:?}")]
    UnknownMetric {
        /// The name as written.
        found: String,
    },
    /// Nothing after `of`.
    #[error("expected the name of a service after `of`")]
    NoService,
    /// A metric that has no value for one Service.
    #[error("{metric} is one number for the whole run: it has no value for one service")]
    NotPerService {
        /// The metric.
        metric: &'static str,
    },
    /// Nothing after the comparison.
    #[error("expected a value after `{comparison}`, such as {example}")]
    NoValue {
        /// The comparison.
        comparison: &'static str,
        /// A value of the right kind.
        example: &'static str,
    },
    /// A value that is none, or of the wrong kind.
    #[error("{found:?} is not a value of {metric}: expected {expected}, such as {example}")]
    WrongValue {
        /// The value as written.
        found: String,
        /// The metric.
        metric: &'static str,
        /// The kind of value.
        expected: &'static str,
        /// A value of that kind.
        example: &'static str,
    },
    /// Something after the value that is no part of the grammar.
    #[error(
        "found {found:?} after the value: expected `in the worst WINDOW`, `after DURATION`, `before the first fault` or `in SHARE of replications`"
    )]
    UnknownPart {
        /// The text.
        found: String,
    },
    /// A share of replications that is none.
    #[error("{found:?} is not a share of replications: expected a share above 0, such as 99%")]
    WrongShare {
        /// The text.
        found: String,
    },
    /// A window or duration that is none.
    #[error("{found:?} is not {expected}")]
    WrongDuration {
        /// The text.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
}

impl ObjectiveError {
    pub(super) fn new(at: Range<usize>, problem: Problem) -> Self {
        Self {
            at,
            problem,
            help: None,
        }
    }

    pub(super) fn with_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
}
