//! Learns from commands that do not reach the test server: clients do not send their login and their PREPAREs again. The
//! next connection gets them.

use super::client::Client;
use super::commands::must_not_be_prepared;
use super::context::Context;
use super::sql::{self, Query};
use crate::answers::expected::Request;
use crate::auth::hello::{self, FirstPacket};
use crate::wire::attributes::text;
use crate::wire::command::{Command, looks_like_command};
use crate::wire::packet::{HEADER, Header, packets};

impl Context {
    /// A login in one packet.
    pub(super) fn learn_client(&mut self, lost: &[u8]) {
        if let Some((Header { sequence: 1, .. }, payload)) = packets(lost).next()
            && self.stream.is_in_login()
            && lost.len() == HEADER + payload.len()
            && let Some(FirstPacket::Hello(hello)) = hello::read(payload)
        {
            self.know(hello);
            if let Some(online) = &mut self.online {
                online.login_packet(1);
            }
        }
    }

    /// Whole commands; nothing is learned from anything else.
    pub(super) fn learn_commands(&mut self, lost: &[u8]) {
        if is_commands(lost) {
            packets(lost).for_each(|(header, payload)| self.learn_command(header, payload));
        }
    }

    fn learn_command(&mut self, header: Header, payload: &[u8]) {
        let Some((&command, rest)) = payload.split_first() else { return };
        let Some(client) = &mut self.client else { return };
        let command = Command(command);
        let mut request = Request::Other;
        match command {
            Command::PREPARE => {
                let serial = match must_not_be_prepared(rest) {
                    Some(_) => self.statements.prepare_left_out(),
                    None => self.statements.prepare(Some(rest)),
                };
                request = serial.map_or(Request::Other, Request::Prepare);
            }
            Command::INIT_DB => {
                client.use_database(rest);
                request = Request::Use;
            }
            Command::CHANGE_USER => {
                if let Some(hello) = client.hello.changed(payload) {
                    self.client = Some(Client::new(hello, &self.shared.credentials));
                }
                self.forget_statements();
            }
            Command::RESET_CONNECTION => self.forget_statements(),
            Command::QUERY => {
                request = Request::Query;
                if let Query::Use(database) = sql::classify(text(payload).unwrap_or_default()) {
                    client.use_database(database);
                    request = Request::Use;
                }
            }
            _ => {
                if let Some(&[_, ref id @ ..]) = payload.first_chunk::<5>() {
                    let id = u32::from_le_bytes(*id);
                    match command {
                        Command::CLOSE => self.statements.close(id),
                        Command::EXECUTE => self.execute_unsent(id, payload),
                        _ => {}
                    }
                }
                self.long_data.note(command, payload, true);
            }
        }
        self.expect_online(command, header, request);
        if let (Command::CHANGE_USER, Some(online)) = (command, &mut self.online) {
            online.login_packet(header.sequence);
        }
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
