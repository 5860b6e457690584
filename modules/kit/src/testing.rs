//! A driver for tests of modules: the engine's side of a session, without a network. It checks the rules of the trait and
//! panics where a module breaks one.

#![allow(clippy::panic, reason = "a test that finds a broken rule fails")]

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::time::{Stamp, Time};

use crate::actions::{Action, Actions, Failure, Loss, Moment};
use crate::module::{Missing, Module, Ready, ServerData};
use crate::progress::Tracker;

/// When a session begins.
const START: Time = Time::from_micros(1_000_000);

/// The connection to the test server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    None,
    /// The module prepares it: it has not called `ready` yet.
    Preparing,
    Ready,
}

/// What became of the client's bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fates {
    /// Passed unchanged.
    pub passed: Vec<u8>,
    /// Left out, because the module sends the same in another form.
    pub replaced: Vec<u8>,
    /// Lost; neighbours with the same reason are one entry.
    pub left_out: Vec<(Loss, Vec<u8>)>,
}

/// A turn that is not due yet.
struct Waiting {
    captured: Time,
    bytes: Vec<u8>,
}

/// The order of packets of all drivers: by their time.
fn stamp(time: Time) -> Stamp {
    Stamp::from_nanos(time.as_micros() * 1000)
}

/// One session. The calls that stand for events return the bytes that the test server gets.
pub struct Driver {
    module: Box<dyn Module>,
    /// The client's bytes that the module holds.
    held: Vec<u8>,
    /// Turns that are not due yet.
    waiting: VecDeque<Waiting>,
    tracker: Option<Tracker>,
    now: Time,
    /// When the bytes that are due last were captured.
    captured: Time,
    /// When the module is to be called again.
    call_at: Option<Time>,
    /// Bytes of the client were due on this connection.
    begun: bool,
    /// The module has taken the first of them out, and asked to be called again.
    taken: Option<Action>,
    connection: Connection,
    mode: AnswerPayload,
    /// Bytes of the test server since the last that were handed over.
    skipped: u64,
    /// Every byte that the test server got.
    pub sent: Vec<u8>,
    /// What became of the client's bytes.
    pub fates: Fates,
    /// How often the module has declared an answer complete.
    pub answered: usize,
    /// The module has promised to declare the next answer complete.
    pub awaits_answered: bool,
    /// How often the module has declared state lost.
    pub states_lost: usize,
    /// How often the module has declared a connection refused.
    pub refused: usize,
    /// Why the session has ended.
    pub failure: Option<Failure>,
    record: Option<String>,
}

impl Driver {
    /// A session of this module, without a connection.
    #[must_use]
    pub fn new(module: Box<dyn Module>) -> Self {
        Self {
            tracker: module.progress().map(Tracker::new),
            module,
            held: Vec::new(),
            waiting: VecDeque::new(),
            now: START,
            captured: START,
            call_at: None,
            begun: false,
            taken: None,
            connection: Connection::None,
            mode: AnswerPayload::All,
            skipped: 0,
            sent: Vec::new(),
            fates: Fates::default(),
            answered: 0,
            awaits_answered: false,
            states_lost: 0,
            refused: 0,
            failure: None,
            record: None,
        }
    }

    /// The same, with a record of all events.
    #[must_use]
    pub fn recording(self) -> Self {
        Self { record: Some(String::new()), ..self }
    }

    /// A connection to the test server is open; one that there was before is lost.
    pub fn connected(&mut self) -> Vec<u8> {
        self.note("connected", &[]);
        (self.mode, self.skipped, self.connection) = (AnswerPayload::All, 0, Connection::Preparing);
        self.begun = !self.held.is_empty();
        self.event(|module, _, actions| match module.connected(actions) {
            Ready::Now => Connection::Ready,
            Ready::WhenSaid => Connection::Preparing,
        })
    }

    /// The client begins a turn. Its bytes are due when the engine lets them go at the earliest: the first turn on a connection
    /// at once, others once the connection is ready. A module that waits for a turn before it says so waits without end.
    pub fn turn(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.note("turn", bytes);
        self.push_turn(bytes);
        let start = self.sent.len();
        self.offer();
        self.since(start)
    }

    /// The client begins a turn, which is not due yet: the gate of the engine holds it until [`Self::pass_time`] or the next
    /// event.
    pub fn turn_captured(&mut self, bytes: &[u8]) {
        self.note("captured", bytes);
        self.push_turn(bytes);
    }

    fn push_turn(&mut self, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.waiting.push_back(Waiting { captured: self.now, bytes });
        self.track();
    }

    /// Writes the session's progress.
    fn track(&mut self) {
        let next = self.waiting.front().map(|waiting| stamp(waiting.captured));
        if let Some(tracker) = &mut self.tracker {
            tracker.write(self.now, self.held.is_empty(), next);
        }
    }

    fn released(&mut self, captured: Time) {
        self.captured = captured;
        if let Some(tracker) = &mut self.tracker {
            tracker.released(stamp(captured), self.held.is_empty());
        }
    }

    /// Time passes. The module is called if it has asked for that by then.
    pub fn pass_time(&mut self, time: Duration) -> Vec<u8> {
        self.now = self.now + time;
        let start = self.sent.len();
        if self.call_at.is_some_and(|at| at <= self.now) {
            self.call_at = None;
            self.offer_held();
        }
        self.since(start)
    }

    /// When the module has asked to be called again, from now on.
    #[must_use]
    pub fn calls_again_in(&self) -> Option<Duration> {
        self.call_at.map(|at| at.since(self.now))
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many turns are not due yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next bytes of the client are due, whatever the connection's state: the rest of a turn, for example. `turn` is for
    /// bytes that begin one.
    pub fn client(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.note("client", bytes);
        if !bytes.is_empty() {
            self.awaits_answered = false;
            self.released(self.now);
        }
        self.held.extend_from_slice(bytes);
        self.begun = true;
        let start = self.sent.len();
        self.offer();
        self.since(start)
    }

    /// The test server answers in one segment, which acknowledges everything that was sent. Without a connection nothing
    /// happens.
    pub fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.segment(bytes, true)
    }

    /// The same, but the segment does not acknowledge the last of what was sent.
    pub fn early_answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.segment(bytes, false)
    }

    fn segment(&mut self, bytes: &[u8], acks_all: bool) -> Vec<u8> {
        if self.connection == Connection::None {
            return Vec::new();
        }
        self.note("answer", bytes);
        let (head, tail) = match self.mode {
            AnswerPayload::None => (0, 0),
            AnswerPayload::Ends { head, tail } => (usize::from(head), usize::from(tail)),
            AnswerPayload::All => (usize::MAX, 0),
        };
        let (wanted, rest) = bytes.split_at(bytes.len().min(head));
        let tail = &rest[rest.len() - rest.len().min(tail)..];
        if wanted.is_empty() {
            self.skipped += rest.len() as u64;
            return self.client(&[]);
        }
        let skipped = std::mem::replace(&mut self.skipped, rest.len() as u64);
        if skipped > 0 && self.failure.is_none() {
            self.module.missed(Missing::TestServer(skipped));
        }
        self.event(|module, connection, actions| {
            module.answer(ServerData { bytes: wanted, tail, acks_all }, actions);
            connection
        })
    }

    /// Answer bytes of the test server are missing before the next.
    pub fn skip_answer(&mut self, bytes: u64) {
        self.skipped += bytes;
    }

    /// The online server answers; `skipped` bytes before these are missing.
    pub fn online(&mut self, skipped: u64, bytes: &[u8]) -> Vec<u8> {
        self.note("online", bytes);
        if skipped > 0 && self.failure.is_none() {
            self.module.missed(Missing::OnlineServer(skipped));
        }
        if bytes.is_empty() {
            return Vec::new();
        }
        self.event(|module, connection, actions| {
            if let Some(online) = module.online() {
                online.answer(bytes, actions);
            }
            connection
        })
    }

    /// The online server has answered the question of this number.
    pub fn queried(&mut self, question: u64) {
        if self.failure.is_none()
            && let Some(online) = self.module.online()
        {
            online.queried(question);
        }
    }

    /// The bytes that the module holds, and `bytes` of the client behind them, are dropped.
    pub fn drop_client(&mut self, bytes: &[u8]) {
        self.note("dropped", bytes);
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let taken = usize::from(self.taken.take().is_some());
        if !held.is_empty() && self.failure.is_none() {
            self.module.missed(Missing::Dropped(&held[taken..]));
        }
        self.track();
    }

    /// Bytes of the client were never captured. The connection is lost.
    pub fn gap(&mut self) {
        self.drop_client(&[]);
        self.note("gap", &[]);
        self.connection = Connection::None;
        if self.failure.is_none() {
            self.module.missed(Missing::Uncaptured);
        }
    }

    /// How many bytes of the client the module holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The module lets the client go on, on this connection.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.connection == Connection::Ready
    }

    /// The payload of answers that the module asked for.
    #[must_use]
    pub fn mode(&self) -> AnswerPayload {
        self.mode
    }

    /// The module, for questions to it.
    #[must_use]
    pub fn module(&self) -> &dyn Module {
        &*self.module
    }

    /// All events so far, a line each, if they are recorded.
    #[must_use]
    pub fn record(&self) -> &str {
        self.record.as_deref().unwrap_or_default()
    }

    /// Calls the module, and then `client` if it holds bytes: the engine does so at every event.
    fn event(
        &mut self,
        call: impl FnOnce(&mut dyn Module, Connection, &mut Actions) -> Connection,
    ) -> Vec<u8> {
        let start = self.sent.len();
        if self.failure.is_none() {
            let mut actions = Actions::at(self.moment());
            let before = self.connection;
            let connection = call(&mut *self.module, before, &mut actions);
            self.carry_out(&actions);
            if connection == Connection::Ready && before != Connection::Ready {
                assert!(self.connection != Connection::Ready, "ready() beside Ready::Now");
                if self.connection == Connection::Preparing {
                    self.connection = Connection::Ready;
                }
            }
        }
        self.offer();
        self.since(start)
    }

    fn offer(&mut self) {
        while self.is_ready() || (self.connection == Connection::Preparing && !self.begun) {
            let Some(Waiting { captured, bytes }) = self.waiting.pop_front() else { break };
            self.begun = true;
            self.released(captured);
            self.held.extend(bytes);
        }
        self.offer_held();
    }

    /// Offers what the module holds.
    fn offer_held(&mut self) {
        if self.held.is_empty() || self.failure.is_some() || self.connection == Connection::None {
            return;
        }
        self.call_at = None;
        let mut actions = Actions::at(self.moment());
        self.module.client(&self.held[usize::from(self.taken.is_some())..], &mut actions);
        if !actions.calls_again() {
            self.remove_taken();
        }
        self.carry_out(&actions);
        self.track();
    }

    fn moment(&self) -> Moment {
        let next_captured = self.waiting.front().map(|waiting| waiting.captured);
        Moment { now: self.now, captured: self.captured, stamp: stamp(self.captured), next_captured }
    }

    fn carry_out(&mut self, actions: &Actions) {
        if let Some(time) = actions.calls_again_at() {
            self.call_at = Some(self.call_at.map_or(time, |other| other.min(time)));
        }
        for action in actions.list() {
            match action {
                Action::Pass(_) | Action::Replace(_) | Action::LeaveOut(..) => {
                    self.take(action, actions.calls_again());
                }
                Action::Send(range) => {
                    assert!(self.connection != Connection::None, "something is sent without a connection");
                    self.sent.extend_from_slice(&actions.own_bytes()[range.clone()]);
                }
                Action::Answers(mode) => self.mode = *mode,
                Action::Ready => {
                    assert!(
                        self.connection == Connection::Preparing,
                        "ready on a connection that is {:?}",
                        self.connection
                    );
                    self.connection = Connection::Ready;
                }
                Action::Answered => {
                    assert!(self.is_ready(), "answered on a connection that is {:?}", self.connection);
                    self.answered += 1;
                    self.awaits_answered = false;
                }
                Action::AwaitAnswered => self.awaits_answered = true,
                Action::StateLost => self.states_lost += 1,
                Action::Refused => {
                    self.refused += 1;
                    self.connection = Connection::None;
                    return;
                }
                Action::Fail(failure) => {
                    self.failure = Some(*failure);
                    return;
                }
            }
        }
    }

    fn take(&mut self, action: &Action, calls_again: bool) {
        self.remove_taken();
        let (Action::Pass(bytes) | Action::Replace(bytes) | Action::LeaveOut(bytes, _)) = *action else {
            return;
        };
        assert!(bytes <= self.held.len(), "{action:?}, but the module was offered {} bytes", self.held.len());
        let stays = calls_again && bytes > 0 && !matches!(action, Action::Pass(_));
        self.remove(bytes - usize::from(stays), action);
        self.taken = stays.then(|| action.clone());
    }

    fn remove_taken(&mut self) {
        if let Some(action) = self.taken.take() {
            self.remove(1, &action);
        }
    }

    /// Removes the first `bytes` held bytes, and records what `action` makes of them: left out, replaced, or sent.
    fn remove(&mut self, bytes: usize, action: &Action) {
        let bytes = self.held.drain(..bytes);
        match action {
            Action::LeaveOut(_, loss) => match self.fates.left_out.last_mut() {
                Some((last, sum)) if last == loss => sum.extend(bytes),
                _ => self.fates.left_out.push((*loss, bytes.collect())),
            },
            Action::Replace(_) => self.fates.replaced.extend(bytes),
            _ => {
                let start = self.sent.len();
                self.sent.extend(bytes);
                self.fates.passed.extend_from_slice(&self.sent[start..]);
            }
        }
    }

    fn since(&mut self, start: usize) -> Vec<u8> {
        let sent = self.sent[start..].to_vec();
        if !sent.is_empty() {
            self.note("sent", &sent);
        }
        sent
    }

    fn note(&mut self, what: &str, bytes: &[u8]) {
        if let Some(record) = &mut self.record {
            let _ = writeln!(record, "{what} {}", bytes.escape_ascii());
        }
    }
}
