//! `twohop completions SHELL`

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Outcome;
use crate::args::Args;
use crate::print;

pub(super) fn run(shell: Shell) -> io::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "twohop", &mut script);
    print::answer(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
