//! The commands, one file each.

use std::io;
use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::print;

mod check;
mod completions;
mod explain;
mod list;
mod place;
mod run;
mod schema;
mod show;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything is well.
    Done,
    /// The scenario is wrong.
    WrongScenario,
    /// The program failed, or was asked for what it does not know.
    Failed,
    /// An objective was missed.
    Missed,
    /// No objective was missed, but one is undecided.
    Undecided,
}

impl Outcome {
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::WrongScenario => ExitCode::from(1),
            Outcome::Failed => ExitCode::from(2),
            Outcome::Missed => ExitCode::from(3),
            Outcome::Undecided => ExitCode::from(4),
        }
    }
}

pub(crate) fn run(args: Args) -> Outcome {
    let result = match args.command {
        Command::Run(args) => run::run(&args),
        Command::Place(args) => place::run(&args),
        Command::Check(scenario) => check::run(&scenario),
        Command::Explain { field } => explain::run(&field),
        Command::List { names } => list::run(names),
        Command::Show { name } => show::run(&name),
        Command::Schema => schema::run(),
        Command::Completions { shell } => completions::run(shell),
    };
    result.unwrap_or_else(|error| match error.kind() {
        // Whoever reads our output has seen enough: `twohop schema | head`.
        io::ErrorKind::BrokenPipe => Outcome::Done,
        _ => {
            print::failure(&format!("cannot write: {error}"));
            Outcome::Failed
        }
    })
}
