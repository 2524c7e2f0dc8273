//! What the terminal can show.

use std::io::IsTerminal;

use outputs::render::text::Layout;

/// Characters in a line where nothing else is known.
const WIDTH: u16 = 100;

/// A line shorter than this holds no table.
const NARROWEST: u16 = 40;

/// How to lay out text for standard output: `COLUMNS` wins over the terminal's own width; colour only in a terminal, and never
/// with `NO_COLOR`.
pub(crate) fn layout() -> Layout {
    let wanted = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let measured = || terminal_size::terminal_size().map(|(width, _)| width.0);
    Layout {
        width: wanted.or_else(measured).unwrap_or(WIDTH).max(NARROWEST),
        colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    }
}
