//! What the workers tell of themselves, once a second, so that each can tell its tcpcopies of the whole.

use std::sync::{Mutex, PoisonError};

use common_core::control::Statistics;
use common_os::process::logging;

/// How one worker stands, or all together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) statistics: Statistics,
    pub(super) connections: usize,
    pub(super) routes: usize,
}

/// The latest figures of each worker.
pub(super) struct Board(Mutex<Vec<Figures>>);

impl Board {
    pub(super) fn new(workers: u16) -> Self {
        Self(Mutex::new(vec![Figures::default(); workers.into()]))
    }

    /// Puts down how one worker stands; returns how all do.
    pub(super) fn put(&self, worker: u16, figures: Figures) -> Figures {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = all.get_mut(usize::from(worker)) {
            *place = figures;
        }
        all.iter().copied().fold(Figures::default(), Figures::plus)
    }

    /// How all stand.
    pub(super) fn sum(&self) -> Figures {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().copied().fold(Figures::default(), Figures::plus)
    }
}

impl Figures {
    fn plus(self, other: Self) -> Self {
        let (a, b) = (self.statistics, other.statistics);
        let statistics = Statistics {
            captured: a.captured + b.captured,
            kernel_dropped: a.kernel_dropped + b.kernel_dropped,
            unreadable: a.unreadable + b.unreadable,
            unrouted: a.unrouted + b.unrouted,
            forwarded: a.forwarded + b.forwarded,
            overflowed: a.overflowed + b.overflowed,
        };
        Self {
            statistics,
            connections: self.connections + other.connections,
            routes: self.routes + other.routes,
        }
    }

    /// For the log.
    pub(super) fn report(self) -> String {
        let Self { statistics, connections, routes } = self;
        let Statistics { captured, kernel_dropped, unreadable, unrouted, forwarded, overflowed } = statistics;
        let report = format!(
            "captured {captured} packets (dropped by the kernel: {kernel_dropped}, unreadable: {unreadable}), \
             forwarded {forwarded} answers (without route: {unrouted}, queue full: {overflowed}); \
             {connections} connections, {routes} routes"
        );
        match logging::lost() {
            0 => report,
            lost => format!("{report}; {lost} log lines lost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_each_is_added_up() {
        let board = Board::new(2);
        let figures = |captured, connections, routes| Figures {
            statistics: Statistics { captured, ..Statistics::default() },
            connections,
            routes,
        };
        assert_eq!(board.put(0, figures(5, 1, 7)), figures(5, 1, 7));
        assert_eq!(board.put(1, figures(1, 2, 3)), figures(6, 3, 10));
        assert_eq!(board.put(0, figures(6, 1, 0)), figures(7, 3, 3));
        assert_eq!(board.sum(), figures(7, 3, 3));
    }
}
