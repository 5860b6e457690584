//! Prepared statements: PREPARE, and what names a statement by its id.

use super::commands::WHOLE_MAX;
use super::{Ready, Server, Session};
use crate::answers::To;
use crate::counters::{Happened, LeftOut};
use crate::notices::Kind;
use crate::session::edits::{Edits, Fate};
use crate::session::query::{self, Query};
use crate::statements::{LAST_PREPARED, Lookup};
use crate::wire::attributes::fits;
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::{HEADER, Header};
use crate::wire::types::Unread;

/// So many segments are waited for that could be the answer to a PREPARE, unless the client goes on.
const UNSEEN_MAX: u32 = 4;

/// Bytes of a command and the id of a statement.
const NAMED: usize = 5;

/// Why a statement with this text is left out, if it is.
pub(super) fn must_not_be_prepared(text: &[u8]) -> Option<LeftOut> {
    match query::classify(text) {
        // What it is executed with may name a connection.
        Query::Kill(_) => Some(LeftOut::Kill),
        Query::Shutdown => Some(LeftOut::Shutdown),
        _ => None,
    }
}

impl Session {
    pub(super) fn prepare(&mut self, header: Header, payload: &[u8], edits: &mut Edits<'_>) -> Option<usize> {
        let short = header.length <= WHOLE_MAX;
        let needed = if short { header.length } else { 1 + query::PEEK };
        if payload.len() < needed || !self.all_answered() {
            return None;
        }
        if let Some(reason) = must_not_be_prepared(&payload[1..]) {
            let serial = self.statements.prepare_left_out();
            let to = serial.map_or(To::Other, To::Prepare);
            return Some(self.leave_out_answer(Command::PREPARE, header, to, reason, edits));
        }
        let serial = self.statements.prepare(short.then(|| &payload[1..]));
        Some(self.pass(Command::PREPARE, header, serial.map_or(To::Other, To::Prepare), edits))
    }

    /// A command that names a statement by its id.
    pub(super) fn statement(
        &mut self,
        command: Command,
        header: Header,
        payload: &[u8],
        edits: &mut Edits<'_>,
    ) -> Option<usize> {
        let Some(&[_, ref id @ ..]) = payload.first_chunk::<NAMED>() else {
            if header.length < NAMED {
                return Some(self.leave_out(command, header, LeftOut::Unreadable, edits));
            }
            return None;
        };
        let online = u32::from_le_bytes(*id);
        if command == Command::BULK_EXECUTE && !self.server_knows_bulk() {
            return Some(self.leave_out(command, header, LeftOut::Bulk, edits));
        }
        let (id, parameters, by_order) = match self.statements.look_up(online) {
            Lookup::Known { id, parameters, by_order } => (id, parameters, by_order),
            // What the client prepared last, the server has been told last.
            Lookup::Waiting { .. } if online == LAST_PREPARED && self.server_knows_last() => {
                if command == Command::EXECUTE {
                    if payload.len() < header.length.min(Unread::HEAD) {
                        return None;
                    }
                    self.statements.executed_early(online, payload);
                }
                return Some(self.pass(command, header, To::Other, edits));
            }
            Lookup::Waiting { id } => {
                let Server::Ready(Ready { answers, .. }) = &self.server else { return None };
                let patience = match id {
                    // Answers to later commands have been seen.
                    _ if !answers.expects_prepare() => 0,
                    None if !answers.is_pipelined() && !self.pressed => UNSEEN_MAX,
                    _ => 1,
                };
                if answers.segments() < patience {
                    return None;
                }
                // Its answer began where it could not be seen.
                let Some(id) = id else {
                    // Where the client has waited for it, it has passed. It must not be looked for any more then.
                    if !answers.is_unsure() && answers.segments() >= UNSEEN_MAX {
                        self.statements.give_up(online);
                    }
                    return Some(self.leave_out(command, header, LeftOut::UnknownStatement, edits));
                };
                self.shared.counters.happened(Happened::IdAssumed, 1);
                self.statements.assume(online);
                (id, u16::MAX, true)
            }
            lookup => {
                if command == Command::CLOSE {
                    self.statements.close(online);
                    if online == LAST_PREPARED {
                        // Said without waiting, of one that was not prepared: there is nothing to close.
                        edits.take(HEADER, Fate::Replace);
                        self.stream.enter(header, 0, Fate::Replace);
                        return Some(HEADER);
                    }
                }
                let unknown = lookup == Lookup::Unknown;
                let reason = if unknown { LeftOut::UnknownStatement } else { LeftOut::FailedStatement };
                return Some(self.leave_out(command, header, reason, edits));
            }
        };
        if command == Command::CLOSE {
            self.statements.close(online);
        }
        if command == Command::EXECUTE
            && self.transaction.wants_client()
            && let Some(text) = self.statements.text_of(online)
            && let Query::Transaction(said) = query::classify(text)
        {
            self.transaction_said(said);
        }
        if command == Command::EXECUTE && by_order && self.is_misfit(header, payload, parameters) {
            self.statements.order_is_wrong();
            self.shared.notices.once(Kind::Setup, "order".to_owned(), || {
                "ids of prepared statements cannot be told by order on this online server (MariaDB counts on from \
                 earlier connections), and its answers are not captured: let -F pass them too, or what is executed is \
                 left out"
                    .to_owned()
            });
            return Some(self.leave_out(command, header, LeftOut::UnknownStatement, edits));
        }
        if command == Command::EXECUTE && self.long_data.of(online).is_some_and(|values| values.lost) {
            if payload.len() < header.length.min(WHOLE_MAX) {
                return None;
            }
            self.learn_types(online, payload);
            return Some(self.leave_out(command, header, LeftOut::LostLongData, edits));
        }
        if command == Command::EXECUTE
            && let Some(taken) =
                self.execute_without_attributes(header, payload, (online, id), parameters, edits)
        {
            return taken;
        }
        if command == Command::EXECUTE
            && let Some(taken) = self.execute_with_types(header, payload, (online, id), parameters, edits)
        {
            return taken;
        }
        if id == online {
            return Some(self.pass(command, header, To::Other, edits));
        }
        self.sent(command, header, To::Other);
        edits.take(HEADER + NAMED, Fate::Replace);
        edits.send(&header.bytes());
        edits.send(&[command.0]);
        edits.send(&id.to_le_bytes());
        self.stream.enter(header, NAMED, Fate::Pass);
        Some(HEADER + NAMED)
    }

    /// The EXECUTE is none of the statement that it names by order. With attributes it has another form.
    fn is_misfit(&self, header: Header, payload: &[u8], parameters: u16) -> bool {
        self.attributes == Some(false) && parameters != u16::MAX && !fits(payload, header.length, parameters)
    }

    /// MariaDB since 10.2.
    fn server_knows_last(&self) -> bool {
        matches!(&self.server,
            Server::Ready(Ready { agreed, .. }) if !agreed.greeting.capabilities.has(Capabilities::MYSQL))
    }

    fn server_knows_bulk(&self) -> bool {
        matches!(&self.server,
            Server::Ready(Ready { agreed, .. }) if agreed.capabilities.has(Capabilities::BULK))
    }
}
