//! `twohop-bench-rollout key=value ...` runs W5, a rolling update under load, and prints one line of JSON.
//!
//! It is a program of its own because it reads a scenario file: what that takes would count in the memory of the others.

use std::process::ExitCode;

use twohop_bench::command::{Options, answer, timed};
use twohop_bench::rollout;

const USAGE: &str = "usage: twohop-bench-rollout [targets=instance] [seed=1]
  a rolling update of 1,000 pods on 1,000 nodes under 10,000 requests a second; targets: instance, ip";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    answer(run(Options(&arguments)), USAGE)
}

fn run(options: Options<'_>) -> Result<String, String> {
    let seed = options.get("seed", 1)?;
    let world = rollout::ready(options.get("targets", rollout::Targets::Instance)?);
    Ok(timed("w5", || rollout::run(&world, seed)))
}
