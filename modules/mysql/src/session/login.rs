//! The login at the test server, from its greeting to its OK.

use module_kit::{Actions, Failure, FailureKind};

use super::client::Client;
use super::context::Context;
use super::restore::restore;
use super::state::{Agreed, ExpectGreeting, Greeted, LoggingIn, Next, Server, out_of_step};
use super::warnings;
use crate::auth::dialogue::{Dialogue, Refusal, Step};
use crate::auth::greeting::{self, FirstPacket};
use crate::auth::hello::Hello;
use crate::counters::{Event, Outcome};
use crate::wire::capabilities::Capabilities;
use crate::wire::packet::packet;
use crate::wire::server_error::ServerError;

const NO_GREETING: &str = "the test server does not greet as MySQL does";

impl ExpectGreeting {
    pub(super) fn handle(mut self, bytes: &[u8], cx: &mut Context, actions: &mut Actions) -> Next {
        self.packets.push(bytes);
        let packet = self.packets.next().map_err(|_| out_of_step(NO_GREETING))?;
        let Some((sequence, payload)) = packet else { return Ok(Server::ExpectGreeting(self)) };
        match greeting::read(&payload) {
            Some(FirstPacket::Greeting(greeting)) if sequence == 0 => {
                cx.ids.set_test(greeting.connection_id);
                cx.state.set_server(greeting.version);
                Greeted { greeting: Box::new(greeting), packets: self.packets }.log_in(cx, actions)
            }
            Some(FirstPacket::Refused(error)) => Ok(connection_refused(&error, cx, actions)),
            _ => Err(out_of_step(NO_GREETING)),
        }
    }
}

impl Greeted {
    /// Logs in, if the client is known.
    pub(super) fn log_in(self, cx: &mut Context, actions: &mut Actions) -> Next {
        if cx.client.is_none() && !cx.stream.is_in_login() && !cx.is_unknown() {
            let client = default_client(cx)?;
            cx.assume_client(client);
        }
        let Some(client) = &mut cx.client else { return Ok(Server::Greeted(self)) };
        let Self { greeting, packets } = self;
        let mut wanted = client.hello.capabilities;
        if cx.attributes != Some(true) {
            wanted = wanted.without(Capabilities::QUERY_ATTRIBUTES);
        }
        let capabilities = wanted.agree_with(greeting.capabilities);
        let (dialogue, answer) =
            Dialogue::begin(&greeting, client.password.clone(), &cx.shared.credentials.policy);
        let database = client.database_of_login(cx.state.database()).to_vec();
        let (hello, database) = (&client.hello, &database[..]);
        let response = match answer {
            Some(answer) => hello.response(capabilities, &answer, &greeting.plugin, database),
            // The captured answer is sufficient where no password is required.
            None => hello.response(capabilities, &hello.answer, &hello.plugin, database),
        };
        actions.send(&packet(1, &response));
        // MySQL counts from 1 on each connection.
        let next_id = greeting.capabilities.has(Capabilities::MYSQL).then_some(1);
        let agreed = Agreed { capabilities, greeting };
        Ok(Server::LoggingIn(Box::new(LoggingIn { dialogue, packets, agreed, next_id })))
    }
}

/// The client of a session whose login was not captured.
fn default_client(cx: &Context) -> Result<Client, Failure> {
    let Some(login) = &cx.shared.credentials.default else {
        warnings::no_default_login(&cx.shared);
        let reason = "joined in mid-session, and no default login is given";
        return Err(Failure { kind: FailureKind::LoginFailed, reason });
    };
    cx.shared.counters.sessions.count(Event::Joined);
    Ok(Client::with_password(Hello::assumed(&login.user, &login.database), login.password.clone()))
}

impl LoggingIn {
    pub(super) fn handle(mut self: Box<Self>, bytes: &[u8], cx: &mut Context, actions: &mut Actions) -> Next {
        self.packets.push(bytes);
        loop {
            if self.dialogue.has_asked_for_key() {
                warnings::key_is_trusted(&cx.shared);
            }
            let step = match self.packets.next() {
                Ok(Some((sequence, payload))) => match self.dialogue.handle(&payload) {
                    Step::Send(answer) => {
                        actions.send(&packet(sequence.wrapping_add(1), &answer));
                        continue;
                    }
                    step => step,
                },
                Ok(None) => return Ok(Server::LoggingIn(self)),
                Err(_) => Step::Refused(Refusal::OutOfStep),
            };
            match step {
                Step::Send(_) | Step::Wait => {}
                Step::Accepted => return Ok(self.accepted(cx, actions)),
                Step::Refused(refusal) => return self.refused(&refusal, cx, actions),
            }
        }
    }

    fn accepted(self, cx: &mut Context, actions: &mut Actions) -> Server {
        let outcome = if self.dialogue.has_password() { Outcome::Accepted } else { Outcome::WithoutPassword };
        cx.shared.counters.logins.count(&(outcome, self.dialogue.plugin()));
        restore(self.agreed, self.packets, self.next_id, cx, actions)
    }

    fn refused(&self, refusal: &Refusal, cx: &mut Context, actions: &mut Actions) -> Next {
        if let Refusal::Server(error) = refusal {
            if is_for_want_of_room(error.code) {
                return Ok(connection_refused(error, cx, actions));
            }
            cx.shared.counters.server_errors.count(&error.code);
        }
        cx.shared.counters.logins.count(&(Outcome::Refused, self.dialogue.plugin()));
        if let Some(client) = &cx.client {
            warnings::login_refused(&cx.shared, &client.hello.user, refusal, &self.dialogue);
        }
        let kind = match refusal {
            Refusal::OutOfStep => FailureKind::OutOfStep,
            _ => FailureKind::LoginFailed,
        };
        Err(Failure { kind, reason: "the login at the test server failed" })
    }
}

/// The test server refuses the connection, whoever the user is: the engine tries again later, as where no server listens.
fn connection_refused(error: &ServerError, cx: &Context, actions: &mut Actions) -> Server {
    cx.shared.counters.refusals.count(&error.code);
    warnings::connection_refused(&cx.shared, error);
    actions.refused();
    Server::Down
}

/// ER_CON_COUNT_ERROR, because MySQL checks the user first; ER_SERVER_SHUTDOWN; ER_TOO_MANY_USER_CONNECTIONS;
/// ER_USER_LIMIT_REACHED.
fn is_for_want_of_room(code: u16) -> bool {
    matches!(code, 1040 | 1053 | 1203 | 1226)
}
