//! What a session does when something has happened: lets turns go, moves bytes on, ends as its client did.

use std::time::Duration;

use common::time::Time;

use crate::ledger::DropReason;
use crate::session::feed::{EndKind, Feed, Turn};
use crate::session::gate::{Gate, Pass, Verdict};
use crate::session::relay::Relay;
use crate::session::resumption::Resumption;
use crate::session::{Context, Phase, Session};

/// How long bytes that a protocol module holds may outlive the end of their stream, once nothing happens any more.
const HELD_TIMEOUT: Duration = Duration::from_secs(10);

impl Session {
    /// Does all that can be done now.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) {
        if self.phase == Phase::Replaying {
            self.gate_at = Time::NEVER;
            self.move_due(cx);
            if self.connection.peer_closed() && self.feed.due_len() > 0 {
                self.closed_on_held(cx);
            }
            while self.phase == Phase::Replaying
                && self.pass_preamble(cx)
                && let Some(turn) = self.feed.next_turn()
                && self.let_go(cx, turn)
            {
                self.move_due(cx);
            }
            if self.connection.is_closed() && self.feed.due_len() > 0 {
                // A module holds what was due on a connection that has gone.
                self.gate.turn_begins(cx.now, self.outbox.end(), 0, 0, Pass::AtOnce, &mut cx.target.pacing);
                self.open_connection(cx);
            }
            if self.hears_online_at_once() {
                self.with_relay(cx, Relay::online_in_order);
                if self.feed.due_len() > 0 {
                    self.move_due(cx);
                }
            }
            if self.phase == Phase::Replaying && self.feed.next_turn().is_none() {
                self.end_if_due(cx);
            }
        }
        self.to_transmit |= self.connection.has_to_send(&self.outbox);
        self.relay.count_own(cx.ledger, self.outbox.own_bytes());
        self.count_overhead(cx);
    }

    /// Moves the due bytes on, or out.
    pub(super) fn move_due(&mut self, cx: &mut Context<'_>) {
        let idle = self.outbox.is_empty();
        match self.skipping {
            Some(reason) => self.drop_due(cx, reason),
            None if self.relay.is_straight() => self.move_straight(cx),
            None => self.with_relay(cx, Relay::move_due),
        }
        if !self.relay.is_straight() && self.feed.due_len() == 0 {
            self.gate.module_took_all(self.outbox.end());
        }
        if idle && !self.outbox.is_empty() {
            // From now on the test server has something to do.
            self.last_progress = cx.now;
        }
    }

    /// Moves what is due as it is, having looked at what it tells of the connection.
    fn move_straight(&mut self, cx: &mut Context<'_>) {
        if self.feed.due_len() == 0 {
            return;
        }
        self.recognise_due();
        if self.recogniser.is_tls() {
            return self.shed(cx, DropReason::Tls);
        }
        self.feed.move_due(&mut self.outbox);
    }

    /// Looks at what is due: the client has said it, whether the test server hears it or not.
    fn recognise_due(&mut self) {
        let begins_turn = std::mem::take(&mut self.at_turn_start);
        self.recogniser.see(self.feed.due(), begins_turn);
    }

    /// Lets the next turn go, if it may; its bytes are due then.
    fn let_go(&mut self, cx: &mut Context<'_>, turn: Turn) -> bool {
        if self.connection.is_closed() && (!self.outbox.is_empty() || self.feed.due_len() > 0) {
            // The turn before waits for a connection, and that for a link.
            return false;
        }
        let verdict = self.judge(cx, |gate, received, acknowledged| {
            gate.judge(&cx.target.pacing, cx.heard, turn.need, turn.captured, received, acknowledged)
        });
        let pass = match verdict {
            Verdict::Go(pass) => pass,
            Verdict::Wait(until) => {
                self.gate_at = until;
                return false;
            }
        };
        if !self.connection.is_closed() {
            let unusable = turn.after_gap && (self.connections > 0 || !self.outbox.is_empty());
            if (unusable || self.connection.peer_closed()) && !self.outbox.is_empty() {
                return false;
            }
            if unusable {
                // The server waits for the rest of a turn that will not come.
                self.connection.reset(cx);
                self.lose_connection(cx, DropReason::CaptureGap);
                self.end_trial(cx, None);
            } else if self.connection.peer_closed() {
                self.connection.close(cx, &self.outbox);
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
        if turn.need > 0 {
            self.client_was_answered(cx);
            self.trial_client_answered();
        }
        if turn.after_gap {
            // What a module holds of the turn before will never be complete.
            self.drop_due(cx, DropReason::CaptureGap);
            self.recogniser.missed();
            self.relay.client_lost(&[]);
        }
        if !self.is_stalled() {
            self.last_progress = cx.now;
        }
        self.with_relay(cx, |relay, cx, parts| relay.before_turn(cx, &turn, parts));
        if self.phase != Phase::Replaying {
            return false;
        }
        self.feed.pop_turn();
        self.at_turn_start = true;
        if let Some(reason) = obstacle {
            cx.ledger.turns.drop_waiting(turn.captured);
            self.skipping = Some(reason);
            return true;
        }
        count_turn(cx, turn, pass);
        self.skipping = None;
        self.outbox.begin_turn();
        let (begins, received) = (self.outbox.end(), self.connection.received());
        self.gate.turn_begins(cx.now, begins, turn.need, received, pass, &mut cx.target.pacing);
        if self.connection.is_closed() {
            self.open_connection(cx);
        }
        true
    }

    /// What keeps a turn from a new connection, if it needs one.
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

    /// May what comes next go? `ask` asks the gate, given the answer bytes received and whether all is acknowledged.
    fn judge(&self, cx: &Context<'_>, ask: impl FnOnce(&Gate, u64, bool) -> Verdict) -> Verdict {
        if !cx.config.wait_for_answers && !self.gate.is_preparing() {
            return Verdict::Go(Pass::AtOnce);
        }
        if self.connection.is_closed() {
            // Without a link no answer is heard, so nothing is said.
            return if cx.link_up { Verdict::Go(Pass::AtOnce) } else { Verdict::Wait(Time::NEVER) };
        }
        if self.connection.peer_closed() {
            return Verdict::Go(Pass::AnswerEnded);
        }
        ask(&self.gate, self.connection.received(), self.outbox.is_empty())
    }

    /// Closes the copy as the client closed the original, once all before has been said and heard.
    fn end_if_due(&mut self, cx: &mut Context<'_>) {
        let Some(end) = self.feed.end() else { return };
        if self.connection.is_closed() {
            if self.outbox.is_empty() && self.feed.len() == 0 {
                self.finish(cx);
            }
            return;
        }
        if !self.connection.is_open() {
            if !cx.link_up && !self.is_stalled() {
                // The answer to the SYN would not be heard, and nothing depends on it.
                self.connection.reset(cx);
                self.finish(cx);
            }
            return;
        }
        let held = self.feed.due_len() > 0 || self.gate.is_preparing();
        if held && cx.now < self.last_progress + HELD_TIMEOUT {
            // A module holds bytes back, or has not done with its own: a login is under way, say.
            self.gate_at = self.last_progress + HELD_TIMEOUT;
            return;
        }
        let verdict = self.judge(cx, |gate, received, acknowledged| {
            // A client that has used its port again is gone: nobody misses the rest of an answer.
            let ask = if self.superseded { Gate::judge } else { Gate::judge_end };
            ask(gate, &cx.target.pacing, cx.heard, end.need, end.captured, received, acknowledged)
        });
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
                self.connection.close(cx, &self.outbox);
                self.set_phase(cx, Phase::Ending);
            }
            Verdict::Go(_) if self.outbox.is_empty() => {
                self.connection.reset(cx);
                self.finish(cx);
            }
            Verdict::Go(_) => {}
        }
    }

    pub(super) fn finish(&mut self, cx: &mut Context<'_>) {
        self.settle(cx);
        self.drop_due(cx, DropReason::ModuleFailed);
        self.upstream.forget_data_of_syn();
        // What the client has said after the end.
        self.upstream.discard_parked(DropReason::CaptureGap, cx.ledger);
        self.count_turns_dropped(cx);
        let bytes = self.feed.len();
        self.drop_bytes(cx, DropReason::NoAnswer, bytes);
        self.feed = Feed::default();
        if self.connections == 0 && self.outcome().is_none() {
            self.first_drop = Some(self.last_refusal);
        }
        self.set_phase(cx, Phase::Finished);
    }

    /// Drops all that waits, turn by turn, so that a module learns of each.
    pub(super) fn drop_turns(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.drop_due(cx, reason);
        while let Some(turn) = self.feed.next_turn() {
            self.with_relay(cx, |relay, cx, parts| relay.before_turn(cx, &turn, parts));
            if matches!(self.phase, Phase::Ignoring(_) | Phase::Finished) {
                return;
            }
            cx.ledger.turns.drop_waiting(turn.captured);
            self.feed.pop_turn();
            self.at_turn_start = true;
            self.drop_due(cx, reason);
        }
    }

    /// All turns that wait are dropped with the feed.
    pub(super) fn count_turns_dropped(&self, cx: &mut Context<'_>) {
        self.feed.turns().for_each(|turn| cx.ledger.turns.drop_waiting(turn.captured));
    }

    /// Drops what is due, and was not sent: a module has held it.
    fn drop_due(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        let due = self.feed.due_len();
        if due > 0 {
            self.recognise_due();
            self.relay.client_lost(self.feed.due());
            self.feed.consume(due);
            self.drop_bytes(cx, reason, due as u64);
        }
    }
}

/// A turn is let go.
pub(super) fn count_turn(cx: &mut Context<'_>, turn: Turn, pass: Pass) {
    let turns = &mut cx.ledger.turns;
    turns.end_wait(turn.captured, cx.now);
    *match pass {
        Pass::AtOnce => &mut turns.at_once,
        Pass::Answered => &mut turns.answered,
        Pass::AnswerEnded => &mut turns.answer_ended,
        Pass::InVain => &mut turns.waited_in_vain,
        Pass::ModuleReady => &mut turns.module_ready,
    } += 1;
}
