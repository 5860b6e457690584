//! What the test server's TCP has acknowledged, and its application has not answered yet.
//!
//! Such bytes count as replayed, for there are streams that nobody ever answers. They are taken back if the connection
//! breaks before the answer came, and the client turns out to have read one from the online server.

use crate::ledger::{DropReason, Ledger};

#[derive(Debug, Default)]
pub(super) struct Unanswered {
    /// Acknowledged on the present connection since the last answer, in bytes of the client.
    bytes: u64,
    /// The test server has closed its half: no answer will come to what it acknowledges from now on.
    closed: bool,
    /// What stood here when a connection broke, and why it did.
    broken: Option<(u64, DropReason)>,
    /// So much of that stood here before the trial under way began.
    before_trial: u64,
    /// Answered, and void if the connection breaks: what a module has in a transaction.
    tentative: u64,
}

impl Unanswered {
    /// The test server acknowledged so many more bytes of the client.
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

    /// The test server answered. True if there was something to answer. What is `tentative` may be taken back, until
    /// something is answered that is not.
    pub(super) fn answered(&mut self, tentative: bool) -> bool {
        let bytes = std::mem::take(&mut self.bytes);
        self.tentative = if tentative { self.tentative + bytes } else { 0 };
        bytes > 0
    }

    /// A connection is opened on trial.
    pub(super) fn trial_begins(&mut self) {
        self.before_trial = self.broken.map_or(0, |(broken, _)| broken);
    }

    /// So many bytes are taken back for another reason: all that were acknowledged in the trial.
    pub(super) fn forget(&mut self, bytes: u64) {
        (self.bytes, self.tentative) = (0, 0);
        let before = self.before_trial;
        self.broken = self.broken.map(|(broken, reason)| (broken.saturating_sub(bytes).max(before), reason));
    }

    /// The connection is gone, for `reason`: no answer will come.
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

    /// The client had read an answer to what it had said so far: what broke before it came was not replayed. Returns the
    /// bytes, how many of them were acknowledged in the trial, and the reason, if anything was taken back.
    pub(super) fn client_was_answered(&mut self, ledger: &mut Ledger) -> Option<(u64, u64, DropReason)> {
        let before = std::mem::take(&mut self.before_trial);
        let (bytes, reason) = self.broken.take().filter(|(bytes, _)| *bytes > 0)?;
        ledger.bytes.replayed -= bytes;
        ledger.bytes.dropped.add(reason, bytes);
        Some((bytes, bytes.saturating_sub(before), reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tentative_goes_with_its_connection() {
        let (mut unanswered, mut ledger) = (Unanswered::default(), Ledger::default());
        ledger.bytes.replayed = 100;
        for (bytes, tentative) in [(10, true), (20, true), (5, false), (7, true), (8, true)] {
            unanswered.acknowledged(bytes);
            assert!(unanswered.answered(tentative));
        }
        unanswered.connection_lost(DropReason::ClosedByServer);
        assert_eq!(unanswered.client_was_answered(&mut ledger), Some((15, 15, DropReason::ClosedByServer)));
        assert_eq!(ledger.bytes.replayed, 85, "the first transaction was over");
        unanswered.connection_lost(DropReason::ClosedByServer);
        assert_eq!(unanswered.client_was_answered(&mut ledger), None);
    }
}
