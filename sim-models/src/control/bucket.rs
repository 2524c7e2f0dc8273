//! How often may somebody call: the token bucket of API clients.

use sim_core::{SimDuration, SimTime};

use crate::quantity::Rate;

/// So many calls at once, and then one whenever a token comes back.
///
/// Source: golang.org/x/time/rate, as client-go and the AWS Load Balancer Controller (`pkg/aws/throttle`) use it.
#[derive(Clone, Debug)]
pub struct Bucket {
    per_token: SimDuration,
    burst: u32,
    /// When the bucket would be full again.
    full_at: SimTime,
}

impl Bucket {
    /// A full bucket of so many tokens, which come back at this rate.
    pub fn new(rate: Rate, burst: u32) -> Self {
        Self {
            per_token: SimDuration::from_secs_f64(1.0 / rate.as_per_second()),
            burst,
            full_at: SimTime::ZERO,
        }
    }

    /// When the next token is there.
    pub fn next(&self, now: SimTime) -> SimTime {
        let full_at = self.full_at.max(now) + self.per_token;
        let room = self.per_token * u64::from(self.burst);
        SimTime::from_nanos(full_at.as_nanos().saturating_sub(room.as_nanos())).max(now)
    }

    /// Takes a token if one is there. Returns whether it was.
    pub fn admit(&mut self, now: SimTime) -> bool {
        let is_there = self.next(now) == now;
        if is_there {
            self.take(now);
        }
        is_there
    }

    /// Takes a token: returns when it is there.
    pub fn take(&mut self, now: SimTime) -> SimTime {
        let at = self.next(now);
        self.full_at = self.full_at.max(now) + self.per_token;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_second(rate: f64) -> Rate {
        Rate::per_second(rate).expect("above 0")
    }

    #[test]
    fn a_burst_and_then_one_by_one() {
        // 20 a second and 30 at once: calls 31 and 32 wait for 50 and 100 ms, the 300th for 270 / 20 s.
        let mut bucket = Bucket::new(per_second(20.0), 30);
        let now = SimTime::from_secs(7);
        let waits: Vec<f64> = (0..300)
            .map(|_| (bucket.take(now) - now).as_secs_f64())
            .collect();
        assert_eq!((waits[29], waits[30], waits[31]), (0.0, 0.05, 0.1));
        assert_eq!(waits[299], 13.5);
    }

    #[test]
    fn who_does_not_wait_is_refused_until_a_token_is_back() {
        // One a second: the call at 0 s takes the token, those at 0.5 s and 0.9 s find none and take none, that at 1 s does.
        let mut bucket = Bucket::new(per_second(1.0), 1);
        let admitted = [0, 500, 900, 1_000, 1_999].map(|at| bucket.admit(SimTime::from_millis(at)));
        assert_eq!(admitted, [true, false, false, true, false]);
    }

    #[test]
    fn the_next_token_is_the_one_that_is_taken() {
        let mut bucket = Bucket::new(per_second(10.0), 2);
        for millis in [0, 0, 0, 50, 500, 510, 520] {
            let now = SimTime::from_millis(millis);
            assert_eq!(bucket.next(now), bucket.take(now));
        }
    }
}
