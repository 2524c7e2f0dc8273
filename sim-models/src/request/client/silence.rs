//! When does a client notice that nobody is there any more?
//!
//! A load balancer node that has died says nothing. What a client learns it learns from its own kernel, by packets that it sends
//! again and again. Should the node be back meanwhile, it knows none of its old connections, and resets them.

use sim_core::{SimDuration, SimTime};

/// When a SYN that nobody answered is sent again, counted from the first.
///
/// Source: Linux `tcp_syn_retries`, 6: waits of 1, 2, 4, 8, 16 and 32 s, and 64 s before it gives up, 127 s in all.
const SYN_REPEATS: [SimDuration; 6] = [
    SimDuration::from_secs(1),
    SimDuration::from_secs(3),
    SimDuration::from_secs(7),
    SimDuration::from_secs(15),
    SimDuration::from_secs(31),
    SimDuration::from_secs(63),
];

/// When Linux gives up a connection attempt that nobody answers.
pub const CONNECT_TIMEOUT: SimDuration = SimDuration::from_secs(127);

/// The wait before the first repeat of a request, which doubles, and its limit.
///
/// Source: Linux `TCP_RTO_MIN` and `TCP_RTO_MAX`.
const FIRST_REPEAT: SimDuration = SimDuration::from_millis(200);
const LONGEST_WAIT: SimDuration = SimDuration::from_secs(120);

/// Repeats of a request before the kernel gives the connection up, 924.6 s after it was sent.
///
/// Source: Linux `tcp_retries2`, 15.
const REPEATS: u32 = 15;

/// The wait before the first keep-alive probe, and between probes.
///
/// Source: Go `net.KeepAliveConfig`: 15 s, 15 s, and 9 probes.
const PROBE_EVERY: SimDuration = SimDuration::from_secs(15);
const PROBES: u64 = 9;

/// After how long the SYN leaves that is answered, for a client that dials at `now` and gives up after `timeout`; `None` where it gives
/// up first. `answers` says whether somebody answers what arrives at an instant.
pub fn connects(
    now: SimTime,
    rtt: SimDuration,
    timeout: SimDuration,
    answers: impl Fn(SimTime) -> bool,
) -> Option<SimDuration> {
    let sends = std::iter::once(SimDuration::ZERO).chain(SYN_REPEATS);
    let mut in_time = sends.take_while(|&after| after + rtt <= timeout);
    in_time.find(|&after| answers(now + after + rtt / 2))
}

/// When a client knows that a request met silence, which it sent at `sent` and which nobody acknowledges.
pub fn unacknowledged(
    sent: SimTime,
    one_way: SimDuration,
    answers: impl Fn(SimTime) -> bool,
) -> SimTime {
    let (mut at, mut wait) = (sent, FIRST_REPEAT);
    for _ in 0..REPEATS {
        at += wait;
        wait = (wait * 2).min(LONGEST_WAIT);
        if answers(at + one_way) {
            return at + one_way * 2;
        }
    }
    at + wait
}

/// When a client knows that whoever had its request has gone at `since`, without a word.
///
/// Assumption: it is Go's HTTP client. Others send no probes by default and wait for as long as their own time-out says.
pub fn unanswered(
    since: SimTime,
    one_way: SimDuration,
    answers: impl Fn(SimTime) -> bool,
) -> SimTime {
    let probes = (1..=PROBES).map(|probe| since + PROBE_EVERY * probe);
    let mut reset = probes.filter(|&at| answers(at + one_way));
    match reset.next() {
        Some(at) => at + one_way * 2,
        None => since + PROBE_EVERY * (PROBES + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: SimDuration = SimDuration::from_millis(20);
    const ONE_WAY: SimDuration = SimDuration::from_millis(10);

    fn at(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    fn never(_: SimTime) -> bool {
        false
    }

    fn from(seconds: u64) -> impl Fn(SimTime) -> bool {
        move |now| now >= at(seconds)
    }

    #[test]
    fn a_syn_is_repeated_until_somebody_answers_or_the_client_has_had_enough() {
        let connects = |timeout, answers: &dyn Fn(SimTime) -> bool| {
            connects(at(100), RTT, SimDuration::from_secs(timeout), answers)
        };
        assert_eq!(connects(127, &from(0)), Some(SimDuration::ZERO));
        // Somebody is there from 105 s on: the SYNs of 101 and 103 s are lost, that of 107 s is answered.
        assert_eq!(connects(127, &from(105)), Some(SimDuration::from_secs(7)));
        assert_eq!(connects(7, &from(105)), None, "its answer would be late");
        assert_eq!(connects(127, &never), None);
    }

    #[test]
    fn an_unacknowledged_request_is_repeated_for_a_quarter_of_an_hour() {
        // Source: Linux, `Documentation/networking/ip-sysctl.rst`, tcp_retries2: 15 repeats come to 924.6 s.
        let known = unacknowledged(at(0), ONE_WAY, never);
        assert_eq!(known, SimTime::ZERO + SimDuration::from_millis(924_600));
        // Repeats leave at 0.2, 0.6, 1.4, 3.0 and 6.2 s. From 5 s on they are answered, with a reset: 6.2 s and a round trip.
        let known = unacknowledged(at(0), ONE_WAY, from(5));
        assert_eq!(known, SimTime::ZERO + SimDuration::from_millis(6_220));
    }

    #[test]
    fn keep_alive_probes_find_out() {
        // Nine probes, 15 s apart, and 15 s after the last one: 150 s.
        assert_eq!(unanswered(at(60), ONE_WAY, never), at(210));
        // Back at 100 s: the probe of 105 s is answered with a reset.
        let known = unanswered(at(60), ONE_WAY, from(100));
        assert_eq!(known, at(105) + RTT);
    }
}
