//! How the engine stays within its limits of sessions and memory.

use std::collections::BinaryHeap;

use common_core::time::Time;

use super::Engine;
use super::slot::Slot;
use crate::ledger::DropReason;
use crate::output::Output;
use crate::session::{PARKED_BYTES, SILENCE, Session};

/// Memory of a session without payload, roughly, in bytes. It counts against the memory limit, too: a flood of SYNs
/// consists of sessions only.
const SLOT_BYTES: u64 = 1536;

/// The most slots. Each slot is a route at intercept, which accepts 524 288 from a link.
const SLOTS_MAX: u64 = 500_000;

/// Slots evicted for one new slot: the new one may take the memory of several.
const SLOTS_EVICTED: usize = 32;

/// Idle slots, which may be evicted.
#[derive(Debug, Default)]
pub(super) struct Evictable {
    /// Those found last; the last one is evicted first.
    slots: Vec<u32>,
    /// When they may be searched for again.
    search_at: Time,
}

impl Engine {
    /// No more sessions fit.
    pub(super) fn is_full(&self) -> bool {
        let sessions = self.sessions();
        sessions >= SLOTS_MAX || self.memory() + sessions * SLOT_BYTES > self.config.memory_limit
    }

    /// Sessions that take memory.
    fn sessions(&self) -> u64 {
        // Several sessions may wait on one four-tuple, and one that is over may linger.
        self.ledger.sessions.active.max(self.table.len() as u64)
    }

    /// Memory of all sessions and their modules, in bytes.
    fn memory(&self) -> u64 {
        let ledger = &self.ledger;
        ledger.bytes.pending
            + ledger.gaps.out_of_order * PARKED_BYTES
            + ledger.turns.memory
            + ledger.modules.memory
    }

    /// So many bytes more would exceed the memory limit.
    pub(super) fn lacks_room_for(&self, bytes: u64) -> bool {
        self.memory() + bytes > self.config.memory_limit
    }

    /// Above the memory limit the sessions that hold most are given up, down to seven eighths of the limit.
    pub(super) fn respect_memory_limit(&mut self, now: Time, out: &mut dyn Output) {
        let limit = self.config.memory_limit;
        if self.memory() > limit {
            self.give_up_largest(now, limit / 8 * 7, out);
        }
    }

    /// Gives up the sessions that hold most, until no more than `goal` bytes are held. All slots are visited: the goal
    /// should be so low that this happens rarely.
    #[cold]
    fn give_up_largest(&mut self, now: Time, goal: u64, out: &mut dyn Output) {
        let mut by_size: BinaryHeap<(u64, u32)> = (self.table.indices().into_iter())
            .filter_map(|index| Some((self.table.slot(index)?.sessions().map(Session::memory).sum(), index)))
            .filter(|(held, _)| *held > 0)
            .collect();
        while self.memory() > goal
            && let Some((_, index)) = by_size.pop()
        {
            self.with_slot(now, index, out, |slot, cx| slot.give_up(cx, DropReason::MemoryLimit));
        }
    }

    /// Gives up sessions that hold much of the memory, then evicts idle ones: floods of forged segments leave idle
    /// sessions, which would stay for long.
    pub(super) fn make_room(&mut self, now: Time, out: &mut dyn Output) {
        let limit = self.config.memory_limit;
        let sessions = self.sessions() * SLOT_BYTES;
        if self.memory() > limit / 2 && self.memory() + sessions > limit {
            // Rather one stalled upload than many sessions that hold nothing.
            self.give_up_largest(now, (limit / 8 * 7).saturating_sub(sessions).max(limit / 16 * 7), out);
        }
        // The search takes long: it is not repeated before others can have become idle.
        if self.evictable.search_at <= now {
            self.evictable.search_at = now + SILENCE;
            let mut found: Vec<_> = (self.table.indices().into_iter())
                .filter_map(|index| Some((self.table.slot(index)?.idle(now)?, index)))
                .collect();
            found.sort_unstable_by(|one, other| other.cmp(one));
            self.evictable.slots = found.into_iter().map(|(_, index)| index).collect();
        }
        for _ in 0..SLOTS_EVICTED {
            if !self.is_full() {
                break;
            }
            let Some(index) = self.evictable.slots.pop() else { break };
            self.with_slot(now, index, out, Slot::evict);
        }
    }
}
