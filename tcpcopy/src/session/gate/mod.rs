//! Pacing of one connection: decides when a turn may be released, by the answer bytes that its client had read.
//!
//! A client sent its turn after it had read a number of bytes of the answer to the turn before (`acked_bytes`). The copy is
//! released once the test server has answered as much, or its answer has ended although it is shorter (its last segment
//! was pushed, and no more came for an idle gap), or no answer came in time. All sessions of a server share the
//! knowledge about the ends of its answers ([`Pacing`]); the gate keeps what concerns one connection.

mod answer_progress;
mod answer_timeout;
mod judge;
mod surplus;
#[cfg(test)]
mod tests;

use common_core::time::Time;

use self::answer_progress::AnswerProgress;
use self::answer_timeout::AnswerTimeout;
pub(super) use self::judge::Candidate;
use self::surplus::Surplus;
use crate::ledger::ReleaseReason;
use crate::session::pacing::{Pacing, Shortfall};

/// The gate's decision about a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Go(ReleaseReason),
    /// Ask again at this time, or once something is received.
    Wait(Time),
}

/// A released turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Released {
    pub(super) now: Time,
    pub(super) reason: ReleaseReason,
    /// Answer bytes that its client had read since the turn before.
    pub(super) acked_bytes: u32,
    /// Answer bytes received on this connection.
    pub(super) received: u64,
}

/// How much of the send buffer the server has acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acknowledged {
    /// Send buffer offset.
    pub(super) up_to: u64,
    /// That is all that was sent.
    pub(super) all: bool,
}

#[derive(Debug)]
pub(super) struct Gate {
    answering: Option<AnswerProgress>,
    /// The next turn may go whatever has been answered.
    open: Option<ReleaseReason>,
    /// Answer bytes of this connection that the client had read before it sent the last released turn.
    read_by_client: u64,
    surplus: Surplus,
    /// Bytes by which the answer before was short: they may still come, and do not answer the next turn.
    owed: u64,
    /// No rest of an earlier answer can be under way. While this is false, such a rest may be taken for the beginning of
    /// the next answer: its known length does not tell where it ends.
    in_step: bool,
    answer_timeout: AnswerTimeout,
    /// A protocol module has the session, and may speak first on each connection: it logs in, for example.
    with_module: bool,
    /// The module is not ready on this connection: no turn follows the first.
    preparing: bool,
    /// The module will declare the end of the answer to the last turn.
    module_tells: bool,
}

impl Gate {
    /// `with_module` if a protocol module has the session.
    pub(super) fn new(with_module: bool) -> Self {
        Self {
            answering: None,
            open: None,
            read_by_client: 0,
            surplus: Surplus::default(),
            owed: 0,
            in_step: true,
            answer_timeout: AnswerTimeout::new(),
            with_module,
            preparing: with_module,
            module_tells: false,
        }
    }

    /// A turn is released that begins at send buffer offset `begins`.
    pub(super) fn turn_begins(&mut self, begins: u64, turn: Released, pacing: &mut Pacing) {
        let Released { now, reason, acked_bytes, received } = turn;
        let expected = match (&self.answering, reason) {
            (Some(before), ReleaseReason::Answered) => received.min(before.expected + u64::from(acked_bytes)),
            (None, ReleaseReason::AtOnce) => received.min(acked_bytes.into()),
            // The count no longer tells which bytes answer which turn: it starts anew.
            _ => received,
        };
        self.keep_step(turn, pacing);
        self.learn_of_target(turn, pacing);
        self.read_by_client += u64::from(acked_bytes);
        self.learn_answer_timeout(turn, pacing);
        if self.open == Some(ReleaseReason::AtOnce) {
            self.open = None;
        }
        let mut next = AnswerProgress::new(now, begins, received, expected, pacing.probes());
        if let Some(before) = self.answering.as_ref().filter(|before| before.looks_ended()) {
            next.seemed_ended = before.last_segment;
            next.premature = match reason {
                ReleaseReason::AnswerEnded => Some(Shortfall::of(before.missing(acked_bytes, received))),
                ReleaseReason::Answered if !self.is_alike(pacing) => Some(Shortfall::Small),
                _ => None,
            };
        }
        self.answering = Some(next);
        self.module_tells = false;
    }

    /// Prepares for the case that the turn goes too early: the rest of the answer before must not be taken for the answer
    /// to this turn.
    fn keep_step(&mut self, turn: Released, pacing: &Pacing) {
        let Released { now, reason, acked_bytes, received } = turn;
        let Some(before) = &self.answering else { return };
        let answered = before.answered(received);
        let certain = answered == u64::from(acked_bytes) || pacing.length(acked_bytes) == Some(answered);
        let silent = now.since(before.last_segment) >= pacing.probe_time();
        if silent {
            self.in_step = true;
        } else if !certain && pacing.pauses() {
            self.in_step = false;
        }
        let missing = before.missing(acked_bytes, received);
        self.owed = match reason {
            ReleaseReason::AnswerEnded => missing,
            ReleaseReason::Answered if missing == 0 => {
                let owed = (u64::from(acked_bytes) + self.owed).saturating_sub(answered);
                // Bytes that have not come by now will probably never come.
                if silent { owed / 2 } else { owed }
            }
            _ => 0,
        };
    }

    /// The answer to the turn before counts as whole now: compares its length to the online server's, and notes whether the
    /// server paused in it.
    fn learn_of_target(&mut self, turn: Released, pacing: &mut Pacing) {
        let Released { reason, acked_bytes, received, .. } = turn;
        let Some(before) = self.answering.as_ref().filter(|before| before.begun && reason.is_answer()) else {
            return self.surplus.reset();
        };
        if before.looks_ended() {
            pacing.learn_length(acked_bytes, before.answered(received));
        }
        let fresh = received.saturating_sub(before.before);
        pacing.compare(self.surplus.settle(acked_bytes.into(), fresh));
        if let Some(pause) = before.pause() {
            let missing = (before.base + u64::from(acked_bytes)).saturating_sub(pause.received);
            pacing.was_pause(Shortfall::of(missing), pause.length);
        } else if before.looks_ended() {
            pacing.was_end(before.premature.unwrap_or(Shortfall::Small));
        }
    }

    fn learn_answer_timeout(&mut self, turn: Released, pacing: &Pacing) {
        let Released { reason, acked_bytes, received, .. } = turn;
        // An answer that looks ended is no reason to shorten the timeout.
        let by_surplus = self
            .answering
            .as_ref()
            .is_some_and(|before| before.missing(acked_bytes, received) > 0 && !before.looks_ended());
        let alike = self.is_alike(pacing);
        match reason {
            ReleaseReason::Answered if by_surplus => self.answer_timeout.released_by_surplus(alike),
            ReleaseReason::Answered => self.answer_timeout.answered(),
            ReleaseReason::TimedOut => self.answer_timeout.timed_out(),
            _ => {}
        }
    }

    /// Counting bytes tells where answers to this client end.
    fn is_alike(&self, pacing: &Pacing) -> bool {
        self.surplus.has_caught_up() || pacing.is_alike()
    }

    /// The connection is gone: no answer will come, and the first turn of the next one has nothing to wait for.
    pub(super) fn connection_lost(&mut self) {
        self.answering = None;
        self.read_by_client = 0;
        self.surplus.reset();
        self.owed = 0;
        self.in_step = true;
        self.open = Some(ReleaseReason::AtOnce);
        self.preparing = self.with_module;
        self.module_tells = false;
    }

    /// The module is ready: the answer to all that was sent is complete.
    pub(super) fn module_ready(&mut self) {
        self.open = Some(ReleaseReason::ModuleReady);
        self.preparing = false;
        self.module_tells = false;
    }

    /// The module will declare the end of the answer to what it has sent.
    pub(super) fn await_module(&mut self) {
        self.module_tells = true;
    }

    /// The module has sent or taken out all due bytes; the send buffer ends at `end`. If nothing of the last turn was sent,
    /// no answer to it will come.
    pub(super) fn module_took_all(&mut self, end: u64) {
        if !self.preparing && self.answering.as_ref().is_some_and(|answering| answering.begins == end) {
            self.open = Some(ReleaseReason::ModuleReady);
        }
    }

    /// A turn was released, but the module still prepares the connection for it: it logs in, for example.
    pub(super) fn is_preparing(&self) -> bool {
        self.preparing && self.answering.is_some()
    }

    /// Something was sent through the module: the next turn has to wait for the answer to it.
    pub(super) fn module_sent(&mut self) {
        self.open = None;
    }

    /// Answer bytes came, `received` in all on this connection; `pushed` if the last of them ended a write of the server.
    pub(super) fn answer(
        &mut self,
        now: Time,
        received: u64,
        acknowledged: Acknowledged,
        pushed: bool,
        pacing: &mut Pacing,
    ) {
        let Some(answering) = &mut self.answering else { return };
        if acknowledged.up_to <= answering.begins {
            // They belong to an earlier answer.
            self.owed = self.owed.saturating_sub(answering.answered(received));
            answering.base = received;
            if let Some(shortfall) = answering.premature.take() {
                pacing.was_pause(shortfall, now.since(answering.seemed_ended));
            }
        } else if let Some(response) = answering.receive(now, received, acknowledged, pushed) {
            pacing.began_after(response);
        }
        answering.last_segment = now;
    }
}
