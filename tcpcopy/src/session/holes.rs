//! What of a stream was given up as missing: it may come all the same.

use std::ops::Range;

/// Holes that are told apart. Beyond that the oldest two become one, with what lies between them: rather that bytes
/// which come twice are taken for late ones than the other way round.
const HOLES_MAX: usize = 32;

/// Ranges of a stream's positions that were given up, in order, none touching another.
#[derive(Debug, Default)]
pub(super) struct Holes {
    ranges: Vec<Range<u64>>,
}

impl Holes {
    /// All in `range` is given up; it lies behind all that was before.
    pub(super) fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end >= range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
        self.limit();
    }

    /// What is in `range` has come: returns how many bytes of it had been given up, which are known from now on.
    pub(super) fn fill(&mut self, range: Range<u64>) -> u64 {
        if self.ranges.last().is_none_or(|last| last.end <= range.start) {
            return 0;
        }
        let mut filled = 0;
        let mut left = Vec::with_capacity(self.ranges.len() + 1);
        for hole in self.ranges.drain(..) {
            let (start, end) = (hole.start.max(range.start), hole.end.min(range.end));
            if start >= end {
                left.push(hole);
                continue;
            }
            filled += end - start;
            left.extend([hole.start..start, end..hole.end].into_iter().filter(|part| !part.is_empty()));
        }
        self.ranges = left;
        self.limit();
        filled
    }

    fn limit(&mut self) {
        while self.ranges.len() > HOLES_MAX {
            let oldest = self.ranges.remove(0);
            self.ranges[0].start = oldest.start;
        }
    }

    /// The byte at `position` was given up.
    pub(super) fn contain(&self, position: u64) -> bool {
        self.ranges.iter().any(|hole| hole.contains(&position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_comes_late_is_late_once() {
        let mut holes = Holes::default();
        holes.add(10..20);
        holes.add(30..40);
        assert_eq!(holes.fill(0..10), 0);
        assert_eq!(holes.fill(12..15), 3);
        assert_eq!(holes.fill(12..15), 0);
        assert_eq!(holes.fill(0..35), 7 + 5);
        assert_eq!(holes.fill(0..100), 5);
        assert!(holes.ranges.is_empty());
    }

    #[test]
    fn what_comes_late_in_pieces_takes_no_more_room() {
        let mut holes = Holes::default();
        holes.add(0..100_000);
        for at in (1..100_000).step_by(2) {
            holes.fill(at..at + 1);
            assert!(holes.ranges.len() <= HOLES_MAX);
        }
    }

    proptest! {
        #[test]
        fn no_byte_given_up_is_forgotten(gaps in prop::collection::vec((1_u64..50, 1_u64..50), 1..200)) {
            let (mut holes, mut at, mut missing) = (Holes::default(), 0, 0);
            for (known, gap) in gaps {
                at += known;
                holes.add(at..at + gap);
                at += gap;
                missing += gap;
                prop_assert!(holes.ranges.len() <= HOLES_MAX);
            }
            prop_assert!(holes.fill(0..at) >= missing);
            prop_assert_eq!(holes.fill(0..at), 0);
        }
    }
}
