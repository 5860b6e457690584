//! The part of a session that outlives a connection to the test server.

use std::sync::Arc;

use module_kit::Flow;
use module_kit::{Failure, FailureKind};

use super::client::Client;
use super::connections::{ConnectionIds, Connections};
use super::stream::Stream;
use super::transaction::{Transaction, TxnBoundary};
use crate::answers::expected::{AnswerStart, Request};
use crate::answers::online::{OnlineAnswers, OnlineEvent};
use crate::auth::admission::Admission;
use crate::auth::hello::Hello;
use crate::counters::Event;
use crate::shared::Shared;
use crate::statements::long_data::LongData;
use crate::statements::table::Statements;
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::Header;

#[derive(Debug)]
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) flow: Flow,
    pub(super) stream: Stream,
    /// The client, once it is known.
    pub(super) client: Option<Client>,
    pub(super) statements: Statements,
    pub(super) long_data: LongData,
    pub(super) transaction: Transaction,
    /// The online server's answers, as far as they are captured; not of a compressed session.
    pub(super) online: Option<Box<OnlineAnswers>>,
    /// The client sends query attributes, if that is known. Its login does not tell: some clients claim it, and do so only
    /// where the online server can read them.
    pub(super) attributes: Option<bool>,
    pub(super) ids: ConnectionIds,
    /// The connection to the test server was ready before: the client becomes another user on it.
    pub(super) was_ready: bool,
    /// The engine holds bytes of the client for the module.
    pub(super) held: bool,
}

impl Context {
    pub(super) fn new(
        shared: Arc<Shared>,
        connections: Arc<Connections>,
        flow: &Flow,
        from_start: bool,
    ) -> Self {
        Self {
            shared,
            flow: *flow,
            stream: if from_start { Stream::login() } else { Stream::lost() },
            client: None,
            statements: Statements::new(from_start),
            long_data: LongData::default(),
            transaction: Transaction::new(from_start),
            online: Some(Box::new(OnlineAnswers::new(from_start))),
            attributes: None,
            ids: ConnectionIds::new(connections),
            was_ready: false,
            held: false,
        }
    }

    /// The memory that is allocated for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.client.as_ref().map_or(0, Client::memory)
            + self.online.as_ref().map_or(0, |online| online.memory())
            + self.statements.memory()
            + self.long_data.memory()
    }

    /// The client has sent its login.
    pub(super) fn know(&mut self, hello: Hello) {
        if !hello.capabilities.has(Capabilities::QUERY_ATTRIBUTES) {
            self.attributes = Some(false);
        }
        self.client = Some(Client::new(hello, &self.shared.credentials));
    }

    fn admission(&self) -> Option<Admission> {
        self.online.as_ref().map(|online| online.admission())
    }

    /// The client sends a packet of a login, with this sequence id.
    pub(super) fn login_packet(&mut self, sequence: u8) -> Result<(), Failure> {
        if let Some(online) = &mut self.online {
            online.login_packet(sequence);
        }
        self.check_admission()
    }

    /// The session ends if the online server refuses the client.
    pub(super) fn check_admission(&self) -> Result<(), Failure> {
        if self.admission() != Some(Admission::Refused) {
            return Ok(());
        }
        Err(Failure { kind: FailureKind::LoginFailedOnline, reason: "the online server refuses the client" })
    }

    /// Commands wait: the online server may still refuse the client.
    pub(super) fn must_await_admission(&self) -> bool {
        self.awaits_admission() || self.check_admission().is_err()
    }

    /// The online server has not answered the client's login.
    pub(super) fn awaits_admission(&self) -> bool {
        matches!(self.admission(), Some(Admission::Awaited(_)))
    }

    /// The client has sent a command, whatever becomes of it here.
    pub(super) fn expect_online(&mut self, command: Command, header: Header, request: Request) {
        if let Some(online) = &mut self.online
            && !command.has_no_answer()
            && online.expect(request, (!header.goes_on()).then_some(1), self.held)
        {
            self.statements.online_id_missed();
        }
    }

    /// The client goes on: its next bytes come after the online server's answers so far.
    pub(super) fn settle_online(&mut self) {
        if let Some(online) = &mut self.online {
            online.settle(self.held);
        }
    }

    /// More of the online server's answers.
    pub(super) fn online_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(online) = &mut self.online else { return Ok(()) };
        let (statements, counters, ids) = (&mut self.statements, &self.shared.counters, &mut self.ids);
        let (attributes, transaction, client) =
            (&mut self.attributes, &mut self.transaction, &mut self.client);
        let held = self.held;
        online.bytes(bytes, held, |event| match event {
            OnlineEvent::Greeting { id, capabilities } => {
                ids.set_online(id);
                *attributes = Some(capabilities.has(Capabilities::QUERY_ATTRIBUTES));
                // MySQL counts from 1 on each connection, MariaDB on from an earlier one.
                statements.first_online_id(capabilities.has(Capabilities::MYSQL).then_some(1));
            }
            OnlineEvent::Answer(AnswerStart::Prepared { serial, id, .. }) => {
                statements.online_id(serial, id, true);
            }
            OnlineEvent::PreparedPerhaps { serial, id } => statements.online_id(serial, id, false),
            OnlineEvent::PreparedEarly { id } => statements.online_id_early(id),
            OnlineEvent::Answer(AnswerStart::PrepareFailed(serial)) => statements.forget(serial),
            OnlineEvent::Answer(AnswerStart::UseFailed) => client.iter_mut().for_each(Client::use_refused),
            OnlineEvent::Answer(AnswerStart::Error(code)) => counters.online_errors.count(&code),
            // It may answer what is held, which can be a BEGIN.
            OnlineEvent::Answer(AnswerStart::Ok { in_transaction, .. }) if !held => {
                if transaction.online_answer(in_transaction) {
                    counters.sessions.count(Event::TransactionStartMissed);
                }
            }
            OnlineEvent::Answer(_) => {}
        });
        self.check_admission()
    }

    /// The client begins or ends a transaction.
    pub(super) fn transaction_boundary(&mut self, boundary: TxnBoundary) {
        if self.transaction.client(boundary) {
            self.shared.counters.sessions.count(Event::TransactionStartMissed);
        }
    }

    /// Both servers forget the client's statements and roll back its transaction, and go on counting statements.
    pub(super) fn forget_statements(&mut self) {
        self.statements.clear();
        self.long_data.clear();
        self.transaction.rolled_back();
    }

    /// An EXECUTE is not sent: keeps the types that it binds, if any. Not if the client may send query attributes, because
    /// the types then have names with them.
    pub(super) fn execute_unsent(&mut self, online: u32, payload: &[u8]) {
        if self.attributes == Some(false) {
            self.statements.executed_unsent(online, payload);
        }
    }

    /// The connection to the test server is gone, or is a new one. `was_waiting`: a command was not answered on it.
    pub(super) fn connection_lost(&mut self, was_waiting: bool) {
        if was_waiting {
            // Whether it was executed is unknown.
            self.transaction.client_lost();
        }
        if self.transaction.connection_lost() {
            self.shared.counters.sessions.count(Event::TransactionCut);
        }
        self.was_ready = false;
        self.long_data.connection_lost();
        self.stream.connection_lost();
        self.ids.forget_test();
    }

    /// Bytes of the client are lost.
    pub(super) fn client_lost(&mut self) {
        self.stream.client_lost();
        self.statements.commands_lost();
        self.transaction.client_lost();
        self.held = false;
        if let Some(online) = &mut self.online {
            online.lost();
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.shared.counters.sessions.add(Event::TextNotKept, self.statements.texts_given_up);
    }
}
