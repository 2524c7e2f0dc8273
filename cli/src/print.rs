//! Where words go: answers to standard output, everything about them to standard error.

use std::io::{self, Write};

/// Prints an answer.
pub(crate) fn answer(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Prints something that is no answer. Nothing can be done when that fails.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end_matches('\n'));
}

/// Prints why the program failed.
pub(crate) fn failure(text: &str) {
    remark(&format!("error: {text}"));
}
