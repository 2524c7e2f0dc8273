//! `twohop schema`

use std::io;

use scenarios::explain::Reference;
use scenarios::scenario::Scenario;

use super::Outcome;
use crate::print;

pub(super) fn run() -> io::Result<Outcome> {
    let reference = Reference::of::<Scenario>();
    print::answer(&serde_json::to_string_pretty(reference.schema())?)?;
    Ok(Outcome::Done)
}
