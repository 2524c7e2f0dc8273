//! `twohop show NAME`

use std::io;

use scenarios::library::{self, LIBRARY};
use scenarios::suggest::nearest;

use super::Outcome;
use crate::print;

pub(super) fn run(name: &str) -> io::Result<Outcome> {
    if let Some(shipped) = library::find(name) {
        print::answer(shipped.text)?;
        return Ok(Outcome::Done);
    }
    let near = nearest(name, LIBRARY.iter().map(|shipped| shipped.name));
    let repair = near.map_or_else(
        || "`twohop list` prints them".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    print::failure(&format!("no shipped scenario is called `{name}`: {repair}"));
    Ok(Outcome::Failed)
}
