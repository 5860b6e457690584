//! Finds commands in the client's stream, and what each kind needs.

use module_kit::AnswerPayload;
use module_kit::{Failure, FailureKind, Loss};

use super::cursor::{Commands, Stop, Taken};
use crate::answers::expected::Request;
use crate::counters::LeftOut;
use crate::session::client::{Client, NAME_MAX};
use crate::session::context::Context;
use crate::session::state::{Server, Switching, out_of_step};
use crate::session::stream::LastCommand;
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
    match (Commands { cx, ready, edits, has_more: false }).all(bytes) {
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
            if self.cx.stream.is_lost() && !self.find_command(rest) || !self.cx.stream.is_at_boundary() {
                return Stop::Wait;
            }
            match self.packet(rest) {
                Ok(taken) => rest = &rest[taken..],
                Err(stop) => return stop,
            }
        }
    }

    /// Does a command begin here? If not, leaves out all of `rest`. If `rest` is too short to tell, returns false and
    /// leaves out nothing.
    fn find_command(&mut self, rest: &[u8]) -> bool {
        let is_command = looks_like_command(rest);
        match is_command {
            Some(true) => self.cx.stream.at_boundary(),
            Some(false) => drop(self.lose(rest)),
            None => {}
        }
        is_command == Some(true)
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
        if header.sequence != 0 {
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
        self.no_file();
        let taken = match self.command(command, header, payload) {
            Err(Stop::LeaveOut(reason)) => self.leave_out(command, header, Request::Other, reason),
            taken => taken?,
        };
        self.cx.stream.last = match command {
            Command::QUERY => LastCommand::Query,
            _ => LastCommand::Other,
        };
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
            Command::RESET_CONNECTION => {
                self.cx.forget_statements();
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
                    Err(Stop::LeaveOut(reason)) => self.leave_out(command, header, Request::Other, reason),
                    taken => taken?,
                };
                self.cx.long_data.note(command, payload, false);
                Ok(taken)
            }
            _ => Ok(self.pass(command, header, Request::Other)),
        }
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
        if let Some(client) = &mut self.cx.client {
            client.use_database(&payload[1..]);
        }
        Ok(self.pass(Command::INIT_DB, header, Request::Use))
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
        self.cx.shared.counters.commands.count(Command::CHANGE_USER);
        self.cx.client = Some(Client::new(hello, &self.cx.shared.credentials));
        self.edits.actions().answers(AnswerPayload::All);
        self.edits.actions().send(&packet(0, &[Command::PING.0]));
        Err(Stop::ChangeUser)
    }
}
