//! Who asks, how often, and on which connection?
//!
//! A population of clients has a number of addresses and one arrival process. A request is born at an
//! address, takes the connection that this address used last if it is idle, or opens one to a load
//! balancer node that DNS named.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, DistError, Sampler, SimDuration, SimTime, Unit};

use super::{dns, retry};
use crate::id::LoadBalancerNodeId;
use crate::quantity::Rate;

/// A population of clients that behave alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// When requests start.
    ///
    /// Required: Poisson(rate: "400/s"), Constant(rate: "400/s"), CurlLoop(requests: 2000) or Closed(users: 50, think: "1s").
    pub arrivals: Arrivals,

    /// What is asked for, with weights.
    ///
    /// Default: everything goes to the only target group.
    #[serde(default)]
    pub requests: Vec<RequestConfig>,

    /// Distinct source addresses of the population; each keeps its own connections.
    ///
    /// Range: 1 and up. Default: 1.
    #[serde(default = "one")]
    pub addresses: NonZeroU32,

    /// How long a client keeps a connection to the load balancer.
    #[serde(default)]
    pub connection: ConnectionConfig,

    /// Round trip from a client to a load balancer node.
    ///
    /// Range: 0 and up; plausible 1 to 200 ms. Default: "20ms".
    /// Assumption: no source; it shifts all latencies alike.
    #[serde(default = "default_rtt")]
    pub rtt: Dist,

    /// How a client uses DNS.
    #[serde(default)]
    pub dns: dns::Config,

    /// When the population begins, from the start of the run (warm-up included).
    ///
    /// Default: "0s".
    #[serde(default)]
    pub start: SimDuration,

    /// When the population stops to issue requests, from the start of the run.
    ///
    /// Default: the end of the run.
    #[serde(default)]
    pub stop: Option<SimDuration>,

    /// Stops after this many requests.
    ///
    /// Range: 1 and up. Default: no limit.
    #[serde(default)]
    pub stop_after: Option<u64>,

    /// A client gives up an attempt that takes longer, and closes its connection. The pod still does the work.
    ///
    /// Range: above 0. Default: never.
    #[serde(default)]
    pub timeout: Option<SimDuration>,

    /// Further attempts after a failure.
    #[serde(default)]
    pub retries: retry::Config,
}

/// When requests start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Arrivals {
    /// Open loop, independent users: exponential gaps.
    Poisson {
        /// Mean rate of the whole population.
        rate: Rate,
    },
    /// Open loop, a metronome: equal gaps.
    Constant {
        /// Rate of the whole population.
        rate: Rate,
    },
    /// Open loop, independent users whose number changes: a Poisson process whose rate is a step function of time.
    Piecewise {
        /// Rates, each from its time on, counted from the population's `start`. The first begins at "0s".
        steps: Vec<Step>,
        /// The steps begin again after this long: a day, a week.
        ///
        /// Default: the last step goes on.
        #[serde(default)]
        period: Option<SimDuration>,
    },
    /// Open loop, bursts: every so often a number of requests, at uniformly drawn instants of a window.
    Bursts {
        /// Time from the begin of a burst to the begin of the next. The first begins at the population's `start`.
        every: SimDuration,
        /// Requests in a burst.
        requests: NonZeroU32,
        /// The window in which the requests of a burst start.
        ///
        /// Range: 0 (all at once) to `every`. Default: "0s".
        #[serde(default)]
        within: SimDuration,
    },
    /// Open loop, recorded: requests start at these times, counted from the population's `start`, in rising order.
    Trace {
        /// When each request starts.
        times: Vec<SimDuration>,
    },
    /// A shell loop of one-shot requests: each on a connection of its own.
    CurlLoop {
        /// Requests in all.
        requests: u64,
        /// Requests at once. With a number, the next starts when an answer has come.
        ///
        /// Default: All.
        #[serde(default)]
        in_parallel: InParallel,
    },
    /// Closed loop: each user waits for the answer, thinks, asks again. A user first thinks.
    Closed {
        /// Users at work.
        users: NonZeroU32,
        /// Time from an answer to the next request of that user.
        think: Dist,
    },
}

impl Arrivals {
    /// Requests that an open loop is expected to ask for in its first `active`; `None` for a closed loop.
    pub fn expected(&self, active: SimDuration) -> Option<f64> {
        let seconds = active.as_secs_f64();
        match self {
            Self::Poisson { rate } | Self::Constant { rate } => {
                Some(rate.as_per_second() * seconds)
            }
            Self::Piecewise { steps, period } => Some(expected_of_steps(steps, *period, active)),
            Self::Bursts {
                every, requests, ..
            } => {
                let bursts = (seconds / every.as_secs_f64()).ceil().max(1.0);
                Some(bursts * f64::from(requests.get()))
            }
            Self::Trace { times } => Some(times.iter().filter(|&&at| at < active).count() as f64),
            Self::CurlLoop {
                requests,
                in_parallel: InParallel::All,
            } => Some(*requests as f64),
            Self::CurlLoop { .. } | Self::Closed { .. } => None,
        }
    }

    /// What must hold of the process and does not, in words that follow "expected".
    pub fn flaw(&self) -> Option<&'static str> {
        match self {
            Self::Piecewise { steps, period } => {
                let last = steps.last().map(|step| step.from);
                if steps
                    .first()
                    .is_none_or(|first| first.from > SimDuration::ZERO)
                {
                    Some("a first step from \"0s\" on")
                } else if !steps.windows(2).all(|pair| pair[0].from < pair[1].from) {
                    Some("steps in rising order of `from`")
                } else {
                    period
                        .is_some_and(|period| last.is_some_and(|last| period <= last))
                        .then_some("a period longer than the last step's `from`")
                }
            }
            Self::Bursts { every, .. } if *every == SimDuration::ZERO => {
                Some("`every` longer than 0")
            }
            Self::Bursts { every, within, .. } if within > every => {
                Some("`within` no longer than `every`")
            }
            Self::Trace { times } if !times.is_sorted() => Some("times in rising order"),
            Self::CurlLoop { requests: 0, .. } => Some("1 or more requests"),
            _ => None,
        }
    }
}

/// The integral of a step function of time.
fn expected_of_steps(steps: &[Step], period: Option<SimDuration>, active: SimDuration) -> f64 {
    let within = |until: SimDuration| {
        let ends = steps
            .iter()
            .skip(1)
            .map(|step| step.from)
            .chain([SimDuration::MAX]);
        let pieces = steps.iter().zip(ends).filter(|(step, _)| step.from < until);
        let piece = |(step, end): (&Step, SimDuration)| {
            (end.min(until) - step.from).as_secs_f64() * step.rate.as_per_second()
        };
        pieces.map(piece).sum::<f64>()
    };
    match period {
        Some(period) => {
            let rounds = active.as_nanos() / period.as_nanos();
            let rest = SimDuration::from_nanos(active.as_nanos() % period.as_nanos());
            rounds as f64 * within(period) + within(rest)
        }
        None => within(active),
    }
}

/// A rate from some time on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// From when on, counted from the population's `start`.
    pub from: SimDuration,
    /// Mean rate of the whole population.
    pub rate: Rate,
}

/// How many requests of a curl loop run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InParallel {
    /// All of them start at the same instant.
    #[default]
    All,
    /// This many at a time.
    AtMost(NonZeroU32),
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestConfig {
    /// Path of the URL, matched against the listener's rules.
    pub path: String,

    /// Share of the population's requests, relative to the other weights.
    ///
    /// Range: above 0. Default: 1.
    #[serde(default = "unit_weight")]
    pub weight: f64,

    /// Work of such a request in the pod, where it is not that of all others.
    ///
    /// Default: the `service_time` of the deployment's server.
    #[serde(default)]
    pub demand: Option<Dist>,
}

/// How long a client keeps a connection to the load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionConfig {
    /// Requests that one client connection carries.
    ///
    /// Default: Always. A curl loop never reuses.
    /// Assumption: HTTP clients of services and browsers keep connections alive.
    pub reuse: Reuse,

    /// A client closes a connection that was idle for this long. The load balancer's `idle_timeout` may come first.
    ///
    /// Range: above 0. Default: "90s".
    /// Source: Go `net/http.DefaultTransport.IdleConnTimeout`.
    pub idle_timeout: SimDuration,

    /// A client uses no connection that is older than this. The load balancer's `client_keep_alive` may come first.
    ///
    /// Range: above 0. Default: no limit.
    pub max_age: Option<SimDuration>,
}

/// Requests that one client connection carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Reuse {
    /// One request, then close.
    Never,
    /// A geometric number of requests with this mean.
    Geometric {
        /// Mean requests per connection. Range: 1 and up.
        mean: f64,
    },
    /// As many as come.
    #[default]
    Always,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            reuse: Reuse::default(),
            idle_timeout: SimDuration::from_secs(90),
            max_age: None,
        }
    }
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn unit_weight() -> f64 {
    1.0
}

fn default_rtt() -> Dist {
    Dist::Constant(SimDuration::from_millis(20))
}

impl Reuse {
    /// Requests that a new connection will carry.
    pub fn requests(self, draw: Unit) -> u64 {
        match self {
            Self::Never => 1,
            Self::Always => u64::MAX,
            Self::Geometric { mean } if mean <= 1.0 => 1,
            Self::Geometric { mean } => {
                // P(N > n) = (1 - 1/mean)^n, inverted.
                1 + (libm::log(draw.get()) / libm::log1p(-1.0 / mean)) as u64
            }
        }
    }
}

/// The instants at which an open-loop population asks: one [`Unit`] per request, in order.
///
/// Every process is sampled by inversion, so that the same draws give aligned arrivals in every alternative.
#[derive(Clone, Debug)]
pub struct ArrivalClock {
    law: Law,
    /// Instant of the last request, from the population's start.
    at: SimDuration,
    /// Requests so far.
    count: u64,
}

#[derive(Clone, Debug)]
enum Law {
    /// Gaps from a distribution.
    Gaps(Sampler),
    /// All at once.
    AtOnce,
    Piecewise {
        steps: Vec<Step>,
        period: Option<SimDuration>,
    },
    Bursts {
        every: SimDuration,
        requests: u64,
        within: SimDuration,
    },
    Trace(Vec<SimDuration>),
}

impl ArrivalClock {
    /// The clock of an open-loop process; `None` for closed loops, which wait for answers.
    ///
    /// # Errors
    ///
    /// [`DistError`] cannot happen for a [`Rate`], which is above 0.
    pub fn new(arrivals: &Arrivals) -> Result<Option<Self>, DistError> {
        let gap = |rate: Rate| SimDuration::from_secs_f64(1.0 / rate.as_per_second());
        let law = match arrivals {
            Arrivals::Poisson { rate } => Law::Gaps(Dist::exponential(gap(*rate)).sampler()?),
            Arrivals::Constant { rate } => Law::Gaps(Dist::constant(gap(*rate)).sampler()?),
            Arrivals::Piecewise { steps, period } => Law::Piecewise {
                steps: steps.clone(),
                period: *period,
            },
            Arrivals::Bursts {
                every,
                requests,
                within,
            } => Law::Bursts {
                every: *every,
                requests: u64::from(requests.get()),
                within: *within,
            },
            Arrivals::Trace { times } => Law::Trace(times.clone()),
            Arrivals::CurlLoop {
                in_parallel: InParallel::All,
                ..
            } => Law::AtOnce,
            Arrivals::CurlLoop { .. } | Arrivals::Closed { .. } => return Ok(None),
        };
        Ok(Some(Self {
            law,
            at: SimDuration::ZERO,
            count: 0,
        }))
    }

    /// The instant of the next request, from the population's start; `None` after the last.
    #[inline]
    pub fn next(&mut self, draw: Unit) -> Option<SimDuration> {
        self.at = match &self.law {
            Law::Gaps(gaps) => self.at + gaps.sample(draw),
            Law::AtOnce => SimDuration::ZERO,
            Law::Piecewise { steps, period } => after_hazard(steps, *period, self.at, draw),
            Law::Bursts {
                every,
                requests,
                within,
            } => {
                let (burst, done) = (self.count / requests, self.count % requests);
                let begin = *every * burst;
                let from = if done == 0 { begin } else { self.at };
                // The least of the uniform instants that are left, given that none lies before `from`.
                let left = (requests - done) as f64;
                let share = 1.0 - libm::pow(draw.get(), 1.0 / left);
                let rest = (begin + *within) - from;
                from + SimDuration::from_nanos((rest.as_nanos() as f64 * share) as u64)
            }
            Law::Trace(times) => *times.get(usize::try_from(self.count).ok()?)?,
        };
        self.count += 1;
        Some(self.at)
    }
}

/// The instant after `from` at which the integral of the rate has grown by an exponential draw of mean 1.
fn after_hazard(
    steps: &[Step],
    period: Option<SimDuration>,
    from: SimDuration,
    draw: Unit,
) -> SimDuration {
    let mut left = -libm::log(draw.get());
    let mut at = from;
    loop {
        let (round, phase) = match period {
            Some(period) => (
                at.as_nanos() / period.as_nanos(),
                at.as_nanos() % period.as_nanos(),
            ),
            None => (0, at.as_nanos()),
        };
        let next = steps.partition_point(|step| step.from.as_nanos() <= phase);
        let step = steps[next.saturating_sub(1)];
        let end = match (steps.get(next), period) {
            (Some(next), _) => Some(next.from.as_nanos()),
            (None, period) => period.map(SimDuration::as_nanos),
        };
        let per_nano = step.rate.as_per_second() / 1e9;
        let wanted = left / per_nano;
        let room = end.map_or(f64::INFINITY, |end| (end - phase) as f64);
        if wanted < room {
            return at + SimDuration::from_nanos(wanted as u64);
        }
        left -= room * per_nano;
        let begin = round * period.map_or(0, SimDuration::as_nanos);
        at = SimDuration::from_nanos(begin + end.unwrap_or(u64::MAX - begin));
    }
}

/// A connection from a client to a load balancer node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where it ends.
    pub load_balancer_node: LoadBalancerNodeId,
    /// When it was dialled.
    pub opened_at: SimTime,
    /// Requests that it may still carry.
    pub remaining: u64,
    /// When the last answer on it reached the client.
    pub free_since: SimTime,
}

/// The connections of one client address that are not busy.
///
/// A connection is handed back as soon as it is known when its answer will reach the client; until then
/// it waits among the returning ones. So the answer's arrival needs no event of its own.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    returning: VecDeque<Connection>,
    idle: Vec<Connection>,
}

impl Connections {
    /// Takes the connection that was used last, unless it was idle for `idle_timeout` or longer.
    pub fn take(&mut self, now: SimTime, idle_timeout: SimDuration) -> Option<Connection> {
        while self
            .returning
            .front()
            .is_some_and(|connection| connection.free_since <= now)
        {
            self.idle.extend(self.returning.pop_front());
        }
        let last = self.idle.pop()?;
        if now - last.free_since < idle_timeout {
            return Some(last);
        }
        // The others were used before this one, so they are closed too.
        self.idle.clear();
        None
    }

    /// Hands a connection back; `free_since` may lie ahead.
    pub fn put_back(&mut self, connection: Connection) {
        let later = |other: &Connection| other.free_since <= connection.free_since;
        match self.returning.back() {
            Some(back) if !later(back) => {
                let at = self.returning.partition_point(later);
                self.returning.insert(at, connection);
            }
            _ => self.returning.push_back(connection),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(free_since: u64) -> Connection {
        Connection {
            load_balancer_node: LoadBalancerNodeId(0),
            opened_at: SimTime::ZERO,
            remaining: 9,
            free_since: SimTime::from_nanos(free_since),
        }
    }

    fn taken(connections: &mut Connections, now: u64) -> Option<u64> {
        let taken = connections.take(SimTime::from_nanos(now), SimDuration::from_nanos(100));
        taken.map(|connection| connection.free_since.as_nanos())
    }

    #[test]
    fn a_connection_is_busy_until_its_answer_has_come() {
        let mut connections = Connections::default();
        connections.put_back(connection(50));
        assert_eq!(taken(&mut connections, 49), None);
        assert_eq!(taken(&mut connections, 50), Some(50));
    }

    #[test]
    fn the_last_used_connection_is_taken_first() {
        let mut connections = Connections::default();
        for free_since in [10, 30, 20] {
            connections.put_back(connection(free_since));
        }
        assert_eq!(taken(&mut connections, 40), Some(30));
        assert_eq!(taken(&mut connections, 40), Some(20));
    }

    #[test]
    fn an_idle_connection_times_out() {
        let mut connections = Connections::default();
        connections.put_back(connection(10));
        connections.put_back(connection(20));
        assert_eq!(taken(&mut connections, 120), None);
        assert_eq!(taken(&mut connections, 121), None);
    }

    fn instants(arrivals: &Arrivals, count: usize) -> Vec<f64> {
        let mut clock = ArrivalClock::new(arrivals)
            .expect("a valid process")
            .expect("an open loop");
        let mut stream = sim_core::Streams::new(1, 0).stream(crate::streams::REQUESTS, 0);
        std::iter::from_fn(|| clock.next(stream.unit()))
            .take(count)
            .map(SimDuration::as_secs_f64)
            .collect()
    }

    fn rate(per_second: f64) -> Rate {
        Rate::per_second(per_second).expect("a rate above 0")
    }

    #[test]
    fn a_piecewise_process_has_the_rate_of_each_step() {
        // 100/s for 60 s, then 300/s for 40 s, and again: 6,000 and 12,000 requests a round, give or take
        // 4 sqrt(18,000) = 540.
        let seconds = SimDuration::from_secs;
        let steps = vec![
            Step {
                from: SimDuration::ZERO,
                rate: rate(100.0),
            },
            Step {
                from: seconds(60),
                rate: rate(300.0),
            },
        ];
        let instants = instants(
            &Arrivals::Piecewise {
                steps,
                period: Some(seconds(100)),
            },
            60_000,
        );
        let between = |from: f64, to: f64| {
            instants.iter().filter(|&&at| at >= from && at < to).count() as f64
        };
        for round in [0.0, 100.0, 200.0] {
            assert!((between(round, round + 60.0) - 6000.0).abs() < 320.0);
            assert!((between(round + 60.0, round + 100.0) - 12_000.0).abs() < 450.0);
        }
        assert!(instants.is_sorted());
    }

    #[test]
    fn a_burst_stays_in_its_window_and_is_spread_evenly() {
        let arrivals = Arrivals::Bursts {
            every: SimDuration::from_secs(10),
            requests: NonZeroU32::new(1000).expect("1000 > 0"),
            within: SimDuration::from_secs(2),
        };
        let instants = instants(&arrivals, 3000);
        for (burst, requests) in instants.chunks(1000).enumerate() {
            let begin = 10.0 * burst as f64;
            assert!(requests.iter().all(|at| (begin..begin + 2.0).contains(at)));
            // The mean of 1,000 uniform instants of 2 s: 1 s, give or take 4 x 0.577 / sqrt(1000) = 0.073.
            let mean = requests.iter().map(|at| at - begin).sum::<f64>() / 1000.0;
            assert!((mean - 1.0).abs() < 0.073, "{mean}");
        }
    }

    #[test]
    fn the_expected_number_of_requests_is_the_integral_of_the_rate() {
        let seconds = SimDuration::from_secs;
        let steps = vec![
            Step {
                from: SimDuration::ZERO,
                rate: rate(100.0),
            },
            Step {
                from: seconds(60),
                rate: rate(300.0),
            },
        ];
        let arrivals = |period| Arrivals::Piecewise {
            steps: steps.clone(),
            period,
        };
        // 6,000 in the first minute, then 300/s; with a period of 100 s it begins again at 100/s.
        assert_eq!(
            arrivals(None).expected(seconds(110)),
            Some(6000.0 + 50.0 * 300.0)
        );
        assert_eq!(
            arrivals(Some(seconds(100))).expected(seconds(110)),
            Some(18_000.0 + 1000.0)
        );
    }

    #[test]
    fn a_flaw_is_named() {
        let step = |from| Step {
            from: SimDuration::from_secs(from),
            rate: rate(1.0),
        };
        let piecewise = |steps: &[u64], period: Option<u64>| {
            let steps = steps.iter().map(|&from| step(from)).collect();
            Arrivals::Piecewise {
                steps,
                period: period.map(SimDuration::from_secs),
            }
            .flaw()
        };
        assert_eq!(piecewise(&[0, 5], Some(9)), None);
        assert!(piecewise(&[], None).is_some_and(|flaw| flaw.contains("first step")));
        assert!(piecewise(&[0, 5, 5], None).is_some_and(|flaw| flaw.contains("rising")));
        assert!(piecewise(&[0, 5], Some(5)).is_some_and(|flaw| flaw.contains("period")));
        let times = [2, 1].map(SimDuration::from_secs).to_vec();
        assert_eq!(
            Arrivals::Trace { times }.flaw(),
            Some("times in rising order")
        );
    }

    #[test]
    fn a_trace_is_followed_and_ends() {
        let times = [1, 1, 4].map(SimDuration::from_secs).to_vec();
        assert_eq!(instants(&Arrivals::Trace { times }, 9), [1.0, 1.0, 4.0]);
    }

    #[test]
    fn geometric_reuse_has_its_mean() {
        // The mean over 10,000 evenly spaced draws is close to the mean of the distribution, 20, from
        // below by less than the mass of the last cell: 1 / 10,000 x (20 ln 10,000) = 0.02.
        let draws =
            (0..10_000).map(|k| Unit::new((f64::from(k) + 0.5) / 10_000.0).expect("inside (0, 1)"));
        let total: u64 = draws
            .map(|draw| Reuse::Geometric { mean: 20.0 }.requests(draw))
            .sum();
        assert!((total as f64 / 10_000.0 - 20.0).abs() < 0.05);
    }
}
