//! Figures that are no counts: a present value, or the largest one.

use std::ops::AddAssign;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// The largest value; of several workers, the largest of all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Largest(pub u64);

impl Largest {
    /// Takes another value into account.
    pub fn note(&mut self, value: u64) {
        self.0 = self.0.max(value);
    }
}

impl AddAssign<&Self> for Largest {
    fn add_assign(&mut self, other: &Self) {
        self.note(other.0);
    }
}

/// A step of the estimate, as a share of it.
const STEP: u64 = 32;

/// The usual round trip: an estimate of the median, which a few distant clients or slow answers do not move. Reported
/// in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RoundTrip {
    micros: u64,
    samples: u64,
}

impl RoundTrip {
    /// Takes a sample into account.
    pub fn add(&mut self, sample: Duration) {
        let sample = u64::try_from(sample.as_micros()).unwrap_or(u64::MAX);
        let step = (self.micros / STEP).max(1);
        self.micros = if self.samples == 0 {
            sample
        } else if sample > self.micros {
            sample.min(self.micros + step)
        } else {
            sample.max(self.micros - step.min(self.micros))
        };
        self.samples += 1;
    }

    /// The estimate in microseconds; zero before the first sample.
    #[must_use]
    pub fn micros(&self) -> u64 {
        self.micros
    }

    /// The estimate, if it has enough samples to mean something.
    #[must_use]
    pub fn settled(&self) -> Option<Duration> {
        (self.samples >= u64::from(u8::MAX)).then_some(Duration::from_micros(self.micros))
    }
}

/// Each worker weighs as much as it has samples.
impl AddAssign<&Self> for RoundTrip {
    fn add_assign(&mut self, other: &Self) {
        let weigh = |one: &Self| u128::from(one.micros) * u128::from(one.samples);
        let samples = self.samples + other.samples;
        let mean = (weigh(self) + weigh(other)).checked_div(samples.into()).unwrap_or_default();
        *self = Self { micros: u64::try_from(mean).unwrap_or(u64::MAX), samples };
    }
}

impl Serialize for RoundTrip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(samples: impl IntoIterator<Item = u64>) -> RoundTrip {
        let mut round_trip = RoundTrip::default();
        samples.into_iter().for_each(|micros| round_trip.add(Duration::from_micros(micros)));
        round_trip
    }

    #[test]
    fn the_median_is_found_and_kept() {
        assert_eq!(measured([700]).micros(), 700);
        // A tenth of the clients takes a second until its first data; so does the first one.
        let mixed = |n: u64| if n.is_multiple_of(10) { 1_000_000 } else { 20_000 };
        let micros = measured((0..2000).map(mixed)).micros();
        assert!((18_000..24_000).contains(&micros), "{micros}");
        assert_eq!(measured([0, 0, 5, 0]).micros(), 0);
    }

    #[test]
    fn few_samples_say_nothing() {
        assert_eq!(measured([700; 254]).settled(), None);
        assert_eq!(measured([700; 255]).settled(), Some(Duration::from_micros(700)));
    }

    #[test]
    fn workers_are_weighed() {
        let mut sum = measured([100; 30]);
        sum += &measured([500; 10]);
        assert_eq!((sum.micros(), sum.samples), (200, 40));
        sum += &RoundTrip::default();
        assert_eq!(sum.micros(), 200);
        let mut largest = Largest(3);
        largest += &Largest(2);
        assert_eq!(largest, Largest(3));
    }
}
