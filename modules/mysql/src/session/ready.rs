//! Answers of a test server that takes commands.

use module_kit::Actions;

use super::client::Client;
use super::context::Context;
use super::state::Ready;
use crate::answers::expected::AnswerStart;

impl Ready {
    /// A segment, or its beginning. `had_all`: the server had received everything when it sent it.
    pub(super) fn handle(&mut self, bytes: &[u8], had_all: bool, cx: &mut Context, actions: &mut Actions) {
        let (statements, counters) = (&mut cx.statements, &cx.shared.counters);
        let (transaction, client) = (&mut cx.transaction, &mut cx.client);
        let file_wanted = &mut self.file_wanted;
        let mut is_complete = false;
        self.answers.segment(bytes, had_all, |start| {
            is_complete = start.ends_answer();
            match start {
                AnswerStart::Prepared { serial, id, parameters, .. } => {
                    statements.succeeded(serial, id, parameters);
                }
                AnswerStart::PrepareFailed(serial) => statements.failed(serial),
                AnswerStart::UseFailed => client.iter_mut().for_each(Client::use_refused),
                AnswerStart::Error(code) => counters.server_errors.count(&code),
                AnswerStart::FileWanted { sequence } => *file_wanted = Some(sequence.wrapping_add(1)),
                AnswerStart::Ok { in_transaction, .. } => transaction.test_answer(in_transaction),
                AnswerStart::Result => {}
            }
        });
        if is_complete && !self.answers.is_waiting() {
            // The client's next turn need not wait for as many bytes as the online server has answered.
            actions.answered();
        }
    }
}
