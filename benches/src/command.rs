//! What the programs share: `key=value` options, a stopwatch around the work, and one line of JSON.

use std::process::ExitCode;
use std::str::FromStr;

use crate::report::{Outcome, Stopwatch, line};

/// Prints the line of JSON, or what is wrong and the usage on standard error, with exit code 2.
#[must_use]
pub fn answer(line: Result<String, String>, usage: &str) -> ExitCode {
    match line {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}\n{usage}");
            ExitCode::from(2)
        }
    }
}

/// Runs a workload and writes down what it took.
#[must_use]
pub fn timed(workload: &str, run: impl FnOnce() -> Outcome) -> String {
    let stopwatch = Stopwatch::start();
    let outcome = run();
    line(workload, &outcome, stopwatch.elapsed())
}

/// The `key=value` pairs of the command line.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a>(pub &'a [String]);

impl Options<'_> {
    /// The value of `key`, or what it is where nobody says.
    ///
    /// # Errors
    ///
    /// When the value cannot be read; the message names the pair.
    pub fn get<T: FromStr<Err: ToString>>(&self, key: &str, default: T) -> Result<T, String> {
        let pair = self
            .0
            .iter()
            .find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key));
        pair.map_or(Ok(default), |(_, value)| {
            value
                .parse()
                .map_err(|error: T::Err| format!("{key}={value}: {}", error.to_string()))
        })
    }
}
