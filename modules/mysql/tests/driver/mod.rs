//! A module with its engine, without a network: what goes in and comes out, in a form that can be recorded.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::fmt::Write;

use common_core::answer_payload::AnswerPayload;
use module_kit::{Action, Actions, Failure, Missing, Module, Ready, ServerData};

/// One session. Each call returns what is to be sent to the test server.
pub(crate) struct Driven {
    module: Box<dyn Module>,
    /// What the module holds.
    held: Vec<u8>,
    /// What of the test server's answers the module has asked for.
    pub(crate) mode: AnswerPayload,
    skipped: u64,
    /// The module has said that commands are welcome.
    pub(crate) ready: bool,
    /// It has said that the last answer is complete.
    pub(crate) complete: bool,
    /// What was left out as a loss, in bytes.
    pub(crate) left_out: usize,
    /// How often the module has said that the test server refuses the connection.
    pub(crate) refused: usize,
    /// Why the session could not go on.
    pub(crate) failure: Option<Failure>,
    /// All that happened: a line each.
    pub(crate) record: String,
}

impl Driven {
    /// A session of this module.
    pub(crate) fn new(module: Box<dyn Module>) -> Self {
        Self {
            module,
            held: Vec::new(),
            mode: AnswerPayload::All,
            skipped: 0,
            ready: false,
            complete: false,
            left_out: 0,
            refused: 0,
            failure: None,
            record: String::new(),
        }
    }

    /// A connection to the test server stands.
    pub(crate) fn connected(&mut self) -> Vec<u8> {
        self.note("connected", &[]);
        (self.ready, self.skipped) = (false, 0);
        let mut ready = Ready::WhenSaid;
        let mut sent = self.call(|module, _, actions| ready = module.connected(actions));
        self.ready |= ready == Ready::Now;
        sent.extend(self.offer());
        self.sent(sent)
    }

    /// The client says `bytes`.
    pub(crate) fn client(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.note("client", bytes);
        self.held.extend_from_slice(bytes);
        let sent = self.offer();
        self.sent(sent)
    }

    /// The online server has answered `bytes`, and `skipped` others before.
    pub(crate) fn online(&mut self, skipped: u64, bytes: &[u8]) -> Vec<u8> {
        self.note("online", bytes);
        if skipped > 0 {
            self.module.missed(Missing::OnlineServer(skipped));
        }
        let sent = self.call(|module, _, actions| {
            if let Some(online) = module.online().filter(|_| !bytes.is_empty()) {
                online.answer(bytes, actions);
            }
        });
        self.sent(sent)
    }

    /// What the module holds, and `bytes` of the client behind it, are lost.
    pub(crate) fn lost(&mut self, bytes: &[u8]) {
        self.note("lost", bytes);
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        self.module.missed(if held.is_empty() { Missing::Uncaptured } else { Missing::Dropped(&held) });
    }

    /// The test server answers `bytes` in one segment.
    pub(crate) fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.segment(bytes, true)
    }

    /// The test server says `bytes`, before it had the last that was sent.
    pub(crate) fn late_answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.segment(bytes, false)
    }

    fn segment(&mut self, bytes: &[u8], had_all: bool) -> Vec<u8> {
        self.note("answer", bytes);
        let wanted = match self.mode {
            AnswerPayload::None => 0,
            AnswerPayload::Head(bytes) => usize::from(bytes),
            AnswerPayload::All => usize::MAX,
        };
        let wanted = &bytes[..bytes.len().min(wanted)];
        let skipped = std::mem::replace(&mut self.skipped, (bytes.len() - wanted.len()) as u64);
        if skipped > 0 {
            self.module.missed(Missing::TestServer(skipped));
        }
        let data = ServerData { bytes: wanted, acks_all: had_all };
        let mut sent = self.call(|module, _, actions| module.answer(data, actions));
        sent.extend(self.offer());
        self.sent(sent)
    }

    /// What the module takes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.module.memory()
    }

    /// Bytes that the module holds.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// As long as something is held, the module is asked at every event.
    fn offer(&mut self) -> Vec<u8> {
        if self.held.is_empty() {
            return Vec::new();
        }
        self.call(|module, held, actions| module.client(held, actions))
    }

    fn call(&mut self, call: impl FnOnce(&mut dyn Module, &[u8], &mut Actions)) -> Vec<u8> {
        let mut sent = Vec::new();
        if self.failure.is_some() {
            return sent;
        }
        let mut actions = Actions::new();
        call(&mut *self.module, &self.held, &mut actions);
        let mut taken = 0;
        for action in actions.list() {
            match action {
                Action::Pass(bytes) => {
                    sent.extend_from_slice(&self.held[taken..taken + bytes]);
                    taken += bytes;
                }
                Action::Replace(bytes) => taken += bytes,
                Action::LeaveOut(bytes, _) => {
                    taken += bytes;
                    self.left_out += bytes;
                }
                Action::Send(range) => sent.extend_from_slice(&actions.own_bytes()[range.clone()]),
                Action::Answers(mode) => self.mode = *mode,
                Action::Ready => (self.ready, self.complete) = (true, true),
                Action::Answered => {
                    assert!(self.ready, "answered before ready");
                    self.complete = true;
                }
                Action::Refused => {
                    self.refused += 1;
                    break;
                }
                Action::Fail(failure) => {
                    self.failure = Some(*failure);
                    break;
                }
            }
        }
        assert!(taken <= self.held.len(), "a module deals with no more than there is");
        self.held.drain(..taken);
        sent
    }

    fn sent(&mut self, sent: Vec<u8>) -> Vec<u8> {
        if !sent.is_empty() {
            self.note("sent", &sent);
        }
        sent
    }

    fn note(&mut self, what: &str, bytes: &[u8]) {
        let _ = writeln!(self.record, "{what} {}", bytes.escape_ascii());
    }
}
