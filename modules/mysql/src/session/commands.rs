//! The client's stream: its login, which is left out, and its commands, which pass as far as they can.

use module_kit::FailureKind;

use super::stream::Last;
use super::{Ready, Server, Session};
use crate::answers::To;
use crate::command::{Command, looks_like_command};
use crate::counters::{Happened, LeftOut};
use crate::edits::{Edits, Fate};
use crate::hello::{self, Opening};
use crate::long_data;
use crate::notices::Kind;
use crate::packet::{HEADER, Header, write_packet};
use crate::transaction::Said;

/// No packet of a login is longer, and none that is looked at as a whole.
pub(super) const WHOLE_MAX: usize = 64 << 10;

/// A file's packets wait for no more than this, in bytes, until the test server has said whether it wants them.
const FILE_WAIT_MAX: usize = 1 << 20;

impl Session {
    /// Leaves the client's login out, having learned from it who the client is. Returns what follows.
    pub(super) fn client_login<'b>(&mut self, mut bytes: &'b [u8], edits: &mut Edits<'_>) -> &'b [u8] {
        while self.stream.is_in_login() {
            let Some(header) = Header::read(bytes) else { return bytes };
            if header.sequence == 0 {
                // Commands count from 0 again.
                self.stream.at_boundary();
                break;
            }
            if header.length > WHOLE_MAX {
                self.fail(FailureKind::OutOfStep, "the client's login is none", edits.actions());
                return &[];
            }
            let Some(payload) = bytes.get(HEADER..HEADER + header.length) else { return bytes };
            if self.client.is_none() && header.sequence <= 2 && !self.hello(payload, edits) {
                return &[];
            }
            edits.take(HEADER + header.length, Fate::Replace);
            self.asks_for_admission(header.sequence, edits.actions());
            bytes = &bytes[HEADER + header.length..];
        }
        bytes
    }

    /// The client's first packet.
    fn hello(&mut self, payload: &[u8], edits: &mut Edits<'_>) -> bool {
        let (kind, reason) = match hello::read(payload) {
            Some(Opening::Hello(hello)) => {
                self.know(hello);
                return true;
            }
            Some(Opening::Tls) => {
                let address = self.flow.client.ip;
                self.shared.notices.once(Kind::Tls, address.to_string(), || {
                    format!(
                        "client {address} speaks TLS, which cannot be copied: let it connect with --ssl-mode=DISABLED \
                         (--skip-ssl), or end TLS in front of the server"
                    )
                });
                (FailureKind::Tls, "the client asks for TLS")
            }
            Some(Opening::Ancient) => {
                (FailureKind::Unsupported, "the client speaks the protocol from before version 4.1")
            }
            None => (FailureKind::OutOfStep, "the client's login is none"),
        };
        self.fail(kind, reason, edits.actions());
        false
    }

    /// Commands, once the test server takes them.
    pub(super) fn commands(&mut self, mut rest: &[u8], edits: &mut Edits<'_>) {
        while let Server::Ready(_) = self.server {
            rest = &rest[self.stream.follow(rest, edits)..];
            if self.stream.is_lost() && !self.find_command(rest, edits) {
                return;
            }
            if !self.stream.is_at_boundary() {
                return;
            }
            let Some(taken) = self.packet(rest, edits) else { return };
            rest = &rest[taken..];
        }
    }

    /// Does a command begin here? If not, all that is here is left out.
    fn find_command(&mut self, rest: &[u8], edits: &mut Edits<'_>) -> bool {
        match looks_like_command(rest) {
            Some(true) => {
                self.stream.at_boundary();
                true
            }
            Some(false) => {
                self.lose(rest, edits);
                false
            }
            None => false,
        }
    }

    /// No command begins here: leaves all out that is here, for the next that comes most likely begins with one.
    fn lose(&mut self, rest: &[u8], edits: &mut Edits<'_>) -> usize {
        self.shared.counters.left_out(LeftOut::OutOfStep);
        self.stream.lose();
        edits.take(rest.len(), Fate::LeaveOut);
        edits.actions().answered();
        rest.len()
    }

    /// A packet begins. Returns how many bytes were dealt with, `None` if more are needed or something must come first.
    fn packet(&mut self, rest: &[u8], edits: &mut Edits<'_>) -> Option<usize> {
        let header = Header::read(rest)?;
        if header.sequence != 0 {
            return self.further_packet(header, rest, edits);
        }
        if self.awaits_admission() {
            return None;
        }
        let payload = &rest[HEADER..rest.len().min(HEADER + header.length)];
        if payload.is_empty() && header.length > 0 {
            return None;
        }
        let command = payload.first().copied().map_or(Command(0), Command);
        if !command.is_known() {
            return Some(self.lose(rest, edits));
        }
        self.pressed = rest.len() > HEADER + header.length;
        let taken = self.command(command, header, payload, edits)?;
        self.stream.last = match command {
            Command::QUERY => Last::Query,
            Command::CHANGE_USER => Last::ChangeUser,
            _ => Last::Other,
        };
        Some(taken)
    }

    fn command(
        &mut self,
        command: Command,
        header: Header,
        payload: &[u8],
        edits: &mut Edits<'_>,
    ) -> Option<usize> {
        self.no_file(edits);
        match command {
            Command::QUERY => self.query(header, payload, edits),
            Command::PREPARE => self.prepare(header, payload, edits),
            Command::CHANGE_USER => self.change_user_whole(header, payload, edits),
            Command::PROCESS_KILL => self.process_kill(header, payload, edits),
            Command::SHUTDOWN => Some(self.leave_out(command, header, LeftOut::Shutdown, edits)),
            Command::RESET_CONNECTION => {
                self.statements.clear();
                self.long_data.clear();
                self.transaction.rolled_back();
                Some(self.pass(command, header, To::Other, edits))
            }
            Command::INIT_DB => self.init_db(header, payload, edits),
            _ if command.is_replication() => {
                self.shared.counters.left_out(LeftOut::Replication);
                self.fail(FailureKind::Unsupported, "a replica is no client to copy", edits.actions());
                None
            }
            Command::LONG_DATA if payload.len() < header.length.min(long_data::NAMED) => None,
            _ if command.names_statement() => {
                let taken = self.statement(command, header, payload, edits)?;
                self.long_data.note(command, payload, false);
                Some(taken)
            }
            _ => Some(self.pass(command, header, To::Other, edits)),
        }
    }

    /// A COM_CHANGE_USER must be read as a whole.
    fn change_user_whole(&mut self, header: Header, payload: &[u8], edits: &mut Edits<'_>) -> Option<usize> {
        if header.length > WHOLE_MAX {
            self.fail(FailureKind::OutOfStep, "a COM_CHANGE_USER cannot be read", edits.actions());
            return None;
        }
        if payload.len() < header.length || !self.all_answered() {
            return None;
        }
        self.change_user(header, payload, edits)
    }

    /// The client begins or ends a transaction.
    pub(super) fn transaction_said(&mut self, said: Said) {
        let missed = self.transaction.client(said);
        self.shared.counters.happened(Happened::TransactionStartMissed, u64::from(missed));
    }

    /// What is sent now is answered with a segment of its own.
    pub(super) fn all_answered(&self) -> bool {
        matches!(&self.server, Server::Ready(Ready { answers, .. }) if answers.is_quiet())
    }

    /// A packet that is no command: of a file, or of a login within the session.
    fn further_packet(&mut self, header: Header, rest: &[u8], edits: &mut Edits<'_>) -> Option<usize> {
        let Server::Ready(ready) = &mut self.server else { return None };
        let is_end = header.length == 0;
        let fate = match self.stream.last {
            Last::ChangeUser => Fate::Replace,
            Last::Query if ready.file_wanted.is_some() => {
                if is_end {
                    ready.file_wanted = None;
                    ready.answers.expect(To::Other, None);
                }
                Fate::Pass
            }
            Last::Query
                if ready.answers.is_waiting()
                    && ready.answers.is_pipelined()
                    && ready.answers.segments() > 0 =>
            {
                // The answer to LOAD DATA came behind another: most likely it is the online server's.
                ready.file_wanted = Some(header.sequence);
                return Some(0);
            }
            Last::Query if ready.answers.is_waiting() && rest.len() < FILE_WAIT_MAX => return None,
            Last::Query => {
                if is_end {
                    self.shared.counters.left_out(LeftOut::File);
                    edits.actions().answered();
                }
                Fate::LeaveOut
            }
            Last::Other => {
                return Some(self.lose(rest, edits));
            }
        };
        edits.take(HEADER, fate);
        self.stream.enter(header, 0, fate);
        if self.stream.last == Last::ChangeUser {
            self.asks_for_admission(header.sequence, edits.actions());
        }
        Some(HEADER)
    }

    /// The test server wants a file that the online server did not want: there is none.
    fn no_file(&mut self, edits: &mut Edits<'_>) {
        if let Server::Ready(Ready { file_wanted, .. }) = &mut self.server
            && let Some(sequence) = file_wanted.take()
        {
            let mut empty = Vec::with_capacity(HEADER);
            write_packet(sequence, &[], &mut empty);
            edits.send(&empty);
        }
    }

    /// Lets a command pass as it is.
    pub(super) fn pass(&mut self, command: Command, header: Header, to: To, edits: &mut Edits<'_>) -> usize {
        self.sent(command, header, to);
        edits.take(HEADER, Fate::Pass);
        self.stream.enter(header, 0, Fate::Pass);
        HEADER
    }

    /// A command goes to the test server.
    pub(super) fn sent(&mut self, command: Command, header: Header, to: To) {
        self.shared.counters.command(command);
        if let Server::Ready(ready) = &mut self.server
            && !command.has_no_answer()
        {
            ready.answers.expect(to, (!header.goes_on()).then_some(1));
        }
        self.said(command, header, to);
    }

    /// The client said a command, whatever becomes of it here.
    pub(super) fn said(&mut self, command: Command, header: Header, to: To) {
        if let Some(online) = &mut self.online
            && !command.has_no_answer()
        {
            let missed = online.expect(to, (!header.goes_on()).then_some(1), self.held);
            if missed {
                self.statements.online_id_missed();
            }
        }
    }

    pub(super) fn leave_out(
        &mut self,
        command: Command,
        header: Header,
        reason: LeftOut,
        edits: &mut Edits<'_>,
    ) -> usize {
        self.leave_out_answer(command, header, To::Other, reason, edits)
    }

    /// Leaves a command out whose answer the online server gives.
    pub(super) fn leave_out_answer(
        &mut self,
        command: Command,
        header: Header,
        to: To,
        reason: LeftOut,
        edits: &mut Edits<'_>,
    ) -> usize {
        self.shared.counters.left_out(reason);
        self.said(command, header, to);
        edits.take(HEADER, Fate::LeaveOut);
        // Nothing will be answered to it.
        edits.actions().answered();
        self.stream.enter(header, 0, Fate::LeaveOut);
        HEADER
    }
}
