//! What each worker contributes to the report.

use serde::Serialize;

use super::{CaptureStats, InjectStats, InterceptStats};
use crate::ledger::{Ledger, TargetCounts};
use crate::offline::FileStats;

/// The counters of one worker.
#[derive(Debug, Clone, Default)]
pub struct WorkerStats {
    /// The ledger of its engine.
    pub ledger: Ledger,
    /// The sum over its capture sockets.
    pub capture: CaptureStats,
    /// The counters of its injector.
    pub inject: InjectStats,
    /// Its control connections, in the order of `-s`.
    pub intercepts: Vec<InterceptStats>,
    /// The reading of capture files, which only a single worker does.
    pub files: Option<FileStats>,
    /// Its counts of each test server, in the order of `-x`.
    pub targets: Vec<TargetCounts>,
}

impl WorkerStats {
    /// The sum over all workers.
    #[must_use]
    pub fn sum(parts: &[Self]) -> Self {
        let Some((first, others)) = parts.split_first() else { return Self::default() };
        others.iter().fold(first.clone(), |mut sum, part| {
            sum.ledger += &part.ledger;
            sum.capture.kernel_received += part.capture.kernel_received;
            sum.capture.kernel_dropped += part.capture.kernel_dropped;
            sum.capture.unread += part.capture.unread;
            if let (Some(mirror), Some(other)) = (&mut sum.capture.mirror, part.capture.mirror) {
                *mirror += other;
            }
            sum.inject.sent += part.inject.sent;
            sum.inject.failed.extend(&part.inject.failed);
            sum.targets.iter_mut().zip(&part.targets).for_each(|(target, other)| *target += other);
            sum.intercepts
                .iter_mut()
                .zip(&part.intercepts)
                .for_each(|(intercept, other)| intercept.merge(other));
            sum
        })
    }
}

impl InterceptStats {
    /// Merges another worker's control connection to the same intercept: the worse value counts.
    fn merge(&mut self, other: &Self) {
        self.connected &= other.connected;
        self.connects = self.connects.max(other.connects);
        self.disconnects = self.disconnects.max(other.disconnects);
        self.last_error = self.last_error.take().or_else(|| other.last_error.clone());
        // Each worker receives the totals of the whole intercept, but not at the same moment.
        self.reports = self.reports.min(other.reports);
        let latest = [self.statistics, other.statistics].into_iter().flatten();
        self.statistics = latest.max_by_key(|statistics| statistics.captured);
    }
}

/// The part of one worker in brief, which shows whether the load is balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WorkerSummary {
    /// Whether its ledger's sums hold.
    pub balanced: bool,
    /// Packets captured.
    pub packets: u64,
    /// Sessions started.
    pub sessions: u64,
    /// Client payload replayed.
    pub bytes_replayed: u64,
    /// Packets dropped because its capture buffers were full.
    pub kernel_dropped: u64,
}

impl From<&WorkerStats> for WorkerSummary {
    fn from(part: &WorkerStats) -> Self {
        Self {
            balanced: part.ledger.balances(),
            packets: part.ledger.packets.captured,
            sessions: part.ledger.sessions.seen,
            bytes_replayed: part.ledger.bytes.replayed,
            kernel_dropped: part.capture.kernel_dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::super::InterceptCounters;
    use super::*;
    use crate::mirror::MirrorStats;

    fn intercept(connected: bool, captured: u64) -> InterceptStats {
        let statistics = Some(InterceptCounters { captured, ..InterceptCounters::default() });
        InterceptStats { connected, connects: 1, statistics, ..InterceptStats::default() }
    }

    #[test]
    fn parts_add_up() {
        let mut parts = [WorkerStats::default(), WorkerStats::default()];
        for (part, count) in parts.iter_mut().zip([1, 10]) {
            part.ledger.tcp.segments_received = count;
            let mirror = Some(MirrorStats { tunnelled: count, repeated: count, foreign: count });
            part.capture =
                CaptureStats { kernel_received: count, kernel_dropped: count, unread: count, mirror };
            part.inject.sent = count;
            part.inject.failed.add(&Errno::EPERM.into(), 1);
        }
        parts[0].intercepts = vec![intercept(true, 5), intercept(true, 7)];
        parts[1].intercepts = vec![intercept(true, 6), intercept(false, 7)];
        let sum = WorkerStats::sum(&parts);
        assert_eq!(sum.ledger.tcp.segments_received, 11);
        let mirror = Some(MirrorStats { tunnelled: 11, repeated: 11, foreign: 11 });
        let expected = CaptureStats { kernel_received: 11, kernel_dropped: 11, unread: 11, mirror };
        assert_eq!(sum.capture, expected);
        assert_eq!((sum.inject.sent, sum.inject.failed.total()), (11, 2));
        let intercepts: Vec<_> = sum
            .intercepts
            .iter()
            .map(|merged| {
                (merged.connected, merged.connects, merged.statistics.map(|statistics| statistics.captured))
            })
            .collect();
        assert_eq!(intercepts, [(true, 1, Some(6)), (false, 1, Some(7))]);
    }
}
