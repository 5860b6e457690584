//! The trait of protocol modules: payload in, actions out, no packet header in sight.
//!
//! A module stands between what the client said and what the test server is told. The engine gives it the client's
//! bytes in order, turn by turn as they fall due, and the test server's answer bytes where it asked for them; the
//! module answers with [`Actions`]. It never sees a sequence number, and never has to care for a lost packet.
//!
//! Bytes of the client that a call neither passed nor took out are held: the module gets them again, with what has
//! come since, at the next event. docs/MODULES.md shows the order of calls for a login.

use std::borrow::Cow;
use std::sync::Arc;

use crate::online_query::OnlineQuery;
use common_core::answer_payload::AnswerPayload;
use common_core::flow::Flow;
use common_core::payload_prefix::PayloadPrefix;

/// What a module wants done, in order; see [`Actions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The next bytes of the client go to the test server as they are.
    Pass(usize),
    /// The next bytes of the client are left out, for the module says the same in its own words (a captured login,
    /// say). No loss.
    Replace(usize),
    /// The next bytes of the client are left out, for they cannot or must not be said to the test server (a statement
    /// that it does not know, say). A loss, which is counted.
    LeaveOut(usize, Loss),
    /// Bytes of the module's own go to the test server: a range of [`Actions::own_bytes`].
    Send(std::ops::Range<usize>),
    /// How much payload of the answers is wanted from now on.
    Answers(AnswerPayload),
    /// The answer to all that was sent is complete: the client's next turn is due.
    Ready,
    /// The test server does not want this connection.
    Refused,
    /// The session cannot go on.
    Fail(Failure),
}

/// Why bytes of the client are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The test server could not make anything of them, or must not hear them.
    LeftOut,
    /// They depend on something that the test server has forgotten with a connection, and that cannot be said again.
    StateLost,
    /// They depend on something that was said before the session was joined, or in bytes that were never captured.
    StateUnknown,
}

/// Why a session cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What it is counted as.
    pub kind: FailureKind,
    /// For the log: lower case, without user names, passwords or what clients said.
    pub reason: &'static str,
}

/// What a [`Failure`] is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The test server did not accept the login, or none could be made.
    LoginFailed,
    /// The online server did not accept the client's own login: what the client says is none of the test server's business.
    RefusedOnline,
    /// The session goes on encrypted.
    Tls,
    /// The client, or the test server, uses a part of the protocol that the module does not speak.
    Unsupported,
    /// The module has lost its place in the client's or in the test server's stream, or what it reads there is not the
    /// protocol.
    OutOfStep,
}

/// The list of actions that a module fills in a call and the engine carries out after it.
#[derive(Debug, Default)]
pub struct Actions {
    list: Vec<Action>,
    own: Vec<u8>,
}

impl Actions {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next `bytes` bytes of the client pass as they are.
    pub fn pass(&mut self, bytes: usize) {
        self.list.push(Action::Pass(bytes));
    }

    /// Leaves the next `bytes` bytes of the client out, in favour of the module's own.
    pub fn replace(&mut self, bytes: usize) {
        self.list.push(Action::Replace(bytes));
    }

    /// Leaves the next `bytes` bytes of the client out, as a loss that is counted as `loss`.
    pub fn leave_out(&mut self, bytes: usize, loss: Loss) {
        self.list.push(Action::LeaveOut(bytes, loss));
    }

    /// Sends `bytes` of the module's own to the test server.
    pub fn send(&mut self, bytes: &[u8]) {
        let start = self.own.len();
        self.own.extend_from_slice(bytes);
        self.list.push(Action::Send(start..self.own.len()));
    }

    /// Asks for the payload of answers.
    pub fn answers(&mut self, mode: AnswerPayload) {
        self.list.push(Action::Answers(mode));
    }

    /// Declares the answer to all that was sent complete: the client's next turn is due. To be said once on every
    /// connection, when the client may go on (after the login): until then no turn follows the one that is due.
    pub fn ready(&mut self) {
        self.list.push(Action::Ready);
    }

    /// Declares this connection refused, by what the test server said on it: it is reset, what is due is lost, and the
    /// client's next turn after a while is tried on a new one, as where the test server does not accept connections at all.
    /// The session goes on.
    pub fn refused(&mut self) {
        self.list.push(Action::Refused);
    }

    /// Ends the session; `reason` is for the log: lower case, without user names, passwords or what clients said.
    pub fn fail(&mut self, kind: FailureKind, reason: &'static str) {
        self.list.push(Action::Fail(Failure { kind, reason }));
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

    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.own.clear();
    }
}

/// The next that the test server says, in order.
#[derive(Debug, Clone, Copy)]
pub struct ServerData<'a> {
    /// Bytes before these that were not asked for.
    pub skipped: u64,
    /// What was asked for of a segment, or of several of which one came late.
    pub bytes: &'a [u8],
    /// The test server had acknowledged all that was sent when it said this. If not, this is no answer to the last of it.
    pub had_all: bool,
}

/// One session of a protocol that needs more than its bytes repeated.
///
/// All byte slices are untrusted. A module holds no more than the protocol makes it: what it holds of the client's
/// bytes stays with the engine and counts against the engine's memory limit.
pub trait Module: Send {
    /// A connection to the test server stands. Called again after every rebuilt connection, when the module must
    /// bring the server back to where the client believes it to be (log in, prepare statements).
    fn connected(&mut self, actions: &mut Actions);

    /// All bytes of the client that are due and were neither passed nor taken out before.
    fn client(&mut self, bytes: &[u8], actions: &mut Actions);

    /// Bytes of the client were lost, those among them that were offered and are held. What is offered next begins with a
    /// turn of the client.
    ///
    /// `due` are the lost bytes, all of them and in order, where the test server could not be reached in time, or the
    /// session was given up: a module may learn from them. It is empty where bytes were never captured.
    fn client_lost(&mut self, due: &[u8]) {
        let _ = due;
    }

    /// The test server says something.
    fn answer(&mut self, said: ServerData<'_>, actions: &mut Actions);

    /// The next bytes of the online server's answers, in order; `skipped` bytes before them were not captured, were not
    /// asked for, or were too many to keep. All that the client had acknowledged when it began a turn comes before that
    /// turn is due, and nothing behind it: what comes answers no more than was due before, held or not.
    ///
    /// Called only where [`Protocol::online_answers`] wants them; also while no connection to the test server stands.
    fn online_answer(&mut self, skipped: u64, bytes: &[u8], actions: &mut Actions) {
        let _ = (skipped, bytes, actions);
    }

    /// The online server was asked ([`Protocol::online_query`]), and what `client` offers from here on was said after its
    /// answer to the question of this number. Called before a turn, once for each answer.
    fn online_queried(&mut self, question: u64) {
        let _ = question;
    }

    /// What the module holds waits for the online server's answer to it: that is handed over then, though bytes are due.
    fn awaits_online(&self) -> bool {
        false
    }

    /// What the test server has answered of late comes to nothing if the connection breaks now: a transaction. It counts as
    /// replayed only once something is answered while this is false.
    fn is_tentative(&self) -> bool {
        false
    }

    /// What the module takes, roughly, in bytes of memory: itself, and what it has allocated.
    fn memory(&self) -> usize {
        size_of_val(self)
    }
}

/// Makes the modules of one protocol for one online service, shared by all that copy its sessions. Those of several services
/// that have one name count together: each reports the same.
///
/// What is touched for each command must not wait for a lock: a module counts by itself and adds up here now and then,
/// or when it is dropped.
pub trait Protocol: Send + Sync {
    /// The name of the protocol, for users: lower case, no spaces.
    fn name(&self) -> &'static str;

    /// A module for a new session; `flow` is the connection as the test server sees it.
    /// `from_start` is false if the session was joined in mid-stream.
    fn module(&self, flow: &Flow, from_start: bool) -> Box<dyn Module>;

    /// How those segments of the online server's answers begin that modules want to know of; empty: none are wanted. Of each
    /// segment a few hundred bytes are captured. Queried once, at the start.
    fn online_answers(&self) -> &'static [PayloadPrefix] {
        &[]
    }

    /// How to ask the online server what clients said before they were copied; `None` if it is not asked. Queried once, at
    /// the start.
    fn online_query(&self) -> Option<Arc<dyn OnlineQuery>> {
        None
    }

    /// What has been counted so far.
    fn report(&self) -> Report {
        Report::default()
    }
}

/// What a protocol has counted, for the user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of the report. Names are lower case, with underscores.
    pub groups: Vec<Group>,
}

/// Counters of one kind: logins by outcome, commands by name, errors of the test server by code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: &'static str,
    /// At most [`Group::COUNTERS_MAX`], in the order of the report.
    pub counters: Vec<(Cow<'static, str>, u64)>,
}

impl Group {
    /// More counters than this are added up as `other`.
    pub const COUNTERS_MAX: usize = 64;
}

impl Report {
    /// Adds a group of those counters that are not zero, unless none is left.
    pub fn group<N: Into<Cow<'static, str>>>(
        &mut self,
        name: &'static str,
        counters: impl IntoIterator<Item = (N, u64)>,
    ) {
        let counted = counters.into_iter().filter(|(_, count)| *count > 0);
        let mut counters: Vec<_> = counted.map(|(name, count)| (name.into(), count)).collect();
        if counters.len() > Group::COUNTERS_MAX {
            let other = counters.drain(Group::COUNTERS_MAX - 1..).map(|(_, count)| count).sum();
            counters.push(("other".into(), other));
        }
        if !counters.is_empty() {
            self.groups.push(Group { name, counters });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_bounded_and_loses_nothing() {
        let mut report = Report::default();
        report.group("none", [("zero", 0)]);
        report.group("errors", (0..1000).map(|code| (code.to_string(), 2)));
        let [errors] = &report.groups[..] else { panic!("one group is expected: {report:?}") };
        assert_eq!(errors.counters.len(), Group::COUNTERS_MAX);
        assert_eq!(errors.counters.iter().map(|(_, count)| count).sum::<u64>(), 2000);
        assert_eq!(errors.counters.last(), Some(&("other".into(), 2000 - 2 * 63)));
    }
}
