//! Pairs of lengths: the online server's answer, and the test server's. The same page has the same two lengths each
//! time, although the servers differ.

/// Pairs that are remembered.
const PLACES: usize = 64;

/// A pair is relied on after this many answers, on balance.
const ENOUGH: u8 = 8;

/// One answer of another length takes away the trust of this many answers of the expected length.
const DIFFERENT: u8 = 16;

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    online: u32,
    test: u64,
    /// How often the pair was right, less [`DIFFERENT`] for each time that it was wrong.
    right: u8,
}

/// The table, by a hash of the online server's length. Of several lengths in one place, the most frequent one takes it
/// over in time.
#[derive(Debug)]
pub(super) struct Lengths([Known; PLACES]);

impl Default for Lengths {
    fn default() -> Self {
        Self([Known::default(); PLACES])
    }
}

impl Lengths {
    /// The length of the test server's answer if the online server's has `online` bytes, and the pair can be relied on.
    pub(super) fn of(&self, online: u32) -> Option<u64> {
        let known = self.0.get(place(online))?;
        (known.online == online && known.right >= ENOUGH).then_some(known.test)
    }

    /// The test server answered `test` bytes, and the online server `online`.
    pub(super) fn learn(&mut self, online: u32, test: u64) {
        let Some(known) = self.0.get_mut(place(online)) else { return };
        if (known.online, known.test) == (online, test) {
            known.right = known.right.saturating_add(1);
        } else if known.right > 0 {
            known.right = known.right.saturating_sub(DIFFERENT);
        } else {
            *known = Known { online, test, right: 1 };
        }
    }
}

fn place(online: u32) -> usize {
    // Multiplicative hashing: the upper bits are well mixed.
    (online.wrapping_mul(0x9e37_79b1) >> 26) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(lengths: &mut Lengths, count: u8, online: u32, test: u64) {
        (0..count).for_each(|_| lengths.learn(online, test));
    }

    #[test]
    fn a_length_that_is_always_the_same_is_known() {
        let mut lengths = Lengths::default();
        learn(&mut lengths, ENOUGH - 1, 1000, 998);
        assert_eq!(lengths.of(1000), None);
        learn(&mut lengths, 1, 1000, 998);
        assert_eq!((lengths.of(1000), lengths.of(1001)), (Some(998), None));
        learn(&mut lengths, 255, 1000, 998);
        learn(&mut lengths, 1, 1000, 500);
        assert_eq!(lengths.of(1000), Some(998), "one that was cut off");
        learn(&mut lengths, 255 / DIFFERENT + 1 + ENOUGH, 1000, 500);
        assert_eq!(lengths.of(1000), Some(500), "the page is another");
    }

    #[test]
    fn lengths_that_vary_are_not() {
        let mut lengths = Lengths::default();
        for test in 0..10_000 {
            lengths.learn(1000, test % 2);
            lengths.learn(test as u32, test / 2);
            assert_eq!(lengths.of(1000), None);
        }
    }

    #[test]
    fn pages_share_a_table_without_harm() {
        let mut lengths = Lengths::default();
        for _ in 0..100 {
            (0..PLACES as u32 / 4).for_each(|page| lengths.learn(1000 * page, u64::from(page)));
        }
        let known = (0..PLACES as u32 / 4).filter_map(|page| Some((page, lengths.of(1000 * page)?)));
        let known: Vec<_> = known.collect();
        assert!(known.iter().all(|(page, test)| u64::from(*page) == *test));
        assert!(known.len() > PLACES / 8, "{} of {} known", known.len(), PLACES / 4);
    }
}
