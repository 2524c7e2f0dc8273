//! The same again with other draws: independent replications, in parallel, collected in order.

use crate::stream::Streams;
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use std::num::NonZeroUsize;

/// Runs `run` once for each replication `0..n` under `seed`, on all cores.
///
/// The results stand in the order of the replications, so whatever is folded from them does not depend on the number
/// of threads.
///
/// ```
/// use sim_core::{Estimate, StreamName, replicate};
///
/// const COIN: StreamName = StreamName::new("coin");
/// let heads = replicate(40, 7, |streams| {
///     let mut coin = streams.stream(COIN, 0);
///     (0..1000).filter(|_| coin.below(2) == 0).count() as f64 / 1000.0
/// });
/// assert!(Estimate::of(&heads).interval(0.99).contains(0.5));
/// ```
pub fn replicate<T: Send>(n: u64, seed: u64, run: impl Fn(Streams) -> T + Sync) -> Vec<T> {
    (0..n)
        .into_par_iter()
        .map(|replication| run(Streams::new(seed, replication)))
        .collect()
}

/// Runs `run` for the given replications only, on exactly `threads` threads; the results stand in the order of `replications`.
///
/// # Panics
///
/// When the operating system refuses the threads.
pub fn replicate_each<T: Send>(
    threads: NonZeroUsize,
    replications: &[u64],
    seed: u64,
    run: impl Fn(Streams) -> T + Sync + Send,
) -> Vec<T> {
    let one = |&replication: &u64| run(Streams::new(seed, replication));
    if threads.get() == 1 {
        return replications.iter().map(one).collect();
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .build()
        .expect("the system grants the threads asked for");
    pool.install(|| replications.par_iter().with_max_len(1).map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_order() {
        assert_eq!(
            replicate(100, 1, |streams| streams.replication()),
            (0..100).collect::<Vec<_>>()
        );
    }

    #[test]
    fn any_list_of_replications_gives_the_same_results_on_any_number_of_threads() {
        let list = [7, 3, 99];
        let draw = |streams: Streams| streams.stream(crate::StreamName::new("x"), 0).u64();
        let expected: Vec<u64> = list
            .iter()
            .map(|&replication| draw(Streams::new(5, replication)))
            .collect();
        for threads in [1, 2, 3] {
            assert_eq!(
                replicate_each(NonZeroUsize::new(threads).unwrap(), &list, 5, draw),
                expected
            );
        }
    }
}
