//! The client's bytes in order that were not released yet, cut into turns, and the end of its stream.

use std::collections::VecDeque;

use common_core::time::{Stamp, Time};
use common_core::wire::Seq;

use crate::session::boxed_when_used::{BoxedWhenUsed, Empty};
use crate::session::chunk_queue::{SLACK, trim, trim_list};
use crate::session::send_buffer::{KEPT_BUSY, Origin, SendBuffer};

/// Memory of a waiting turn beside its bytes, roughly, in bytes: the queue may have room for twice as many, and each
/// turn has an allocation of its own.
const TURN_BYTES: u64 = 104;

/// The start of a turn: a data segment whose sender had read more of the answer than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Answer bytes that the client had read since the turn before.
    pub(super) acked_bytes: u32,
    /// Acknowledgement number: up to here the client had read the answers.
    pub(super) ack: Seq,
    /// When it was captured.
    pub(super) captured: Time,
    /// The same in the order of all packets.
    pub(super) stamp: Stamp,
    /// The bytes before it are incomplete: the turn goes to a new connection.
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

/// The end of the client's stream, with the answer bytes that it had read by then, as for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) kind: EndKind,
    pub(super) acked_bytes: u32,
    pub(super) captured: Time,
}

/// A turn that was not released yet, in one piece.
#[derive(Debug)]
struct Waiting {
    turn: Turn,
    bytes: Vec<u8>,
}

/// The queue between client stream and gate. Offsets count all bytes ever put in, from 0.
#[derive(Debug, Default)]
pub(super) struct TurnQueue {
    contents: BoxedWhenUsed<Contents>,
    start: u64,
    /// The turn whose known bytes were all taken out: later bytes may be its rest.
    emptied: Option<Turn>,
    end: Option<End>,
}

/// The contents of a turn queue.
#[derive(Debug, Default)]
struct Contents {
    /// Released bytes; the first `consumed` of them are consumed.
    due: Vec<u8>,
    consumed: usize,
    turns: VecDeque<Waiting>,
    /// Memory of a released turn, for a later one.
    spare: Vec<u8>,
    /// Bytes of all waiting turns.
    waiting: u64,
}

impl Empty for Contents {
    const EMPTY: &'static Self =
        &Self { due: Vec::new(), consumed: 0, turns: VecDeque::new(), spare: Vec::new(), waiting: 0 };

    fn is_empty(&self) -> bool {
        self.due.is_empty() && self.turns.is_empty()
    }
}

impl TurnQueue {
    pub(super) fn len(&self) -> u64 {
        self.due_len() as u64 + self.contents.waiting
    }

    /// Memory of the waiting turns beside their bytes; the first turn is part of any session.
    pub(super) fn overhead(&self) -> u64 {
        self.contents.turns.len().saturating_sub(1) as u64 * TURN_BYTES
    }

    /// Offset of the first byte that is still here.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Offset after the last byte.
    pub(super) fn end_offset(&self) -> u64 {
        self.start + self.len()
    }

    /// The first bytes, if this many are here in one turn.
    pub(super) fn head<const N: usize>(&self) -> Option<[u8; N]> {
        let first = match self.contents.turns.front() {
            Some(waiting) if self.due_len() == 0 => &waiting.bytes,
            _ => self.due(),
        };
        first.first_chunk().copied()
    }

    /// Adds bytes to the last turn. They are due at once if that turn was released. True if
    /// [`Self::skip_in_next_turn`] had emptied the turn: now it waits again.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let emptied = self.emptied.take();
        match self.contents.turns.back_mut() {
            Some(last) => last.bytes.extend_from_slice(bytes),
            None => match emptied {
                Some(turn) => self.contents.turns.push_back(Waiting { turn, bytes: bytes.to_vec() }),
                None => {
                    self.contents.due.extend_from_slice(bytes);
                    return false;
                }
            },
        }
        self.contents.waiting += bytes.len() as u64;
        emptied.is_some()
    }

    pub(super) fn begin_turn(&mut self, turn: Turn) {
        let nothing_due = self.due_len() == 0;
        self.emptied = None;
        let bytes = match self.contents.turns.back_mut() {
            Some(last) => {
                if last.bytes.capacity() - last.bytes.len() > SLACK {
                    last.bytes.shrink_to_fit();
                }
                std::mem::take(&mut self.contents.spare)
            }
            // The memory of the due bytes is used again.
            None if nothing_due => std::mem::take(&mut self.contents.due),
            None => Vec::new(),
        };
        self.contents.turns.push_back(Waiting { turn, bytes });
    }

    /// The stream ends here. The first end counts.
    pub(super) fn finish(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// How the stream ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        self.end
    }

    /// The next turn that waits for its release.
    pub(super) fn next_turn(&self) -> Option<Turn> {
        self.contents.turns.front().map(|waiting| waiting.turn)
    }

    /// Its known bytes.
    pub(super) fn next_turn_bytes(&self) -> &[u8] {
        self.contents.turns.front().map_or(&[], |waiting| &waiting.bytes)
    }

    /// Removes the first bytes of the next turn. True if that was all of it: then it does not wait any more.
    pub(super) fn skip_in_next_turn(&mut self, bytes: usize) -> bool {
        let contents = &mut *self.contents;
        let Some(next) = contents.turns.front_mut() else { return false };
        let bytes = bytes.min(next.bytes.len());
        next.bytes.drain(..bytes);
        self.start += bytes as u64;
        contents.waiting -= bytes as u64;
        let emptied = next.bytes.is_empty();
        if emptied {
            self.emptied =
                contents.turns.pop_front().map(|emptied| emptied.turn).filter(|_| contents.turns.is_empty());
        }
        emptied
    }

    /// The last turn that waits for its release.
    pub(super) fn last_turn(&self) -> Option<Turn> {
        self.contents.turns.back().map(|waiting| waiting.turn)
    }

    /// The turns that wait for their release, in order.
    pub(super) fn turns(&self) -> impl Iterator<Item = Turn> + '_ {
        self.contents.turns.iter().map(|waiting| waiting.turn)
    }

    /// Releases the next turn: its bytes are due from now on.
    pub(super) fn pop_turn(&mut self) {
        let Some(Waiting { bytes, .. }) = self.contents.turns.pop_front() else { return };
        self.contents.waiting -= bytes.len() as u64;
        if self.due_len() == 0 {
            self.contents.spare = std::mem::replace(&mut self.contents.due, bytes);
            self.contents.spare.clear();
        } else {
            self.contents.due.extend(bytes);
        }
    }

    /// The due bytes: all before the next turn.
    pub(super) fn due(&self) -> &[u8] {
        &self.contents.due[self.contents.consumed..]
    }

    /// The number of due bytes.
    pub(super) fn due_len(&self) -> usize {
        self.contents.due.len() - self.contents.consumed
    }

    /// Removes the first `bytes` due bytes.
    pub(super) fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.due_len());
        if bytes == 0 {
            return;
        }
        let contents = &mut *self.contents;
        contents.consumed += bytes;
        self.start += bytes as u64;
        if contents.consumed > contents.due.len() / 2 {
            contents.due.drain(..contents.consumed);
            contents.consumed = 0;
        }
        if contents.due.is_empty() {
            contents.due.shrink_to(KEPT_BUSY);
        }
    }

    /// Moves all due bytes to `send_buffer`, as the client's.
    pub(super) fn move_due(&mut self, send_buffer: &mut SendBuffer) {
        if self.due_len() == 0 {
            return;
        }
        self.start += self.due_len() as u64;
        let contents = &mut *self.contents;
        if contents.consumed > 0 {
            contents.due.drain(..contents.consumed);
            contents.consumed = 0;
        }
        send_buffer.append(&mut contents.due, Origin::Client);
        contents.due.shrink_to(KEPT_BUSY);
    }

    /// Gives unused memory back.
    pub(super) fn trim(&mut self) {
        self.contents.release();
        if self.contents.is_empty() {
            return;
        }
        let contents = &mut *self.contents;
        if contents.due.len() <= KEPT_BUSY {
            contents.due.drain(..contents.consumed);
            contents.consumed = 0;
        }
        trim(&mut contents.due);
        contents.spare = Vec::new();
        // The other turns were cut to size when the next one began.
        if let Some(last) = contents.turns.back_mut() {
            trim(&mut last.bytes);
        }
        trim_list(&mut contents.turns);
    }

    /// The last turn will never be complete: removes it if it was not released. Returns the dropped bytes, or `None` if
    /// it was released.
    pub(super) fn drop_last_turn(&mut self) -> Option<u64> {
        let dropped = self.contents.turns.pop_back()?.bytes.len() as u64;
        self.contents.waiting -= dropped;
        Some(dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All memory that the turn queue has for bytes and turns.
    fn memory(turn_queue: &TurnQueue) -> usize {
        let turns: usize = turn_queue.contents.turns.iter().map(|waiting| waiting.bytes.capacity()).sum();
        let list = turn_queue.contents.turns.capacity() * size_of::<Waiting>();
        turns + list + turn_queue.contents.due.capacity() + turn_queue.contents.spare.capacity()
    }

    fn say(turn_queue: &mut TurnQueue, bytes: usize) {
        turn_queue.begin_turn(Turn {
            acked_bytes: 0,
            ack: Seq(1),
            captured: Time::ZERO,
            stamp: Stamp::FIRST,
            after_gap: false,
        });
        turn_queue.push(&vec![0; bytes]);
    }

    #[test]
    fn short_turns_after_a_long_one_keep_no_more_than_they_need() {
        let mut turn_queue = TurnQueue::default();
        for _ in 0..2 {
            say(&mut turn_queue, KEPT_BUSY);
            turn_queue.pop_turn();
            turn_queue.consume(KEPT_BUSY);
        }
        say(&mut turn_queue, 1);
        turn_queue.pop_turn();
        (0..2).for_each(|_| say(&mut turn_queue, 1));
        assert_eq!(turn_queue.len(), 3);
        turn_queue.trim();
        assert_eq!((turn_queue.len(), turn_queue.due(), turn_queue.turns().count()), (3, &[0][..], 2));
        assert!(memory(&turn_queue) < 4 * SLACK, "{} bytes for 3", memory(&turn_queue));
    }

    #[test]
    fn many_short_turns_take_what_is_counted() {
        let mut turn_queue = TurnQueue::default();
        (0..10_000).for_each(|_| say(&mut turn_queue, 1));
        // The allocator's part: it gives no piece of less than 32 bytes.
        let taken = memory(&turn_queue) as u64 + 10_000 * 24;
        let counted = turn_queue.len() + turn_queue.overhead();
        assert!((counted / 2..counted * 2).contains(&taken), "{taken} bytes, counted as {counted}");
        (0..9_999).for_each(|_| turn_queue.pop_turn());
        turn_queue.trim();
        turn_queue.consume(9_999);
        assert!(memory(&turn_queue) < 10_000 + 4 * SLACK, "{} bytes", memory(&turn_queue));
    }
}
