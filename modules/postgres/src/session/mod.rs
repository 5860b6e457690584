//! A session: between one client and its connection to the test server.
//!
//! Two sides have states of their own. The client's stream ([`Phase`]) is first messages, a login, then messages. The test
//! server's connection ([`Server`]) is logged in, is told the client's state again, then takes messages. The client's bytes
//! wait with the engine until then. A new connection begins with the first state; the client's stream goes on.

mod admission;
mod cancel;
mod client;
pub(crate) mod connections;
mod copy;
mod cycles;
mod extended;
mod login;
mod lost;
mod messages;
mod online;
mod opening;
mod resolve;
mod server;
mod state;
mod statements;
mod warnings;

use std::collections::VecDeque;
use std::sync::Arc;

use module_kit::edits::{Edits, Fate};
use module_kit::framing::Framed;
use module_kit::interrupts::LOOK_EVERY;
use module_kit::progress::Progress;
use module_kit::{
    Actions, AnswerPayload, Failure, FailureKind, Flow, Loss, Missing, Module, OnlineObserver, Ready,
    ServerData,
};
use postgres_wire::backend::TransactionStatus;

use self::admission::Admission;
use self::cancel::Cancel;
use self::connections::{Connections, Identity};
use self::copy::Copy;
use self::cycles::Cycles;
use self::extended::Unit;
use self::login::{LoggingIn, Who};
use self::lost::Lost;
use self::messages::Messages;
pub(crate) use self::online::{BEGINNINGS, WHOLE};
use self::state::State;
use self::statements::Statements;
use crate::answers::end::TAIL;
use crate::answers::{Answers, BEGINNING};
use crate::counters::{Event, LeftOut, StateLost};
use crate::shared::Shared;

/// The place in the client's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before its StartupMessage.
    Opening,
    /// After it, and before the first message that belongs to no login.
    Login,
    Messages,
    /// Anywhere: the next turn most likely begins with a message.
    Lost,
}

/// The connection to the test server.
#[derive(Debug)]
enum Server {
    /// There is none, or it is of no use.
    Down,
    /// It waits for a login.
    Connected,
    LoggingIn(Box<LoggingIn>),
    /// It takes messages.
    Live,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    flow: Flow,
    phase: Phase,
    stream: Framed<Messages>,
    who: Option<Who>,
    admission: Admission,
    identity: Identity,
    /// What it is, if its first message is a CancelRequest.
    cancel: Option<Cancel>,
    /// Answers of one byte of the online server, which are not captured.
    one_byte_answers: u64,
    server: Server,
    answers: Answers,
    /// Bytes of answers are missing.
    missed: bool,
    /// The client may go on, on this connection.
    is_ready: bool,
    /// The client does not wait for answers before it goes on: each of their messages is needed.
    needs_all: bool,
    cycles: Cycles,
    copy: Copy,
    /// What the client says between two cycles.
    unit: Unit,
    statements: Statements,
    state: State,
    lost: Lost,
    /// A transaction is open, as far as the client's messages tell.
    in_transaction: bool,
    /// The cycles in which transactions end, as far as they are not answered.
    ends: VecDeque<u64>,
    /// The cycles in which the state is said again, and which setting, if it is one.
    own: VecDeque<(u64, Option<Vec<u8>>)>,
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
            identity: Identity::new(connections),
            cancel: None,
            flow: *flow,
            phase: if from_start { Phase::Opening } else { Phase::Lost },
            stream: Framed::default(),
            who: None,
            admission: Admission::new(from_start),
            one_byte_answers: 0,
            server: Server::Down,
            answers: Answers::default(),
            missed: false,
            is_ready: false,
            needs_all: false,
            cycles: Cycles::default(),
            copy: Copy::None,
            unit: Unit::default(),
            statements: Statements::new(from_start),
            state: State::default(),
            lost: Lost::default(),
            in_transaction: false,
            ends: VecDeque::new(),
            own: VecDeque::new(),
        }
    }

    fn left_out(&self, what: LeftOut) {
        self.shared.counters.left_out.count(what);
    }

    /// Lets the client's next turn follow.
    fn release(&mut self, actions: &mut Actions) {
        if std::mem::replace(&mut self.is_ready, true) { self.answered(actions) } else { actions.ready() }
    }

    /// The answer is complete.
    fn answered(&self, actions: &mut Actions) {
        // While the next turn is held, turns after it must not fall due: they would be sent with it.
        if self.is_ready && !self.identity.is_being_cancelled() {
            actions.answered();
        }
    }

    /// Of the answers to a client that waits for them, the ends are sufficient.
    fn reduce_payload(&self, actions: &mut Actions) {
        if !self.needs_all {
            actions.answers(AnswerPayload::Ends { head: BEGINNING, tail: TAIL });
        }
    }

    /// Messages were sent: how their answer shows.
    fn await_answer(&mut self, cycle_before: u64, actions: &mut Actions) {
        if self.cycles.needs_all() && !std::mem::replace(&mut self.needs_all, true) {
            actions.answers(AnswerPayload::All);
        }
        if self.cycles.present() > cycle_before && self.cycles.is_waiting() && self.is_ready {
            actions.await_answered();
        }
    }

    fn log_in(&mut self, actions: &mut Actions) -> Result<(), Failure> {
        if let Some(who) = &self.who {
            self.server = Server::LoggingIn(Box::new(LoggingIn::begin(who, &self.shared, actions)?));
        }
        Ok(())
    }

    /// Deals with the client's bytes as far as it can.
    fn client_bytes(&mut self, bytes: &[u8], edits: &mut Edits<'_>) -> Result<(), Failure> {
        loop {
            let (rest, before) = (bytes.get(edits.taken()..).unwrap_or_default(), edits.taken());
            let phase = self.phase;
            match phase {
                Phase::Opening => self.opening(rest, edits)?,
                Phase::Login => self.client_login(rest, edits)?,
                Phase::Messages => self.messages(rest, edits)?,
                Phase::Lost => self.seek(rest, edits)?,
            }
            if edits.taken() == before && self.phase == phase {
                return Ok(());
            }
        }
    }

    /// A login goes on: it may need keys, whose derivation is cut into steps so that no other session waits long.
    fn go_on_with_login(&mut self, actions: &mut Actions) {
        if let Server::LoggingIn(login) = &mut self.server {
            if login.derive(&self.shared, actions) {
                let now = actions.now();
                actions.call_again_at(now);
            }
            actions.call_again();
        }
    }

    /// Others see what the test server executes.
    fn show_progress(&mut self, actions: &Actions) {
        let cycles = if let Server::Live = self.server { self.cycles.unanswered() } else { 0 };
        self.identity.set_unanswered(cycles, actions.moment());
    }

    /// Applies the loss of the connection to the state. Returns whether any is lost that cannot be said again.
    fn connection_lost(&mut self) -> bool {
        // Transactions whose end was not answered are lost, too, most likely. The client has gone on.
        self.shared.counters.state_lost.add(StateLost::Transaction, self.ends.len() as u64);
        let had_ends = !self.ends.is_empty();
        self.ends.clear();
        let in_transaction = std::mem::take(&mut self.in_transaction);
        if in_transaction {
            self.state.pending_is_lost();
        } else {
            // The client believes in what it has sent.
            self.state.commit(u64::MAX, true);
        }
        let is_lost = self.lost.connection_lost(&mut self.state, in_transaction, &self.shared.counters);
        self.statements.connection_lost();
        self.unit.connection_lost();
        self.cycles = Cycles::default();
        self.copy = Copy::None;
        self.own.clear();
        if !self.stream.is_at_boundary() {
            // The beginning of the message went to another connection.
            self.stream.set_fate(Fate::LeaveOut(Loss::StateLost));
        }
        is_lost || had_ends
    }

    /// Bytes of the client were never captured.
    fn uncaptured(&mut self) {
        if self.phase != Phase::Lost {
            self.phase = Phase::Lost;
            self.statements.is_complete = false;
        }
        self.stream.restart();
        self.unit = Unit::default();
        self.admission.open();
    }
}

impl Module for Session {
    fn connected(&mut self, actions: &mut Actions) -> Ready {
        if self.connection_lost() {
            actions.state_lost();
        }
        (self.answers, self.missed, self.server) = (Answers::default(), false, Server::Connected);
        self.identity.set_test(None);
        self.show_progress(actions);
        actions.answers(AnswerPayload::All);
        self.is_ready = self.who.is_none();
        if let Err(failure) = self.log_in(actions) {
            actions.fail(failure.kind, failure.reason);
        }
        if self.is_ready { Ready::Now } else { Ready::WhenSaid }
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        let cycle = self.cycles.present();
        let result = self.client_bytes(bytes, &mut Edits::new(actions));
        match result {
            Ok(()) => {
                if self.identity.is_being_cancelled() {
                    let now = actions.now();
                    actions.call_again_at(now + LOOK_EVERY);
                }
                self.show_progress(actions);
                self.await_answer(cycle, actions);
                self.go_on_with_login(actions);
            }
            Err(failure) => actions.fail(failure.kind, failure.reason),
        }
    }

    fn answer(&mut self, data: ServerData<'_>, actions: &mut Actions) {
        if let Err(failure) = self.server_data(data, actions) {
            actions.fail(failure.kind, failure.reason);
        }
        self.show_progress(actions);
    }

    fn missed(&mut self, missing: Missing<'_>) {
        match missing {
            Missing::Dropped(bytes) => self.learn_dropped(bytes),
            Missing::Uncaptured => self.uncaptured(),
            Missing::TestServer(bytes) => {
                self.missed |= bytes > 0;
                self.answers.missing(bytes);
            }
            Missing::OnlineServer(bytes) => self.online_missed(bytes),
        }
    }

    fn online(&mut self) -> Option<&mut dyn OnlineObserver> {
        Some(self)
    }

    fn progress(&self) -> Option<Arc<Progress>> {
        Some(self.identity.progress())
    }

    fn is_tentative(&self) -> bool {
        self.cycles.status() != TransactionStatus::Idle
    }

    fn memory(&self) -> usize {
        let login = match &self.server {
            Server::LoggingIn(login) => login.memory(),
            _ => 0,
        };
        size_of_val(self)
            + login
            + self.identity.memory()
            + self.who.as_ref().map_or(0, Who::memory)
            + self.answers.memory()
            + self.statements.memory()
            + self.state.memory()
            + self.lost.memory()
            + self.unit.memory()
            + self.ends.capacity() * size_of::<u64>()
            + self.own.capacity() * size_of::<(u64, Option<Vec<u8>>)>()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.unit.prepared_again > 0 {
            self.shared.counters.sessions.add(Event::PreparedAgain, self.unit.prepared_again);
        }
    }
}

fn out_of_step(reason: &'static str) -> Failure {
    Failure { kind: FailureKind::OutOfStep, reason }
}
