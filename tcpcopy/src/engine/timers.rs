//! When which slot is to be looked at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use common::time::Time;

/// A lazy queue of deadlines: an entry may be out of date, and the slot it names says so when it falls due.
///
/// Deadlines mostly move away (a retransmission timer is set anew by every segment), so a slot keeps its early entry
/// and is asked again then, instead of one entry for every segment.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, u32)>>,
}

impl Timers {
    /// Names `slot` at `deadline`. `scheduled` is the slot's earliest entry, kept by the slot.
    pub(super) fn schedule(&mut self, scheduled: &mut Time, deadline: Time, slot: u32) {
        if deadline < *scheduled {
            *scheduled = deadline;
            self.heap.push(Reverse((deadline, slot)));
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Time {
        self.heap.peek().map_or(Time::NEVER, |Reverse((time, _))| *time)
    }

    /// Takes out an entry that has fallen due.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(Time, u32)> {
        match self.heap.peek() {
            Some(Reverse((time, _))) if *time <= now => self.heap.pop().map(|Reverse(entry)| entry),
            _ => None,
        }
    }
}
