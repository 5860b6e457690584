//! Where an engine's packets and control messages go.

use common::control::ToIntercept;

/// The engine's way out; the driver's is the network, the simulation's is itself.
pub trait Output {
    /// Puts a complete IP packet on the wire. A packet that could not be sent is as good as lost: TCP sends it again.
    fn inject(&mut self, packet: &[u8]);

    /// Sends a message to every intercept that is connected.
    fn control(&mut self, message: &ToIntercept);
}
