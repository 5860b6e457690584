//! What becomes of a session when its connection comes up or goes down.

use std::time::Duration;

use crate::ledger::DropReason;
use crate::session::connection::Event;
use crate::session::gate::Pass;
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
                }
                self.with_relay(cx, Relay::connected);
            }
            Event::Refused => self.refused(cx, DropReason::Refused),
            Event::Unanswered => self.refused(cx, DropReason::NoAnswer),
            Event::Reset { certain } => self.reset_by_server(cx, certain),
            Event::Closed if self.phase == Phase::Ending => self.finish(cx),
            Event::Closed => {
                let unanswered = self.gate.connection_lost();
                self.count_cut_off(cx, unanswered);
                self.set_phase(cx, Phase::Replaying);
            }
        }
    }

    /// The last turn was acknowledged and never answered: its bytes are replayed, but the session is not whole.
    fn count_cut_off(&mut self, cx: &mut Context<'_>, cut_off: bool) {
        if cut_off {
            cx.ledger.turns.cut_off += 1;
            self.first_drop.get_or_insert(DropReason::ClosedByServer);
        }
    }

    /// No connection can be had: what was let go is lost, and what comes is, until it is time to try again.
    fn refused(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.last_refusal = reason;
        self.retry_at = cx.now + RETRY_AFTER;
        self.gate.connection_lost();
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
        let unanswered = self.gate.connection_lost();
        self.count_cut_off(cx, unanswered && self.outbox.is_empty());
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
        if !self.outbox.is_empty() {
            self.gate.turn_begins(cx.now, self.outbox.start(), 0, 0, Pass::AtOnce, &mut cx.target.pacing);
            self.open_connection(cx);
        }
    }

    pub(super) fn open_connection(&mut self, cx: &mut Context<'_>) {
        if cx.link_up {
            self.connection.open(cx);
        }
    }
}
