//! What an intercept's counters, which run from its start, say of the time since this tcpcopy first had a link to it.

use common_core::control::Statistics;

/// An intercept's counters since the first that were heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    /// What it had counted when its counters were first heard; nothing, once it was started again.
    base: Statistics,
    latest: Statistics,
    /// Of those before it was started again.
    before: Statistics,
}

impl Since {
    /// The first that is heard of an intercept.
    pub(super) fn new(first: Statistics) -> Self {
        Self { base: first, latest: first, before: Statistics::default() }
    }

    pub(super) fn update(&mut self, latest: Statistics) {
        // It never falls, so this is another process.
        if latest.captured < self.latest.captured {
            *self = Self { base: Statistics::default(), latest, before: self.counted() };
        }
        self.latest = latest;
    }

    /// The counters as if they had begun with the first that was heard.
    pub(super) fn counted(&self) -> Statistics {
        let since = combine(self.latest, self.base, u64::saturating_sub);
        combine(since, self.before, u64::saturating_add)
    }
}

fn combine(a: Statistics, b: Statistics, each: fn(u64, u64) -> u64) -> Statistics {
    Statistics {
        captured: each(a.captured, b.captured),
        kernel_dropped: each(a.kernel_dropped, b.kernel_dropped),
        unreadable: each(a.unreadable, b.unreadable),
        unrouted: each(a.unrouted, b.unrouted),
        forwarded: each(a.forwarded, b.forwarded),
        overflowed: each(a.overflowed, b.overflowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(captured: u64, overflowed: u64) -> Statistics {
        Statistics { captured, overflowed, ..Statistics::default() }
    }

    #[test]
    fn what_was_before_does_not_count() {
        let mut since = Since::new(counters(1000, 7));
        assert_eq!(since.counted(), Statistics::default());
        since.update(counters(1500, 7));
        assert_eq!(since.counted(), counters(500, 0));
    }

    #[test]
    fn an_intercept_that_was_started_again_counts_on() {
        let mut since = Since::new(counters(1000, 7));
        since.update(counters(1500, 8));
        since.update(counters(30, 0));
        assert_eq!(since.counted(), counters(530, 1));
        since.update(counters(40, 2));
        assert_eq!(since.counted(), counters(540, 3));
    }
}
