//! How long a session waits for an answer that may not come.
//!
//! The middle of a request can look like a turn: a client that pipelines reads answers while it writes. No server answers
//! half a request. So each wait in vain shortens the timeout, and answered turns lengthen it again.

use std::time::Duration;

const START: Duration = Duration::from_secs(5);
const MIN: Duration = Duration::from_millis(5);

/// Consecutive answered turns after which a shortened timeout doubles again.
const ANSWERS_TO_RECOVER: u8 = 16;

#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerTimeout {
    micros: u32,
    /// Turns answered since the timeout changed last.
    answers: u8,
}

impl AnswerTimeout {
    pub(super) const START: Duration = START;
    pub(super) const MIN: Duration = MIN;
    #[cfg(test)]
    pub(super) const ANSWERS_TO_RECOVER: u8 = ANSWERS_TO_RECOVER;

    pub(super) fn new() -> Self {
        Self { micros: START.as_micros() as u32, answers: 0 }
    }

    pub(super) fn get(self) -> Duration {
        Duration::from_micros(self.micros.into())
    }

    fn set(&mut self, timeout: Duration) {
        self.micros = timeout.clamp(MIN, START).as_micros() as u32;
        self.answers = 0;
    }

    /// A wait was in vain.
    pub(super) fn timed_out(&mut self) {
        self.set(self.get() / 4);
    }

    /// A surplus of earlier answers released the turn, although the answer before it was short. `alike`: counting bytes
    /// tells where answers to this client end.
    pub(super) fn released_by_surplus(&mut self, alike: bool) {
        self.set(if alike { self.get().min(START / 4) } else { self.get() / 16 });
    }

    /// A turn was answered.
    pub(super) fn answered(&mut self) {
        if self.get() < START {
            self.answers += 1;
            if self.answers == ANSWERS_TO_RECOVER {
                self.set(self.get() * 2);
            }
        }
    }
}
