//! Age of the oldest waiting turn.

use std::ops::AddAssign;
use std::time::Duration;

use common_core::time::Time;

/// Seconds of capture that are counted apart, beginning with that of the oldest waiting turn.
const SECONDS: usize = 1024;

/// Turns that wait for their release, counted by the second of their capture. Entering and leaving take constant time.
///
/// If turns have waited all the time for more than [`SECONDS`] seconds, the oldest of them count as captured when the
/// first of them was, until they have all left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Turns captured in second `s` are counted at `s % SECONDS`; zero outside of the window that starts at `first`.
    counts: [u32; SECONDS],
    /// The oldest second that is counted apart.
    first: u64,
    /// All waiting turns, older ones included.
    total: u64,
    /// Captured before `first`.
    older: u64,
    /// The second in which the first of these was captured.
    older_since: u64,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { counts: [0; SECONDS], first: 0, total: 0, older: 0, older_since: 0 }
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} waiting since second {:?}", self.total, self.oldest())
    }
}

impl Waiting {
    /// A turn captured at this time begins to wait.
    pub fn enter(&mut self, captured: Time) {
        self.add(second(captured), 1);
    }

    /// A turn that was captured at this time does not wait any more.
    pub fn leave(&mut self, captured: Time) {
        let second = second(captured);
        if second < self.first {
            self.older = self.older.saturating_sub(1);
        } else {
            let count = &mut self.counts[index(second)];
            *count = count.saturating_sub(1);
        }
        self.total = self.total.saturating_sub(1);
        self.skip_empty();
    }

    /// The number of waiting turns.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The age of the oldest waiting turn, to the second, rounded down.
    #[must_use]
    pub fn age(&self, now: Time) -> Duration {
        // It was captured before the end of its second.
        self.oldest().map_or(Duration::ZERO, |second| now.since(Time::ZERO + Duration::from_secs(second + 1)))
    }

    fn oldest(&self) -> Option<u64> {
        match (self.older, self.total) {
            (0, 0) => None,
            (0, _) => Some(self.first),
            _ => Some(self.older_since),
        }
    }

    fn add(&mut self, second: u64, turns: u32) {
        if self.total == 0 {
            self.first = second;
        }
        self.total += u64::from(turns);
        if second < self.first {
            // Time does not run backwards within one worker.
            self.older_since = if self.older == 0 { second } else { self.older_since.min(second) };
            self.older += u64::from(turns);
            return;
        }
        self.make_room(second);
        let count = &mut self.counts[index(second)];
        *count = count.saturating_add(turns);
    }

    /// Moves the window on, until `second` is in it.
    fn make_room(&mut self, second: u64) {
        let start = (second + 1).saturating_sub(SECONDS as u64);
        // Beyond a whole window all places are empty.
        let last = start.min(self.first + SECONDS as u64);
        while self.first < last {
            let left = u64::from(std::mem::take(&mut self.counts[index(self.first)]));
            if left > 0 && self.older == 0 {
                self.older_since = self.first;
            }
            self.older += left;
            self.first += 1;
        }
        self.first = self.first.max(start);
    }

    /// The window begins with a turn, if there is one in it. Each second is skipped once.
    fn skip_empty(&mut self) {
        if self.total > self.older {
            let empty = (self.first..).take(SECONDS).take_while(|&second| self.counts[index(second)] == 0);
            self.first += empty.count() as u64;
        }
    }
}

/// The turns of several workers that share one clock.
impl AddAssign<&Self> for Waiting {
    fn add_assign(&mut self, other: &Self) {
        let counts = (other.first..).zip(other.counts.iter().cycle().skip(index(other.first))).take(SECONDS);
        for (second, &count) in counts {
            if count > 0 {
                self.add(second, count);
            }
        }
        if other.older > 0 {
            self.older_since =
                if self.older == 0 { other.older_since } else { self.older_since.min(other.older_since) };
            self.older += other.older;
            self.total += other.older;
        }
    }
}

fn second(time: Time) -> u64 {
    time.as_micros() / 1_000_000
}

fn index(second: u64) -> usize {
    (second % SECONDS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: u64) -> Time {
        Time::ZERO + Duration::from_millis(second * 1000 + 300)
    }

    fn age(waiting: &Waiting, now: u64) -> u64 {
        waiting.age(at(now)).as_secs()
    }

    #[test]
    fn the_oldest_turn_counts() {
        let mut waiting = Waiting::default();
        assert_eq!(age(&waiting, 50), 0);
        [10, 10, 12].into_iter().for_each(|second| waiting.enter(at(second)));
        assert_eq!((age(&waiting, 10), age(&waiting, 20)), (0, 9));
        waiting.leave(at(10));
        assert_eq!(age(&waiting, 20), 9);
        waiting.leave(at(10));
        assert_eq!((age(&waiting, 20), waiting.total()), (7, 1));
        waiting.leave(at(12));
        assert_eq!((age(&waiting, 20), waiting.total()), (0, 0));
    }

    #[test]
    fn turns_may_leave_from_the_middle() {
        let mut waiting = Waiting::default();
        [1, 2, 3].into_iter().for_each(|second| waiting.enter(at(second)));
        waiting.leave(at(2));
        waiting.leave(at(1));
        assert_eq!(age(&waiting, 10), 6);
    }

    #[test]
    fn a_lag_of_any_length_is_known() {
        let mut waiting = Waiting::default();
        (0..5000).for_each(|second| waiting.enter(at(second)));
        assert_eq!((age(&waiting, 5000), waiting.total()), (4999, 5000));
        (0..4000).for_each(|second| waiting.leave(at(second)));
        assert_eq!((age(&waiting, 5000), waiting.total()), (999, 1000));
        waiting.enter(at(1_000_000));
        assert_eq!(age(&waiting, 1_000_001), 996_000);
    }

    #[test]
    fn workers_are_added_up() {
        let (mut one, mut other) = (Waiting::default(), Waiting::default());
        one.enter(at(7));
        [5, 3000].into_iter().for_each(|second| other.enter(at(second)));
        one += &other;
        assert_eq!((one.total(), age(&one, 3001)), (3, 2995));
    }

    proptest! {
        /// Against the list of all that wait: exact as long as no turn is older than the window.
        #[test]
        fn the_age_is_that_of_the_oldest(
            steps in prop::collection::vec((0_u64..20, any::<prop::sample::Index>(), any::<bool>()), 1..400),
        ) {
            let (mut waiting, mut list, mut now) = (Waiting::default(), Vec::new(), 0);
            for (pause, pick, leaves) in steps {
                now += pause;
                if leaves && !list.is_empty() {
                    waiting.leave(at(list.swap_remove(pick.index(list.len()))));
                } else {
                    list.push(now);
                    waiting.enter(at(now));
                }
                list.retain(|&second| {
                    let stays = now - second < 1000;
                    if !stays {
                        waiting.leave(at(second));
                    }
                    stays
                });
                let expected = list.iter().min().map_or(0, |oldest| (now - oldest).saturating_sub(1));
                prop_assert_eq!(waiting.total(), list.len() as u64);
                prop_assert_eq!(age(&waiting, now), expected);
            }
        }
    }
}
