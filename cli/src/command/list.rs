//! `twohop list`

use std::io;

use scenarios::library::LIBRARY;

use super::Outcome;
use crate::print;

pub(super) fn run() -> io::Result<Outcome> {
    let width = LIBRARY
        .iter()
        .map(|shipped| shipped.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for shipped in LIBRARY {
        text += &format!("{:width$}  {}\n", shipped.name, shipped.question);
    }
    text += "\n`twohop show NAME` prints one, `twohop check NAME` checks it.\n";
    print::answer(&text)?;
    Ok(Outcome::Done)
}
