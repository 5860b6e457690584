//! The login at the test server, from its greeting to its OK.

use module_kit::{Actions, FailureKind};

use super::{Agreed, Client, LoggingIn, Server, Session};
use crate::capabilities::Capabilities;
use crate::counters::{Happened, Outcome};
use crate::credentials::Secret;
use crate::dialogue::{Dialogue, Refusal, Step};
use crate::greeting::{self, First, Greeting};
use crate::hello::Hello;
use crate::notices::Kind;
use crate::packet::write_packet;
use crate::plugin::Plugin;
use crate::server_error::{ServerError, printable};

impl Session {
    /// More of the greeting.
    pub(super) fn greeting_bytes(&mut self, bytes: &[u8], actions: &mut Actions) {
        let Server::Greeting(packets) = &mut self.server else { return };
        packets.push(bytes);
        let (sequence, payload) = match packets.next() {
            Ok(Some(packet)) => packet,
            Ok(None) => return,
            Err(_) => return self.fail(FailureKind::OutOfStep, NO_GREETING, actions),
        };
        match greeting::read(&payload) {
            Some(First::Greeting(greeting)) if sequence == 0 => {
                self.ids.test = Some(greeting.connection_id);
                self.server = Server::Greeted(Box::new(greeting), std::mem::take(packets));
                self.know_ids();
                self.log_in(actions);
            }
            Some(First::Refused(error)) => self.connection_refused(&error, actions),
            _ => self.fail(FailureKind::OutOfStep, NO_GREETING, actions),
        }
    }

    /// Logs in, if the test server waits for it and the client is known.
    pub(super) fn log_in(&mut self, actions: &mut Actions) {
        if !matches!(self.server, Server::Greeted(..)) {
            return;
        }
        if self.client.is_none() && self.stream.is_past_login() && !self.assume_client(actions) {
            return;
        }
        let Some(client) = &self.client else { return };
        let Server::Greeted(greeting, packets) = std::mem::replace(&mut self.server, Server::Down) else {
            return;
        };
        let Greeting { capabilities, nonce, plugin, .. } = &*greeting;
        let mut wanted = client.hello.capabilities;
        if self.attributes != Some(true) {
            wanted = wanted.without(Capabilities::QUERY_ATTRIBUTES);
        }
        let capabilities = wanted.agree_with(*capabilities);
        let method = Plugin::from_name(plugin);
        let mut dialogue =
            Dialogue::new(method, nonce, client.password.clone(), self.shared.credentials.allow_clear);
        let (hello, database) = (&client.hello, client.database_of_login());
        let response = match dialogue.first_answer() {
            Some(answer) => hello.response(capabilities, &answer, plugin, database),
            // Good enough where no password is asked for.
            None => hello.response(capabilities, &hello.answer, &hello.plugin, database),
        };
        send_packet(1, &response, actions);
        // MySQL counts from 1 on each connection.
        let next_id = greeting.capabilities.has(Capabilities::MYSQL).then_some(1);
        self.server = Server::LoggingIn(Box::new(LoggingIn {
            dialogue,
            packets,
            next_id,
            agreed: Agreed { capabilities, greeting },
        }));
    }

    /// The client's login was not captured: it has the default one.
    fn assume_client(&mut self, actions: &mut Actions) -> bool {
        let Some(login) = &self.shared.credentials.default else {
            self.shared.notices.once(Kind::Setup, "no default".to_owned(), || {
                "sessions that began before tcpcopy did can only be copied with a login for them: give user and \
                 password under [mysql.default] in the --config file"
                    .to_owned()
            });
            self.fail(
                FailureKind::LoginFailed,
                "joined in mid-session, and no default login is given",
                actions,
            );
            return false;
        };
        let hello = Hello::assumed(&login.user, &login.database);
        self.client = Some(Client::with_password(hello, login.password.clone()));
        self.shared.counters.happened(Happened::Joined, 1);
        true
    }

    /// More of what the test server says to our login.
    pub(super) fn login_bytes(&mut self, bytes: &[u8], actions: &mut Actions) {
        let Server::LoggingIn(login) = &mut self.server else { return };
        login.packets.push(bytes);
        loop {
            let Server::LoggingIn(login) = &mut self.server else { return };
            let (sequence, payload) = match login.packets.next() {
                Ok(Some(packet)) => packet,
                Ok(None) => return,
                Err(_) => return self.refused(&Refusal::OutOfStep, actions),
            };
            match login.dialogue.handle(&payload) {
                Step::Send(answer) => send_packet(sequence.wrapping_add(1), &answer, actions),
                Step::Wait => {}
                Step::Accepted => self.accepted(actions),
                Step::Refused(refusal) => self.refused(&refusal, actions),
            }
        }
    }

    fn accepted(&mut self, actions: &mut Actions) {
        let Server::LoggingIn(login) = std::mem::replace(&mut self.server, Server::Down) else { return };
        let outcome =
            if login.dialogue.has_password() { Outcome::Accepted } else { Outcome::WithoutPassword };
        self.shared.counters.login(outcome, login.dialogue.plugin());
        self.restore(login.agreed, login.packets, login.next_id, actions);
    }

    /// The test server does not want the connection, whoever asks: it is tried again later, as where it does not listen.
    fn connection_refused(&mut self, error: &ServerError, actions: &mut Actions) {
        self.server = Server::Down;
        let ServerError { code, message } = error;
        self.shared.counters.refusals.add(*code);
        self.shared.notices.once(Kind::Connection, code.to_string(), || {
            let cure = cure(*code);
            format!("the test server refuses connections ({code}: {message}), which are tried again: {cure}")
        });
        actions.refused();
    }

    fn refused(&mut self, refusal: &Refusal, actions: &mut Actions) {
        let Server::LoggingIn(login) = &self.server else { return };
        if let Refusal::Server(error) = refusal
            && is_for_want_of_room(error.code)
        {
            return self.connection_refused(&error.clone(), actions);
        }
        self.shared.counters.login(Outcome::Refused, login.dialogue.plugin());
        if let Refusal::Server(error) = refusal {
            self.shared.counters.server_errors.add(error.code);
        }
        if let Some(client) = &self.client {
            let user = printable(&client.hello.user, 64);
            let has_password = login.dialogue.has_password();
            let method = match refusal {
                Refusal::Method(method) => method,
                _ => login.dialogue.plugin().name(),
            };
            let kind = match self.shared.credentials.names(&client.hello.user) {
                true => Kind::KnownUser,
                false => Kind::OtherUser,
            };
            let subject = format!("{user} {method}");
            self.shared.notices.once(kind, subject, || notice(&user, refusal, has_password));
        }
        let kind = match refusal {
            Refusal::OutOfStep => FailureKind::OutOfStep,
            _ => FailureKind::LoginFailed,
        };
        self.fail(kind, "the login at the test server failed", actions);
    }
}

/// ER_CON_COUNT_ERROR, for MySQL checks the user first; ER_SERVER_SHUTDOWN; ER_TOO_MANY_USER_CONNECTIONS;
/// ER_USER_LIMIT_REACHED.
fn is_for_want_of_room(code: u16) -> bool {
    matches!(code, 1040 | 1053 | 1203 | 1226)
}

/// What the user can do about connections that are refused with this error.
fn cure(code: u16) -> &'static str {
    match code {
        1040 => "let max_connections there be no smaller than online",
        1129 => "FLUSH HOSTS there, and raise max_connect_errors",
        1130 => "its users' grants must be for the clients' addresses, 'app'@'10.%' for one",
        1203 | 1226 => "let max_user_connections and the users' limits there be no smaller than online",
        _ => "see what it says",
    }
}

/// ER_DBACCESS_DENIED_ERROR, ER_BAD_DB_ERROR.
const NO_RIGHT_TO_DATABASE: u16 = 1044;
const NO_DATABASE: u16 = 1049;

const NO_GREETING: &str = "the test server does not greet as MySQL does";

/// What the user is told, with the cure.
fn notice(user: &str, refusal: &Refusal, has_password: bool) -> String {
    match refusal {
        Refusal::Server(ServerError { code: code @ (NO_RIGHT_TO_DATABASE | NO_DATABASE), message }) => {
            format!(
                "the test server refuses user \"{user}\" ({code}: {message}): create the database there, and grant the user \
             rights to it"
            )
        }
        Refusal::Server(ServerError { code, message }) if has_password => format!(
            "the test server refuses user \"{user}\" ({code}: {message}): check its password under [mysql.users] in the \
             --config file, and its grants there for the clients' addresses"
        ),
        Refusal::Server(ServerError { code, message }) => format!(
            "the test server refuses user \"{user}\" ({code}: {message}), whose password is not known: give it under \
             [mysql.users] in the --config file"
        ),
        Refusal::Method(method) => format!(
            "the test server asks user \"{user}\" for {method}, which tcpcopy does not speak: give the user another \
             authentication method there"
        ),
        Refusal::Clear => format!(
            "the test server asks for the password of user \"{user}\" in the clear: set allow_clear = true under [mysql] in \
             the --config file if that may be"
        ),
        Refusal::NoPassword => format!(
            "the test server asks for the password of user \"{user}\", which is not known: give it under [mysql.users] in \
             the --config file"
        ),
        Refusal::Key => {
            format!("the public key that the test server sent for user \"{user}\" cannot be used")
        }
        Refusal::OutOfStep => {
            format!("what the test server says to the login of user \"{user}\" is no answer to it")
        }
    }
}

/// Sends a packet of our own.
pub(super) fn send_packet(sequence: u8, payload: &[u8], actions: &mut Actions) {
    let mut packet = Vec::with_capacity(payload.len() + 4);
    write_packet(sequence, payload, &mut packet);
    actions.send(&packet);
}

impl Client {
    /// The client that has said `hello`.
    pub(super) fn new(hello: Hello, session: &Session) -> Self {
        let password = session.shared.credentials.password(&hello.user, &hello.database);
        Self::with_password(hello, password)
    }

    /// What is allocated, roughly, in bytes: the password is shared by all sessions of a user.
    pub(super) fn memory(&self) -> usize {
        self.hello.memory() + self.database_before.as_ref().map_or(0, Vec::capacity)
    }

    fn with_password(hello: Hello, password: Option<Secret>) -> Self {
        Self { hello, password, database_before: None, is_let_in: false }
    }
}
