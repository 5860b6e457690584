//! The limit of datagrams in a second: nothing slows UDP down by itself, as acknowledgements do with TCP.

use std::time::Duration;

use common_core::time::Time;

/// A bucket of permissions. It holds those of a tenth of a second, so that bursts of that length pass.
#[derive(Debug)]
pub(super) struct Pace {
    /// Microseconds of the bucket for one datagram, times 1000.
    each: u64,
    /// The bucket is full at this time, in the same unit.
    full_at: u64,
}

/// What the bucket holds.
const BURST: Duration = Duration::from_millis(100);

impl Pace {
    /// So many datagrams in a second; at least one.
    pub(super) fn new(rate: u32) -> Self {
        Self { each: 1_000_000_000 / u64::from(rate.max(1)), full_at: 0 }
    }

    /// Whether another datagram may be sent.
    pub(super) fn admits(&mut self, now: Time) -> bool {
        let now = now.as_micros() * 1000;
        let burst = u64::try_from(BURST.as_nanos()).unwrap_or(u64::MAX).max(self.each);
        let full_at = self.full_at.max(now) + self.each;
        let admitted = full_at <= now + burst;
        if admitted {
            self.full_at = full_at;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(pace: &mut Pace, micros: u64, tries: u32) -> usize {
        (0..tries).filter(|_| pace.admits(Time::from_micros(micros))).count()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut pace = Pace::new(1000);
        assert_eq!(admitted(&mut pace, 0, 1000), 100);
        let of_a_second: usize = (1..=1000).map(|ms| admitted(&mut pace, ms * 1000, 10)).sum();
        assert_eq!(of_a_second, 1000);
        assert_eq!(admitted(&mut pace, 10_000_000, 1000), 100, "a pause is no credit for more");
    }

    #[test]
    fn the_smallest_rate_lets_one_pass() {
        let mut pace = Pace::new(1);
        assert_eq!(admitted(&mut pace, 0, 10), 1);
        assert_eq!(admitted(&mut pace, 999_999, 10), 0);
        assert_eq!(admitted(&mut pace, 1_000_000, 10), 1);
    }
}
