//! Runs the program and compares what it prints with a file.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The directory of this test, in which expectations lie.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")
}

/// Runs `twohop` in the directory of wrong scenarios.
pub(crate) fn twohop(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twohop"))
        .args(arguments)
        .current_dir(directory().join("errors"))
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .output()
        .expect("the program can be started")
}

/// Everything that it printed and how it exited, as golden files have it.
pub(crate) fn transcript(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output
        .status
        .code()
        .map_or("none: it was killed".to_owned(), |code| code.to_string());
    format!(
        "{}{}exit code {code}\n",
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// Compares with a golden file; with `UPDATE_GOLDEN=1` writes it. Says what differs.
pub(crate) fn compare(file: &Path, found: &str) -> Result<(), String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write(file, found).map_err(|error| format!("{}: {error}", file.display()));
    }
    match std::fs::read_to_string(file) {
        Ok(expected) if expected == found => Ok(()),
        Ok(expected) => Err(format!(
            "{} expected\n{expected}\nfound\n{found}",
            file.display()
        )),
        Err(error) => Err(format!(
            "{}: {error}; `UPDATE_GOLDEN=1` writes it\nfound\n{found}",
            file.display()
        )),
    }
}
