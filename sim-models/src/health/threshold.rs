//! How many results in a row change a verdict?
//!
//! Kubelets and load balancers alike count equal results in a row. A result whose run is still shorter
//! than its threshold leaves the verdict as it stands.

/// Equal results in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streak {
    last: Option<bool>,
    length: u32,
}

impl Streak {
    /// Counts a result, and returns how many of its kind there now are in a row.
    pub fn note(&mut self, success: bool) -> u32 {
        self.length = if self.last == Some(success) {
            self.length + 1
        } else {
            1
        };
        self.last = Some(success);
        self.length
    }

    /// Forgets all results.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Which verdict a run of results amounts to; `None` when it is too short for one.
///
/// Source: Kubernetes 1.34 `pkg/kubelet/prober/worker.go`; AWS, "Health checks for Application Load
/// Balancer target groups". Both compare the number of results in a row with `>=`.
pub fn verdict(success: bool, in_a_row: u32, successes: u32, failures: u32) -> Option<bool> {
    let needed = if success { successes } else { failures };
    (in_a_row >= needed).then_some(success)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict after each of these results, with thresholds of one success and three failures.
    fn verdicts(results: &[bool]) -> Vec<Option<bool>> {
        let mut streak = Streak::default();
        let judge = |&success: &bool| verdict(success, streak.note(success), 1, 3);
        results.iter().map(judge).collect()
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let results = [false, false, true, false, false, false];
        let expected = [None, None, Some(true), None, None, Some(false)];
        assert_eq!(verdicts(&results), expected);
    }

    #[test]
    fn a_longer_run_keeps_its_verdict() {
        assert_eq!(verdicts(&[false; 5])[2..], [Some(false); 3]);
    }
}
