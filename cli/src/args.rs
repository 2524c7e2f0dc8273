//! What can be asked for.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

/// What does a change at the edge of a Kubernetes cluster do to traffic?
///
/// A deterministic simulator of every stage between a client and a pod behind an AWS load balancer, and of the signals that
/// travel the other way. A scenario file asks the question; `twohop list` shows files that are shipped.
#[derive(Debug, Parser)]
#[command(name = "twohop", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done and objectives met, 1 the scenario is wrong, 2 the program failed, \
3 an objective was missed, 4 none was missed but one is undecided";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether a scenario is right, and what to think about before trusting it
    Check(ScenarioArgs),
    /// Print what a field means, its default, range and source; or what a code such as T014 means
    Explain {
        /// A path (`clients.*.timeout`), a bare name (`timeout`) or a code (`T014`); nothing for the top of the format
        #[arg(default_value = "")]
        field: String,
    },
    /// List the scenarios that are shipped
    List,
    /// Print a shipped scenario
    Show {
        /// Its name, as `twohop list` prints it
        name: String,
    },
    /// Print the JSON Schema of scenario files
    Schema,
    /// Print a script that completes arguments in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// A scenario and changes to it.
#[derive(Debug, clap::Args)]
pub(crate) struct ScenarioArgs {
    /// A scenario file, `-` for standard input, or the name of a shipped scenario
    pub(crate) file: String,

    /// Change a field: `--set deployments.nginx.replicas=12`, the value in plain RON
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) sets: Vec<String>,
}
