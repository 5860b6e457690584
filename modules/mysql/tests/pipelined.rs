//! Clients that do not wait for answers, and a test server whose answers are longer than the online server's and come in
//! segments that begin anywhere: the session stays in step. Seeds and all, so a failure can be had again.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod driver;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use common_core::flow::{Endpoint, Flow};
use module_kit::Protocol;
use tcpcopy_mysql::{Mysql, Settings};

use crate::driver::Driven;

/// Marsaglia's xorshift.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    [&length.to_le_bytes()[..3], &[sequence], payload].concat()
}

const CAPABILITIES: u32 = 0x000f_a200;

/// CLIENT_MYSQL: not MariaDB.
const MYSQL: u32 = 1;

fn hello() -> Vec<u8> {
    let fixed = [&(CAPABILITIES | MYSQL).to_le_bytes()[..], &[0, 0, 0, 1, 45], &[0; 23]].concat();
    packet(1, &[&fixed[..], b"app\0\0mysql_native_password\0"].concat())
}

fn greeting(mysql: bool) -> Vec<u8> {
    let [a, b, c, d] = (CAPABILITIES | if mysql { MYSQL } else { 0 }).to_le_bytes();
    let mut payload = b"\x0a9.7.4\0\x2a\0\0\0nonce678\0".to_vec();
    payload.extend_from_slice(&[a, b, 0x21, 2, 0, c, d, 0x15]);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"901234567890\0mysql_native_password\0");
    packet(0, &payload)
}

/// What a client says, as it means it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// A result of so many rows, or of none: OK.
    Query {
        rows: usize,
    },
    Wrong,
    Prepare {
        name: usize,
        fails: bool,
    },
    Execute {
        name: usize,
    },
    Close {
        name: usize,
    },
}

impl Said {
    fn bytes(&self, ids: &BTreeMap<usize, u32>) -> Vec<u8> {
        // What is executed in the same breath that prepares it has no id yet: MariaDB calls it the last prepared.
        let with_id = |command: u8, name: &usize, rest: &[u8]| {
            [&[command], &ids.get(name).unwrap_or(&u32::MAX).to_le_bytes()[..], rest].concat()
        };
        packet(
            0,
            &match self {
                Self::Query { rows } => format!("\x03rows {rows}").into_bytes(),
                Self::Wrong => b"\x03wrong".to_vec(),
                Self::Prepare { name, fails } => format!("\x16{name} {fails}").into_bytes(),
                Self::Execute { name } => with_id(0x17, name, &[0, 1, 0, 0, 0]),
                Self::Close { name } => with_id(0x19, name, &[]),
            },
        )
    }
}

/// A server that notes what it is told.
struct Server {
    input: Vec<u8>,
    logged_in: bool,
    next_id: u32,
    names: BTreeMap<u32, usize>,
    /// It has a name for the statement prepared last.
    mariadb: bool,
    said: Vec<Said>,
    /// Answers, each written at once.
    writes: VecDeque<Vec<u8>>,
}

impl Server {
    fn new(mysql: bool, first_id: u32) -> Self {
        let writes = VecDeque::from([greeting(mysql)]);
        Self {
            input: Vec::new(),
            logged_in: false,
            next_id: first_id,
            names: BTreeMap::new(),
            mariadb: !mysql,
            said: Vec::new(),
            writes,
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while self.input.len() >= 4 {
            let length = u32::from_le_bytes([self.input[0], self.input[1], self.input[2], 0]) as usize;
            if self.input.len() < 4 + length {
                return;
            }
            let payload: Vec<u8> = self.input.drain(..4 + length).skip(4).collect();
            if !std::mem::replace(&mut self.logged_in, true) {
                self.writes.push_back(packet(2, &[0, 0, 0, 2, 0, 0, 0]));
                continue;
            }
            self.command(&payload);
        }
    }

    fn command(&mut self, payload: &[u8]) {
        let text = || String::from_utf8(payload[1..].to_vec()).unwrap();
        let named = |names: &BTreeMap<u32, usize>| {
            let id = u32::from_le_bytes(payload[1..5].try_into().unwrap());
            *names.get(&id).unwrap_or_else(|| panic!("there is no statement {id}"))
        };
        let said = match payload[0] {
            0x03 if text() == "wrong" => Said::Wrong,
            0x03 => Said::Query { rows: text()[5..].parse().unwrap() },
            0x16 => {
                let text = text();
                let (name, fails) = text.split_once(' ').unwrap();
                Said::Prepare { name: name.parse().unwrap(), fails: fails == "true" }
            }
            0x17 => Said::Execute { name: named(&self.names) },
            0x19 => Said::Close { name: named(&self.names) },
            other => panic!("a command that nobody said: {other}"),
        };
        let ok = || packet(1, &[0, 0, 0, 2, 0, 0, 0]);
        let error = || packet(1, b"\xff\x28\x04#42000wrong");
        match &said {
            Said::Query { rows: 0 } | Said::Execute { .. } => self.writes.push_back(ok()),
            Said::Query { rows } => self.writes.push_back(result(*rows)),
            Said::Wrong => self.writes.push_back(error()),
            Said::Prepare { name, fails } => {
                // A failed one takes an id, too.
                let id = self.next_id;
                self.next_id += 1;
                self.names.remove(&u32::MAX);
                if *fails {
                    self.writes.push_back(error());
                } else {
                    self.names.extend(
                        [Some(id), self.mariadb.then_some(u32::MAX)]
                            .into_iter()
                            .flatten()
                            .map(|id| (id, *name)),
                    );
                    self.writes.push_back(prepared(id));
                }
            }
            Said::Close { name } => self.names.retain(|_, it| it != name),
        }
        self.said.push(said);
    }
}

fn prepared(id: u32) -> Vec<u8> {
    packet(1, &[&[0][..], &id.to_le_bytes(), &[0; 7]].concat())
}

fn result(rows: usize) -> Vec<u8> {
    let mut bytes = packet(1, &[1]);
    bytes.extend(packet(2, b"the definition of a column"));
    bytes.extend(packet(3, b"\xfe\0\0\x02\0"));
    for row in 0..rows {
        bytes.extend(packet(4 + row as u8, &[&[60][..], &[b'r'; 60]].concat()));
    }
    bytes.extend(packet(4 + rows as u8, b"\xfe\0\0\x02\0"));
    bytes
}

struct Run {
    rng: Rng,
    driven: Driven,
    server: Server,
    /// Bytes of answers on their way.
    stream: VecDeque<u8>,
    /// The online server's answers: handed over while nothing is held, or before the next turn is due.
    kept: VecDeque<Vec<u8>>,
}

impl Run {
    /// The next segment of the test server: it ends where a write does, or anywhere.
    fn segment(&mut self) -> bool {
        while let Some(write) = self.server.writes.pop_front() {
            let ends_here = self.stream.is_empty() && self.rng.chance(70);
            self.stream.extend(write);
            if ends_here {
                break;
            }
        }
        let length = self.stream.len().min(1 + self.rng.below(1460));
        let segment: Vec<u8> = self.stream.drain(..length).collect();
        if segment.is_empty() {
            return false;
        }
        let sent = self.driven.answer(&segment);
        self.server.hear(&sent);
        if self.driven.held() == 0 {
            self.online();
        }
        true
    }

    fn online(&mut self) {
        for bytes in std::mem::take(&mut self.kept) {
            let sent = self.driven.online(200, &bytes);
            self.server.hear(&sent);
        }
    }

    fn client(&mut self, bytes: &[u8]) {
        let sent = self.driven.client(bytes);
        self.server.hear(&sent);
    }
}

/// What a client says in one breath; it executes what was prepared before that.
fn turn(rng: &mut Rng, known: &mut Vec<usize>, names: &mut usize) -> Vec<Said> {
    let mut said = Vec::new();
    let mut new = Vec::new();
    for _ in 0..=rng.below(6) {
        let direct = match said.last() {
            Some(Said::Prepare { name, fails: false }) if rng.chance(30) => Some(*name),
            _ => None,
        };
        said.push(match rng.below(8) {
            _ if direct.is_some() => Said::Execute { name: direct.unwrap() },
            0 | 1 => Said::Query { rows: 0 },
            2 => Said::Query { rows: 1 + rng.below(200) },
            3 => Said::Wrong,
            4 | 5 => {
                let (name, fails) = (*names, rng.chance(20));
                *names += 1;
                if !fails {
                    new.push(name);
                }
                Said::Prepare { name, fails }
            }
            6 if !known.is_empty() && rng.chance(20) => {
                Said::Close { name: known.swap_remove(rng.below(known.len())) }
            }
            _ if known.is_empty() => Said::Query { rows: 0 },
            _ => Said::Execute { name: known[rng.below(known.len())] },
        });
    }
    known.extend(new);
    said
}

/// Plays one session. Returns what was said, what the test server was told, and what was left out.
fn play(seed: u64, mysql: bool) -> (usize, usize, u64) {
    let protocol = Mysql::new(&Settings::default()).unwrap();
    let end = |port| Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let flow = Flow { client: end(40_000), server: end(3306) };
    let driven = Driven::new(protocol.module(&flow, true));
    let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let first = |rng: &mut Rng| if mysql { 1 } else { 1 + rng.below(90) as u32 };
    let mut next_online = first(&mut rng);
    let server = Server::new(mysql, first(&mut rng));
    let mut run = Run { rng, driven, server, stream: VecDeque::new(), kept: VecDeque::new() };
    run.driven.connected();
    run.driven.online(0, &greeting(mysql));
    run.client(&hello());
    run.driven.online(0, &packet(2, b"\0\0\0\x02\0\0\0"));
    while !run.driven.ready {
        assert!(run.segment(), "a login");
    }
    let (mut ids, mut known, mut names) = (BTreeMap::new(), Vec::new(), 0);
    let mut all = Vec::new();
    for _ in 0..10 {
        let turn = turn(&mut run.rng, &mut known, &mut names);
        let bytes: Vec<u8> = turn.iter().flat_map(|said| said.bytes(&ids)).collect();
        run.online();
        let cut = run.rng.below(bytes.len());
        run.client(&bytes[..cut]);
        run.client(&bytes[cut..]);
        // What the online server answers before the client says more; the beginnings that are captured.
        for said in &turn {
            let Said::Prepare { name, fails } = said else { continue };
            let id = next_online;
            next_online += 1;
            if *fails {
                run.kept.push_back(packet(1, b"\xff\x28\x04#42000wrong"));
            } else {
                ids.insert(*name, id);
                run.kept.push_back(prepared(id));
            }
        }
        all.extend(turn);
        if run.driven.held() == 0 {
            run.online();
        }
        // The next turn comes when it has as many bytes as the online server's answers had, or in vain.
        for _ in 0..run.rng.below(8) {
            run.segment();
        }
    }
    run.client(&Said::Query { rows: 0 }.bytes(&ids));
    all.push(Said::Query { rows: 0 });
    let mut idle = 0;
    while idle < 2 {
        // As any event of the session does, what comes late offers again what is held.
        idle = if run.segment() { 0 } else { idle + 1 };
        run.client(&[]);
    }
    assert_eq!((run.driven.failure, run.driven.held()), (None, 0), "all was dealt with");
    let mut told = run.server.said.iter();
    let mut missing = 0;
    let mut next = told.next();
    for said in &all {
        match next {
            Some(heard) if heard == said => next = told.next(),
            _ => {
                assert!(
                    matches!(said, Said::Execute { .. } | Said::Close { .. }),
                    "{said:?} is missing: {all:?}"
                );
                missing += 1;
            }
        }
    }
    assert_eq!(next, None, "nothing is told that was not said");
    (all.len(), missing, u64::try_from(run.driven.left_out).unwrap())
}

/// Plays so many sessions. Returns how many of a thousand commands were left out.
fn left_out(mysql: bool, seeds: std::ops::Range<u64>) -> usize {
    let (mut said, mut missing) = (0, 0);
    for seed in seeds {
        let result = std::panic::catch_unwind(|| play(seed, mysql));
        let Ok((of_session, of_it_missing, left_out)) = result else { panic!("seed {seed}, MySQL: {mysql}") };
        assert_eq!(of_it_missing > 0, left_out > 0, "what is missing is counted: seed {seed}");
        said += of_session;
        missing += of_it_missing;
    }
    println!("MySQL: {mysql}, {said} commands, {missing} left out");
    1000 * missing / said
}

#[test]
fn clients_that_do_not_wait_stay_in_step_with_mysql() {
    assert_eq!(left_out(true, 0..2000), 0);
}

/// Where a server's first id can be any, more is left out: what may be another statement is never executed.
#[test]
fn clients_that_do_not_wait_stay_in_step_with_mariadb() {
    assert!(left_out(false, 0..2000) < 100);
}
