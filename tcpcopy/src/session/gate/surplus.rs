//! Answer bytes of the test server beyond those that the client had read.

use crate::session::pacing::Length;

/// A client that has caught up exactly this often did not do so by chance: both servers answer alike.
const CAUGHT_UP: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Surplus {
    /// Answer bytes beyond those that the client had read, since the test server was behind last.
    bytes: u64,
    /// How often the surplus has gone down to exactly 0: the client sent on while it was reading, and has caught up.
    caught_up: u8,
}

impl Surplus {
    pub(super) fn is_zero(&self) -> bool {
        self.bytes == 0
    }

    /// The client pipelines, and both servers answer alike.
    pub(super) fn has_caught_up(&self) -> bool {
        self.caught_up >= CAUGHT_UP
    }

    /// Counting starts anew.
    pub(super) fn reset(&mut self) {
        self.bytes = 0;
    }

    /// The client had read `acked_bytes` answer bytes, and the test server sent `fresh` ones.
    pub(super) fn settle(&mut self, acked_bytes: u64, fresh: u64) -> Length {
        let before = self.bytes;
        let left = (before + fresh).checked_sub(acked_bytes);
        self.bytes = left.unwrap_or(0);
        match left {
            None => {
                self.caught_up = 0;
                Length::Shorter
            }
            Some(0) => {
                if before > 0 {
                    self.caught_up = self.caught_up.saturating_add(1);
                }
                Length::Equal
            }
            Some(left) if left > before => Length::Longer,
            Some(left) if left < before => Length::CaughtUp,
            Some(_) => Length::Behind,
        }
    }
}
