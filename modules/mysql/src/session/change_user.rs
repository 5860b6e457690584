//! COM_CHANGE_USER: a login within the session.
//!
//! The whole of the test server's answers must be read for it, and intercept needs a moment to learn that. So the
//! server is asked something else first whose answer takes the way through intercept and back.
//!
//! Source: dev.mysql.com, "COM_CHANGE_USER".

use common_core::answer_payload::AnswerPayload;
use module_kit::{Actions, FailureKind};

use super::login::send_packet;
use super::{Agreed, Client, LoggingIn, Server, Session};
use crate::command::Command;
use crate::dialogue::Dialogue;
use crate::edits::{Edits, Fate};
use crate::packet::{Assembler, HEADER, Header};
use crate::plugin::Plugin;

/// Waits for the answer to a ping.
#[derive(Debug)]
pub(super) struct Switching {
    agreed: Agreed,
    /// The last bytes of what came so far.
    tail: Vec<u8>,
}

/// Bytes of an OK without more than it must have.
const SHORT_OK: usize = 11;

impl Switching {
    /// What it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        size_of_val(self) + self.agreed.greeting.memory() + self.tail.capacity()
    }

    /// More bytes, `skipped` after the last. Returns whether they are, or end with, the answer to the ping: it may come behind
    /// the rest of an earlier answer, and begin in an earlier segment; nothing follows it.
    fn is_answered(&mut self, skipped: u64, bytes: &[u8]) -> bool {
        if skipped > 0 {
            self.tail.clear();
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(SHORT_OK)..]);
        self.tail.drain(..self.tail.len().saturating_sub(SHORT_OK));
        let header = Header::read(bytes).filter(|header| header.sequence == 1 && header.length >= 7);
        header.is_some() && bytes.get(HEADER) == Some(&0)
            || matches!(self.tail[..], [7, 0, 0, 1, 0, 0, 0, _, _, _, 0])
    }
}

impl Session {
    /// The client becomes somebody else.
    pub(super) fn change_user(
        &mut self,
        header: Header,
        payload: &[u8],
        edits: &mut Edits<'_>,
    ) -> Option<usize> {
        let Server::Ready(ready) = &self.server else { return None };
        let agreed = ready.agreed.clone();
        let Some(hello) = self.client.as_ref().and_then(|client| client.hello.changed(payload)) else {
            self.fail(FailureKind::OutOfStep, "a COM_CHANGE_USER cannot be read", edits.actions());
            return None;
        };
        edits.take(HEADER + header.length, Fate::Replace);
        self.stream.enter(header, header.length, Fate::Replace);
        self.asks_for_admission(header.sequence, edits.actions());
        if let Server::Failed = self.server {
            return None;
        }
        self.shared.counters.command(Command::CHANGE_USER);
        self.client = Some(Client::new(hello, self));
        edits.actions().answers(AnswerPayload::All);
        send_packet(0, &[Command::PING.0], edits.actions());
        self.server = Server::Switching(Box::new(Switching { agreed, tail: Vec::new() }));
        Some(HEADER + header.length)
    }

    /// The answer to the ping, or the rest of an earlier one.
    pub(super) fn switching_bytes(&mut self, skipped: u64, bytes: &[u8], actions: &mut Actions) {
        let Server::Switching(switching) = &mut self.server else { return };
        let Some(client) = &self.client else { return };
        if !switching.is_answered(skipped, bytes) {
            return;
        }
        let agreed = switching.agreed.clone();
        let greeting = &agreed.greeting;
        let allow_clear = self.shared.credentials.allow_clear;
        let plugin = Plugin::from_name(&greeting.plugin);
        let mut dialogue = Dialogue::new(plugin, &greeting.nonce, client.password.clone(), allow_clear);
        let (hello, capabilities) = (&client.hello, agreed.capabilities);
        let request = match dialogue.first_answer() {
            Some(answer) => hello.change_user(capabilities, &answer, &greeting.plugin),
            None => hello.change_user(capabilities, &hello.answer, &hello.plugin),
        };
        send_packet(0, &request, actions);
        // Both servers forget them, and go on counting.
        self.statements.clear();
        let next_id = self.statements.next_test();
        self.long_data.clear();
        self.transaction.rolled_back();
        let login = LoggingIn { dialogue, packets: Assembler::default(), agreed, next_id };
        self.server = Server::LoggingIn(Box::new(login));
    }
}
