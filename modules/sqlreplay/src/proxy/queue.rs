//! What connections have seen, on its way to the thread that makes records of it.
//!
//! Bytes are copied into blocks that never grow, because they may be passwords: a buffer that grows leaves copies in memory.
//! The number of blocks is bounded. Who finds no room records less; nobody waits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::recording::Micros;
use crate::recording::record::EndedBy;

/// Bytes of a block.
const BLOCK: usize = 256 << 10;

/// Blocks that wait, at most: 64 MB.
const BLOCKS_MAX: usize = 256;

/// Emptied blocks that are kept for reuse.
const SPARE_MAX: usize = 8;

/// More events without bytes do not fit into a block.
const EVENTS_MAX: usize = 16 << 10;

/// How long events are gathered. A wake-up for each one would cost more than all the rest.
const GATHER: Duration = Duration::from_millis(5);

/// The longest time that the reader waits: sessions that say nothing want to be looked at.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// What has happened to a connection.
#[derive(Debug)]
pub(super) struct Event {
    /// Its number.
    pub(super) session: u64,
    pub(super) at: Micros,
    pub(super) what: What,
}

/// See [`Event`]. The bytes are in the block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It has begun; the client's address.
    Begun(Box<str>),
    /// The client has sent so many bytes.
    Client(u32),
    /// The server has sent so many bytes.
    Server(u32),
    /// What follows was not kept.
    Lost,
    /// It is over.
    Ended(EndedBy),
    /// Another connection asks to cancel the statement of the session with this key.
    Cancel(Box<[u8; 32]>),
}

/// Events in their order, with their bytes.
#[derive(Debug)]
pub(super) struct Block {
    events: Vec<Event>,
    bytes: Vec<u8>,
}

impl Block {
    fn new() -> Self {
        Self { events: Vec::new(), bytes: Vec::with_capacity(BLOCK) }
    }

    /// Hands each event over with its bytes, and leaves nothing in memory.
    pub(super) fn drain(&mut self, mut handle: impl FnMut(Event, &[u8])) {
        let mut at = 0;
        for event in self.events.drain(..) {
            let length = match event.what {
                What::Client(length) | What::Server(length) => length as usize,
                _ => 0,
            };
            let bytes = self.bytes.get(at..at + length).unwrap_or_default();
            at += length;
            handle(event, bytes);
        }
        self.bytes.fill(0);
        self.bytes.clear();
    }
}

/// From all connections to one reader.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    blocks: VecDeque<Block>,
    spare: Vec<Block>,
    /// The reader waits for the first event.
    is_idle: bool,
    is_closed: bool,
}

impl Queue {
    /// Puts an event without bytes. There is always room for it.
    pub(super) fn put(&self, event: Event) {
        let mut state = self.lock();
        if state.blocks.back().is_none_or(|block| block.events.len() >= EVENTS_MAX) {
            state.append();
        }
        self.push(state, event, &[]);
    }

    /// Puts bytes with `what` they are. Returns whether there was room for all of them.
    #[must_use]
    pub(super) fn put_bytes(&self, session: u64, at: Micros, what: fn(u32) -> What, bytes: &[u8]) -> bool {
        bytes.chunks(BLOCK).all(|bytes| {
            let mut state = self.lock();
            let has_room = state
                .blocks
                .back()
                .is_some_and(|block| block.bytes.capacity() - block.bytes.len() >= bytes.len());
            if !has_room {
                if state.blocks.len() >= BLOCKS_MAX {
                    return false;
                }
                state.append();
            }
            let length = u32::try_from(bytes.len()).unwrap_or_default();
            self.push(state, Event { session, at, what: what(length) }, bytes);
            true
        })
    }

    fn push(&self, mut state: MutexGuard<'_, State>, event: Event, bytes: &[u8]) {
        // The reader is woken for the first event, and when it falls behind.
        let wakes = std::mem::take(&mut state.is_idle) || state.blocks.len() > 1;
        if let Some(block) = state.blocks.back_mut() {
            block.events.push(event);
            block.bytes.extend_from_slice(bytes);
        }
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// Exchanges emptied blocks for filled ones; waits for the first event, and a little for more. Returns whether there
    /// will be more.
    pub(super) fn take(&self, blocks: &mut VecDeque<Block>) -> bool {
        let mut state = self.lock();
        while let Some(block) = blocks.pop_front() {
            if state.spare.len() < SPARE_MAX {
                state.spare.push(block);
            }
        }
        if state.blocks.is_empty() && !state.is_closed {
            state.is_idle = true;
            state = self.wait(state, TICK);
            state.is_idle = false;
        }
        if state.blocks.len() == 1 && !state.is_closed {
            state = self.wait(state, GATHER);
        }
        std::mem::swap(&mut state.blocks, blocks);
        !state.is_closed
    }

    /// Nothing more will be put.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    fn wait<'s>(&'s self, state: MutexGuard<'s, State>, time: Duration) -> MutexGuard<'s, State> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self) {
        let block = self.spare.pop().unwrap_or_else(Block::new);
        self.blocks.push_back(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &Queue) -> Vec<(u64, What, Vec<u8>)> {
        let (mut blocks, mut all) = (VecDeque::new(), Vec::new());
        queue.take(&mut blocks);
        for block in &mut blocks {
            block.drain(|event, bytes| all.push((event.session, event.what, bytes.to_vec())));
            assert!(block.bytes.is_empty() && block.events.is_empty());
        }
        all
    }

    #[test]
    fn events_come_in_order_with_their_bytes() {
        let queue = Queue::default();
        let begun = What::Begun("c:1".into());
        queue.put(Event { session: 1, at: Micros(0), what: begun });
        assert!(queue.put_bytes(1, Micros(1), What::Client, b"SELECT"));
        assert!(queue.put_bytes(2, Micros(2), What::Server, b"row"));
        queue.put(Event { session: 1, at: Micros(3), what: What::Lost });
        let expected = vec![
            (1, What::Begun("c:1".into()), Vec::new()),
            (1, What::Client(6), b"SELECT".to_vec()),
            (2, What::Server(3), b"row".to_vec()),
            (1, What::Lost, Vec::new()),
        ];
        assert_eq!(taken(&queue), expected);
        queue.close();
        assert_eq!(taken(&queue), Vec::new());
        assert!(!queue.take(&mut VecDeque::new()));
    }

    #[test]
    fn a_full_queue_takes_no_bytes_and_does_not_grow() {
        let queue = Queue::default();
        let bytes = vec![7; BLOCK / 2 + 1];
        let count =
            (0..2 * BLOCKS_MAX).take_while(|_| queue.put_bytes(1, Micros(0), What::Client, &bytes)).count();
        assert_eq!(count, BLOCKS_MAX, "one for each block");
        queue.put(Event { session: 1, at: Micros(0), what: What::Lost });
        let all = taken(&queue);
        assert_eq!((all.len(), &all[count].1), (count + 1, &What::Lost));
        assert!(queue.put_bytes(1, Micros(0), What::Client, &vec![1; 3 * BLOCK]), "there is room again");
        assert_eq!(taken(&queue).iter().map(|(_, _, bytes)| bytes.len()).sum::<usize>(), 3 * BLOCK);
        let state = queue.lock();
        assert!(state.spare.iter().all(|block| block.bytes.capacity() == BLOCK));
    }
}
