//! What a session does when something has happened: it lets turns go, moves bytes on, and ends as its client did.

use std::time::Duration;

use common_core::time::Time;

use crate::ledger::{DropReason, ReleaseReason};
use crate::session::gate::{Candidate, Gate, Verdict};
use crate::session::pacing::Pacing;
use crate::session::resumption::Resumption;
use crate::session::transform::Transform;
use crate::session::turn_queue::{EndKind, Turn, TurnQueue};
use crate::session::{Context, Phase, Session};

/// How long after the end of the stream a protocol module may hold bytes, or prepare its connection, without any
/// progress.
const HELD_TIMEOUT: Duration = Duration::from_secs(10);

impl Session {
    /// Does all that has become possible.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) {
        if self.phase == Phase::Replaying {
            self.gate_at = Time::NEVER;
            self.move_due(cx);
            if self.connection.peer_closed() && self.turn_queue.due_len() > 0 {
                self.closed_on_held(cx);
            }
            while self.phase == Phase::Replaying
                && self.pass_preamble(cx)
                && let Some(turn) = self.turn_queue.next_turn()
                && self.let_go(cx, turn)
            {
                self.move_due(cx);
            }
            if self.connection.is_closed() && self.turn_queue.due_len() > 0 {
                // A module held these bytes when their connection went: it needs another.
                self.gate.turn_begins(
                    cx.now,
                    self.send_buffer.end(),
                    0,
                    0,
                    ReleaseReason::AtOnce,
                    &mut cx.target.pacing,
                );
                self.open_connection(cx);
            }
            if self.hears_online_at_once() {
                self.with_relay(cx, Transform::online_in_order);
                if self.turn_queue.due_len() > 0 {
                    self.move_due(cx);
                }
            }
            if self.phase == Phase::Replaying && self.turn_queue.next_turn().is_none() {
                self.end_if_due(cx);
            }
        }
        self.to_transmit |= self.connection.has_to_send(&self.send_buffer);
    }

    /// Moves the due bytes on, or drops them.
    pub(super) fn move_due(&mut self, cx: &mut Context<'_>) {
        let idle = self.send_buffer.is_empty();
        match self.skipping {
            Some(reason) => self.drop_due(cx, reason),
            None if self.transform.is_straight() => self.move_straight(cx),
            None => self.with_relay(cx, Transform::move_due),
        }
        if !self.transform.is_straight() && self.turn_queue.due_len() == 0 {
            self.gate.module_took_all(self.send_buffer.end());
        }
        if idle && !self.send_buffer.is_empty() {
            // The test server's time to make progress begins now.
            self.last_progress = cx.now;
        }
    }

    /// Moves the due bytes as they are, after the recogniser has seen them.
    fn move_straight(&mut self, cx: &mut Context<'_>) {
        if self.turn_queue.due_len() == 0 {
            return;
        }
        self.recognise_due();
        if self.recogniser.is_tls() {
            return self.shed(cx, DropReason::Tls);
        }
        self.turn_queue.move_due(&mut self.send_buffer);
    }

    /// Shows the due bytes to the recogniser, also those that are dropped: its client has said them to the online
    /// server.
    fn recognise_due(&mut self) {
        let begins_turn = std::mem::take(&mut self.at_turn_start);
        self.recogniser.see(self.turn_queue.due(), begins_turn);
    }

    /// Lets the next turn go, if it may: its bytes are due from then on. False if it has to wait.
    fn let_go(&mut self, cx: &mut Context<'_>, turn: Turn) -> bool {
        if self.connection.is_closed() && (!self.send_buffer.is_empty() || self.turn_queue.due_len() > 0) {
            // Bytes before it wait for a connection, and that for a link.
            return false;
        }
        let verdict = self.judge(cx, turn.acked_bytes, turn.captured, Gate::judge);
        let pass = match verdict {
            Verdict::Go(pass) => pass,
            Verdict::Wait(until) => {
                self.gate_at = until;
                return false;
            }
        };
        if !self.connection.is_closed() {
            let unusable = turn.after_gap && (self.connections > 0 || !self.send_buffer.is_empty());
            if (unusable || self.connection.peer_closed()) && !self.send_buffer.is_empty() {
                return false;
            }
            if unusable {
                // The server waits for the rest of a turn, which was never captured.
                self.connection.reset(cx);
                self.lose_connection(DropReason::CaptureGap);
                self.end_trial(cx, None);
            } else if self.connection.peer_closed() {
                self.connection.close(cx, &self.send_buffer);
                self.set_phase(cx, Phase::Reopening);
                return false;
            }
        }
        let obstacle = match self.obstacle(cx, &turn) {
            Resumption::Go => None,
            Resumption::Skip(reason) => Some(reason),
            Resumption::Wait => return false,
            Resumption::GiveUp(reason) => {
                self.end_with_connection(cx, reason);
                return false;
            }
        };
        if turn.acked_bytes > 0 {
            self.client_was_answered(cx);
            self.trial_client_answered();
        }
        if turn.after_gap {
            // The turn before, of which a module may hold a part, will never be complete.
            self.drop_due(cx, DropReason::CaptureGap);
            self.recogniser.missed();
            self.transform.client_lost(&[]);
        }
        if !self.is_stalled() {
            self.last_progress = cx.now;
        }
        self.with_relay(cx, |transform, cx, parts| transform.before_turn(cx, &turn, parts));
        if self.phase != Phase::Replaying {
            return false;
        }
        self.turn_queue.pop_turn();
        self.at_turn_start = true;
        if let Some(reason) = obstacle {
            cx.ledger.turn_dropped(turn.captured);
            self.skipping = Some(reason);
            return true;
        }
        cx.ledger.turn_released(turn.captured, cx.now, pass);
        self.skipping = None;
        self.send_buffer.begin_turn();
        let (begins, received) = (self.send_buffer.end(), self.connection.received());
        self.gate.turn_begins(cx.now, begins, turn.acked_bytes, received, pass, &mut cx.target.pacing);
        if self.connection.is_closed() {
            self.open_connection(cx);
        }
        true
    }

    /// Decides about the new connection that the turn needs; `Go` if it needs none.
    fn obstacle(&mut self, cx: &mut Context<'_>, turn: &Turn) -> Resumption {
        if !self.connection.is_closed() && !turn.after_gap {
            Resumption::Go
        } else if self.connection.is_closed() && cx.now < self.retry_at {
            Resumption::Skip(self.last_refusal)
        } else if self.begins_with(turn) {
            Resumption::Go
        } else {
            self.resume_with_next(cx, turn)
        }
    }

    /// May the next turn, or the end of the stream, go? `ask` asks the gate, unless the state of the connection decides.
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
        ask(&self.gate, &cx.target.pacing, cx.heard, candidate)
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
        if held && cx.now < self.last_progress + HELD_TIMEOUT {
            // A module holds bytes back, or is not ready: a login is under way, say.
            self.gate_at = self.last_progress + HELD_TIMEOUT;
            return;
        }
        // A superseded session makes way for the next one on its four-tuple: the rest of an answer is not worth the wait.
        let ask = if self.superseded { Gate::judge } else { Gate::judge_end };
        let verdict = self.judge(cx, end.acked_bytes, end.captured, ask);
        match verdict {
            Verdict::Wait(until) => self.gate_at = until,
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

    pub(super) fn finish(&mut self, cx: &mut Context<'_>) {
        self.settle(cx);
        self.drop_due(cx, DropReason::ModuleFailed);
        self.client_stream.forget_data_of_syn();
        // Segments behind the end of the stream.
        self.client_stream.discard_parked(DropReason::CaptureGap, cx.ledger);
        self.count_turns_dropped(cx);
        let bytes = self.turn_queue.len();
        self.drop_bytes(cx, DropReason::NoAnswer, bytes);
        self.turn_queue = TurnQueue::default();
        if self.connections == 0 && self.outcome().is_none() {
            self.first_drop = Some(self.last_refusal);
        }
        self.set_phase(cx, Phase::Finished);
    }

    /// Drops all waiting turns one by one, so that a module learns what the client set in them, and what the online server
    /// said before each.
    pub(super) fn drop_turns(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.drop_due(cx, reason);
        while let Some(turn) = self.turn_queue.next_turn() {
            self.with_relay(cx, |transform, cx, parts| transform.before_turn(cx, &turn, parts));
            if self.is_given_up() {
                return;
            }
            cx.ledger.turn_dropped(turn.captured);
            self.turn_queue.pop_turn();
            self.at_turn_start = true;
            self.drop_due(cx, reason);
        }
    }

    /// Counts the waiting turns as dropped; the caller drops the turn queue.
    pub(super) fn count_turns_dropped(&self, cx: &mut Context<'_>) {
        self.turn_queue.turns().for_each(|turn| cx.ledger.turn_dropped(turn.captured));
    }

    /// Drops the due bytes: held by a module, or of a turn that is of no use.
    fn drop_due(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        let due = self.turn_queue.due_len();
        if due > 0 {
            self.recognise_due();
            self.transform.client_lost(self.turn_queue.due());
            self.turn_queue.consume(due);
            self.drop_bytes(cx, reason, due as u64);
        }
    }
}
