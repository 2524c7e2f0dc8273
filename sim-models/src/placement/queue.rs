//! Which pod is next, and when is a Pending one tried again?
//!
//! Pods wait in three places. *Active* ones are tried in order of priority, then of waiting. One that fits nowhere goes
//! to the *unschedulable* ones, until something happens that could help: a node comes or changes, a pod goes. Then it is
//! *backing off*: it waits from its last failure 1 s, 2 s, 4 s, up to 10 s, so that hopeless pods do not crowd out the
//! others. A scheduler with nothing else to do takes pods out of their back-off early.
//!
//! Nothing here has a clock: the caller says what time it is.
//!
//! Source: kube-scheduler 1.34 `backend/queue`; `SchedulerPopFromBackoffQ` is on by default since 1.33.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

use super::config::Config;

/// How long a pod that fits nowhere waits at least before the next try.
///
/// A scheduler with nothing else to do does not wait for the end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackOff {
    /// The wait after the first failure; it doubles with every further one.
    ///
    /// Range: above 0. Default: "1s".
    /// Source: Kubernetes, `KubeSchedulerConfiguration.podInitialBackoffSeconds`.
    pub initial: SimDuration,
    /// The longest wait.
    ///
    /// Range: `initial` and up. Default: "10s".
    /// Source: Kubernetes, `KubeSchedulerConfiguration.podMaxBackoffSeconds`.
    pub max: SimDuration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self {
            initial: SimDuration::from_secs(1),
            max: SimDuration::from_secs(10),
        }
    }
}

/// How often unschedulable pods are looked through for those that have waited too long.
const FLUSH_PERIOD: SimDuration = SimDuration::from_secs(30);
/// Back-offs end at whole seconds, so that pods of one second are ordered by priority.
const WINDOW: SimDuration = SimDuration::from_secs(1);

impl BackOff {
    /// The wait after that many failures. Source: `calculateBackoffDuration`.
    pub fn after(&self, failures: u32) -> SimDuration {
        let mut wait = self.initial;
        for _ in 1..failures {
            if wait + wait > self.max {
                return self.max;
            }
            wait += wait;
        }
        if failures == 0 {
            SimDuration::ZERO
        } else {
            wait
        }
    }

    /// When the back-off of a pod that failed at `failed_at` ends: the begin of that second.
    pub fn ends(&self, failed_at: SimTime, failures: u32) -> SimTime {
        whole(failed_at + self.after(failures), WINDOW)
    }
}

/// The begin of the period that `at` lies in.
fn whole(at: SimTime, period: SimDuration) -> SimTime {
    SimTime::from_nanos(at.as_nanos() / period.as_nanos() * period.as_nanos())
}

/// The pods that are waiting for a node. `P` names a pod.
#[derive(Clone, Debug)]
pub struct Queue<P> {
    back_off: BackOff,
    flush_after: SimDuration,
    serial: u64,
    active: BTreeMap<(Reverse<i32>, SimTime, u64), Waiting<P>>,
    backing_off: BTreeMap<(SimTime, Reverse<i32>, u64), Waiting<P>>,
    unschedulable: BTreeMap<P, Waiting<P>>,
    /// The unschedulable ones by the time of their last failure.
    oldest: BTreeSet<(SimTime, P)>,
}

/// A pod that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting<P> {
    /// Which pod.
    pub pod: P,
    /// Higher goes first.
    pub priority: i32,
    /// How often it was tried and fitted nowhere.
    pub failures: u32,
    /// When it came, or was last tried.
    pub since: SimTime,
}

impl<P: Copy + Ord> Queue<P> {
    /// An empty queue.
    pub fn new(config: &Config) -> Self {
        Self {
            back_off: config.back_off,
            flush_after: config.unschedulable_flush,
            serial: 0,
            active: BTreeMap::new(),
            backing_off: BTreeMap::new(),
            unschedulable: BTreeMap::new(),
            oldest: BTreeSet::new(),
        }
    }

    /// A new pod.
    pub fn add(&mut self, pod: P, priority: i32, now: SimTime) {
        self.activate(Waiting {
            pod,
            priority,
            failures: 0,
            since: now,
        });
    }

    /// The pod to try now, if any: the first active one, else the one whose back-off ends first.
    pub fn pop(&mut self, now: SimTime) -> Option<Waiting<P>> {
        self.wake(now);
        let active = self.active.pop_first().map(|(_, waiting)| waiting);
        active.or_else(|| self.backing_off.pop_first().map(|(_, waiting)| waiting))
    }

    /// The pod that was popped fits nowhere.
    pub fn failed(&mut self, mut waiting: Waiting<P>, now: SimTime) {
        waiting.failures += 1;
        waiting.since = now;
        self.oldest.insert((now, waiting.pod));
        self.unschedulable.insert(waiting.pod, waiting);
    }

    /// Something happened that may help: a node came or changed, a pod went, labels changed. `helps` says whom.
    pub fn happened(&mut self, now: SimTime, helps: impl Fn(P) -> bool) {
        let helped: Vec<P> = self
            .unschedulable
            .keys()
            .copied()
            .filter(|&pod| helps(pod))
            .collect();
        helped.into_iter().for_each(|pod| self.release(pod, now));
    }

    /// The pod waits no longer: it was deleted.
    pub fn forget(&mut self, pod: P) {
        self.active.retain(|_, waiting| waiting.pod != pod);
        self.backing_off.retain(|_, waiting| waiting.pod != pod);
        self.take_unschedulable(pod);
    }

    /// When a pod can be popped that cannot be popped now, if nothing else happens.
    pub fn next_wake(&self) -> Option<SimTime> {
        self.oldest
            .first()
            .map(|&(since, _)| self.gives_up_waiting(since))
    }

    /// Whether every pod that waits has to wait for something to happen.
    pub fn is_idle(&self) -> bool {
        self.active.is_empty() && self.backing_off.is_empty()
    }

    /// How many pods wait, in all three places.
    pub fn len(&self) -> usize {
        self.active.len() + self.backing_off.len() + self.unschedulable.len()
    }

    /// Whether no pod waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When a pod that failed at `failed_at` is tried again although nothing happened.
    fn gives_up_waiting(&self, failed_at: SimTime) -> SimTime {
        whole(failed_at + self.flush_after, FLUSH_PERIOD) + FLUSH_PERIOD
    }

    /// Moves every pod on that has waited long enough.
    fn wake(&mut self, now: SimTime) {
        while let Some(&(since, pod)) = self.oldest.first()
            && self.gives_up_waiting(since) <= now
        {
            self.release(pod, now);
        }
        while let Some(first) = self
            .backing_off
            .first_entry()
            .filter(|first| first.key().0 <= now)
        {
            let waiting = first.remove();
            self.activate(waiting);
        }
    }

    /// Moves an unschedulable pod to where it can be popped.
    fn release(&mut self, pod: P, now: SimTime) {
        if let Some(waiting) = self.take_unschedulable(pod) {
            self.back_off(waiting, now);
        }
    }

    fn take_unschedulable(&mut self, pod: P) -> Option<Waiting<P>> {
        let waiting = self.unschedulable.remove(&pod)?;
        self.oldest.remove(&(waiting.since, pod));
        Some(waiting)
    }

    fn back_off(&mut self, waiting: Waiting<P>, now: SimTime) {
        let ends = self.back_off.ends(waiting.since, waiting.failures);
        if ends <= now {
            self.activate(waiting);
            return;
        }
        let serial = self.next_serial();
        self.backing_off
            .insert((ends, Reverse(waiting.priority), serial), waiting);
    }

    fn activate(&mut self, waiting: Waiting<P>) {
        let serial = self.next_serial();
        self.active
            .insert((Reverse(waiting.priority), waiting.since, serial), waiting);
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SimTime {
        SimTime::from_millis(millis)
    }

    fn popped(queue: &mut Queue<u32>, now: SimTime) -> Option<u32> {
        queue.pop(now).map(|waiting| waiting.pod)
    }

    #[test]
    fn the_wait_doubles_up_to_the_longest() {
        let waits =
            (0..7).map(|failures| BackOff::default().after(failures).as_nanos() / 1_000_000_000);
        assert_eq!(waits.collect::<Vec<_>>(), [0, 1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn priority_goes_before_waiting() {
        let mut queue = Queue::new(&Config::default());
        queue.add(1, 0, at(0));
        queue.add(2, 0, at(5));
        queue.add(3, 9, at(9));
        assert_eq!(
            [(); 4].map(|()| popped(&mut queue, at(10))),
            [Some(3), Some(1), Some(2), None]
        );
    }

    #[test]
    fn a_pod_that_fits_nowhere_waits_for_something_to_happen() {
        let mut queue = Queue::new(&Config::default());
        queue.add(1, 0, at(0));
        let waiting = queue.pop(at(0)).unwrap();
        queue.failed(waiting, at(0));
        assert_eq!(popped(&mut queue, at(60_000)), None);
        queue.happened(at(60_000), |_| false);
        assert_eq!(popped(&mut queue, at(60_000)), None);
        queue.happened(at(60_000), |_| true);
        assert_eq!(popped(&mut queue, at(60_000)), Some(1));
    }

    #[test]
    fn an_idle_scheduler_does_not_wait_for_the_back_off() {
        let mut queue = Queue::new(&Config::default());
        queue.add(1, 0, at(500));
        let waiting = queue.pop(at(500)).unwrap();
        queue.failed(waiting, at(500));
        queue.happened(at(600), |_| true);
        queue.add(2, 0, at(700));
        // The back-off ends at the begin of the second that 1500 ms lies in, but nobody else is waiting at 700.
        assert_eq!(
            [(); 2].map(|()| popped(&mut queue, at(700))),
            [Some(2), Some(1)]
        );
    }

    #[test]
    fn a_pod_that_nothing_helps_is_tried_after_five_minutes() {
        let mut queue = Queue::new(&Config::default());
        queue.add(1, 0, at(10_000));
        let waiting = queue.pop(at(10_000)).unwrap();
        queue.failed(waiting, at(10_000));
        // 310 s have passed at 310 s; the next look after that is at 330 s.
        assert_eq!(queue.next_wake(), Some(at(330_000)));
        assert_eq!(popped(&mut queue, at(329_999)), None);
        assert_eq!(popped(&mut queue, at(330_000)), Some(1));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_deleted_pod_waits_no_longer() {
        let mut queue = Queue::new(&Config::default());
        queue.add(1, 0, at(0));
        queue.forget(1);
        assert_eq!(popped(&mut queue, at(0)), None);
    }
}
