//! What the client said, in order, and was not yet let go: bytes cut into turns, and how the client ended.

use std::collections::VecDeque;

use common::time::Time;

use crate::session::outbox::KEPT_BUSY;

/// The start of a turn: a data segment whose sender had seen more of the answer than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Offset of its first byte.
    pub(super) start: u64,
    /// Answer bytes that the client had seen since the turn before.
    pub(super) need: u32,
    /// When it was captured.
    pub(super) captured: Time,
    /// What came before is incomplete: the turn goes to a new connection.
    pub(super) after_gap: bool,
}

/// How the client ended its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndKind {
    /// FIN: the connection is closed in order.
    Fin,
    /// RST: the connection is reset.
    Reset,
}

/// The end of the client's stream, with what it had seen by then, as for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) kind: EndKind,
    pub(super) need: u32,
    pub(super) captured: Time,
}

/// The queue between reassembly and gate. Offsets count all bytes ever put in, from 0.
#[derive(Debug, Default)]
pub(super) struct Feed {
    bytes: VecDeque<u8>,
    start: u64,
    turns: VecDeque<Turn>,
    end: Option<End>,
}

impl Feed {
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Offset of the first byte that is still here.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Offset behind the last byte.
    pub(super) fn end_offset(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The first bytes, if so many are here.
    pub(super) fn head<const N: usize>(&self) -> Option<[u8; N]> {
        (self.bytes.len() >= N)
            .then(|| std::array::from_fn(|index| self.bytes.get(index).copied().unwrap_or(0)))
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(super) fn begin_turn(&mut self, need: u32, captured: Time, after_gap: bool) {
        self.turns.push_back(Turn { start: self.end_offset(), need, captured, after_gap });
    }

    /// The stream ends here. The first end counts.
    pub(super) fn finish(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// How the stream ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        self.end
    }

    /// The next turn that waits to be let go.
    pub(super) fn next_turn(&self) -> Option<Turn> {
        self.turns.front().copied()
    }

    /// Turns that wait to be let go.
    pub(super) fn turns(&self) -> usize {
        self.turns.len()
    }

    /// Lets the next turn go: its bytes are due from now on.
    pub(super) fn pop_turn(&mut self) {
        self.turns.pop_front();
    }

    /// The bytes that are due: all before the next turn, in one piece.
    pub(super) fn due(&mut self) -> &[u8] {
        let due = self.due_len();
        if self.bytes.as_slices().0.len() < due {
            self.bytes.make_contiguous();
        }
        &self.bytes.as_slices().0[..due]
    }

    /// How many bytes are due.
    pub(super) fn due_len(&self) -> usize {
        match self.turns.front() {
            Some(turn) => usize::try_from(turn.start.saturating_sub(self.start)).unwrap_or(usize::MAX),
            None => usize::MAX,
        }
        .min(self.bytes.len())
    }

    /// Takes out the first `bytes` bytes.
    pub(super) fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes.len());
        self.bytes.drain(..bytes);
        self.start += bytes as u64;
        self.release(KEPT_BUSY);
    }

    /// Gives memory above `keep` bytes back if nothing is queued.
    pub(super) fn release(&mut self, keep: usize) {
        if self.bytes.is_empty() && self.bytes.capacity() > keep {
            self.bytes.shrink_to(keep);
        }
    }

    /// The last turn will never be complete: takes it out if it was not let go yet. Returns the bytes dropped, or
    /// `None` if it was let go.
    pub(super) fn drop_last_turn(&mut self) -> Option<u64> {
        let turn = self.turns.pop_back()?;
        let keep = usize::try_from(turn.start.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let dropped = self.bytes.len().saturating_sub(keep);
        self.bytes.truncate(keep);
        Some(dropped as u64)
    }
}
