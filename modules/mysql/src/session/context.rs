//! The part of a session that outlives a connection to the test server.

use std::sync::Arc;

use module_kit::interrupts::Due;
use module_kit::{Actions, Failure, FailureKind};
use module_kit::{Flow, Time};

use super::client::Client;
use super::commands::{Kills, OnlineVerdict};
use super::connection_state::{ChangeId, ConnectionState, Decision, Kind, OnLostState, Place, Run};
use super::connections::{ConnectionIds, Connections};
use super::joined::Joined;
use super::stream::Stream;
use crate::answers::expected::{AnswerStart, Request};
use crate::answers::files::Files;
use crate::answers::online::{OnlineAnswers, OnlineEvent};
use crate::auth::admission::Admission;
use crate::auth::hello::Hello;
use crate::counters::Event;
use crate::shared::Shared;
use crate::sql::{Charset, Class, Effect, Script, Step};
use crate::statements::long_data::LongData;
use crate::statements::table::{Nature, Serial, Statements};
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::Header;
use crate::wire::server_error::INTERRUPTED;

#[derive(Debug)]
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) flow: Flow,
    pub(super) stream: Stream,
    /// The client, once it is known.
    pub(super) client: Option<Client>,
    pub(super) statements: Statements,
    pub(super) long_data: LongData,
    /// The state of the client's connection.
    pub(super) state: ConnectionState,
    /// The online server's answers, as far as they are captured; not of a compressed session.
    pub(super) online: Option<Box<OnlineAnswers>>,
    /// The client sends query attributes, if that is known. Its login does not tell: some clients claim it, and do so only
    /// where the online server can read them.
    pub(super) attributes: Option<bool>,
    pub(super) ids: ConnectionIds,
    /// What the online server tells of it, if it is older than the copy.
    pub(super) joined: Joined,
    /// Whether the online server has refused the command that waits for its answer.
    pub(super) online_verdict: OnlineVerdict,
    /// The KILL that is due.
    pub(super) due_kill: Option<Due>,
    /// KILLs on their way to the test server.
    pub(super) kills: Kills,
    /// Since when the command that is held has waited, if its waiting has an end.
    pub(super) waiting_since: Option<Time>,
    /// The online server has asked for a file while commands were held: its first packet has this sequence id.
    pub(super) early_file: Option<u8>,
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
        let on_lost = shared.on_lost_state;
        Self {
            shared,
            flow: *flow,
            stream: if from_start { Stream::login() } else { Stream::lost() },
            client: None,
            statements: Statements::new(from_start),
            long_data: LongData::default(),
            state: ConnectionState::new(from_start, on_lost),
            online: Some(Box::new(OnlineAnswers::new(from_start))),
            attributes: None,
            ids: ConnectionIds::new(connections),
            joined: Joined::new(flow.client, from_start),
            online_verdict: OnlineVerdict::default(),
            due_kill: None,
            kills: Kills::default(),
            waiting_since: None,
            early_file: None,
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
            + self.state.memory()
            + self.joined.memory()
            + self.ids.memory()
    }

    /// The client has sent its login.
    pub(super) fn know(&mut self, hello: Hello) {
        if !hello.capabilities.has(Capabilities::QUERY_ATTRIBUTES) {
            self.attributes = Some(false);
        }
        self.become_client(Client::new(hello, &self.shared.credentials));
    }

    /// The client of a session that was joined late: in which state it is nobody knows.
    pub(super) fn assume_client(&mut self, client: Client) {
        self.ids.set_user(&client.hello.user);
        self.state.assume(&client.hello.database, Charset::of_collation(client.hello.charset));
        self.client = Some(client);
    }

    /// The client logs in, or becomes another user: it has no state yet.
    pub(super) fn become_client(&mut self, client: Client) {
        self.ids.set_user(&client.hello.user);
        self.state.log_in(&client.hello.database, Charset::of_collation(client.hello.charset));
        self.client = Some(client);
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

    /// The client's last command asks for these files, if the online server allows it.
    pub(super) fn expect_online_files(&mut self, files: Files) {
        if let Some(online) = &mut self.online {
            online.expect_files(files);
        }
    }

    /// The command that was held has left, whatever has become of it.
    pub(super) fn no_command_waits(&mut self) {
        self.online_verdict = OnlineVerdict::NotAwaited;
        (self.waiting_since, self.early_file, self.due_kill) = (None, None, None);
        self.kills.judged();
    }

    /// The client goes on: its next bytes come after the online server's answers so far.
    pub(super) fn settle_online(&mut self) {
        if let Some(online) = &mut self.online {
            online.settle(self.held);
        }
    }

    /// More of the online server's answers.
    pub(super) fn online_bytes(&mut self, bytes: &[u8], now: Time) -> Result<(), Failure> {
        let Some(online) = &mut self.online else { return Ok(()) };
        let (statements, counters, ids) = (&mut self.statements, &self.shared.counters, &mut self.ids);
        let (attributes, state) = (&mut self.attributes, &mut self.state);
        let (stream, verdict, early_file) =
            (&mut self.stream, &mut self.online_verdict, &mut self.early_file);
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
            OnlineEvent::Answer(AnswerStart::ChangeFailed(change)) => state.refuse(change),
            OnlineEvent::Answer(AnswerStart::Error(code)) => {
                counters.online_errors.count(&code);
                if INTERRUPTED.contains(&code) {
                    ids.set_interrupted(now);
                }
                verdict.error();
                if code == DEADLOCK {
                    state.transaction.rolled_back_online();
                }
            }
            // It may answer what is held, which can be a BEGIN.
            OnlineEvent::Answer(AnswerStart::Ok { in_transaction, .. }) if !held => {
                if state.transaction.online_answer(in_transaction) {
                    counters.sessions.count(Event::TransactionStartMissed);
                }
            }
            OnlineEvent::Answer(AnswerStart::FileWanted { first }) if !held => {
                stream.file_asked_online(first)
            }
            OnlineEvent::FileWantedPerhaps { first } => {
                *early_file = held.then_some(first);
                stream.file_asked_while_lost(first);
            }
            OnlineEvent::Progress => stream.progress_reported(),
            OnlineEvent::Answer(_) => {}
        });
        self.check_admission()
    }

    /// Numbers the changes of these statements, if they change the state: a server may refuse them.
    pub(super) fn change_of(&mut self, script: &Script<'_>) -> Option<ChangeId> {
        ConnectionState::is_change(script).then(|| self.state.next_change())
    }

    /// Which of these statements of the client may be sent.
    pub(super) fn decide(&self, script: &Script<'_>, text: &[u8]) -> Decision {
        let place = Place { change: ChangeId::default(), statements: &self.statements };
        self.state.decide(script, text, place)
    }

    /// The client has said these statements, and `run` tells what becomes of each here. To be called once for each text.
    pub(super) fn said(
        &mut self,
        script: &Script<'_>,
        text: &[u8],
        change: Option<ChangeId>,
        run: impl Fn(usize) -> Run,
    ) {
        let place = Place { change: change.unwrap_or_default(), statements: &self.statements };
        self.state.script(script, text, &run, place);
        for (number, statement) in script.statements().iter().enumerate() {
            let takes_id = |effect: &&Effect<'_>| {
                matches!(effect, Effect::Prepare { .. } | Effect::ExecuteImmediate { .. })
            };
            for _ in statement.effects.iter().filter(takes_id) {
                self.statements.prepared_in_sql(run(number) == Run::Sent);
            }
        }
        self.count_missed_starts();
    }

    fn count_missed_starts(&mut self) {
        let missed = std::mem::take(&mut self.state.starts_missed);
        self.shared.counters.sessions.add(Event::TransactionStartMissed, missed);
    }

    /// The client prepares a statement with this text; `is_whole`: all of it is here.
    pub(super) fn prepare_said(&mut self, text: &[u8], is_whole: bool) -> Option<Serial> {
        let nature = self.nature_of(text);
        self.statements.prepare(is_whole.then_some(text), nature)
    }

    /// What a statement with this text does when it is executed.
    pub(super) fn nature_of(&self, text: &[u8]) -> Nature {
        let script = self.read_one(text);
        let class = script.statements().first().map_or(Class::Other, |first| first.class);
        let keeps_types = class != Class::Other && self.state.keeps_types_of_variables(text);
        Nature { class, has_effects: script.effects().next().is_some(), keeps_types }
    }

    /// The kind of lost state that an EXECUTE of the statement `online` depends on: it must not be sent.
    pub(super) fn decide_execute(&self, online: u32) -> Option<Kind> {
        if self.state.is_whole() {
            return None;
        }
        let Some((_, text @ [_, ..])) = self.statements.executed(online) else {
            return self.state.first_lost();
        };
        let script = self.read_one(text);
        match self.decide(&script, text) {
            Decision::Send => None,
            Decision::Without(_, kind) | Decision::LeaveOut(kind) => Some(kind),
        }
    }

    /// The text of a prepared statement that does nothing but begin a transaction.
    pub(super) fn begins_by(&self, online: u32) -> Option<Vec<u8>> {
        let (nature, text) = self.statements.executed(online)?;
        let script = nature.has_effects.then(|| self.read_one(text))?;
        let is_begin = |effect: &Effect<'_>| matches!(effect, Effect::Transaction(Step::Begin));
        (script.effects().next().is_some() && script.effects().all(is_begin)).then(|| text.to_vec())
    }

    /// The client executes the statement `online`. Returns what must be known of the answer.
    pub(super) fn execute_said(&mut self, online: u32, run: Run) -> Request {
        let Some((nature, text)) = self.statements.executed(online) else { return Request::Other };
        if !nature.has_effects || text.is_empty() {
            self.state.without_effects(nature.class, run);
            return Request::Other;
        }
        let text = text.to_vec();
        let script = self.read_one(&text);
        let change = self.change_of(&script);
        self.said(&script, &text, change, |_| run);
        change.map_or(Request::Other, Request::Change)
    }

    /// COM_INIT_DB.
    pub(super) fn database_said(&mut self, name: &[u8]) -> Request {
        let change = self.state.next_change();
        self.state.use_database(name, Place { change, statements: &self.statements });
        Request::Change(change)
    }

    /// COM_SET_OPTION, whose payload this is.
    pub(super) fn options_said(&mut self, payload: &[u8]) -> Request {
        let Some(&[_, low, high]) = payload.first_chunk() else { return Request::Other };
        let change = self.state.next_change();
        self.state.set_options([low, high], Place { change, statements: &self.statements });
        Request::Change(change)
    }

    /// COM_RESET_CONNECTION: both servers forget the client's statements and its state, and go on counting statements.
    pub(super) fn reset_said(&mut self) {
        self.forget_statements();
        self.state.reset();
    }

    /// Both servers forget the client's statements.
    pub(super) fn forget_statements(&mut self) {
        self.statements.clear();
        self.long_data.clear();
    }

    /// An EXECUTE is not sent: keeps the types that it binds, if any. Not if the client may send query attributes, because
    /// the types then have names with them.
    pub(super) fn execute_unsent(&mut self, online: u32, payload: &[u8]) {
        if self.attributes == Some(false) {
            self.statements.executed_unsent(online, payload);
        }
    }

    /// The connection to the test server is gone, or is a new one.
    pub(super) fn connection_lost(&mut self, actions: &mut Actions) {
        let mut kinds = self.state.connection_lost();
        if self.statements.has_unrepeatable() && !kinds.contains(&Kind::Prepared) {
            kinds.push(Kind::Prepared);
        }
        if kinds.contains(&Kind::Transaction) {
            self.shared.counters.sessions.count(Event::TransactionCut);
        }
        self.state_lost(&kinds, actions);
        self.was_ready = false;
        self.no_command_waits();
        self.kills.arrived();
        self.long_data.connection_lost();
        self.stream.connection_lost();
        self.ids.forget_test();
    }

    /// State of these kinds is lost.
    pub(super) fn state_lost(&self, kinds: &[Kind], actions: &mut Actions) {
        for kind in kinds {
            self.shared.counters.state_lost.count(*kind);
        }
        // An id that the client does not ask for is no loss.
        let runs = self.shared.on_lost_state == OnLostState::Run;
        if kinds.iter().any(|kind| runs || *kind != Kind::LastInsertId) {
            actions.state_lost();
        }
    }

    /// Bytes of the client are lost; `unknown`: nobody knows which.
    pub(super) fn client_lost(&mut self, unknown: bool) {
        self.statements.commands_lost();
        if unknown && self.state.client_lost() {
            self.shared.counters.sessions.count(Event::TransactionCut);
            self.shared.counters.state_lost.count(Kind::Transaction);
        }
        self.held = false;
        self.no_command_waits();
        if let Some(online) = &mut self.online {
            online.lost();
        }
    }
}

/// ER_LOCK_DEADLOCK: the server has rolled back the transaction.
const DEADLOCK: u16 = 1213;

impl Drop for Context {
    fn drop(&mut self) {
        self.shared.counters.sessions.add(Event::TextNotKept, self.statements.texts_given_up);
    }
}
