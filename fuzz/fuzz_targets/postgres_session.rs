//! A PostgreSQL session under arbitrary bytes of the client, of the test server and of the online server: no panic, no rule of
//! the trait broken, memory within its bound.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use module_kit::testing::Driver;
use module_kit::{Endpoint, Flow, Protocol};
use tcpcopy_postgres::{DefaultLogin, Postgres, SecretSource, Settings};

#[derive(Arbitrary, Debug)]
enum Op {
    Connected,
    ClientLost,
    Gap,
    /// Any bytes.
    Client(Vec<u8>),
    Dropped(Vec<u8>),
    Server {
        skipped: bool,
        bytes: Vec<u8>,
    },
    Online {
        skipped: u8,
        bytes: Vec<u8>,
    },
    /// A message, which gets further than any bytes do.
    Message {
        kind: u8,
        name: bool,
        text: Text,
        more: Vec<u8>,
        dropped: bool,
    },
    Startup,
    Answer(Answer),
    /// Many rows, of which the middle is not there, and perhaps an end.
    LongAnswer(u8, Option<Answer>),
    /// The end of the login online, with the key.
    OnlineKey,
    /// Another connection's statement is cancelled: perhaps this one's.
    Cancel,
    Time(u8),
}

#[derive(Arbitrary, Debug, Clone)]
enum Text {
    Begin,
    Commit,
    RollbackTo,
    Set,
    SetConfig,
    Reset,
    Temporary,
    Lock,
    Copy,
    Any(String),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Answer {
    Trust,
    Cleartext,
    Md5,
    Sasl,
    Ready(u8),
    Error(bool),
    Parsed,
    Done,
    CopyIn,
}

const KINDS: &[u8] = b"QPBDECSHFdcfpX";

impl Text {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Begin => b"BEGIN",
            Self::Commit => b"COMMIT",
            Self::RollbackTo => b"ROLLBACK TO s",
            Self::Set => b"SET a.b = 1; LISTEN c",
            Self::SetConfig => b"SELECT set_config($1, $2, false)",
            Self::Reset => b"DISCARD ALL",
            Self::Temporary => b"CREATE TEMP TABLE t (x int)",
            Self::Lock => b"SELECT pg_advisory_lock(1)",
            Self::Copy => b"COPY t FROM STDIN",
            Self::Any(text) => text.as_bytes(),
        }
    }
}

impl Answer {
    fn bytes(self) -> Vec<u8> {
        let request = |code: u8, rest: &[u8]| {
            let length = 8 + rest.len() as u8;
            [&[b'R', 0, 0, 0, length, 0, 0, 0, code][..], rest].concat()
        };
        match self {
            Self::Trust => [request(0, b""), b"Z\0\0\0\x05I".to_vec()].concat(),
            Self::Cleartext => request(3, b""),
            Self::Md5 => request(5, b"salt"),
            Self::Sasl => request(10, b"SCRAM-SHA-256\0\0"),
            Self::Ready(status) => [&b"Z\0\0\0\x05"[..], &[b"ITE"[usize::from(status) % 3]]].concat(),
            Self::Error(true) => b"E\0\0\0\x13SFATAL\0C53300\0\0".to_vec(),
            Self::Error(false) => b"E\0\0\0\x0cC42601\0\0".to_vec(),
            Self::Parsed => b"1\0\0\0\x042\0\0\0\x04".to_vec(),
            Self::Done => b"C\0\0\0\x0bCOMMIT\0".to_vec(),
            Self::CopyIn => b"G\0\0\0\x07\0\0\0".to_vec(),
        }
    }
}

/// The end of a login online.
const ONLINE: &[u8] = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x07keysZ\0\0\0\x05I";

const CANCEL: &[u8] = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07keys";

fn rows(count: u8) -> Vec<u8> {
    b"D\0\0\0\x0f\0\x01\0\0\0\x05hello".repeat(usize::from(count))
}

fn message(kind: u8, name: bool, text: &Text, more: &[u8]) -> Vec<u8> {
    let kind = KINDS[usize::from(kind) % KINDS.len()];
    let name: &[u8] = if name { b"s\0" } else { b"\0" };
    let body = match kind {
        b'Q' | b'f' => [text.bytes(), b"\0"].concat(),
        b'P' => [name, text.bytes(), b"\0\0\0"].concat(),
        b'B' => [b"\0", name, b"\0\0\0\0\0\0"].concat(),
        b'D' | b'C' => [b"S", name].concat(),
        b'E' => b"\0\0\0\0\0".to_vec(),
        b'd' | b'F' | b'p' => more.to_vec(),
        _ => Vec::new(),
    };
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), &body].concat()
}

/// What a session may allocate besides the bytes that the engine holds for it.
const MEMORY_MAX: usize = 4 << 20;

fn handle(driver: &mut Driver, other: &mut Driver, op: Op) {
    match op {
        Op::Connected => drop(driver.connected()),
        Op::ClientLost => driver.drop_client(&[]),
        Op::Gap => driver.gap(),
        Op::Client(bytes) => drop(driver.client(&bytes)),
        Op::Dropped(bytes) => driver.drop_client(&bytes),
        Op::Server { skipped, bytes } => {
            driver.skip_answer(skipped.into());
            driver.answer(&bytes);
        }
        Op::Online { skipped, bytes } => drop(driver.online(skipped.into(), &bytes)),
        Op::Message { kind, name, text, more, dropped } => {
            let message = message(kind, name, &text, &more);
            if dropped { driver.drop_client(&message) } else { drop(driver.client(&message)) }
        }
        Op::Startup => drop(driver.client(b"\0\0\0\x12\0\x03\0\0user\0app\0\0")),
        Op::Answer(answer) => drop(driver.answer(&answer.bytes())),
        Op::LongAnswer(count, end) => {
            let end = end.map_or_else(Vec::new, Answer::bytes);
            driver.answer(&[rows(count), end].concat());
        }
        Op::OnlineKey => drop(driver.online(0, ONLINE)),
        Op::Cancel => drop(other.client(CANCEL)),
        Op::Time(ms) => {
            let time = Duration::from_millis(ms.into());
            driver.pass_time(time);
            other.pass_time(time);
        }
    }
    if driver.refused > 0 {
        driver.refused = 0;
        driver.drop_client(&[]);
    }
    assert!(driver.module().memory() < MEMORY_MAX);
}

#[derive(Arbitrary, Debug)]
struct Input {
    from_start: bool,
    known: bool,
    ops: Vec<Op>,
}

fuzz_target!(|input: Input| {
    let mut settings = Settings { allow_clear: true, ..Settings::default() };
    if input.known {
        settings.users.insert("app".to_owned(), SecretSource::Plain("secret".to_owned().into()));
        let user = "app".to_owned();
        settings.default = Some(DefaultLogin { user, password: None, database: String::new() });
    }
    let end = |port| Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let flow = Flow { client: end(40_000), server: end(5432) };
    let postgres = Postgres::new(&settings).expect("no password comes from elsewhere");
    let mut driver = Driver::new(postgres.module(&flow, input.from_start));
    let mut other = Driver::new(postgres.module(&flow, true));
    other.connected();
    for op in input.ops {
        handle(&mut driver, &mut other, op);
    }
});
