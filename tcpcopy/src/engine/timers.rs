//! When which slot is to be visited.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use common_core::time::Time;

/// A lazy queue of deadlines: an entry may be out of date, which its slot finds out when the entry falls due.
///
/// Deadlines mostly move away (every segment sets the retransmission timer anew). So a slot keeps its early entry and
/// sets another one then, instead of one entry for every segment.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, u32)>>,
}

/// A deadline further away than this may be missed by up to [`GRAIN`], so that many fall due together: delayed
/// acknowledgements and retransmissions of thousands of sessions would wake the process for each of them.
const FAR: Duration = Duration::from_millis(10);

/// Not a round number: a client that sends at regular intervals of milliseconds would often collide with a timer.
pub(crate) const GRAIN: Duration = Duration::from_micros(8191);

/// The entries of one slot. The slot keeps them, so that it does not queue the same one again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries {
    /// The earliest.
    next: Time,
    /// The one after it.
    later: Time,
}

impl Entries {
    pub(super) const NONE: Self = Self { next: Time::NEVER, later: Time::NEVER };

    /// An entry has fallen due; false if it does not count any more.
    pub(super) fn take(&mut self, due: Time) -> bool {
        let counts = self.next == due;
        if counts {
            *self = Self { next: self.later, later: Time::NEVER };
        }
        counts
    }
}

impl Timers {
    /// Makes sure that `slot` is visited at `deadline`, or before; somewhat later if it is far away.
    pub(super) fn schedule(&mut self, now: Time, entries: &mut Entries, deadline: Time, slot: u32) {
        if deadline >= entries.next {
            return;
        }
        let deadline = if deadline.since(now) > FAR { deadline.next_multiple_of(GRAIN) } else { deadline };
        if deadline < entries.next {
            if entries.later == Time::NEVER {
                entries.later = entries.next;
            }
            entries.next = deadline;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_is_busy_for_long_queues_two_entries() {
        let mut timers = Timers::default();
        let mut entries = Entries::NONE;
        let mut named = 0;
        for millis in (0..30_000).step_by(110) {
            let now = Time::from_micros(millis * 1000);
            while let Some((due, _)) = timers.pop_due(now) {
                if entries.take(due) {
                    named += 1;
                    timers.schedule(now, &mut entries, now + Duration::from_secs(30), 7);
                }
            }
            timers.schedule(now, &mut entries, now + Duration::from_millis(100), 7);
        }
        assert!(timers.heap.len() <= 2, "{} entries", timers.heap.len());
        assert!(named > 200, "named {named} times only");
    }
}
