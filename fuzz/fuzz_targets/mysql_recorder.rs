//! The recorder of MySQL's sessions under arbitrary bytes of both sides: no panic, and records that can be read again.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use sqlreplay::decoding::{Settings, dialogue};
use sqlreplay::masking::Masking;
use sqlreplay::protocol::Protocol;
use sqlreplay::recording::Micros;
use sqlreplay::recording::record::{EndedBy, Record};

#[derive(Arbitrary, Debug)]
enum Op {
    Client(Vec<u8>),
    Server(Vec<u8>),
    /// A packet, which gets further than any bytes do.
    Packet { is_client: bool, sequence: u8, first: u8, payload: Vec<u8> },
    /// The server has prepared a statement.
    Prepared { id: u8, columns: u8, parameters: u8 },
    Time(u16),
}

#[derive(Arbitrary, Debug)]
struct Input {
    results: bool,
    is_logged_in: bool,
    is_mariadb: bool,
    ops: Vec<Op>,
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, ..] = payload.len().to_le_bytes();
    [&[a, b, c, sequence], payload].concat()
}

fuzz_target!(|input: Input| {
    let masking = Masking { protocol: Protocol::Mysql, ..Masking::default() };
    let settings = Settings { protocol: Protocol::Mysql, masking, results: input.results };
    let mut dialogue = dialogue(Arc::new(settings), 1, "127.0.0.1:9".to_owned());
    let (mut now, mut out) = (Micros(0), Vec::new());
    if input.is_logged_in {
        let low = if input.is_mariadb { 0xFE } else { 0xFF };
        let mut greeting = [&b"\x0a9.1.0\0\x07\0\0\0abcdefgh\0"[..], &[low, 0xF7, 45, 2, 0, 0xFF, 0x81, 21]].concat();
        greeting.extend_from_slice(&[0; 10]);
        greeting.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
        dialogue.server(now, &packet(0, &greeting), &mut out);
        let mut hello = vec![low, 0xA2, 0xDF, 0x01, 0, 0, 0, 1, 45];
        hello.extend_from_slice(&[0; 23]);
        hello.extend_from_slice(b"app\0\0mysql_native_password\0");
        dialogue.client(now, &packet(1, &hello), &mut out);
        dialogue.server(now, &packet(2, b"\0\0\0\x02\0\0\0"), &mut out);
    }
    for op in input.ops {
        match op {
            Op::Client(bytes) => dialogue.client(now, &bytes, &mut out),
            Op::Server(bytes) => dialogue.server(now, &bytes, &mut out),
            Op::Packet { is_client, sequence, first, payload } => {
                let bytes = packet(sequence % 4, &[&[first], payload.as_slice()].concat());
                match is_client {
                    true => dialogue.client(now, &bytes, &mut out),
                    false => dialogue.server(now, &bytes, &mut out),
                }
            }
            Op::Prepared { id, columns, parameters } => {
                dialogue.client(now, &packet(0, b"\x16SELECT ?, ?"), &mut out);
                let payload = [0, id, 0, 0, 0, columns % 3, 0, parameters % 3, 0, 0, 0, 0];
                dialogue.server(now, &packet(1, &payload), &mut out);
            }
            Op::Time(millis) => {
                now = Micros(now.0 + 1000 * u64::from(millis));
                dialogue.tick(now, &mut out);
            }
        }
    }
    dialogue.end(now, EndedBy::Client, &mut out);
    for record in out {
        let line = serde_json::to_string(&record).expect("it can be written");
        let again: Record = serde_json::from_str(&line).expect("it can be read");
        assert_eq!(again, record);
    }
});
