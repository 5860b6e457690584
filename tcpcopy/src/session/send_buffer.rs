//! Released bytes that the test server has not acknowledged.

use std::collections::VecDeque;

use crate::session::boxed_when_used::{BoxedWhenUsed, Empty};
use crate::session::chunk_queue::{ChunkQueue, trim_list};

/// The origin of bytes: only the client's are in the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    Client,
    Module,
    /// A proxy's header, sent again on a new connection.
    Preamble,
}

/// Memory of a run beside its bytes, in bytes: the queue of runs may have room for twice as many.
const SPAN_BYTES: u64 = 2 * size_of::<Span>() as u64;

/// A run of bytes of one turn and one origin.
#[derive(Debug)]
struct Span {
    bytes: u64,
    origin: Origin,
    /// The run begins a turn, and nothing of it was acknowledged.
    begins_turn: bool,
}

/// The send queue of a session: it outlives the session's connections.
///
/// Offsets count all bytes ever put in, from 0.
#[derive(Debug, Default)]
pub(super) struct SendBuffer {
    contents: BoxedWhenUsed<Contents>,
    start: u64,
    /// Bytes in the queue that are not the client's.
    own: u64,
    turn_begins: bool,
}

/// The contents of a send buffer.
#[derive(Debug, Default)]
struct Contents {
    bytes: ChunkQueue,
    spans: VecDeque<Span>,
}

impl Empty for Contents {
    const EMPTY: &'static Self = &Self { bytes: ChunkQueue::new(), spans: VecDeque::new() };

    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.spans.is_empty()
    }
}

/// An empty queue gives memory above this back at once, in bytes: enough that usual requests do not make it grow and
/// shrink all the time.
pub(super) const KEPT_BUSY: usize = 64 << 10;

impl SendBuffer {
    /// Offset of the first byte not acknowledged.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.contents.bytes.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.contents.bytes.is_empty()
    }

    /// The client's bytes in the queue.
    pub(super) fn client_bytes(&self) -> u64 {
        self.contents.spans.iter().filter(|span| span.origin == Origin::Client).map(|span| span.bytes).sum()
    }

    /// Bytes in the queue that are not the client's, but take memory.
    pub(super) fn own_bytes(&self) -> u64 {
        self.own
    }

    /// Memory of the runs beside their bytes; the first run is part of any session.
    pub(super) fn overhead(&self) -> u64 {
        self.contents.spans.len().saturating_sub(1) as u64 * SPAN_BYTES
    }

    /// The next byte begins a turn.
    pub(super) fn begin_turn(&mut self) {
        self.turn_begins = true;
    }

    pub(super) fn push(&mut self, bytes: &[u8], origin: Origin) {
        self.contents.bytes.push(bytes);
        self.note(bytes.len() as u64, origin);
    }

    /// Moves all of `bytes` here.
    pub(super) fn append(&mut self, bytes: &mut Vec<u8>, origin: Origin) {
        let length = bytes.len() as u64;
        self.contents.bytes.append(bytes);
        self.note(length, origin);
    }

    /// `length` bytes were put in.
    fn note(&mut self, length: u64, origin: Origin) {
        if length == 0 {
            return;
        }
        if origin != Origin::Client {
            self.own += length;
        }
        match self.contents.spans.back_mut() {
            Some(span) if span.origin == origin && !self.turn_begins => span.bytes += length,
            _ => self.contents.spans.push_back(Span { bytes: length, origin, begins_turn: self.turn_begins }),
        }
        self.turn_begins = false;
    }

    /// Puts a preamble in front, unless one is there.
    pub(super) fn prepend(&mut self, preamble: &[u8]) {
        if self.contents.spans.front().is_some_and(|span| span.origin == Origin::Preamble) {
            return;
        }
        let length = preamble.len() as u64;
        self.contents.bytes.prepend(preamble);
        self.start = self.start.saturating_sub(length);
        self.own += length;
        self.contents.spans.push_front(Span { bytes: length, origin: Origin::Preamble, begins_turn: true });
    }

    /// Removes the rest of a preamble at the front: its connection is gone.
    pub(super) fn drop_preamble(&mut self) {
        if let Some(Span { origin: Origin::Preamble, bytes, .. }) = self.contents.spans.front() {
            self.remove(*bytes);
        }
    }

    /// At most `length` bytes from `offset` on, in two parts; 64 KB at the most.
    pub(super) fn slice(&self, offset: u64, length: usize) -> (&[u8], &[u8]) {
        let from = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.contents.bytes.slice(from, length)
    }

    /// Removes all before `offset`; returns how many of these bytes were the client's.
    pub(super) fn acknowledge(&mut self, offset: u64) -> u64 {
        let amount = offset.saturating_sub(self.start).min(self.contents.bytes.len() as u64);
        self.remove(amount)
    }

    /// The first turn can be sent again on another connection: none of it was acknowledged.
    pub(super) fn is_at_turn_start(&self) -> bool {
        self.contents.spans.front().is_some_and(|span| span.begins_turn)
    }

    /// Removes the rest of the first turn; returns how many of these bytes were the client's.
    pub(super) fn drop_turn(&mut self) -> u64 {
        let next =
            self.contents.spans.iter().skip(1).position(|span| span.begins_turn).map(|found| found + 1);
        let amount = self.contents.spans.iter().take(next.unwrap_or(usize::MAX)).map(|span| span.bytes).sum();
        self.remove(amount)
    }

    /// Removes everything; returns how many of these bytes were the client's.
    pub(super) fn clear(&mut self) -> u64 {
        self.remove(self.contents.bytes.len() as u64)
    }

    /// Gives unused memory back.
    pub(super) fn trim(&mut self) {
        self.contents.release();
        if !self.contents.is_empty() {
            self.contents.bytes.trim();
            trim_list(&mut self.contents.spans);
        }
    }

    fn remove(&mut self, amount: u64) -> u64 {
        if amount == 0 {
            return 0;
        }
        let mut left = amount;
        let mut of_client = 0;
        while left > 0 {
            let Some(span) = self.contents.spans.front_mut() else { break };
            let taken = left.min(span.bytes);
            match span.origin {
                Origin::Client => of_client += taken,
                Origin::Module | Origin::Preamble => self.own -= taken,
            }
            span.bytes -= taken;
            span.begins_turn = false;
            left -= taken;
            if span.bytes == 0 {
                self.contents.spans.pop_front();
            }
        }
        self.contents.bytes.consume(usize::try_from(amount).unwrap_or(usize::MAX));
        self.contents.bytes.release(KEPT_BUSY);
        self.start += amount;
        of_client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_turns() -> SendBuffer {
        let mut send_buffer = SendBuffer::default();
        send_buffer.begin_turn();
        send_buffer.push(b"hello", Origin::Client);
        send_buffer.push(b"login", Origin::Module);
        send_buffer.begin_turn();
        send_buffer.push(b"next", Origin::Client);
        send_buffer
    }

    #[test]
    fn acknowledging_counts_the_clients_bytes_only() {
        let mut send_buffer = two_turns();
        assert!(send_buffer.is_at_turn_start());
        assert_eq!((send_buffer.acknowledge(3), send_buffer.own_bytes()), (3, 5));
        assert!(!send_buffer.is_at_turn_start());
        assert_eq!((send_buffer.acknowledge(10), send_buffer.own_bytes()), (2, 0));
        assert!(send_buffer.is_at_turn_start());
        assert_eq!(send_buffer.acknowledge(99), 4);
        assert!(send_buffer.is_empty());
        assert_eq!(send_buffer.start(), 14);
    }

    #[test]
    fn a_preamble_stands_in_front_once_and_is_not_the_clients() {
        let mut send_buffer = two_turns();
        send_buffer.acknowledge(14);
        send_buffer.begin_turn();
        send_buffer.push(b"turn", Origin::Client);
        let end = send_buffer.end();
        (0..2).for_each(|_| send_buffer.prepend(b"PROXY"));
        assert_eq!(
            (send_buffer.start(), send_buffer.end(), send_buffer.client_bytes(), send_buffer.own_bytes()),
            (9, end, 4, 5)
        );
        let (first, second) = send_buffer.slice(9, 99);
        assert_eq!([first, second].concat(), b"PROXYturn");
        assert_eq!(send_buffer.acknowledge(11), 0);
        send_buffer.drop_preamble();
        assert_eq!(
            (send_buffer.start(), send_buffer.own_bytes(), send_buffer.is_at_turn_start()),
            (14, 0, true)
        );
        send_buffer.drop_preamble();
        assert_eq!(send_buffer.clear(), 4);
    }

    #[test]
    fn a_broken_turn_is_dropped_up_to_the_next() {
        let mut send_buffer = two_turns();
        send_buffer.acknowledge(2);
        assert_eq!(send_buffer.drop_turn(), 3);
        assert_eq!(send_buffer.slice(send_buffer.start(), 99).0, b"next");
        assert_eq!(send_buffer.drop_turn(), 4);
        assert!(send_buffer.is_empty());
    }

    #[test]
    fn slices_follow_the_queue() {
        let mut send_buffer = SendBuffer::default();
        for round in 0..100_u8 {
            send_buffer.push(&[round; 7], Origin::Client);
            let start = send_buffer.start();
            let (first, second) = send_buffer.slice(start + 2, 4);
            assert_eq!([first, second].concat(), [round; 4]);
            let (first, second) = send_buffer.slice(start + 5, 99);
            assert_eq!(first.len() + second.len(), 2);
            send_buffer.acknowledge(start + 7);
        }
    }
}
