//! From what stands on the command line to a scenario that can be run.

use std::io::Read;
use std::path::Path;

use scenarios::code;
use scenarios::diagnostic::Diagnostic;
use scenarios::library;
use scenarios::load::{Loaded, Purpose, load_for};
use scenarios::patch::Patch;
use scenarios::source::{LONGEST_SOURCE_BYTES, SourceId, Sources};
use scenarios::suggest::nearest;

use crate::args::ScenarioArgs;

/// Reads, changes and checks a scenario; `overrides` are changes that have options of their own, after those of `--set`. The texts are needed to show what is found, so they come from the caller.
pub(crate) fn scenario(
    purpose: Purpose,
    args: &ScenarioArgs,
    overrides: &[String],
    sources: &mut Sources,
) -> Result<Loaded, Vec<Diagnostic>> {
    let source = source(&args.file, sources).map_err(|wrong| vec![wrong])?;
    let mut patches = Vec::new();
    let mut wrong = Vec::new();
    for set in args.sets.iter().chain(overrides) {
        match Patch::from_argument(sources, set) {
            Ok(patch) => patches.push(patch),
            Err(diagnostics) => wrong.extend(diagnostics),
        }
    }
    if wrong.is_empty() {
        load_for(purpose, sources, source, &patches)
    } else {
        Err(wrong)
    }
}

/// The text of a file, of standard input, or of a shipped scenario.
fn source(file: &str, sources: &mut Sources) -> Result<SourceId, Diagnostic> {
    if file == "-" {
        let mut bytes = Vec::new();
        let unreadable = |error: std::io::Error| {
            Diagnostic::error(
                code::UNREADABLE,
                format!("cannot read standard input: {error}"),
            )
        };
        std::io::stdin()
            .lock()
            .take(LONGEST_SOURCE_BYTES)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        return sources.add_bytes("standard input", bytes);
    }
    let path = Path::new(file);
    if !path.exists()
        && let Some(shipped) = library::find(file)
    {
        return Ok(sources.add(format!("{}.ron", shipped.name), shipped.text));
    }
    sources.read(path).map_err(|wrong| {
        match nearest(file, library::LIBRARY.iter().map(|shipped| shipped.name)) {
            Some(near) if !path.exists() => {
                wrong.help(format!("a scenario called `{near}` is shipped"))
            }
            _ => wrong,
        }
    })
}
