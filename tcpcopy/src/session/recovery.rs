//! What becomes of a session when its connection comes up or goes down.

use std::time::Duration;

use common::control::AnswerPayload;

use crate::ledger::DropReason;
use crate::session::connection::Event;
use crate::session::relay::Relay;
use crate::session::{Context, Phase, Session};

/// How long a session leaves a test server alone that has refused it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Session {
    pub(super) fn handle_event(&mut self, cx: &mut Context<'_>, event: Event) {
        if matches!(self.phase, Phase::Finished | Phase::Ignoring(_)) {
            return;
        }
        match event {
            Event::Opened => {
                self.connections += 1;
                self.fruitful = false;
                self.last_progress = cx.now;
                if self.connections > 1 {
                    cx.ledger.tcp.rebuilt += 1;
                } else if self.upstream.is_joined() {
                    cx.ledger.tcp.taken_up += 1;
                }
                self.with_relay(cx, Relay::connected);
            }
            Event::Refused => self.refused(cx, DropReason::Refused),
            Event::Unanswered => self.refused(cx, DropReason::NoAnswer),
            Event::Reset { certain } => self.reset_by_server(cx, certain),
            Event::Closed if self.phase == Phase::Ending => self.finish(cx),
            Event::Closed => {
                if !self.fail_trial(cx) {
                    self.lose_connection(cx, DropReason::ClosedByServer);
                    self.set_phase(cx, Phase::Replaying);
                }
            }
        }
    }

    /// The connection is gone, for `reason`: what the test server keeps for it, and the answers that it owes.
    pub(super) fn lose_connection(&mut self, _cx: &mut Context<'_>, reason: DropReason) {
        self.gate.connection_lost();
        self.unanswered.connection_lost(reason);
    }

    /// Its client had read an answer to all that was said so far: what no answer came to was not replayed.
    pub(super) fn client_was_answered(&mut self, cx: &mut Context<'_>) {
        if let Some((_, of_trial, reason)) = self.unanswered.client_was_answered(cx.ledger) {
            self.trial_took_back(of_trial);
            cx.ledger.turns.cut_off += u64::from(reason == DropReason::ClosedByServer);
            self.first_drop.get_or_insert(reason);
        }
    }

    /// The same at the end of the session, or before the rest of it is dropped: as far as it is known that its client had
    /// read an answer.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>) {
        let next = self.feed.next_turn().is_some_and(|turn| turn.need > 0);
        // The online server's FIN counts as one byte; a reset may not tell what its client had read.
        let end = self.feed.end().is_some_and(|end| end.need > 1 && end.need != u32::MAX);
        if next || end {
            self.client_was_answered(cx);
        }
    }

    /// The test server is left alone for a while; what falls due until then is dropped for `reason`.
    pub(super) fn wait_to_retry(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.last_refusal = reason;
        self.retry_at = cx.now + RETRY_AFTER;
    }

    /// No connection can be had: what was let go is lost, and what comes is, until it is time to try again.
    fn refused(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.wait_to_retry(cx, reason);
        self.lose_connection(cx, reason);
        self.end_trial(cx, None);
        let bytes = self.outbox.clear();
        self.drop_bytes(cx, reason, bytes);
        self.skipping = Some(reason);
    }

    /// The test server has accepted the connection only to say that it does not want it.
    pub(super) fn refused_by_words(&mut self, cx: &mut Context<'_>) {
        self.connection.reset(cx);
        self.connections = self.connections.saturating_sub(1);
        cx.ledger.tcp.refused += 1;
        self.refused(cx, DropReason::Refused);
    }

    /// The test server has closed while a module holds bytes back: the answer that it waits for will not come.
    pub(super) fn closed_on_held(&mut self, cx: &mut Context<'_>) {
        if !self.fruitful {
            // A login that is cut off would be tried for ever.
            self.connection.reset(cx);
            self.refused(cx, DropReason::ClosedByServer);
            self.move_due(cx);
        } else if self.outbox.is_empty() {
            self.connection.close(cx, &self.outbox);
            self.set_phase(cx, Phase::Reopening);
        }
    }

    /// The turn in progress goes to a new connection if nothing of it was acknowledged; else its rest is lost. One behind
    /// which its client has closed must be `certain` not to have arrived: a server may have answered it and closed,
    /// unheard, and knows nothing of it any more.
    fn reset_by_server(&mut self, cx: &mut Context<'_>, certain: bool) {
        if self.phase != Phase::Ending && self.fail_trial(cx) {
            return;
        }
        self.lose_connection(cx, DropReason::ClosedByServer);
        self.outbox.drop_preamble();
        let straight = self.relay.is_straight();
        if self.phase == Phase::Ending && (self.outbox.is_empty() || !certain || !straight) {
            let bytes = self.outbox.clear();
            self.drop_bytes(cx, DropReason::ClosedByServer, bytes);
            return self.finish(cx);
        }
        self.set_phase(cx, Phase::Replaying);
        if !straight && !self.fruitful {
            // A login that is cut off would be tried for ever.
            return self.refused(cx, DropReason::ClosedByServer);
        }
        self.sent_again = straight && !self.sent_again && self.outbox.is_at_turn_start();
        if !self.sent_again {
            // What a module has let through, it meant for the connection that has gone.
            let bytes = if straight { self.outbox.drop_turn() } else { self.outbox.clear() };
            self.drop_bytes(cx, DropReason::ClosedByServer, bytes);
            if self.outbox.is_empty() {
                self.skipping = Some(DropReason::ClosedByServer);
            }
        }
        self.resume_outbox(cx);
    }

    pub(super) fn open_connection(&mut self, cx: &mut Context<'_>) {
        if cx.link_up {
            if !self.relay.is_straight() {
                // A module reads answers from the first byte on; it says itself when that is enough. Asked for any later, the
                // answer to what it says first would be earlier than that, and come again by timeout.
                self.connection.ask_payload(cx, AnswerPayload::All);
            }
            self.repeat_preamble();
            self.connection.open(cx);
        }
    }
}
