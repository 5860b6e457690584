//! Whether a session was replayed whole.

use crate::ledger::DropReason;

/// The first loss of a session, and whether the test server has said anything.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outcome {
    lost: Option<DropReason>,
    answered: bool,
}

impl Outcome {
    /// Something was lost.
    pub(super) fn lost(&mut self, reason: DropReason) {
        self.lost.get_or_insert(reason);
    }

    /// Why the session was not replayed whole; `None` if it was.
    pub(super) fn reason(self) -> Option<DropReason> {
        self.lost
    }

    /// The test server has sent payload.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    pub(super) fn is_answered(self) -> bool {
        self.answered
    }
}
