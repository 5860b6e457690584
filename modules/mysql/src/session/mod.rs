//! A session: between one client and its connection to the test server.
//!
//! Two sides have states of their own. The client's stream ([`stream::Stream`]) is a login, then commands. The test
//! server's connection ([`state::Server`]) is greeted, logged in, brought back to the client's statements, then ready for
//! commands. The client's bytes wait with the engine until the connection is ready. A new connection begins with the first
//! state; the client's stream goes on.

mod change_user;
mod client;
mod client_login;
mod commands;
mod compressed;
pub(crate) mod connection_state;
pub(crate) mod connections;
mod context;
mod file;
mod joined;
mod login;
mod lost;
mod reading;
mod ready;
mod restore;
mod state;
mod stream;
mod transaction;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use module_kit::interrupts::LOOK_EVERY;
use module_kit::progress::Progress;
use module_kit::{Actions, AnswerPayload, Failure, Flow, Loss, Missing, Module, Moment, OnlineObserver};
use module_kit::{Ready, ServerData, Time};

use self::commands::run;
use self::compressed::{decide, rule_out, run_inflated};
use self::connections::Connections;
use self::context::Context;
use self::state::{ExpectGreeting, Next, Server, out_of_step};
use crate::compression::packets::Compression;
use crate::counters::LeftOut;
use crate::online::Online;
use crate::shared::Shared;
use crate::wire::packet::Header;
use module_kit::edits::{Edits, Fate};

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    server: Server,
    compression: Compression,
    cx: Context,
    /// Bytes that are missing before the test server's next ones.
    skipped: u64,
    /// Since when the client's commands wait for a KILL of this session.
    killed_since: Option<Time>,
}

/// A KILL of another session reaches the test server within this time.
const KILL_ARRIVES_WITHIN: Duration = Duration::from_secs(1);

impl Session {
    pub(crate) fn new(
        shared: Arc<Shared>,
        connections: Arc<Connections>,
        flow: &Flow,
        from_start: bool,
    ) -> Self {
        Self {
            server: Server::Down,
            compression: Compression::Undecided,
            cx: Context::new(shared, connections, flow, from_start),
            skipped: 0,
            killed_since: None,
        }
    }

    /// The online server is queried about sessions that are older than the copy.
    pub(crate) fn asking(mut self, online: Option<Arc<Online>>) -> Self {
        online.into_iter().for_each(|online| self.cx.joined.ask(online));
        self
    }

    /// The client's state is unknown: leaves out what it says, and learns from it. The next turn is due.
    fn leave_out_unknown(&mut self, bytes: &[u8], actions: &mut Actions) {
        self.learn(bytes);
        self.cx.shared.counters.left_out.count(LeftOut::UnknownState);
        Edits::new(actions).take(bytes.len(), Fate::LeaveOut(Loss::StateUnknown));
        if !std::mem::replace(&mut self.cx.was_ready, true) {
            actions.ready();
        }
    }

    /// Returns how many bytes are done with.
    fn client_bytes(&mut self, bytes: &[u8], actions: &mut Actions) -> Result<usize, Failure> {
        let Self { server, compression, cx, .. } = self;
        let mut edits = Edits::new(actions);
        let was_unknown = cx.client.is_none();
        let rest = cx.client_login(bytes, &mut edits)?;
        if was_unknown {
            rule_out(compression, cx);
        }
        if let Server::Greeted(_) = server
            && let Server::Greeted(state) = std::mem::replace(server, Server::Down)
        {
            *server = state.log_in(cx, edits.actions())?;
        }
        if !cx.stream.is_in_login() && !rest.is_empty() {
            decide(compression, cx, rest);
        }
        let login = edits.taken();
        match compression {
            Compression::Undecided => Ok(login),
            Compression::No => run(server, cx, rest, &mut edits).map(|()| edits.taken()),
            Compression::Yes(inflated) => {
                run_inflated(inflated, server, cx, rest, edits.actions()).map(|done| login + done)
            }
        }
    }

    fn client_lost(&mut self, due: &[u8]) {
        self.cx.settle_online();
        self.cx.client_lost(due.is_empty());
        self.learn(due);
        // Other commands may follow those in `due`.
        self.cx.statements.last_is_lost();
    }

    /// Learns from lost bytes of the client.
    fn learn(&mut self, lost: &[u8]) {
        let Self { compression, cx, .. } = self;
        if (cx.client.is_some() || cx.is_unknown())
            && Header::read(lost).is_some_and(|header| header.sequence == 0)
        {
            decide(compression, cx, lost);
        }
        let plain = match compression {
            Compression::Yes(inflated) => inflated.client_lost(lost).unwrap_or_default(),
            Compression::Undecided => Vec::new(),
            Compression::No => lost.to_vec(),
        };
        let begins_command = Header::read(&plain).is_some_and(|header| header.sequence == 0);
        if (cx.client.is_some() || cx.is_unknown()) && (lost.is_empty() || begins_command) {
            // Commands may have been in what was never captured.
            cx.stream.login_is_over();
        }
        let file = cx.stream.client_lost(&plain);
        if cx.client.is_some() || cx.is_unknown() {
            cx.learn_commands(&plain[file..]);
        } else {
            cx.learn_client(lost);
            rule_out(compression, cx);
        }
    }

    /// Shows other sessions what the test server executes of this one.
    fn show_execution(&mut self, moment: Moment) {
        let unanswered = match &self.server {
            Server::Ready(ready) => ready.answers.unanswered(),
            _ => Some(0),
        };
        self.cx.ids.set_unanswered(unanswered, moment);
    }

    /// Whether a KILL of this session is on its way: it would hit the client's next command.
    fn awaits_kill(&mut self, now: Time) -> bool {
        if !self.cx.ids.is_being_killed() {
            self.killed_since = None;
            return false;
        }
        now < *self.killed_since.get_or_insert(now) + KILL_ARRIVES_WITHIN
    }

    fn server_bytes(&mut self, skipped: u64, bytes: &[u8], actions: &mut Actions) -> Next {
        let cx = &mut self.cx;
        match std::mem::replace(&mut self.server, Server::Down) {
            Server::Switching(state) => Ok(state.handle(skipped, bytes, cx, actions)),
            state @ (Server::Down | Server::Ready(_)) => Ok(state),
            _ if skipped > 0 => Err(out_of_step("a part of the test server's login was not captured")),
            Server::ExpectGreeting(state) => state.handle(bytes, cx, actions),
            state @ Server::Greeted(_) => Ok(state),
            Server::LoggingIn(state) => state.handle(bytes, cx, actions),
            Server::Restoring(state) => state.handle(bytes, cx, actions),
        }
    }
}

impl Module for Session {
    fn connected(&mut self, actions: &mut Actions) -> Ready {
        self.cx.connection_lost(actions);
        self.cx.ids.set_unanswered(Some(0), actions.moment());
        if let Compression::Yes(inflated) = &mut self.compression {
            inflated.connection_lost();
        }
        self.server = Server::ExpectGreeting(ExpectGreeting::default());
        self.skipped = 0;
        actions.answers(AnswerPayload::All);
        Ready::WhenSaid
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        self.cx.settle_online();
        if self.cx.is_unknown() {
            return self.leave_out_unknown(bytes, actions);
        }
        self.cx.report_joined(actions);
        if let Server::Ready(_) = self.server
            && self.awaits_kill(actions.now())
        {
            let now = actions.now();
            actions.call_again_at(now + LOOK_EVERY);
            self.cx.held = true;
            return;
        }
        match self.client_bytes(bytes, actions) {
            Ok(taken) => self.cx.held = taken < bytes.len(),
            Err(failure) => actions.fail(failure.kind, failure.reason),
        }
        self.show_execution(actions.moment());
    }

    fn answer(&mut self, data: ServerData<'_>, actions: &mut Actions) {
        if data.acks_all {
            self.cx.kills.arrived();
        }
        let skipped = std::mem::take(&mut self.skipped);
        if let Server::Ready(ready) = &mut self.server {
            ready.handle(data, &mut self.cx, actions);
            return self.show_execution(actions.moment());
        }
        match self.server_bytes(skipped, data.bytes, actions) {
            Ok(state) => self.server = state,
            Err(failure) => actions.fail(failure.kind, failure.reason),
        }
    }

    fn missed(&mut self, missing: Missing<'_>) {
        match missing {
            Missing::Dropped(bytes) => self.client_lost(bytes),
            Missing::Uncaptured => self.client_lost(&[]),
            Missing::TestServer(bytes) => self.skipped = bytes,
            Missing::OnlineServer(bytes) => self.cx.online.iter_mut().for_each(|online| online.missed(bytes)),
        }
    }

    fn online(&mut self) -> Option<&mut dyn OnlineObserver> {
        Some(self)
    }

    fn is_tentative(&self) -> bool {
        self.cx.state.is_tentative()
    }

    fn progress(&self) -> Option<Arc<Progress>> {
        Some(self.cx.ids.progress())
    }

    fn memory(&self) -> usize {
        let inflated = match &self.compression {
            Compression::Yes(inflated) => inflated.memory(),
            Compression::Undecided | Compression::No => 0,
        };
        size_of_val(self) + self.server.memory() + inflated + self.cx.memory()
    }
}

impl OnlineObserver for Session {
    fn answer(&mut self, bytes: &[u8], actions: &mut Actions) {
        if let Err(failure) = self.cx.online_bytes(bytes, actions.now()) {
            actions.fail(failure.kind, failure.reason);
        }
    }

    fn queried(&mut self, question: u64) {
        self.cx.queried(question);
    }

    fn is_awaited(&self) -> bool {
        self.cx.awaits_admission() || self.cx.online_verdict.is_awaited()
    }
}
