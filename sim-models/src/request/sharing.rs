//! How far has each request got where all of them share the workers?
//!
//! With `n` requests and `c` workers each request advances at the rate `min(1, c / n)`. So all of them have got the same
//! amount since the server was last empty, and a request is done when that amount has grown by its own work. One number
//! and an order of amounts say everything; no request is looked at when another comes or goes.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use sim_core::{SimDuration, SimTime};

use crate::id::RequestId;

/// Parts of a nanosecond in which amounts of work are counted, so that shares of it add up.
const PARTS: u128 = 1 << 20;

/// The requests that share the workers of one pod.
#[derive(Clone, Debug)]
pub struct Sharing {
    workers: u32,
    /// Work that each request has got since the server was last empty, in [`PARTS`] of a nanosecond.
    got: u128,
    /// When that was true.
    at: SimTime,
    /// Requests by the amount at which they are done; those that came first go first.
    requests: BTreeMap<(u128, u64), RequestId>,
    begun: u64,
    /// When somebody looks at it next.
    look_at: Option<SimTime>,
}

impl Sharing {
    /// Nobody is here.
    pub fn new(workers: NonZeroU32) -> Self {
        Self {
            workers: workers.get(),
            got: 0,
            at: SimTime::ZERO,
            requests: BTreeMap::new(),
            begun: 0,
            look_at: None,
        }
    }

    /// How many requests are in work.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether no request is in work.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Workers that work.
    pub fn busy(&self) -> u32 {
        self.workers.min(self.requests.len() as u32)
    }

    /// A request comes with so much work.
    pub fn begin(&mut self, request: RequestId, work: SimDuration, now: SimTime) {
        self.advance(now);
        let due = self.got + u128::from(work.as_nanos()) * PARTS;
        self.requests.insert((due, self.begun), request);
        self.begun += 1;
    }

    /// Takes a request that is done at `now`, if there is one.
    pub fn finished(&mut self, now: SimTime) -> Option<RequestId> {
        self.advance(now);
        let first = self.requests.first_entry()?;
        (first.key().0 <= self.got).then(|| first.remove())
    }

    /// Takes all requests, done or not.
    pub fn clear(&mut self) -> impl Iterator<Item = RequestId> + use<> {
        std::mem::take(&mut self.requests).into_values()
    }

    /// When the next request will be done if nothing else happens, where nobody looks then already.
    pub fn next_look(&mut self, now: SimTime) -> Option<SimTime> {
        let next = self.next_done(now);
        if next == self.look_at {
            return None;
        }
        self.look_at = next;
        next
    }

    /// Whether a look at `now` is the one that was planned last.
    pub fn is_looked_at(&mut self, now: SimTime) -> bool {
        let planned = self.look_at == Some(now);
        if planned {
            self.look_at = None;
        }
        planned
    }

    fn next_done(&self, now: SimTime) -> Option<SimTime> {
        let (&(due, _), _) = self.requests.first_key_value()?;
        let (rate, among) = self.rate();
        let left = due.saturating_sub(self.got);
        let nanos = (left * among).div_ceil(PARTS * rate);
        let nanos = u64::try_from(nanos).expect("work is counted in 64 bits of nanoseconds");
        now.checked_add(SimDuration::from_nanos(nanos))
    }

    /// Moves all requests on to `now`.
    fn advance(&mut self, now: SimTime) {
        if self.requests.is_empty() {
            self.got = 0;
        } else {
            let (rate, among) = self.rate();
            let passed = u128::from((now - self.at).as_nanos());
            self.got += passed * PARTS * rate / among;
        }
        self.at = now;
    }

    /// The share of a worker that each request has, as a fraction.
    fn rate(&self) -> (u128, u128) {
        let requests = self.requests.len() as u128;
        (requests.min(u128::from(self.workers)), requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> SimTime {
        SimTime::from_nanos(nanos)
    }

    fn sharing(workers: u32) -> Sharing {
        Sharing::new(NonZeroU32::new(workers).expect("above 0"))
    }

    fn begin(sharing: &mut Sharing, request: u32, work: u64, now: u64) {
        sharing.begin(RequestId(request), SimDuration::from_nanos(work), at(now));
    }

    /// Who is done when, if nobody else comes.
    fn ends(mut sharing: Sharing, mut now: SimTime) -> Vec<(u32, u64)> {
        let mut ends = Vec::new();
        while let Some(next) = sharing.next_done(now) {
            now = next;
            while let Some(request) = sharing.finished(now) {
                ends.push((request.0, now.as_nanos()));
            }
        }
        ends
    }

    #[test]
    fn two_requests_on_one_worker_take_twice_as_long() {
        // From 0 to 1000 the first is alone; then both get half, and the second has 500 to do: until 2000. The first has 500
        // left then and is alone again.
        let mut sharing = sharing(1);
        begin(&mut sharing, 0, 2000, 0);
        begin(&mut sharing, 1, 500, 1000);
        assert_eq!(ends(sharing, at(1000)), [(1, 2000), (0, 2500)]);
    }

    #[test]
    fn with_a_worker_for_each_nobody_waits() {
        let mut sharing = sharing(3);
        for (request, work) in [(0, 700), (1, 300), (2, 500)] {
            begin(&mut sharing, request, work, 0);
        }
        assert_eq!(ends(sharing, at(0)), [(1, 300), (2, 500), (0, 700)]);
    }

    #[test]
    fn three_requests_on_two_workers_get_two_thirds_each() {
        let mut sharing = sharing(2);
        for request in 0..3 {
            begin(&mut sharing, request, 1000, 0);
        }
        assert_eq!(ends(sharing, at(0)), [(0, 1500), (1, 1500), (2, 1500)]);
    }

    #[test]
    fn a_look_is_planned_once_for_each_instant() {
        let mut sharing = sharing(1);
        begin(&mut sharing, 0, 100, 0);
        assert_eq!(sharing.next_look(at(0)), Some(at(100)));
        assert_eq!(sharing.next_look(at(0)), None);
        begin(&mut sharing, 1, 1000, 50);
        assert_eq!(sharing.next_look(at(50)), Some(at(150)));
        assert!(!sharing.is_looked_at(at(100)));
        assert!(sharing.is_looked_at(at(150)));
    }
}
