//! `twohop explain FIELD`

use std::io;

use scenarios::explain::{Explanation, Reference};
use scenarios::scenario::Scenario;

use super::Outcome;
use crate::print;

pub(super) fn run(field: &str) -> io::Result<Outcome> {
    let explanation = Reference::of::<Scenario>().explain(field);
    if matches!(explanation, Explanation::Unknown(_)) {
        print::remark(&format!("{field}: {explanation}"));
        return Ok(Outcome::Failed);
    }
    print::answer(&explanation.to_string())?;
    Ok(Outcome::Done)
}
