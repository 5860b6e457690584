//! Whether a stream may go on on a new connection, and what is said there first (docs/CONNECTION_STATE.md).
//!
//! What a server keeps for a connection (a login, a database) is gone with it. The recogniser tells from the client's
//! bytes whether there is anything; where it cannot, a [`Trial`] shows whether the test server can make sense of the
//! rest.

use std::time::Duration;

use common_core::time::Time;

use crate::ledger::DropReason;
use crate::recognise::Resume;
use crate::session::advance::count_turn;
use crate::session::gate::ReleaseReason;
use crate::session::preamble::{Beginning, beginning};
use crate::session::send_buffer::Origin;
use crate::session::trials::{Admission, Trials};
use crate::session::turn_queue::Turn;
use crate::session::{Context, Session};
use crate::settings::OnReconnect;

/// How often a turn asks again that waits for the outcome of other sessions' trials, and how long it waits at most.
const ASK_AGAIN: Duration = Duration::from_millis(250);
const TRIAL_WAIT: Duration = Duration::from_secs(10);

/// Answered turns after which a trial has passed. A server that makes no sense of the first turn says so, and closes.
/// Two would not be enough: a server that speaks first (SSH) seems to answer the first turn by its greeting, and the
/// second by its complaint.
const TURNS_TO_PASS: u8 = 4;
/// The same where the protocol is known, and only the beginning of the stream is not.
const TURNS_TO_PASS_KNOWN: u8 = 1;

/// A server that makes no sense of a turn closes within this time after its answer; a later close is one of an idle
/// connection.
const SOON: Duration = Duration::from_secs(1);

/// A turn shorter than this, in bytes, may be incomplete, and its rest may show another protocol: how long to wait
/// for it.
const SHORT: usize = 24;
const REST_WAIT: Duration = Duration::from_millis(50);

/// How much of a turn is looked at to tell what it is, in bytes.
const HEAD: usize = 256;

/// The header of the PROXY protocol that the stream began with, if it did: it is said first on each new connection.
#[derive(Debug)]
pub(super) enum Preamble {
    /// The stream has just begun: not enough of it has come to tell.
    Sought,
    None,
    Known(Box<[u8]>),
}

/// This session's connection was opened in mid-stream, to see whether the test server can make sense of that.
#[derive(Debug)]
pub(super) struct Trial {
    of: Trialled,
    answered: u8,
    last_answer: Time,
    /// When the test server was first seen to have closed.
    closed: Option<Time>,
    /// Client bytes sent on the connection that count as replayed now: they are taken back if the trial fails.
    replayed: u64,
    /// The client has read an answer of the online server since the trial began.
    client_answered: bool,
}

#[derive(Debug, Clone, Copy)]
enum Trialled {
    Unknown,
    Joined,
}

impl Trialled {
    fn trials<'t>(self, cx: &'t mut Context<'_>) -> &'t mut Trials {
        match self {
            Self::Unknown => &mut cx.target.unknown,
            Self::Joined => &mut cx.target.joined,
        }
    }
}

/// What becomes of a turn for which a new connection is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resumption {
    /// The connection may be opened.
    Go,
    /// Not now: asked again later.
    Wait,
    /// This turn cannot begin a connection and is dropped; a later one may.
    Skip(DropReason),
    /// No turn of this stream can: it ends here.
    GiveUp(DropReason),
}

impl Session {
    /// This is the first turn of a stream of which nothing was lost: it begins its connection as the client began its
    /// own.
    pub(super) fn begins_with(&self, turn: &Turn) -> bool {
        !turn.after_gap && self.turn_queue.start() == self.preamble_length() && self.is_unbroken()
    }

    /// The stream was seen from its start, and nothing of it has been dropped.
    pub(super) fn is_unbroken(&self) -> bool {
        !self.client_stream.is_joined() && self.outcome().is_none()
    }

    fn preamble_length(&self) -> u64 {
        match &self.preamble {
            Preamble::Known(bytes) => bytes.len() as u64,
            Preamble::Sought | Preamble::None => 0,
        }
    }

    /// Decides whether the next waiting turn may be the first on a new connection.
    pub(super) fn resume_with_next(&mut self, cx: &mut Context<'_>, turn: &Turn) -> Resumption {
        let head = first(self.turn_queue.next_turn_bytes(), &[]);
        let rest_at = turn.captured + REST_WAIT;
        if cx.now < rest_at && cx.target.on_reconnect == OnReconnect::Recognise && self.may_go_on(&head) {
            self.gate_at = rest_at;
            return Resumption::Wait;
        }
        match self.resume_with(cx, &head) {
            Resumption::Wait if cx.now > turn.captured + TRIAL_WAIT => Resumption::Skip(self.lost_state()),
            Resumption::Wait => {
                self.gate_at = cx.now + ASK_AGAIN;
                Resumption::Wait
            }
            resumption => resumption,
        }
    }

    /// The next turn is so short that it may be incomplete, and its rest would decide: a few bytes look like many
    /// protocols.
    fn may_go_on(&mut self, head: &Head) -> bool {
        head.length < SHORT
            && (self.turn_queue.turns().nth(1).is_none() && self.turn_queue.end().is_none())
            && self.trial.is_none()
            && self.transform.is_straight()
            && match self.recogniser.resume_at(head.as_slice(), head.turn) {
                Resume::OnTrial => true,
                Resume::Yes => !head.as_slice().contains(&b'\n'),
                Resume::NotHere | Resume::Never => false,
            }
    }

    /// The connection broke: what the send buffer still holds goes to a new connection, from the first turn on that may
    /// begin one. The turns before it are dropped.
    pub(super) fn resume_outbox(&mut self, cx: &mut Context<'_>) {
        while !self.send_buffer.is_empty() {
            let (one, other) = self.send_buffer.slice(self.send_buffer.start(), HEAD);
            let head = first(one, other);
            let begins = self.send_buffer.start() == 0 && self.is_unbroken();
            let resumption = if begins { Resumption::Go } else { self.resume_with(cx, &head) };
            let reason = match resumption {
                Resumption::Go => {
                    self.gate.turn_begins(
                        cx.now,
                        self.send_buffer.start(),
                        0,
                        0,
                        ReleaseReason::AtOnce,
                        &mut cx.target.pacing,
                    );
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
        let late = self.client_stream.is_joined() && self.connections == 0;
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
            Resume::Yes if late => self.try_out(cx, Trialled::Joined),
            Resume::Yes => Resumption::Go,
            Resume::NotHere if late => Resumption::Skip(DropReason::JoinedMidTurn),
            Resume::NotHere => Resumption::Skip(DropReason::StateLost),
            Resume::Never => Resumption::GiveUp(self.lost_state()),
            Resume::OnTrial => self.try_out(cx, Trialled::Unknown),
        }
    }

    fn try_out(&mut self, cx: &mut Context<'_>, of: Trialled) -> Resumption {
        if self.trial.is_some() {
            // The server never accepted the connection of this session's trial: it is still to begin.
            return Resumption::Go;
        }
        let now = cx.now;
        match of.trials(cx).admit(now) {
            Admission::Admitted => {
                self.unanswered.trial_begins();
                self.trial = Some(Box::new(Trial {
                    of,
                    answered: 0,
                    last_answer: Time::ZERO,
                    closed: None,
                    replayed: 0,
                    client_answered: false,
                }));
                Resumption::Go
            }
            Admission::Later => Resumption::Wait,
            Admission::Refused => Resumption::GiveUp(self.lost_state()),
        }
    }

    /// The test server has answered a turn: the trial passes after enough of them.
    pub(super) fn trial_answered(&mut self, cx: &mut Context<'_>) {
        let Some(trial) = &mut self.trial else { return };
        trial.answered = trial.answered.saturating_add(1);
        trial.last_answer = cx.now;
        let enough = match trial.of {
            Trialled::Unknown => TURNS_TO_PASS,
            Trialled::Joined => TURNS_TO_PASS_KNOWN,
        };
        if trial.answered >= enough {
            self.end_trial(cx, Some(true));
        }
    }

    /// The test server's TCP has acknowledged so many more client bytes.
    pub(super) fn trial_acknowledged(&mut self, bytes: u64) {
        if let Some(trial) = &mut self.trial {
            trial.replayed += bytes;
        }
    }

    /// The test server has closed before the copy did: the trial has failed, unless the connection was idle or the
    /// client may have asked for it. True if the stream ends with that.
    pub(super) fn fail_trial(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(trial) = &self.trial else { return false };
        if trial.answered > 0 && trial.closed.unwrap_or(cx.now) > trial.last_answer + SOON {
            self.end_trial(cx, None);
            return false;
        }
        // A client that has closed as well may have asked the server to close (Connection: close): that shows nothing.
        let client_ended = self.turn_queue.end().is_some() && self.turn_queue.len() == 0;
        let asked = client_ended && trial.answered > 0;
        let reason = self.lost_state();
        let replayed = trial.replayed;
        if !asked || !trial.of.trials(cx).have_passed() {
            self.take_back(cx, replayed, reason);
        }
        self.end_trial(cx, (!asked).then_some(false));
        if !asked {
            self.end_with_connection(cx, reason);
        }
        !asked
    }

    /// What was sent on the connection may have meant something else to the test server: it does not count as replayed.
    fn take_back(&mut self, cx: &mut Context<'_>, bytes: u64, reason: DropReason) {
        if bytes > 0 {
            self.unanswered.forget(bytes);
            cx.ledger.bytes.replayed -= bytes;
            cx.ledger.bytes.dropped.add(reason, bytes);
            self.first_drop.get_or_insert(reason);
        }
    }

    /// Notes whether the test server has closed during a trial. True if it did so without answering anything, though it
    /// had acknowledged bytes: there is nothing to wait for.
    pub(super) fn is_trial_closed_on(&mut self, now: Time) -> bool {
        let Some(trial) = &mut self.trial else { return false };
        if !self.connection.peer_closed() {
            return false;
        }
        trial.closed.get_or_insert(now);
        trial.answered == 0 && trial.replayed > 0
    }

    /// Ends the trial of this session, if there is one: it has passed, failed or shown nothing (`None`). True if
    /// there was one.
    pub(super) fn end_trial(&mut self, cx: &mut Context<'_>, passed: Option<bool>) -> bool {
        let Some(trial) = self.trial.take() else { return false };
        let now = cx.now;
        trial.of.trials(cx).end(now, passed);
        true
    }

    /// So many acknowledged bytes were taken back from the replayed ones already, because no answer came to them.
    pub(super) fn trial_took_back(&mut self, bytes: u64) {
        if let Some(trial) = &mut self.trial {
            trial.replayed = trial.replayed.saturating_sub(bytes);
        }
    }

    /// The client has read an answer of the online server: the test server's silence would mean something now.
    pub(super) fn trial_client_answered(&mut self) {
        if let Some(trial) = &mut self.trial {
            trial.client_answered = true;
        }
    }

    /// The session is over before its trial has shown anything. If no other trial has passed, what it said may have
    /// meant something else to the test server, or nothing: a server that waits for the end of a line keeps silent.
    /// So it does not count as replayed. A client that reads no answers gives nothing to tell by: then it counts.
    pub(super) fn leave_trial(&mut self, cx: &mut Context<'_>) {
        if let Some(&Trial { of, replayed, client_answered: true, .. }) = self.trial.as_deref()
            && !of.trials(cx).have_passed()
        {
            let reason = self.lost_state();
            self.take_back(cx, replayed, reason);
        }
        self.end_trial(cx, None);
    }

    /// The stream ends here, for its bytes would mean something else on a new connection.
    pub(super) fn end_with_connection(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        let why = match reason {
            DropReason::StateUnknown => {
                "it was there before tcpcopy, and the test server must know what it said then"
            }
            _ => "the test server has closed its connection, and knew what it had said before",
        };
        cx.failures.state_lost(cx.now, &cx.flow, self.recogniser.protocol().name(), why);
        self.shed(cx, reason);
    }

    /// The reason for which a stream ends that cannot go on on a new connection.
    pub(super) fn lost_state(&self) -> DropReason {
        if self.client_stream.is_joined() { DropReason::StateUnknown } else { DropReason::StateLost }
    }

    /// Takes a preamble off the beginning of the stream, keeps it and sends it. False while it is incomplete.
    pub(super) fn pass_preamble(&mut self, cx: &mut Context<'_>) -> bool {
        if !matches!(self.preamble, Preamble::Sought) || self.turn_queue.next_turn().is_none() {
            return true;
        }
        let length = match beginning(self.turn_queue.next_turn_bytes()) {
            Beginning::Incomplete
                if self.turn_queue.turns().nth(1).is_none() && self.turn_queue.end().is_none() =>
            {
                return false;
            }
            Beginning::Preamble(length) if self.is_unbroken() => length,
            _ => {
                if self.is_unbroken() {
                    cx.target.preambles.note(false);
                }
                self.preamble = Preamble::None;
                return true;
            }
        };
        let bytes: Box<[u8]> = self.turn_queue.next_turn_bytes().get(..length).unwrap_or_default().into();
        cx.target.preambles.note(true);
        self.send_buffer.begin_turn();
        self.send_buffer.push(&bytes, Origin::Client);
        let refused = self.connection.is_closed() && cx.now < self.retry_at;
        if let Some(turn) = self.turn_queue.next_turn()
            && self.turn_queue.next_turn_bytes().len() == length
        {
            count_turn(cx, turn, ReleaseReason::AtOnce);
        }
        self.turn_queue.skip_in_next_turn(length);
        self.preamble = Preamble::Known(bytes);
        if refused {
            let bytes = self.send_buffer.clear();
            self.drop_bytes(cx, self.last_refusal, bytes);
        } else if self.connection.is_closed() {
            self.open_connection(cx);
        }
        true
    }

    /// Puts the preamble in front of what is sent on a new connection, unless the send buffer still begins with it.
    pub(super) fn repeat_preamble(&mut self) {
        if let Preamble::Known(bytes) = &self.preamble
            && self.send_buffer.start() > 0
        {
            self.send_buffer.prepend(bytes);
        }
    }
}

/// The beginning of a turn that lies in two pieces.
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
    /// The length of the turn, in bytes, as far as it is known.
    turn: usize,
}

impl Head {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
