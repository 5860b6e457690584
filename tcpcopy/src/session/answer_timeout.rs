//! A session's timers, and what it does when nothing happens any more.

use std::time::Duration;

use common_core::time::Time;

use crate::ledger::DropReason;
use crate::session::client_stream::StreamCx;
use crate::session::{Context, Phase, Session};

/// How long a connection may stand still that a new one on its four-tuple waits for.
const HURRIED_TIMEOUT: Duration = Duration::from_secs(10);

/// A session that has nothing to do for so long rests.
const REST: Duration = Duration::from_millis(100);

/// How often memory is given back that a session has used meanwhile.
const TRIM_EVERY: Duration = Duration::from_secs(1);

/// How long a session that is over is remembered.
const LINGER: Duration = Duration::from_secs(1);

impl Session {
    /// When [`Session::handle_timeout`] is to be called.
    pub(crate) fn next_timeout(&self, cx: &Context<'_>) -> Time {
        let connection = self.connection.next_timeout();
        match self.phase {
            Phase::Finished if self.connection.is_gone() => self.lingers_until(),
            Phase::Finished => connection,
            Phase::Waiting => self.client_stream.next_timeout(),
            Phase::Ignoring(_) => self.idle_at(cx),
            _ => connection.min(self.client_stream.next_timeout()).min(self.gate_at).min(self.idle_at(cx)),
        }
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let mut stream = StreamCx { now: cx.now, turn_queue: &mut self.turn_queue, ledger: cx.ledger };
        self.client_stream.handle_timeout(&mut stream);
        if let Some(event) = self.connection.handle_timeout(cx, &self.send_buffer) {
            self.handle_event(cx, event);
        }
        if cx.now >= self.idle_at(cx) {
            self.out_of_patience(cx);
        }
        self.rest(cx.now);
        self.advance(cx);
    }

    /// Gives memory back that is not in use: of a session that rests at once, of others now and then, for they would
    /// want it again.
    pub(crate) fn rest(&mut self, now: Time) {
        let waits = self.turn_queue.len() > 0 || !self.send_buffer.is_empty();
        let silent = now.since(self.last_client.max(self.last_progress)) >= REST;
        if silent && !waits || now >= self.trim_at {
            self.trim_at = now + TRIM_EVERY;
            self.turn_queue.trim();
            self.send_buffer.trim();
        }
    }

    fn out_of_patience(&mut self, cx: &mut Context<'_>) {
        match self.phase {
            Phase::Finished | Phase::Waiting => {}
            Phase::Ignoring(_) => self.set_phase(cx, Phase::Finished),
            // The server does not close its half; all that matters has been said.
            Phase::Reopening | Phase::Ending if self.send_buffer.is_empty() => {
                self.connection.reset(cx);
                self.lose_connection(DropReason::NoAnswer);
                match self.phase {
                    Phase::Reopening => self.set_phase(cx, Phase::Replaying),
                    _ => self.finish(cx),
                }
            }
            _ if self.is_stalled() => self.give_up(cx, DropReason::NoAnswer),
            // It was told to end, and does not come to it.
            _ if self.turn_queue.end().is_some() => {
                self.connection.reset(cx);
                self.finish(cx);
            }
            _ => self.finish_client(cx),
        }
    }

    /// A segment that comes late must not be taken for the start of a session joined in mid-stream.
    pub(super) fn lingers_until(&self) -> Time {
        self.last_client.max(self.last_progress) + LINGER
    }

    /// Something waits for the test server.
    pub(super) fn is_stalled(&self) -> bool {
        !self.send_buffer.is_empty()
            || self.turn_queue.due_len() > 0
            || (self.phase == Phase::Replaying && self.gate.is_preparing())
            || matches!(self.phase, Phase::Ending | Phase::Reopening)
    }

    /// When a session that waits, or is silent, has done so long enough.
    fn idle_at(&self, cx: &Context<'_>) -> Time {
        match self.phase {
            Phase::Finished | Phase::Waiting => Time::NEVER,
            Phase::Ignoring(_) => self.last_client + cx.config.keepalive_timeout,
            _ if !self.is_stalled() => self.last_client.max(self.last_progress) + cx.config.keepalive_timeout,
            Phase::Reopening => self.last_progress + HURRIED_TIMEOUT,
            _ if self.superseded => self.last_progress + HURRIED_TIMEOUT,
            _ => self.last_progress + cx.config.session_timeout,
        }
    }
}
