//! Dialogues of MySQL's clients and servers become the same records, however their bytes are cut.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use mysql_wire::capabilities::Capabilities;
use mysql_wire::execute::{Execute, Parameter, write};
use mysql_wire::login::hello::Hello;
use mysql_wire::packet::packet;
use proptest::prelude::*;
use sqlreplay::decoding::{Settings, dialogue};
use sqlreplay::masking::Masking;
use sqlreplay::protocol::Protocol;
use sqlreplay::recording::Micros;
use sqlreplay::recording::record::{EndedBy, Record};

/// A side, and what it says.
type Said = (bool, Vec<u8>);

fn client(sequence: u8, payload: &[u8]) -> Said {
    (true, packet(sequence, payload))
}

fn server(sequence: u8, payload: &[u8]) -> Said {
    (false, packet(sequence, payload))
}

const OK: &[u8] = b"\0\0\0\x02\0\0\0";
const EOF: &[u8] = b"\xfe\0\0\x02\0";

/// MariaDB, without CLIENT_DEPRECATE_EOF.
fn login() -> Vec<Said> {
    let mut greeting =
        b"\x0a5.5.5-10.11.6-MariaDB\0\x07\0\0\0abcdefgh\0\xfe\xf7\x2d\x02\0\xff\x81\x15".to_vec();
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
    let capabilities = Capabilities::ASSUMED.without(Capabilities::DEPRECATE_EOF | Capabilities::MYSQL);
    let hello = Hello { capabilities, ..Hello::assumed(b"app", b"shop") };
    let hello = hello.response(capabilities, b"hunter2-hunter2-hunt", b"mysql_native_password", b"shop");
    vec![server(0, &greeting), client(1, &hello), server(2, OK)]
}

fn settings() -> Settings {
    let masking = Masking { protocol: Protocol::Mysql, ..Masking::default() };
    Settings { protocol: Protocol::Mysql, masking, results: false }
}

fn records(settings: &Settings, said: &[Said], piece: usize) -> Vec<Record> {
    let mut dialogue = dialogue(Arc::new(settings.clone()), 1, "127.0.0.1:9".into());
    let mut out = Vec::new();
    for (at, (is_client, bytes)) in said.iter().enumerate() {
        for bytes in bytes.chunks(piece) {
            let now = Micros(1000 * at as u64);
            match is_client {
                true => dialogue.client(now, bytes, &mut out),
                false => dialogue.server(now, bytes, &mut out),
            }
        }
    }
    dialogue.end(Micros(1000 * said.len() as u64), EndedBy::Client, &mut out);
    out
}

fn lines(settings: &Settings, said: &[Said]) -> Vec<String> {
    let all = [usize::MAX, 7, 1].map(|piece| {
        let records = records(settings, said, piece);
        records.iter().map(|record| serde_json::to_string(record).unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    assert!(!all[0].iter().any(|line| line.contains("hunter")), "{:?}", all[0]);
    all[0].clone()
}

#[test]
fn queries_and_their_results() {
    let mut said = login();
    said.extend([
        client(0, b"\x03SELECT 1; DO 2"),
        server(1, b"\x01"),
        server(2, b"\x03def"),
        server(3, EOF),
        server(4, b"\x011"),
        server(5, b"\xfe\0\0\x0a\0"),
        server(6, b"\0\x05\0\x02\0\0\0"),
        client(0, b"\x03INSERT INTO t VALUES (1)"),
        server(1, b"\xff\x26\x04#23000Duplicate entry"),
        client(0, b"\x03SET PASSWORD = 'hunter2'"),
        server(1, b"\xff\x28\x04#42000near 'hunter2'"),
        client(0, b"\x02other"),
        server(1, OK),
        client(0, b"\x01"),
    ]);
    let lines = lines(&settings(), &said);
    assert!(
        lines[0].starts_with(
            r#"{"session":{"session":1,"at":0.0,"client":"127.0.0.1:9","user":"app","database":"shop","settings":{"capabilities":""#
        ) && lines[0].ends_with(r#""charset":"45","connection_id":"7"},"login":0.002}}"#),
        "{}",
        lines[0]
    );
    assert_eq!(
        lines[1..],
        [
            r#"{"statement":{"session":1,"at":0.003,"messages":[{"query":"SELECT 1; DO 2"}],"took":0.006,"answer":[{"done":{"tag":"ROWS","rows":1}},{"done":{"tag":"OK","rows":5}}]}}"#,
            r#"{"statement":{"session":1,"at":0.01,"messages":[{"query":"INSERT INTO t VALUES (1)"}],"took":0.001,"answer":[{"error":{"code":1062,"sqlstate":"23000","message":"Duplicate entry"}}]}}"#,
            r#"{"statement":{"session":1,"at":0.012,"messages":[{"query":"SET PASSWORD = '***'"}],"masked":"password","took":0.001,"answer":[{"error":{"code":1064,"sqlstate":"42000","message":"***"}}]}}"#,
            r#"{"statement":{"session":1,"at":0.014,"messages":[{"init_db":"other"}],"took":0.001,"answer":[{"done":{"tag":"OK","rows":0}}]}}"#,
            r#"{"end":{"session":1,"at":0.017,"by":"terminate"}}"#,
        ]
    );
}

#[test]
fn prepared_statements_with_types_long_data_and_cursors() {
    let parameters =
        vec![Parameter { kind: 3, value: Some(b"\x05\0\0\0") }, Parameter { kind: 0xFC, value: Some(b"") }];
    let execute = Execute { statement: 9, has_cursor: false, parameters };
    let first = write(&execute, false, |at| at == 1);
    let cursor = write(&Execute { statement: 9, has_cursor: true, ..execute.clone() }, false, |_| false);
    let mut said = login();
    said.extend([
        client(0, b"\x16SELECT a FROM t WHERE b = ? AND c = ?"),
        server(1, b"\0\x09\0\0\0\x01\0\x02\0\0\0\0"),
        server(2, b"\x03def"),
        server(3, b"\x03def"),
        server(4, EOF),
        server(5, b"\x03def"),
        server(6, EOF),
        client(0, b"\x18\x09\0\0\0\x01\0long "),
        client(0, b"\x18\x09\0\0\0\x01\0data"),
        client(0, &first),
        server(1, b"\xff\x51\x05#70100interrupted"),
        client(0, &cursor),
        server(1, b"\x01"),
        server(2, b"\x03def"),
        server(3, b"\xfe\0\0\x42\0"),
        client(0, b"\x1c\x09\0\0\0\x02\0\0\0"),
        server(1, b"\0\0\x01x"),
        server(2, b"\xfe\0\0\xc2\0"),
        client(0, b"\x1a\x09\0\0\0"),
        server(1, OK),
        client(0, b"\x19\x09\0\0\0"),
    ]);
    assert_eq!(
        lines(&settings(), &said)[1..],
        [
            r#"{"statement":{"session":1,"at":0.003,"messages":[{"parse":{"statement":"1","sql":"SELECT a FROM t WHERE b = ? AND c = ?"}}],"took":0.006}}"#,
            r#"{"statement":{"session":1,"at":0.012,"messages":[{"bind":{"statement":"1","parameters":[{"int":"5"},{"blob":"long data"}]}},{"execute":{}}],"took":0.001,"answer":[{"error":{"code":1361,"sqlstate":"70100","message":"interrupted"}}]}}"#,
            r#"{"statement":{"session":1,"at":0.014,"messages":[{"bind":{"portal":"1","statement":"1","parameters":[{"int":"5"},{"blob":""}]}}],"took":0.003,"answer":[{"done":{"tag":"CURSOR","rows":0}}]}}"#,
            r#"{"statement":{"session":1,"at":0.018,"messages":[{"execute":{"portal":"1","rows":2}}],"took":0.002,"answer":[{"done":{"tag":"ROWS","rows":1}}]}}"#,
            r#"{"statement":{"session":1,"at":0.021,"messages":[{"close":{"portal":"1"}}],"took":0.001,"answer":[{"done":{"tag":"OK","rows":0}}]}}"#,
            r#"{"statement":{"session":1,"at":0.023,"messages":[{"stmt_close":"1"}]}}"#,
            r#"{"end":{"session":1,"at":0.024,"by":"client"}}"#,
        ]
    );
}

#[test]
fn bulks_keep_no_passwords() {
    let mut said = login();
    said.extend([
        client(0, b"\x16ALTER USER a IDENTIFIED BY ?"),
        server(1, b"\0\x09\0\0\0\0\0\x01\0\0\0\0"),
        server(2, b"\x03def"),
        server(3, EOF),
        client(0, b"\xfa\x09\0\0\0\x80\0\xfd\0\0\x07hunter2"),
        server(1, OK),
        client(0, b"\xfa\x08\0\0\0\x80\0\xfd\0\0\x07hunter2"),
        server(1, b"\xff\xdb\x04#HY000Unknown hunter2"),
        client(0, b"\x16INSERT INTO t VALUES (?)"),
        server(1, b"\0\x0a\0\0\0\0\0\x01\0\0\0\0"),
        server(2, b"\x03def"),
        server(3, EOF),
        client(0, b"\xfa\x0a\0\0\0\x80\0\xfd\0\0\x01x"),
        server(1, OK),
    ]);
    let lines = lines(&settings(), &said);
    let bulks: Vec<&String> = lines.iter().filter(|line| line.contains(r#""command":250"#)).collect();
    assert_eq!(bulks.len(), 3, "{lines:?}");
    let masked = r#"[{"command":{"command":250,"body":"***"}}],"masked":"password""#;
    assert!(bulks[0].contains(masked) && bulks[1].contains(masked), "{bulks:?}");
    assert!(!bulks[2].contains("masked") && bulks[2].contains("body"), "{bulks:?}");
}

#[test]
fn a_file_and_a_change_of_the_user() {
    let mut change = b"\x11other\0\x14hunter2-hunter2-huntshop\0\x2d\0mysql_native_password\0".to_vec();
    change.truncate(change.len());
    let mut said = login();
    said.extend([
        client(0, b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE t"),
        server(1, b"\xfbx"),
        client(2, b"1\n"),
        client(3, b"2\n"),
        client(4, b""),
        server(5, b"\0\x02\0\x02\0\0\0"),
        client(0, &change),
        server(1, b"\xfemysql_clear_password\0"),
        client(2, b"hunter2\0"),
        server(3, OK),
        client(0, b"\x1f"),
        server(1, OK),
        client(0, b"\x0e"),
        server(1, OK),
    ]);
    assert_eq!(
        lines(&settings(), &said)[1..],
        [
            r#"{"statement":{"session":1,"at":0.003,"messages":[{"query":"LOAD DATA LOCAL INFILE 'x' INTO TABLE t"}]}}"#,
            r#"{"statement":{"session":1,"at":0.005,"ahead":1,"messages":[{"copy_data":"1\n2\n"},"copy_done"]}}"#,
            r#"{"answer":{"session":1,"took":0.005,"answer":[{"done":{"tag":"OK","rows":2}}]}}"#,
            r#"{"statement":{"session":1,"at":0.009,"messages":[{"change_user":{"user":"other","database":"shop","charset":45}}],"took":0.003,"answer":[{"done":{"tag":"OK","rows":0}}]}}"#,
            r#"{"statement":{"session":1,"at":0.013,"messages":["reset_connection"],"took":0.001,"answer":[{"done":{"tag":"OK","rows":0}}]}}"#,
            r#"{"statement":{"session":1,"at":0.015,"messages":[{"command":{"command":14}}],"took":0.001,"answer":[{"done":{"tag":"OK","rows":0}}]}}"#,
            r#"{"end":{"session":1,"at":0.017,"by":"client"}}"#,
        ]
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let encrypted: Vec<u8> =
        [&(Capabilities::ASSUMED | Capabilities::SSL).low().to_le_bytes()[..], &[0; 28]].concat();
    let wanted = Capabilities::ASSUMED.without(Capabilities::MYSQL) | Capabilities::COMPRESS;
    let compressed =
        Hello { capabilities: wanted, ..Hello::assumed(b"app", b"") }.response(wanted, b"", b"", b"");
    for (said, part) in [
        (vec![server(0, b"HTTP/1.1 400")], "the server does not speak MySQL's protocol"),
        (vec![client(0, b"GET / HTTP/1.1")], "the client does not speak MySQL's protocol"),
        (vec![login()[0].clone(), client(1, &encrypted)], "the session is encrypted"),
        (vec![login()[0].clone(), client(1, &compressed)], "the session is compressed"),
    ] {
        let lines = lines(&settings(), &said);
        assert!(lines.len() == 1 && lines[0].contains(part), "{lines:?}");
    }
    let refused = vec![login()[0].clone(), login()[1].clone(), server(2, b"\xff\x15\x04#28000Access denied")];
    assert!(lines(&settings(), &refused)[0].contains(r#""refused":{"code":1045,"sqlstate":"28000""#));
}

proptest! {
    #[test]
    fn any_bytes_are_recorded_without_harm(
        said in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)), 0..20),
        logged_in in any::<bool>(),
        results in any::<bool>(),
    ) {
        let mut dialogue = if logged_in { login() } else { Vec::new() };
        dialogue.extend(said);
        for record in records(&Settings { results, ..settings() }, &dialogue, 7) {
            let line = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
        }
    }

    #[test]
    fn any_packets_are_recorded_without_harm(
        kinds in prop::collection::vec((any::<bool>(), any::<u8>(), 0..3_u8), 0..60),
        body in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut dialogue = login();
        for (is_client, kind, sequence) in kinds {
            let first = if is_client { 1 + kind % 0x20 } else { [0, 1, 2, 0xFB, 0xFE, 0xFF][usize::from(kind) % 6] };
            let body = if kind % 3 == 0 { &b"\x01\0\0\0\x01\0\0\0\0\0\0\0"[..] } else { &body[..] };
            let sequence = if is_client { sequence / 2 } else { sequence };
            dialogue.push((is_client, packet(sequence, &[&[first], body].concat())));
        }
        for record in records(&Settings { results: true, ..settings() }, &dialogue, 1000) {
            let line = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
        }
    }
}
