//! Sets of stream offsets, as ranges.

use std::iter;
use std::ops::Range;

/// Ranges in ascending order. None is empty, and none touches another.
#[derive(Debug, Default)]
pub(super) struct RangeSet(Vec<Range<u64>>);

impl RangeSet {
    pub(super) fn contains(&self, offset: u64) -> bool {
        self.0.iter().any(|range| range.contains(&offset))
    }

    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let from = self.0.partition_point(|known| known.end < range.start);
        let to = self.0.partition_point(|known| known.start <= range.end);
        let joined = &self.0[from..to];
        let start = joined.first().map_or(range.start, |first| first.start.min(range.start));
        let end = joined.last().map_or(range.end, |last| last.end.max(range.end));
        self.0.splice(from..to, iter::once(start..end));
    }

    /// Removes all in `range`; returns how many offsets of it were in the set.
    pub(super) fn remove(&mut self, range: Range<u64>) -> u64 {
        let from = self.0.partition_point(|known| known.end <= range.start);
        let to = self.0.partition_point(|known| known.start < range.end);
        if range.is_empty() || from >= to {
            return 0;
        }
        let hit = &self.0[from..to];
        let removed = hit.iter().map(|known| known.end.min(range.end) - known.start.max(range.start)).sum();
        let left = [hit[0].start..range.start, range.end..hit[hit.len() - 1].end];
        self.0.splice(from..to, left.into_iter().filter(|part| !part.is_empty()));
        removed
    }

    /// Joins the first ranges, with the offsets between them, until no more than `most` are left.
    pub(super) fn join_first(&mut self, most: usize) {
        while self.0.len() > most.max(1) {
            let first = self.0.remove(0);
            self.0[0].start = first.start;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_is_removed_once() {
        let mut set = RangeSet::default();
        set.insert(10..20);
        set.insert(30..40);
        assert_eq!(set.remove(0..10), 0);
        assert_eq!(set.remove(12..15), 3);
        assert_eq!(set.remove(12..15), 0);
        assert_eq!(set.remove(0..35), 7 + 5);
        assert_eq!(set.remove(0..100), 5);
        assert!(set.0.is_empty());
    }

    #[test]
    fn a_set_can_be_kept_small() {
        let mut set = RangeSet::default();
        set.insert(0..100_000);
        for at in (1..100_000).step_by(2) {
            set.remove(at..at + 1);
            set.join_first(32);
            assert!(set.0.len() <= 32);
        }
    }

    proptest! {
        /// Against a set of single offsets.
        #[test]
        fn ranges_are_a_set(steps in prop::collection::vec((any::<bool>(), 0_u64..60, 0_u64..12), 1..60)) {
            let (mut set, mut expected) = (RangeSet::default(), BTreeSet::new());
            for (inserts, start, length) in steps {
                let range = start..start + length;
                if inserts {
                    set.insert(range.clone());
                    expected.extend(range);
                } else {
                    let removed = range.clone().filter(|offset| expected.remove(offset)).count() as u64;
                    prop_assert_eq!(set.remove(range), removed);
                }
                prop_assert!((0..80).all(|offset| set.contains(offset) == expected.contains(&offset)));
                prop_assert!(set.0.iter().all(|range| !range.is_empty()));
                prop_assert!(set.0.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }

        #[test]
        fn joined_ranges_lose_no_offset(gaps in prop::collection::vec((1_u64..50, 1_u64..50), 1..200)) {
            let (mut set, mut at, mut count) = (RangeSet::default(), 0, 0);
            for (known, gap) in gaps {
                at += known;
                set.insert(at..at + gap);
                set.join_first(32);
                at += gap;
                count += gap;
                prop_assert!(set.0.len() <= 32);
            }
            prop_assert!(set.remove(0..at) >= count);
            prop_assert_eq!(set.remove(0..at), 0);
        }
    }
}
