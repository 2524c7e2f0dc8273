//! `twohop run FILE`

use std::fs;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread::available_parallelism;

use outputs::files::{self, File, Pictures};
use outputs::render::{markdown, text};
use outputs::trace::{self, TraceError};
use outputs::view::{self, Shown};
use outputs::{name, results};
use scenarios::experiment::{self, Experiment};
use scenarios::load::{Loaded, Purpose};
use scenarios::measure::Verdict;
use scenarios::source::Sources;

use super::Outcome;
use crate::args::{Format, RunArgs};
use crate::progress::Bar;
use crate::{diagnose, input, print, terminal};

/// Name and version, as results have them.
pub(super) const PROGRAM: &str = concat!("twohop ", env!("CARGO_PKG_VERSION"));

pub(super) fn run(args: &RunArgs) -> io::Result<Outcome> {
    let mut sources = Sources::default();
    let loaded = match input::scenario(
        Purpose::Run,
        &args.scenario,
        &args.overrides(),
        &mut sources,
    ) {
        Ok(loaded) => loaded,
        Err(wrong) => {
            diagnose::show(&wrong, &sources);
            return Ok(Outcome::WrongScenario);
        }
    };
    // The other formats hold the warnings themselves.
    if !args.quiet && matches!(args.format, Format::Json | Format::Csv) {
        diagnose::show(&loaded.warnings, &sources);
    }
    // Work that cannot be kept is not begun.
    if let Some(directory) = &args.out
        && let Err(error) = fs::create_dir_all(directory)
    {
        return Ok(failed(&format!(
            "cannot make the directory {}: {error}",
            directory.display()
        )));
    }
    answer(args, &loaded)
}

fn answer(args: &RunArgs, loaded: &Loaded) -> io::Result<Outcome> {
    let bar = Bar::new(args.quiet);
    let result = experiment::run(&Experiment::of(loaded, threads(args.threads)), &bar);
    bar.finish();
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return Ok(failed(&error.to_string())),
    };
    let command = args.command();
    let shown = Shown {
        answer: &answer,
        loaded,
        source: &args.scenario.file,
        program: PROGRAM,
        command: &command,
    };
    let kept = match &args.out {
        Some(directory) => keep(args, &shown, directory),
        None => Ok(()),
    };
    // Printed even where the files could not be written: the work is done.
    print::answer(&printed(args.format, &shown)?)?;
    match (kept, &args.out) {
        (Err(error), _) => return Ok(failed(&error)),
        (Ok(()), Some(directory)) if !args.quiet => {
            print::remark(&format!(
                "wrote {}",
                directory.join("report.html").display()
            ));
        }
        _ => {}
    }
    Ok(match answer.verdict() {
        Verdict::Met => Outcome::Done,
        Verdict::Missed => Outcome::Missed,
        Verdict::Undecided => Outcome::Undecided,
    })
}

pub(super) fn failed(why: &str) -> Outcome {
    print::failure(why);
    Outcome::Failed
}

fn printed(format: Format, shown: &Shown<'_>) -> io::Result<String> {
    Ok(match format {
        Format::Text => text::report(&view::report(shown), terminal::layout()),
        Format::Json => results::json(shown)?,
        Format::Csv => results::csv(shown),
        Format::Markdown => markdown::report(&view::report(shown)),
    })
}

/// Writes every file of the answer, or says why not.
fn keep(args: &RunArgs, shown: &Shown<'_>, directory: &Path) -> Result<(), String> {
    let files = files::all(shown, pictures(args.png)).map_err(|error| error.to_string())?;
    write_all(&files, directory)?;
    if !args.trace {
        return Ok(());
    }
    let names = name::distinct(shown.alternatives().iter().map(|one| one.name.as_str()));
    for (alternative, name) in shown.alternatives().iter().zip(names) {
        let directory = directory.join("trace").join(name);
        let traced = fs::create_dir_all(&directory)
            .map_err(TraceError::from)
            .and_then(|()| {
                trace::write(alternative, shown.answer.seed, |file| {
                    fs::File::create(directory.join(file)).map(BufWriter::new)
                })
            });
        traced.map_err(|error| unwritten(&directory, &error))?;
    }
    Ok(())
}

/// The threads that were asked for, else one for each core.
pub(super) fn threads(wanted: Option<NonZeroUsize>) -> NonZeroUsize {
    wanted
        .or_else(|| available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

pub(super) fn pictures(png: bool) -> Pictures {
    if png {
        Pictures::SvgAndPng
    } else {
        Pictures::Svg
    }
}

/// Writes the files below a directory, or says which one could not be written.
pub(super) fn write_all(files: &[File], directory: &Path) -> Result<(), String> {
    for file in files {
        let path = directory.join(&file.path);
        write(&path, |to| to.write_all(&file.bytes)).map_err(|error| unwritten(&path, &error))?;
    }
    Ok(())
}

fn write<E: From<io::Error>>(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<fs::File>) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut to = BufWriter::new(fs::File::create(path)?);
    content(&mut to)?;
    Ok(to.flush()?)
}

fn unwritten(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("cannot write {}: {error}", path.display())
}

impl RunArgs {
    /// The options that are short for `--set`.
    fn overrides(&self) -> Vec<String> {
        let seed = self.seed.map(|seed| format!("seed={seed}"));
        let replications = self
            .replications
            .map(|count| format!("run.replications={count}"));
        seed.into_iter().chain(replications).collect()
    }

    /// The command that gives the same answer: what leaves no trace in it is left out.
    fn command(&self) -> String {
        let mut words = vec!["twohop".to_owned(), "run".to_owned()];
        words.push(quoted(&self.scenario.file));
        for set in &self.scenario.sets {
            words.extend(["--set".to_owned(), quoted(set)]);
        }
        if let Some(seed) = self.seed {
            words.push(format!("--seed {seed}"));
        }
        if let Some(count) = self.replications {
            words.push(format!("--replications {count}"));
        }
        words.join(" ")
    }
}

/// A word as a shell reads it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
