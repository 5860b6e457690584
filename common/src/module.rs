//! The trait of protocol modules: payload in, actions out, no packet header in sight.
//!
//! A module stands between what the client said and what the test server is told. The engine gives it the client's
//! bytes in order, turn by turn as they fall due, and the test server's answer bytes where it asked for them; the
//! module answers with [`Actions`]. It never sees a sequence number, and never has to care for a lost packet.
//!
//! Bytes of the client that a call neither passed nor dropped are held: the module gets them again, with what has
//! come since, at the next event. docs/MODULES.md shows the order of calls for a login.

use crate::control::AnswerPayload;
use crate::flow::Flow;

/// What a module wants done, in order; see [`Actions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The next bytes of the client go to the test server as they are.
    Pass(usize),
    /// The next bytes of the client are left out.
    Drop(usize),
    /// Bytes of the module's own go to the test server: a range of [`Actions::own_bytes`].
    Send(std::ops::Range<usize>),
    /// How much payload of the answers is wanted from now on.
    Answers(AnswerPayload),
    /// The answer to all that was sent is complete: the client's next turn is due.
    Ready,
    /// The session cannot go on; the reason is shown to the user and counted.
    Fail(&'static str),
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

    /// Leaves the next `bytes` bytes of the client out. They are counted as replaced.
    pub fn drop(&mut self, bytes: usize) {
        self.list.push(Action::Drop(bytes));
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

    /// Declares the answer to all that was sent complete: the client's next turn is due.
    pub fn ready(&mut self) {
        self.list.push(Action::Ready);
    }

    /// Ends the session.
    pub fn fail(&mut self, reason: &'static str) {
        self.list.push(Action::Fail(reason));
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

/// One session of a protocol that needs more than its bytes repeated.
///
/// All byte slices are untrusted. A module holds no more than the protocol makes it: what it holds of the client's
/// bytes stays with the engine and counts against the engine's memory limit.
pub trait Module: Send {
    /// A connection to the test server stands. Called again after every rebuilt connection, when the module must
    /// bring the server back to where the client believes it to be (log in, prepare statements).
    fn connected(&mut self, actions: &mut Actions);

    /// All bytes of the client that are due and were neither passed nor dropped before.
    fn client(&mut self, bytes: &[u8], actions: &mut Actions);

    /// The next bytes of the test server, in order; `skipped` bytes before them were not asked for.
    fn answer(&mut self, skipped: u64, bytes: &[u8], actions: &mut Actions);
}

/// Makes the modules of one protocol.
pub trait Protocol: Send + Sync {
    /// The name of the protocol, for users: lower case, no spaces.
    fn name(&self) -> &'static str;

    /// A module for a new session; `flow` is the connection as the test server sees it.
    /// `from_start` is false if the session was joined in mid-stream.
    fn module(&self, flow: &Flow, from_start: bool) -> Box<dyn Module>;
}
