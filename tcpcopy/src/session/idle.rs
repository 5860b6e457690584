//! Sessions that have nothing to do: when there is no room for newer ones, they make it.

use std::time::Duration;

use common_core::time::Time;

use crate::ledger::DropReason;
use crate::session::{Context, Phase, Session};

/// A client that says nothing for so long is not about to speak.
pub(crate) const SILENCE: Duration = Duration::from_secs(1);

/// What little is lost with a session that has nothing to do; the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Idle {
    /// Its client has opened the connection, and not said a word: a forged SYN, perhaps.
    Silent,
    /// Joined in mid-stream, and nothing was said after that: a forged segment, perhaps.
    Joined,
    /// All that its client has said is replayed.
    Replayed,
}

impl Session {
    /// The session has nothing to do, and since when its client has been silent; `None` if something is to be replayed,
    /// or may be in a moment.
    pub(crate) fn idle(&self, now: Time) -> Option<(Idle, Time)> {
        if now <= self.last_client + SILENCE {
            return None;
        }
        let idle = if self.client_stream.is_silent() {
            Idle::Silent
        } else if self.pending_bytes() > 0 || self.is_stalled() {
            return None;
        } else if self.client_stream.is_joined() && self.last_client == self.began {
            Idle::Joined
        } else {
            Idle::Replayed
        };
        Some((idle, self.last_client))
    }

    /// Ends the session at once: it makes room for a newer one.
    pub(crate) fn displace(&mut self, cx: &mut Context<'_>) {
        if self.phase != Phase::Finished {
            self.first_drop.get_or_insert(DropReason::Displaced);
        }
        self.abort(cx, DropReason::Displaced);
    }
}
