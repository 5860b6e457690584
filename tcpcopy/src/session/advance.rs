//! After each event: releases turns, moves bytes on, and ends the session as its client ended the original.

use std::time::Duration;

use common_core::time::Time;

use crate::ledger::{DropReason, ReleaseReason};
use crate::session::gate::{Candidate, Gate, Released, Verdict};
use crate::session::pacing::Pacing;
use crate::session::resumption::Resumption;
use crate::session::transform::Transform;
use crate::session::turn_queue::{EndKind, Turn};
use crate::session::{Context, Phase, Session};

/// How long after the end of the stream a protocol module may hold bytes, or prepare its connection, without any progress.
const HELD_TIMEOUT: Duration = Duration::from_secs(10);

/// What becomes of the next turn.
enum Release {
    /// It waits for an event, or until the gate is asked again at this time.
    Wait(Time),
    /// It waits until the connection is closed, because the test server has closed its half.
    Reopen,
    /// It goes, on the present connection or a new one.
    Go(ReleaseReason),
    /// It goes, and must not go on the present connection: the test server waits there for the rest of a turn that was
    /// never captured.
    GoAnew(ReleaseReason),
}

impl Session {
    /// Does all that has become possible.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) {
        if self.phase == Phase::Replaying && cx.now < self.activity.held_until() {
            self.activity.gate_waits();
            self.activity.ask_gate_at(self.activity.held_until());
        } else if self.phase == Phase::Replaying {
            self.activity.gate_waits();
            self.move_due(cx);
            if self.connection.peer_closed() && self.turn_queue.due_len() > 0 {
                self.closed_on_held(cx);
            }
            while self.phase == Phase::Replaying
                && self.pass_preamble(cx)
                && let Some(turn) = self.turn_queue.next_turn()
                && self.release(cx, turn)
            {
                self.move_due(cx);
            }
            if self.connection.is_closed() && self.turn_queue.due_len() > 0 {
                // A module held these bytes when their connection went: it needs another.
                self.begin_turn_anew(cx, self.send_buffer.end());
                self.open_connection(cx);
            }
            let awaits_overtaken =
                !self.transform.is_straight() && self.delivers_online_at_once() && self.deliver_online(cx);
            if !awaits_overtaken && self.phase == Phase::Replaying && self.turn_queue.next_turn().is_none() {
                self.end_if_due(cx);
            }
        }
        self.transform.note_progress(cx.now, &self.turn_queue);
        self.to_transmit |= self.connection.has_to_send(&self.send_buffer);
    }

    /// Delivers the stored answers of the online server. True if the rest waits for answers that it may have overtaken.
    fn deliver_online(&mut self, cx: &mut Context<'_>) -> bool {
        self.with_transform(cx, Transform::online_in_order);
        if self.turn_queue.due_len() > 0 {
            self.move_due(cx);
        }
        let until = self.transform.online_waits_until();
        self.activity.ask_gate_at(until.unwrap_or(Time::NEVER));
        until.is_some()
    }

    /// Moves the due bytes on, or drops them.
    pub(super) fn move_due(&mut self, cx: &mut Context<'_>) {
        let idle = self.send_buffer.is_empty();
        match self.skipping {
            Some(reason) => self.drop_due(cx, reason),
            None if self.transform.is_straight() => self.move_straight(cx),
            None => self.with_transform(cx, Transform::move_due),
        }
        if !self.transform.is_straight() && self.turn_queue.due_len() == 0 {
            self.gate.module_took_all(self.send_buffer.end());
        }
        if idle && !self.send_buffer.is_empty() {
            // The test server's time to make progress begins now.
            self.activity.progress(cx.now);
        }
    }

    /// Moves the due bytes unchanged, after the recogniser has seen them.
    fn move_straight(&mut self, cx: &mut Context<'_>) {
        if self.turn_queue.due_len() == 0 {
            return;
        }
        self.recognise_due();
        if self.recogniser.is_tls() {
            return self.abandon(cx, DropReason::Tls);
        }
        self.turn_queue.move_due(&mut self.send_buffer);
    }

    /// Shows the due bytes to the recogniser, also if they are dropped: the online server has received them.
    pub(super) fn recognise_due(&mut self) {
        let begins_turn = std::mem::take(&mut self.at_turn_start);
        self.recogniser.see(self.turn_queue.due(), begins_turn);
    }

    /// Releases the next turn, if it may go: its bytes are due from then on. False if it has to wait.
    fn release(&mut self, cx: &mut Context<'_>, turn: Turn) -> bool {
        let reason = match self.decide(cx, &turn) {
            Release::Wait(until) => {
                self.activity.ask_gate_at(until);
                return false;
            }
            Release::Reopen => {
                self.connection.close(cx, &self.send_buffer);
                self.set_phase(cx, Phase::Reopening);
                return false;
            }
            Release::Go(reason) => reason,
            Release::GoAnew(reason) => {
                self.connection.reset(cx);
                self.lose_connection(DropReason::CaptureGap);
                self.end_trial(cx, None);
                reason
            }
        };
        let skipping = match self.resumption(cx, &turn) {
            Resumption::Go => None,
            Resumption::Skip(reason) => Some(reason),
            Resumption::Wait => return false,
            Resumption::GiveUp(reason) => {
                self.end_with_connection(cx, reason);
                return false;
            }
        };
        self.prepare_turn(cx, &turn);
        if self.phase != Phase::Replaying {
            return false;
        }
        self.turn_queue.pop_turn();
        self.at_turn_start = true;
        self.skipping = skipping;
        if skipping.is_some() {
            cx.ledger.turn_dropped(turn.captured);
        } else {
            self.begin_turn(cx, &turn, reason);
        }
        true
    }

    /// Decides about the next turn, without a change.
    fn decide(&self, cx: &Context<'_>, turn: &Turn) -> Release {
        let (closed, sending) = (self.connection.is_closed(), !self.send_buffer.is_empty());
        if closed && (sending || self.turn_queue.due_len() > 0) {
            // Bytes before the turn wait for a connection, and the connection for a link.
            return Release::Wait(Time::NEVER);
        }
        let reason = match self.judge(cx, turn.acked_bytes, turn.captured, Gate::judge) {
            Verdict::Go(reason) => reason,
            Verdict::Wait(until) => return Release::Wait(until),
        };
        let unusable = turn.after_gap && (!self.reconnect.is_first() || sending);
        match (unusable, self.connection.peer_closed()) {
            _ if closed => Release::Go(reason),
            (false, false) => Release::Go(reason),
            _ if sending => Release::Wait(Time::NEVER),
            (true, _) => Release::GoAnew(reason),
            (false, true) => Release::Reopen,
        }
    }

    /// Decides about the new connection that the turn needs; `Go` if it needs none.
    fn resumption(&mut self, cx: &mut Context<'_>, turn: &Turn) -> Resumption {
        let closed = self.connection.is_closed();
        if !closed && !turn.after_gap {
            Resumption::Go
        } else if let Some(refusal) = self.reconnect.refusal(cx.now).filter(|_| closed) {
            Resumption::Skip(refusal)
        } else if self.begins_with(turn) {
            Resumption::Go
        } else {
            self.resume_with_next(cx, turn)
        }
    }

    /// The turn is about to be released or dropped: draws the conclusions from its beginning.
    fn prepare_turn(&mut self, cx: &mut Context<'_>, turn: &Turn) {
        if turn.acked_bytes > 0 {
            self.client_was_answered(cx);
            if let Some(trial) = &mut self.trial {
                trial.client_answered();
            }
        }
        if turn.after_gap {
            // The turn before, of which a module may hold a part, will never be complete.
            self.drop_due(cx, DropReason::CaptureGap);
            self.recogniser.missed();
            self.transform.client_lost(&[]);
        }
        if !self.is_stalled() {
            self.activity.progress(cx.now);
        }
        self.with_transform(cx, |transform, cx, parts| transform.before_turn(cx, turn, parts));
    }

    fn begin_turn(&mut self, cx: &mut Context<'_>, turn: &Turn, reason: ReleaseReason) {
        cx.ledger.turn_released(turn.captured, cx.now, reason);
        self.send_buffer.begin_turn();
        let (acked_bytes, received) = (turn.acked_bytes, self.connection.received());
        let turn = Released { now: cx.now, reason, acked_bytes, received };
        self.gate.turn_begins(self.send_buffer.end(), turn, &mut cx.target.pacing);
        if self.connection.is_closed() {
            self.open_connection(cx);
        }
    }

    /// A turn that was released before begins a new connection, at this offset of the send buffer.
    pub(super) fn begin_turn_anew(&mut self, cx: &mut Context<'_>, begins: u64) {
        let turn = Released { now: cx.now, reason: ReleaseReason::AtOnce, acked_bytes: 0, received: 0 };
        self.gate.turn_begins(begins, turn, &mut cx.target.pacing);
    }

    /// May the next turn, or the end of the stream, go? `ask` asks the gate, unless the state of the connection decides
    /// (rules 2 to 4 in docs/ARCHITECTURE.md).
    fn judge(
        &self,
        cx: &Context<'_>,
        acked_bytes: u32,
        captured: Time,
        ask: fn(&Gate, &Pacing, Time, Candidate) -> Verdict,
    ) -> Verdict {
        if !cx.config.wait_for_answers && !self.gate.is_preparing() {
            return Verdict::Go(ReleaseReason::AtOnce);
        }
        if self.connection.is_closed() {
            // Without a link no SYN-ACK would be seen: the turn waits for one.
            return if cx.link_up { Verdict::Go(ReleaseReason::AtOnce) } else { Verdict::Wait(Time::NEVER) };
        }
        if self.connection.peer_closed() {
            return Verdict::Go(ReleaseReason::AnswerEnded);
        }
        let (received, all_acknowledged) = (self.connection.received(), self.send_buffer.is_empty());
        let candidate = Candidate { acked_bytes, captured, received, all_acknowledged };
        ask(&self.gate, &cx.target.pacing, cx.answers_read_until, candidate)
    }

    /// Closes the copy as the client closed the original, once all before has been sent and answered.
    fn end_if_due(&mut self, cx: &mut Context<'_>) {
        let Some(end) = self.turn_queue.end() else { return };
        if self.connection.is_closed() {
            if self.send_buffer.is_empty() && self.turn_queue.len() == 0 {
                self.finish(cx);
            }
            return;
        }
        if !self.connection.is_open() {
            if !cx.link_up && !self.is_stalled() {
                // The SYN-ACK would not be seen, and nothing waits for it.
                self.connection.reset(cx);
                self.finish(cx);
            }
            return;
        }
        let held = self.turn_queue.due_len() > 0 || self.gate.is_preparing();
        let held_until = self.activity.last_progress() + HELD_TIMEOUT;
        if held && cx.now < held_until {
            // A module holds bytes back, or is not ready: a login is under way, for example.
            return self.activity.ask_gate_at(held_until);
        }
        // A superseded session makes way for the next one on its four-tuple: the rest of an answer is not worth the wait.
        let ask = if self.superseded { Gate::judge } else { Gate::judge_end };
        match self.judge(cx, end.acked_bytes, end.captured, ask) {
            Verdict::Wait(until) => self.activity.ask_gate_at(until),
            Verdict::Go(_) if end.kind == EndKind::Fin => {
                self.drop_due(cx, DropReason::ModuleFailed);
                if self.connection.peer_closed() {
                    if self.fail_trial(cx) {
                        return;
                    }
                    self.unanswered.closed_by_server();
                }
                self.connection.close(cx, &self.send_buffer);
                self.set_phase(cx, Phase::Ending);
            }
            Verdict::Go(_) if self.send_buffer.is_empty() => {
                self.connection.reset(cx);
                self.finish(cx);
            }
            Verdict::Go(_) => {}
        }
    }
}
