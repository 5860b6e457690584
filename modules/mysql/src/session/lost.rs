//! Learns from commands that do not reach the test server: clients do not send their login and their PREPAREs again. The
//! next connection gets them.

use super::client::Client;
use super::connection_state::Run;
use super::context::Context;
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
        let Some(command) = payload.first().copied().map(Command) else { return };
        let request = match command {
            Command::PREPARE | Command::CLOSE => self.learn_effects(payload),
            _ if self.client.is_some() => self.learn_effects(payload),
            // The state that it changes is not known yet.
            _ if self.joined.is_unknown() => {
                self.joined.remember(payload);
                Request::Other
            }
            _ => return,
        };
        self.expect_online(command, header, request);
        if let (Command::CHANGE_USER, Some(online)) = (command, &mut self.online) {
            online.login_packet(header.sequence);
        }
    }

    /// Learns from a command, if it is whole. Returns what must be known of the online server's answer.
    pub(super) fn learn_effects(&mut self, payload: &[u8]) -> Request {
        let Some((&command, rest)) = payload.split_first() else { return Request::Other };
        let command = Command(command);
        let mut request = Request::Other;
        match command {
            Command::PREPARE => {
                let serial = match self.must_not_be_prepared(rest, true) {
                    Some(_) => self.statements.prepare_left_out(),
                    None => self.prepare_said(rest, true),
                };
                request = serial.map_or(Request::Other, Request::Prepare);
            }
            Command::INIT_DB => request = self.database_said(rest),
            Command::SET_OPTION => request = self.options_said(payload),
            Command::CHANGE_USER => {
                let hello = self.client.as_ref().and_then(|client| client.hello.changed(payload));
                if let Some(hello) = hello {
                    self.become_client(Client::new(hello, &self.shared.credentials));
                }
                self.forget_statements();
            }
            Command::RESET_CONNECTION => self.reset_said(),
            Command::QUERY => {
                let text = text(payload).unwrap_or_default();
                let script = self.read(text);
                let change = self.change_of(&script);
                self.said(&script, text, change, |_| Run::Dropped);
                request = change.map_or(Request::Query, Request::Change);
            }
            _ => {
                if let Some(&[_, ref id @ ..]) = payload.first_chunk::<5>() {
                    let id = u32::from_le_bytes(*id);
                    match command {
                        Command::CLOSE => self.statements.close(id),
                        Command::EXECUTE => {
                            self.execute_unsent(id, payload);
                            request = self.execute_said(id, Run::Dropped);
                        }
                        _ => {}
                    }
                }
                self.long_data.note(command, payload, true);
            }
        }
        request
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
