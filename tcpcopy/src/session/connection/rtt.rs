//! Round-trip time and retransmission time-out (RFC 6298).

use std::time::Duration;

/// Above Linux's delayed acknowledgement (40 ms) and the scheduling delay of a busy host; below the delay that a copy
/// can make up for. RFC 6298 asks for a second on the open Internet; this path is within a data centre, and its load is
/// test traffic.
const RTO_MIN: Duration = Duration::from_millis(100);

/// The time-out before the first measurement.
const RTO_START: Duration = Duration::from_millis(250);

/// The longest time-out.
pub(super) const RTO_MAX: Duration = Duration::from_secs(2);

/// The end of back-off, unless the path is slower: a test server or a link that comes back should be noticed soon.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The estimator of one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rtt {
    smoothed: Duration,
    variation: Duration,
    backoff: u32,
    measured: bool,
}

impl Rtt {
    pub(super) fn new() -> Self {
        Self { smoothed: Duration::ZERO, variation: Duration::ZERO, backoff: 0, measured: false }
    }

    /// A segment that was sent once was acknowledged after `sample` (section 2; the caller obeys section 3).
    pub(super) fn measure(&mut self, sample: Duration) {
        if self.measured {
            let error = self.smoothed.abs_diff(sample);
            self.variation = (self.variation * 3 + error) / 4;
            self.smoothed = (self.smoothed * 7 + sample) / 8;
        } else {
            self.smoothed = sample;
            self.variation = sample / 2;
            self.measured = true;
        }
    }

    /// The time-out, back-off included.
    pub(super) fn timeout(&self) -> Duration {
        let base = if self.measured { (self.smoothed + self.variation * 4).max(RTO_MIN) } else { RTO_START };
        match self.backoff {
            0 => base.min(RTO_MAX),
            backoff => base.saturating_mul(1 << backoff.min(16)).min(BACKOFF_MAX.max(base)).min(RTO_MAX),
        }
    }

    /// A time-out passed (section 5.5).
    pub(super) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// New data was acknowledged, or the path is new.
    pub(super) fn restart(&mut self) {
        self.backoff = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_is_bounded_on_both_sides() {
        let mut rtt = Rtt::new();
        assert_eq!(rtt.timeout(), RTO_START);
        rtt.measure(Duration::from_micros(100));
        assert_eq!(rtt.timeout(), RTO_MIN);
        rtt.back_off();
        assert_eq!(rtt.timeout(), RTO_MIN * 2);
        for _ in 0..100 {
            rtt.back_off();
        }
        assert_eq!(rtt.timeout(), BACKOFF_MAX);
        rtt.restart();
        for _ in 0..50 {
            rtt.measure(Duration::from_secs(3));
        }
        assert_eq!(rtt.timeout(), RTO_MAX);
        let mut rtt = Rtt::new();
        for _ in 0..50 {
            rtt.measure(Duration::from_millis(200));
        }
        assert!(rtt.timeout() >= Duration::from_millis(200) && rtt.timeout() < Duration::from_millis(250));
    }
}
