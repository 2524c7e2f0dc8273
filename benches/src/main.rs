//! Workloads.

fn main() {}
