//! Which number does the datapath make of a new connection, to look it up in a Maglev table?
//!
//! Source address, both ports and the protocol enter; the destination address does not, so that all nodes
//! and all addresses of a Service agree.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hash_seed::HashSeed;

/// The initial value of Jenkins' hash before length and seed are added.
///
/// Source: Linux `include/linux/jhash.h`, `JHASH_INITVAL`.
const JHASH_INITVAL: u32 = 0xdead_beef;

/// What the datapath reads of the first packet of a connection, as it reaches the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// Where it comes from: behind a load balancer, the load balancer node.
    pub source: IpAddr,
    /// The port it comes from.
    pub source_port: u16,
    /// The port it goes to: the NodePort.
    pub destination_port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Number 6.
    #[default]
    Tcp,
    /// Number 17.
    Udp,
}

/// In which order the two ports are packed into the word that is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PortOrder {
    /// Source port in the upper half: Cilium up to 1.17. Session affinity leaves the hash alone.
    SourceFirst,
    /// Destination port in the upper half: Cilium 1.18 and later. With session affinity the source port is taken as 0.
    #[default]
    DestinationFirst,
}

/// The datapath's 32-bit hash of a connection.
///
/// `session_affinity` says whether the Service keeps a client with one backend: then all connections of an
/// address should land there, so the source port is left out.
///
/// Source: Cilium `bpf/lib/hash.h`, `bpf/lib/jhash.h`, `bpf/lib/lb.h`; pull request 37005 for the order of ports.
pub fn hash(tuple: &Tuple, session_affinity: bool, order: PortOrder, seed: HashSeed) -> u32 {
    let ports = ports(tuple, session_affinity, order);
    let protocol = u32::from(tuple.protocol.number());
    match tuple.source {
        IpAddr::V4(source) => hash_v4(source, ports, protocol, seed.lookup_v4()),
        IpAddr::V6(source) => hash_v6(source, ports, protocol, seed.lookup_v6()),
    }
}

/// Both ports as one word, each with its bytes in network order read as a little-endian number.
fn ports(tuple: &Tuple, session_affinity: bool, order: PortOrder) -> u32 {
    let source = u32::from(tuple.source_port.swap_bytes());
    let destination = u32::from(tuple.destination_port.swap_bytes());
    match order {
        PortOrder::SourceFirst => (source << 16) | destination,
        PortOrder::DestinationFirst if session_affinity => destination << 16,
        PortOrder::DestinationFirst => (destination << 16) | source,
    }
}

/// `jhash_3words` of the kernel.
fn hash_v4(source: Ipv4Addr, ports: u32, protocol: u32, seed: u32) -> u32 {
    /// Bytes of three words.
    const LENGTH: u32 = 12;
    let start = seed.wrapping_add(JHASH_INITVAL).wrapping_add(LENGTH);
    let source = u32::from_le_bytes(source.octets());
    finished([source, ports, protocol].map(|word| word.wrapping_add(start)))
}

/// Jenkins' hash of the address and the other fields; unlike that of IPv4 it starts from the address itself.
fn hash_v6(source: Ipv6Addr, ports: u32, protocol: u32, seed: u32) -> u32 {
    let octets = source.octets();
    let word = |nth: usize| {
        let bytes = &octets[4 * nth..4 * nth + 4];
        bytes
            .iter()
            .rev()
            .fold(0, |word, &byte| (word << 8) | u32::from(byte))
    };
    let [a, b, c] = mixed([word(0), word(1), word(2)]);
    let [a, b, c] = mixed([
        a.wrapping_add(word(3)),
        b.wrapping_add(ports),
        c.wrapping_add(protocol),
    ]);
    finished([a.wrapping_add(seed), b, c])
}

/// `__jhash_mix` of the kernel.
fn mixed([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    for (to_a, to_b, to_c) in [(4, 6, 8), (16, 19, 4)] {
        a = a.wrapping_sub(c) ^ c.rotate_left(to_a);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(to_b);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(to_c);
        b = b.wrapping_add(a);
    }
    [a, b, c]
}

/// `__jhash_final` of the kernel; the last word is the hash.
fn finished([mut a, mut b, mut c]: [u32; 3]) -> u32 {
    let stirred = |word: u32, by: u32, bits: u32| (word ^ by).wrapping_sub(by.rotate_left(bits));
    c = stirred(c, b, 14);
    a = stirred(a, c, 11);
    b = stirred(b, a, 25);
    c = stirred(c, b, 16);
    a = stirred(a, c, 4);
    b = stirred(b, a, 14);
    stirred(c, b, 24)
}

impl Protocol {
    /// Its number in an IP header.
    ///
    /// Source: IANA, "Protocol Numbers".
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand for Cilium's default seed: 10.0.101.77:40001 to port 30080 over TCP.
    const TUPLE: Tuple = Tuple {
        source: IpAddr::V4(Ipv4Addr::new(10, 0, 101, 77)),
        source_port: 40_001,
        destination_port: 30_080,
        protocol: Protocol::Tcp,
    };

    fn hashed(session_affinity: bool, order: PortOrder) -> u32 {
        hash(&TUPLE, session_affinity, order, HashSeed::DEFAULT)
    }

    #[test]
    fn ports_are_packed_as_they_lie_in_the_packet() {
        // 30080 = 0x7580 and 40001 = 0x9c41: bytes swapped 0x8075 and 0x419c.
        let packed = |affinity, order| ports(&TUPLE, affinity, order);
        assert_eq!(packed(false, PortOrder::DestinationFirst), 0x8075_419c);
        assert_eq!(packed(true, PortOrder::DestinationFirst), 0x8075_0000);
        assert_eq!(packed(false, PortOrder::SourceFirst), 0x419c_8075);
    }

    #[test]
    fn a_connection_hashes_as_in_the_datapath() {
        assert_eq!(hashed(false, PortOrder::DestinationFirst), 0x5f10_cce7);
        assert_eq!(hashed(false, PortOrder::SourceFirst), 0x3b62_1248);
    }

    #[test]
    fn session_affinity_leaves_the_source_port_out_in_the_current_order_only() {
        assert_eq!(hashed(true, PortOrder::DestinationFirst), 0x9c6d_cad1);
        assert_eq!(
            hashed(true, PortOrder::SourceFirst),
            hashed(false, PortOrder::SourceFirst)
        );
    }
}
