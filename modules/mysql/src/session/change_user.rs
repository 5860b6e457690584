//! COM_CHANGE_USER: a login within the session.
//!
//! The module must read all of the test server's answers for it, and intercept needs a moment to learn that. So the server
//! gets a ping first: when its answer has passed through intercept, so do later answers as a whole.
//!
//! Source: dev.mysql.com, "COM_CHANGE_USER".

use module_kit::Actions;

use super::context::Context;
use super::state::{LoggingIn, Server, Switching};
use crate::auth::dialogue::Dialogue;
use crate::wire::packet::{Assembler, HEADER, Header, packet};

/// Bytes of an OK without optional fields.
const SHORT_OK: usize = 11;

impl Switching {
    /// More bytes, `skipped` after the last: the answer to the ping, or the rest of an earlier one.
    pub(super) fn handle(
        mut self: Box<Self>,
        skipped: u64,
        bytes: &[u8],
        cx: &mut Context,
        actions: &mut Actions,
    ) -> Server {
        if !self.is_answered(skipped, bytes) {
            return Server::Switching(self);
        }
        let Some(client) = &cx.client else { return Server::Switching(self) };
        let agreed = self.agreed;
        let greeting = &agreed.greeting;
        let (dialogue, answer) =
            Dialogue::begin(greeting, client.password.clone(), &cx.shared.credentials.policy);
        let (hello, capabilities) = (&client.hello, agreed.capabilities);
        let request = match answer {
            Some(answer) => hello.change_user(capabilities, &answer, &greeting.plugin),
            None => hello.change_user(capabilities, &hello.answer, &hello.plugin),
        };
        actions.send(&packet(0, &request));
        cx.forget_statements();
        let next_id = cx.statements.next_test();
        Server::LoggingIn(Box::new(LoggingIn { dialogue, packets: Assembler::default(), agreed, next_id }))
    }

    /// Has the answer to the ping come? `bytes` begin with it, or the stream ends with it so far: it may come after the
    /// rest of an earlier answer, and it may begin in an earlier segment. Nothing follows it.
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
