//! What is spoken on a connection, and who understands whom?

use std::num::{NonZeroU32, NonZeroU64};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// HTTP/1.1: a connection carries one request at a time.
    #[default]
    Http1,
    /// HTTP/2: a connection carries many requests at once, each as a stream.
    Http2,
    /// gRPC: calls are streams of HTTP/2.
    Grpc,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 3] = [Self::Http1, Self::Http2, Self::Grpc];

    /// Whether a connection carries many requests at once.
    #[inline]
    pub fn multiplexes(self) -> bool {
        self != Self::Http1
    }

    /// Whether a target group of a protocol version takes requests of a client that speaks this; if not, it is answered 464.
    ///
    /// Source: AWS, "Target groups for your Application Load Balancers", protocol version. Assumption: requests of
    /// HTTP/2 clients are not all POST, which a gRPC group would take.
    #[inline]
    pub fn is_served_by(self, targets: Self) -> bool {
        match targets {
            Self::Http1 => self != Self::Grpc,
            Self::Http2 => self.multiplexes(),
            Self::Grpc => self == Self::Grpc,
        }
    }
}

/// HTTP/2 on the connections of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http2 {
    /// Requests on one connection of a client, after which the load balancer says GOAWAY.
    ///
    /// Range: 1 and up. Default: 10000; an ALB has no other.
    /// Source: AWS, "Troubleshoot your Application Load Balancers".
    pub request_cap: NonZeroU64,

    /// Requests at once on one connection of a client; a client with more opens another connection.
    ///
    /// Range: 1 and up. Default: 128; an ALB has no other.
    /// Source: AWS, "Listeners for your Application Load Balancers".
    pub max_streams: NonZeroU32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            request_cap: NonZeroU64::new(10_000).expect("10,000 is above 0"),
            max_streams: NonZeroU32::new(128).expect("128 is above 0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_served_is_the_matrix_of_the_target_group_guide() {
        // Rows: the client's HTTP/1.1, HTTP/2, gRPC; columns: the group's.
        let served = Protocol::ALL.map(|it| Protocol::ALL.map(|targets| it.is_served_by(targets)));
        let (yes, no) = (true, false);
        assert_eq!(served, [[yes, no, no], [yes, yes, no], [no, yes, yes]]);
    }
}
