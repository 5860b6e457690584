//! What can be learned from what does not reach the test server: who the client is, and the statements that it has
//! prepared, are not said again. The next connection is told.

use super::prepared::must_not_be_prepared;
use super::{Client, Session};
use crate::answers::To;
use crate::auth::hello::{self, Hello, Opening};
use crate::compression::Compression;
use crate::session::query::{self, Query};
use crate::wire::attributes::text;
use crate::wire::capabilities::Capabilities;
use crate::wire::command::{Command, looks_like_command};
use crate::wire::packet::{HEADER, Header};

impl Session {
    /// Reads what is lost, if it is whole packets; all else that was lost is lost.
    pub(super) fn learn(&mut self, lost: &[u8]) {
        if Header::read(lost).is_some_and(|header| header.sequence == 0) && self.client.is_some() {
            self.decide_compression(lost);
        }
        let plain = match &mut self.compression {
            Compression::Yes(inflated) => inflated.client_lost(lost),
            Compression::Undecided | Compression::No => None,
        };
        match &self.compression {
            _ if self.client.is_none() => self.learn_client(lost),
            Compression::Yes(_) => self.learn_commands(&plain.unwrap_or_default()),
            Compression::No => self.learn_commands(lost),
            Compression::Undecided => {}
        }
    }

    fn learn_commands(&mut self, lost: &[u8]) {
        if is_commands(lost) {
            packets(lost).for_each(|(header, payload)| self.learn_command(header, payload));
        }
    }

    /// A login in one packet.
    fn learn_client(&mut self, lost: &[u8]) {
        if let Some((Header { sequence: 1, .. }, payload)) = packets(lost).next()
            && self.stream.is_in_login()
            && lost.len() == HEADER + payload.len()
            && let Some(Opening::Hello(hello)) = hello::read(payload)
        {
            self.know(hello);
            if let Some(online) = &mut self.online {
                online.asked(1);
            }
        }
    }

    fn learn_command(&mut self, header: Header, payload: &[u8]) {
        let Some((&command, rest)) = payload.split_first() else { return };
        let Some(client) = &mut self.client else { return };
        let command = Command(command);
        let mut to = To::Other;
        match command {
            Command::PREPARE => {
                let serial = match must_not_be_prepared(rest) {
                    Some(_) => self.statements.prepare_left_out(),
                    None => self.statements.prepare(Some(rest)),
                };
                to = serial.map_or(To::Other, To::Prepare);
            }
            Command::INIT_DB => {
                client.use_database(rest);
                to = To::Use;
            }
            Command::CHANGE_USER => {
                if let Some(hello) = client.hello.changed(payload) {
                    self.client = Some(Client::new(hello, self));
                }
                self.statements.clear();
                self.long_data.clear();
                self.transaction.rolled_back();
            }
            Command::RESET_CONNECTION => {
                self.statements.clear();
                self.long_data.clear();
                self.transaction.rolled_back();
            }
            Command::QUERY => {
                to = To::Query;
                if let Query::Use(database) = query::classify(text(payload).unwrap_or_default()) {
                    client.use_database(database);
                    to = To::Use;
                }
            }
            _ => {
                if let Some(&[_, ref id @ ..]) = payload.first_chunk::<5>() {
                    let id = u32::from_le_bytes(*id);
                    match command {
                        Command::CLOSE => self.statements.close(id),
                        Command::EXECUTE => self.learn_types(id, payload),
                        _ => {}
                    }
                }
                self.long_data.note(command, payload, true);
            }
        }
        self.said(command, header, to);
        if let (Command::CHANGE_USER, Some(online)) = (command, &mut self.online) {
            online.asked(header.sequence);
        }
    }

    /// The types of an EXECUTE that is not sent. Where clients say names with them, those of before have to do.
    pub(super) fn learn_types(&mut self, online: u32, payload: &[u8]) {
        if self.attributes == Some(false) {
            self.statements.executed_unheard(online, payload);
        }
    }

    /// The client has said who it is.
    pub(super) fn know(&mut self, hello: Hello) {
        if !hello.capabilities.has(Capabilities::COMPRESS) && !hello.capabilities.has(Capabilities::ZSTD) {
            self.compression = Compression::No;
        }
        if !hello.capabilities.has(Capabilities::QUERY_ATTRIBUTES) {
            self.attributes = Some(false);
        }
        self.client = Some(Client::new(hello, self));
    }
}

/// Whole commands, and nothing else, none of them in several packets.
fn is_commands(bytes: &[u8]) -> bool {
    let mut length = 0;
    looks_like_command(bytes) == Some(true)
        && packets(bytes).all(|(header, payload)| {
            length += HEADER + payload.len();
            header.sequence == 0 && !header.goes_on()
        })
        && length == bytes.len()
}

/// The packets that `bytes` begins with, as far as they are whole.
fn packets(mut bytes: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    std::iter::from_fn(move || {
        let header = Header::read(bytes)?;
        let payload = bytes.get(HEADER..HEADER + header.length)?;
        bytes = &bytes[HEADER + header.length..];
        Some((header, payload))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_commands_are_learned_from() {
        let ping = b"\x01\0\0\0\x0e";
        let query = b"\x05\0\0\0\x03DO 1";
        assert!(is_commands(query));
        assert!(is_commands(&[&query[..], ping].concat()));
        assert!(!is_commands(&query[..8]));
        assert!(!is_commands(&[&query[..], &ping[..4]].concat()));
        assert!(!is_commands(b""));
        assert!(!is_commands(b"\x05\0\0\x01\x03DO 1"), "the rest of something");
    }
}
