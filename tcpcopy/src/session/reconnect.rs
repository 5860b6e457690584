//! The connections that a session opens one after the other.

use std::time::Duration;

use common_core::time::Time;

use crate::ledger::DropReason;

/// How long after a refusal a session tries no new connection.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Reconnect {
    /// Connections that the test server accepted.
    accepted: u32,
    /// Client bytes were acknowledged on the present connection, or a module prepared it.
    fruitful: bool,
    /// The turn at the front of the send buffer is on its second connection.
    sent_again: bool,
    /// No new connection is tried before this time.
    retry_at: Time,
    last_refusal: DropReason,
}

impl Reconnect {
    pub(super) fn new() -> Self {
        Self {
            accepted: 0,
            fruitful: false,
            sent_again: false,
            retry_at: Time::ZERO,
            last_refusal: DropReason::NoAnswer,
        }
    }

    /// The test server accepted a connection. True if it is not the first one.
    pub(super) fn accepted(&mut self) -> bool {
        self.accepted += 1;
        self.fruitful = false;
        self.accepted > 1
    }

    /// The test server accepted a connection only to refuse service on it.
    pub(super) fn not_accepted(&mut self) {
        self.accepted = self.accepted.saturating_sub(1);
    }

    /// The test server has accepted no connection.
    pub(super) fn is_first(&self) -> bool {
        self.accepted == 0
    }

    /// The test server acknowledged something; `fruitful` if that was client bytes, or the module is ready.
    pub(super) fn acknowledged(&mut self, fruitful: bool) {
        self.sent_again = false;
        self.fruitful |= fruitful;
    }

    /// The present connection has brought the session on: another one is worth a try.
    pub(super) fn is_fruitful(&self) -> bool {
        self.fruitful
    }

    /// The connection was reset with a turn in progress. True if the turn may be sent again on another connection:
    /// `possible`, and not done before.
    pub(super) fn send_again(&mut self, possible: bool) -> bool {
        self.sent_again = possible && !self.sent_again;
        self.sent_again
    }

    /// No new connection is tried for a while; turns that are released until then are dropped for `reason`.
    pub(super) fn refused(&mut self, now: Time, reason: DropReason) {
        self.last_refusal = reason;
        self.retry_at = now + RETRY_AFTER;
    }

    /// The reason why no new connection is tried now.
    pub(super) fn refusal(&self, now: Time) -> Option<DropReason> {
        (now < self.retry_at).then_some(self.last_refusal)
    }

    pub(super) fn last_refusal(&self) -> DropReason {
        self.last_refusal
    }

    /// The test server may be back: a new connection may be tried at once.
    pub(super) fn retry(&mut self, now: Time) {
        self.retry_at = self.retry_at.min(now);
    }
}
