//! Packets as clients and servers write them, and a session that is played with them.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

use common_core::flow::{Endpoint, Flow};
use module_kit::Protocol;
use tcpcopy_mysql::{Mysql, SecretSource, Settings};

use crate::driver::Driven;

/// 4.1, transactions, secure connection, methods by name, several statements and results.
pub(crate) const USUAL: u32 = 0x000f_a201;

/// CLIENT_COMPRESS, CLIENT_QUERY_ATTRIBUTES.
pub(crate) const COMPRESS: u32 = 0x20;
pub(crate) const ATTRIBUTES: u32 = 1 << 27;

/// CLIENT_LOCAL_FILES.
pub(crate) const LOCAL_FILES: u32 = 1 << 7;

/// The type of a number, of a text.
pub(crate) const LONG: u8 = 3;
pub(crate) const TEXT: u8 = 0xFD;

pub(crate) fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    [&length.to_le_bytes()[..3], &[sequence], payload].concat()
}

/// What a client with these capabilities says to some greeting.
pub(crate) fn hello(capabilities: u32) -> Vec<u8> {
    hello_of("app", capabilities)
}

pub(crate) fn hello_of(user: &str, capabilities: u32) -> Vec<u8> {
    let fixed = [&capabilities.to_le_bytes()[..], &[0, 0, 0, 1, 45], &[0; 23]].concat();
    packet(1, &[&fixed, user.as_bytes(), b"\0\0mysql_native_password\0"].concat())
}

/// The greeting of a server with these capabilities.
pub(crate) fn greeting(capabilities: u32) -> Vec<u8> {
    greeting_of(42, capabilities)
}

/// The greeting of a server that calls the connection `id`.
pub(crate) fn greeting_of(id: u8, capabilities: u32) -> Vec<u8> {
    let [a, b, c, d] = capabilities.to_le_bytes();
    let mut payload = [b"\x0a9.7.4\0", &[id, 0, 0, 0][..], b"nonce678\0"].concat();
    payload.extend_from_slice(&[a, b, 0x21, 2, 0, c, d, 0x15]);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"901234567890\0mysql_native_password\0");
    packet(0, &payload)
}

pub(crate) const IN_TRANSACTION: u8 = 1;

pub(crate) fn ok(sequence: u8, status: u8) -> Vec<u8> {
    packet(sequence, &[0, 0, 0, 2 | status, 0, 0, 0])
}

/// A PREPARE has got this id.
pub(crate) fn prepared(id: u8, columns: u8, parameters: u8) -> Vec<u8> {
    packet(1, &[0, id, 0, 0, 0, columns, 0, parameters, 0, 0, 0, 0])
}

pub(crate) fn command(byte: u8, rest: &[u8]) -> Vec<u8> {
    packet(0, &[&[byte], rest].concat())
}

pub(crate) fn query(text: &str) -> Vec<u8> {
    command(3, text.as_bytes())
}

pub(crate) fn init_db(name: &str) -> Vec<u8> {
    command(2, name.as_bytes())
}

pub(crate) fn prepare(text: &str) -> Vec<u8> {
    command(0x16, text.as_bytes())
}

pub(crate) fn execute(id: u8) -> Vec<u8> {
    command(0x17, &[id, 0, 0, 0, 0, 1, 0, 0, 0])
}

/// What names the statement prepared last, with MariaDB.
pub(crate) const LAST: u32 = u32::MAX;

pub(crate) fn execute_last() -> Vec<u8> {
    command(0x17, &[&LAST.to_le_bytes()[..], &[0, 1, 0, 0, 0]].concat())
}

pub(crate) fn error(code: u16, text: &str) -> Vec<u8> {
    packet(1, &[&[0xFF][..], &code.to_le_bytes(), b"#HY000", text.as_bytes()].concat())
}

/// What users are told.
struct Log(Mutex<Vec<String>>);

static LOG: Log = Log(Mutex::new(Vec::new()));

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

/// The lines about something, of all tests so far.
pub(crate) fn lines_with(what: &str) -> Vec<String> {
    LOG.0.lock().unwrap().iter().filter(|line| line.contains(what)).cloned().collect()
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
    pub(crate) driven: Driven,
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
        // Only the first can, and is enough.
        let _ = log::set_logger(&LOG);
        log::set_max_level(log::LevelFilter::Warn);
        let protocol = Mysql::new(settings).unwrap();
        let driven = Driven::new(protocol.module(&FLOW, from_start));
        Self { protocol, driven }
    }

    /// A session of another online service, from its start.
    pub(crate) fn of_another_service(&self) -> Self {
        let protocol = self.protocol.for_another_service();
        let driven = Driven::new(protocol.module(&FLOW, true));
        Self { protocol, driven }
    }

    /// Another session, from its start.
    pub(crate) fn again(&mut self) {
        self.driven = Driven::new(self.protocol.module(&FLOW, true));
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
}

/// An error as a server says it before it knows the client: without an SQL state.
pub(crate) fn early_error(code: u16, text: &str) -> Vec<u8> {
    packet(0, &[&[0xFF][..], &code.to_le_bytes(), text.as_bytes()].concat())
}
