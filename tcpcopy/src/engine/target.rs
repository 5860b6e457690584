//! What the sessions of one transfer have learnt about its test server.

use crate::session::Pacing;

/// Shared by all sessions of one transfer in one engine: what one session finds out, the next need not.
#[derive(Debug, Default)]
pub(crate) struct Target {
    /// How it answers.
    pub(crate) pacing: Pacing,
}
