//! The actions that a module asks for in a call, and the engine carries out after it.

use std::ops::Range;

use common_core::answer_payload::AnswerPayload;
use common_core::time::{Stamp, Time};

/// One action; see the method of [`Actions`] with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The next bytes of the client go to the test server unchanged.
    Pass(usize),
    /// The next bytes of the client are left out; the module sends the same in another form. No loss.
    Replace(usize),
    /// The next bytes of the client are left out. A loss, which is counted.
    LeaveOut(usize, Loss),
    /// Bytes of the module go to the test server: a range of [`Actions::own_bytes`].
    Send(Range<usize>),
    /// How much payload of the answers is wanted from now on.
    Answers(AnswerPayload),
    /// The connection is prepared: the client may go on.
    Ready,
    /// The module will declare the end of the answer.
    AwaitAnswered,
    /// The answer to everything that was sent is complete: the next turn is due.
    Answered,
    /// State is lost that the module cannot restore.
    StateLost,
    /// The test server refuses this connection.
    Refused,
    /// The session cannot go on.
    Fail(Failure),
}

/// Why bytes of the client are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The test server cannot use them, or must not receive them.
    LeftOut,
    /// They depend on state that the test server lost with a connection, and that cannot be restored.
    StateLost,
    /// They depend on state that was set before the session was joined, or in bytes that were never captured.
    StateUnknown,
}

/// Why a session cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The reason under which it is counted.
    pub kind: FailureKind,
    /// For the log: lower case, without user names, passwords or payload of clients.
    pub reason: &'static str,
}

/// The reason under which a [`Failure`] is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The test server did not accept the login, or none could be made.
    LoginFailed,
    /// The online server did not accept the client's own login: its session must not reach the test server.
    LoginFailedOnline,
    /// The session goes on encrypted.
    Tls,
    /// The client, or the test server, uses a part of the protocol that the module does not support.
    Unsupported,
    /// The module has lost its place in one of the streams, or the stream is not of this protocol.
    OutOfStep,
}

/// The times of a call. The engine sets them before each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// The present time.
    pub now: Time,
    /// When the turn that is due last was captured.
    pub captured: Time,
    /// The same in the order of all packets, as in [`Reached`](crate::progress::Reached).
    pub stamp: Stamp,
    /// When the turn after it was captured, if it was.
    pub next_captured: Option<Time>,
}

/// The list of actions that a module fills in one call. The engine carries them out in order after the call, up to the
/// first [`Actions::refused`] or [`Actions::fail`].
#[derive(Debug, Default)]
pub struct Actions {
    list: Vec<Action>,
    own: Vec<u8>,
    calls_again: bool,
    calls_again_at: Option<Time>,
    moment: Moment,
}

impl Actions {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty list for a call at this moment.
    #[must_use]
    pub fn at(moment: Moment) -> Self {
        Self { moment, ..Self::default() }
    }

    /// The times of this call.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.moment
    }

    /// Sets the times of the next call.
    pub fn set_moment(&mut self, moment: Moment) {
        self.moment = moment;
    }

    /// The time of this call.
    #[must_use]
    pub fn now(&self) -> Time {
        self.moment.now
    }

    /// Passes the next `bytes` bytes of the client unchanged.
    pub fn pass(&mut self, bytes: usize) {
        self.list.push(Action::Pass(bytes));
    }

    /// Leaves out the next `bytes` bytes of the client, because the module sends the same in another form.
    pub fn replace(&mut self, bytes: usize) {
        self.list.push(Action::Replace(bytes));
    }

    /// Leaves out the next `bytes` bytes of the client: a loss, counted as `loss`.
    pub fn leave_out(&mut self, bytes: usize, loss: Loss) {
        self.list.push(Action::LeaveOut(bytes, loss));
    }

    /// Sends `bytes` of the module to the test server.
    pub fn send(&mut self, bytes: &[u8]) {
        let start = self.own.len();
        self.own.extend_from_slice(bytes);
        self.list.push(Action::Send(start..self.own.len()));
    }

    /// Asks for the payload of answers.
    pub fn answers(&mut self, mode: AnswerPayload) {
        self.list.push(Action::Answers(mode));
    }

    /// Declares the connection prepared, after the login say: the client may go on. Once on each connection for which
    /// [`Module::connected`](crate::Module::connected) returned [`Ready::WhenSaid`](crate::Ready::WhenSaid): until then no
    /// turn follows the one that is due.
    pub fn ready(&mut self) {
        self.list.push(Action::Ready);
    }

    /// Declares the answer to everything that was sent complete: the next turn is due. Never needed: without it the
    /// engine paces turns by the length and the timing of answers. Not before the connection is ready.
    pub fn answered(&mut self) {
        self.list.push(Action::Answered);
    }

    /// Declares that [`Actions::answered`] will follow for what is sent in this call: until then the next turn waits, however
    /// long the answer is compared to the online server's. If the test server is silent, the turn goes nevertheless.
    pub fn await_answered(&mut self) {
        self.list.push(Action::AwaitAnswered);
    }

    /// Declares that state of the client's connection is lost that the module cannot restore: the session is incomplete, even if
    /// nothing is left out for it.
    pub fn state_lost(&mut self) {
        self.list.push(Action::StateLost);
    }

    /// Declares that the test server refuses this connection, by an answer that the module has read. The engine resets the
    /// connection, drops what is due, and tries a new connection for a later turn, as after a SYN answered by RST. The
    /// session goes on.
    pub fn refused(&mut self) {
        self.list.push(Action::Refused);
    }

    /// Ends the session. `reason` is for the log: lower case, without user names, passwords or payload of clients.
    pub fn fail(&mut self, kind: FailureKind, reason: &'static str) {
        self.list.push(Action::Fail(Failure { kind, reason }));
    }

    /// Asks for another call of [`Module::client`](crate::Module::client) at the next event of the session, even if no
    /// more bytes of the client are due. For a module that expands what it takes (compressed commands, say) and sends it
    /// in pieces. Such bytes were taken with [`Actions::replace`] or [`Actions::leave_out`] in this call or before: the
    /// engine counts the last of them as held until a call of `client` does not ask again. Without any it has no effect.
    pub fn call_again(&mut self) {
        self.calls_again = true;
    }

    /// Asks for a call of [`Module::client`](crate::Module::client) at this time, if the module holds bytes of the client then.
    /// It may come some milliseconds later. Of several times the earliest counts. Each call of `client` ends what was asked for
    /// before it.
    pub fn call_again_at(&mut self, time: Time) {
        self.calls_again_at = Some(self.calls_again_at.map_or(time, |other| other.min(time)));
    }

    /// The actions, in order.
    #[must_use]
    pub fn list(&self) -> &[Action] {
        &self.list
    }

    /// The bytes that [`Action::Send`] ranges over.
    #[must_use]
    pub fn own_bytes(&self) -> &[u8] {
        &self.own
    }

    /// Whether [`Actions::call_again`] was called.
    #[must_use]
    pub fn calls_again(&self) -> bool {
        self.calls_again
    }

    /// The time of [`Actions::call_again_at`].
    #[must_use]
    pub fn calls_again_at(&self) -> Option<Time> {
        self.calls_again_at
    }

    /// Empties the list and keeps its memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.own.clear();
        self.calls_again = false;
        self.calls_again_at = None;
    }
}
