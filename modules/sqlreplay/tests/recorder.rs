//! Dialogues of clients and servers become the same records, however their bytes are cut.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use postgres_wire::backend::{Authentication, Backend, Copy, Formats, TransactionStatus};
use postgres_wire::frontend::{Bind, Frontend, Parse, Target, Values};
use postgres_wire::opening::{Opening, write_startup};
use proptest::prelude::*;
use sqlreplay::decoding::{Recorder, Settings};
use sqlreplay::masking::Masking;
use sqlreplay::protocol::Protocol;
use sqlreplay::recording::Micros;
use sqlreplay::recording::record::{EndedBy, Record};

/// A side, and what it says.
type Said = (bool, Vec<u8>);

fn client(message: Frontend<'_>) -> Said {
    let mut bytes = Vec::new();
    message.write(&mut bytes);
    (true, bytes)
}

fn server(message: Backend<'_>) -> Said {
    let mut bytes = Vec::new();
    message.write(&mut bytes);
    (false, bytes)
}

fn login() -> Vec<Said> {
    vec![
        server(Backend::Authentication(Authentication::Cleartext)),
        client(Frontend::Password(b"hunter2\0")),
        server(Backend::Authentication(Authentication::Ok)),
        server(Backend::ParameterStatus { name: b"server_version", value: b"15" }),
        server(Backend::BackendKeyData { pid: 7, key: b"key!" }),
        ready(),
    ]
}

fn ready() -> Said {
    server(Backend::ReadyForQuery(TransactionStatus::Idle))
}

fn done(tag: &'static [u8]) -> Said {
    server(Backend::CommandComplete(tag))
}

fn parse(statement: &'static [u8], query: &'static [u8], types: &'static [[u8; 4]]) -> Said {
    client(Frontend::Parse(Parse { statement, query, types }))
}

fn bind(statement: &'static [u8], formats: &'static [u8], count: u16, values: &'static [u8]) -> Said {
    client(Frontend::Bind(Bind {
        portal: b"",
        statement,
        formats: Formats::of(formats).unwrap(),
        parameters: Values::of(count, values).unwrap(),
        results: Formats::of(b"").unwrap(),
    }))
}

fn execute() -> Said {
    client(Frontend::Execute { portal: b"", rows: 0 })
}

/// Records the dialogue, in pieces of `length` bytes, a millisecond a message.
fn records(settings: &Settings, dialogue: &[Said], length: usize) -> Vec<Record> {
    let mut opening = Vec::new();
    write_startup(0, [(&b"user"[..], &b"app"[..]), (b"application_name", b"test")], &mut opening);
    let Ok(Some((Opening::Startup(startup), _))) = Opening::read(&opening) else { panic!() };
    let mut recorder =
        Recorder::new(Arc::new(settings.clone()), 1, Micros(0), "127.0.0.1:9".into(), &startup);
    let mut out = Vec::new();
    for (at, (is_client, bytes)) in dialogue.iter().enumerate() {
        let now = Micros(1000 * at as u64);
        for piece in bytes.chunks(length) {
            if *is_client {
                recorder.client(now, piece, &mut out);
            } else {
                recorder.server(now, piece, &mut out);
            }
        }
    }
    recorder.end(Micros(1000 * dialogue.len() as u64), EndedBy::Client, &mut out);
    out
}

fn lines(settings: &Settings, dialogue: &[Said]) -> Vec<String> {
    let all: Vec<Vec<String>> = [usize::MAX, 1, 3]
        .iter()
        .map(|length| {
            let records = records(settings, dialogue, *length);
            records.iter().map(|record| serde_json::to_string(record).unwrap()).collect()
        })
        .collect();
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    assert!(!all[0].iter().any(|line| line.contains("hunter")), "{:?}", all[0]);
    all[0].clone()
}

const SESSION: &str = r#"{"session":{"session":1,"at":0.0,"client":"127.0.0.1:9","user":"app","database":"app","settings":{"application_name":"test"},"login":0.005}}"#;

#[test]
fn simple_queries_and_their_answers() {
    let mut dialogue = login();
    dialogue.extend([
        client(Frontend::Query(b"SELECT 1; SELECT 2")),
        server(Backend::NoticeResponse(b"SNOTICE\0C00000\0\0")),
        server(Backend::DataRow(Values::of(1, b"\0\0\0\x011").unwrap())),
        done(b"SELECT 1"),
        server(Backend::ErrorResponse(b"SERROR\0C22012\0Mdivision by zero\0\0")),
        ready(),
        client(Frontend::Query(b"ALTER USER app PASSWORD 'hunter2'")),
        server(Backend::ErrorResponse(b"SERROR\0C42601\0Mnear \"hunter2\"\0\0")),
        ready(),
        client(Frontend::Terminate),
    ]);
    assert_eq!(
        lines(&Settings::default(), &dialogue),
        [
            SESSION,
            r#"{"statement":{"session":1,"at":0.006,"messages":[{"query":"SELECT 1; SELECT 2"}],"took":0.005,"answer":[{"done":{"tag":"SELECT 1","rows":1}},{"error":{"sqlstate":"22012","message":"division by zero"}}]}}"#,
            r#"{"statement":{"session":1,"at":0.012,"messages":[{"query":"ALTER USER app PASSWORD '***'"}],"masked":"password","took":0.002,"answer":[{"error":{"sqlstate":"42601","message":"***"}}]}}"#,
            r#"{"end":{"session":1,"at":0.016,"by":"terminate"}}"#,
        ]
    );
}

#[test]
fn prepared_statements_pipelines_and_typed_parameters() {
    let mut dialogue = login();
    dialogue.extend([
        parse(b"s", b"SELECT $1, $2", &[]),
        client(Frontend::Describe(Target::Statement(b"s"))),
        client(Frontend::Flush),
        server(Backend::ParseComplete),
        server(Backend::ParameterDescription(&[[0, 0, 0, 23], [0, 0, 0, 17]])),
        server(Backend::NoData),
        bind(b"s", b"\0\x01", 2, b"\0\0\0\x04\0\0\0\x05\0\0\0\x01x"),
        execute(),
        client(Frontend::Sync),
        bind(b"s", b"", 2, b"\0\0\0\x016\xff\xff\xff\xff"),
        execute(),
        client(Frontend::Sync),
        server(Backend::BindComplete),
        server(Backend::PortalSuspended),
        ready(),
        server(Backend::BindComplete),
        done(b"SELECT 3"),
        ready(),
    ]);
    assert_eq!(
        lines(&Settings::default(), &dialogue)[1..4],
        [
            r#"{"statement":{"session":1,"at":0.006,"messages":[{"parse":{"statement":"s","sql":"SELECT $1, $2"}},{"describe":{"statement":"s"}},"flush"],"took":0.003}}"#,
            r#"{"statement":{"session":1,"at":0.012,"messages":[{"bind":{"statement":"s","parameters":[{"int4":"5"},{"binary":"eA==","oid":17}]}},{"execute":{}},"sync"],"took":0.006,"answer":[{"suspended":{"rows":0}}]}}"#,
            r#"{"statement":{"session":1,"at":0.015,"ahead":1,"messages":[{"bind":{"statement":"s","parameters":["6",null]}},{"execute":{}},"sync"],"took":0.006,"answer":[{"done":{"tag":"SELECT 3","rows":3}}]}}"#,
        ]
    );
}

#[test]
fn a_copy_stands_before_its_data() {
    let copy = Copy { format: 0, columns: Formats::of(b"\0\0").unwrap() };
    let mut dialogue = login();
    dialogue.extend([
        client(Frontend::Query(b"COPY t FROM STDIN")),
        server(Backend::CopyIn(copy)),
        client(Frontend::CopyData(b"1\n")),
        client(Frontend::CopyData(b"2\n")),
        client(Frontend::CopyDone),
        done(b"COPY 2"),
        ready(),
        client(Frontend::Query(b"COPY t TO STDOUT")),
        server(Backend::CopyOut(copy)),
        server(Backend::CopyData(b"1\n")),
        server(Backend::CopyDone),
        done(b"COPY 1"),
        ready(),
    ]);
    assert_eq!(
        lines(&Settings::default(), &dialogue)[1..5],
        [
            r#"{"statement":{"session":1,"at":0.006,"messages":[{"query":"COPY t FROM STDIN"}]}}"#,
            r#"{"statement":{"session":1,"at":0.008,"ahead":1,"messages":[{"copy_data":"1\n2\n"},"copy_done"]}}"#,
            r#"{"answer":{"session":1,"took":0.006,"answer":[{"done":{"tag":"COPY 2","rows":2}}]}}"#,
            r#"{"statement":{"session":1,"at":0.013,"messages":[{"query":"COPY t TO STDOUT"}],"took":0.005,"answer":[{"done":{"tag":"COPY 1","rows":1}}]}}"#,
        ]
    );
}

#[test]
fn a_statement_that_takes_long_is_written_before_its_answer() {
    let mut dialogue = login();
    dialogue.push(client(Frontend::Query(b"SELECT pg_sleep(2)")));
    let records_at = |later: u64| {
        let mut opening = Vec::new();
        write_startup(0, [(&b"user"[..], &b"app"[..])], &mut opening);
        let Ok(Some((Opening::Startup(startup), _))) = Opening::read(&opening) else { panic!() };
        let mut recorder = Recorder::new(Arc::default(), 1, Micros(0), String::new(), &startup);
        let mut out = Vec::new();
        for (is_client, bytes) in &dialogue {
            if *is_client {
                recorder.client(Micros(0), bytes, &mut out);
            } else {
                recorder.server(Micros(0), bytes, &mut out);
            }
        }
        assert!(recorder.is_waiting());
        recorder.tick(Micros(later), &mut out);
        out.len()
    };
    assert_eq!(records_at(999_999), 1, "the session");
    assert_eq!(records_at(1_000_000), 2, "and the statement");
}

#[test]
fn rows_are_recorded_and_masked_as_asked_for() {
    let mut columns = b"\0\x02a\0".to_vec();
    columns.extend([0; 6]);
    columns.extend([0, 0, 0, 23, 0, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1]);
    columns.extend(b"b\0");
    columns.extend([0; 6]);
    columns.extend([0, 0, 0, 25, 0, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]);
    let mut dialogue = login();
    dialogue.extend([
        client(Frontend::Query(b"SELECT 'a@b.c'")),
        server(Backend::RowDescription(&columns)),
        server(Backend::DataRow(Values::of(2, b"\0\0\0\x04\0\0\0\x05\0\0\0\x05a@b.c").unwrap())),
        done(b"SELECT 1"),
        ready(),
    ]);
    let settings = Settings {
        protocol: Protocol::Postgres,
        masking: Masking { patterns: vec!["[a-z]@[a-z.]+".parse().unwrap()], ..Masking::default() },
        results: true,
    };
    assert_eq!(
        lines(&settings, &dialogue)[1],
        r#"{"statement":{"session":1,"at":0.006,"messages":[{"query":"SELECT '***'"}],"masked":"data","took":0.004,"answer":[{"done":{"tag":"SELECT 1","rows":1,"data":{"columns":["a","b"],"rows":[[{"int4":"5"},{"masked":true}]]}}}]}}"#
    );
}

#[test]
fn a_server_that_refuses_or_leaves_is_recorded() {
    let fatal = |code: &str| format!("SFATAL\0VFATAL\0C{code}\0Mno\0\0").into_bytes();
    let refused = [server(Backend::ErrorResponse(&fatal("28P01")))];
    assert_eq!(
        lines(&Settings::default(), &refused)[0],
        r#"{"session":{"session":1,"at":0.0,"client":"127.0.0.1:9","user":"app","database":"app","settings":{"application_name":"test"},"refused":{"sqlstate":"28P01","message":"no"}}}"#
    );
    let mut dialogue = login();
    dialogue.push(server(Backend::ErrorResponse(&fatal("57P01"))));
    assert_eq!(
        lines(&Settings::default(), &dialogue)[1],
        r#"{"end":{"session":1,"at":0.007,"by":"client","error":{"sqlstate":"57P01","message":"no"}}}"#
    );
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
        let settings = Settings { results, ..Settings::default() };
        for record in records(&settings, &dialogue, 7) {
            let line = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
        }
    }

    #[test]
    fn any_messages_are_recorded_without_harm(
        kinds in prop::collection::vec((any::<bool>(), 0..24_usize), 0..60),
        body in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let mut dialogue = login();
        for (is_client, at) in kinds {
            let kinds: &[u8] = if is_client { b"BCDEFHPQSXcdfp" } else { b"RSKZTDCIn123stENAGHWdcVv" };
            let body = if at % 3 == 0 { &body[..] } else { &b"I"[..at % 2] };
            let head = [kinds[at % kinds.len()]];
            dialogue.push((is_client, [&head, &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()));
        }
        for record in records(&Settings { results: true, ..Settings::default() }, &dialogue, 1000) {
            let line = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
        }
    }
}
