//! A MySQL session under arbitrary bytes of the client, of the test server and of the online server: no panic, no more
//! taken than there is, memory within its bound, and what is counted is no more than what was said.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use common_core::flow::{Endpoint, Flow};
use module_kit::{Action, Actions, Missing, Module, Protocol, ServerData};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tcpcopy_mysql::{Mysql, SecretSource, Settings};

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
            Self::Native => b"mysql_native_password\0",
            Self::CachingSha2 => b"caching_sha2_password\0",
            Self::Sha256 => b"sha256_password\0",
            Self::Ed25519 => b"client_ed25519\0",
            Self::Clear => b"mysql_clear_password\0",
            Self::Other => b"dialog\0",
        }
    }
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    [&length.to_le_bytes()[..3], &[sequence], payload].concat()
}

fn greeting(mariadb: bool, method: Method) -> Vec<u8> {
    let mut payload = b"\x0a9.7.4\0\x2a\0\0\0nonce678\0\xff\xff\x21\x02\0\xff\xdf\x15".to_vec();
    payload.extend_from_slice(&[0; 6]);
    payload.extend_from_slice(if mariadb { &[0xff, 0, 0, 0] } else { &[0; 4] });
    payload.extend_from_slice(b"901234567890\0");
    payload.extend_from_slice(method.name());
    if mariadb {
        payload[20] &= 0xfe;
    }
    packet(0, &payload)
}

struct Driven {
    module: Box<dyn Module>,
    held: Vec<u8>,
    said: usize,
    failed: bool,
}

/// What a session may allocate besides what the engine holds for it.
const MEMORY_MAX: usize = 8 << 20;

impl Driven {
    fn call(&mut self, call: impl FnOnce(&mut dyn Module, &[u8], &mut Actions)) {
        if self.failed {
            return;
        }
        let mut actions = Actions::new();
        call(&mut *self.module, &self.held, &mut actions);
        let (mut taken, mut refused) = (0, false);
        for action in actions.list() {
            match action {
                Action::Pass(bytes) | Action::Replace(bytes) | Action::LeaveOut(bytes, _) => taken += bytes,
                Action::Send(range) => assert!(range.end <= actions.own_bytes().len()),
                Action::Answers(_) | Action::Ready | Action::Answered => {}
                Action::Refused => {
                    refused = true;
                    break;
                }
                Action::Fail(_) => {
                    self.failed = true;
                    return;
                }
            }
        }
        assert!(taken <= self.held.len(), "taken {taken} of {}", self.held.len());
        self.held.drain(..taken);
        if refused {
            self.lost();
        }
        assert!(self.module.memory() < MEMORY_MAX);
    }

    fn lost(&mut self) {
        let held = std::mem::take(&mut self.held);
        if !self.failed {
            self.module.missed(if held.is_empty() { Missing::Uncaptured } else { Missing::Dropped(&held) });
        }
    }

    fn client(&mut self, bytes: &[u8]) {
        self.said += bytes.len();
        self.held.extend_from_slice(bytes);
    }

    fn server(&mut self, online: bool, skipped: u8, bytes: &[u8]) {
        self.call(|module, _, actions| match online {
            true => {
                module.missed(Missing::OnlineServer(u64::from(skipped)));
                if let Some(online) = module.online() {
                    online.answer(bytes, actions);
                }
            }
            false => {
                module.missed(Missing::TestServer(u64::from(skipped)));
                module.answer(ServerData { bytes, acks_all: bytes.len() % 2 == 0 }, actions);
            }
        });
    }

    fn handle(&mut self, op: Op) {
        match op {
            Op::Connected => self.call(|module, _, actions| { let _ = module.connected(actions); }),
            Op::ClientLost => {
                self.lost();
            }
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
                self.server(false, 0, &packet(sequence, &[&[0xfe], method.name(), &nonce].concat()));
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
                let mut payload = vec![0];
                payload.extend_from_slice(&(id % 8).to_le_bytes());
                payload.extend_from_slice(&[columns, 0, parameters, 0, 0, 0, 0]);
                self.server(online, 0, &packet(1, &payload));
            }
            Op::LoggedIn => {
                self.call(|module, _, actions| { let _ = module.connected(actions); });
                self.server(false, 0, &greeting(false, Method::Native));
                self.offer();
                self.server(false, 0, &packet(2, &[0, 0, 0, 2, 0, 0, 0]));
            }
        }
        self.offer();
    }

    /// As long as something is held, the module is asked at every event.
    fn offer(&mut self) {
        if !self.held.is_empty() {
            self.call(|module, held, actions| module.client(held, actions));
        }
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
    let mut driven = Driven { module, held: Vec::new(), said: 0, failed: false };
    for op in input.ops {
        driven.handle(op);
    }
    let said = driven.said;
    drop(driven);
    for group in protocol.report().groups {
        let counted: u64 = group.counters.iter().map(|(_, count)| count).sum();
        if group.name == "commands" || group.name == "left_out" {
            assert!(counted <= said as u64, "{}: {counted} in {said} bytes", group.name);
        }
    }
});
