//! Which pods were there while something was measured?
//!
//! A run keeps places for pods that may be created in its course: twice as many as a Deployment wants. A place that no pod
//! takes is no pod, and neither is one whose pod had left before the measurement began. So whoever counts pods, or compares
//! them, asks here which there were.
//!
//! A pod is there from the moment it is Ready until its process stops accepting connections: after preStop, or with its
//! deletion where nobody is left to stop it. One of the beginning is there from the beginning, ready or not, because it was
//! meant to get its share. One pod after the other may take the same place, and they count as one.

use sim_core::{SimDuration, SimTime};
use sim_models::id::{Id, PodId};

use super::reading::Merge;

/// A stretch of a run, from its begin up to, and not with, its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Begin.
    pub from: SimTime,
    /// End.
    pub until: SimTime,
}

impl Window {
    /// How long this window and the time from `since` until `left` have in common.
    fn shares(self, since: SimTime, left: SimTime) -> SimDuration {
        left.min(self.until).saturating_since(since.max(self.from))
    }
}

/// From when until when pods were there, as far as a run has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stays {
    /// Since when there is a pod in each place; `None` where there is none.
    since: Vec<Option<SimTime>>,
    /// Those that are over.
    over: Vec<Stay>,
    /// Which of those is of the pod in each place, which is deleted and may still answer.
    leaving: Vec<Option<usize>>,
}

/// The time that one pod was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stay {
    pod: PodId,
    since: SimTime,
    until: SimTime,
}

impl Stays {
    /// A run at its begin, with `pods` pods in so many places.
    pub(crate) fn new(pods: usize, places: usize) -> Self {
        let mut since = vec![None; places];
        since[..pods].fill(Some(SimTime::ZERO));
        Self {
            leaving: vec![None; places],
            since,
            over: Vec::new(),
        }
    }

    /// Whether a pod is there.
    #[inline]
    pub(crate) fn is_there(&self, pod: PodId) -> bool {
        self.since[pod.index()].is_some()
    }

    /// A pod is there from now on, if it was not yet.
    pub(crate) fn begin(&mut self, pod: PodId, now: SimTime) {
        self.since[pod.index()].get_or_insert(now);
    }

    /// A pod is there no longer.
    pub(crate) fn end(&mut self, pod: PodId, now: SimTime) {
        if let Some(since) = self.since[pod.index()].take() {
            self.leaving[pod.index()] = Some(self.over.len());
            self.over.push(Stay {
                pod,
                since,
                until: now,
            });
        }
    }

    /// A pod that is deleted has answered until now.
    pub(crate) fn prolong(&mut self, pod: PodId, now: SimTime) {
        if let Some(stay) = self.leaving[pod.index()] {
            self.over[stay].until = now;
        }
    }

    /// Another pod takes the place of one that has left.
    pub(crate) fn renew(&mut self, pod: PodId) {
        self.leaving[pod.index()] = None;
    }
}

/// Which pods were there in a window, and for how long: of one replication, or added up over several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// In how many replications some pod was there, by place.
    replications: Vec<u64>,
    /// Nanoseconds that it was there, by place.
    time: Vec<u64>,
    /// Nanoseconds that were looked at.
    observed: u64,
}

impl Presence {
    /// Nobody yet.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self {
            replications: vec![0; places],
            time: vec![0; places],
            observed: 0,
        }
    }

    /// Those of one run in a window.
    pub(crate) fn of(stays: &Stays, window: Window) -> Self {
        let mut there = Self::new(stays.since.len());
        let current = stays.since.iter().enumerate();
        let current = current.filter_map(|(place, since)| {
            let pod = PodId::from_index(place);
            Some((pod, window.shares((*since)?, window.until)))
        });
        let over = stays.over.iter();
        let over = over.map(|stay| (stay.pod, window.shares(stay.since, stay.until)));
        for (pod, time) in current.chain(over).filter(|(_, time)| !time.is_zero()) {
            there.replications[pod.index()] = 1;
            there.time[pod.index()] += time.as_nanos();
        }
        there.observed = window.until.saturating_since(window.from).as_nanos();
        there
    }

    /// In how many replications there was a pod in this place.
    #[inline]
    #[must_use]
    pub fn replications(&self, pod: PodId) -> u64 {
        self.replications[pod.index()]
    }

    /// Whether there was a pod in this place, in some replication.
    #[inline]
    #[must_use]
    pub fn was_there(&self, pod: PodId) -> bool {
        self.replications(pod) > 0
    }

    /// For how long there was a pod in this place, over all replications.
    #[inline]
    #[must_use]
    pub fn time(&self, pod: PodId) -> SimDuration {
        SimDuration::from_nanos(self.time[pod.index()])
    }

    /// Whether those of these pods that were there were there all the time: none came, none left.
    ///
    /// Of one replication; over several, each place has to be taken in all of them or in none.
    #[must_use]
    pub fn is_steady(&self, pods: &[PodId]) -> bool {
        let time = |pod: &PodId| self.time[pod.index()];
        pods.iter()
            .all(|pod| time(pod) == 0 || time(pod) == self.observed)
    }
}

impl Merge for Presence {
    fn merge(&mut self, other: &Self) {
        self.replications.merge(&other.replications);
        self.time.merge(&other.time);
        self.observed += other.observed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: [PodId; 4] = [PodId(0), PodId(1), PodId(2), PodId(3)];

    fn at(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    fn window(from: u64, until: u64) -> Window {
        Window {
            from: at(from),
            until: at(until),
        }
    }

    /// Two pods at the beginning in four places. The second is deleted at 30 s and closes at 40 s; a third is there from 50 s on,
    /// and its place is free again from 60 s until 80 s. The fourth place is never taken.
    fn stays() -> Stays {
        let mut stays = Stays::new(2, 4);
        stays.end(POD[1], at(30));
        stays.prolong(POD[1], at(40));
        stays.begin(POD[2], at(50));
        stays.end(POD[2], at(60));
        stays.begin(POD[2], at(80));
        stays
    }

    fn seconds(there: &Presence) -> [u64; 4] {
        POD.map(|pod| there.time(pod).as_nanos() / 1_000_000_000)
    }

    fn seconds_of_one(stays: &Stays) -> u64 {
        let there = Presence::of(stays, window(0, 100));
        there.time(POD[0]).as_nanos() / 1_000_000_000
    }

    #[test]
    fn a_place_counts_from_ready_until_it_closes_and_not_where_nobody_took_it() {
        // From 0 s to 100 s: the whole, 40 s, 10 s and 20 s, and nothing.
        let there = Presence::of(&stays(), window(0, 100));
        assert_eq!(seconds(&there), [100, 40, 30, 0]);
        assert_eq!(POD.map(|pod| there.replications(pod)), [1, 1, 1, 0]);
        assert!(there.is_steady(&[POD[0], POD[3]]) && !there.is_steady(&POD));
    }

    #[test]
    fn only_what_lies_in_the_window_counts() {
        // The second pod has left at 40 s exactly; between 60 s and 80 s nobody is in the third place.
        assert_eq!(
            seconds(&Presence::of(&stays(), window(40, 55))),
            [15, 0, 5, 0]
        );
        let quiet = Presence::of(&stays(), window(60, 80));
        assert_eq!(seconds(&quiet), [20, 0, 0, 0]);
        assert!(quiet.is_steady(&POD));
    }

    #[test]
    fn a_container_that_restarts_does_not_end_the_stay() {
        let mut stays = Stays::new(1, 1);
        stays.prolong(POD[0], at(10));
        stays.begin(POD[0], at(20));
        assert_eq!(seconds_of_one(&stays), 100);
    }

    #[test]
    fn a_pod_that_was_never_ready_is_not_its_predecessor() {
        // In one place: a pod until 30 s, then one that is deleted before it is ready and closes at 60 s.
        let mut stays = Stays::new(1, 1);
        stays.end(POD[0], at(30));
        stays.renew(POD[0]);
        stays.end(POD[0], at(55));
        stays.prolong(POD[0], at(60));
        assert_eq!(seconds_of_one(&stays), 30);
    }

    #[test]
    fn replications_add_up() {
        let mut both = Presence::of(&stays(), window(0, 100));
        both.merge(&Presence::of(&Stays::new(2, 4), window(0, 100)));
        // The second pod: 40 s and 100 s. The third place is taken in one of two replications.
        assert_eq!(seconds(&both), [200, 140, 30, 0]);
        assert_eq!(POD.map(|pod| both.replications(pod)), [2, 2, 1, 0]);
    }
}
