//! KILL, which names a connection: the test server gets its own id of the copy.

use super::cursor::{Commands, Stop, Taken};
use crate::answers::expected::Request;
use crate::counters::{Event, LeftOut};
use crate::session::sql::{self, Kill, Query};
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::Header;

/// A statement that names a connection or a database is no longer than this, in bytes.
pub(super) const NAMING_MAX: usize = 1024;

impl Commands<'_, '_> {
    /// KILL in SQL: `payload` is whole, or too long for one.
    pub(super) fn kill(&mut self, header: Header, payload: &[u8], text_at: usize) -> Taken {
        let Query::Kill(Kill::Number { before, id, behind }) = sql::classify(&payload[text_at..]) else {
            return Err(Stop::LeaveOut(LeftOut::Kill));
        };
        if payload.len() < header.length || header.length > NAMING_MAX {
            return Err(Stop::LeaveOut(LeftOut::Kill));
        }
        let id = self.copy_of(id)?.to_string();
        let knows = self.server_knows(Capabilities::QUERY_ATTRIBUTES);
        let attributes = if knows { &payload[1..text_at] } else { &[] };
        let head = [&[Command::QUERY.0], attributes, before, id.as_bytes(), behind].concat();
        Ok(self.rewrite(Command::QUERY, header, Request::Query, &head, header.length))
    }

    /// COM_PROCESS_KILL.
    pub(super) fn process_kill(&mut self, header: Header, payload: &[u8]) -> Taken {
        const LENGTH: usize = 5;
        let command = Command::PROCESS_KILL;
        if header.length != LENGTH {
            return Err(Stop::LeaveOut(LeftOut::Kill));
        }
        let &[_, ref id @ ..] = payload.first_chunk::<LENGTH>().ok_or(Stop::Wait)?;
        let [a, b, c, d] = self.copy_of(u32::from_le_bytes(*id))?.to_le_bytes();
        Ok(self.rewrite(command, header, Request::Other, &[command.0, a, b, c, d], LENGTH))
    }

    /// The test server's id of the connection to be killed.
    fn copy_of(&self, online: u32) -> Result<u32, Stop> {
        let id = self.cx.ids.copy_of(online).ok_or(Stop::LeaveOut(LeftOut::Kill))?;
        self.cx.shared.counters.sessions.count(Event::KillMapped);
        Ok(id)
    }
}
