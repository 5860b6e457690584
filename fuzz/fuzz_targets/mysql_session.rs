//! A MySQL session under arbitrary bytes of the client, of the test server and of the online server: no panic, no rule of
//! the trait broken, memory within its bound, and no more counted than was sent.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use module_kit::testing::Driver;
use module_kit::{Endpoint, Flow, Protocol};
use tcpcopy_mysql::{Mysql, SecretSource, Settings};

#[path = "../../modules/mysql/tests/sessions/support/packets.rs"]
mod packets;

use packets::{greeting_with, packet, prepared_as};

#[derive(Arbitrary, Debug)]
enum Op {
    Connected,
    ClientLost,
    /// Whatever bytes.
    Client(Vec<u8>),
    ServerSegment {
        skipped: u8,
        bytes: Vec<u8>,
    },
    Online {
        skipped: u8,
        bytes: Vec<u8>,
    },
    /// What gets further.
    ClientPacket {
        sequence: u8,
        payload: Vec<u8>,
    },
    Hello {
        capabilities: u32,
        rest: Vec<u8>,
    },
    Statement {
        command: Command,
        id: u32,
        rest: Vec<u8>,
    },
    Greeting {
        online: bool,
        mariadb: bool,
        method: Method,
    },
    AnswerPacket {
        online: bool,
        sequence: u8,
        payload: Vec<u8>,
    },
    Switch {
        sequence: u8,
        method: Method,
        nonce: [u8; 21],
    },
    Ok {
        online: bool,
        sequence: u8,
        status: u16,
    },
    Error {
        sequence: u8,
        code: u16,
    },
    Prepared {
        online: bool,
        id: u32,
        columns: u8,
        parameters: u8,
    },
    LoggedIn,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Command {
    Query,
    Prepare,
    Execute,
    LongData,
    Close,
    Reset,
    Fetch,
    ChangeUser,
    ResetConnection,
    ProcessKill,
    Bulk,
    InitDb,
    Use,
    Ping,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Method {
    Native,
    CachingSha2,
    Sha256,
    Ed25519,
    Clear,
    Other,
}

impl Command {
    fn byte(self) -> u8 {
        match self {
            Self::InitDb => 0x02,
            Self::Query | Self::Use => 0x03,
            Self::Prepare => 0x16,
            Self::Execute => 0x17,
            Self::LongData => 0x18,
            Self::Close => 0x19,
            Self::Reset => 0x1A,
            Self::Fetch => 0x1C,
            Self::ChangeUser => 0x11,
            Self::ResetConnection => 0x1F,
            Self::ProcessKill => 0x0C,
            Self::Bulk => 0xFA,
            Self::Ping => 0x0E,
        }
    }

    fn names_statement(self) -> bool {
        matches!(self, Self::Execute | Self::LongData | Self::Close | Self::Reset | Self::Fetch | Self::Bulk)
    }
}

impl Method {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Native => b"mysql_native_password",
            Self::CachingSha2 => b"caching_sha2_password",
            Self::Sha256 => b"sha256_password",
            Self::Ed25519 => b"client_ed25519",
            Self::Clear => b"mysql_clear_password",
            Self::Other => b"dialog",
        }
    }
}

fn greeting(mariadb: bool, method: Method) -> Vec<u8> {
    let (capabilities, extended) = if mariadb { (0xdfff_fffe, 0xff) } else { (0xdfff_ffff, 0) };
    greeting_with(42, capabilities, extended, method.name())
}

struct Driven {
    driver: Driver,
    sent: usize,
}

/// What a session may allocate besides what the engine holds for it.
const MEMORY_MAX: usize = 8 << 20;

impl Driven {
    fn client(&mut self, bytes: &[u8]) {
        self.sent += bytes.len();
        self.driver.client(bytes);
    }

    fn server(&mut self, online: bool, skipped: u8, bytes: &[u8]) {
        let skipped = u64::from(skipped);
        if online {
            self.driver.online(skipped, bytes);
        } else {
            self.driver.skip_answer(skipped);
            match bytes.len() % 2 {
                0 => self.driver.answer(bytes),
                _ => self.driver.early_answer(bytes),
            };
        }
    }

    fn handle(&mut self, op: Op) {
        match op {
            Op::Connected => drop(self.driver.connected()),
            Op::ClientLost => self.driver.drop_client(&[]),
            Op::Client(bytes) => self.client(&bytes),
            Op::ClientPacket { sequence, payload } => self.client(&packet(sequence, &payload)),
            Op::Hello { capabilities, rest } => {
                let capabilities = (capabilities | 0x0000_0200) & !0x0000_0800;
                let fixed = [&capabilities.to_le_bytes()[..], &[0; 28], b"app\0", &rest].concat();
                self.client(&packet(1, &fixed));
            }
            Op::Statement { command, id, rest } => {
                let mut payload = vec![command.byte()];
                if command.names_statement() {
                    // MariaDB's name for the last is among them.
                    let id = if id % 9 == 8 { u32::MAX } else { id % 9 };
                    payload.extend_from_slice(&id.to_le_bytes());
                }
                if let Command::Use = command {
                    payload.extend_from_slice(b"USE ");
                }
                payload.extend_from_slice(&rest);
                self.client(&packet(0, &payload));
            }
            Op::ServerSegment { skipped, bytes } => self.server(false, skipped, &bytes),
            Op::Online { skipped, bytes } => self.server(true, skipped, &bytes),
            Op::Greeting { online, mariadb, method } => self.server(online, 0, &greeting(mariadb, method)),
            Op::AnswerPacket { online, sequence, payload } => {
                self.server(online, 0, &packet(sequence, &payload));
            }
            Op::Switch { sequence, method, nonce } => {
                self.server(false, 0, &packet(sequence, &[&[0xfe], method.name(), b"\0", &nonce].concat()));
            }
            Op::Ok { online, sequence, status } => {
                let [low, high] = status.to_le_bytes();
                self.server(online, 0, &packet(sequence, &[0, 0, 0, low, high, 0, 0]));
            }
            Op::Error { sequence, code } => {
                let [low, high] = code.to_le_bytes();
                self.server(false, 0, &packet(sequence, &[&[0xff, low, high], &b"#HY000no"[..]].concat()));
            }
            Op::Prepared { online, id, columns, parameters } => {
                self.server(online, 0, &prepared_as(id % 8, columns, parameters));
            }
            Op::LoggedIn => {
                self.driver.connected();
                self.server(false, 0, &greeting(false, Method::Native));
                self.server(false, 0, &packet(2, &[0, 0, 0, 2, 0, 0, 0]));
            }
        }
        assert!(self.driver.module().memory() < MEMORY_MAX);
    }
}

#[derive(Arbitrary, Debug)]
struct Input {
    from_start: bool,
    known: bool,
    allow_clear: bool,
    ops: Vec<Op>,
}

fuzz_target!(|input: Input| {
    let mut settings = Settings { allow_clear: input.allow_clear, ..Settings::default() };
    if input.known {
        settings.users.insert("*".to_owned(), SecretSource::Plain("secret".to_owned().into()));
    }
    settings.default = Some(tcpcopy_mysql::DefaultLogin {
        user: "app".to_owned(),
        password: None,
        database: "shop".to_owned(),
    });
    let protocol = Mysql::new(&settings).expect("no password comes from elsewhere");
    let end = |port| Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let flow = Flow { client: end(40_000), server: end(3306) };
    let module = protocol.module(&flow, input.from_start);
    let mut driven = Driven { driver: Driver::new(module), sent: 0 };
    for op in input.ops {
        driven.handle(op);
    }
    let sent = driven.sent;
    drop(driven);
    for group in protocol.report().groups {
        let counted: u64 = group.counters.iter().map(|(_, count)| count).sum();
        if group.name == "commands" || group.name == "left_out" {
            assert!(counted <= sent as u64, "{}: {counted} in {sent} bytes", group.name);
        }
    }
});
