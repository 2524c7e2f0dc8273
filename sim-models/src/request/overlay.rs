//! What does the second hop cost?
//!
//! A packet from one node to a pod on another is wrapped by the overlay: more bytes per packet, a little
//! work at both ends, and the distance between the two nodes.

use crate::cluster::topology::{Network, Tunnel};

/// Bytes that the overlay adds to each packet over IPv4; 0 without an overlay.
///
/// Source: Cilium `pkg/mtu`: IP 20, UDP 8, VXLAN or Geneve 8, inner Ethernet 14.
pub fn header_bytes(network: Network) -> u32 {
    match network {
        Network::VpcCni | Network::CiliumChained => 0,
        Network::Overlay {
            tunnel: Tunnel::Vxlan | Tunnel::Geneve,
        } => 50,
    }
}

/// Bytes of IPv4 and TCP headers in each packet.
const TCP_IP_BYTES: u32 = 40;

/// Packets that carry a message of so many bytes.
///
/// `mtu` is that of the node's interface; the overlay's header is taken off for the pod.
pub fn packets(message_bytes: u64, mtu: u32, header_bytes: u32) -> u64 {
    let payload = u64::from(mtu - header_bytes - TCP_IP_BYTES);
    message_bytes.div_ceil(payload).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vxlan_takes_50_bytes_from_each_packet() {
        let network = Network::Overlay {
            tunnel: Tunnel::Vxlan,
        };
        // 9001 - 50 - 40 = 8911 bytes of payload; without overlay 8961.
        let overhead = header_bytes(network);
        assert_eq!(packets(8911, 9001, overhead), 1);
        assert_eq!(packets(8912, 9001, overhead), 2);
        assert_eq!(packets(8912, 9001, header_bytes(Network::VpcCni)), 1);
    }
}
