//! The counts of a ledger, by subject.

use serde::Serialize;

use super::{ByReason, Largest, RoundTrip, Waiting};

/// Captured packets, by class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Packets {
    /// Packets that the engine received.
    pub captured: u64,
    /// Segments of clients.
    pub client: u64,
    /// SYN-ACKs of the online server.
    pub online_syn_ack: u64,
    /// Segments of the online server that a protocol module asked for.
    pub online_answers: u64,
    /// Packets to a target: copies seen again (our own, or another tcpcopy's), and direct connections to the target.
    pub own: u64,
    /// Packets of no transfer: other ports, other addresses, other directions.
    pub unrelated: u64,
    /// Packets that are no TCP segments, or are malformed.
    pub unreadable: u64,
    /// Of `client`: segments without a session. They carry nothing to replay, or the flow table is full; then their
    /// payload is dropped as [`DropReason::MemoryLimit`](super::DropReason::MemoryLimit).
    pub stray: u64,
    /// Of `client`: segments from a loopback address to a target elsewhere. No other host can answer there.
    pub loopback: u64,
}

/// Client connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Sessions {
    /// Sessions ever begun.
    pub seen: u64,
    /// Of these, joined in mid-stream.
    pub joined: u64,
    /// Sessions that have not ended.
    pub active: u64,
    /// Sessions that ended with every captured byte replayed, and no turn cut off.
    pub replayed: u64,
    /// Sessions that ended with a loss, by the first reason.
    pub incomplete: ByReason,
    /// The usual round trip to the clients: from a client's SYN to its first data, if the client speaks first.
    pub client_round_trip_us: RoundTrip,
}

/// Payload bytes of clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Bytes {
    /// Captured, retransmissions included.
    pub captured: u64,
    /// Captured again.
    pub duplicate: u64,
    /// Not due yet, or not acknowledged by the test server yet.
    pub pending: u64,
    /// Acknowledged by the test server.
    pub replayed: u64,
    /// Never to be replayed.
    pub dropped: ByReason,
}

/// Gaps in clients' streams: bytes that were never captured, by sequence number.
///
/// They are counted beside the sums of [`Bytes`], and overlap with them: a segment that was captured but not used
/// (truncated by the snap length, or at an implausible sequence number) is dropped there and leaves a gap here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Gaps {
    /// Gaps that were given up.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these bytes, captured but not used: they count as dropped, too.
    pub captured: u64,
    /// Segments that wait ahead of a gap now.
    pub out_of_order: u64,
}

/// Client turns, by the reason of their release.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Turns {
    /// Turns begun by clients.
    pub seen: u64,
    /// Released when the test server had answered at least as much as the client had read.
    pub answered: u64,
    /// Released when the test server's answer had ended, although it was shorter.
    pub answer_ended: u64,
    /// Released because no answer came in time.
    pub timed_out: u64,
    /// Released without a wait: the first turn of a connection, or `-W`.
    pub at_once: u64,
    /// Released by a protocol module.
    pub module_ready: u64,
    /// Dropped before their release.
    pub dropped: u64,
    /// Of the released ones: the test server's TCP acknowledged the turn, then the server closed without any answer,
    /// although the client had read one. Most likely the server's application never read the turn.
    pub cut_off: u64,
    /// Memory of waiting turns and of unacknowledged runs of bytes, beside the bytes themselves, roughly, in bytes.
    pub memory: u64,
    /// Turns that wait for their release.
    #[serde(skip)]
    pub waiting: Waiting,
    /// Age of the oldest waiting turn, in seconds, when this account was made.
    pub oldest_waiting_seconds: Largest,
    /// Released more than a second after their capture.
    pub late: u64,
    /// Longest time between the capture and the release of a turn, in milliseconds.
    pub longest_wait_ms: Largest,
}

impl Turns {
    /// Turns that were released.
    #[must_use]
    pub fn released(&self) -> u64 {
        self.answered + self.answer_ended + self.timed_out + self.at_once + self.module_ready
    }
}

/// The TCP clients that replay the sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Tcp {
    /// Connections that the test server accepted.
    pub connected: u64,
    /// Of these, the second or a later connection of its session.
    pub reconnected: u64,
    /// Of those accepted, the first connection of a session that was joined in mid-stream.
    pub joined: u64,
    /// The usual round trip from SYN to SYN-ACK, by way of intercept.
    pub round_trip_us: RoundTrip,
    /// SYNs answered with RST, and accepted connections on which the test server refused service at once.
    pub refused: u64,
    /// Segments sent.
    pub segments_sent: u64,
    /// Of these, acknowledgements without payload, SYN, FIN and RST.
    pub pure_acks_sent: u64,
    /// SYNs retransmitted.
    pub syn_retries: u64,
    /// Segments retransmitted, SYNs excepted.
    pub retransmitted: u64,
    /// Losses detected by three duplicate acknowledgements.
    pub fast_retransmits: u64,
    /// Losses detected by a retransmission time-out.
    pub timeouts: u64,
    /// Zero-window probes.
    pub window_probes: u64,
    /// Stale connections on the test server that we reset.
    pub stale_reset: u64,
    /// Segments of the test server received.
    pub segments_received: u64,
    /// Of these, for flows that have ended.
    pub received_stray: u64,
    /// Of these, without anything new.
    pub received_duplicate: u64,
    /// Of these, ahead of a gap.
    pub received_out_of_order: u64,
    /// Payload bytes of the test server, in order, without duplicates.
    pub answer_bytes: u64,
}

/// Protocol modules.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Modules {
    /// Memory of the modules, of the bytes they send and of the answers kept for them, roughly, in bytes.
    pub memory: u64,
    /// Bytes of the online server's answers that modules received.
    pub online_bytes: u64,
}
