//! The output of an engine: packets and control messages.

use std::net::IpAddr;

use common_core::control::ToIntercept;
use common_core::flow::{Endpoint, Flow};
use common_core::wire::LongPacket;

/// Takes the packets and messages of an engine. The driver sends them; the simulation handles them itself.
pub trait Output {
    /// Sends a complete IP packet. A packet that cannot be sent counts as lost: TCP sends it again.
    fn inject(&mut self, packet: &[u8]);

    /// Payload bytes that one [`Self::inject_long`] to `target` accepts; zero if it accepts none at the moment.
    fn long_payload(&self, target: IpAddr) -> usize {
        let _ = target;
        0
    }

    /// Sends a packet of [`common_core::wire::PacketBuilder::build_long`] as segments of `segment` payload bytes each and one of
    /// the rest. Where [`Self::long_payload`] is zero, the packet counts as lost.
    fn inject_long(&mut self, packet: &LongPacket<'_>, segment: u16) {
        let _ = (packet, segment);
    }

    /// Sends a message to every intercept that is connected.
    fn control(&mut self, message: &ToIntercept);

    /// A session begins.
    fn session_begins(&mut self, beginning: &Beginning) {
        let _ = beginning;
    }
}

/// A client connection and its copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// The client, as the online server sees it.
    pub client: Endpoint,
    /// The online server.
    pub online: Endpoint,
    /// The copy's connection to the test server.
    pub copy: Flow,
}
