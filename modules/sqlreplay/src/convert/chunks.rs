//! Chunks of bytes that other tools have recorded, as sessions.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::Take;
use crate::decoding::{Dialogue, Settings, Wire};
use crate::masking::Masking;
use crate::recording::record::{EndedBy, Message, Record, Statement};
use crate::recording::{Bytes, Micros};

/// Connections that are being put together.
pub(super) struct Chunks {
    settings: Arc<Settings>,
    sessions: BTreeMap<String, (u64, Box<Wire>)>,
    count: u64,
    last: Micros,
    out: Vec<Record>,
}

impl Chunks {
    pub(super) fn new(masking: &Masking) -> Self {
        let settings = Settings { masking: masking.clone(), ..Settings::default() };
        Self {
            settings: Arc::new(settings),
            sessions: BTreeMap::new(),
            count: 0,
            last: Micros(0),
            out: Vec::new(),
        }
    }

    /// Bytes of a connection's client or server. `login` is who it is if its beginning is not there.
    pub(super) fn chunk(
        &mut self,
        now: Micros,
        client: &str,
        is_client: bool,
        bytes: &[u8],
        login: [&str; 2],
    ) {
        self.last = self.last.max(now);
        let begins = is_client && is_opening(bytes);
        if begins && self.sessions.get(client).is_some_and(|(_, wire)| wire.is_session()) {
            self.end(now, client);
        }
        if !self.sessions.contains_key(client) {
            self.count += 1;
            let (settings, name) = (Arc::clone(&self.settings), client.to_owned());
            let wire = if begins {
                Wire::new(settings, self.count, name)
            } else {
                let login = login.map(|name| Bytes::from(if name.is_empty() { "unknown" } else { name }));
                Wire::joined(settings, self.count, now, name, login, &mut self.out)
            };
            self.sessions.insert(client.to_owned(), (self.count, Box::new(wire)));
        }
        if let Some((_, wire)) = self.sessions.get_mut(client) {
            if is_client {
                wire.client(now, bytes, &mut self.out);
            } else {
                wire.server(now, bytes, &mut self.out);
            }
        }
    }

    /// A statement whose bytes are not there.
    pub(super) fn text(&mut self, now: Micros, client: &str, sql: &str, login: [&str; 2]) {
        self.chunk(now, client, true, &[], login);
        let Some((session, _)) = self.sessions.get(client) else { return };
        let (sql, masked) = self.settings.masking.statement(sql.as_bytes());
        self.out.push(Record::Statement(Statement {
            session: *session,
            at: now,
            ahead: 0,
            messages: vec![Message::Query(sql)],
            masked,
            took: None,
            answer: Vec::new(),
        }));
    }

    fn end(&mut self, now: Micros, client: &str) {
        if let Some((_, wire)) = self.sessions.remove(client) {
            wire.end(now, EndedBy::Client, &mut self.out);
        }
    }

    /// Hands over what is complete.
    pub(super) fn hand_over(&mut self, take: Take<'_>) -> io::Result<()> {
        self.out.drain(..).try_for_each(take)
    }

    /// All connections are over.
    pub(super) fn finish(mut self, take: Take<'_>) -> io::Result<()> {
        for (_, (_, wire)) in std::mem::take(&mut self.sessions) {
            wire.end(self.last, EndedBy::Recorder, &mut self.out);
        }
        self.hand_over(take)
    }
}

/// Whether a connection begins with these bytes: a length, and a version or a code.
fn is_opening(bytes: &[u8]) -> bool {
    matches!(bytes, [0, 0, _, _, 0, 3, 0, _, ..] | [0, 0, 0, 8, 0x04, 0xD2, 0x16, _, ..])
}
