//! What each worker contributes to the account.

use serde::Serialize;

use super::{CaptureAccount, InjectAccount, LinkAccount};
use crate::ledger::Ledger;

/// The account of one worker.
#[derive(Debug, Clone, Default)]
pub struct WorkerStats {
    /// Its engine's.
    pub ledger: Ledger,
    /// Of its capture sockets.
    pub capture: CaptureAccount,
    /// Of its injector.
    pub inject: InjectAccount,
    /// Its links, in the order of `-s`.
    pub links: Vec<LinkAccount>,
}

impl WorkerStats {
    /// All of them together; nothing for none.
    #[must_use]
    pub fn sum(parts: &[Self]) -> Self {
        let Some((first, others)) = parts.split_first() else { return Self::default() };
        others.iter().fold(first.clone(), |mut sum, part| {
            sum.ledger += &part.ledger;
            sum.capture.kernel_received += part.capture.kernel_received;
            sum.capture.kernel_dropped += part.capture.kernel_dropped;
            sum.capture.unread += part.capture.unread;
            sum.inject.sent += part.inject.sent;
            sum.inject.failed.extend(&part.inject.failed);
            sum.links.iter_mut().zip(&part.links).for_each(|(link, other)| link.join(other));
            sum
        })
    }
}

impl LinkAccount {
    /// Takes in the link of another worker to the same intercept: what went worst counts.
    fn join(&mut self, other: &Self) {
        self.up &= other.up;
        self.connects = self.connects.max(other.connects);
        self.lost = self.lost.max(other.lost);
        self.last_problem = self.last_problem.take().or_else(|| other.last_problem.clone());
        // Each link is told of the whole intercept, not all at the same moment.
        let latest = [self.statistics, other.statistics].into_iter().flatten();
        self.statistics = latest.max_by_key(|statistics| statistics.captured);
    }
}

/// A worker in few words: whether they all have their share of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WorkerAccount {
    /// Whether its ledger's sums hold.
    pub balanced: bool,
    /// Packets captured.
    pub packets: u64,
    /// Sessions begun.
    pub sessions: u64,
    /// Client payload replayed.
    pub bytes_replayed: u64,
    /// Packets that its capture buffers had no room for.
    pub kernel_dropped: u64,
}

impl From<&WorkerStats> for WorkerAccount {
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

    use super::super::InterceptAccount;
    use super::*;

    fn link(up: bool, captured: u64) -> LinkAccount {
        let statistics = Some(InterceptAccount { captured, ..InterceptAccount::default() });
        LinkAccount { up, connects: 1, statistics, ..LinkAccount::default() }
    }

    #[test]
    fn parts_add_up() {
        let mut parts = [WorkerStats::default(), WorkerStats::default()];
        for (part, count) in parts.iter_mut().zip([1, 10]) {
            part.ledger.tcp.answers = count;
            part.capture = CaptureAccount { kernel_received: count, kernel_dropped: count, unread: count };
            part.inject.sent = count;
            part.inject.failed.add(&Errno::EPERM.into(), 1);
        }
        parts[0].links = vec![link(true, 5), link(true, 7)];
        parts[1].links = vec![link(true, 6), link(false, 7)];
        let sum = WorkerStats::sum(&parts);
        assert_eq!(sum.ledger.tcp.answers, 11);
        assert_eq!(sum.capture, CaptureAccount { kernel_received: 11, kernel_dropped: 11, unread: 11 });
        assert_eq!((sum.inject.sent, sum.inject.failed.total()), (11, 2));
        let links: Vec<_> = sum
            .links
            .iter()
            .map(|link| (link.up, link.connects, link.statistics.map(|statistics| statistics.captured)))
            .collect();
        assert_eq!(links, [(true, 1, Some(6)), (false, 1, Some(7))]);
    }
}
