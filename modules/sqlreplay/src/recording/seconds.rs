//! Times in a recording: seconds with six decimals for people, microseconds in the program.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Microseconds; in the file, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Micros(pub u64);

/// Ten years: beyond it a time in a file is a mistake, and sums of times could overflow.
const MAX: f64 = 315_360_000.0;

impl Micros {
    /// The time from `earlier` to this one; zero if it is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds())
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if (0.0..=MAX).contains(&seconds) {
            Ok(Self((seconds * 1e6).round() as u64))
        } else {
            Err(D::Error::custom(format!("{seconds} is no time: it must be 0 to {MAX} seconds")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_were_written() {
        for micros in [0, 1, 10, 999_999, 1_234_567, 86_400_000_001, 315_359_999_999_999] {
            let text = serde_json::to_string(&Micros(micros)).unwrap();
            assert_eq!(serde_json::from_str::<Micros>(&text).unwrap().0, micros, "{text}");
        }
        assert_eq!(serde_json::to_string(&Micros(1_500_000)).unwrap(), "1.5");
        assert_eq!(serde_json::from_str::<Micros>("3").unwrap().0, 3_000_000);
        for bad in ["-1", "1e300", "null", "\"1\""] {
            assert!(serde_json::from_str::<Micros>(bad).is_err(), "{bad}");
        }
    }
}
