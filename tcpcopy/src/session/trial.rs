//! A session's trial: its connection was opened in mid-stream, to find out whether the test server understands the rest of
//! the stream.

use std::time::Duration;

use common_core::time::Time;

use crate::session::Context;
use crate::session::trials::{Admission, Trials};

/// Answered turns after which a trial has passed. A server that does not understand the first turn says so, and closes.
/// Two would not be enough: the greeting of a server that speaks first (SSH) seems to answer the first turn, and its
/// error message the second.
const TURNS_TO_PASS: u8 = 4;
/// The same if the protocol is known, and only the beginning of the stream is not.
const TURNS_TO_PASS_KNOWN: u8 = 1;

/// A server that does not understand a turn closes within this time after its answer; a later close is that of an idle
/// connection.
const SOON: Duration = Duration::from_secs(1);

/// The subject of a trial.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject {
    /// A stream of an unknown protocol.
    UnknownProtocol,
    /// A stream that was joined late.
    Joined,
}

impl Subject {
    fn trials<'t>(self, cx: &'t mut Context<'_>) -> &'t mut Trials {
        match self {
            Self::UnknownProtocol => &mut cx.target.unknown,
            Self::Joined => &mut cx.target.joined,
        }
    }

    /// Whether one more session may open a connection in mid-stream.
    pub(super) fn admit(self, cx: &mut Context<'_>) -> Admission {
        let now = cx.now;
        self.trials(cx).admit(now)
    }
}

#[derive(Debug)]
pub(super) struct Trial {
    subject: Subject,
    /// Turns answered.
    answered: u8,
    last_answer: Time,
    /// When the test server closed.
    closed: Option<Time>,
    /// Client bytes sent on the connection that count as replayed now: they are taken back if the trial fails.
    replayed: u64,
    /// The client has read an answer of the online server since the trial began.
    client_answered: bool,
}

impl Trial {
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            subject,
            answered: 0,
            last_answer: Time::ZERO,
            closed: None,
            replayed: 0,
            client_answered: false,
        }
    }

    /// The test server has answered a turn. True if the trial has passed with that.
    pub(super) fn answered(&mut self, now: Time) -> bool {
        self.answered = self.answered.saturating_add(1);
        self.last_answer = now;
        let enough = match self.subject {
            Subject::UnknownProtocol => TURNS_TO_PASS,
            Subject::Joined => TURNS_TO_PASS_KNOWN,
        };
        self.answered >= enough
    }

    pub(super) fn has_answered(&self) -> bool {
        self.answered > 0
    }

    /// The test server's TCP has acknowledged more client bytes.
    pub(super) fn acknowledged(&mut self, bytes: u64) {
        self.replayed += bytes;
    }

    /// Acknowledged bytes that were taken back already, because no answer came to them.
    pub(super) fn took_back(&mut self, bytes: u64) {
        self.replayed = self.replayed.saturating_sub(bytes);
    }

    pub(super) fn replayed(&self) -> u64 {
        self.replayed
    }

    /// The client has read an answer of the online server: silence of the test server would mean something now.
    pub(super) fn client_answered(&mut self) {
        self.client_answered = true;
    }

    pub(super) fn has_client_answered(&self) -> bool {
        self.client_answered
    }

    /// The test server has closed. True if it has acknowledged bytes and answered none: there is nothing to wait for.
    pub(super) fn closed(&mut self, now: Time) -> bool {
        self.closed.get_or_insert(now);
        self.answered == 0 && self.replayed > 0
    }

    /// The test server closed so long after its last answer that the connection was idle: that shows nothing.
    pub(super) fn closed_when_idle(&self, now: Time) -> bool {
        self.answered > 0 && self.closed.unwrap_or(now) > self.last_answer + SOON
    }

    /// Another trial of the target has passed.
    pub(super) fn others_passed(&self, cx: &mut Context<'_>) -> bool {
        self.subject.trials(cx).have_passed()
    }

    /// The trial is over: it has passed, failed, or shown nothing (`None`).
    pub(super) fn end(&self, cx: &mut Context<'_>, passed: Option<bool>) {
        let now = cx.now;
        self.subject.trials(cx).end(now, passed);
    }
}
