//! Idle sessions make room for new ones.

use std::time::Duration;

use common_core::time::Time;

use crate::ledger::DropReason;
use crate::session::{Context, Phase, Session};

/// A client that has been silent for this time is not about to send.
pub(crate) const SILENCE: Duration = Duration::from_secs(1);

/// How much would be lost with an idle session; the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Idle {
    /// Its client has opened the connection, and sent no data: a forged SYN, perhaps.
    Silent,
    /// It was joined in mid-stream, and nothing followed: a forged segment, perhaps.
    Joined,
    /// All that its client has sent is replayed.
    Replayed,
}

impl Session {
    /// Whether the session is idle, and since when its client has been silent; `None` if something is to be replayed, or may
    /// be in a moment.
    pub(crate) fn idle(&self, now: Time) -> Option<(Idle, Time)> {
        let last_client = self.activity.last_client();
        if now <= last_client + SILENCE {
            return None;
        }
        let idle = if self.client_stream.is_silent() {
            Idle::Silent
        } else if self.pending_bytes() > 0 || self.is_stalled() {
            return None;
        } else if self.client_stream.is_joined() && last_client == self.activity.began() {
            Idle::Joined
        } else {
            Idle::Replayed
        };
        Some((idle, last_client))
    }

    /// Ends the session at once: it makes room for a newer one.
    pub(crate) fn evict(&mut self, cx: &mut Context<'_>) {
        if self.phase != Phase::Finished {
            self.outcome.lost(DropReason::Evicted);
        }
        self.abort(cx, DropReason::Evicted);
    }
}
