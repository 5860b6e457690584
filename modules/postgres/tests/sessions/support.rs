//! A session between a client and a test server that answers as PostgreSQL does, as far as these tests need it.

use std::collections::HashMap;

use module_kit::testing::Driver;
use module_kit::{Endpoint, Flow, Loss, Protocol};
use postgres_wire::backend::{Authentication, Backend, TransactionStatus};
use postgres_wire::frontend::{Frontend, Parse, Target};
use postgres_wire::login::server::{Rule, ServerLogin, Step};
use postgres_wire::opening::{Opening, write_startup};
use tcpcopy_postgres::{DefaultLogin, Postgres, SecretSource, Settings};

pub(crate) fn plain(password: &str) -> SecretSource {
    SecretSource::Plain(password.to_owned().into())
}

/// User `app` has a password on the test server, and is the default.
pub(crate) fn protocol() -> Postgres {
    let mut settings = Settings::default();
    settings.users.insert("app".to_owned(), plain("theirs"));
    settings.default =
        Some(DefaultLogin { user: "app".to_owned(), password: None, database: "shop".to_owned() });
    Postgres::new(&settings).unwrap()
}

/// The test server's side of a connection.
enum Side {
    Opening,
    Login(ServerLogin),
    Messages,
}

pub(crate) struct Session<'p> {
    protocol: &'p Postgres,
    pub(crate) driver: Driver,
    side: Side,
    rule: Rule,
    unread: Vec<u8>,
    /// Errors for texts that contain these words.
    pub(crate) refuses: Vec<&'static str>,
    in_transaction: bool,
    in_copy: bool,
    skips: bool,
    statements: HashMap<Vec<u8>, Vec<u8>>,
    /// The text that was bound last.
    bound: Vec<u8>,
    /// The texts of Query and Parse, and the names of other messages, in the order in which they came.
    pub(crate) got: Vec<String>,
    /// The test server answers by itself.
    pub(crate) answers: bool,
}

pub(crate) fn message(message: Frontend<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.write(&mut bytes);
    bytes
}

pub(crate) fn query(text: &str) -> Vec<u8> {
    message(Frontend::Query(text.as_bytes()))
}

pub(crate) fn parse(name: &str, text: &str) -> Vec<u8> {
    message(Frontend::Parse(Parse { statement: name.as_bytes(), query: text.as_bytes(), types: &[] }))
}

/// Bind, Execute and Sync, without parameters.
pub(crate) fn execute(statement: &str) -> Vec<u8> {
    let body = [b"\0", statement.as_bytes(), b"\0\0\0\0\0\0\0"].concat();
    let bind = [b"B", &(body.len() as u32 + 4).to_be_bytes()[..], &body].concat();
    let run = message(Frontend::Execute { portal: b"", rows: 0 });
    [bind, run, message(Frontend::Sync)].concat()
}

pub(crate) fn describe(statement: &str) -> Vec<u8> {
    message(Frontend::Describe(Target::Statement(statement.as_bytes())))
}

pub(crate) fn startup(user: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let parameters = [("user", user), ("database", "shop"), ("_pq_.option", "x")];
    write_startup(2, parameters.map(|(name, value)| (name.as_bytes(), value.as_bytes())), &mut bytes);
    bytes
}

pub(crate) fn password() -> Vec<u8> {
    message(Frontend::Password(b"md5worthless\0"))
}

pub(crate) fn error(code: &str) -> Vec<u8> {
    backend(Backend::ErrorResponse(format!("SERROR\0VERROR\0C{code}\0Mno\0\0").as_bytes()))
}

pub(crate) fn backend(message: Backend<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.write(&mut bytes);
    bytes
}

pub(crate) fn ready(status: TransactionStatus) -> Vec<u8> {
    backend(Backend::ReadyForQuery(status))
}

pub(crate) fn auth_ok() -> Vec<u8> {
    backend(Backend::Authentication(Authentication::Ok))
}

impl<'p> Session<'p> {
    pub(crate) fn new(protocol: &'p Postgres, from_start: bool) -> Self {
        let end = |port| Endpoint::new(std::net::Ipv4Addr::LOCALHOST.into(), port);
        let flow = Flow { client: end(40_000), server: end(5432) };
        Self {
            protocol,
            driver: Driver::new(protocol.module(&flow, from_start)),
            side: Side::Opening,
            rule: Rule::Trust,
            unread: Vec::new(),
            refuses: Vec::new(),
            in_transaction: false,
            in_copy: false,
            skips: false,
            statements: HashMap::new(),
            bound: Vec::new(),
            got: Vec::new(),
            answers: true,
        }
    }

    /// A session of which the client's login was seen, and is accepted.
    pub(crate) fn logged_in(protocol: &'p Postgres) -> Self {
        let mut session = Self::new(protocol, true);
        session.connected();
        session.client(&startup("app"));
        session.client(&password());
        assert!(session.driver.failure.is_none() && session.driver.answered > 0);
        session
    }

    pub(crate) fn with(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// A new connection to the test server.
    pub(crate) fn connected(&mut self) {
        (self.side, self.in_transaction, self.in_copy, self.skips) = (Side::Opening, false, false, false);
        self.unread.clear();
        self.statements.clear();
        let sent = self.driver.connected();
        self.serve(sent);
    }

    /// The client's next bytes are due. What the test server gets of it, in words.
    pub(crate) fn client(&mut self, bytes: &[u8]) -> Vec<String> {
        self.got.clear();
        let sent = self.driver.client(bytes);
        self.serve(sent);
        std::mem::take(&mut self.got)
    }

    /// The test server answers. What it gets then, in words.
    pub(crate) fn answer(&mut self, bytes: &[u8]) -> Vec<String> {
        self.got.clear();
        let sent = self.driver.answer(bytes);
        self.serve(sent);
        std::mem::take(&mut self.got)
    }

    /// The test server gets these bytes, and answers.
    pub(crate) fn serve(&mut self, sent: Vec<u8>) {
        self.unread.extend(sent);
        loop {
            let before = self.unread.len();
            let mut answer = self.read_one();
            if self.unread.len() == before {
                return;
            }
            if !self.answers {
                answer.clear();
            }
            if !answer.is_empty() {
                let sent = self.driver.answer(&answer);
                self.unread.extend(sent);
            }
        }
    }

    /// Reads a message, and returns the answer.
    fn read_one(&mut self) -> Vec<u8> {
        let unread = std::mem::take(&mut self.unread);
        let (answer, length) = match &mut self.side {
            Side::Opening => match Opening::read(&unread).unwrap() {
                Some((Opening::Startup(start), length)) => {
                    assert_eq!((start.minor, start.parameter(b"_pq_.option")), (0, None));
                    let (login, step) = ServerLogin::new(self.rule.clone());
                    self.side = Side::Login(login);
                    (self.login_step(step), length)
                }
                Some(other) => panic!("{other:?}"),
                None => (Vec::new(), 0),
            },
            Side::Login(login) => match Frontend::read(&unread).unwrap() {
                Some((Frontend::Password(body), length)) => {
                    let step = login.handle(body);
                    (self.login_step(step), length)
                }
                Some(other) => panic!("{other:?}"),
                None => (Vec::new(), 0),
            },
            Side::Messages => match Frontend::read(&unread).unwrap() {
                Some((message, length)) => (self.message(&message), length),
                None => (Vec::new(), 0),
            },
        };
        let rest = unread[length..].to_vec();
        self.unread.splice(0..0, rest);
        answer
    }

    fn login_step(&mut self, step: Step) -> Vec<u8> {
        match step {
            Step::Send(bytes) => bytes,
            Step::Accepted(mut bytes) => {
                self.side = Side::Messages;
                bytes.extend(backend(Backend::ParameterStatus { name: b"server_version", value: b"15" }));
                bytes.extend(backend(Backend::BackendKeyData { pid: 1, key: &[1, 2, 3, 4] }));
                bytes.extend(ready(TransactionStatus::Idle));
                bytes
            }
            Step::Refused => backend(Backend::ErrorResponse(b"SFATAL\0VFATAL\0C28P01\0Mno\0\0")),
        }
    }

    fn status(&self) -> TransactionStatus {
        if self.in_transaction { TransactionStatus::Open } else { TransactionStatus::Idle }
    }

    fn message(&mut self, message: &Frontend<'_>) -> Vec<u8> {
        let word = match message {
            Frontend::Query(text) => String::from_utf8_lossy(text).into_owned(),
            Frontend::Parse(parse) => format!("parse {}", String::from_utf8_lossy(parse.query)),
            Frontend::Bind(bind) => format!("bind {}", String::from_utf8_lossy(bind.statement)),
            other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_lowercase(),
        };
        self.got.push(word.clone());
        if self.in_copy {
            return match message {
                Frontend::CopyDone | Frontend::CopyFail(_) => {
                    self.in_copy = false;
                    let end = if matches!(message, Frontend::CopyDone) {
                        backend(Backend::CommandComplete(b"COPY 1"))
                    } else {
                        error("57014")
                    };
                    [end, ready(self.status())].concat()
                }
                _ => Vec::new(),
            };
        }
        if self.skips && !matches!(message, Frontend::Sync) {
            return Vec::new();
        }
        let refused = self.refuses.iter().any(|refused| word.contains(refused));
        match message {
            Frontend::Query(_) if refused => [error("42601"), ready(self.status())].concat(),
            Frontend::Query(text) if text.starts_with(b"COPY") => {
                self.in_copy = true;
                b"G\0\0\0\x07\0\0\0".to_vec()
            }
            Frontend::Query(text) => {
                self.bound = text.to_vec();
                self.run();
                [backend(Backend::CommandComplete(text)), ready(self.status())].concat()
            }
            Frontend::Sync => {
                self.skips = false;
                ready(self.status())
            }
            _ if refused => {
                self.skips = true;
                error("42601")
            }
            Frontend::Parse(parse) => {
                self.statements.insert(parse.statement.to_vec(), parse.query.to_vec());
                backend(Backend::ParseComplete)
            }
            Frontend::Bind(bind) => {
                self.bound = self.statements.get(bind.statement).cloned().unwrap_or_default();
                backend(Backend::BindComplete)
            }
            Frontend::Describe(_) => backend(Backend::NoData),
            Frontend::Execute { .. } => {
                self.run();
                backend(Backend::CommandComplete(&self.bound))
            }
            Frontend::Close(_) => backend(Backend::CloseComplete),
            _ => Vec::new(),
        }
    }

    fn run(&mut self) {
        match &self.bound[..] {
            b"BEGIN" => self.in_transaction = true,
            b"COMMIT" | b"ROLLBACK" => self.in_transaction = false,
            _ => {}
        }
    }

    pub(crate) fn left_out(&self) -> Vec<(Loss, usize)> {
        self.driver.fates.left_out.iter().map(|(loss, bytes)| (*loss, bytes.len())).collect()
    }

    pub(crate) fn count(&self, group: &str, name: &str) -> u64 {
        count(self.protocol, group, name)
    }
}

pub(crate) fn count(protocol: &Postgres, group: &str, name: &str) -> u64 {
    let report = protocol.report();
    let group = report.groups.iter().find(|it| it.name == group);
    let counter = group.and_then(|group| group.counters.iter().find(|(it, _)| it == name));
    counter.map_or(0, |(_, count)| *count)
}
