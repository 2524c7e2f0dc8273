//! What should be read before trusting the numbers?

use scenarios::load::Loaded;

use super::Shown;
use crate::report::Warning;

/// The remarks on the scenario, then those on the runs.
pub(super) fn warnings(shown: &Shown<'_>) -> Vec<Warning> {
    let run = shown.answer.warnings.iter().map(|one| Warning {
        code: one.code().to_owned(),
        text: one.to_string(),
        help: String::new(),
    });
    written(shown.loaded).chain(run).collect()
}

/// The remarks on the scenario.
pub(super) fn written(loaded: &Loaded) -> impl Iterator<Item = Warning> {
    loaded.warnings.iter().map(|one| Warning {
        code: one.code.to_string(),
        text: one.message.clone(),
        help: one.help.join("; "),
    })
}
