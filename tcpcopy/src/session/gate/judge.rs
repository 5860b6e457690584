//! The rules by which a turn is released, numbered as in docs/ARCHITECTURE.md ("The gate").

use std::time::Duration;

use common_core::time::Time;

use super::answer_progress::AnswerProgress;
use super::answer_timeout::AnswerTimeout;
use super::{Gate, Verdict};
use crate::ledger::ReleaseReason;
use crate::session::pacing::{Pacing, Shortfall};

/// How long a turn waits for the answer to the one before if all answers together already have the bytes that its client had read.
const SURPLUS_WAIT: Duration = Duration::from_millis(250);

/// At the minimum of the answer timeout, a turn that is later than this after its capture does not wait at all.
const LAG_MAX: Duration = Duration::from_millis(100);

/// How long after the last answer a close waits if it might cut off the rest: longer than a server's retransmission takes.
const END_WAIT: Duration = Duration::from_millis(300);

/// How long the push of a longer answer may take, once the answer has as many bytes as the client had read.
const PUSH_WAIT: Duration = Duration::from_millis(20);

/// A turn, or the end of a stream, that asks for its release.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) struct Candidate {
    /// Answer bytes that its client had read since the turn before.
    pub(in crate::session) acked_bytes: u32,
    pub(in crate::session) captured: Time,
    /// Answer bytes received on this connection.
    pub(in crate::session) received: u64,
    /// The server has acknowledged all that was sent.
    pub(in crate::session) all_acknowledged: bool,
}

impl Gate {
    #[cfg(test)]
    pub(super) const SURPLUS_WAIT: Duration = SURPLUS_WAIT;
    #[cfg(test)]
    pub(super) const LAG_MAX: Duration = LAG_MAX;
    #[cfg(test)]
    pub(super) const END_WAIT: Duration = END_WAIT;

    /// May the turn go? Rules 1 to 4 are the session's: they concern its connection.
    pub(in crate::session) fn judge(&self, pacing: &Pacing, now: Time, turn: Candidate) -> Verdict {
        // 5. The first bytes of the two servers, and those during a login, cannot be compared: the module decides.
        if self.preparing {
            let first = self.answering.is_none();
            return if first { Verdict::Go(ReleaseReason::AtOnce) } else { Verdict::Wait(Time::NEVER) };
        }
        // 6, 7.
        if let Some(reason) = self.open {
            return Verdict::Go(reason);
        }
        let Some(answering) = &self.answering else {
            return self.judge_first(now, turn);
        };
        // 10.
        if self.is_answered(pacing, answering, turn) {
            return Verdict::Go(ReleaseReason::Answered);
        }
        if turn.all_acknowledged && answering.begun && answering.pushed {
            self.judge_after_end(pacing, now, turn, answering)
        } else {
            self.judge_amid_answer(pacing, now, turn, answering)
        }
    }

    /// The first turn of a connection waits only for the bytes that the server sends first.
    fn judge_first(&self, now: Time, turn: Candidate) -> Verdict {
        // 8.
        if turn.received >= u64::from(turn.acked_bytes) {
            return Verdict::Go(ReleaseReason::AtOnce);
        }
        // 9.
        wait_until(now, turn.captured + self.answer_timeout_of(now, turn), ReleaseReason::TimedOut)
    }

    fn is_answered(&self, pacing: &Pacing, answering: &AnswerProgress, turn: Candidate) -> bool {
        let answered = answering.answered(turn.received);
        let wanted = u64::from(turn.acked_bytes) + self.owed;
        turn.acked_bytes == 0
            || self.is_alike(pacing) && answered >= wanted
            || answered == wanted && answering.pushed && self.surplus.is_zero()
    }

    /// Some of the answer has come, its last segment was pushed, and all that was sent is acknowledged.
    fn judge_after_end(
        &self,
        pacing: &Pacing,
        now: Time,
        turn: Candidate,
        answering: &AnswerProgress,
    ) -> Verdict {
        let missing = answering.missing(turn.acked_bytes, turn.received);
        let shortfall = Shortfall::of(missing);
        let enough = has_enough(answering, turn);
        if !self.is_alike(pacing) {
            // 11.
            let whole = missing == 0 || enough;
            let reason = if whole { ReleaseReason::Answered } else { ReleaseReason::AnswerEnded };
            let answered = answering.answered(turn.received);
            let until = match pacing.length(turn.acked_bytes) {
                Some(length) if answered < length => answering.last_segment + pacing.rest_wait(shortfall),
                Some(length) if answered == length && self.in_step && !answering.probes => now,
                Some(_) => pacing.idle_until(answering.last_segment, shortfall, true),
                None => pacing.idle_until(answering.last_segment, shortfall, answering.probes),
            };
            wait_until(now, until, reason)
        } else if !enough {
            // 12.
            let until = answering.last_segment + pacing.rest_wait(shortfall);
            wait_until(now, until, ReleaseReason::AnswerEnded)
        } else {
            // 13.
            let until = pacing.idle_until(answering.last_segment, shortfall, false);
            let until = until.min(self.surplus_until(pacing, answering, turn));
            wait_until(now, until, ReleaseReason::Answered)
        }
    }

    fn judge_amid_answer(
        &self,
        pacing: &Pacing,
        now: Time,
        turn: Candidate,
        answering: &AnswerProgress,
    ) -> Verdict {
        let enough = has_enough(answering, turn);
        // 14.
        if enough && self.is_alike(pacing) {
            return wait_until(now, self.surplus_until(pacing, answering, turn), ReleaseReason::Answered);
        }
        // 15. A server acknowledges a piece of a request as late as TCP allows, 40 ms: a hopeless turn does not wait for it.
        if !turn.all_acknowledged && !self.is_hopeless(now, turn) {
            return Verdict::Wait(Time::NEVER);
        }
        // 16.
        if answering.missing(turn.acked_bytes, turn.received) == 0 {
            return wait_until(now, answering.last_segment + PUSH_WAIT, ReleaseReason::Answered);
        }
        // 17.
        if enough {
            return wait_until(now, self.surplus_until(pacing, answering, turn), ReleaseReason::Answered);
        }
        // 18.
        let since = answering.last_segment.max(answering.released).max(turn.captured);
        wait_until(now, since + self.answer_timeout_of(now, turn), ReleaseReason::TimedOut)
    }

    /// Until when a turn waits for its answer although a surplus of earlier answers would be enough.
    fn surplus_until(&self, pacing: &Pacing, answering: &AnswerProgress, turn: Candidate) -> Time {
        let timeout = self.answer_timeout.get();
        let wait = if self.is_alike(pacing) && timeout < AnswerTimeout::START {
            // Waits were in vain, so the client pipelines.
            pacing.response()
        } else {
            SURPLUS_WAIT.max(pacing.response()).min(timeout)
        };
        answering.released.max(turn.captured) + wait
    }

    /// Waits have long been in vain, and the copy lags: the turn waits for nothing any more, acknowledgements included.
    fn is_hopeless(&self, now: Time, turn: Candidate) -> bool {
        self.answer_timeout.get() == AnswerTimeout::MIN && now.since(turn.captured) > LAG_MAX
    }

    fn answer_timeout_of(&self, now: Time, turn: Candidate) -> Duration {
        if self.is_hopeless(now, turn) { Duration::ZERO } else { self.answer_timeout.get() }
    }

    /// May the connection be closed? The end of a stream is judged as a turn. But a close in the middle of an answer makes
    /// some servers drop the rest: unless all has come that the client ever read on the connection, it waits for
    /// [`END_WAIT`].
    pub(in crate::session) fn judge_end(&self, pacing: &Pacing, now: Time, end: Candidate) -> Verdict {
        if self.preparing {
            return Verdict::Go(ReleaseReason::AtOnce);
        }
        let whole = end.received >= self.read_by_client + u64::from(end.acked_bytes);
        match (self.judge(pacing, now, end), &self.answering) {
            (
                Verdict::Go(reason @ (ReleaseReason::AnswerEnded | ReleaseReason::Answered)),
                Some(answering),
            ) if !whole => wait_until(now, answering.last_segment + END_WAIT, reason),
            (verdict, _) => verdict,
        }
    }
}

/// Counted over all turns there is enough: the client pipelines, or the test server's answers are longer.
fn has_enough(answering: &AnswerProgress, turn: Candidate) -> bool {
    turn.received - answering.expected >= u64::from(turn.acked_bytes)
}

fn wait_until(now: Time, deadline: Time, reason: ReleaseReason) -> Verdict {
    if now >= deadline { Verdict::Go(reason) } else { Verdict::Wait(deadline) }
}
