//! What a client and a server say, as records: no panic, the same records however the bytes are cut, each record is read again as
//! it was written, and nothing that a client has sent to log in is in them.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use sqlreplay::decoding::{Settings, dialogue};
use sqlreplay::recording::Micros;
use sqlreplay::recording::record::{EndedBy, Record};

#[derive(Arbitrary, Debug)]
enum Op {
    /// Any bytes.
    Client(Vec<u8>),
    Server(Vec<u8>),
    /// A message, which gets further than any bytes do.
    Message { kind: u8, name: bool, text: Vec<u8>, more: Vec<u8> },
    Answer { kind: u8, text: Vec<u8> },
    Time(u8),
    Lost,
}

#[derive(Arbitrary, Debug)]
struct Input {
    logs_in: bool,
    results: bool,
    at_once: u8,
    ops: Vec<Op>,
}

const STARTUP: &[u8] = b"\0\0\0\x12\0\x03\0\0user\0app\0\0";
const PASSWORD: &[u8] = b"p\0\0\0\x0chunter2\0";
const LOGIN: &[u8] = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x07key!Z\0\0\0\x05I";

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

fn message(kind: u8, name: bool, text: &[u8], more: &[u8]) -> Vec<u8> {
    const KINDS: &[u8] = b"QPBDECSHFdcfX";
    let kind = KINDS[usize::from(kind) % KINDS.len()];
    let name: &[u8] = if name { b"s\0" } else { b"\0" };
    let body = match kind {
        b'Q' | b'f' => [text, b"\0"].concat(),
        b'P' => [name, text, b"\0\0\x01\0\0\0\x17"].concat(),
        b'B' => {
            let length = (more.len() as u32).to_be_bytes();
            [b"\0", name, b"\0\x01\0\x01\0\x01", &length, more, b"\0\0"].concat()
        }
        b'D' | b'C' => [b"S", name].concat(),
        b'E' => b"\0\0\0\0\0".to_vec(),
        b'd' | b'F' => more.to_vec(),
        _ => Vec::new(),
    };
    framed(kind, &body)
}

fn answer(kind: u8, text: &[u8]) -> Vec<u8> {
    const KINDS: &[u8] = b"12CDEGIKNTZnst3";
    let kind = KINDS[usize::from(kind) % KINDS.len()];
    match kind {
        b'C' => framed(kind, b"SELECT 1\0"),
        b'D' => framed(kind, &[b"\0\x01", &(text.len() as u32).to_be_bytes()[..], text].concat()),
        b'E' => framed(kind, b"C42601\0Mno\0\0"),
        b'G' => framed(kind, b"\0\0\0"),
        b'T' => framed(kind, b"\0\x01a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01"),
        b't' => framed(kind, b"\0\x01\0\0\0\x17"),
        b'Z' => framed(kind, b"I"),
        b'N' | b'K' => framed(kind, text),
        _ => framed(kind, b""),
    }
}

/// The records, with at most `at_once` bytes at a time.
fn records(input: &Input, at_once: usize) -> Vec<Record> {
    let settings = Settings { results: input.results, ..Settings::default() };
    let mut wire = dialogue(Arc::new(settings), 1, "c:1".into());
    let (mut now, mut out) = (Micros(0), Vec::new());
    if input.logs_in {
        for piece in [STARTUP, PASSWORD].concat().chunks(at_once) {
            wire.client(now, piece, &mut out);
        }
        LOGIN.chunks(at_once).for_each(|piece| wire.server(now, piece, &mut out));
    }
    for op in &input.ops {
        let (is_client, bytes) = match op {
            Op::Client(bytes) => (true, bytes.clone()),
            Op::Server(bytes) => (false, bytes.clone()),
            Op::Message { kind, name, text, more } => (true, message(*kind, *name, text, more)),
            Op::Answer { kind, text } => (false, answer(*kind, text)),
            Op::Time(steps) => {
                now = Micros(now.0 + u64::from(*steps) * 20_000);
                wire.tick(now, &mut out);
                continue;
            }
            Op::Lost => {
                wire.lost(now, "a reason", &mut out);
                continue;
            }
        };
        for piece in bytes.chunks(at_once) {
            if is_client {
                wire.client(now, piece, &mut out);
            } else {
                wire.server(now, piece, &mut out);
            }
        }
    }
    wire.end(now, EndedBy::Client, &mut out);
    out
}

fuzz_target!(|input: Input| {
    let whole = records(&input, usize::MAX);
    assert_eq!(records(&input, usize::from(input.at_once).max(1)), whole);
    let mentions = |op: &Op| format!("{op:?}").contains("hunter");
    for record in &whole {
        let line = serde_json::to_string(record).expect("all keys are strings");
        assert_eq!(&serde_json::from_str::<Record>(&line).expect("it was written"), record, "{line}");
        assert!(!line.contains("hunter2") || input.ops.iter().any(mentions));
    }
});
