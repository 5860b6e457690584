//! COM_QUERY: its statements are judged; query attributes are overwritten for a server that knows none.

use super::cursor::{Commands, Stop, Taken};
use super::text::{Change, END, Verdict, commits};
use crate::answers::expected::Request;
use crate::counters::{Event, LeftOut};
use crate::sql::Effect;
use crate::wire::attributes::{Attributes, are_there, before_text};
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::{Header, WHOLE_MAX, packet};

/// Bytes of an empty list of attributes.
const NO_ATTRIBUTES: usize = 2;

impl Commands<'_, '_> {
    pub(super) fn query(&mut self, header: Header, payload: &[u8]) -> Taken {
        let command = Command::QUERY;
        let need =
            |bytes: usize| if payload.len() < header.length.min(bytes) { Err(Stop::Wait) } else { Ok(()) };
        need(3)?;
        self.cx.attributes.get_or_insert(are_there(payload));
        let attributes = match are_there(payload).then(|| before_text(payload)) {
            Some(Attributes::Length(length)) => length,
            None => 0,
            Some(Attributes::Cut) => {
                need(WHOLE_MAX)?;
                return Err(Stop::LeaveOut(LeftOut::Unreadable));
            }
        };
        let text_at = 1 + attributes;
        let text = self.whole_text(header, payload, text_at, false)?;
        let script = self.cx.read(text.bytes);
        let verdict = self.decide(text, &script)?;
        if let Verdict::Send(_) = verdict
            && Self::must_see_answer(&script)
        {
            if script.effects().any(|effect| *effect == Effect::LoadLocal) {
                self.await_all_answers()?;
            }
            self.await_answers()?;
        }
        // The client sends them even if the text is left out.
        self.expect_files(text, &script);
        let change = self.cx.change_of(&script);
        let request = change.map_or(Request::Query, Request::Change);
        let taken = match &verdict {
            Verdict::LeaveOut(reason) => {
                let taken = self.leave_out(command, header, request, *reason);
                let ends = script.statements().iter().any(|statement| commits(statement, *reason));
                if ends && self.cx.state.transaction.is_open() {
                    self.end_transaction();
                }
                taken
            }
            Verdict::Send(changes) => self.send_query(header, attributes, request, changes)?,
        };
        self.said(text, &script, change, &verdict);
        Ok(taken)
    }

    /// Production has ended a transaction by a statement that is not copied.
    fn end_transaction(&mut self) {
        self.edits.send(&packet(0, &[&[Command::QUERY.0], END].concat()));
        self.ready.answers.expect(Request::Other, Some(1));
    }

    /// Sends a query with changes of its text, which are all here.
    fn send_query(
        &mut self,
        header: Header,
        attributes: usize,
        request: Request,
        changes: &[Change],
    ) -> Taken {
        let command = Command::QUERY;
        let text_at = 1 + attributes;
        let knows_attributes = attributes == 0 || self.server_knows(Capabilities::QUERY_ATTRIBUTES);
        if attributes > NO_ATTRIBUTES && !knows_attributes {
            self.cx.shared.counters.sessions.count(Event::AttributesLeftOut);
        }
        if changes.is_empty() {
            if knows_attributes {
                return Ok(self.pass(command, header, request));
            }
            // Blanks before a text change nothing, not even the packet's length.
            let mut head = vec![b' '; text_at];
            head[0] = command.0;
            return Ok(self.rewrite(command, header, request, &head, text_at));
        }
        self.rewrite_text(header, request, if knows_attributes { 0 } else { attributes }, text_at, changes)
    }
}
