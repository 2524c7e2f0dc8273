//! What is wrong with a scenario, where, and what would mend it?
//!
//! A [`Diagnostic`] is data. Nothing here knows colours, lines or terminals; the command line renders.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::source::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The scenario cannot be run as it is.
    Error,
    /// Something to read before trusting the results.
    Warning,
}

/// One complaint about a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule that was broken; `twohop explain T014` tells more.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Places in the texts. The first is the one to mend; further ones help to understand. Empty when no text could be read.
    pub labels: Vec<Label>,
    /// What to do about it, one sentence each.
    pub help: Vec<String>,
}

/// A place in a text and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A few words; may be empty when the message says it all.
    pub text: String,
}

impl Diagnostic {
    /// A complaint that keeps the scenario from running.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A remark on something that runs, and may not do what its author thinks.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(code, message)
        }
    }

    /// Adds a place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds a sentence of help.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The order in which complaints are shown: as their places stand in the texts, those without a place first.
    pub fn place(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }
}

/// Puts complaints in the order of their places and drops those said twice.
pub fn in_order(mut all: Vec<Diagnostic>) -> Vec<Diagnostic> {
    all.sort_by_key(Diagnostic::place);
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(all.len());
    for diagnostic in all {
        let same_place = kept
            .iter()
            .rev()
            .take_while(|earlier| earlier.place() == diagnostic.place());
        if !same_place.into_iter().any(|earlier| *earlier == diagnostic) {
            kept.push(diagnostic);
        }
    }
    kept
}

/// Of many complaints of one kind the first few; the last of these says how many more there are.
pub fn few_of_each(all: Vec<Diagnostic>) -> Vec<Diagnostic> {
    const FEW: usize = 8;
    let mut seen: BTreeMap<Code, usize> = BTreeMap::new();
    let mut kept: Vec<Diagnostic> = Vec::new();
    for diagnostic in all {
        let count = seen.entry(diagnostic.code).or_default();
        *count += 1;
        if *count <= FEW {
            kept.push(diagnostic);
        }
    }
    for (code, count) in seen {
        let last = kept.iter_mut().rfind(|it| it.code == code);
        if let (Some(last), Some(more @ 1..)) = (last, count.checked_sub(FEW)) {
            last.help
                .push(format!("{more} more of this kind are not shown"));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code;

    #[test]
    fn of_many_alike_eight_are_given_and_the_others_counted() {
        let many =
            |count: usize, code| (0..count).map(move |_| Diagnostic::warning(code, "unused"));
        let all = many(10, code::NEVER_USED).chain(many(2, code::QUOTA));
        let few = few_of_each(all.collect());
        assert_eq!(few.len(), 10);
        assert_eq!(few[6].help, [""; 0]);
        assert_eq!(few[7].help, ["2 more of this kind are not shown"]);
        assert_eq!(few[9].help, [""; 0]);
    }
}
