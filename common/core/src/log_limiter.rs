//! Limits how often the same log line is written.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::time::Time;

/// How many lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lines about one key in one period.
    pub lines: u32,
    /// The period, which begins with the first line about a key. [`Duration::MAX`] never ends.
    pub period: Duration,
    /// Keys remembered. While all of them are in their period, lines about other keys are left out.
    pub keys: usize,
}

/// Decides which log lines are written. Peers and clients cause most lines, so neither the log nor the memory of the
/// limiter may grow with what they do.
#[derive(Debug)]
pub struct LogLimiter<K> {
    limits: Limits,
    periods: HashMap<K, Period>,
}

/// A line that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Lines about the key that were left out since the last one that was written.
    pub left_out: u64,
    /// The next lines about the key are left out until its period ends.
    pub is_last: bool,
}

/// The current period of one key.
#[derive(Debug)]
struct Period {
    began: Time,
    lines: u32,
    left_out: u64,
}

impl<K: Eq + Hash> LogLimiter<K> {
    /// A limiter that has not seen any line.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, periods: HashMap::new() }
    }

    /// Decides about a line at `now` about `key`: `None` if the line is to be left out.
    pub fn admit(&mut self, now: Time, key: K) -> Option<Admitted> {
        let Limits { lines: limit, period: length, .. } = self.limits;
        if self.is_full() && !self.periods.contains_key(&key) {
            self.periods.retain(|_, period| now < period.began + length);
            if self.is_full() {
                return None;
            }
        }
        let period = self.periods.entry(key).or_insert(Period { began: now, lines: 0, left_out: 0 });
        if now >= period.began + length {
            (period.began, period.lines) = (now, 0);
        }
        if period.lines >= limit {
            period.left_out += 1;
            return None;
        }
        period.lines += 1;
        Some(Admitted { left_out: std::mem::take(&mut period.left_out), is_last: period.lines == limit })
    }

    /// As many keys are remembered as there may be: another key gets no line before a period ends.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.periods.len() >= self.limits.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn each_key_has_its_lines_in_each_period() {
        let mut limiter = LogLimiter::new(Limits { lines: 3, period: MINUTE, keys: 10 });
        let admitted: Vec<_> = (0..5).map(|_| limiter.admit(Time::ZERO, "a")).collect();
        let line = |is_last| Some(Admitted { left_out: 0, is_last });
        assert_eq!(admitted, [line(false), line(false), line(true), None, None]);
        assert_eq!(limiter.admit(Time::ZERO, "b"), line(false));
        let next = limiter.admit(Time::ZERO + MINUTE, "a");
        assert_eq!(next, Some(Admitted { left_out: 2, is_last: false }));
        assert_eq!(limiter.admit(Time::ZERO + MINUTE, "a"), line(false), "left out lines are reported once");
    }

    #[test]
    fn a_line_for_ever_is_written_once() {
        let mut limiter = LogLimiter::new(Limits { lines: 1, period: Duration::MAX, keys: 2 });
        assert!(limiter.admit(Time::ZERO, "a").is_some() && !limiter.is_full());
        assert!(limiter.admit(Time::ZERO, "b").is_some() && limiter.is_full());
        for key in ["a", "b", "c"] {
            assert_eq!(limiter.admit(Time::ZERO + MINUTE * 1000, key), None);
        }
    }

    #[test]
    fn keys_without_end_take_no_memory() {
        let mut limiter = LogLimiter::new(Limits { lines: 5, period: MINUTE, keys: 100 });
        for key in 0..1000 {
            assert_eq!(limiter.admit(Time::ZERO, key).is_some(), key < 100);
        }
        assert_eq!(limiter.periods.len(), 100);
        assert!(limiter.admit(Time::ZERO + MINUTE, 1000).is_some());
        assert_eq!(limiter.periods.len(), 1);
    }
}
