//! Answers of a test server that takes commands.

use module_kit::{Actions, ServerData};

use super::context::Context;
use super::state::Ready;
use crate::answers::expected::AnswerStart;
use crate::wire::capabilities::Capabilities;

impl Ready {
    /// A segment: its beginning, and its end.
    pub(super) fn handle(&mut self, data: ServerData<'_>, cx: &mut Context, actions: &mut Actions) {
        let (statements, counters) = (&mut cx.statements, &cx.shared.counters);
        let state = &mut cx.state;
        let (file_wanted, is_held) = (&mut self.file_wanted, cx.held);
        let (mut is_complete, mut is_error, mut ok) = (false, false, None);
        let mut see = |start: AnswerStart| {
            // The file is the client's next turn, unless it is here already.
            let needs_file = matches!(start, AnswerStart::FileWanted { .. });
            is_complete = start.ends_answer() || needs_file && !is_held;
            match start {
                AnswerStart::Prepared { serial, id, parameters, .. } => {
                    statements.succeeded(serial, id, parameters);
                }
                AnswerStart::PrepareFailed(serial) => statements.failed(serial),
                AnswerStart::ChangeFailed(change) => state.refused_by_test(change),
                AnswerStart::Error(code) => {
                    counters.server_errors.count(&code);
                    is_error = true;
                }
                AnswerStart::FileWanted { first } => *file_wanted = Some(first),
                AnswerStart::Ok { in_transaction, more, id } => {
                    state.test_ok(in_transaction, id, false);
                    ok = (!more).then_some((in_transaction, id));
                }
                AnswerStart::End { in_transaction } => {
                    state.test_ok(in_transaction, None, false);
                    ok = Some((in_transaction, None));
                }
                AnswerStart::Result => {}
            }
        };
        self.answers.segment(data.bytes, data.acks_all, &mut see);
        let as_ok = self.agreed.capabilities.has(Capabilities::DEPRECATE_EOF);
        if let Some(end) = self.answers.segment_end(data.bytes, data.tail, as_ok) {
            see(end);
        }
        if let Some((in_transaction, id)) = ok.filter(|_| !self.answers.is_waiting()) {
            state.test_ok(in_transaction, id, true);
        }
        if is_complete && !self.answers.is_waiting() {
            if is_error {
                state.test_error();
            }
            // The client's next turn need not wait for as many bytes as the online server has answered.
            actions.answered();
        }
    }
}
