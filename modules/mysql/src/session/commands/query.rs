//! COM_QUERY: its text is classified; query attributes are overwritten for a server that knows none.

use super::cursor::{Commands, Stop, Taken};
use super::kill::NAMING_MAX;
use crate::answers::expected::Request;
use crate::counters::{Event, LeftOut};
use crate::session::sql::{self, Query};
use crate::wire::attributes::{Attributes, are_there, before_text};
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::{Header, WHOLE_MAX};

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
        need(text_at + sql::PEEK)?;
        let text = &payload[text_at..payload.len().min(text_at + sql::PEEK)];
        let mut request = Request::Query;
        match sql::classify(text) {
            Query::Kill(_) => {
                need(NAMING_MAX)?;
                return self.kill(header, payload, text_at);
            }
            Query::Use(_) => {
                need(NAMING_MAX)?;
                self.await_answers()?;
                if let (Query::Use(database), Some(client)) =
                    (sql::classify(&payload[text_at..]), &mut self.cx.client)
                {
                    client.use_database(database);
                    request = Request::Use;
                }
            }
            Query::Shutdown => return Err(Stop::LeaveOut(LeftOut::Shutdown)),
            Query::Load => self.await_answers()?,
            Query::Prepare => self.cx.statements.prepared_in_sql(),
            Query::Transaction(boundary) => self.cx.transaction_boundary(boundary),
            Query::Plain => {}
        }
        if attributes == 0 || self.server_knows(Capabilities::QUERY_ATTRIBUTES) {
            return Ok(self.pass(command, header, request));
        }
        if attributes > NO_ATTRIBUTES {
            self.cx.shared.counters.sessions.count(Event::AttributesLeftOut);
        }
        // Blanks before a text change nothing, not even the packet's length.
        let mut head = vec![b' '; text_at];
        head[0] = command.0;
        Ok(self.rewrite(command, header, request, &head, text_at))
    }
}
