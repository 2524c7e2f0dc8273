//! What can be asked for.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

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
    /// Simulate a scenario and answer what it asks
    Run(RunArgs),
    /// Place the pods alone, many times, without any traffic: where they land, how evenly, and why some stay Pending
    Place(PlaceArgs),
    /// Say whether a scenario is right, and what to think about before trusting it
    Check(ScenarioArgs),
    /// Print what a field means, its default, range and source; or what a metric or a code such as T014 means
    Explain {
        /// A path (`clients.*.timeout`), a bare name (`timeout`), a metric (`"p99 latency"`), a code (`T014`); `metrics` for all of them; nothing for the top of the format
        #[arg(default_value = "")]
        field: String,
    },
    /// List the scenarios that are shipped
    List {
        /// The names alone, one on each line
        #[arg(long)]
        names: bool,
    },
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

/// A scenario, how to run it, and where its answer goes.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,

    /// Seed of all random numbers, instead of the scenario's
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Independent runs of every alternative, instead of the scenario's
    #[arg(long, value_name = "N")]
    pub(crate) replications: Option<NonZeroU32>,

    /// Threads to run on, 1 to 1024; they leave no trace in the answer [default: one for each core]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,

    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,

    /// Write report.html, figures, tables and results.json into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Write figures as PNG too
    #[arg(long, requires = "out")]
    pub(crate) png: bool,

    /// Write replication 0 into DIR/trace: every request, access logs, Hubble flows, a service map, a time line for Perfetto
    #[arg(long, requires = "out")]
    pub(crate) trace: bool,

    /// Print nothing but the answer: no progress, no warnings
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// A scenario whose pods are to be placed, how often, and where the answer goes.
#[derive(Debug, clap::Args)]
pub(crate) struct PlaceArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,

    /// Seed of all random numbers, instead of the scenario's
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// How often everything is placed, each time with other ties
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) replications: NonZeroU32,

    /// Rolling updates after each placement, one after the other
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) rollout: u32,

    /// Threads to run on, 1 to 1024; they leave no trace in the answer [default: one for each core]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,

    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,

    /// Write report.html, the placement grid, tables and results.json into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Write figures as PNG too
    #[arg(long, requires = "out")]
    pub(crate) png: bool,

    /// Print nothing but the answer: no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Tables for a terminal
    #[default]
    Text,
    /// All there is to know, as in results.json
    Json,
    /// A line for each number
    Csv,
    /// Half a page for a pull request
    Markdown,
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    const MOST: usize = 1024;
    match text.parse::<NonZeroUsize>() {
        Ok(count) if count.get() <= MOST => Ok(count),
        _ => Err(format!("expected a number from 1 to {MOST}")),
    }
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
