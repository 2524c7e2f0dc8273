//! What should be read before trusting the numbers?

use super::Shown;
use crate::report::Warning;

/// The remarks on the scenario, then those on the runs.
pub(super) fn warnings(shown: &Shown<'_>) -> Vec<Warning> {
    let written = shown.loaded.warnings.iter().map(|one| Warning {
        code: one.code.to_string(),
        text: one.message.clone(),
        help: one.help.join("; "),
    });
    let run = shown.answer.warnings.iter().map(|one| Warning {
        code: one.code().to_owned(),
        text: one.to_string(),
        help: String::new(),
    });
    written.chain(run).collect()
}
