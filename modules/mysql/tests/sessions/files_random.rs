//! Random sessions with LOAD DATA LOCAL: either server may refuse a file, the test server answers late, bytes come in pieces,
//! and connections break. The test server executes what the client has said, in order, and nothing of a file.

use std::collections::VecDeque;
use std::time::Duration;

use crate::support::*;

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

/// The beginning of each block of a file: it must not be executed.
const EVIL: &[u8] = b"\x03EVIL";

/// What the test server expects next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Command,
    /// A packet of a file, with this sequence id.
    File(u8),
}

struct Server {
    input: Vec<u8>,
    mode: Mode,
    /// LOADs that the present command has still to execute, and the sequence id of the next answer.
    loads: usize,
    sequence: u8,
    refuses: bool,
    executed: Vec<String>,
    /// Each with what the server had received when it sent it.
    answers: VecDeque<(usize, Vec<u8>)>,
    received: usize,
}

impl Server {
    fn new() -> Self {
        Self {
            input: Vec::new(),
            mode: Mode::Command,
            loads: 0,
            sequence: 1,
            refuses: false,
            executed: Vec::new(),
            answers: VecDeque::new(),
            received: 0,
        }
    }

    fn push(&mut self, answer: Vec<u8>) {
        self.answers.push_back((self.received, answer));
    }

    fn disconnect(&mut self) {
        self.input.clear();
        self.answers.clear();
        self.mode = Mode::Command;
    }

    fn receive(&mut self, bytes: &[u8], rng: &mut Rng) {
        self.input.extend_from_slice(bytes);
        self.received += bytes.len();
        while let Some(&[low, middle, high, sequence]) = self.input.first_chunk::<4>() {
            let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
            if self.input.len() < 4 + length {
                return;
            }
            let payload: Vec<u8> = self.input.drain(..4 + length).skip(4).collect();
            match self.mode {
                Mode::Command => {
                    assert_eq!(sequence, 0, "a command");
                    let text = String::from_utf8_lossy(&payload[1..]).into_owned();
                    self.loads = text.matches("LOAD").count();
                    self.executed.push(text);
                    // Rows of a SELECT before the files.
                    self.sequence = if self.loads > 1 { rng.below(256) as u8 } else { 1 };
                    self.refuses = rng.chance(30);
                    if self.loads > 1 {
                        self.push(packet(1, b"\x01"));
                    }
                    self.go_on();
                }
                Mode::File(expected) => {
                    assert_eq!(sequence, expected, "packets out of order");
                    self.sequence = sequence.wrapping_add(1);
                    self.mode = Mode::File(self.sequence);
                    if payload.is_empty() {
                        self.mode = Mode::Command;
                        self.push(ok(self.sequence, if self.loads > 0 { 8 } else { 0 }));
                        self.sequence = self.sequence.wrapping_add(1);
                        self.go_on();
                    } else {
                        assert!(payload.starts_with(EVIL), "a command is taken for a file: {payload:?}");
                    }
                }
            }
        }
    }

    /// The next statement of the present command.
    fn go_on(&mut self) {
        if self.loads == 0 {
            if self.executed.last().is_some_and(|text| !text.contains("LOAD")) {
                self.push(ok(self.sequence, 0));
            }
            return;
        }
        if self.refuses {
            self.loads = 0;
            self.push(packet(self.sequence, b"\xff\x46\x10#HY000no local files"));
            return;
        }
        self.loads -= 1;
        self.push(packet(self.sequence, b"\xfb/f"));
        self.mode = Mode::File(self.sequence.wrapping_add(1));
    }
}

struct Play {
    run: Run,
    server: Server,
    rng: Rng,
    has_faults: bool,
    faults: usize,
}

impl Play {
    fn connect(&mut self) {
        self.server.disconnect();
        self.run.driven.connected();
        self.run.driven.answer(&greeting(USUAL | LOCAL_FILES));
        let sent = self.run.driven.answer(&ok(2, 0));
        self.sent(&sent);
    }

    fn sent(&mut self, bytes: &[u8]) {
        self.server.receive(bytes, &mut self.rng);
        while self.rng.chance(60) && self.answer() {}
    }

    fn answer(&mut self) -> bool {
        let Some((received, answer)) = self.server.answers.pop_front() else { return false };
        let is_late = received < self.server.received;
        let sent = match is_late {
            true => self.run.driven.early_answer(&answer),
            false => self.run.driven.answer(&answer),
        };
        self.server.receive(&sent, &mut self.rng);
        true
    }

    /// A turn of the client, which may meet with a fault.
    fn turn(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        let mut is_lost = false;
        while !rest.is_empty() {
            if self.has_faults && self.rng.chance(5) {
                self.faults += 1;
                match self.rng.below(3) {
                    0 => self.connect(),
                    1 => {
                        self.run.driven.drop_client(rest);
                        self.connect();
                        return;
                    }
                    // The rest of a turn behind a gap is skipped.
                    _ => is_lost = true,
                }
            }
            if is_lost {
                self.run.driven.gap();
                return self.connect();
            }
            let length = 1 + self.rng.below(rest.len().min(9000));
            let sent = self.run.driven.client(&rest[..length]);
            self.sent(&sent);
            rest = &rest[length..];
        }
    }

    fn load(&mut self, number: usize) {
        let several = self.rng.chance(30);
        let load = "LOAD DATA LOCAL INFILE '/f' INTO TABLE t";
        let text =
            if several { format!("SELECT {number};{load};{load}") } else { format!("{load} -- {number}") };
        let refused = self.rng.chance(30);
        // In one turn with the next command, if the client does not wait.
        self.turn(&query(&text));
        if refused {
            return;
        }
        let mut request = if several { self.rng.below(256) as u8 } else { 1 };
        for _ in 0..=usize::from(several) {
            if self.rng.chance(80) || request == 255 {
                self.run.driven.online(100, &packet(request, b"\xfb/f"));
            }
            let packets = self.rng.below(600);
            let mut file = Vec::new();
            for at in 0..packets {
                let block = [EVIL, &vec![b'x'; self.rng.below(30)]].concat();
                file.extend(packet(request.wrapping_add(1).wrapping_add(at as u8), &block));
            }
            file.extend(packet(request.wrapping_add(1).wrapping_add(packets as u8), b""));
            self.turn(&file);
            request = request.wrapping_add(packets as u8).wrapping_add(3);
        }
    }
}

fn play(seed: u64, has_faults: bool) {
    let run = Run::logged_in(USUAL | LOCAL_FILES, USUAL | LOCAL_FILES);
    let mut play = Play { run, server: Server::new(), rng: Rng(seed | 1 << 40), has_faults, faults: 0 };
    let mut said = Vec::new();
    for number in 0..12 {
        if play.rng.chance(50) {
            play.load(number);
        } else {
            let text = format!("DO {number}");
            play.turn(&query(&text));
            said.push(text);
        }
    }
    for _ in 0..100 {
        play.answer();
        let sent = play.run.driven.pass_time(Duration::from_millis(100));
        play.sent(&sent);
    }
    assert_eq!(play.run.driven.failure, None, "seed {seed}");
    let executed: Vec<&String> = play.server.executed.iter().filter(|text| !text.contains("LOAD")).collect();
    assert!(executed.iter().all(|text| text.starts_with("DO ")), "seed {seed}: {executed:?}");
    if play.faults == 0 {
        assert_eq!(executed, said.iter().collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(play.run.count("left_out", "out_of_step"), 0, "seed {seed}");
    } else {
        let mut rest = said.iter();
        assert!(
            executed.iter().all(|text| rest.any(|it| it == *text)),
            "seed {seed}: {executed:?} of {said:?}"
        );
    }
}

#[test]
fn every_file_goes_where_it_is_wanted() {
    for seed in 1..200 {
        play(seed, false);
    }
}

#[test]
fn nothing_of_a_file_is_executed_whatever_breaks() {
    for seed in 1..400 {
        play(seed, true);
    }
}
