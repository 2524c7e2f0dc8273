//! What would the load balancer's access log say?
//!
//! One file for each load balancer node, named by its address as the real ones are, and one line for each request that reached
//! it, in the order of the answers. A line has 33 fields with a blank between two; what may hold blanks is in quotes.
//!
//! | n | field | what it holds here |
//! |---|---|---|
//! | 1 | type | `http`; `h2` for HTTP/2 and `grpcs` for gRPC, which load balancers speak over TLS only |
//! | 2 | time | when the load balancer node had the answer, or gave up |
//! | 3 | elb | `app/twohop/` and the seed |
//! | 4 | client:port | an address of 100.64.0.0/10 for each client address; one port for each client connection |
//! | 5 | target:port | the node and its NodePort, or the pod; `-` where none was chosen |
//! | 6 | request_processing_time | from the request's arrival until it was written to the target |
//! | 7 | target_processing_time | from then until the answer, or the reset, was back |
//! | 8 | response_processing_time | 0.000: the load balancer passes an answer on at once |
//! | 9, 10 | elb_status_code, target_status_code | the second is `-` where the target did not answer |
//! | 11, 12 | received_bytes, sent_bytes | headers included; 0 sent where the load balancer itself answered, because its error pages have no size here |
//! | 13 | "request" | `GET`, or `POST` for gRPC; the URL; `HTTP/1.1` or `HTTP/2.0` |
//! | 14 | "user_agent" | `twohop` and the population |
//! | 15, 16 | ssl_cipher, ssl_protocol | those of TLS 1.3 where there is TLS, else `-` |
//! | 17 | target_group_arn | with the name of the target group; `-` where no rule matched |
//! | 18 | "trace_id" | `Root=1-`, seconds, and the request's population, serial and attempt |
//! | 19, 20 | "domain_name", "chosen_cert_arn" | `twohop.example` and `session-reused` where there is TLS, else `-` |
//! | 21 | matched_rule_priority | the position of the listener rule, from 1; 0 for the default action |
//! | 22 | request_creation_time | when the request arrived |
//! | 23 | "actions_executed" | `forward`; `fixed-response` where no rule matched |
//! | 24, 25 | "redirect_url", "error_reason" | `-`: reasons are logged for authentication, Lambda and WAF only |
//! | 26, 27 | "target:port_list", "target_status_code_list" | as 5 and 10 |
//! | 28, 29 | "classification", "classification_reason" | `-`: every request complies with RFC 7230 |
//! | 30 | conn_trace_id | `TID_` and a number for each client connection |
//! | 31, 32, 33 | "transformed_host", "transformed_uri", request_transform_status | `-`: nothing is transformed |
//!
//! A load balancer node that dies takes the lines of the requests that it had with it.
//!
//! The three times are -1 where the request was not dispatched: no target, or no connection to it. Where the target was silent
//! to the end, or the client left (460), the second and third are; where the connection was reset, the third is.
//!
//! Assumption: the cipher, the first that the policy `ELBSecurityPolicy-TLS13-1-2-2021-06` lists.
//!
//! Source: AWS, "Access logs for your Application Load Balancer"; "Troubleshoot your Application Load Balancers".
//! Assumption: which times are -1 after a reset, from logs that users of the load balancer published.

use std::fmt::Write as _;
use std::io::{self, Write};

use sim_core::SimTime;
use sim_models::id::Id;
use sim_models::request::protocol::Protocol;
use sim_models::request::wire::RESPONSE_HEADER_BYTES;
use sim_models::request::{Hop, Outcome, Request};

use super::clock;
use super::scene::{Scene, passed};

/// AWS's example account and a region: no line is from a real one.
const ARN: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup";

/// Writes the lines, into one file for each load balancer node.
pub(super) struct Writer<W> {
    logs: Vec<W>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(logs: Vec<W>) -> Self {
        Self { logs }
    }

    /// Writes the line of a finished request; one that never reached the load balancer has none.
    pub(super) fn finished(
        &mut self,
        scene: &Scene<'_>,
        now: SimTime,
        request: &Request,
    ) -> io::Result<()> {
        match line(scene, now, request) {
            Some(line) => self.logs[request.load_balancer_node.index()].write_all(line.as_bytes()),
            None => Ok(()),
        }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.logs.into_iter().try_for_each(|mut log| log.flush())
    }
}

/// How far a request got, as the load balancer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was never written to a target.
    Undispatched,
    /// It was written, and nothing came back.
    Silence,
    /// It was written, and the connection was reset.
    Reset,
    /// The target answered.
    Answered,
}

impl Fate {
    fn of(request: &Request) -> Self {
        if request.connection.is_none() {
            return Self::Undispatched;
        }
        match request.outcome {
            Outcome::Ok | Outcome::Overloaded(_) | Outcome::PodError(_) => Self::Answered,
            Outcome::ResponseTimeout | Outcome::ClientTimeout | Outcome::ConnectionLost => {
                Self::Silence
            }
            Outcome::PodRefused
            | Outcome::StaleConnection
            | Outcome::PodReset
            | Outcome::Forgotten
            | Outcome::Drained => Self::Reset,
            // The connection stood, and the server took nothing from it.
            Outcome::ConnectTimeout
            | Outcome::HandshakeTimeout
            | Outcome::NoRule
            | Outcome::WrongProtocol
            | Outcome::NoTarget
            | Outcome::NoConnection
            | Outcome::NodeRefused => Self::Undispatched,
        }
    }
}

/// What a line says of the protocol that the client speaks.
struct Spoken {
    kind: &'static str,
    /// Method, scheme, domain and port.
    url: &'static str,
    version: &'static str,
    cipher: &'static str,
    certificate: &'static str,
}

impl Spoken {
    const fn of(protocol: Protocol) -> Self {
        let over_tls = Self {
            kind: "h2",
            url: "GET https://twohop.example:443",
            version: "HTTP/2.0",
            cipher: "TLS_AES_128_GCM_SHA256 TLSv1.3",
            certificate: "\"twohop.example\" \"session-reused\"",
        };
        match protocol {
            Protocol::Http1 => Self {
                kind: "http",
                url: "GET http://twohop.example:80",
                version: "HTTP/1.1",
                cipher: "- -",
                certificate: "\"-\" \"-\"",
            },
            Protocol::Http2 => over_tls,
            Protocol::Grpc => Self {
                kind: "grpcs",
                url: "POST https://twohop.example:443",
                ..over_tls
            },
        }
    }
}

fn line(scene: &Scene<'_>, now: SimTime, request: &Request) -> Option<String> {
    let arrived = passed(request, Hop::LoadBalancer)?;
    if request.outcome == Outcome::ConnectionLost {
        // Who would have written it is dead.
        return None;
    }
    let ended = passed(request, Hop::Returned).unwrap_or(now);
    let fate = Fate::of(request);
    let target = scene.target(request);
    let target = target.map_or_else(|| "-".to_owned(), |target| target.to_string());
    let status = request.outcome.status();
    let target_status = match fate {
        Fate::Answered => status.to_string(),
        Fate::Undispatched | Fate::Silence | Fate::Reset => "-".to_owned(),
    };
    let population = &scene.blueprint.populations[request.population];
    let class = &population.classes[request.class as usize];
    let spoken = Spoken::of(population.config.protocol);
    let mut line = format!(
        "{} {} app/twohop/{:016x} {} {target} {} {status} {target_status} {} {} ",
        spoken.kind,
        clock::with_micros(ended),
        scene.seed,
        scene.client(request),
        times(request, fate, arrived, ended),
        class.bytes.as_bytes(),
        sent_bytes(scene, request, fate),
    );
    let more = format_args!(
        "\"{}{} {}\" \"twohop/{} ({})\" {} {} \"{}\" {} {} {} ",
        spoken.url,
        without_quotes(&class.path),
        spoken.version,
        env!("CARGO_PKG_VERSION"),
        without_quotes(&population.name),
        spoken.cipher,
        arn(scene, request),
        trace_id(request, arrived),
        spoken.certificate,
        class.rule,
        clock::with_micros(arrived),
    );
    line.write_fmt(more).expect("a string takes everything");
    let action = match request.target_group {
        Some(_) => "forward",
        None => "fixed-response",
    };
    let last = format_args!(
        "\"{action}\" \"-\" \"-\" \"{target}\" \"{target_status}\" \"-\" \"-\" TID_{:016x} \"-\" \"-\" -\n",
        scene.client_connection(request),
    );
    line.write_fmt(last).expect("a string takes everything");
    Some(line)
}

/// Fields 6 to 8: inside the load balancer, at the target, and on the way out; in seconds, -1 for what did not happen.
fn times(request: &Request, fate: Fate, arrived: SimTime, ended: SimTime) -> String {
    let sent = passed(request, Hop::Sent).unwrap_or(ended);
    // A client may leave while the connection is still opening.
    let before = seconds(arrived, sent.min(ended));
    match fate {
        Fate::Undispatched => "-1 -1 -1".to_owned(),
        Fate::Silence => format!("{before} -1 -1"),
        Fate::Reset => format!("{before} {} -1", seconds(sent, ended)),
        Fate::Answered => format!("{before} {} 0.000", seconds(sent, ended)),
    }
}

/// Seconds to the millisecond.
fn seconds(from: SimTime, to: SimTime) -> String {
    let millis = (to.saturating_since(from).as_nanos() + 500_000) / 1_000_000;
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}

fn sent_bytes(scene: &Scene<'_>, request: &Request, fate: Fate) -> u64 {
    match (fate, request.service) {
        (Fate::Answered, Some(service)) => {
            let deployment = scene.blueprint.services[service].selects;
            let server = &scene.blueprint.deployments[deployment].server;
            server.response_size.as_bytes() + RESPONSE_HEADER_BYTES
        }
        _ => 0,
    }
}

fn arn(scene: &Scene<'_>, request: &Request) -> String {
    request.target_group.map_or_else(
        || "-".to_owned(),
        |group| {
            let name = crate::name::distinct([scene.blueprint.target_groups[group].name.as_str()]);
            format!("{ARN}/{}/{:016x}", name[0], group.index())
        },
    )
}

fn trace_id(request: &Request, arrived: SimTime) -> String {
    let second = clock::unix_seconds(arrived);
    let population = request.population.index();
    let Request {
        serial, attempt, ..
    } = request;
    format!("Root=1-{second:08x}-{population:04x}{serial:016x}{attempt:04x}")
}

/// A text that ends no quoted field: what does is written as in a URL.
fn without_quotes(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' => "%22".to_owned(),
            ' ' => "%20".to_owned(),
            c if c.is_control() => String::new(),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_shows_in_six_fields() {
        // Source: the examples of AWS, "Access logs for your Application Load Balancer": `"GET https://10.0.2.105:773/ HTTP/2.0"` for `h2`,
        // `"POST https://10.0.2.105:773/ HTTP/2.0"` for `grpcs`.
        let shown = Protocol::ALL.map(|protocol| {
            let spoken = Spoken::of(protocol);
            let method = spoken.url.split(' ').next();
            (spoken.kind, method, spoken.version, spoken.cipher != "- -")
        });
        let expected = [
            ("http", Some("GET"), "HTTP/1.1", false),
            ("h2", Some("GET"), "HTTP/2.0", true),
            ("grpcs", Some("POST"), "HTTP/2.0", true),
        ];
        assert_eq!(shown, expected);
    }
}
