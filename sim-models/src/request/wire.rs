//! How long does a message take on links that lose packets, and through interfaces that carry so much and no more?
//!
//! A message is a number of packets. When one of them is lost, TCP sends it again after a time-out that doubles, and the
//! message waits for it. An interface sends one answer after the other, each at its full speed.

use sim_core::{SimDuration, SimTime, Unit};

use super::overlay;
use crate::id::{Arena, DeploymentId, NodeId};
use crate::quantity::{Bandwidth, Size};

/// Bytes of a request's line, headers and body, where its class does not say.
///
/// Assumption: a browser's or a service's GET.
pub const REQUEST_BYTES: u64 = 512;

/// Bytes of an answer's status line and headers, in addition to the server's `response_size`.
///
/// Assumption: the usual handful of headers.
pub const RESPONSE_HEADER_BYTES: u64 = 256;

/// Bytes of IPv4 and TCP headers without options.
pub const TCP_IP_BYTES: u64 = 40;

/// Times that a lost segment is sent again before the connection would be given up; the request has been long before.
const MOST_REPEATS: u32 = 10;

/// What links and interfaces do to messages.
#[derive(Clone, Debug)]
pub struct Wire {
    loss: f64,
    min_rto: SimDuration,
    answers: Arena<DeploymentId, Message>,
    interfaces: Arena<NodeId, Interface>,
}

/// A message on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Packets.
    pub packets: u64,
    /// Bytes, with the headers of all packets and those of the overlay.
    pub bytes: u64,
}

impl Message {
    /// The message that carries so many bytes.
    pub fn new(bytes: u64, mtu: u32, header_bytes: u32) -> Self {
        let packets = overlay::packets(bytes, mtu, header_bytes);
        Self {
            packets,
            bytes: bytes + packets * (TCP_IP_BYTES + u64::from(header_bytes)),
        }
    }

    /// The bytes that the overlay adds to it.
    pub const fn overlay_bytes(&self, header_bytes: u32) -> u64 {
        self.packets * header_bytes as u64
    }

    /// The answer with a body of this size.
    pub fn answer(body: Size, mtu: u32, header_bytes: u32) -> Self {
        Self::new(body.as_bytes() + RESPONSE_HEADER_BYTES, mtu, header_bytes)
    }
}

/// The sending side of a node's network interface.
#[derive(Clone, Copy, Debug)]
struct Interface {
    bandwidth: Option<Bandwidth>,
    free_at: SimTime,
}

impl Wire {
    /// Links that lose this share of packets, and interfaces with these bandwidths; `None` where neither is limited.
    pub fn new(
        loss: f64,
        min_rto: SimDuration,
        bandwidths: &[Option<Bandwidth>],
        answers: Arena<DeploymentId, Message>,
    ) -> Option<Self> {
        let interface = |&bandwidth: &Option<Bandwidth>| Interface {
            bandwidth,
            free_at: SimTime::ZERO,
        };
        let is_limited = loss > 0.0 || bandwidths.iter().any(Option::is_some);
        is_limited.then(|| Self {
            loss,
            min_rto,
            answers,
            interfaces: bandwidths.iter().map(interface).collect(),
        })
    }

    /// Whether links lose packets.
    pub fn is_lossy(&self) -> bool {
        self.loss > 0.0
    }

    /// The answer of a Deployment's pods.
    pub fn answer(&self, deployment: DeploymentId) -> Message {
        self.answers[deployment]
    }

    /// Chance that some packet of a message is lost on its way over so many links.
    pub fn chance_of_loss(&self, packets: u64, links: u64) -> f64 {
        1.0 - libm::pow(1.0 - self.loss, (packets * links) as f64)
    }

    /// What the repeats of a lost message take: 200 ms, 600 ms, 1400 ms, ... with the default time-out.
    ///
    /// Source: RFC 6298; Linux `TCP_RTO_MIN`. Assumption: no fast retransmission.
    pub fn repeats(&self, packets: u64, links: u64, mut draw: impl FnMut() -> Unit) -> SimDuration {
        let chance = self.chance_of_loss(packets, links);
        let lost = (0..MOST_REPEATS).take_while(|_| draw().get() < chance);
        self.min_rto * ((1 << lost.count()) - 1)
    }

    /// A message of so many bytes leaves a node: when its last byte is on the way.
    pub fn sent(&mut self, node: NodeId, bytes: u64, now: SimTime) -> SimTime {
        let interface = &mut self.interfaces[node];
        let Some(bandwidth) = interface.bandwidth else {
            return now;
        };
        let end = interface.free_at.max(now) + bandwidth.time_of(bytes);
        interface.free_at = end;
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(loss: f64, bandwidth: Option<&str>) -> Wire {
        let bandwidth = bandwidth.map(|it| it.parse().expect("a bandwidth"));
        let min_rto = SimDuration::from_millis(200);
        Wire::new(loss, min_rto, &[bandwidth], Arena::new()).expect("limited")
    }

    #[test]
    fn an_interface_sends_one_message_after_the_other() {
        // 1,250,000 bytes at 10 Gbit/s: 1 ms each.
        let mut wire = wire(0.0, Some("10Gbit/s"));
        let at = |micros| SimTime::ZERO + SimDuration::from_micros(micros);
        let mut sent = |micros| wire.sent(NodeId(0), 1_250_000, at(micros));
        assert_eq!([sent(0), sent(500), sent(5000)], [1000, 2000, 6000].map(at));
    }

    #[test]
    fn a_message_of_many_packets_is_lost_more_often() {
        // 1 - 0.99 and 1 - 0.99^20 = 0.182.
        let wire = wire(0.01, None);
        assert!((wire.chance_of_loss(1, 1) - 0.01).abs() < 1e-12);
        assert!((wire.chance_of_loss(10, 2) - 0.182).abs() < 0.001);
    }

    #[test]
    fn each_loss_in_a_row_doubles_the_wait() {
        let waits = |draws: &[f64]| {
            let mut draws = draws.iter().copied();
            let mut draw = || Unit::new(draws.next().expect("a draw")).expect("in (0, 1)");
            wire(0.5, None).repeats(1, 1, &mut draw).as_secs_f64()
        };
        assert_eq!(waits(&[0.9]), 0.0);
        assert_eq!(waits(&[0.1, 0.9]), 0.2);
        assert!((waits(&[0.1, 0.1, 0.9]) - 0.6).abs() < 1e-9);
        assert!((waits(&[0.1, 0.1, 0.1, 0.9]) - 1.4).abs() < 1e-9);
    }

    #[test]
    fn without_limits_there_is_nothing_to_reckon() {
        let none = Wire::new(0.0, SimDuration::ZERO, &[None, None], Arena::new());
        assert!(none.is_none());
    }
}
