//! Sessions that were recorded between real clients and real servers, played to the module again: it must send the same.
//!
//! A recording is what `examples/mirror.rs` prints with `MIRROR_RECORD`, headed by the users and, at its end, what must be
//! in the report. Passwords that are encrypted for a server's key differ each time, and are compared by length.

use std::collections::BTreeMap;
use std::path::Path;

use module_kit::AnswerPayload;
use module_kit::Protocol;
use tcpcopy_mysql::{Mysql, SecretSource, Settings};

use crate::support::FLOW;

use module_kit::testing::Driver;

/// The bytes that [`slice::escape_ascii`] has written.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (kind, behind) = rest.split_first().expect("something is escaped");
        rest = behind;
        bytes.push(match kind {
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'x' => {
                let (digits, behind) = rest.split_at(2);
                rest = behind;
                u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            }
            itself => *itself,
        });
    }
    bytes
}

/// An answer in RSA-OAEP for a key of 2048 bits, header included.
pub(crate) const ENCRYPTED: usize = 4 + 256;

/// `in_pieces`: what comes from the network comes byte by byte, as far as all of it is read.
fn play(recording: &str, in_pieces: bool) {
    let mut users = BTreeMap::new();
    let mut expected = Vec::new();
    let mut lines = Vec::new();
    for line in recording.lines().filter(|line| !line.starts_with('#')) {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "user" => {
                let (user, password) = rest.split_once(' ').unwrap();
                users.insert(user.to_owned(), SecretSource::Plain(password.to_owned().into()));
            }
            "report" => expected.push(rest.to_owned()),
            _ => lines.push((what, unescape(rest))),
        }
    }
    let protocol = Mysql::new(&Settings { users, ..Settings::default() }).unwrap();
    let mut driven = Driver::new(protocol.module(&FLOW, true));
    let mut lines = lines.into_iter().enumerate().peekable();
    while let Some((number, (what, bytes))) = lines.next() {
        let sent = match what {
            "connected" => driven.connected(),
            "client" if in_pieces => bytes.iter().flat_map(|byte| driven.client(&[*byte])).collect(),
            "client" => driven.client(&bytes),
            "online" if in_pieces => bytes.iter().flat_map(|byte| driven.online(0, &[*byte])).collect(),
            "online" => driven.online(0, &bytes),
            "answer" if in_pieces && driven.mode() == AnswerPayload::All => {
                bytes.iter().flat_map(|byte| driven.answer(&[*byte])).collect()
            }
            "answer" => driven.answer(&bytes),
            _ => panic!("{what} is nothing that happens"),
        };
        let must_send = lines.next_if(|(_, (what, _))| *what == "sent").map(|(_, (_, bytes))| bytes);
        let must_send = must_send.unwrap_or_default();
        if must_send.len() == ENCRYPTED && must_send.len() == sent.len() {
            continue;
        }
        assert_eq!(
            sent.escape_ascii().to_string(),
            must_send.escape_ascii().to_string(),
            "event {number}: {what} {}",
            bytes.escape_ascii()
        );
    }
    assert_eq!(driven.held(), 0, "all was dealt with");
    let mut report = Vec::new();
    for group in protocol.report().groups {
        report.extend(group.counters.iter().map(|(name, count)| format!("{} {name} {count}", group.name)));
    }
    assert_eq!(report, expected);
}

#[test]
fn recordings() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let mut played = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        let recording = std::fs::read_to_string(path).unwrap();
        play(&recording, false);
        play(&recording, true);
        played += 1;
    }
    assert!(played >= 8, "{played} recordings were found");
}
