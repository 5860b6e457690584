//! The counters of an intercept since this tcpcopy first connected to it. Intercept itself counts from its own start.

use common_core::control::Statistics;

/// The counters of an intercept since the first ones that were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatisticsSince {
    /// The first counters received; zero after a restart of intercept.
    base: Statistics,
    latest: Statistics,
    /// The sum of the counters before the last restart.
    before: Statistics,
    updates: u64,
}

impl StatisticsSince {
    /// `first` are the first counters received.
    pub(super) fn new(first: Statistics) -> Self {
        Self { base: first, latest: first, before: Statistics::default(), updates: 0 }
    }

    pub(super) fn update(&mut self, latest: Statistics) {
        // A counter never decreases, so this is another process.
        if latest.captured < self.latest.captured {
            let before = self.counted();
            *self = Self { base: Statistics::default(), latest, before, ..*self };
        }
        self.latest = latest;
        self.updates += 1;
    }

    /// How many messages with counters were received.
    pub(super) fn updates(&self) -> u64 {
        self.updates
    }

    /// The counters as if they had begun at zero with the first ones received.
    pub(super) fn counted(&self) -> Statistics {
        let since = combine(self.latest, self.base, u64::saturating_sub);
        combine(since, self.before, u64::saturating_add)
    }
}

fn combine(a: Statistics, b: Statistics, each: fn(u64, u64) -> u64) -> Statistics {
    let mut counters = a.to_array();
    counters.iter_mut().zip(b.to_array()).for_each(|(a, b)| *a = each(*a, b));
    counters.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(captured: u64, overflowed: u64) -> Statistics {
        Statistics { captured, overflowed, ..Statistics::default() }
    }

    #[test]
    fn earlier_events_do_not_count() {
        let mut since = StatisticsSince::new(counters(1000, 7));
        assert_eq!(since.counted(), Statistics::default());
        since.update(counters(1500, 7));
        assert_eq!(since.counted(), counters(500, 0));
    }

    #[test]
    fn a_restart_of_intercept_adds_up() {
        let mut since = StatisticsSince::new(counters(1000, 7));
        since.update(counters(1500, 8));
        since.update(counters(30, 0));
        assert_eq!(since.counted(), counters(530, 1));
        since.update(counters(40, 2));
        assert_eq!(since.counted(), counters(540, 3));
    }
}
