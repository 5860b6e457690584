//! Commands that are not said as they were: statements with query attributes for a server that knows none, and KILL,
//! which names a connection.

use super::commands::WHOLE_MAX;
use super::{Ready, Server, Session};
use crate::answers::To;
use crate::counters::{Happened, LeftOut};
use crate::session::edits::{Edits, Fate};
use crate::session::query::{self, Kill, Query};
use crate::statements::NeverHeard;
use crate::wire::attributes::{Attributes, Execute, are_there, before_text, without_attributes};
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::{CHUNK_MAX, HEADER, Header};
use crate::wire::types::{self, Said};

/// A statement that names a connection or a database is no longer than this, in bytes.
const NAMING_MAX: usize = 1024;

impl Session {
    pub(super) fn query(&mut self, header: Header, payload: &[u8], edits: &mut Edits<'_>) -> Option<usize> {
        let command = Command::QUERY;
        if payload.len() < header.length.min(3) {
            return None;
        }
        self.attributes.get_or_insert(are_there(payload));
        let attributes = match are_there(payload).then(|| before_text(payload)) {
            Some(Attributes::Length(length)) => length,
            None => 0,
            Some(Attributes::Cut) if payload.len() < header.length.min(WHOLE_MAX) => return None,
            Some(Attributes::Cut) => {
                return Some(self.leave_out(command, header, LeftOut::Unreadable, edits));
            }
        };
        let text_at = 1 + attributes;
        if payload.len() < header.length.min(text_at + query::PEEK) {
            return None;
        }
        let text = &payload[text_at..payload.len().min(text_at + query::PEEK)];
        let mut to = To::Query;
        match query::classify(text) {
            Query::Kill(_) | Query::Use(_) if payload.len() < header.length.min(NAMING_MAX) => return None,
            Query::Kill(_) => return Some(self.kill(header, payload, text_at, edits)),
            Query::Shutdown => return Some(self.leave_out(command, header, LeftOut::Shutdown, edits)),
            Query::Load | Query::Use(_) if !self.all_answered() => return None,
            Query::Prepare => self.statements.prepared_unseen(),
            Query::Transaction(said) => self.transaction_said(said),
            Query::Use(_) => {
                if let (Query::Use(database), Some(client)) =
                    (query::classify(&payload[text_at..]), &mut self.client)
                {
                    client.use_database(database);
                    to = To::Use;
                }
            }
            Query::Plain | Query::Load => {}
        }
        if attributes == 0 || self.server_knows_attributes() {
            return Some(self.pass(command, header, to, edits));
        }
        // Blanks in front of a text change nothing, not even its length.
        self.shared.counters.happened(Happened::AttributesLeftOut, u64::from(attributes > NO_ATTRIBUTES));
        self.sent(command, header, to);
        edits.take(HEADER + text_at, Fate::Replace);
        edits.send(&header.bytes());
        edits.send(&[command.0]);
        edits.send(&vec![b' '; attributes]);
        self.stream.enter(header, text_at, Fate::Pass);
        Some(HEADER + text_at)
    }

    fn server_knows_attributes(&self) -> bool {
        matches!(&self.server,
            Server::Ready(Ready { agreed, .. }) if agreed.capabilities.has(Capabilities::QUERY_ATTRIBUTES))
    }

    /// Sends an EXECUTE whose attributes a server without them would misread. The outer `None`: it has none. The inner: more
    /// of the packet is needed.
    pub(super) fn execute_without_attributes(
        &mut self,
        header: Header,
        payload: &[u8],
        (online, id): (u32, u32),
        parameters: u16,
        edits: &mut Edits<'_>,
    ) -> Option<Option<usize>> {
        if self.server_knows_attributes() {
            return None;
        }
        let command = Command::EXECUTE;
        let parameters = (parameters != u16::MAX).then_some(parameters);
        let before = self.long_data.of(online);
        let (mut head, replaced, cut) =
            match without_attributes(payload, header.length, parameters, self.attributes, before) {
                Execute::Plain => return None,
                Execute::Cut if payload.len() < header.length.min(WHOLE_MAX) => return Some(None),
                Execute::Cut if self.attributes.is_none() => return None,
                Execute::Changed { head, replaced, cut } if !header.goes_on() => (head, replaced, cut),
                Execute::Cut | Execute::Changed { .. } => {
                    return Some(Some(self.leave_out(command, header, LeftOut::Unreadable, edits)));
                }
            };
        head[1..5].copy_from_slice(&id.to_le_bytes());
        if let Err(reason) = self.put_types(online, parameters, &mut head, CHUNK_MAX - header.length) {
            return Some(Some(self.leave_out(command, header, reason, edits)));
        }
        let length = header.length - replaced - cut + head.len();
        self.shared.counters.happened(Happened::AttributesLeftOut, u64::from(cut > 0));
        self.sent(command, header, To::Other);
        edits.take(HEADER + replaced, Fate::Replace);
        edits.send(&Header { length, ..header }.bytes());
        edits.send(&head);
        if cut == 0 {
            self.stream.enter(header, replaced, Fate::Pass);
            return Some(Some(HEADER + replaced));
        }
        edits.take(header.length - replaced - cut, Fate::Pass);
        edits.take(cut, Fate::Replace);
        self.stream.enter(header, header.length, Fate::Pass);
        Some(Some(HEADER + header.length))
    }

    /// Learns the types of an EXECUTE whose values follow `head`, or puts them there if the test server does not know them.
    /// They must have less than `room` bytes.
    fn put_types(
        &mut self,
        online: u32,
        parameters: Option<u16>,
        head: &mut Vec<u8>,
        room: usize,
    ) -> Result<(), LeftOut> {
        let Some(parameters @ 1..) = parameters else { return Ok(()) };
        match types::find(head, parameters, false) {
            Some(Said::Here { count, bytes }) => self.statements.types_said(online, count, bytes),
            Some(Said::AsBefore { count, at }) => {
                let missing = self.statements.types_missing(online, count).transpose();
                if let Some(types) = missing.map_err(|NeverHeard| LeftOut::UnknownTypes)? {
                    if types.len() >= room {
                        return Err(LeftOut::Unreadable);
                    }
                    head[at] = 1;
                    head.extend_from_slice(types);
                    self.statements.types_told(online);
                    self.shared.counters.happened(Happened::TypesAgain, 1);
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Sends an EXECUTE with the types of its parameters if the test server does not know them. The outer `None`: it does, or
    /// is told them by the client. The inner: more of the packet is needed.
    pub(super) fn execute_with_types(
        &mut self,
        header: Header,
        payload: &[u8],
        (online, id): (u32, u32),
        parameters: u16,
        edits: &mut Edits<'_>,
    ) -> Option<Option<usize>> {
        if parameters == 0 || parameters == u16::MAX {
            return None;
        }
        let attributes = self.attributes? && self.server_knows_attributes();
        let (count, at) = match types::find(payload, parameters, attributes) {
            None if payload.len() < header.length.min(WHOLE_MAX) => return Some(None),
            None => return None,
            Some(Said::Here { count, bytes }) => {
                self.statements.types_said(online, count, bytes);
                return None;
            }
            Some(Said::AsBefore { count, at }) => (count, at),
        };
        let (types, length) = match self.statements.types_missing(online, count)? {
            // They were learned with names, or without, as the test server of before wanted them.
            Ok(types)
                if header.length + types.len() < CHUNK_MAX
                    && attributes == (types.len() > 2 * usize::from(count)) =>
            {
                (types, header.length + types.len())
            }
            missing => {
                let reason = if missing.is_ok() { LeftOut::Unreadable } else { LeftOut::UnknownTypes };
                return Some(Some(self.leave_out(Command::EXECUTE, header, reason, edits)));
            }
        };
        edits.take(HEADER + at + 1, Fate::Replace);
        edits.send(&Header { length, ..header }.bytes());
        edits.send(&payload[..1]);
        edits.send(&id.to_le_bytes());
        edits.send(&payload[1 + 4..at]);
        edits.send(&[1]);
        edits.send(types);
        self.statements.types_told(online);
        self.shared.counters.happened(Happened::TypesAgain, 1);
        self.sent(Command::EXECUTE, header, To::Other);
        self.stream.enter(header, at + 1, Fate::Pass);
        Some(Some(HEADER + at + 1))
    }

    /// KILL in SQL: `payload` is whole, or too long for one.
    fn kill(&mut self, header: Header, payload: &[u8], text_at: usize, edits: &mut Edits<'_>) -> usize {
        let command = Command::QUERY;
        let mapped = match query::classify(&payload[text_at..]) {
            Query::Kill(Kill::Number { before, id, behind })
                if payload.len() == header.length && header.length <= NAMING_MAX =>
            {
                self.copy_of(id).map(|id| [before, id.to_string().as_bytes(), behind].concat())
            }
            _ => None,
        };
        let Some(text) = mapped else { return self.leave_out(command, header, LeftOut::Kill, edits) };
        let attributes: &[u8] = if self.server_knows_attributes() { &payload[1..text_at] } else { &[] };
        let length = 1 + attributes.len() + text.len();
        self.shared.counters.happened(Happened::KillMapped, 1);
        self.sent(command, header, To::Query);
        edits.take(HEADER + header.length, Fate::Replace);
        edits.send(&Header { length, ..header }.bytes());
        edits.send(&[command.0]);
        edits.send(attributes);
        edits.send(&text);
        self.stream.enter(header, header.length, Fate::Replace);
        HEADER + header.length
    }

    /// COM_PROCESS_KILL.
    pub(super) fn process_kill(
        &mut self,
        header: Header,
        payload: &[u8],
        edits: &mut Edits<'_>,
    ) -> Option<usize> {
        const LENGTH: usize = 5;
        let command = Command::PROCESS_KILL;
        if header.length == LENGTH && payload.len() < LENGTH {
            return None;
        }
        let mapped = match *payload {
            [_, a, b, c, d] if header.length == LENGTH => self.copy_of(u32::from_le_bytes([a, b, c, d])),
            _ => None,
        };
        let Some(id) = mapped else { return Some(self.leave_out(command, header, LeftOut::Kill, edits)) };
        self.shared.counters.happened(Happened::KillMapped, 1);
        self.sent(command, header, To::Other);
        edits.take(HEADER + LENGTH, Fate::Replace);
        edits.send(&header.bytes());
        edits.send(&[command.0]);
        edits.send(&id.to_le_bytes());
        self.stream.enter(header, LENGTH, Fate::Replace);
        Some(HEADER + LENGTH)
    }
}

/// Bytes of a list of attributes that is empty.
const NO_ATTRIBUTES: usize = 2;
