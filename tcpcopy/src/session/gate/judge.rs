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

/// How long the server is silent until a module that would have declared the end of its answer must have missed it.
pub(super) const MODULE_WAIT: Duration = Duration::from_millis(50);

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
            // 8. The first turn of a connection waits only for the bytes that the server sends first.
            if turn.received >= u64::from(turn.acked_bytes) {
                return Verdict::Go(ReleaseReason::AtOnce);
            }
            // 9.
            return wait_until(
                now,
                turn.captured + self.answer_timeout_of(now, turn),
                ReleaseReason::TimedOut,
            );
        };
        let case = Case { gate: self, pacing, now, turn: &turn, answering };
        if self.module_tells { case.judge_without_end() } else { case.judge() }
    }

    /// May the connection be closed? The end of a stream is judged as a turn. But some servers drop the rest of an answer
    /// if the connection is closed in the middle of it. So the close waits for [`END_WAIT`], unless as many bytes have come
    /// as the client ever read on the connection.
    pub(in crate::session) fn judge_end(&self, pacing: &Pacing, now: Time, end: Candidate) -> Verdict {
        if self.preparing {
            return Verdict::Go(ReleaseReason::AtOnce);
        }
        let whole = end.received >= self.read_by_client + u64::from(end.acked_bytes);
        let verdict = self.judge(pacing, now, end);
        match (verdict, &self.answering) {
            (Verdict::Go(reason), Some(answering)) if !whole && reason.is_answer() => {
                wait_until(now, answering.last_segment + END_WAIT, reason)
            }
            _ => verdict,
        }
    }

    /// Many waits were in vain, and the copy lags: the turn waits for nothing any more, not even for an acknowledgement.
    fn is_hopeless(&self, now: Time, turn: Candidate) -> bool {
        self.answer_timeout.get() == AnswerTimeout::MIN && now.since(turn.captured) > LAG_MAX
    }

    fn answer_timeout_of(&self, now: Time, turn: Candidate) -> Duration {
        if self.is_hopeless(now, turn) { Duration::ZERO } else { self.answer_timeout.get() }
    }
}

/// A turn that waits for the answer to the one before it.
struct Case<'g> {
    gate: &'g Gate,
    pacing: &'g Pacing,
    now: Time,
    turn: &'g Candidate,
    answering: &'g AnswerProgress,
}

impl Case<'_> {
    #[inline]
    fn judge(&self) -> Verdict {
        // 10.
        if self.is_answered() {
            Verdict::Go(ReleaseReason::Answered)
        } else if self.turn.all_acknowledged && self.answering.begun && self.answering.pushed {
            self.judge_after_end()
        } else {
            self.judge_amid_answer()
        }
    }

    /// The module has not declared the end of the answer, as it will. Lengths and pushes show less: by them a turn goes only if
    /// the server was silent since, because the module may have missed the end.
    fn judge_without_end(&self) -> Verdict {
        match self.judge() {
            Verdict::Go(reason) if self.turn.acked_bytes > 0 && reason.is_answer() => {
                self.wait_until(self.answering.last_segment + MODULE_WAIT, reason)
            }
            verdict => verdict,
        }
    }

    /// Some of the answer has come, its last segment was pushed, and all that was sent is acknowledged.
    fn judge_after_end(&self) -> Verdict {
        let (last, answered) = (self.answering.last_segment, self.answered());
        let shortfall = Shortfall::of(self.missing());
        if !self.is_alike() {
            // 11.
            let whole = self.missing() == 0 || self.has_enough();
            let reason = if whole { ReleaseReason::Answered } else { ReleaseReason::AnswerEnded };
            let probes = self.answering.probes;
            let until = match self.pacing.length(self.turn.acked_bytes) {
                Some(length) if answered < length => last + self.pacing.rest_wait(shortfall),
                Some(length) if answered == length && self.gate.in_step && !probes => self.now,
                known => self.pacing.idle_until(last, shortfall, probes || known.is_some()),
            };
            self.wait_until(until, reason)
        } else if !self.has_enough() {
            // 12.
            self.wait_until(last + self.pacing.rest_wait(shortfall), ReleaseReason::AnswerEnded)
        } else {
            // 13.
            let until = self.pacing.idle_until(last, shortfall, false);
            self.wait_until(until.min(self.surplus_until()), ReleaseReason::Answered)
        }
    }

    fn judge_amid_answer(&self) -> Verdict {
        let enough = self.has_enough();
        if enough && self.is_alike() {
            // 14.
            self.wait_until(self.surplus_until(), ReleaseReason::Answered)
        } else if !self.turn.all_acknowledged && !self.gate.is_hopeless(self.now, *self.turn) {
            // 15. A server acknowledges a piece of a request as late as TCP allows, 40 ms: a hopeless turn does not wait.
            Verdict::Wait(Time::NEVER)
        } else if self.missing() == 0 {
            // 16.
            self.wait_until(self.answering.last_segment + PUSH_WAIT, ReleaseReason::Answered)
        } else if enough {
            // 17.
            self.wait_until(self.surplus_until(), ReleaseReason::Answered)
        } else {
            // 18.
            let since = self.answering.last_segment.max(self.answering.released).max(self.turn.captured);
            let timeout = self.gate.answer_timeout_of(self.now, *self.turn);
            self.wait_until(since + timeout, ReleaseReason::TimedOut)
        }
    }

    fn is_answered(&self) -> bool {
        let (answered, wanted) = (self.answered(), u64::from(self.turn.acked_bytes) + self.gate.owed);
        self.turn.acked_bytes == 0
            || self.is_alike() && answered >= wanted
            || answered == wanted && self.answering.pushed && self.gate.surplus.is_zero()
    }

    /// Counted over all turns there is enough: the client pipelines, or the test server's answers are longer.
    fn has_enough(&self) -> bool {
        self.turn.received - self.answering.expected >= u64::from(self.turn.acked_bytes)
    }

    /// Until when a turn waits for its answer although a surplus of earlier answers would be enough.
    fn surplus_until(&self) -> Time {
        let timeout = self.gate.answer_timeout.get();
        let wait = if self.is_alike() && timeout < AnswerTimeout::START {
            // Waits were in vain, so the client pipelines.
            self.pacing.response()
        } else {
            SURPLUS_WAIT.max(self.pacing.response()).min(timeout)
        };
        self.answering.released.max(self.turn.captured) + wait
    }

    fn is_alike(&self) -> bool {
        self.gate.is_alike(self.pacing)
    }

    fn answered(&self) -> u64 {
        self.answering.answered(self.turn.received)
    }

    fn missing(&self) -> u64 {
        self.answering.missing(self.turn.acked_bytes, self.turn.received)
    }

    fn wait_until(&self, deadline: Time, reason: ReleaseReason) -> Verdict {
        wait_until(self.now, deadline, reason)
    }
}

fn wait_until(now: Time, deadline: Time, reason: ReleaseReason) -> Verdict {
    if now >= deadline { Verdict::Go(reason) } else { Verdict::Wait(deadline) }
}
