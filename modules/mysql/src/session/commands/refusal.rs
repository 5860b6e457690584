//! Commands that production may refuse and the test server would execute, because privileges differ: they wait for the online
//! server's answer.
//!
//! Of its answers, errors are captured. So a command was not refused if the client went on and no error came before that, or if
//! none has come for a while.

use std::time::Duration;

use module_kit::Time;

use super::cursor::{Commands, Stop};

/// An error comes within this time, from when the command was captured.
const ERROR_WITHIN: Duration = Duration::from_millis(250);

/// A command waits no longer than this, whatever else does not come.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Whether the online server has refused the command that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::session) enum OnlineVerdict {
    /// No command waits.
    #[default]
    NotAwaited,
    /// One waits that was captured at the first time, since the second.
    Awaited(Time, Time),
    Refused,
}

impl OnlineVerdict {
    pub(in crate::session) fn is_awaited(self) -> bool {
        matches!(self, Self::Awaited(..))
    }

    /// The online server has answered something with an error.
    pub(in crate::session) fn error(&mut self) {
        if self.is_awaited() {
            *self = Self::Refused;
        }
    }
}

impl Commands<'_, '_> {
    /// Whether the online server has refused the present command.
    pub(super) fn is_refused_online(&mut self) -> Result<bool, Stop> {
        let Some(online) = &self.cx.online else { return Ok(false) };
        let moment = self.edits.actions().moment();
        let (captured, since) = match self.cx.online_verdict {
            OnlineVerdict::Refused => return Ok(true),
            OnlineVerdict::NotAwaited if self.cx.held && online.has_early_error() => {
                self.cx.online_verdict = OnlineVerdict::Refused;
                return Ok(true);
            }
            OnlineVerdict::NotAwaited => (moment.captured, moment.now),
            OnlineVerdict::Awaited(captured, since) => (captured, since),
        };
        self.cx.online_verdict = OnlineVerdict::Awaited(captured, since);
        // What the client had read before it began a later turn is known once that turn is due.
        let goes_on = moment.captured > captured;
        let is_silent = moment.now >= captured + ERROR_WITHIN && moment.next_captured.is_none();
        if goes_on || is_silent || moment.now >= since + WAIT_MAX {
            return Ok(false);
        }
        if self.ready.answers.is_quiet() {
            // The next turn is due, and the errors before it.
            self.edits.actions().answered();
        }
        let again =
            if moment.now < captured + ERROR_WITHIN { captured + ERROR_WITHIN } else { since + WAIT_MAX };
        self.edits.actions().call_again_at(again);
        Err(Stop::Wait)
    }
}
