//! What the sessions of one transfer have learnt about its test server.

use common::time::Time;

/// Shared by all sessions of one transfer in one engine: what one session finds out, the next need not.
#[derive(Debug, Default)]
pub(crate) struct Target {
    /// The last question that the transfer's online server has answered; 0 if none.
    pub(crate) question: u64,
    /// All that was captured before its answer came had been read by then.
    pub(crate) answered: Time,
}
