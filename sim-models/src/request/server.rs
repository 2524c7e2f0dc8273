//! What does a pod do with a request?
//!
//! A pod works on a number of requests at once and lets a bounded number wait, first come, first served.
//! The work of a request was drawn when it was born, so it is the same in every alternative.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration};

use super::sharing::Sharing;
use crate::id::RequestId;
use crate::quantity::Size;

/// The server in a pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whose defaults fill `keep_alive`.
    ///
    /// Default: Nginx.
    #[serde(default)]
    pub software: Software,

    /// Requests worked on at once.
    ///
    /// Required. Range: 1 and up.
    pub workers: NonZeroU32,

    /// How the workers are shared out. With ProcessorSharing all requests that were let in are in work at once.
    ///
    /// Default: Fifo.
    #[serde(default)]
    pub discipline: Discipline,

    /// Requests that wait for a worker.
    ///
    /// Range: 0 and up; plausible 0 to 4096. Default: 512.
    /// Source: nginx `listen` directive, backlog 511; Linux `net.core.somaxconn` 4096.
    #[serde(default = "default_queue")]
    pub queue: u32,

    /// What a request meets that finds all workers busy and the queue full.
    ///
    /// Default: Drop.
    /// Source: Linux listen(2): a SYN to a full backlog is ignored and sent again.
    #[serde(default)]
    pub when_full: WhenFull,

    /// Work of one request.
    ///
    /// Required: a distribution like LogNormal(mean: "12ms", cv: 1.0), or a fixed time.
    pub service_time: Dist,

    /// When the server closes a connection. What is not given here is as `software` does it.
    ///
    /// Default: as `software` does.
    #[serde(default)]
    pub keep_alive: Option<KeepAlive>,

    /// Work of the answer to a probe or a health check.
    ///
    /// Range: 0 and up. Default: "1ms".
    /// Assumption: no source; a check of dependencies takes longer.
    #[serde(default = "default_check_time")]
    pub check_time: SimDuration,

    /// From the start of the process until it answers; it refuses until then.
    ///
    /// Range: 0 and up; plausible 0 to 60 s. Default: "0s".
    #[serde(default = "default_startup_time")]
    pub startup_time: Dist,

    /// A fresh process works slowly at first: caches are cold, code is not compiled yet.
    ///
    /// Default: none; a process that runs since before the start of the run is warm.
    #[serde(default)]
    pub slow_start: Option<SlowStart>,

    /// What the process does with its connections when it gets SIGTERM.
    ///
    /// Default: CloseListenerDrain.
    /// Source: Kubernetes, "Pod Lifecycle", termination of pods: SIGTERM after preStop, SIGKILL at the end of the grace period. What lies
    /// between is the program's own affair.
    #[serde(default)]
    pub on_sigterm: OnSigterm,

    /// Bytes of an answer's body.
    ///
    /// Default: "1KiB".
    #[serde(default = "default_response_size")]
    pub response_size: Size,
}

/// What a process does with its connections when it gets SIGTERM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnSigterm {
    /// It closes its listener and its idle connections, and each of the others after its answer; then it ends: a server with a graceful
    /// stop, such as Go's `http.Server.Shutdown`, or nginx whose image has `STOPSIGNAL SIGQUIT`.
    #[default]
    CloseListenerDrain,
    /// It goes on until SIGKILL: process 1 of a container without a handler, or a shell that does not pass the signal on.
    KeepServing,
    /// It ends at once, and all its connections with it: a fast shutdown, such as nginx at SIGTERM. Requests in work are reset.
    CloseAll,
    /// It goes on accepting, and closes each connection after its answer, until SIGKILL: connections move to other pods, and nobody is
    /// refused.
    AnnounceClose,
}

/// How the workers of a pod are shared out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Discipline {
    /// A request has a worker to itself from begin to end; others wait, first come, first served.
    #[default]
    Fifo,
    /// Requests beyond the number of workers share them evenly, as threads share the cores of a machine: each goes on, and all
    /// get slower. `workers` is the number of cores; `queue` requests more are let in.
    ProcessorSharing,
}

/// How a fresh process gets up to speed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlowStart {
    /// Multiplies the work of a request at the start of the process; falls evenly to 1.
    ///
    /// Range: 1 and up; plausible 1.5 to 20. Default: 4.
    /// Assumption: no source; a process with a just-in-time compiler is among the slowest.
    pub factor: f64,

    /// From the process's first answer until it works at full speed.
    ///
    /// Range: above 0. Default: "30s".
    /// Assumption: no source.
    pub duration: SimDuration,
}

impl Default for SlowStart {
    fn default() -> Self {
        Self {
            factor: 4.0,
            duration: SimDuration::from_secs(30),
        }
    }
}

impl SlowStart {
    /// The work of a request in a process of this age.
    pub fn stretch(&self, demand: SimDuration, age: SimDuration) -> SimDuration {
        let left = 1.0 - age.as_secs_f64() / self.duration.as_secs_f64();
        let factor = 1.0 + (self.factor - 1.0) * left.max(0.0);
        SimDuration::from_nanos((demand.as_nanos() as f64 * factor) as u64)
    }
}

/// When a server closes a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepAlive {
    /// After this long without a request; "0s" closes after each answer.
    ///
    /// Default: as `software` does; never with Go and Custom.
    pub timeout: Option<SimDuration>,

    /// After this many requests.
    ///
    /// Range: 1 and up. Default: as `software` does; no limit with NodeJs, Go, Envoy, Gunicorn, Uvicorn and Custom.
    pub max_requests: Option<std::num::NonZeroU64>,
}

/// Server software, for its keep-alive defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Software {
    /// nginx: 75 s, 1000 requests.
    ///
    /// Source: nginx `keepalive_timeout` and `keepalive_requests` (1.19.10 and later).
    #[default]
    Nginx,
    /// Apache httpd 2.4: 5 s, 100 requests.
    ///
    /// Source: Apache httpd `KeepAliveTimeout` and `MaxKeepAliveRequests`.
    ApacheHttpd,
    /// Node.js before 2026: 5 s.
    ///
    /// Source: Node.js `server.keepAliveTimeout`; 65 s since nodejs/node#62782.
    NodeJs,
    /// Tomcat and Spring Boot: 60 s, 100 requests.
    ///
    /// Source: Tomcat HTTP connector, `keepAliveTimeout` and `maxKeepAliveRequests`.
    Tomcat,
    /// Go net/http: no limits.
    ///
    /// Source: Go `net/http.Server.IdleTimeout`.
    Go,
    /// Envoy: 1 h.
    ///
    /// Source: Envoy `common_http_protocol_options.idle_timeout`.
    Envoy,
    /// Gunicorn with worker threads: 2 s.
    ///
    /// Source: Gunicorn settings, `keepalive`.
    Gunicorn,
    /// Uvicorn: 5 s.
    ///
    /// Source: Uvicorn settings, `--timeout-keep-alive`.
    Uvicorn,
    /// Something else: no limits unless `keep_alive` says so.
    Custom,
}

/// What a request meets at a full server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhenFull {
    /// Silence: the first packet is sent again as the load balancer's `syn_retransmit` says, until its `connect_timeout` (504).
    #[default]
    Drop,
    /// A reset: the load balancer answers 502.
    Refuse,
    /// An answer with this status from the server.
    ///
    /// Range: 400 to 599.
    Status(u16),
}

impl Software {
    /// The keep-alive defaults of the software.
    pub fn keep_alive(self) -> KeepAlive {
        let limits = |timeout: Option<u64>, requests: Option<u64>| KeepAlive {
            timeout: timeout.map(SimDuration::from_secs),
            max_requests: requests.and_then(std::num::NonZeroU64::new),
        };
        match self {
            Self::Nginx => limits(Some(75), Some(1000)),
            Self::ApacheHttpd => limits(Some(5), Some(100)),
            Self::NodeJs => limits(Some(5), None),
            Self::Tomcat => limits(Some(60), Some(100)),
            Self::Go | Self::Custom => limits(None, None),
            Self::Envoy => limits(Some(3600), None),
            Self::Gunicorn => limits(Some(2), None),
            Self::Uvicorn => limits(Some(5), None),
        }
    }
}

impl Config {
    /// The keep-alive limits in force.
    pub fn keep_alive(&self) -> KeepAlive {
        let (own, usual) = (
            self.keep_alive.unwrap_or_default(),
            self.software.keep_alive(),
        );
        KeepAlive {
            timeout: own.timeout.or(usual.timeout),
            max_requests: own.max_requests.or(usual.max_requests),
        }
    }
}

fn default_queue() -> u32 {
    512
}

pub(crate) fn default_check_time() -> SimDuration {
    SimDuration::from_millis(1)
}

pub(crate) fn default_startup_time() -> Dist {
    Dist::Constant(SimDuration::ZERO)
}

fn default_response_size() -> Size {
    Size::from_bytes(1024)
}

/// The workers and the queue of one pod.
#[derive(Clone, Debug, Default)]
pub struct Server {
    busy: u32,
    waiting: VecDeque<RequestId>,
    /// With processor sharing, who shares the workers; nobody waits then.
    sharing: Option<Box<Sharing>>,
}

/// What a pod does with a request that reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// A worker begins at once.
    Start,
    /// It waits.
    Wait,
    /// It shares the workers with others from now on.
    Share,
    /// All workers are busy and the queue is full.
    Full,
}

impl Server {
    /// A server without requests.
    pub fn new(discipline: Discipline, workers: NonZeroU32) -> Self {
        Self {
            sharing: match discipline {
                Discipline::Fifo => None,
                Discipline::ProcessorSharing => Some(Box::new(Sharing::new(workers))),
            },
            ..Self::default()
        }
    }

    /// Who shares the workers, with processor sharing.
    pub fn sharing(&mut self) -> Option<&mut Sharing> {
        self.sharing.as_deref_mut()
    }

    /// Receives a request.
    #[inline]
    pub fn receive(&mut self, request: RequestId, workers: NonZeroU32, queue: u32) -> Reception {
        if let Some(sharing) = &self.sharing {
            let most = u64::from(workers.get()) + u64::from(queue);
            return if (sharing.len() as u64) < most {
                Reception::Share
            } else {
                Reception::Full
            };
        }
        if self.busy < workers.get() {
            self.busy += 1;
            Reception::Start
        } else if (self.waiting.len() as u64) < u64::from(queue) {
            self.waiting.push_back(request);
            Reception::Wait
        } else {
            Reception::Full
        }
    }

    /// Whether it would turn a request away.
    pub fn is_full(&self, workers: NonZeroU32, queue: u32) -> bool {
        let within = self.sharing.as_ref().map_or(0, |it| it.len() as u64);
        let within = within + u64::from(self.busy) + self.waiting.len() as u64;
        within >= u64::from(workers.get()) + u64::from(queue)
    }

    /// A worker is done; returns the request that it begins next, if one waits.
    #[inline]
    pub fn release(&mut self) -> Option<RequestId> {
        if self.sharing.is_some() {
            // Whoever is done has left already.
            return None;
        }
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.busy -= 1;
        }
        next
    }

    /// The process is gone: nobody works. Returns the requests that waited, first come first, or shared the workers.
    pub fn clear(&mut self) -> VecDeque<RequestId> {
        self.busy = 0;
        if let Some(sharing) = &mut self.sharing {
            return sharing.clear().collect();
        }
        std::mem::take(&mut self.waiting)
    }

    /// The process accepts nothing more from its queue. Returns the requests that waited, first come first.
    pub fn drop_waiting(&mut self) -> VecDeque<RequestId> {
        std::mem::take(&mut self.waiting)
    }

    /// Workers that work now.
    pub fn busy(&self) -> u32 {
        let sharing = self.sharing.as_ref();
        sharing.map_or(self.busy, |it| it.busy())
    }

    /// Requests that wait now; with processor sharing, those beyond the number of workers.
    pub fn waiting(&self) -> u32 {
        let sharing = self.sharing.as_ref();
        sharing.map_or(self.waiting.len() as u32, |it| it.len() as u32 - it.busy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_start_then_wait_then_find_it_full() {
        let mut server = Server::default();
        let workers = NonZeroU32::MIN;
        let receptions = [0, 1, 2].map(|id| server.receive(RequestId(id), workers, 1));
        assert_eq!(
            receptions,
            [Reception::Start, Reception::Wait, Reception::Full]
        );
        assert_eq!(server.release(), Some(RequestId(1)));
        assert_eq!((server.busy(), server.waiting()), (1, 0));
        assert_eq!(server.release(), None);
        assert_eq!(server.busy(), 0);
    }

    #[test]
    fn a_fresh_process_is_slow_and_gets_up_to_speed_evenly() {
        // Factor 4 at the start, 2.5 after half of the time, 1 from its end on.
        let (slow, millis) = (SlowStart::default(), SimDuration::from_millis);
        let at = |seconds| slow.stretch(millis(10), SimDuration::from_secs(seconds));
        assert_eq!(
            [at(0), at(15), at(30), at(99)],
            [40, 25, 10, 10].map(millis)
        );
    }

    #[test]
    fn each_part_of_a_softwares_keep_alive_may_be_overridden() {
        let of = |software, timeout: Option<u64>, max_requests| {
            let timeout = timeout.map(SimDuration::from_secs);
            let keep_alive = KeepAlive {
                timeout,
                max_requests: std::num::NonZeroU64::new(max_requests),
            };
            let config = Config {
                software,
                workers: NonZeroU32::MIN,
                discipline: Discipline::Fifo,
                slow_start: None,
                queue: default_queue(),
                when_full: WhenFull::Drop,
                service_time: Dist::Constant(SimDuration::ZERO),
                keep_alive: Some(keep_alive),
                on_sigterm: Default::default(),
                check_time: default_check_time(),
                startup_time: default_startup_time(),
                response_size: default_response_size(),
            };
            let KeepAlive {
                timeout,
                max_requests,
            } = config.keep_alive();
            (
                timeout.map(SimDuration::as_nanos),
                max_requests.map_or(0, |it| it.get()),
            )
        };
        // nginx: 75 s and 1000 requests.
        let seconds = |secs: u64| Some(secs * 1_000_000_000);
        assert_eq!(of(Software::Nginx, None, 0), (seconds(75), 1000));
        assert_eq!(of(Software::Nginx, Some(65), 0), (seconds(65), 1000));
        assert_eq!(of(Software::Nginx, None, 100), (seconds(75), 100));
        assert_eq!(of(Software::Custom, Some(65), 0), (seconds(65), 0));
        assert_eq!(of(Software::Go, None, 0), (None, 0));
    }
}
