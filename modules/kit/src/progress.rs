//! How far the copy of a client has come: what modules of other sessions may know of it, on whatever thread they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common_core::time::{Stamp, Time};

/// The progress of one session. The engine writes it, modules of other sessions read it; nobody waits.
#[derive(Debug)]
pub struct Progress {
    waiting_since: AtomicU64,
    last: AtomicU64,
    taken_at: AtomicU64,
}

/// A place in a client's stream: which of its turns the module has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The first turn that the module has not taken whole; [`Stamp::NEVER`] if there is none.
    pub waiting_since: Stamp,
    /// The last turn before it; [`Stamp::FIRST`] if there is none.
    pub last: Stamp,
    /// When the module had taken that whole.
    pub taken_at: Time,
}

/// Nothing has happened.
const START: Reached = Reached { waiting_since: Stamp::NEVER, last: Stamp::FIRST, taken_at: Time::ZERO };

impl Default for Progress {
    fn default() -> Self {
        Self {
            waiting_since: START.waiting_since.as_nanos().into(),
            last: START.last.as_nanos().into(),
            taken_at: START.taken_at.as_micros().into(),
        }
    }
}

impl Progress {
    /// How far the session has come. Each value is at least as new as those before it.
    #[must_use]
    pub fn reached(&self) -> Reached {
        let waiting_since = self.waiting_since.load(Ordering::Acquire);
        let [last, taken_at] = [&self.last, &self.taken_at].map(|it| it.load(Ordering::Acquire));
        Reached {
            waiting_since: Stamp::from_nanos(waiting_since),
            last: Stamp::from_nanos(last),
            taken_at: Time::from_micros(taken_at),
        }
    }

    fn set(&self, reached: &Reached) {
        self.taken_at.store(reached.taken_at.as_micros(), Ordering::Release);
        self.last.store(reached.last.as_nanos(), Ordering::Release);
        self.waiting_since.store(reached.waiting_since.as_nanos(), Ordering::Release);
    }
}

/// The engine's side: follows a session and writes its [`Progress`] when that changes.
#[derive(Debug)]
pub struct Tracker {
    progress: Arc<Progress>,
    written: Reached,
    /// The turn that was released last.
    released: Stamp,
    /// The first turn of which something is due and not taken.
    due_since: Stamp,
}

impl Tracker {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(progress: Arc<Progress>) -> Self {
        Self { progress, written: START, released: START.last, due_since: START.last }
    }

    /// A turn is released, or dropped. `nothing_due`: the module has taken all before it.
    pub fn released(&mut self, turn: Stamp, nothing_due: bool) {
        if nothing_due {
            self.due_since = turn;
        }
        self.released = turn;
    }

    /// Writes how far the session has come. `next` is the first turn that is not released.
    pub fn write(&mut self, now: Time, nothing_due: bool, next: Option<Stamp>) {
        let mut reached = self.written;
        reached.waiting_since = if nothing_due { next.unwrap_or(Stamp::NEVER) } else { self.due_since };
        if nothing_due && reached.last != self.released {
            (reached.last, reached.taken_at) = (self.released, now);
        }
        if reached != self.written {
            self.written = reached;
            self.progress.set(&reached);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Stamp {
        Stamp::from_nanos(nanos)
    }

    #[test]
    fn a_turn_waits_until_it_is_taken_whole() {
        let progress = Arc::new(Progress::default());
        let mut tracker = Tracker::new(Arc::clone(&progress));
        let now = Time::from_micros(7);
        let last = |waiting_since, last, taken_at| Reached { waiting_since, last, taken_at };
        assert_eq!(progress.reached(), START);
        tracker.write(now, true, Some(at(10)));
        assert_eq!(progress.reached(), last(at(10), Stamp::FIRST, Time::ZERO));
        // The module holds it, and the next.
        tracker.released(at(10), true);
        tracker.write(now, false, None);
        tracker.released(at(20), false);
        tracker.write(now, false, Some(at(30)));
        assert_eq!(progress.reached(), last(at(10), Stamp::FIRST, Time::ZERO));
        tracker.write(now, true, Some(at(30)));
        assert_eq!(progress.reached(), last(at(30), at(20), now));
        tracker.write(now + std::time::Duration::from_secs(1), true, None);
        assert_eq!(progress.reached(), last(Stamp::NEVER, at(20), now));
    }
}
