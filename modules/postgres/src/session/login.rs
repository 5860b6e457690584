//! The login at the test server, from the StartupMessage to the first ReadyForQuery.

use std::sync::{Arc, Mutex};

use module_kit::secret::Secret;
use module_kit::{Actions, Endpoint, Failure, FailureKind};
use postgres_wire::backend::{Authentication, Backend};
use postgres_wire::login::client::{ClientLogin, Refusal, Step};
use postgres_wire::login::credential::Credential;
use postgres_wire::opening::{Startup, write_startup};
use postgres_wire::server_error::ServerError;

use super::connections::BackendKey;
use super::warnings::{self, Failed};
use crate::counters::{Event, Outcome};
use crate::key_cache::{Progress, advance};
use crate::shared::Shared;

/// Who the client is.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) user: Vec<u8>,
    pub(super) database: Vec<u8>,
    /// All parameters, with the names that the test server has.
    parameters: Vec<(Vec<u8>, Vec<u8>)>,
    password: Option<Secret>,
}

impl Who {
    /// The client has sent this.
    pub(super) fn of_startup(startup: &Startup<'_>, server: &Endpoint, shared: &Shared) -> Self {
        let user = startup.parameter(b"user").unwrap_or_default().to_vec();
        let database = startup.parameter(b"database").filter(|name| !name.is_empty());
        let database = database.unwrap_or(&user).to_vec();
        let rest = startup.parameters().filter(|(name, _)| !matches!(*name, b"user" | b"database"));
        // Options of the protocol are not asked for: the test server may not know them, and version 3.0 has none.
        let rest = rest.filter(|(name, _)| !name.starts_with(b"_pq_."));
        let rest = rest.map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        Self::new(user, database, rest, None, server, shared)
    }

    /// The login of sessions whose own was not seen.
    pub(super) fn default(server: &Endpoint, shared: &Shared) -> Option<Self> {
        let login = shared.logins.default.as_ref()?;
        let database = if login.database.is_empty() { &login.user } else { &login.database };
        Some(Self::new(
            login.user.clone(),
            database.clone(),
            Vec::new(),
            login.password.clone(),
            server,
            shared,
        ))
    }

    fn new(
        user: Vec<u8>,
        database: Vec<u8>,
        rest: Vec<(Vec<u8>, Vec<u8>)>,
        password: Option<Secret>,
        server: &Endpoint,
        shared: &Shared,
    ) -> Self {
        let logins = &shared.logins;
        let password = password.or_else(|| logins.password(&user, &database, server));
        let mut parameters = vec![
            (b"user".to_vec(), logins.user_name(&user).to_vec()),
            (b"database".to_vec(), logins.database_name(&database).to_vec()),
        ];
        parameters.extend(rest);
        Self { user, database, parameters, password }
    }

    pub(super) fn memory(&self) -> usize {
        self.parameters.iter().map(|(name, value)| name.capacity() + value.capacity() + 48).sum()
    }
}

/// A login under way.
#[derive(Debug)]
pub(super) struct LoggingIn {
    login: ClientLogin,
    /// The keys that are being derived.
    progress: Option<Arc<Mutex<Progress>>>,
    /// The server has let us in, and introduces itself.
    is_accepted: bool,
    /// With this the connection's statements can be cancelled.
    key: Option<BackendKey>,
}

/// The progress of a login.
pub(super) enum Next {
    Goes,
    /// The server takes commands. It has given this key.
    Done(Option<BackendKey>),
    /// The server refuses the connection, whoever the user is.
    Refused,
}

const FAILED: Failure =
    Failure { kind: FailureKind::LoginFailed, reason: "the login at the test server failed" };

const NO_LOGIN: Failure = Failure {
    kind: FailureKind::OutOfStep,
    reason: "the test server does not log clients in as PostgreSQL does",
};

impl LoggingIn {
    /// Sends the StartupMessage. Version 3.0 is understood by every server, and nothing of the client's messages changes
    /// with it.
    pub(super) fn begin(who: &Who, shared: &Shared, actions: &mut Actions) -> Result<Self, Failure> {
        let mut message = Vec::new();
        let parameters = who.parameters.iter().map(|(name, value)| (&name[..], &value[..]));
        write_startup(0, parameters, &mut message);
        actions.send(&message);
        let mut nonce = [0; 18];
        getrandom::fill(&mut nonce).map_err(|_| Failure {
            kind: FailureKind::LoginFailed,
            reason: "the system gives no random numbers",
        })?;
        // It was checked when it was read from the configuration.
        let credential = who.password.as_ref().and_then(|password| Credential::read(password.bytes()).ok());
        let user = shared.logins.user_name(&who.user);
        let login = ClientLogin::new(user, credential, shared.logins.allow_clear, nonce);
        Ok(Self { login, progress: None, is_accepted: false, key: None })
    }

    /// The server's next message.
    pub(super) fn handle(
        &mut self,
        kind: u8,
        body: &[u8],
        who: &Who,
        shared: &Shared,
        actions: &mut Actions,
    ) -> Result<Next, Failure> {
        match kind {
            b'R' if !self.is_accepted => {
                let Some(Backend::Authentication(request)) = Backend::of_body(kind, body) else {
                    return Err(NO_LOGIN);
                };
                self.requested(request, who, shared, actions)?;
            }
            b'Z' if self.is_accepted => {
                shared.counters.logins.count(&(Outcome::Accepted, self.login.method()));
                return Ok(Next::Done(self.key.take()));
            }
            b'E' => return self.error(body, who, shared),
            b'K' => {
                if let Some(Backend::BackendKeyData { pid, key }) = Backend::of_body(kind, body) {
                    self.key = Some(BackendKey { pid, key: key.to_vec() });
                }
            }
            // Notices, settings, the negotiated version.
            b'N' | b'S' | b'v' => {}
            _ => return Err(NO_LOGIN),
        }
        Ok(Next::Goes)
    }

    fn requested(
        &mut self,
        request: Authentication<'_>,
        who: &Who,
        shared: &Shared,
        actions: &mut Actions,
    ) -> Result<(), Failure> {
        match self.login.handle(request) {
            Ok(Step::Send(message)) => actions.send(&message),
            Ok(Step::Wait) => {}
            Ok(Step::NeedKeys) => {
                let password = who.password.as_ref().ok_or(NO_LOGIN)?;
                let user = shared.logins.user_name(&who.user);
                self.progress = shared.keys.progress(user, password, &self.login);
            }
            Ok(Step::Accepted) => self.is_accepted = true,
            Err(refusal) => {
                self.count_refusal(shared);
                let method = self.login.method();
                warnings::login_failed(shared, &who.user, &who.database, Failed::Here(refusal), method);
                return Err(if refusal == Refusal::OutOfStep { NO_LOGIN } else { FAILED });
            }
        }
        Ok(())
    }

    /// Makes a step of the derivation of keys, if there is one. Returns whether another is needed.
    pub(super) fn derive(&mut self, shared: &Shared, actions: &mut Actions) -> bool {
        let Some(progress) = &self.progress else { return false };
        let Some((keys, is_new)) = advance(progress) else { return true };
        if is_new {
            shared.counters.sessions.count(Event::KeysDerived);
        }
        self.progress = None;
        if let Step::Send(message) = self.login.keys(keys) {
            actions.send(&message);
        }
        false
    }

    fn error(&self, body: &[u8], who: &Who, shared: &Shared) -> Result<Next, Failure> {
        let Some(error) = ServerError::read(body) else { return Err(NO_LOGIN) };
        shared.counters.server_errors.count(&error.code);
        if is_for_want_of_room(&error) {
            shared.counters.refusals.count(&error.code);
            warnings::connection_refused(shared, &error);
            return Ok(Next::Refused);
        }
        self.count_refusal(shared);
        let method = self.login.method();
        warnings::login_failed(shared, &who.user, &who.database, Failed::Server(error), method);
        Err(FAILED)
    }

    fn count_refusal(&self, shared: &Shared) {
        shared.counters.logins.count(&(Outcome::Refused, self.login.method()));
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + 512
    }
}

/// The server would refuse everybody now: insufficient resources, or operator intervention.
fn is_for_want_of_room(error: &ServerError<'_>) -> bool {
    matches!(&error.code, [b'5', b'3', ..] | [b'5', b'7', b'P', ..])
}
