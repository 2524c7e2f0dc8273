//! Do the models agree with the recordings of the real systems, and with theory?
//!
//! One module per kind of recording. The files are read from the directory that `TWOHOP_VECTORS` names, or from the
//! recorded set beside these tests; a file that is not there is skipped with a line that says so, and in a file that is
//! there every case is judged.

use std::path::PathBuf;

mod maglev;
mod placement;
mod pools;
mod queueing;
mod testbed;
mod timelines;

/// Reads a recording, or says that it is not there.
fn recording<T: serde::de::DeserializeOwned>(file: &str) -> Option<T> {
    let path = directory().join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no {}", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn directory() -> PathBuf {
    let recorded = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    std::env::var_os("TWOHOP_VECTORS").map_or_else(recorded, PathBuf::from)
}
