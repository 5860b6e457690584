//! Whether a session was replayed whole.

use crate::ledger::DropReason;

/// The first loss of a session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outcome(Option<DropReason>);

impl Outcome {
    /// Something was lost.
    pub(super) fn lost(&mut self, reason: DropReason) {
        self.0.get_or_insert(reason);
    }

    /// Why the session was not replayed whole; `None` if it was.
    pub(super) fn reason(self) -> Option<DropReason> {
        self.0
    }
}
