//! How far the answer to the last released turn has come.

use std::time::Duration;

use common_core::time::Time;

use super::Acknowledged;
use crate::session::pacing::Shortfall;

/// The answer to the turn that was released last.
#[derive(Debug)]
pub(super) struct AnswerProgress {
    pub(super) released: Time,
    /// Send buffer offset where the turn begins. A server that has acknowledged no more than this answers an earlier turn.
    pub(super) begins: u64,
    /// Answer bytes received when the turn was released.
    pub(super) before: u64,
    /// Answer bytes received before this turn's answer began, the rest of earlier answers included.
    pub(super) base: u64,
    /// Answer bytes that should have come before this turn's answer if both servers answer alike. Bytes beyond that are
    /// answers that the client had not read yet when it sent on.
    pub(super) expected: u64,
    pub(super) last_segment: Time,
    /// The last segment had PSH set: it ended a write of the server.
    pub(super) pushed: bool,
    /// Some of the answer has come.
    pub(super) begun: bool,
    /// When the last segment came, the server had acknowledged all that was sent.
    had_all: bool,
    /// Answer bytes received up to the last segment.
    received_last: u64,
    /// The longest pause after which more came although the answer looked ended.
    pause: Option<Pause>,
    /// A probe: this answer gets more time, to find out whether the server pauses.
    pub(super) probes: bool,
    /// The turn was released because the answer before it seemed to have ended. If more of that answer comes, the idle
    /// gap of this kind was too short.
    pub(super) premature: Option<Shortfall>,
    /// When the last segment of the answer before came.
    pub(super) seemed_ended: Time,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    pub(super) length: Duration,
    /// Answer bytes received before it.
    pub(super) received: u64,
}

impl AnswerProgress {
    /// A turn that begins at send buffer offset `begins` is released; `received` answer bytes have come so far.
    pub(super) fn new(now: Time, begins: u64, received: u64, expected: u64, probes: bool) -> Self {
        Self {
            released: now,
            begins,
            before: received,
            base: received,
            expected,
            last_segment: now,
            pushed: false,
            begun: false,
            had_all: false,
            received_last: received,
            pause: None,
            probes,
            premature: None,
            seemed_ended: now,
        }
    }

    /// More of the answer has come. Returns the time from the turn to the first byte of its answer, if this is the first.
    pub(super) fn receive(
        &mut self,
        now: Time,
        received: u64,
        acknowledged: Acknowledged,
        pushed: bool,
    ) -> Option<Duration> {
        if self.looks_ended() {
            let length = now.since(self.last_segment);
            if self.pause.is_none_or(|longest| length > longest.length) {
                self.pause = Some(Pause { length, received: self.received_last });
            }
        }
        let response = (!self.begun).then(|| now.since(self.released));
        self.received_last = received;
        self.pushed = pushed;
        self.begun = true;
        self.had_all = acknowledged.all;
        response
    }

    /// The answer looks whole: its last segment was pushed, and the server had acknowledged all when it sent it.
    pub(super) fn looks_ended(&self) -> bool {
        self.begun && self.pushed && self.had_all
    }

    pub(super) fn pause(&self) -> Option<Pause> {
        self.pause.filter(|pause| !pause.length.is_zero())
    }

    /// Bytes of the answer so far.
    pub(super) fn answered(&self, received: u64) -> u64 {
        received.saturating_sub(self.base)
    }

    /// Bytes that the answer lacks, compared with the bytes that the client had read.
    pub(super) fn missing(&self, acked_bytes: u32, received: u64) -> u64 {
        u64::from(acked_bytes).saturating_sub(self.answered(received))
    }
}
