//! What the client said, in order, and was not yet let go: bytes cut into turns, and how the client ended.

use std::collections::VecDeque;

use common::time::Time;
use common::wire::Seq;

use crate::session::outbox::{KEPT_BUSY, Origin, Outbox};

/// What a turn that waits may take beside what it holds, in bytes.
const SLACK: usize = 256;

/// The start of a turn: a data segment whose sender had seen more of the answer than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Answer bytes that the client had seen since the turn before.
    pub(super) need: u32,
    /// Up to where the client had seen the answers.
    pub(super) ack: Seq,
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

/// A turn that was not let go yet, in one piece.
#[derive(Debug)]
struct Waiting {
    turn: Turn,
    bytes: Vec<u8>,
}

/// The queue between reassembly and gate. Offsets count all bytes ever put in, from 0.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Let go, and not yet consumed but for the first `consumed` bytes.
    due: Vec<u8>,
    consumed: usize,
    start: u64,
    turns: VecDeque<Waiting>,
    /// Memory of a turn that was let go, for one to come.
    spare: Vec<u8>,
    /// Bytes of all turns that wait.
    waiting: u64,
    end: Option<End>,
}

impl Feed {
    pub(super) fn len(&self) -> u64 {
        self.due_len() as u64 + self.waiting
    }

    /// Offset of the first byte that is still here.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Offset behind the last byte.
    pub(super) fn end_offset(&self) -> u64 {
        self.start + self.len()
    }

    /// The first bytes, if so many are here in one turn.
    pub(super) fn head<const N: usize>(&self) -> Option<[u8; N]> {
        let first = match self.turns.front() {
            Some(waiting) if self.due_len() == 0 => &waiting.bytes,
            _ => self.due(),
        };
        first.first_chunk().copied()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self.turns.back_mut() {
            Some(last) => {
                last.bytes.extend_from_slice(bytes);
                self.waiting += bytes.len() as u64;
            }
            None => self.due.extend_from_slice(bytes),
        }
    }

    pub(super) fn begin_turn(&mut self, need: u32, ack: Seq, captured: Time, after_gap: bool) {
        let nothing_due = self.due_len() == 0;
        let bytes = match self.turns.back_mut() {
            Some(last) => {
                if last.bytes.capacity() - last.bytes.len() > SLACK {
                    last.bytes.shrink_to_fit();
                }
                std::mem::take(&mut self.spare)
            }
            // Its memory is used again.
            None if nothing_due => std::mem::take(&mut self.due),
            None => Vec::new(),
        };
        self.turns.push_back(Waiting { turn: Turn { need, ack, captured, after_gap }, bytes });
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
        self.turns.front().map(|waiting| waiting.turn)
    }

    /// The last turn that waits to be let go.
    pub(super) fn last_turn(&self) -> Option<Turn> {
        self.turns.back().map(|waiting| waiting.turn)
    }

    /// Turns that wait to be let go.
    pub(super) fn turns(&self) -> usize {
        self.turns.len()
    }

    /// Lets the next turn go: its bytes are due from now on.
    pub(super) fn pop_turn(&mut self) {
        let Some(Waiting { bytes, .. }) = self.turns.pop_front() else { return };
        self.waiting -= bytes.len() as u64;
        if self.due_len() == 0 {
            self.spare = std::mem::replace(&mut self.due, bytes);
            self.spare.clear();
        } else {
            self.due.extend(bytes);
        }
    }

    /// The bytes that are due: all before the next turn.
    pub(super) fn due(&self) -> &[u8] {
        &self.due[self.consumed..]
    }

    /// How many bytes are due.
    pub(super) fn due_len(&self) -> usize {
        self.due.len() - self.consumed
    }

    /// Takes out the first `bytes` bytes that are due.
    pub(super) fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.due_len());
        self.consumed += bytes;
        self.start += bytes as u64;
        if self.consumed > self.due.len() / 2 {
            self.due.drain(..self.consumed);
            self.consumed = 0;
        }
        if self.due.is_empty() {
            self.due.shrink_to(KEPT_BUSY);
        }
    }

    /// Moves all that is due to `outbox`, as the client's.
    pub(super) fn move_due(&mut self, outbox: &mut Outbox) {
        self.start += self.due_len() as u64;
        if self.consumed > 0 {
            self.due.drain(..self.consumed);
            self.consumed = 0;
        }
        outbox.append(&mut self.due, Origin::Client);
        self.due.shrink_to(KEPT_BUSY);
    }

    /// Gives memory back if nothing is queued.
    pub(super) fn release(&mut self) {
        if self.due.is_empty() {
            self.due = Vec::new();
        }
        if self.turns.is_empty() {
            self.turns = VecDeque::new();
            self.spare = Vec::new();
        }
    }

    /// The last turn will never be complete: takes it out if it was not let go yet. Returns the bytes dropped, or
    /// `None` if it was let go.
    pub(super) fn drop_last_turn(&mut self) -> Option<u64> {
        let dropped = self.turns.pop_back()?.bytes.len() as u64;
        self.waiting -= dropped;
        Some(dropped)
    }
}
