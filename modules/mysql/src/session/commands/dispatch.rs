//! Finds commands in the client's stream, and what each kind needs.

use module_kit::AnswerPayload;
use module_kit::{Failure, FailureKind, Loss};

use super::cursor::{Commands, Stop, Taken};
use crate::answers::expected::Request;
use crate::answers::files::Files;
use crate::counters::{LeftOut, Sent};
use crate::session::client::{Client, NAME_MAX};
use crate::session::connection_state::Run;
use crate::session::context::Context;
use crate::session::state::{Server, Switching, out_of_step};
use crate::session::stream::{LastCommand, LostPlace};
use crate::statements::long_data;
use crate::wire::command::{Command, looks_like_command};
use crate::wire::packet::{HEADER, Header, WHOLE_MAX, packet};
use module_kit::edits::{Edits, Fate};

/// Sends the commands that `bytes` hold, if the server takes them.
pub(in crate::session) fn run(
    server: &mut Server,
    cx: &mut Context,
    bytes: &[u8],
    edits: &mut Edits<'_>,
) -> Result<(), Failure> {
    let Server::Ready(ready) = server else { return Ok(()) };
    let stop = (Commands { cx, ready, edits, has_more: false, files: Files::default() }).all(bytes);
    if ready.answers.promises_end() {
        edits.actions().await_answered();
    }
    match stop {
        Stop::Fail(failure) => return Err(failure),
        Stop::ChangeUser => {
            let agreed = ready.agreed.clone();
            *server = Server::Switching(Box::new(Switching { agreed, tail: Vec::new() }));
        }
        Stop::Wait | Stop::LeaveOut(_) => {}
    }
    Ok(())
}

impl Commands<'_, '_> {
    fn all(&mut self, mut rest: &[u8]) -> Stop {
        loop {
            rest = &rest[self.cx.stream.follow(rest, self.edits)..];
            rest = &rest[self.file(rest)..];
            if let Some(place) = self.cx.stream.lost_place() {
                match self.find(place, rest) {
                    Ok(taken) => rest = &rest[taken..],
                    Err(stop) => return stop,
                }
                continue;
            }
            if !self.cx.stream.is_at_boundary() {
                return Stop::Wait;
            }
            match self.packet(rest) {
                Ok(taken) => rest = &rest[taken..],
                Err(stop) => return stop,
            }
        }
    }

    /// The place in the stream is lost: finds out whether a command begins here, or a packet of a file. If not, leaves out
    /// all of `rest`.
    fn find(&mut self, lost: LostPlace, rest: &[u8]) -> Taken {
        let header = Header::read(rest).ok_or(Stop::Wait)?;
        // An empty packet is the end of a file.
        let is_command = header.length > 0 && looks_like_command(rest).ok_or(Stop::Wait)?;
        if is_command && lost != LostPlace::BeforeFile {
            self.cx.stream.at_boundary();
            return Ok(0);
        }
        self.cx.stream.enter_unknown(header);
        if self.cx.stream.lost_place().is_some() {
            return self.lose(rest);
        }
        self.cx.shared.counters.left_out.count(LeftOut::OutOfStep);
        Ok(0)
    }

    /// No command begins here: leaves out all of `rest`, because the next bytes most likely begin with a command. Declares
    /// everything that was sent answered, so that the next turn is due.
    pub(super) fn lose(&mut self, rest: &[u8]) -> Taken {
        self.cx.shared.counters.left_out.count(LeftOut::OutOfStep);
        self.cx.stream.lose();
        self.edits.take(rest.len(), Fate::LeaveOut(Loss::LeftOut));
        self.edits.actions().answered();
        Ok(rest.len())
    }

    /// A packet begins.
    fn packet(&mut self, rest: &[u8]) -> Taken {
        let header = Header::read(rest).ok_or(Stop::Wait)?;
        if self.cx.stream.is_further_packet(header) {
            return self.further_packet(header, rest);
        }
        if self.cx.must_await_admission() {
            return Err(Stop::Wait);
        }
        let payload = &rest[HEADER..rest.len().min(HEADER + header.length)];
        if payload.is_empty() && header.length > 0 {
            return Err(Stop::Wait);
        }
        let command = payload.first().copied().map_or(Command(0), Command);
        if !command.is_known() {
            return self.lose(rest);
        }
        self.has_more = rest.len() > HEADER + header.length;
        self.no_file()?;
        self.files.clear();
        let taken = match self.command(command, header, payload) {
            Err(Stop::LeaveOut(reason)) => self.leave_out(command, header, Request::Other, reason),
            Err(stop) => {
                self.cx.kills.judged();
                return Err(stop);
            }
            Ok(taken) => taken,
        };
        let early_file = self.cx.early_file;
        self.cx.no_command_waits();
        self.cx.stream.last = LastCommand::Other;
        if !self.files.is_empty() {
            self.cx.stream.last = LastCommand::Load { first: early_file };
            self.cx.expect_online_files(std::mem::take(&mut self.files));
        }
        Ok(taken)
    }

    fn command(&mut self, command: Command, header: Header, payload: &[u8]) -> Taken {
        match command {
            Command::QUERY => self.query(header, payload),
            Command::INIT_DB => self.init_db(header, payload),
            Command::PREPARE => self.prepare(header, payload),
            Command::CHANGE_USER => self.change_user(header, payload),
            Command::PROCESS_KILL => self.process_kill(header, payload),
            Command::SHUTDOWN => Err(Stop::LeaveOut(LeftOut::Shutdown)),
            Command::REFRESH => self.refresh(header, payload),
            Command::SET_OPTION => self.set_option(header, payload),
            Command::RESET_CONNECTION => {
                self.cx.reset_said();
                Ok(self.pass(command, header, Request::Other))
            }
            _ if command.is_replication() => {
                self.cx.shared.counters.left_out.count(LeftOut::Replication);
                let reason = "a replica is no client to copy";
                Err(Stop::Fail(Failure { kind: FailureKind::Unsupported, reason }))
            }
            Command::LONG_DATA if payload.len() < header.length.min(long_data::NAMED) => Err(Stop::Wait),
            _ if command.names_statement() => {
                let taken = match self.statement(command, header, payload) {
                    Err(Stop::LeaveOut(reason)) => {
                        let request = self.not_executed(command, payload);
                        self.leave_out(command, header, request, reason)
                    }
                    taken => taken?,
                };
                self.cx.long_data.note(command, payload, false);
                Ok(taken)
            }
            _ => Ok(self.pass(command, header, Request::Other)),
        }
    }

    /// A command that names a statement is not sent. Production executes it all the same.
    fn not_executed(&mut self, command: Command, payload: &[u8]) -> Request {
        match (command, payload) {
            (Command::EXECUTE | Command::BULK_EXECUTE, [_, a, b, c, d, ..]) => {
                self.cx.execute_said(u32::from_le_bytes([*a, *b, *c, *d]), Run::LeftOut)
            }
            _ => Request::Other,
        }
    }

    /// COM_REFRESH: FLUSH of the kinds that its bits name, which may be accounts.
    fn refresh(&mut self, header: Header, payload: &[u8]) -> Taken {
        const GRANTS: u8 = 0x01;
        let kinds = payload.get(1).copied();
        if kinds.is_none() && header.length > 1 {
            return Err(Stop::Wait);
        }
        if kinds.is_some_and(|kinds| kinds & GRANTS != 0) {
            if !self.cx.shared.copy_accounts {
                return Err(Stop::LeaveOut(LeftOut::Accounts));
            }
            if self.is_refused_online()? {
                return Err(Stop::LeaveOut(LeftOut::RefusedOnline));
            }
        }
        Ok(self.pass(Command::REFRESH, header, Request::Other))
    }

    /// COM_SET_OPTION: may the client send several statements in a packet?
    fn set_option(&mut self, header: Header, payload: &[u8]) -> Taken {
        const LENGTH: usize = 3;
        if payload.len() < header.length.min(LENGTH) {
            return Err(Stop::Wait);
        }
        let request = self.cx.options_said(payload);
        Ok(self.pass(Command::SET_OPTION, header, request))
    }

    /// COM_INIT_DB. Its answer must be seen.
    fn init_db(&mut self, header: Header, payload: &[u8]) -> Taken {
        if header.length > 1 + NAME_MAX {
            return Ok(self.pass(Command::INIT_DB, header, Request::Other));
        }
        if payload.len() < header.length {
            return Err(Stop::Wait);
        }
        self.await_answers()?;
        let request = self.cx.database_said(&payload[1..]);
        Ok(self.pass(Command::INIT_DB, header, request))
    }

    /// COM_CHANGE_USER: the client becomes another user. It must be read as a whole.
    fn change_user(&mut self, header: Header, payload: &[u8]) -> Taken {
        const UNREADABLE: &str = "a COM_CHANGE_USER cannot be read";
        if header.length > WHOLE_MAX {
            return Err(out_of_step(UNREADABLE).into());
        }
        if payload.len() < header.length {
            return Err(Stop::Wait);
        }
        self.await_answers()?;
        let hello = self.cx.client.as_ref().and_then(|client| client.hello.changed(payload));
        let hello = hello.ok_or(out_of_step(UNREADABLE))?;
        self.edits.take(HEADER + header.length, Fate::Replace);
        self.cx.stream.enter(header, header.length, Fate::Replace);
        self.cx.stream.last = LastCommand::ChangeUser;
        self.cx.login_packet(header.sequence)?;
        self.cx.shared.counters.commands.count(Sent(Command::CHANGE_USER));
        self.cx.become_client(Client::new(hello, &self.cx.shared.credentials));
        self.edits.actions().answers(AnswerPayload::All);
        self.edits.actions().send(&packet(0, &[Command::PING.0]));
        Err(Stop::ChangeUser)
    }
}
