//! A session's timers, and its reaction to long silence.

use std::time::Duration;

use common_core::time::Time;

use crate::ledger::DropReason;
use crate::session::client_stream::StreamCx;
use crate::session::{Context, Phase, Session};

/// How long a connection may stand still while a new one waits for its four-tuple.
const HURRIED_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a session is remembered after its end.
const LINGER: Duration = Duration::from_secs(1);

impl Session {
    /// When [`Session::handle_timeout`] is to be called.
    pub(crate) fn next_timeout(&self, cx: &Context<'_>) -> Time {
        let connection = self.connection.next_timeout();
        match self.phase {
            Phase::Finished if self.connection.is_gone() => self.lingers_until(),
            Phase::Finished => connection,
            Phase::Waiting => self.client_stream.next_timeout().min(self.evidence.next_timeout(cx)),
            Phase::Ignoring(_) => self.idle_at(cx),
            _ => connection
                .min(self.client_stream.next_timeout())
                .min(self.activity.gate_at())
                .min(self.transform.call_at())
                .min(self.evidence.next_timeout(cx))
                .min(self.idle_at(cx)),
        }
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let mut stream =
            StreamCx { now: cx.now, stamp: cx.stamp, turn_queue: &mut self.turn_queue, ledger: cx.ledger };
        self.client_stream.handle_timeout(&mut stream);
        self.handle_embryo_timeout(cx);
        if let Some(event) = self.connection.handle_timeout(cx, &self.send_buffer) {
            self.handle_event(cx, event);
        }
        if cx.now >= self.idle_at(cx) {
            self.idle_too_long(cx);
        }
        self.trim(cx.now);
        self.transform.handle_timeout(cx.now);
        self.advance(cx);
    }

    /// Gives unused memory back: at once if the session rests, now and then if it is busy and would want the memory again.
    pub(crate) fn trim(&mut self, now: Time) {
        let busy = self.turn_queue.len() > 0 || !self.send_buffer.is_empty();
        if self.activity.is_trim_due(now, busy) {
            self.turn_queue.trim();
            self.send_buffer.trim();
        }
    }

    fn idle_too_long(&mut self, cx: &mut Context<'_>) {
        match self.phase {
            Phase::Finished | Phase::Waiting => {}
            Phase::Ignoring(_) => self.set_phase(cx, Phase::Finished),
            // The server does not close its half, but has acknowledged all.
            Phase::Reopening | Phase::Ending if self.send_buffer.is_empty() => {
                self.connection.reset(cx);
                self.lose_connection(DropReason::NoAnswer);
                match self.phase {
                    Phase::Reopening => self.set_phase(cx, Phase::Replaying),
                    _ => self.finish(cx),
                }
            }
            _ if self.is_stalled() => self.give_up(cx, DropReason::NoAnswer),
            // Its client has ended it, and the gate does not release the end.
            _ if self.turn_queue.end().is_some() => {
                self.connection.reset(cx);
                self.finish(cx);
            }
            _ => self.finish_client(cx),
        }
    }

    /// A late segment must not be taken for the start of a session joined in mid-stream.
    pub(super) fn lingers_until(&self) -> Time {
        self.activity.last() + LINGER
    }

    /// Something waits for the test server.
    pub(super) fn is_stalled(&self) -> bool {
        !self.send_buffer.is_empty()
            || self.turn_queue.due_len() > 0
            || (self.phase == Phase::Replaying && self.gate.is_preparing())
            || matches!(self.phase, Phase::Ending | Phase::Reopening)
    }

    /// When a session that waits, or is silent, has done so too long.
    fn idle_at(&self, cx: &Context<'_>) -> Time {
        let (activity, config) = (&self.activity, cx.config);
        match self.phase {
            Phase::Finished | Phase::Waiting => Time::NEVER,
            Phase::Ignoring(_) => activity.last_client() + config.keepalive_timeout,
            _ if !self.is_stalled() => activity.last() + config.keepalive_timeout,
            Phase::Reopening => activity.last_progress() + HURRIED_TIMEOUT,
            _ if self.superseded => activity.last_progress() + HURRIED_TIMEOUT,
            _ => activity.last_progress() + config.session_timeout,
        }
    }
}
