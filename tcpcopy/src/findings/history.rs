//! The samples of the last minute.

use std::collections::VecDeque;

use super::sample::Sample;
use crate::ledger::TargetCounts;

/// Samples kept: a minute and the sample before.
const KEPT: usize = 61;

/// The latest samples, one a second.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Sample>);

impl History {
    pub(super) fn push(&mut self, sample: Sample) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// The latest sample, and the one so many seconds before; `None` if there is none that old.
    pub(super) fn over(&self, seconds: usize) -> Option<Span<'_>> {
        let first = self.0.len().checked_sub(seconds + 1)?;
        Some(Span { all: self, first })
    }

    pub(super) fn latest(&self) -> Option<&Sample> {
        self.0.back()
    }
}

/// Some seconds up to now.
#[derive(Clone, Copy)]
pub(super) struct Span<'h> {
    all: &'h History,
    first: usize,
}

impl<'h> Span<'h> {
    /// The samples, oldest first.
    pub(super) fn samples(self) -> impl Iterator<Item = &'h Sample> {
        self.all.0.range(self.first..)
    }

    /// How much a counter has grown.
    pub(super) fn growth(self, counter: impl Fn(&Sample) -> u64) -> u64 {
        let ends = (self.all.0.get(self.first), self.all.0.back());
        let (Some(first), Some(last)) = ends else { return 0 };
        counter(last).saturating_sub(counter(first))
    }

    /// How much a counter of a target has grown.
    pub(super) fn of_target(self, target: usize, counter: fn(&TargetCounts) -> u64) -> u64 {
        self.growth(|sample| sample.targets.get(target).map_or(0, |target| counter(&target.counts)))
    }

    /// A control connection was established all the time, and intercept was heard of.
    pub(super) fn is_linked(self) -> bool {
        self.samples().all(Sample::is_linked) && self.growth(Sample::reports) > 0
    }
}
