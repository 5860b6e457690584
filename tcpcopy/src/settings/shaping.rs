//! Which sessions are copied.

use std::num::NonZeroU32;
use std::time::Duration;

/// Limits of what is copied. By default everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shaping {
    /// The share of the sessions, in percent, 1 to 100 (`-r`).
    pub percent: u8,
    /// The share begins at zero, and grows by one percent of all sessions in this time (`-g`).
    pub step: Option<Duration>,
    /// The most sessions that begin in a second (`--limit-sessions`).
    pub sessions_a_second: Option<NonZeroU32>,
}

impl Default for Shaping {
    fn default() -> Self {
        Self { percent: 100, step: None, sessions_a_second: None }
    }
}

impl Shaping {
    /// Some sessions may not be copied.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        *self != Self::default()
    }
}
