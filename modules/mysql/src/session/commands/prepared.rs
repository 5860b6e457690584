//! Prepared statements: PREPARE, and the commands that name a statement by its id.

use super::cursor::{Commands, Stop, Taken};
use crate::answers::expected::Request;
use crate::counters::{Event, LeftOut};
use crate::session::connection_state::Run;
use crate::statements::table::{LAST_PREPARED, Lookup};
use crate::statements::types::EarlyExecutes;
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::{HEADER, Header, WHOLE_MAX, packet};
use module_kit::edits::Fate;

/// So many segments may pass that could be the answer to a PREPARE, unless the client goes on.
const UNSEEN_MAX: u32 = 4;

/// Bytes of a command and the id of a statement.
pub(super) const NAMED: usize = 5;

/// A statement that the test server has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) online: u32,
    pub(super) id: u32,
    pub(super) parameters: Option<u16>,
    /// Only the order of ids tells that it is this one.
    pub(super) by_order: bool,
}

impl Commands<'_, '_> {
    pub(super) fn prepare(&mut self, header: Header, payload: &[u8]) -> Taken {
        let text = self.whole_text(header, payload, 1, true)?;
        self.await_answers()?;
        let request = |serial: Option<_>| serial.map_or(Request::Other, Request::Prepare);
        if let Some(reason) = self.cx.must_not_be_prepared(text.bytes, text.is_whole) {
            let request = request(self.cx.statements.prepare_left_out());
            return Ok(self.leave_out(Command::PREPARE, header, request, reason));
        }
        let is_short = header.length <= WHOLE_MAX;
        let request = request(self.cx.prepare_said(text.bytes, is_short));
        Ok(self.pass(Command::PREPARE, header, request))
    }

    /// A command that names a statement by its id.
    pub(super) fn statement(&mut self, command: Command, header: Header, payload: &[u8]) -> Taken {
        let Some(&[_, ref id @ ..]) = payload.first_chunk::<NAMED>() else {
            let is_short = header.length < NAMED;
            return Err(if is_short { Stop::LeaveOut(LeftOut::Unreadable) } else { Stop::Wait });
        };
        let online = u32::from_le_bytes(*id);
        if command == Command::BULK_EXECUTE && !self.server_knows(Capabilities::BULK) {
            return Err(Stop::LeaveOut(LeftOut::Bulk));
        }
        if matches!(command, Command::EXECUTE | Command::BULK_EXECUTE)
            && self.cx.decide_execute(online).is_some()
        {
            if payload.len() < header.length.min(WHOLE_MAX) {
                return Err(Stop::Wait);
            }
            self.cx.execute_unsent(online, payload);
            return Err(Stop::LeaveOut(LeftOut::StateLost));
        }
        let target = match self.cx.statements.look_up(online) {
            Lookup::Known { id, parameters, by_order } => Target { online, id, parameters, by_order },
            Lookup::Waiting { .. } if online == LAST_PREPARED && self.server_knows_last() => {
                return self.execute_last(command, header, payload);
            }
            Lookup::Waiting { id } => self.unanswered(online, id)?,
            Lookup::Failed | Lookup::Lost | Lookup::Unknown
                if command == Command::CLOSE && online == LAST_PREPARED =>
            {
                // The client closes without waiting a statement that was not prepared: there is nothing to close.
                self.cx.statements.close(online);
                return Ok(self.begin(header, Fate::Replace));
            }
            at_test @ (Lookup::Failed | Lookup::Lost) => {
                if command == Command::CLOSE {
                    self.cx.statements.close(online);
                }
                if command == Command::EXECUTE
                    && let Some(text) = self.cx.begins_by(online)
                {
                    return self.execute_as_text(header, payload, online, &text);
                }
                let is_lost = at_test == Lookup::Lost;
                let reason = if is_lost { LeftOut::StateLost } else { LeftOut::FailedStatement };
                return Err(Stop::LeaveOut(reason));
            }
            Lookup::Unknown => {
                self.cx.executes_unknown();
                return Err(Stop::LeaveOut(LeftOut::UnknownStatement));
            }
        };
        match command {
            Command::EXECUTE => return self.execute(header, payload, target),
            Command::CLOSE => self.cx.statements.close(online),
            _ => {}
        }
        let request = match command {
            Command::BULK_EXECUTE => self.cx.execute_said(online, Run::Sent),
            _ => Request::Other,
        };
        Ok(self.name(command, header, request, target))
    }

    /// The test server cannot prepare a BEGIN, as MySQL cannot, but it can execute the text: without it all that follows would
    /// be committed statement by statement.
    fn execute_as_text(&mut self, header: Header, payload: &[u8], online: u32, text: &[u8]) -> Taken {
        if payload.len() < header.length {
            return Err(Stop::Wait);
        }
        self.edits.take(HEADER + header.length, Fate::Replace);
        self.cx.stream.enter(header, header.length, Fate::Replace);
        self.edits.send(&packet(0, &[&[Command::QUERY.0], text].concat()));
        self.send(Command::QUERY, header, Request::Query);
        self.cx.execute_said(online, Run::Sent);
        Ok(HEADER + header.length)
    }

    /// Sends a command with the test server's id of the statement.
    pub(super) fn name(
        &mut self,
        command: Command,
        header: Header,
        request: Request,
        target: Target,
    ) -> usize {
        if target.id == target.online {
            return self.pass(command, header, request);
        }
        let [a, b, c, d] = target.id.to_le_bytes();
        self.rewrite(command, header, request, &[command.0, a, b, c, d], NAMED)
    }

    /// The statement that the client prepared last is also the one that the server got last.
    fn execute_last(&mut self, command: Command, header: Header, payload: &[u8]) -> Taken {
        if command == Command::EXECUTE {
            if payload.len() < header.length.min(EarlyExecutes::HEAD) {
                return Err(Stop::Wait);
            }
            self.cx.statements.executed_early(LAST_PREPARED, payload);
        }
        let request = match command {
            Command::EXECUTE | Command::BULK_EXECUTE => self.cx.execute_said(LAST_PREPARED, Run::Sent),
            _ => Request::Other,
        };
        Ok(self.pass(command, header, request))
    }

    /// The answer to the PREPARE was not seen: the statement gets `id` by order, once the answer must have come.
    fn unanswered(&mut self, online: u32, id: Option<u32>) -> Result<Target, Stop> {
        let answers = &self.ready.answers;
        let segments_awaited = match id {
            // Answers to later commands have been seen.
            _ if !answers.expects_prepare() => 0,
            None if !answers.is_pipelined() && !self.has_more => UNSEEN_MAX,
            _ => 1,
        };
        if answers.segments() < segments_awaited {
            return Err(Stop::Wait);
        }
        let Some(id) = id else {
            // If the client has waited for the answer, it has passed, and must not be expected any more.
            if !answers.is_unsure() && answers.segments() >= UNSEEN_MAX {
                self.cx.statements.give_up(online);
            }
            return Err(Stop::LeaveOut(LeftOut::UnknownStatement));
        };
        self.cx.shared.counters.sessions.count(Event::IdAssumed);
        self.cx.statements.assume(online);
        Ok(Target { online, id, parameters: None, by_order: true })
    }

    /// MariaDB since 10.2.
    fn server_knows_last(&self) -> bool {
        !self.ready.agreed.greeting.capabilities.has(Capabilities::MYSQL)
    }
}
