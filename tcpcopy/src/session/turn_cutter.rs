//! Cuts a client's bytes into turns, by the acknowledgement numbers of its segments.

use common_core::wire::Seq;

use crate::ledger::DropReason;
use crate::session::client_stream::StreamCx;

/// Where the stream stands between its turns.
#[derive(Debug, Clone, Copy)]
pub(super) enum TurnCutter {
    /// In order. The acknowledgement number of the last data segment or, before the first, of the online server's
    /// SYN-ACK, if it was captured.
    Following(Option<Seq>),
    /// After a gap, or joined in the middle of a turn: the next turn begins where a segment acknowledges more than this.
    Skipping { ack: Seq, reason: DropReason },
}

impl TurnCutter {
    /// The acknowledgement number from which the next turn's answer bytes are counted.
    pub(super) fn base(self) -> Option<Seq> {
        match self {
            Self::Following(base) => base,
            Self::Skipping { .. } => None,
        }
    }

    /// No turn is being skipped.
    pub(super) fn is_following(self) -> bool {
        matches!(self, Self::Following(_))
    }

    /// Bytes of a gap were given up before a segment that acknowledges `ack`, which may be in the middle of a turn.
    pub(super) fn skip(&mut self, ack: Seq) {
        let reason = match *self {
            Self::Skipping { reason, .. } => reason,
            Self::Following(_) => DropReason::CaptureGap,
        };
        *self = Self::Skipping { ack, reason };
    }

    /// Answer bytes that the client read between its last turn and the end of its stream. `ack` is `None` if the stream
    /// ended by a reset without acknowledgement.
    pub(super) fn acked_bytes_at_end(self, ack: Option<Seq>) -> u32 {
        match (self.base(), ack) {
            (Some(base), Some(ack)) => acked_bytes(base, ack),
            // A reset without acknowledgement does not tell what its sender had read: all, most likely.
            (Some(_), None) => u32::MAX,
            (None, _) => 0,
        }
    }

    /// Puts the next bytes in order into the turn queue. Returns the reason if they are to be dropped instead.
    pub(super) fn deliver(
        &mut self,
        cx: &mut StreamCx<'_>,
        ack: Seq,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        let (acked, after_gap) = match *self {
            Self::Skipping { ack: before, reason } if !ack.after(before) => return Err(reason),
            Self::Skipping { reason, .. } => (0, reason == DropReason::CaptureGap),
            Self::Following(None) => (0, false),
            Self::Following(Some(last)) if cx.turn_queue.end_offset() == 0 || ack.after(last) => {
                (acked_bytes(last, ack), false)
            }
            // The same turn goes on; a late copy of an old segment must not set the mark back.
            Self::Following(Some(_)) => {
                if cx.turn_queue.push(bytes)
                    && let Some(turn) = cx.turn_queue.last_turn()
                {
                    cx.ledger.turn_begins(turn.captured);
                }
                return Ok(());
            }
        };
        cx.ledger.turn_begins(cx.now);
        cx.turn_queue.begin_turn(acked, ack, cx.now, after_gap);
        cx.turn_queue.push(bytes);
        *self = Self::Following(Some(ack));
        Ok(())
    }
}

/// Answer bytes that a client acknowledged between two of its segments.
fn acked_bytes(last: Seq, ack: Seq) -> u32 {
    ack.distance(last).max(0).unsigned_abs()
}
