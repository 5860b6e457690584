//! A session that is played, and the log lines that it causes.

pub(crate) mod packets;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};

use module_kit::testing::Driver;
use module_kit::{Endpoint, Flow, Protocol};
use tcpcopy_mysql::{Mysql, SecretSource, Settings};

pub(crate) use self::packets::*;

/// Keeps the lines of each test: a test has a thread of its own.
struct Log;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
    }

    fn flush(&self) {}
}

/// Keeps the lines that are logged from here on.
pub(crate) fn keep_log() {
    // The first test sets it for all.
    let _ = log::set_logger(&Log);
    log::set_max_level(log::LevelFilter::Warn);
}

/// The lines of this test that contain a text.
pub(crate) fn lines_with(text: &str) -> Vec<String> {
    LINES.with_borrow(|lines| lines.iter().filter(|line| line.contains(text)).cloned().collect())
}

pub(crate) const fn end(port: u16) -> Endpoint {
    Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

pub(crate) const FLOW: Flow = Flow { client: end(40_000), server: end(3306) };

/// The user whose password is known.
pub(crate) const KNOWN: &str = "known";

/// Sessions of before are those of "app", who has a password at the database "shop" only.
pub(crate) fn settings() -> Settings {
    let secret = || SecretSource::Plain("secret".to_owned().into());
    Settings {
        default: Some(tcpcopy_mysql::DefaultLogin {
            user: "app".to_owned(),
            password: None,
            database: String::new(),
        }),
        users: [KNOWN, "app@shop", "clear"].map(|user| (user.to_owned(), secret())).into(),
        ..Settings::default()
    }
}

pub(crate) struct Run {
    protocol: Mysql,
    pub(crate) driven: Driver,
    /// The answers that were complete, and the connection ready, at the last question.
    complete: (usize, bool),
}

impl Run {
    pub(crate) fn new(from_start: bool) -> Self {
        Self::configured(&settings(), from_start)
    }

    /// A session from its start, with other settings.
    pub(crate) fn with(settings: &Settings) -> Self {
        Self::configured(settings, true)
    }

    /// One that is joined in its midst.
    pub(crate) fn joined_with(settings: &Settings) -> Self {
        Self::configured(settings, false)
    }

    fn configured(settings: &Settings, from_start: bool) -> Self {
        keep_log();
        let protocol = Mysql::new(settings).unwrap();
        let driven = Driver::new(protocol.module(&FLOW, from_start));
        Self { protocol, driven, complete: (0, false) }
    }

    /// A session of another online service, from its start.
    pub(crate) fn of_another_service(&self) -> Self {
        let protocol = self.protocol.for_another_service();
        let driven = Driver::new(protocol.module(&FLOW, true));
        Self { protocol, driven, complete: (0, false) }
    }

    /// Another session, from its start. Returns the one before.
    pub(crate) fn again(&mut self) -> Driver {
        std::mem::replace(&mut self.driven, Driver::new(self.protocol.module(&FLOW, true)))
    }

    /// A session whose login is done.
    pub(crate) fn logged_in(client: u32, server: u32) -> Self {
        let mut run = Self::new(true);
        run.driven.connected();
        run.driven.client(&hello(client));
        run.greet(server);
        run
    }

    /// The test server greets, and accepts the login.
    pub(crate) fn greet(&mut self, server: u32) {
        self.greet_as(&greeting(server));
    }

    pub(crate) fn greet_as(&mut self, greeting: &[u8]) {
        assert!(!self.driven.answer(greeting).is_empty(), "a login is due");
        self.driven.answer(&ok(2, 0));
        assert_eq!(self.driven.failure, None);
    }

    pub(crate) fn count(&self, group: &str, name: &str) -> u64 {
        let groups = self.protocol.report().groups;
        let counters = groups.into_iter().filter(|it| it.name == group).flat_map(|group| group.counters);
        counters.filter(|(it, _)| it == name).map(|(_, count)| count).sum()
    }

    /// The client prepares a statement, which gets this id.
    pub(crate) fn prepared(&mut self, text: &str, id: u8, parameters: u8) {
        assert_eq!(self.driven.client(&prepare(text)), prepare(text));
        self.driven.answer(&prepared(id, 0, parameters));
    }

    /// Whether the module has declared an answer complete since the last call.
    pub(crate) fn take_complete(&mut self) -> bool {
        let complete = (self.driven.answered, self.driven.is_ready());
        std::mem::replace(&mut self.complete, complete) != complete
    }

    /// Bytes of the client that were lost.
    pub(crate) fn left_out(&self) -> usize {
        left_out(&self.driven)
    }

    pub(crate) fn memory(&self) -> usize {
        self.driven.module().memory()
    }
}

/// Bytes of the client that were lost.
pub(crate) fn left_out(driven: &Driver) -> usize {
    driven.fates.left_out.iter().map(|(_, bytes)| bytes.len()).sum()
}
