//! Where an engine's packets and control messages go.

use std::net::IpAddr;

use common_core::control::ToIntercept;
use common_core::wire::LongPacket;

/// The engine's way out; the driver's is the network, the simulation's is itself.
pub trait Output {
    /// Puts a complete IP packet on the wire. A packet that could not be sent is as good as lost: TCP sends it again.
    fn inject(&mut self, packet: &[u8]);

    /// Payload bytes that [`Self::inject_long`] takes at once to `target`; zero if it takes nothing, at the moment.
    fn long_payload(&self, target: IpAddr) -> usize {
        let _ = target;
        0
    }

    /// Puts a packet of [`common_core::wire::PacketBuilder::build_long`] on the wire as segments of `segment` payload bytes each
    /// and one of the rest. Without [`Self::long_payload`] it is as good as lost.
    fn inject_long(&mut self, packet: &LongPacket<'_>, segment: u16) {
        let _ = (packet, segment);
    }

    /// Sends a message to every intercept that is connected.
    fn control(&mut self, message: &ToIntercept);
}
