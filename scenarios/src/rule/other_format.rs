//! T023: a file of another version.

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::scenario::FORMAT;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let format = subject.scenario.format;
    if format != FORMAT {
        let message = format!(
            "this file is written in format {format}, and this program reads format {FORMAT}"
        );
        found.push(
            Diagnostic::error(code::OTHER_FORMAT, message)
                .label(subject.at(&["format"]), format!("expected {FORMAT}")),
        );
    }
}
