//! Cuts a client's bytes into turns, by the acknowledgement numbers of its segments.

use common_core::wire::Seq;

use crate::ledger::DropReason;
use crate::session::client_stream::StreamCx;
use crate::session::turn_queue::Turn;

/// An acknowledgement number no further than this behind the last one, in bytes, is of a late copy of an old segment. Any
/// other is ahead of it: an answer may be nearly as long as the sequence space.
const LATE: u32 = 64 << 20;

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

    /// The acknowledgement number that the next turn must exceed.
    fn last(self) -> Option<Seq> {
        match self {
            Self::Following(last) => last,
            Self::Skipping { ack, .. } => Some(ack),
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
            (Some(base), Some(ack)) => read_between(base, ack).unwrap_or(0),
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
        let read = self.last().and_then(|last| read_between(last, ack));
        let (acked, after_gap) = match (*self, read) {
            (Self::Skipping { reason, .. }, None) => return Err(reason),
            (Self::Skipping { reason, .. }, Some(_)) => (0, reason == DropReason::CaptureGap),
            (Self::Following(None), _) => (0, false),
            (Self::Following(Some(_)), Some(read)) => (read, false),
            (Self::Following(Some(_)), None) if cx.turn_queue.end_offset() == 0 => (0, false),
            // The same turn goes on; a late copy of an old segment must not set the mark back.
            (Self::Following(Some(_)), None) => {
                if cx.turn_queue.push(bytes)
                    && let Some(turn) = cx.turn_queue.last_turn()
                {
                    cx.ledger.turn_begins(turn.captured);
                }
                return Ok(());
            }
        };
        cx.ledger.turn_begins(cx.now);
        let (captured, stamp) = (cx.now, cx.stamp);
        cx.turn_queue.begin_turn(Turn { acked_bytes: acked, ack, captured, stamp, after_gap });
        cx.turn_queue.push(bytes);
        *self = Self::Following(Some(ack));
        Ok(())
    }
}

/// Answer bytes that a client read between two of its segments, by their acknowledgement numbers; `None` if it read nothing.
pub(super) fn read_between(last: Seq, ack: Seq) -> Option<u32> {
    let ahead = ack.0.wrapping_sub(last.0);
    (ahead != 0 && ahead <= u32::MAX - LATE).then_some(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_nearly_as_long_as_the_sequence_space() {
        let last = Seq(u32::MAX - 9);
        for read in [1, 1 << 20, 1 << 31, 3 << 30, u32::MAX - LATE] {
            assert_eq!(read_between(last, last + read), Some(read));
        }
        for behind in [0, 1, LATE] {
            assert_eq!(read_between(last, last - behind), None);
        }
    }
}
