//! The command line: reads arguments, asks the libraries, prints what they answer.

mod args;
mod command;
mod diagnose;
mod input;
mod print;
mod progress;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    command::run(args).code()
}
