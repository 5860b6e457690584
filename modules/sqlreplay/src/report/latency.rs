//! Durations of statements, recorded and replayed, for each fingerprint.

use std::collections::HashMap;
use std::sync::Arc;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::Played;
use crate::recording::Micros;

/// More fingerprints are counted as one.
const FINGERPRINTS_MAX: usize = 1000;

/// Stands for those.
const OTHERS: &str = "(other statements)";

/// A day, in microseconds: longer durations count as this.
const LONGEST: u64 = 86_400_000_000;

/// Microseconds, with an error of a percent.
#[derive(Debug)]
struct Times(Histogram<u32>);

impl Default for Times {
    fn default() -> Self {
        // The bounds are constants that are valid.
        #[expect(clippy::expect_used, reason = "valid constants")]
        Self(Histogram::new_with_bounds(1, LONGEST, 2).expect("valid bounds"))
    }
}

/// See [`percentiles`](Times::percentiles): in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many there are.
    pub count: u64,
    /// Half of them are not greater.
    pub p50: f64,
    /// 95 of 100 are not greater.
    pub p95: f64,
    /// 99 of 100 are not greater.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
}

impl Times {
    fn add(&mut self, time: Micros) {
        self.0.saturating_record(time.0.min(LONGEST));
    }

    fn percentiles(&self) -> Option<Percentiles> {
        let millis = |quantile: f64| self.0.value_at_quantile(quantile) as f64 / 1e3;
        (!self.0.is_empty()).then(|| Percentiles {
            count: self.0.len(),
            p50: millis(0.5),
            p95: millis(0.95),
            p99: millis(0.99),
            max: self.0.max() as f64 / 1e3,
        })
    }
}

#[derive(Debug, Default)]
struct Pair {
    recorded: Times,
    replayed: Times,
}

/// All durations.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    fingerprints: HashMap<Arc<str>, Pair>,
    behind: Option<Times>,
    lag: Option<Times>,
}

/// A fingerprint's durations.
#[derive(Debug, Serialize)]
pub(super) struct OfFingerprint<'r> {
    pub(super) statement: &'r str,
    pub(super) recorded: Option<Percentiles>,
    pub(super) replayed: Option<Percentiles>,
    /// The median now, of the recorded one.
    pub(super) ratio: Option<f64>,
}

impl Latencies {
    pub(super) fn add(&mut self, played: &Played) {
        self.lag.get_or_insert_default().add(played.lag);
        if let Some(behind) = played.behind {
            self.behind.get_or_insert_default().add(behind);
        }
        let Some(fingerprint) = played.fingerprint.as_ref().filter(|_| played.executions > 0) else { return };
        let is_full =
            self.fingerprints.len() >= FINGERPRINTS_MAX && !self.fingerprints.contains_key(fingerprint);
        let pair = match is_full {
            true => self.fingerprints.entry(OTHERS.into()).or_default(),
            false => match self.fingerprints.get_mut(fingerprint) {
                Some(pair) => pair,
                None => self.fingerprints.entry(Arc::clone(fingerprint)).or_default(),
            },
        };
        pair.replayed.add(played.took);
        if let Some(recorded) = played.recorded {
            pair.recorded.add(recorded);
        }
    }

    pub(super) fn behind(&self) -> Option<Percentiles> {
        self.behind.as_ref().and_then(Times::percentiles)
    }

    pub(super) fn lag(&self) -> Option<Percentiles> {
        self.lag.as_ref().and_then(Times::percentiles)
    }

    /// Those first whose statements together have become slowest.
    pub(super) fn worst_first(&self) -> Vec<OfFingerprint<'_>> {
        let mut all: Vec<_> = self
            .fingerprints
            .iter()
            .map(|(statement, pair)| {
                let (recorded, replayed) = (pair.recorded.percentiles(), pair.replayed.percentiles());
                let ratio = recorded.zip(replayed).map(|(before, now)| now.p50 / before.p50.max(0.001));
                OfFingerprint { statement, recorded, replayed, ratio }
            })
            .collect();
        let weight = |it: &OfFingerprint<'_>| {
            let total = |it: Option<Percentiles>| it.map_or(0.0, |it| it.p50 * it.count as f64);
            total(it.replayed) - total(it.recorded)
        };
        all.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then(a.statement.cmp(b.statement)));
        all
    }
}
