//! Visits to many slots, which take several calls of the engine.

use std::collections::HashSet;
use std::vec::IntoIter;

/// The reason of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visit {
    /// A link came up.
    Resume,
    /// The test server is back.
    Retry,
    /// Nothing more will be captured.
    Finish,
}

/// Slots to be visited.
#[derive(Debug, Default)]
pub(super) struct Visits {
    resume: IntoIter<u32>,
    retry: IntoIter<u32>,
    finish: IntoIter<u32>,
}

impl Visits {
    pub(super) fn is_empty(&self) -> bool {
        self.resume.len() + self.retry.len() + self.finish.len() == 0
    }

    /// A link came up: all slots are to be visited.
    pub(super) fn resume(&mut self, all: Vec<u32>) {
        self.resume = all.into_iter();
    }

    /// A test server is back: of `all` slots those are to be visited that `belong` to it. Slots of other servers stay in the
    /// list.
    pub(super) fn retry(&mut self, mut all: Vec<u32>, mut belong: impl FnMut(u32) -> bool) {
        let listed: HashSet<u32> = self.retry.as_slice().iter().copied().collect();
        all.retain(|index| listed.contains(index) || belong(*index));
        self.retry = all.into_iter();
    }

    /// Nothing more will be captured: all slots are to be visited.
    pub(super) fn finish(&mut self, all: Vec<u32>) {
        self.finish = all.into_iter();
    }

    /// The next visit.
    pub(super) fn pop(&mut self) -> Option<(u32, Visit)> {
        None.or_else(|| Some((self.resume.next()?, Visit::Resume)))
            .or_else(|| Some((self.retry.next()?, Visit::Retry)))
            .or_else(|| Some((self.finish.next()?, Visit::Finish)))
    }
}
