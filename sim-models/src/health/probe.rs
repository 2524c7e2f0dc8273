//! When does a kubelet probe a container, and what does it make of the answers?
//!
//! One worker per probe. It tries at once when it is created and then at every tick of its own grid; a
//! manual trigger makes it try at once and starts the grid anew. Its verdict changes after a number of
//! equal results in a row.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

use super::threshold::{Streak, verdict};

/// A readiness, liveness or startup probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Path of the HTTP GET; a status of 200 to 399 is a success. Known by name only: which answers a broken pod gives to probes is said by
    /// `checks` of the fault (`Erroring`).
    ///
    /// Default: none; a probe that names no handler at all asks for "/".
    /// Source: Kubernetes API v1, `Probe.httpGet`.
    pub http_get: Option<String>,

    /// Port to which a connection is opened; that it is accepted is a success. So a process that hangs or answers errors passes as long as
    /// its listener is open. Known by number only: the port is that of the pod's server.
    ///
    /// Range: 1 to 65535. Default: none.
    /// Source: Kubernetes API v1, `Probe.tcpSocket`.
    pub tcp_socket: Option<u16>,

    /// Command that runs in the container; exit status 0 is a success. Known by name only: it is a process of its own, takes the server's
    /// `check_time`, and fails where a fault says so (`Erroring` with `checks`). Where the container runtime cannot run it the kubelet tries
    /// three times more and then leaves the attempt uncounted.
    ///
    /// Default: none.
    /// Source: Kubernetes API v1, `Probe.exec`; 1.34 `pkg/kubelet/prober/prober.go`.
    pub exec: Option<Vec<String>>,

    /// Not before this long after the container's start. Counted in whole seconds.
    ///
    /// Range: 0 and up. Default: "0s".
    /// Source: Kubernetes API v1, `Probe.initialDelaySeconds`.
    pub initial_delay: SimDuration,

    /// Time between two attempts.
    ///
    /// Range: "1s" and up. Default: "10s".
    /// Source: Kubernetes API v1, `Probe.periodSeconds`.
    pub period: SimDuration,

    /// Silence that counts as a failure. It covers the whole exchange.
    ///
    /// Range: "1s" and up. Default: "1s".
    /// Source: Kubernetes API v1, `Probe.timeoutSeconds`.
    pub timeout: SimDuration,

    /// Successes in a row after which the probe passes again: a readiness probe makes the container ready.
    ///
    /// Range: 1 and up; 1 for liveness and startup. Default: 1.
    /// Source: Kubernetes API v1, `Probe.successThreshold`.
    pub success_threshold: NonZeroU32,

    /// Failures in a row after which the probe fails: a readiness probe makes the container unready, a liveness or startup probe has it
    /// killed and started again.
    ///
    /// Range: 1 and up. Default: 3.
    /// Source: Kubernetes API v1, `Probe.failureThreshold`.
    pub failure_threshold: NonZeroU32,

    /// From the failure of this probe until SIGKILL, preStop included. For liveness and startup probes only.
    ///
    /// Range: "1s" and up. Default: the pod's `termination_grace_period`.
    /// Source: Kubernetes API v1, `Probe.terminationGracePeriodSeconds`.
    pub termination_grace_period: Option<SimDuration>,
}

/// How a probe finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// A small request to the pod's server.
    HttpGet,
    /// A connection to it.
    TcpSocket,
    /// A command in its container.
    Exec,
}

impl Config {
    /// How this probe finds out: by HTTP GET where nothing else is written.
    pub fn handler(&self) -> Handler {
        if self.exec.is_some() {
            Handler::Exec
        } else if self.tcp_socket.is_some() {
            Handler::TcpSocket
        } else {
            Handler::HttpGet
        }
    }

    /// How many handlers it names; Kubernetes accepts one.
    pub fn handlers(&self) -> usize {
        let named = [
            self.http_get.is_some(),
            self.tcp_socket.is_some(),
            self.exec.is_some(),
        ];
        named.into_iter().filter(|&it| it).count()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http_get: None,
            tcp_socket: None,
            exec: None,
            initial_delay: SimDuration::ZERO,
            period: SimDuration::from_secs(10),
            timeout: SimDuration::from_secs(1),
            success_threshold: NonZeroU32::MIN,
            failure_threshold: NonZeroU32::new(3).expect("3 is not 0"),
            termination_grace_period: None,
        }
    }
}

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whether the pod gets traffic.
    Readiness,
    /// Whether the container is killed.
    Liveness,
    /// Whether the container has started: until then the other probes wait.
    Startup,
}

/// What the worker knows of the container when a tick comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// When the container started; `None` when it does not run.
    pub running_since: Option<SimTime>,
    /// Whether its startup probe, if it has one, has passed.
    pub started: bool,
    /// Whether the pod is being deleted.
    pub terminating: bool,
}

/// What the worker does at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Nothing; the next tick comes.
    Skip,
    /// The container does not run: that is a failure without a question.
    Fail,
    /// It asks.
    Ask,
    /// It ends.
    End,
}

/// One probe worker of a kubelet.
#[derive(Clone, Debug)]
pub struct Prober {
    /// What it is for.
    pub kind: Kind,
    period: SimDuration,
    initial_delay: SimDuration,
    successes: u32,
    failures: u32,
    streak: Streak,
    stored: Option<bool>,
    on_hold: bool,
    /// Attempts so far.
    pub attempts: u64,
}

impl Prober {
    /// A worker at work on a container that has been in order for long.
    pub fn new(kind: Kind, config: &Config) -> Self {
        Self {
            kind,
            period: config.period,
            initial_delay: config.initial_delay,
            successes: config.success_threshold.get(),
            failures: config.failure_threshold.get(),
            streak: Streak::default(),
            stored: Some(true),
            on_hold: false,
            attempts: 0,
        }
    }

    /// Time between two ticks.
    pub fn period(&self) -> SimDuration {
        self.period
    }

    /// The stored verdict.
    pub fn verdict(&self) -> Option<bool> {
        self.stored
    }

    /// Whether the stored verdict is a success.
    pub fn passes(&self) -> bool {
        self.stored == Some(true)
    }

    /// What to do at a tick, or at a trigger: the gates, in the kubelet's order.
    ///
    /// Source: Kubernetes 1.34 `pkg/kubelet/prober/worker.go`, `doProbe`.
    pub fn attempt(&self, sight: Sight, now: SimTime) -> Attempt {
        if self.on_hold {
            return Attempt::Skip;
        }
        let Some(since) = sight.running_since else {
            return Attempt::Fail;
        };
        if sight.terminating && self.kind != Kind::Readiness {
            return Attempt::End;
        }
        let seconds = |time: SimDuration| time.as_nanos() / 1_000_000_000;
        if seconds(now - since) < seconds(self.initial_delay) {
            return Attempt::Skip;
        }
        if sight.started == (self.kind == Kind::Startup) {
            return Attempt::Skip;
        }
        Attempt::Ask
    }

    /// Counts a result. Returns the verdict if it changes.
    ///
    /// Source: Kubernetes 1.34 `pkg/kubelet/prober/worker.go`: a stored change emits one notification;
    /// a liveness failure, and any verdict of a startup probe, puts the worker on hold until there is a new container.
    pub fn judge(&mut self, success: bool) -> Option<bool> {
        let in_a_row = self.streak.note(success);
        let verdict = verdict(success, in_a_row, self.successes, self.failures)?;
        if self.kind == Kind::Startup || (self.kind == Kind::Liveness && !verdict) {
            self.on_hold = true;
            self.streak.clear();
        }
        (self.stored.replace(verdict) != Some(verdict)).then_some(verdict)
    }

    /// A container that does not run is a failure at once, whatever the threshold.
    /// Returns the verdict if it changes.
    pub fn not_running(&mut self) -> Option<bool> {
        (self.stored.replace(false) != Some(false)).then_some(false)
    }

    /// There is a new container: the initial verdict stands until a result says otherwise.
    ///
    /// Source: Kubernetes 1.34 `pkg/kubelet/prober/worker.go`: readiness starts as a failure, liveness as a success,
    /// startup unknown.
    pub fn renew(&mut self) {
        self.stored = match self.kind {
            Kind::Readiness => Some(false),
            Kind::Liveness => Some(true),
            Kind::Startup => None,
        };
        self.on_hold = false;
        self.streak.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    fn running(since: u64) -> Sight {
        Sight {
            running_since: Some(at(since)),
            started: true,
            terminating: false,
        }
    }

    #[test]
    fn a_probe_without_a_handler_asks_by_http() {
        let named = |http: Option<&str>, port, command: Option<&str>| Config {
            http_get: http.map(Into::into),
            tcp_socket: port,
            exec: command.map(|it| vec![it.into()]),
            ..Config::default()
        };
        let rows = [
            (named(None, None, None), 0, Handler::HttpGet),
            (named(Some("/ready"), None, None), 1, Handler::HttpGet),
            (named(None, Some(80), None), 1, Handler::TcpSocket),
            (named(None, None, Some("true")), 1, Handler::Exec),
        ];
        for (config, handlers, handler) in rows {
            assert_eq!((config.handlers(), config.handler()), (handlers, handler));
        }
        assert_eq!(named(Some("/"), Some(80), Some("true")).handlers(), 3);
    }

    #[test]
    fn the_gates_come_in_the_kubelets_order() {
        let config = Config {
            initial_delay: SimDuration::from_secs(2),
            ..Config::default()
        };
        let exited = Sight {
            running_since: None,
            started: false,
            terminating: false,
        };
        let leaving = Sight {
            terminating: true,
            ..running(0)
        };
        let readiness = Prober::new(Kind::Readiness, &config);
        let liveness = Prober::new(Kind::Liveness, &config);
        // Gates 5, 6, 7 and 9 of the worker's attempt; readiness goes on while the pod is being deleted.
        assert_eq!(readiness.attempt(exited, at(9)), Attempt::Fail);
        assert_eq!(liveness.attempt(leaving, at(9)), Attempt::End);
        assert_eq!(readiness.attempt(leaving, at(9)), Attempt::Ask);
        assert_eq!(readiness.attempt(running(8), at(9)), Attempt::Skip);
        assert_eq!(readiness.attempt(running(7), at(9)), Attempt::Ask);
    }

    #[test]
    fn until_a_container_has_started_only_the_startup_probe_asks() {
        let starting = Sight {
            started: false,
            ..running(0)
        };
        let asks = |kind, sight| Prober::new(kind, &Config::default()).attempt(sight, at(9));
        // Gate 8 of the worker's attempt.
        assert_eq!(asks(Kind::Readiness, starting), Attempt::Skip);
        assert_eq!(asks(Kind::Liveness, starting), Attempt::Skip);
        assert_eq!(asks(Kind::Startup, starting), Attempt::Ask);
        assert_eq!(asks(Kind::Startup, running(0)), Attempt::Skip);
    }

    #[test]
    fn a_startup_probe_asks_for_one_verdict() {
        let mut prober = Prober::new(Kind::Startup, &Config::default());
        prober.renew();
        assert!(!prober.passes());
        let starting = Sight {
            started: false,
            ..running(0)
        };
        // Two failures of three, then a success: it has started, and nobody asks again.
        assert_eq!(
            [false, false, true].map(|it| prober.judge(it)),
            [None, None, Some(true)]
        );
        assert_eq!(prober.attempt(starting, at(60)), Attempt::Skip);
        prober.renew();
        assert_eq!(prober.attempt(starting, at(60)), Attempt::Ask);
    }

    #[test]
    fn a_verdict_is_told_once() {
        let mut prober = Prober::new(Kind::Readiness, &Config::default());
        let told = [false, false, false, false, true, true].map(|success| prober.judge(success));
        assert_eq!(told, [None, None, Some(false), None, Some(true), None]);
    }

    #[test]
    fn a_liveness_failure_waits_for_a_new_container() {
        let mut prober = Prober::new(Kind::Liveness, &Config::default());
        let told = [false; 3].map(|success| prober.judge(success));
        assert_eq!(told[2], Some(false));
        assert_eq!(prober.attempt(running(0), at(60)), Attempt::Skip);
        prober.renew();
        assert!(prober.passes());
        assert_eq!(prober.attempt(running(60), at(60)), Attempt::Ask);
    }
}
