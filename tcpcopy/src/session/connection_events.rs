//! The reactions of a session to events of its connection: opened, refused, broken, closed.

use common_core::answer_payload::AnswerPayload;

use crate::ledger::DropReason;
use crate::session::connection::Event;
use crate::session::transform::Transform;
use crate::session::{Context, Phase, Session};

impl Session {
    pub(super) fn handle_event(&mut self, cx: &mut Context<'_>, event: Event) {
        if self.is_given_up() {
            return;
        }
        match event {
            Event::Opened => {
                self.activity.progress(cx.now);
                if self.reconnect.accepted() {
                    cx.ledger.tcp().reconnected += 1;
                } else if self.client_stream.is_joined() {
                    cx.ledger.tcp().joined += 1;
                }
                self.with_transform(cx, Transform::connected);
            }
            Event::Refused => self.refused(cx, DropReason::Refused),
            Event::Unanswered => self.refused(cx, DropReason::NoAnswer),
            Event::Reset { certain } => self.reset_by_server(cx, certain),
            Event::Closed if self.phase == Phase::Ending => self.finish(cx),
            Event::Closed => {
                if !self.fail_trial(cx) {
                    self.lose_connection(DropReason::ClosedByServer);
                    self.set_phase(cx, Phase::Replaying);
                }
            }
        }
    }

    /// The connection is gone, for `reason`: answers that have not come yet will never come.
    pub(super) fn lose_connection(&mut self, reason: DropReason) {
        self.gate.connection_lost();
        self.unanswered.connection_lost(reason);
    }

    /// The client has read an answer to all that it sent so far: bytes that were not answered when their connection broke
    /// no longer count as replayed.
    pub(super) fn client_was_answered(&mut self, cx: &mut Context<'_>) {
        if let Some((of_trial, reason)) = self.unanswered.client_was_answered(cx.ledger) {
            if let Some(trial) = &mut self.trial {
                trial.took_back(of_trial);
            }
            if reason == DropReason::ClosedByServer {
                cx.ledger.turn_cut_off();
            }
            self.outcome.lost(reason);
        }
    }

    /// Calls [`Self::client_was_answered`] if the next turn, or the end of the stream, shows that the client has read an
    /// answer. To be called at the end of the session, and before the rest of it is dropped.
    pub(super) fn settle_unanswered(&mut self, cx: &mut Context<'_>) {
        let next = self.turn_queue.next_turn().is_some_and(|turn| turn.acked_bytes > 0);
        // The online server's FIN counts as one byte, and is no answer; a reset without ACK does not tell what its sender
        // had read.
        let end = self.turn_queue.end().is_some_and(|end| end.acked_bytes > 1 && end.acked_bytes != u32::MAX);
        if next || end {
            self.client_was_answered(cx);
        }
    }

    /// The test server takes no connection: released bytes are dropped, and so are the turns that are released before the
    /// next try.
    fn refused(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.reconnect.refused(cx.now, reason);
        self.lose_connection(reason);
        self.end_trial(cx, None);
        let bytes = self.send_buffer.clear();
        self.drop_bytes(cx, reason, bytes);
        self.skipping = Some(reason);
    }

    /// The test server has accepted the connection, but then a module read that it refuses service on it.
    pub(super) fn refused_by_answer(&mut self, cx: &mut Context<'_>) {
        self.connection.reset(cx);
        self.reconnect.not_accepted();
        cx.ledger.tcp().refused += 1;
        self.refused(cx, DropReason::Refused);
    }

    /// The test server has closed while a module holds bytes: the answer that the module waits for will not come.
    pub(super) fn closed_on_held(&mut self, cx: &mut Context<'_>) {
        if !self.reconnect.is_fruitful() {
            // A login that is cut off would be repeated for ever.
            self.connection.reset(cx);
            self.refused(cx, DropReason::ClosedByServer);
            self.move_due(cx);
        } else if self.send_buffer.is_empty() {
            self.connection.close(cx, &self.send_buffer);
            self.set_phase(cx, Phase::Reopening);
        }
    }

    /// The turn in progress goes to a new connection if nothing of it was acknowledged; else its rest is lost. If its client
    /// has closed, it is sent again only if it is `certain` that it has not arrived: the server may have answered it and
    /// closed without our noticing, and resets a connection that it no longer knows.
    fn reset_by_server(&mut self, cx: &mut Context<'_>, certain: bool) {
        if self.phase != Phase::Ending && self.fail_trial(cx) {
            return;
        }
        self.lose_connection(DropReason::ClosedByServer);
        self.send_buffer.drop_preamble();
        let straight = self.transform.is_straight();
        if self.phase == Phase::Ending && (self.send_buffer.is_empty() || !certain || !straight) {
            let bytes = self.send_buffer.clear();
            self.drop_bytes(cx, DropReason::ClosedByServer, bytes);
            return self.finish(cx);
        }
        self.set_phase(cx, Phase::Replaying);
        if !straight && !self.reconnect.is_fruitful() {
            // A login that is cut off would be repeated for ever.
            return self.refused(cx, DropReason::ClosedByServer);
        }
        if !self.reconnect.send_again(straight && self.send_buffer.is_at_turn_start()) {
            // Bytes that a module passed were meant for the lost connection, and may be wrong on another.
            let bytes = if straight { self.send_buffer.drop_turn() } else { self.send_buffer.clear() };
            self.drop_bytes(cx, DropReason::ClosedByServer, bytes);
            if self.send_buffer.is_empty() {
                self.skipping = Some(DropReason::ClosedByServer);
            }
        }
        self.resume_send_buffer(cx);
    }

    pub(super) fn open_connection(&mut self, cx: &mut Context<'_>) {
        if cx.link_up {
            if !self.transform.is_straight() {
                // A module reads answers from the first byte on, and decides itself when it has read enough. If the payload
                // were asked for later, the first answer might come without it and only be repeated after a time-out.
                self.connection.ask_payload(cx, AnswerPayload::All);
            }
            self.repeat_preamble();
            self.connection.open(cx, self.evidence.is_awaited());
        }
    }

    /// A connection is missing because there was no link to open it.
    pub(super) fn wants_connection(&self) -> bool {
        !self.send_buffer.is_empty()
            || self.turn_queue.due_len() > 0
            || (self.reconnect.is_first()
                && self.is_unbroken()
                && self.turn_queue.next_turn().is_none()
                && !self.evidence.is_given_up())
    }
}
