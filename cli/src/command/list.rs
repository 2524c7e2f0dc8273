//! `twohop list`

use std::io;

use scenarios::library::LIBRARY;

use super::Outcome;
use crate::print;

pub(super) fn run(names: bool) -> io::Result<Outcome> {
    let text = if names { self::names() } else { questions() };
    print::answer(&text)?;
    Ok(Outcome::Done)
}

fn names() -> String {
    LIBRARY
        .iter()
        .map(|shipped| format!("{}\n", shipped.name))
        .collect()
}

fn questions() -> String {
    let width = LIBRARY
        .iter()
        .map(|shipped| shipped.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for shipped in LIBRARY {
        text += &format!("{:width$}  {}\n", shipped.name, shipped.question);
    }
    text += "\n`twohop show NAME` prints one, `twohop run NAME` answers it.\n";
    text
}
