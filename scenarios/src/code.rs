//! Which complaints are there?
//!
//! The register of codes. A code is written down here, never computed and never reused: people look them up, and suppress them.

use std::fmt;

/// The name of a complaint, such as `T014`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    /// The code as it is printed.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $name: Code = Code($code);)*

        /// Every code with its meaning, in the order of the codes.
        pub const ALL: &[(Code, &str)] = &[$(($name, $meaning)),*];
    };
}

codes! {
    UNREADABLE = "T001", "The scenario file cannot be read: it does not exist, is a directory, or is far too long.";
    NOT_UTF8 = "T002", "The scenario file is not UTF-8 text.";
    EMPTY = "T003", "The scenario file has no content besides comments.";
    SYNTAX = "T004", "The text breaks the rules of RON: a bracket, comma, quote or value is missing or wrong.";
    TOO_DEEP = "T005", "Brackets are nested deeper than any scenario needs.";
    DUPLICATE = "T006", "The same field or key is written twice at one place. Only one can be meant.";
    UNKNOWN_FIELD = "T007", "The format has no field of this name at this place.";
    UNKNOWN_VARIANT = "T008", "This is not one of the choices at this place.";
    WRONG_TYPE = "T009", "The value has another shape than the field needs: a text for a number, braces for round brackets.";
    BAD_VALUE = "T010", "The value has the right shape, and its content is out of range or cannot be read.";
    MISSING_FIELD = "T011", "A field without a default is not written.";
    NOT_YET = "T012", "The format knows this field, and no stage models it yet. It is refused, because ignoring it would give a wrong answer.";
    BAD_PATH = "T013", "A patch, a sweep or `--set` addresses something that does not stand there.";
    DANGLING_NAME = "T014", "A name refers to something that the scenario does not define.";
    IP_ON_OVERLAY = "T015", "A target group registers pods, and the pods live in an overlay that the load balancer cannot reach. Every request would end in a 504.";
    BAD_PLACEMENT = "T016", "A placement by hand does not add up: it has one number for each node, and their sum is the number of replicas.";
    BAD_DISTRIBUTION = "T017", "A distribution's parameters make no sense together.";
    OUT_OF_RANGE = "T018", "A value lies outside of what the real system accepts.";
    TOO_LARGE = "T019", "The run needs more events, time or memory than is sensible. The message says how much.";
    EMPTY_PART = "T020", "A part without which there is nothing to simulate is empty: no nodes, no deployment, no target group, no client.";
    NO_RULES = "T021", "There are several target groups and no listener rules, so nothing says where a request goes.";
    TWICE = "T022", "A list names the same thing twice.";
    OTHER_FORMAT = "T023", "The file is written in a version of the format that this program does not read.";
    NOT_PART_OF_THE_SYSTEM = "T024", "An alternative or a sweep changes the experiment (seed, run, objectives) instead of the system. All alternatives run alike, or they could not be compared.";
    TOO_MANY_CASES = "T025", "Alternatives and sweeps multiply to more cases than anybody would wait for.";
    BAD_CONSTRAINT = "T026", "A spread constraint or an affinity is written in a way that the API server refuses.";
    BAD_OBJECTIVE = "T027", "An objective cannot be read, or asks about a part of the run that does not exist.";

    BAD_FAULT = "T028", "A fault names a thing that does not exist, or a thing to which it cannot happen.";
    DIRECT_RETURN_ON_VXLAN = "T029", "Cilium's direct server return needs routes between the nodes or a Geneve tunnel. VXLAN packets have no room for what it sends along.";
    NO_HEALTH_CHECK_NODE_PORT = "T030", "A health check goes to the `healthCheckNodePort` of a Service that has none.";

    LOCAL_WITHOUT_POD = "T101", "With externalTrafficPolicy Local a node without a pod of the Service refuses connections. Until its health check has failed, its share of the requests fails.";
    KEEP_ALIVE_RACE = "T102", "A server closes idle connections sooner than the load balancer drops them from its pool. A request that meets the close on its way gets a 502.";
    PINNED_CONNECTIONS = "T103", "A server keeps idle connections longer than the load balancer. With instance targets the pod behind a connection stays the same for as long as requests keep it busy, so few connections decide how pods share the load.";
    QUOTA = "T104", "The load balancer would exceed a quota of AWS.";
    NO_RULE_MATCHES = "T105", "Requests match no listener rule. The load balancer answers them with 404.";
    OVERLOAD = "T106", "Clients ask for more work than the pods can do. Queues grow until they overflow.";
    NEVER_USED = "T107", "Nothing refers to this. It does not take part in the run.";
    FEW_ZONES = "T108", "An Application Load Balancer needs subnets in at least two zones.";
    BEYOND_KUBERNETES = "T109", "The cluster is larger than Kubernetes documents as tested.";
    NEVER_ACTIVE = "T110", "A population of clients begins after the end of the run, or ends before it begins.";
    PENDING = "T111", "Pods fit on no node. They stay Pending and take no part in the run.";
    UNKNOWN_TOPOLOGY_KEY = "T112", "A spread constraint names a label that no node carries.";
    NO_PROBE = "T113", "Pods have no readiness probe. Nothing but an exit, a deletion or the loss of the node takes them out of rotation.";
    NO_TIME_FOR_SIGTERM = "T114", "The preStop hook takes the whole grace period. The process has 2 s between SIGTERM and SIGKILL.";
    FAULT_OUTSIDE = "T115", "A fault begins after the end of the run, or ends before it begins.";
    WRONG_PROTOCOL = "T116", "Clients speak a protocol that the target group does not take. The load balancer answers 464.";
    FEW_CONNECTIONS = "T117", "With nodes as targets, HTTP/2 and gRPC requests ride on very few connections, and each connection is one choice of a pod. Some pods may get nothing.";
    TOO_FEW_REPLICATIONS = "T118", "An objective asks for a share of replications that so few replications cannot show, even if it holds in all of them.";
    GATE_WITHOUT_IP = "T119", "Readiness gates are on, and no target group has pods as targets. No pod gets a gate.";
    NEVER_HEALTHY = "T120", "A health check does not speak what its port speaks. No target passes it.";
}

/// The code that is written like this, in either case, and its meaning.
pub fn find(text: &str) -> Option<(Code, &'static str)> {
    ALL.iter()
        .copied()
        .find(|(code, _)| code.0.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_in_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_code_is_found_in_either_case() {
        assert_eq!(find("t014").map(|(code, _)| code), Some(DANGLING_NAME));
        assert_eq!(find("T999"), None);
    }
}
