//! How is a thing doing?
//!
//! A fault is a condition on a thing for a while. Stages read conditions; no stage knows the word fault.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::SimDuration;

/// How the process in a pod treats requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum PodCondition {
    /// As it should.
    #[default]
    Serving,
    /// It answers an error, always or now and then.
    Erroring(Erroring),
    /// It accepts connections, reads requests and never answers: a deadlock.
    Hanging,
    /// Its listener and all its connections are closed: new connections are reset.
    Refusing,
    /// It works, but slowly, always or now and then.
    Slow(Slow),
}

impl PodCondition {
    /// Share of the commands that fail which `exec` probes run in the container.
    ///
    /// A command is a process of its own beside the server: nothing but a fault that says so (`checks`) makes it fail.
    pub fn failing_commands(self) -> f64 {
        match self {
            Self::Serving => 0.0,
            // It looks at what is broken, as an HTTP probe does.
            Self::Erroring(error) if error.checks => error.share,
            // What is broken is not on the checked path.
            Self::Erroring(_) => 0.0,
            // The server's threads wait for each other; the command waits for none of them.
            Self::Hanging => 0.0,
            // The listener is closed; the command opens no connection.
            Self::Refusing => 0.0,
            // The server's requests wait for something; the command does not.
            Self::Slow(_) => 0.0,
        }
    }
}

/// A process that answers an error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Erroring {
    /// The status that it answers.
    ///
    /// Range: 400 to 599. Default: 500.
    pub status: u16,

    /// Share of the requests that meet the error, drawn for each request.
    ///
    /// Range: 0 to 1. Default: 1.
    pub share: f64,

    /// Work of an erroneous answer, instead of the request's own.
    ///
    /// Range: 0 and up. Default: "1ms".
    /// Source: the recordings of a real proxy (E3): a fast error frees its connection early and so attracts more requests.
    pub delay: SimDuration,

    /// Whether probes and health checks meet the error too.
    ///
    /// Default: true. With false the checked path works and users fail: nobody notices.
    pub checks: bool,
}

impl Default for Erroring {
    fn default() -> Self {
        Self {
            status: 500,
            share: 1.0,
            delay: SimDuration::from_millis(1),
            checks: true,
        }
    }
}

/// A process that works slowly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Slow {
    /// Multiplies the work of a request.
    ///
    /// Range: 1 and up; plausible 2 to 100. Default: 10.
    pub factor: f64,

    /// Added to the work of a request after the factor: a dependency that answers late.
    ///
    /// Range: 0 and up. Default: "0s".
    pub add: SimDuration,

    /// Share of the requests that are slow, drawn for each request.
    ///
    /// Range: 0 to 1. Default: 1.
    pub share: f64,
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            factor: 10.0,
            add: SimDuration::ZERO,
            share: 1.0,
        }
    }
}

impl Slow {
    /// The work of a slow request.
    pub fn stretch(&self, demand: SimDuration) -> SimDuration {
        SimDuration::from_nanos((demand.as_nanos() as f64 * self.factor) as u64) + self.add
    }
}

/// How a worker node is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCondition {
    /// Pods, data plane and kubelet are gone: packets to the node meet silence.
    pub dead: bool,
    /// Its kubelet neither probes, nor restarts, nor reports.
    pub kubelet_hung: bool,
    /// Its container runtime does not answer: nothing starts or stops, and the kubelet notices nothing. It goes on reporting.
    pub runtime_hung: bool,
    /// Nothing passes between the node and the control plane.
    pub cut_off: bool,
    /// Nothing passes between the node and other nodes or load balancers; what runs on it goes on.
    pub unreachable: bool,
}

impl NodeCondition {
    /// Whether the kubelet's leases and statuses reach the API server.
    pub fn reports(self) -> bool {
        !(self.dead || self.kubelet_hung || self.cut_off)
    }

    /// Whether packets reach the node.
    pub fn reachable(self) -> bool {
        !(self.dead || self.unreachable)
    }

    /// Whether the kubelet probes its pods.
    pub fn probes(self) -> bool {
        !(self.dead || self.kubelet_hung)
    }

    /// Whether the kubelet's main loop turns: it notices exits, and the verdicts of its probes have consequences.
    ///
    /// Source: Kubernetes 1.34 `pkg/kubelet/kubelet.go`, `syncLoop`: it sleeps while the runtime has errors.
    pub fn notices(self) -> bool {
        self.probes() && !self.runtime_hung
    }

    /// Whether a pod that is bound to the node starts there.
    pub fn starts(self) -> bool {
        self.reports() && !self.runtime_hung
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_work_is_stretched_and_then_lengthened() {
        // 3 ms times 10, and 2 s.
        let slow = Slow {
            add: SimDuration::from_secs(2),
            ..Slow::default()
        };
        assert_eq!(
            slow.stretch(SimDuration::from_millis(3)),
            SimDuration::from_millis(2_030)
        );
    }

    #[test]
    fn a_command_in_the_container_fails_only_where_checks_do() {
        // Every condition, and the share of `exec` probes that fail under it.
        let error = |checks| {
            PodCondition::Erroring(Erroring {
                share: 0.25,
                checks,
                ..Erroring::default()
            })
        };
        let rows = [
            (PodCondition::Serving, 0.0),
            (error(true), 0.25),
            (error(false), 0.0),
            (PodCondition::Hanging, 0.0),
            (PodCondition::Refusing, 0.0),
            (PodCondition::Slow(Slow::default()), 0.0),
        ];
        for (condition, share) in rows {
            assert_eq!(condition.failing_commands(), share, "{condition:?}");
        }
    }

    #[test]
    fn a_kubelet_whose_runtime_hangs_probes_and_notices_nothing() {
        let hung = NodeCondition {
            runtime_hung: true,
            ..NodeCondition::default()
        };
        assert_eq!((hung.probes(), hung.notices()), (true, false));
    }

    #[test]
    fn a_cut_off_kubelet_probes_and_nobody_hears_of_it() {
        let cut_off = NodeCondition {
            cut_off: true,
            ..NodeCondition::default()
        };
        assert_eq!((cut_off.probes(), cut_off.reports()), (true, false));
        let hung = NodeCondition {
            kubelet_hung: true,
            ..NodeCondition::default()
        };
        assert_eq!((hung.probes(), hung.reports()), (false, false));
    }
}
