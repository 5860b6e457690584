//! The surroundings of a session during one call.

use common_core::answer_payload::AnswerPayload;
use common_core::control::{FlowId, Proof, ToIntercept};
use common_core::flow::Flow;
use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, Outgoing, PacketBuilder};

use crate::engine::{Embryos, Target};
use crate::failure_log::FailureLog;
use crate::ledger::LedgerWriter;
use crate::output::Output;
use crate::settings::EngineConfig;

/// Nothing here belongs to the session.
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    /// When the packet that was handled last was captured.
    pub(crate) stamp: Stamp,
    /// All that intercept sent before this time has been read: silence of the test server is measured by it.
    pub(crate) answers_read_until: Time,
    pub(crate) config: &'a EngineConfig,
    pub(crate) ledger: &'a mut LedgerWriter,
    /// The shared knowledge about the test server.
    pub(crate) target: &'a mut Target,
    /// Connections that the online server has not been seen to establish.
    pub(crate) embryos: &'a mut Embryos,
    pub(crate) failures: &'a mut FailureLog,
    pub(crate) builder: &'a mut PacketBuilder,
    pub(crate) out: &'a mut dyn Output,
    /// At least one intercept is connected: answers can come.
    pub(crate) link_up: bool,
    /// Several intercepts are connected: each may see a part of the answers.
    pub(crate) several_links: bool,
    /// How often a link to an intercept came up.
    pub(crate) link_epoch: u32,
    /// The program is about to end: nothing unimportant is waited for.
    pub(crate) draining: bool,
    /// When the kernel was last known to have dropped packets before their capture.
    pub(crate) capture_lost: Option<Time>,
    /// The connection to the test server.
    pub(crate) flow: Flow,
    /// Its id on the control links.
    pub(crate) id: FlowId,
    pub(crate) port: Port,
}

/// The client port of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// That of its client.
    Own,
    /// The same, but the test server may hold a connection with it: another one is asked for.
    Wanted,
    /// The next SYN may have that of this connection.
    Granted(Flow),
    /// It has that of this connection.
    Moved(Flow),
}

impl Context<'_> {
    /// Puts a segment of the copied client on the wire.
    pub(super) fn send(&mut self, segment: &Outgoing<'_>) {
        let packet = self.builder.build(&self.flow, segment);
        if packet.is_empty() {
            return;
        }
        self.out.inject(packet);
        let tcp = self.ledger.tcp();
        tcp.segments_sent += 1;
        if segment.flags == Flags::ACK && segment.payload.0.is_empty() && segment.payload.1.is_empty() {
            tcp.pure_acks_sent += 1;
        }
    }

    /// Bytes of payload that can be sent at once, a multiple of `mss`.
    pub(super) fn longest(&self, mss: u16) -> u64 {
        let segments = self.out.long_payload(self.flow.server.ip) / usize::from(mss.max(1));
        u64::from(mss) * (segments as u64).max(1)
    }

    /// Puts data on the wire in segments of at most `mss` bytes, together no more than [`Self::longest`]. Returns the
    /// number of segments.
    pub(super) fn send_data(&mut self, data: &Outgoing<'_>, mss: u16) -> u64 {
        let length = data.payload.0.len() + data.payload.1.len();
        if length <= usize::from(mss) {
            self.send(data);
            return 1;
        }
        let segments = length.div_ceil(usize::from(mss)) as u64;
        self.out.inject_long(&self.builder.build_long(&self.flow, data), mss);
        self.ledger.tcp().segments_sent += segments;
        segments
    }

    /// Our timestamp clock (RFC 7323 section 4.1), milliseconds.
    pub(super) fn timestamp(&self) -> u32 {
        self.config.timestamp_origin.wrapping_add(self.now.as_millis() as u32)
    }

    /// Announces the route of this flow to all intercepts, with the payload that is wanted of its answers.
    pub(super) fn announce(&mut self, proof: Proof, mode: AnswerPayload) {
        self.out.control(&ToIntercept::RouteAdd { id: self.id, flow: self.flow, proof });
        if mode != AnswerPayload::None {
            self.ask_payload(mode);
        }
    }

    /// Asks intercept for payload of this flow's answers.
    pub(super) fn ask_payload(&mut self, mode: AnswerPayload) {
        self.out.control(&ToIntercept::Payload { id: self.id, mode });
    }
}
