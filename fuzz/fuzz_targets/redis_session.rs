//! A Redis session under arbitrary bytes of the client, of the test server and of the online server: no panic, no rule of
//! the trait broken, memory within its bound, and no more commands counted than were sent.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use module_kit::testing::Driver;
use module_kit::{Endpoint, Flow, OnlineService, Protocol};
use tcpcopy_redis::{OnlineServer, Redis, SecretSource, Settings};

#[derive(Arbitrary, Debug)]
enum Op {
    Connected,
    ClientLost,
    /// Any bytes.
    Client(Vec<u8>),
    ServerSegment {
        skipped: u8,
        bytes: Vec<u8>,
    },
    Online(Vec<u8>),
    /// A command, which gets further than any bytes do.
    Command {
        name: u8,
        argument: Word,
        rest: Vec<Vec<u8>>,
    },
    Reply(Line),
    Error {
        online: bool,
        line: Line,
    },
    /// The answer to the last mark.
    Mark,
    /// The online server is queried, and answers this.
    Asked {
        database: u8,
        more: Vec<u8>,
    },
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Word {
    Zero,
    Three,
    Many,
    On,
    Off,
    Skip,
    Reply,
    SetName,
    Tracking,
    Auth,
    App,
    Block,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Line {
    Ok,
    OutOfRange,
    WrongPassword,
    NoAuth,
    NoPermission,
    UnknownCommand,
    Loading,
    Map,
    Push,
}

const NAMES: [&str; 24] = [
    "SET", "GET", "AUTH", "HELLO", "SELECT", "CLIENT", "READONLY", "READWRITE", "ASKING", "SUBSCRIBE", "PSUBSCRIBE",
    "SSUBSCRIBE", "UNSUBSCRIBE", "MONITOR", "RESET", "WATCH", "UNWATCH", "MULTI", "EXEC", "DISCARD", "QUIT", "BLPOP",
    "XREAD", "PING",
];

impl Word {
    fn text(self) -> &'static [u8] {
        match self {
            Self::Zero => b"0",
            Self::Three => b"3",
            Self::Many => b"4294967296",
            Self::On => b"ON",
            Self::Off => b"OFF",
            Self::Skip => b"SKIP",
            Self::Reply => b"REPLY",
            Self::SetName => b"SETNAME",
            Self::Tracking => b"TRACKING",
            Self::Auth => b"AUTH",
            Self::App => b"app",
            Self::Block => b"BLOCK",
        }
    }
}

impl Line {
    fn text(self) -> &'static [u8] {
        match self {
            Self::Ok => b"+OK\r\n",
            Self::OutOfRange => b"-ERR DB index is out of range\r\n",
            Self::WrongPassword => b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
            Self::NoAuth => b"-NOAUTH Authentication required.\r\n",
            Self::NoPermission => b"-NOPERM this user has no permissions to run the 'ping' command\r\n",
            Self::UnknownCommand => b"-ERR unknown command 'HELLO'\r\n",
            Self::Loading => b"-LOADING Redis is loading the dataset in memory\r\n",
            Self::Map => b"%1\r\n$6\r\nserver\r\n*2\r\n:1\r\n$-1\r\n",
            Self::Push => b">2\r\n+message\r\n$1\r\nx\r\n",
        }
    }
}

fn resp(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

struct Driven {
    driver: Driver,
    said: usize,
}

/// What a session may allocate besides the bytes that the engine holds for it.
const MEMORY_MAX: usize = 1 << 20;

impl Driven {
    fn client(&mut self, bytes: &[u8]) {
        self.said += bytes.len();
        self.driver.client(bytes);
    }

    fn answer(&mut self, skipped: u8, bytes: &[u8]) {
        self.driver.skip_answer(skipped.into());
        if bytes.len() % 2 == 0 { self.driver.answer(bytes) } else { self.driver.early_answer(bytes) };
    }

    /// The answer to the last mark that was sent.
    fn mark(&mut self) {
        let sent = &self.driver.sent;
        let Some(at) = sent.windows(8).rposition(|window| window == b"tcpcopy:") else { return };
        let end = sent[at..].iter().position(|byte| *byte == b'\r').unwrap_or_default();
        let mark = sent[at..at + end].to_vec();
        let answer = [format!("${}\r\n", mark.len()).as_bytes(), &mark, b"\r\n"].concat();
        self.answer(0, &answer);
    }

    fn handle(&mut self, op: Op, redis: &Redis) {
        match op {
            Op::Connected => {
                self.driver.sent.clear();
                self.driver.connected();
            }
            Op::ClientLost => self.driver.drop_client(&[]),
            Op::Client(bytes) => self.client(&bytes),
            Op::Command { name, argument, rest } => {
                let name = NAMES[usize::from(name) % NAMES.len()];
                let mut words = vec![name.as_bytes(), argument.text()];
                words.extend(rest.iter().map(|word| &word[..]));
                self.client(&resp(&words));
            }
            Op::ServerSegment { skipped, bytes } => self.answer(skipped, &bytes),
            Op::Online(bytes) => drop(self.driver.online(1, &bytes)),
            Op::Reply(line) => self.answer(0, line.text()),
            Op::Error { online: true, line } => drop(self.driver.online(1, line.text())),
            Op::Error { online: false, line } => self.answer(0, line.text()),
            Op::Mark => self.mark(),
            Op::Asked { database, more } => self.asked(database, &more, redis),
        }
        if self.driver.refused > 0 {
            self.driver.refused = 0;
            self.driver.drop_client(&[]);
        }
        assert!(self.driver.module().memory() < MEMORY_MAX);
    }

    fn asked(&mut self, database: u8, more: &[u8], redis: &Redis) {
        let Some(query) = redis.query() else { return };
        let question = query.questions().begin();
        let mut conversation = query.begin(question);
        if conversation.receive(b"+PONG\r\n") != Ok(false) {
            return;
        }
        let list = format!("id=1 addr=127.0.0.1:40000 flags=N db={database} sub=0 psub=0 multi=-1 user=app resp=3 ");
        let list = [list.as_bytes(), more, b"\n"].concat();
        let reply = [format!("${}\r\n", list.len()).as_bytes(), &list, b"\r\n"].concat();
        if conversation.receive(&reply) == Ok(true) {
            query.questions().set_answered(question);
            self.driver.queried(question);
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Input {
    from_start: bool,
    known: bool,
    asks: bool,
    ops: Vec<Op>,
}

fuzz_target!(|input: Input| {
    let mut settings = Settings::default();
    if input.known {
        settings.users.insert("app".to_owned(), SecretSource::Plain("secret".to_owned().into()));
    }
    let end = |port| Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let flow = Flow { client: end(40_000), server: end(6379) };
    let online = OnlineServer::default();
    let redis = Redis::new(&settings)
        .and_then(|redis| redis.for_service(input.asks.then_some(&online), flow.server))
        .expect("no password comes from elsewhere");
    let module = redis.module(&flow, input.from_start);
    let mut driven = Driven { driver: Driver::new(module), said: 0 };
    for op in input.ops {
        driven.handle(op, &redis);
    }
    let said = driven.said;
    drop(driven);
    for group in redis.report().groups {
        let counted: u64 = group.counters.iter().map(|(_, count)| count).sum();
        if group.name == "commands_left_out" {
            assert!(counted <= said as u64, "{}: {counted} in {said} bytes", group.name);
        }
    }
});
