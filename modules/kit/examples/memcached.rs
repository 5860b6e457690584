//! A module for memcached's text protocol with authentication (`memcached -Y`): the tutorial of docs/MODULES.md.

use std::collections::BTreeMap;
use std::sync::Arc;

use module_kit::counters::{Counted, Counters};
use module_kit::edits::{Edits, Fate};
use module_kit::framing::{Frame, Framed, Framing, OutOfStep};
use module_kit::notices::Notices;
use module_kit::secret::{CredentialsError, SecretSource};
use module_kit::users::Users;
use module_kit::{
    Actions, AnswerPayload, FailureKind, Flow, Loss, Missing, Module, Protocol, Ready, Report, ServerData,
    shown,
};

/// The longest command line, and the longest login, in bytes.
const LINE_MAX: usize = 2048;

/// Commands: a line, and for some of them a block of data.
struct Commands;

impl Framing for Commands {
    fn frame(bytes: &[u8], _continues: bool) -> Result<Option<Frame>, OutOfStep> {
        let Some(end) = bytes.iter().take(LINE_MAX).position(|byte| *byte == b'\n') else {
            return if bytes.len() < LINE_MAX { Ok(None) } else { Err(OutOfStep) };
        };
        let mut words = bytes[..end].split(u8::is_ascii_whitespace);
        let stores =
            matches!(words.next(), Some(b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas"));
        let body = if stores { data_length(words.nth(3)).ok_or(OutOfStep)? } else { 0 };
        Ok(Some(Frame { head: end + 1, body, more: 0 }))
    }
}

/// The length of a block of data with its line end, in bytes, given the length in the command.
fn data_length(word: Option<&[u8]>) -> Option<u64> {
    let length: u32 = std::str::from_utf8(word?).ok()?.parse().ok()?;
    Some(u64::from(length) + 2)
}

/// Things that are counted of sessions.
#[derive(Debug, Clone, Copy)]
enum Event {
    LoggedIn,
    LoginFailed,
    ShutdownLeftOut,
}

impl Counted for Event {
    const NAMES: &'static [&'static str] = &["logged_in", "login_failed", "shutdown_left_out"];

    fn index(self) -> usize {
        self as usize
    }
}

/// The protocol: one object for each service, which makes the modules of its sessions.
pub struct Memcached(Arc<Shared>);

/// What the sessions share.
struct Shared {
    users: Users,
    events: Counters<Event>,
    notices: Notices,
}

impl Memcached {
    /// With these passwords on the test server.
    ///
    /// # Errors
    ///
    /// If one cannot be read from its source.
    pub fn new(users: &BTreeMap<String, SecretSource>) -> Result<Self, CredentialsError> {
        Ok(Self(Arc::new(Shared {
            users: Users::resolve(users)?,
            events: Counters::default(),
            notices: Notices::new("memcached", "logins", 100),
        })))
    }
}

impl Protocol for Memcached {
    fn name(&self) -> &'static str {
        "memcached"
    }

    fn module(&self, _: &Flow, from_start: bool) -> Box<dyn Module> {
        Box::new(Session {
            shared: Arc::clone(&self.0),
            // The login of a session that was joined late was not seen.
            user: (!from_start).then(|| b"*".to_vec()),
            commands: Framed::default(),
            server: Server::Connected,
        })
    }

    fn report(&self) -> Report {
        let mut report = Report::default();
        self.0.events.report("sessions", &mut report);
        report
    }
}

/// One session of a client.
struct Session {
    shared: Arc<Shared>,
    /// Who the client is, once its login was seen.
    user: Option<Vec<u8>>,
    /// The place in the client's commands.
    commands: Framed<Commands>,
    server: Server,
}

/// The progress of the connection to the test server.
enum Server {
    /// It waits for a login.
    Connected,
    /// It was sent one, and has answered this so far.
    LoggingIn(Vec<u8>),
    /// It takes commands.
    LoggedIn,
}

impl Module for Session {
    fn connected(&mut self, actions: &mut Actions) -> Ready {
        if !self.commands.is_at_boundary() {
            // The beginning of the command went to another connection.
            self.commands.set_fate(Fate::LeaveOut(Loss::StateLost));
        }
        self.server = Server::Connected;
        actions.answers(AnswerPayload::All);
        self.log_in(actions);
        Ready::WhenSaid
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        if self.user.is_none() {
            let Some((user, length)) = read_login(bytes) else {
                if bytes.len() > LINE_MAX {
                    actions.fail(FailureKind::Unsupported, "the client's first command is no login");
                }
                return;
            };
            self.user = Some(user);
            actions.replace(length);
            return self.log_in(actions);
        }
        if matches!(self.server, Server::LoggedIn) {
            self.pass(bytes, &mut Edits::new(actions));
        }
    }

    fn answer(&mut self, data: ServerData<'_>, actions: &mut Actions) {
        let Server::LoggingIn(answer) = &mut self.server else { return };
        answer.extend_from_slice(data.bytes);
        if answer.starts_with(b"STORED\r\n") {
            self.server = Server::LoggedIn;
            self.shared.events.count(Event::LoggedIn);
            actions.answers(AnswerPayload::None);
            actions.ready();
        } else if answer.contains(&b'\n') || answer.len() > LINE_MAX {
            self.login_failed(actions);
        }
    }

    fn missed(&mut self, missing: Missing<'_>) {
        match missing {
            Missing::Dropped(bytes) => {
                if self.user.is_none() {
                    // The next connection needs the login, although this one did not get it.
                    self.user = read_login(bytes).map(|(user, _)| user);
                }
                self.commands.restart();
            }
            Missing::Uncaptured => self.commands.restart(),
            // Answers are not asked for after the login; the online server's never.
            Missing::TestServer(_) | Missing::OnlineServer(_) => {}
        }
    }

    fn memory(&self) -> usize {
        size_of_val(self) + self.user.as_ref().map_or(0, Vec::capacity)
    }
}

impl Session {
    /// Logs in, if it is known who the client is.
    fn log_in(&mut self, actions: &mut Actions) {
        let Some(user) = &self.user else { return };
        let Some(password) = self.shared.users.password_in(user, b"") else {
            return self.login_failed(actions);
        };
        let login = [user, &b" "[..], password.bytes()].concat();
        actions.send(format!("set tcpcopy 0 0 {}\r\n", login.len()).as_bytes());
        actions.send(&login);
        actions.send(b"\r\n");
        self.server = Server::LoggingIn(Vec::new());
    }

    fn login_failed(&mut self, actions: &mut Actions) {
        self.shared.events.count(Event::LoginFailed);
        let user = shown(&String::from_utf8_lossy(self.user.as_deref().unwrap_or_default()), 60);
        self.shared.notices.once(&user, || {
            format!("the test server does not accept the login of user '{user}'; check its password in the --config file")
        });
        actions.fail(FailureKind::LoginFailed, "the test server does not accept the login");
    }

    /// Passes commands, except those that must not reach the test server.
    fn pass(&mut self, bytes: &[u8], edits: &mut Edits<'_>) {
        let events = &self.shared.events;
        let result = self.commands.follow(bytes, edits, |_frame, command, _edits| {
            if command.starts_with(b"shutdown") {
                events.count(Event::ShutdownLeftOut);
                Some(Fate::LeaveOut(Loss::LeftOut))
            } else {
                Some(Fate::Pass)
            }
        });
        if result.is_err() {
            edits
                .actions()
                .fail(FailureKind::OutOfStep, "the client's bytes are not memcached's text protocol");
        }
    }
}

/// Reads a login at the start of a session: `set KEY 0 0 LENGTH`, then `USER PASSWORD`. Returns the user, and the length of
/// it all; `None` if it is incomplete, or is none.
fn read_login(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let frame = Commands::frame(bytes, false).ok()??;
    let length = frame.head + usize::try_from(frame.body).ok().filter(|body| *body <= LINE_MAX)?;
    let data = bytes.get(frame.head..length)?;
    let user = data.split(|byte| *byte == b' ').next()?;
    (frame.body > 0).then(|| (user.to_vec(), length))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use module_kit::Endpoint;
    use module_kit::testing::Driver;

    use super::*;

    const LOGIN: &[u8] = b"set auth 0 0 10\r\napp online\r\n";
    const OURS: &[u8] = b"set tcpcopy 0 0 8\r\napp test\r\n";

    fn session(from_start: bool) -> (Memcached, Driver) {
        let plain = |text: &str| SecretSource::Plain(text.to_owned().into());
        let users = [("app".to_owned(), plain("test")), ("*".to_owned(), plain("any"))];
        let protocol = Memcached::new(&users.into()).unwrap();
        let end = |port| Endpoint::new(Ipv4Addr::LOCALHOST.into(), port);
        let module = protocol.module(&Flow { client: end(40_000), server: end(11_211) }, from_start);
        (protocol, Driver::new(module))
    }

    #[test]
    fn the_login_is_replaced_and_the_commands_wait_for_it() {
        let (protocol, mut session) = session(true);
        session.connected();
        assert_eq!(session.client(&LOGIN[..20]), b"");
        assert_eq!(session.client(&LOGIN[20..]), OURS);
        assert_eq!(session.client(b"get a\r\n"), b"", "it waits");
        assert_eq!(session.answer(b"STORED\r\n"), b"get a\r\n");
        assert_eq!((session.mode(), &session.fates.replaced[..]), (AnswerPayload::None, LOGIN));
        // The next connection.
        assert_eq!(session.connected(), OURS);
        assert_eq!(session.client(b"set b 0 0 3\r\nget\r\n"), b"");
        assert_eq!(session.answer(b"STORED\r\n"), b"set b 0 0 3\r\nget\r\n");
        // It is lost in the middle of a command.
        session.client(b"set c 0 0 9\r\nshut");
        session.connected();
        session.answer(b"STORED\r\n");
        assert_eq!(session.client(b"down!\r\nget d\r\n"), b"get d\r\n");
        assert_eq!(session.fates.left_out, [(Loss::StateLost, b"down!\r\n".to_vec())]);
        assert_eq!(protocol.report().groups[0].counters, [("logged_in".into(), 3)]);
    }

    #[test]
    fn a_shutdown_is_left_out_but_not_a_value_that_looks_like_one() {
        let (_, mut session) = session(false);
        assert_eq!(session.connected(), b"set tcpcopy 0 0 5\r\n* any\r\n");
        session.answer(b"STORED\r\n");
        let set = b"set a 0 0 8\r\nshutdown\r\n";
        assert_eq!(
            session.client(&[set, &b"shutdown\r\nget a\r\n"[..]].concat()),
            [set, &b"get a\r\n"[..]].concat()
        );
        assert_eq!(session.fates.left_out, [(Loss::LeftOut, b"shutdown\r\n".to_vec())]);
    }

    #[test]
    fn a_refused_login_ends_the_session() {
        let (_, mut session) = session(true);
        session.connected();
        session.client(LOGIN);
        session.answer(b"CLIENT_ERROR authentication failure\r\n");
        assert_eq!(session.failure.map(|failure| failure.kind), Some(FailureKind::LoginFailed));
    }

    #[test]
    fn a_dropped_login_counts_on_the_next_connection() {
        let (_, mut session) = session(true);
        session.drop_client(LOGIN);
        assert_eq!(session.connected(), OURS);
    }
}
