//! How long a test server's answers are where the online server's are of a certain length: the same page, most likely.

/// Lengths that are remembered.
const PLACES: usize = 64;

/// Answers of the same length in a row that tell the length of the next.
const ENOUGH: u8 = 8;

/// Answers of another length that make it forgotten weigh as much as so many of the same.
const DIFFERENT: u8 = 16;

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    online: u32,
    test: u64,
    /// How often it was right.
    right: u8,
}

/// A table of both servers' lengths; what falls into the same place takes it over in time.
#[derive(Debug)]
pub(super) struct Lengths([Known; PLACES]);

impl Default for Lengths {
    fn default() -> Self {
        Self([Known::default(); PLACES])
    }
}

impl Lengths {
    /// What the test server answers where the online server has answered so much, if it is always the same.
    pub(super) fn of(&self, online: u32) -> Option<u64> {
        let known = self.0.get(place(online))?;
        (known.online == online && known.right >= ENOUGH).then_some(known.test)
    }

    /// The test server has answered `test` bytes where the online server had answered `online`.
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
    // The upper bits of a product are spread well.
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
