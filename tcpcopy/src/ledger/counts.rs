//! The counts of a ledger, by subject.

use std::ops::AddAssign;

use serde::Serialize;

use super::{ByReason, Largest, RoundTrip, Waiting};

/// Defines counts that can be written as JSON, and added up over several workers.
macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
        pub struct $name {
            $($(#[$of])* pub $field: $type,)*
        }

        impl AddAssign<&Self> for $name {
            fn add_assign(&mut self, other: &Self) {
                $(self.$field += &other.$field;)*
            }
        }
    )*};
}

counts! {
    /// The account of an engine.
    Ledger {
        /// Captured packets.
        packets: Packets,
        /// Client connections.
        sessions: Sessions,
        /// Client payload.
        bytes: Bytes,
        /// Holes in clients' streams.
        gaps: Gaps,
        /// Client turns.
        turns: Turns,
        /// The TCP clients.
        tcp: Tcp,
        /// The protocol modules.
        modules: Modules,
    }

    /// Captured packets, by class.
    Packets {
        /// Packets that the engine received.
        captured: u64,
        /// Segments of clients.
        client: u64,
        /// SYN-ACKs of the online server.
        online_syn_ack: u64,
        /// Resets of the online server.
        online_resets: u64,
        /// Segments of the online server that a protocol module asked for.
        online_answers: u64,
        /// Packets to a target: copies seen again (our own, or another tcpcopy's), and direct connections to the target.
        own: u64,
        /// Packets of no transfer: other ports, other addresses, other directions.
        unrelated: u64,
        /// Packets that are no TCP segments, or are malformed.
        unreadable: u64,
        /// Of `client`: segments without a session. They carry nothing to replay, or the flow table is full; then their
        /// payload is dropped as [`DropReason::MemoryLimit`](super::DropReason::MemoryLimit).
        stray: u64,
        /// Of `client`: segments from a loopback address to a target elsewhere. No other host can answer there.
        loopback: u64,
        /// Of `client`: segments of copies that another tcpcopy sends to this service.
        copy_of_another: u64,
    }

    /// Client connections.
    Sessions {
        /// Sessions ever begun.
        seen: u64,
        /// Of these, joined in mid-stream.
        joined: u64,
        /// Sessions that have not ended.
        active: u64,
        /// Sessions that ended with every captured byte replayed, and no turn cut off.
        replayed: u64,
        /// Sessions that ended without a loss and without a byte of payload in either direction.
        without_data: u64,
        /// Sessions that ended with a loss, by the first reason.
        incomplete: ByReason,
        /// The usual round trip to the clients: from a client's SYN to its first data, if the client speaks first.
        client_round_trip_us: RoundTrip,
    }

    /// Payload bytes of clients.
    Bytes {
        /// Captured, retransmissions included.
        captured: u64,
        /// Captured again.
        duplicate: u64,
        /// Not due yet, or not acknowledged by the test server yet.
        pending: u64,
        /// Acknowledged by the test server.
        replayed: u64,
        /// Never to be replayed.
        dropped: ByReason,
    }

    /// Gaps in clients' streams: bytes that were never captured, by sequence number.
    ///
    /// They are counted beside the sums of [`Bytes`], and overlap with them: a segment that was captured but not used
    /// (truncated by the snap length, or at an implausible sequence number) is dropped there and leaves a gap here.
    Gaps {
        /// Gaps that were given up.
        count: u64,
        /// Their bytes.
        bytes: u64,
        /// Of these bytes, captured but not used: they count as dropped, too.
        captured: u64,
        /// Segments that wait ahead of a gap now.
        out_of_order: u64,
    }

    /// Client turns, by the reason of their release.
    Turns {
        /// Turns begun by clients.
        seen: u64,
        /// Released when the test server had answered at least as much as the client had read.
        answered: u64,
        /// Released when the test server's answer had ended, although it was shorter.
        answer_ended: u64,
        /// Released because no answer came in time.
        timed_out: u64,
        /// Released without a wait: the first turn of a connection, or `-W`.
        at_once: u64,
        /// Released by a protocol module.
        module_ready: u64,
        /// Dropped before their release.
        dropped: u64,
        /// Of the released ones: the test server's TCP acknowledged the turn, then the server closed without any answer,
        /// although the client had read one. Most likely the server's application never read the turn.
        cut_off: u64,
        /// Memory of waiting turns and of unacknowledged runs of bytes, beside the bytes themselves, roughly, in bytes.
        memory: u64,
        /// Turns that wait for their release.
        #[serde(skip)]
        waiting: Waiting,
        /// Age of the oldest waiting turn, in seconds, when this account was made.
        oldest_waiting_seconds: Largest,
        /// Released more than a second after their capture.
        late: u64,
        /// Longest time between the capture and the release of a turn, in milliseconds.
        longest_wait_ms: Largest,
    }

    /// The TCP clients that replay the sessions.
    Tcp {
        /// Connections that the test server accepted.
        connected: u64,
        /// Of these, the second or a later connection of its session.
        reconnected: u64,
        /// Of those accepted, the first connection of a session that was joined in mid-stream.
        joined: u64,
        /// The usual round trip from SYN to SYN-ACK, by way of intercept.
        round_trip_us: RoundTrip,
        /// SYNs answered with RST, and accepted connections on which the test server refused service at once.
        refused: u64,
        /// Segments sent.
        segments_sent: u64,
        /// Of these, acknowledgements without payload, SYN, FIN and RST.
        pure_acks_sent: u64,
        /// Copies whose port the test server may remember: another copy used it less than a minute ago, and no other was free.
        early_ports: u64,
        /// SYNs retransmitted.
        syn_retries: u64,
        /// Segments retransmitted, SYNs excepted.
        retransmitted: u64,
        /// Losses detected by three duplicate acknowledgements.
        fast_retransmits: u64,
        /// Losses detected by a retransmission time-out.
        timeouts: u64,
        /// Zero-window probes.
        window_probes: u64,
        /// Stale connections on the test server that we reset.
        stale_reset: u64,
        /// Copies that took another port than their client, because SYNs from that port were not answered.
        moved: u64,
        /// Segments of the test server received.
        segments_received: u64,
        /// Of these, for flows that have ended.
        received_stray: u64,
        /// Of these, without anything new.
        received_duplicate: u64,
        /// Of these, ahead of a gap.
        received_out_of_order: u64,
        /// Of these, with sequence or acknowledgement numbers that the test server cannot have sent, or resets that do not name
        /// the next byte: forged, late, or after a lost answer.
        received_unbelieved: u64,
        /// Acknowledgements sent because of them (RFC 5961); the others came too soon after one.
        challenges_sent: u64,
        /// Payload bytes of the test server, in order, without duplicates.
        answer_bytes: u64,
    }

    /// One test server, beside the sums of [`Tcp`].
    TargetCounts {
        /// Connections that it accepted.
        connected: u64,
        /// SYNs that it answered with RST.
        refused: u64,
        /// Open connections that it reset.
        reset: u64,
        /// Timeouts after which something was sent to it again: SYNs, data, probes of a closed window.
        sent_again: u64,
        /// Segments received from it.
        received: u64,
        /// Of these, those that it sent again, because no acknowledgement of ours reached it.
        received_again: u64,
        /// Of its payload, bytes received in order.
        answer_bytes: u64,
        /// Sessions that wait for it now: for its answer, an acknowledgement, or a connection.
        awaiting: u64,
    }

    /// Protocol modules.
    Modules {
        /// Memory of the modules, of the bytes they send and of the answers kept for them, roughly, in bytes.
        memory: u64,
        /// Bytes of the online server's answers that modules received.
        online_bytes: u64,
    }
}

impl Turns {
    /// Turns that were released.
    #[must_use]
    pub fn released(&self) -> u64 {
        self.answered + self.answer_ended + self.timed_out + self.at_once + self.module_ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::DropReason;

    #[test]
    fn a_sum_of_ledgers_balances() {
        let mut one = Ledger::default();
        one.bytes.captured = 10;
        one.bytes.replayed = 7;
        one.bytes.dropped.add(DropReason::Tls, 3);
        one.tcp.answer_bytes = 5;
        let mut other = Ledger::default();
        other.bytes.captured = 4;
        other.bytes.dropped.add(DropReason::Tls, 1);
        other.bytes.pending = 3;
        let mut sum = one;
        sum += &other;
        assert!(sum.balances());
        assert_eq!((sum.bytes.captured, sum.bytes.dropped.get(DropReason::Tls)), (14, 4));
        assert_eq!(sum.tcp.answer_bytes, 5);
    }
}
