//! Whether a stream may go on on a new connection, and the bytes that are sent there first (docs/CONNECTION_STATE.md).
//!
//! A server's state for a connection (a login, a database) is gone with the connection. The recogniser tells from the
//! client's bytes whether there is any; if it cannot tell, a [`Trial`] shows whether the test server understands the rest.

use std::time::Duration;

use crate::ledger::{DropReason, ReleaseReason};
use crate::recognise::Resume;
use crate::session::preamble::{Beginning, Preamble, beginning};
use crate::session::send_buffer::Origin;
use crate::session::trial::{Subject, Trial};
use crate::session::trials::Admission;
use crate::session::turn_queue::Turn;
use crate::session::{Context, Session};
use crate::settings::OnReconnect;

/// How often a turn asks again that waits for the outcome of other sessions' trials, and how long it waits at most.
const ASK_AGAIN: Duration = Duration::from_millis(250);
const TRIAL_WAIT: Duration = Duration::from_secs(10);

/// A turn shorter than this, in bytes, may be incomplete, and its rest may show another protocol: how long to wait for the
/// rest.
const SHORT: usize = 24;
const REST_WAIT: Duration = Duration::from_millis(50);

/// Bytes of a turn that are looked at to recognise it.
const HEAD: usize = 256;

/// The decision about a turn that needs a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resumption {
    /// The connection may be opened.
    Go,
    /// Not now: asked again later.
    Wait,
    /// This turn cannot begin a connection and is dropped; a later one may.
    Skip(DropReason),
    /// No turn of this stream can begin a connection: the stream ends here.
    GiveUp(DropReason),
}

impl Session {
    /// This is the first turn of a stream of which nothing was lost: it begins its connection as the client began the
    /// original.
    pub(super) fn begins_with(&self, turn: &Turn) -> bool {
        !turn.after_gap && self.turn_queue.start() == self.preamble.len() && self.is_unbroken()
    }

    /// The stream was seen from its start, and nothing of it was dropped.
    pub(super) fn is_unbroken(&self) -> bool {
        !self.client_stream.is_joined() && self.first_loss().is_none()
    }

    /// Decides whether the next waiting turn may be the first on a new connection.
    pub(super) fn resume_with_next(&mut self, cx: &mut Context<'_>, turn: &Turn) -> Resumption {
        let head = first(self.turn_queue.next_turn_bytes(), &[]);
        let rest_at = turn.captured + REST_WAIT;
        if cx.now < rest_at && cx.target.on_reconnect == OnReconnect::Recognise && self.may_grow(&head) {
            self.activity.ask_gate_at(rest_at);
            return Resumption::Wait;
        }
        match self.resume_with(cx, &head) {
            Resumption::Wait if cx.now > turn.captured + TRIAL_WAIT => Resumption::Skip(self.lost_state()),
            Resumption::Wait => {
                self.activity.ask_gate_at(cx.now + ASK_AGAIN);
                Resumption::Wait
            }
            resumption => resumption,
        }
    }

    /// The next turn is so short that more of it may come, and the rest would show its protocol: a few bytes look like
    /// many protocols.
    fn may_grow(&mut self, head: &Head) -> bool {
        head.length < SHORT
            && self.is_last_turn()
            && self.trial.is_none()
            && self.transform.is_straight()
            && match self.recogniser.resume_at(head.as_slice(), head.turn) {
                Resume::OnTrial => true,
                Resume::Yes => !head.as_slice().contains(&b'\n'),
                Resume::NotHere | Resume::Never => false,
            }
    }

    /// The next turn is the last one captured so far: more of it may come.
    fn is_last_turn(&self) -> bool {
        self.turn_queue.turns().nth(1).is_none() && self.turn_queue.end().is_none()
    }

    /// The connection broke: the bytes in the send buffer go to a new one, from the first turn on that may begin a
    /// connection. The turns before it are dropped.
    pub(super) fn resume_send_buffer(&mut self, cx: &mut Context<'_>) {
        while !self.send_buffer.is_empty() {
            let (one, other) = self.send_buffer.slice(self.send_buffer.start(), HEAD);
            let head = first(one, other);
            let begins = self.send_buffer.start() == 0 && self.is_unbroken();
            let resumption = if begins { Resumption::Go } else { self.resume_with(cx, &head) };
            let reason = match resumption {
                Resumption::Go => {
                    self.begin_turn_anew(cx, self.send_buffer.start());
                    return self.open_connection(cx);
                }
                Resumption::GiveUp(reason) => return self.end_with_connection(cx, reason),
                Resumption::Skip(reason) => reason,
                Resumption::Wait => self.lost_state(),
            };
            let bytes = self.send_buffer.drop_turn();
            self.drop_bytes(cx, reason, bytes);
            self.skipping = Some(reason);
        }
    }

    /// Decides whether a new connection may begin in mid-stream with the turn that begins with `head`.
    fn resume_with(&mut self, cx: &mut Context<'_>, head: &Head) -> Resumption {
        let late = self.client_stream.is_joined() && self.reconnect.is_first();
        if cx.target.on_reconnect == OnReconnect::Drop {
            return Resumption::GiveUp(self.lost_state());
        }
        if self.client_stream.is_joined() && cx.target.preambles.are_wanted() {
            return Resumption::GiveUp(DropReason::StateUnknown);
        }
        if !self.transform.is_straight() || cx.target.on_reconnect == OnReconnect::Resume {
            return Resumption::Go;
        }
        match self.recogniser.resume_at(head.as_slice(), head.turn) {
            Resume::Yes if late => self.try_out(cx, Subject::Joined),
            Resume::Yes => Resumption::Go,
            Resume::NotHere if late => Resumption::Skip(DropReason::JoinedMidTurn),
            Resume::NotHere => Resumption::Skip(DropReason::StateLost),
            Resume::Never => Resumption::GiveUp(self.lost_state()),
            Resume::OnTrial => self.try_out(cx, Subject::UnknownProtocol),
        }
    }

    fn try_out(&mut self, cx: &mut Context<'_>, subject: Subject) -> Resumption {
        if self.trial.is_some() {
            // The server never accepted the connection of this session's trial: the trial has not begun.
            return Resumption::Go;
        }
        match subject.admit(cx) {
            Admission::Admitted => {
                self.unanswered.trial_begins();
                self.trial = Some(Box::new(Trial::new(subject)));
                Resumption::Go
            }
            Admission::Later => Resumption::Wait,
            Admission::Refused => Resumption::GiveUp(self.lost_state()),
        }
    }

    /// The test server has answered a turn.
    pub(super) fn trial_answered(&mut self, cx: &mut Context<'_>) {
        if let Some(trial) = &mut self.trial
            && trial.answered(cx.now)
        {
            self.end_trial(cx, Some(true));
        }
    }

    /// The test server has closed before the copy did: the trial has failed, unless the connection was idle or the client
    /// may have asked for it. True if the stream ends with that.
    pub(super) fn fail_trial(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(trial) = &self.trial else { return false };
        if trial.closed_when_idle(cx.now) {
            self.end_trial(cx, None);
            return false;
        }
        // A client that has closed as well may have asked the server to close (Connection: close): that shows nothing.
        let client_ended = self.turn_queue.end().is_some() && self.turn_queue.len() == 0;
        let asked = client_ended && trial.has_answered();
        let reason = self.lost_state();
        let replayed = trial.replayed();
        if !asked || !trial.others_passed(cx) {
            self.take_back(cx, replayed, reason);
        }
        self.end_trial(cx, (!asked).then_some(false));
        if !asked {
            self.end_with_connection(cx, reason);
        }
        !asked
    }

    /// The bytes sent on the connection may have meant something else to the test server: they do not count as replayed.
    fn take_back(&mut self, cx: &mut Context<'_>, bytes: u64, reason: DropReason) {
        if bytes > 0 {
            self.unanswered.forget(bytes);
            cx.ledger.take_back(reason, bytes);
            self.outcome.lost(reason);
        }
    }

    /// The test server has closed in the trial without answering anything, though it had acknowledged bytes: there is
    /// nothing to wait for.
    pub(super) fn is_trial_hopeless(&mut self, cx: &Context<'_>) -> bool {
        let closed = self.connection.peer_closed();
        self.trial.as_mut().is_some_and(|trial| closed && trial.closed(cx.now))
    }

    /// Ends the trial of this session, if there is one: it has passed, failed, or shown nothing (`None`).
    pub(super) fn end_trial(&mut self, cx: &mut Context<'_>, passed: Option<bool>) {
        if let Some(trial) = self.trial.take() {
            trial.end(cx, passed);
        }
    }

    /// The session is over before its trial has shown anything. If no other trial has passed, its bytes may have meant
    /// something else to the test server, or nothing: a server that waits for the end of a line keeps silent. So they do
    /// not count as replayed. If the client reads no answers, nothing can be proved: then they count.
    pub(super) fn leave_trial(&mut self, cx: &mut Context<'_>) {
        if let Some(trial) = &self.trial
            && trial.has_client_answered()
            && !trial.others_passed(cx)
        {
            let replayed = trial.replayed();
            self.take_back(cx, replayed, self.lost_state());
        }
        self.end_trial(cx, None);
    }

    /// The stream ends here, because its bytes would mean something else on a new connection.
    pub(super) fn end_with_connection(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        let why = match reason {
            DropReason::StateUnknown => {
                "it began before tcpcopy, and the test server needs state that its client set then"
            }
            _ => "the test server has closed a connection for which it kept state",
        };
        cx.failures.state_lost(cx.now, &cx.flow, self.recogniser.protocol().name(), why);
        self.abandon(cx, reason);
    }

    /// The reason for the end of a stream that cannot go on on a new connection.
    pub(super) fn lost_state(&self) -> DropReason {
        if self.client_stream.is_joined() { DropReason::StateUnknown } else { DropReason::StateLost }
    }

    /// If the stream begins with a preamble, sends it at once and keeps it for later connections. False while the rest of
    /// a preamble may still come: until then no turn may be released.
    pub(super) fn pass_preamble(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(turn) = self.turn_queue.next_turn() else { return true };
        if !matches!(self.preamble, Preamble::Sought) {
            return true;
        }
        let bytes = self.turn_queue.next_turn_bytes();
        let length = match beginning(bytes) {
            Beginning::Incomplete if self.is_last_turn() => return false,
            Beginning::Header(length) if self.is_unbroken() => length,
            _ => {
                if self.is_unbroken() {
                    cx.target.preambles.note(false);
                }
                self.preamble = Preamble::None;
                return true;
            }
        };
        let preamble: Box<[u8]> = bytes.get(..length).unwrap_or_default().into();
        if bytes.len() == length {
            cx.ledger.turn_released(turn.captured, cx.now, ReleaseReason::AtOnce);
        }
        cx.target.preambles.note(true);
        self.send_buffer.begin_turn();
        self.send_buffer.push(&preamble, Origin::Client);
        self.turn_queue.skip_in_next_turn(length);
        self.preamble = Preamble::Known(preamble);
        if self.connection.is_closed() {
            if let Some(refusal) = self.reconnect.refusal(cx.now) {
                let bytes = self.send_buffer.clear();
                self.drop_bytes(cx, refusal, bytes);
            } else {
                self.open_connection(cx);
            }
        }
        true
    }

    /// Puts the preamble in front of the bytes for a new connection, unless the send buffer still begins with it.
    pub(super) fn repeat_preamble(&mut self) {
        if let Preamble::Known(bytes) = &self.preamble
            && self.send_buffer.start() > 0
        {
            self.send_buffer.prepend(bytes);
        }
    }
}

/// The beginning of a turn that is in two pieces.
fn first(one: &[u8], other: &[u8]) -> Head {
    let mut head = Head { bytes: [0; HEAD], length: 0, turn: one.len() + other.len() };
    for byte in one.iter().chain(other).take(HEAD) {
        head.bytes[head.length] = *byte;
        head.length += 1;
    }
    head
}

struct Head {
    bytes: [u8; HEAD],
    length: usize,
    /// The known length of the turn, in bytes.
    turn: usize,
}

impl Head {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
