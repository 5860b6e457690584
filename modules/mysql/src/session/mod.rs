//! A session: between one client and its connection to the test server.
//!
//! Two things go on beside each other. The client's stream ([`Stream`], in `commands`): first its login, then commands.
//! And the connection to the test server ([`Server`]): greeting, login, statements prepared again, commands. What the client
//! says waits with the engine until the connection is that far. A new connection begins anew; the client's stream
//! does not.

mod change_user;
mod commands;
mod compressed;
mod database;
mod login;
mod lost;
mod prepared;
mod restore;
mod rewrite;
mod stream;

use std::sync::Arc;

use common_core::flow::Flow;
use module_kit::{Actions, FailureKind, Missing, Module, OnlineObserver, Ready as WhenReady, ServerData};

use self::change_user::Switching;
use self::restore::Restoring;
use self::stream::Stream;
use crate::Shared;
use crate::admission::Admission;
use crate::answers::{Answers, HEAD, Seen};
use crate::capabilities::Capabilities;
use crate::compression::Compression;
use crate::connections::Connections;
use crate::counters::Happened;
use crate::credentials::Secret;
use crate::dialogue::Dialogue;
use crate::edits::Edits;
use crate::greeting::Greeting;
use crate::hello::Hello;
use crate::long_data::LongData;
use crate::online::{Heard, Online};
use crate::packet::Assembler;
use crate::statements::Statements;
use crate::transaction::Transaction;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    connections: Arc<Connections>,
    flow: Flow,
    stream: Stream,
    compression: Compression,
    /// Who the client is, once that is known.
    client: Option<Client>,
    server: Server,
    statements: Statements,
    long_data: LongData,
    transaction: Transaction,
    /// The online server's answers, as far as they are captured; not of a compressed session.
    online: Option<Box<Online>>,
    /// The client puts query attributes into its commands, if that is known. Its login does not tell: clients claim it,
    /// and do so only where the online server can read them.
    attributes: Option<bool>,
    ids: Ids,
    /// The client has said something that waits with the engine.
    held: bool,
    /// It has said more than the present command: it does not wait, or has waited in vain.
    pressed: bool,
    /// Bytes missing before the next of the test server's and of the online server's answers.
    skipped: (u64, u64),
}

/// Who the client is for the test server.
#[derive(Debug)]
struct Client {
    hello: Hello,
    password: Option<Secret>,
    /// The database before the present one, until a server has refused that.
    database_before: Option<Vec<u8>>,
    /// The test server has let the client in before, or the present database is not that of its login.
    is_let_in: bool,
}

/// How far the connection to the test server is.
#[derive(Debug)]
enum Server {
    /// There is none.
    Down,
    /// It has accepted the connection, and says its greeting.
    Greeting(Assembler),
    /// It waits for a login, and we for the client's.
    Greeted(Box<Greeting>, Assembler),
    /// It examines our login.
    LoggingIn(Box<LoggingIn>),
    /// A ping is under way, then the client becomes another user.
    Switching(Box<Switching>),
    /// Statements are prepared again.
    Restoring(Box<Restoring>),
    /// It takes commands.
    Ready(Ready),
    /// It will not have us: the session is over.
    Failed,
}

#[derive(Debug)]
struct LoggingIn {
    dialogue: Dialogue,
    packets: Assembler,
    agreed: Agreed,
    /// The id that the server gives to the next statement, if that is known.
    next_id: Option<u32>,
}

impl Server {
    /// What is allocated, in bytes.
    fn memory(&self) -> usize {
        match self {
            Self::Down | Self::Failed => 0,
            Self::Greeting(packets) => packets.memory(),
            Self::Greeted(greeting, packets) => greeting.memory() + packets.memory(),
            Self::LoggingIn(login) => {
                let LoggingIn { dialogue, packets, agreed, .. } = &**login;
                size_of_val(&**login) + dialogue.memory() + packets.memory() + agreed.greeting.memory()
            }
            Self::Switching(switching) => switching.memory(),
            Self::Restoring(restoring) => restoring.memory(),
            Self::Ready(ready) => ready.answers.memory() + ready.agreed.greeting.memory(),
        }
    }
}

/// What was agreed on in a login.
#[derive(Debug, Clone)]
struct Agreed {
    capabilities: Capabilities,
    greeting: Box<Greeting>,
}

/// What the two servers call the connection.
#[derive(Debug, Clone, Copy, Default)]
struct Ids {
    online: Option<u32>,
    test: Option<u32>,
}

/// A connection that takes commands.
#[derive(Debug)]
struct Ready {
    agreed: Agreed,
    answers: Answers,
    /// The server waits for a file's packets, the first with this sequence id.
    file_wanted: Option<u8>,
}

impl Session {
    pub(crate) fn new(
        shared: Arc<Shared>,
        connections: Arc<Connections>,
        flow: &Flow,
        from_start: bool,
    ) -> Self {
        Self {
            shared,
            connections,
            flow: *flow,
            stream: if from_start { Stream::login() } else { Stream::lost() },
            compression: Compression::Undecided,
            client: None,
            server: Server::Down,
            statements: Statements::new(from_start),
            long_data: LongData::default(),
            transaction: Transaction::new(from_start),
            online: Some(Box::new(Online::new(from_start))),
            attributes: None,
            ids: Ids::default(),
            held: false,
            pressed: false,
            skipped: (0, 0),
        }
    }

    fn fail(&mut self, kind: FailureKind, reason: &'static str, actions: &mut Actions) {
        self.server = Server::Failed;
        actions.fail(kind, reason);
    }

    /// The client says a packet of a login, with this sequence id.
    fn asks_for_admission(&mut self, sequence: u8, actions: &mut Actions) {
        if let Some(online) = &mut self.online {
            online.asked(sequence);
        }
        self.end_if_refused_online(actions);
    }

    /// Is it still to be seen whether the online server lets the client in?
    fn awaits_admission(&self) -> bool {
        let admission = self.online.as_ref().map(|online| online.admission());
        matches!(admission, Some(Admission::Awaited(_) | Admission::Refused))
    }

    fn end_if_refused_online(&mut self, actions: &mut Actions) {
        if self.online.as_ref().is_some_and(|online| online.admission() == Admission::Refused) {
            self.fail(FailureKind::LoginFailedOnline, "the online server refuses the client", actions);
        }
    }

    /// The test server takes commands from now on.
    fn become_ready(&mut self, agreed: Agreed, actions: &mut Actions) {
        self.server = Server::Ready(Ready { agreed, answers: Answers::default(), file_wanted: None });
        actions.answers(module_kit::AnswerPayload::Head(HEAD));
        actions.ready();
    }

    /// Both servers have told what they call the connection: a KILL can find it.
    fn know_ids(&self) {
        if let Ids { online: Some(online), test: Some(test) } = self.ids {
            self.connections.insert(online, test);
        }
    }

    fn forget_ids(&self) {
        if let Ids { online: Some(online), test: Some(test) } = self.ids {
            self.connections.remove(online, test);
        }
    }

    /// The connection of the test server that copies the online server's `online`.
    fn copy_of(&self, online: u32) -> Option<u32> {
        self.connections.test_id(online)
    }

    fn command_answer(&mut self, bytes: &[u8], had_all: bool, actions: &mut Actions) {
        let Server::Ready(ready) = &mut self.server else { return };
        let (statements, counters) = (&mut self.statements, &self.shared.counters);
        let (transaction, file_wanted) = (&mut self.transaction, &mut ready.file_wanted);
        let client = &mut self.client;
        let mut complete = false;
        ready.answers.segment(bytes, had_all, |seen| {
            complete = seen.ends_answer();
            match seen {
                Seen::Prepared { serial, id, parameters, .. } => statements.succeeded(serial, id, parameters),
                Seen::PrepareFailed(serial) => statements.failed(serial),
                Seen::UseFailed => client.iter_mut().for_each(Client::use_refused),
                Seen::Error(code) => counters.server_errors.add(code),
                Seen::FileWanted { sequence } => *file_wanted = Some(sequence.wrapping_add(1)),
                Seen::Ok { in_transaction, .. } => transaction.test_answer(in_transaction),
                Seen::Result => {}
            }
        });
        if complete && !ready.answers.is_waiting() {
            // The client's next turn need not wait for as many bytes as the online server has answered.
            actions.answered();
        }
    }
}

impl Module for Session {
    fn connected(&mut self, actions: &mut Actions) -> WhenReady {
        if matches!(&self.server, Server::Ready(ready) if ready.answers.is_waiting()) {
            // It was sent; whether it was done, nobody knows.
            self.transaction.client_lost();
        }
        let cut = self.transaction.connection_lost();
        self.shared.counters.happened(Happened::TransactionCut, u64::from(cut));
        self.long_data.connection_lost();
        self.stream.connection_lost();
        self.forget_ids();
        self.ids.test = None;
        if let Compression::Yes(inflated) = &mut self.compression {
            inflated.connection_lost();
        }
        self.server = Server::Greeting(Assembler::default());
        actions.answers(module_kit::AnswerPayload::All);
        WhenReady::WhenSaid
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        self.online_silent();
        let mut edits = Edits::new(actions);
        let rest = self.client_login(bytes, &mut edits);
        self.log_in(edits.actions());
        self.any_commands(rest, &mut edits);
        self.held = edits.taken() < bytes.len();
    }

    fn answer(&mut self, data: ServerData<'_>, actions: &mut Actions) {
        let ServerData { bytes, acks_all } = data;
        let skipped = std::mem::take(&mut self.skipped.0);
        match &self.server {
            Server::Down | Server::Failed => {}
            Server::Ready(_) => self.command_answer(bytes, acks_all, actions),
            Server::Switching(_) => self.switching_bytes(skipped, bytes, actions),
            _ if skipped > 0 => {
                self.fail(
                    FailureKind::OutOfStep,
                    "a part of the test server's login was not captured",
                    actions,
                );
            }
            Server::Greeting(_) | Server::Greeted(..) => self.greeting_bytes(bytes, actions),
            Server::LoggingIn(_) => self.login_bytes(bytes, actions),
            Server::Restoring(_) => self.restoring_bytes(bytes, actions),
        }
    }

    fn missed(&mut self, missing: Missing<'_>) {
        match missing {
            Missing::Dropped(bytes) => self.client_lost(bytes),
            Missing::Uncaptured => self.client_lost(&[]),
            Missing::TestServer(bytes) => self.skipped.0 = bytes,
            Missing::OnlineServer(bytes) => self.skipped.1 = bytes,
        }
    }

    fn online(&mut self) -> Option<&mut dyn OnlineObserver> {
        Some(self)
    }

    fn memory(&self) -> usize {
        let client = self.client.as_ref().map_or(0, Client::memory);
        let online = self.online.as_ref().map_or(0, |online| online.memory());
        let inflated = match &self.compression {
            Compression::Yes(inflated) => inflated.memory(),
            Compression::Undecided | Compression::No => 0,
        };
        size_of_val(self)
            + client
            + self.server.memory()
            + online
            + inflated
            + self.statements.memory()
            + self.long_data.memory()
    }
}

impl Session {
    /// Nothing follows the online server's bytes that are missing.
    fn online_silent(&mut self) {
        let skipped = std::mem::take(&mut self.skipped.1);
        if skipped > 0
            && let Some(online) = &mut self.online
        {
            online.bytes(skipped, &[], self.held, |_| {});
        }
    }

    fn client_lost(&mut self, due: &[u8]) {
        self.online_silent();
        self.stream.client_lost();
        self.statements.commands_lost();
        self.transaction.client_lost();
        self.held = false;
        if let Some(online) = &mut self.online {
            online.lost();
        }
        self.learn(due);
        // There may be others behind what was learned of.
        self.statements.last_is_lost();
    }
}

impl OnlineObserver for Session {
    fn is_awaited(&self) -> bool {
        self.online.as_ref().is_some_and(|online| matches!(online.admission(), Admission::Awaited(_)))
    }

    fn answer(&mut self, bytes: &[u8], actions: &mut Actions) {
        let skipped = std::mem::take(&mut self.skipped.1);
        let Some(online) = &mut self.online else { return };
        let (statements, counters, ids) = (&mut self.statements, &self.shared.counters, &mut self.ids);
        let (attributes, transaction, client) =
            (&mut self.attributes, &mut self.transaction, &mut self.client);
        let (held, mut greeted) = (self.held, false);
        online.bytes(skipped, bytes, held, |heard| match heard {
            Heard::Greeting { id, capabilities } => {
                (ids.online, greeted) = (Some(id), true);
                *attributes = Some(capabilities.has(Capabilities::QUERY_ATTRIBUTES));
                // MySQL counts from 1 on each connection, MariaDB on from an earlier one.
                statements.first_online_id(capabilities.has(Capabilities::MYSQL).then_some(1));
            }
            Heard::Answer(Seen::Prepared { serial, id, .. }) => statements.online_id(serial, id, true),
            Heard::PreparedPerhaps { serial, id } => statements.online_id(serial, id, false),
            Heard::Answer(Seen::PrepareFailed(serial)) => statements.forget(serial),
            Heard::Answer(Seen::UseFailed) => client.iter_mut().for_each(Client::use_refused),
            Heard::Answer(Seen::Error(code)) => counters.online_errors.add(code),
            // It may answer what is held, which can be a BEGIN.
            Heard::Answer(Seen::Ok { in_transaction, .. }) if !held => {
                let missed = transaction.online_answer(in_transaction);
                counters.happened(Happened::TransactionStartMissed, u64::from(missed));
            }
            Heard::Answer(Seen::FileWanted { .. } | Seen::Ok { .. } | Seen::Result) => {}
            Heard::PreparedEarly { id } => statements.online_id_early(id),
        });
        if greeted {
            self.know_ids();
        }
        self.end_if_refused_online(actions);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.forget_ids();
        self.shared.counters.happened(Happened::TextNotKept, self.statements.texts_given_up);
    }
}
