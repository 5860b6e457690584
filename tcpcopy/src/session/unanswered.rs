//! Bytes that the test server's TCP has acknowledged, but its application has not answered.
//!
//! They count as replayed, because some streams are never answered. They are taken back if their connection breaks
//! before an answer comes, and the client has read one from the online server: then the test server's application most
//! likely never read them.

use crate::ledger::{DropReason, LedgerWriter};

#[derive(Debug, Default)]
pub(super) struct Unanswered {
    /// Client bytes acknowledged on the present connection since the last answer.
    bytes: u64,
    /// The test server has closed its half: bytes that it acknowledges from now on will not be answered.
    closed: bool,
    /// Client bytes that were unanswered when their connection broke, and the reason.
    broken: Option<(u64, DropReason)>,
    /// How many of these were unanswered before the present trial began.
    before_trial: u64,
    /// Client bytes that were answered but are void if the connection breaks: those of a transaction.
    tentative: u64,
}

impl Unanswered {
    /// The test server has acknowledged more client bytes.
    pub(super) fn acknowledged(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.closed {
            self.give_up(DropReason::ClosedByServer);
        }
    }

    /// The test server has closed its half of the connection before we closed ours.
    pub(super) fn closed_by_server(&mut self) {
        self.closed = true;
        self.give_up(DropReason::ClosedByServer);
    }

    /// The test server has answered. True if there was something to answer. If `tentative`, the bytes are void if the
    /// connection breaks before another answer comes that is not tentative.
    pub(super) fn answered(&mut self, tentative: bool) -> bool {
        let bytes = std::mem::take(&mut self.bytes);
        self.tentative = if tentative { self.tentative + bytes } else { 0 };
        bytes > 0
    }

    /// A connection is opened on trial.
    pub(super) fn trial_begins(&mut self) {
        self.before_trial = self.broken.map_or(0, |(broken, _)| broken);
    }

    /// The caller has taken back the last `bytes` bytes for another reason: they must not be taken back twice.
    pub(super) fn forget(&mut self, bytes: u64) {
        (self.bytes, self.tentative) = (0, 0);
        let before = self.before_trial;
        self.broken = self.broken.map(|(broken, reason)| (broken.saturating_sub(bytes).max(before), reason));
    }

    /// The connection is gone, for `reason`: no answer will come, and tentative answers are void.
    pub(super) fn connection_lost(&mut self, reason: DropReason) {
        self.closed = false;
        self.bytes += std::mem::take(&mut self.tentative);
        self.give_up(reason);
    }

    fn give_up(&mut self, reason: DropReason) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes > 0 {
            let before = self.broken.map_or(0, |(before, _)| before);
            self.broken = Some((before + bytes, reason));
        }
    }

    /// The client has read an answer to all that it sent so far: takes back the bytes whose connection broke before an
    /// answer. Returns how many of these were acknowledged in the trial, and the reason; `None` if there are no such bytes.
    pub(super) fn client_was_answered(&mut self, ledger: &mut LedgerWriter) -> Option<(u64, DropReason)> {
        let before = std::mem::take(&mut self.before_trial);
        let (bytes, reason) = self.broken.take().filter(|(bytes, _)| *bytes > 0)?;
        ledger.take_back(reason, bytes);
        Some((bytes.saturating_sub(before), reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tentative_goes_with_its_connection() {
        let (mut unanswered, mut ledger) = (Unanswered::default(), LedgerWriter::default());
        ledger.capture(100);
        ledger.replay(100);
        for (bytes, tentative) in [(10, true), (20, true), (5, false), (7, true), (8, true)] {
            unanswered.acknowledged(bytes);
            assert!(unanswered.answered(tentative));
        }
        unanswered.connection_lost(DropReason::ClosedByServer);
        assert_eq!(unanswered.client_was_answered(&mut ledger), Some((15, DropReason::ClosedByServer)));
        assert_eq!(ledger.bytes.replayed, 85, "the first transaction was over");
        unanswered.connection_lost(DropReason::ClosedByServer);
        assert_eq!(unanswered.client_was_answered(&mut ledger), None);
    }
}
