//! What the sessions of one transfer have learnt about its test server.

use crate::session::{Pacing, Trials};
use crate::settings::OnReconnect;

/// Shared by all sessions of one transfer in one engine: what one session finds out, the next need not.
#[derive(Debug)]
pub(crate) struct Target {
    /// How it answers.
    pub(crate) pacing: Pacing,
    /// What the user says of its sessions.
    pub(crate) on_reconnect: OnReconnect,
    /// New connections in mid-stream of sessions whose protocol is unknown.
    pub(crate) unknown: Trials,
    /// First connections of sessions that were joined late, whose protocol is stateless.
    pub(crate) joined: Trials,
    /// A session has begun with a preamble (PROXY protocol): the server takes no connection without it.
    pub(crate) wants_preamble: bool,
}

impl Target {
    pub(super) fn new(on_reconnect: OnReconnect) -> Self {
        Self {
            pacing: Pacing::default(),
            on_reconnect,
            unknown: Trials::default(),
            joined: Trials::presumed(),
            wants_preamble: false,
        }
    }
}
