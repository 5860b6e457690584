//! How a session ends, or gives up the bytes that it holds.

use common_core::answer_payload::AnswerPayload;

use crate::ledger::DropReason;
use crate::session::transform::Transform;
use crate::session::{Context, Phase, Session};

/// Memory that a protocol module may keep when the rest of its session is given up, in bytes.
const MODULE_KEPT: u64 = 16 << 10;

impl Session {
    /// Gives up the bytes that the session holds. It goes on at a later turn, if its protocol allows.
    pub(crate) fn give_up(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        match self.phase {
            Phase::Finished | Phase::Ignoring(_) => return,
            _ if self.turn_queue.end().is_some() => return self.abandon(cx, reason),
            Phase::Waiting => {}
            _ => {
                self.connection.reset(cx);
                self.lose_connection(reason);
                self.end_trial(cx, None);
                self.set_phase(cx, Phase::Replaying);
            }
        }
        self.settle_unanswered(cx);
        self.client_stream.forget_data_of_syn();
        self.client_stream.discard_parked(reason, cx.ledger);
        let bytes = self.send_buffer.clear();
        self.drop_bytes(cx, reason, bytes);
        self.drop_turns(cx, reason);
        if self.delivers_online_at_once() {
            self.with_transform(cx, Transform::online_left);
        }
        if self.is_given_up() {
            return;
        }
        if self.transform.memory().unwrap_or_default() > MODULE_KEPT {
            // A module cannot be made to forget.
            return self.abandon(cx, reason);
        }
        self.skipping = Some(reason);
        self.reconnect.refused(cx.now, reason);
        self.trim(cx.now);
    }

    /// Gives up the session: the bytes that it holds are dropped for `reason`, and so are all that its client sends later.
    pub(crate) fn abandon(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        if self.phase == Phase::Finished {
            return;
        }
        self.lose_connection(reason);
        self.settle_unanswered(cx);
        self.client_stream.forget_data_of_syn();
        self.client_stream.discard_parked(reason, cx.ledger);
        let bytes = self.send_buffer.clear();
        self.drop_bytes(cx, reason, bytes);
        let ended = self.turn_queue.end().is_some();
        self.drop_turn_queue(cx, reason);
        self.connection.reset(cx);
        self.connection.ask_payload(cx, AnswerPayload::None);
        self.outcome.lost(reason);
        self.set_phase(cx, if ended { Phase::Finished } else { Phase::Ignoring(reason) });
    }

    /// Ends the session at once, for `reason`.
    pub(crate) fn abort(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        if self.pending_bytes() > 0 {
            self.abandon(cx, reason);
        } else if self.reconnect.is_first() && self.phase != Phase::Finished {
            self.outcome.lost(reason);
        }
        // The rest belongs to a module, or was never in the account.
        self.send_buffer.clear();
        self.client_stream.forget_data_of_syn();
        self.connection.reset(cx);
        self.set_phase(cx, Phase::Finished);
    }

    /// The session is over, as its client ended it.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>) {
        self.settle_unanswered(cx);
        self.drop_due(cx, DropReason::ModuleFailed);
        self.client_stream.forget_data_of_syn();
        // Segments after the end of the stream.
        self.client_stream.discard_parked(DropReason::CaptureGap, cx.ledger);
        self.drop_turn_queue(cx, DropReason::NoAnswer);
        if self.reconnect.is_first() && self.first_loss().is_none() {
            self.outcome.lost(self.reconnect.last_refusal());
        }
        self.set_phase(cx, Phase::Finished);
    }

    /// Drops all waiting turns one by one, so that a module learns the client's state after each, and the online server's
    /// answers before each.
    fn drop_turns(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.drop_due(cx, reason);
        while let Some(turn) = self.turn_queue.next_turn() {
            self.with_transform(cx, |transform, cx, parts| transform.before_turn(cx, &turn, parts));
            if self.is_given_up() {
                return;
            }
            cx.ledger.turn_dropped(turn.captured);
            self.turn_queue.pop_turn();
            self.at_turn_start = true;
            self.drop_due(cx, reason);
        }
    }

    /// Drops all waiting turns at once.
    fn drop_turn_queue(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.turn_queue.turns().for_each(|turn| cx.ledger.turn_dropped(turn.captured));
        let bytes = std::mem::take(&mut self.turn_queue).len();
        self.drop_bytes(cx, reason, bytes);
    }

    /// Drops the due bytes: a module holds them, or their turn is of no use.
    pub(super) fn drop_due(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        let due = self.turn_queue.due_len();
        if due > 0 {
            self.recognise_due();
            self.transform.client_lost(self.turn_queue.due());
            self.turn_queue.consume(due);
            self.drop_bytes(cx, reason, due as u64);
        }
    }

    pub(super) fn drop_bytes(&mut self, cx: &mut Context<'_>, reason: DropReason, bytes: u64) {
        if bytes > 0 {
            cx.ledger.drop_bytes(reason, bytes);
            self.outcome.lost(reason);
        }
    }
}
