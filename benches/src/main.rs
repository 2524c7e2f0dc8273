//! `twohop-bench WORKLOAD key=value ...` runs one workload and prints one line of JSON.

use std::process::ExitCode;

use sim_models::placement::Config;
use twohop_bench::command::{Options, answer, timed};
use twohop_bench::{balancer, hold, mm8, phold, placement};

const USAGE: &str = "usage: twohop-bench WORKLOAD [key=value ...]
  w1  n=64 events=20000000 seed=1         hold model, n events planned
  w2  events=20000000 seed=1              PHOLD, 1,024 places
  w3  n=2000000 seed=1                    M/M/8, n customers
  w4  path=six secs=60 seed=1             balancer, nodes and pods; path: six, merged, arrival,
                                          full or full-fresh
  w6  nodes=1000 pods=10000 spread=soft   placement; spread: defaults, soft or hard";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((workload, pairs)) = arguments.split_first() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    answer(run(workload, Options(pairs)), USAGE)
}

fn run(workload: &str, options: Options<'_>) -> Result<String, String> {
    let seed = options.get("seed", 1)?;
    match workload {
        "w1" => {
            let (n, events) = (options.get("n", 64)?, options.get("events", 20_000_000)?);
            let mut simulation = hold::ready(n, seed);
            Ok(timed(workload, || hold::run(&mut simulation, n, events)))
        }
        "w2" => {
            let events = options.get("events", 20_000_000)?;
            let mut simulation = phold::ready(seed);
            Ok(timed(workload, || phold::run(&mut simulation, events)))
        }
        "w3" => {
            let customers = options.get("n", 2_000_000)?;
            Ok(timed(workload, || mm8::run(customers, seed)))
        }
        "w4" => {
            let (path, secs) = (
                options.get("path", balancer::Path::Six)?,
                options.get("secs", 60.0)?,
            );
            Ok(timed(workload, || balancer::run(path, secs, seed)))
        }
        "w6" => {
            let (nodes, pods) = (options.get("nodes", 1_000)?, options.get("pods", 10_000)?);
            let spread = options.get("spread", placement::Spread::Soft)?;
            let empty = placement::cluster(nodes, spread, Config::default());
            Ok(timed(workload, || placement::run(empty, pods)))
        }
        _ => Err(format!(
            "found the workload {workload}, expected w1 to w4 or w6 (w5 is twohop-bench-rollout)"
        )),
    }
}
