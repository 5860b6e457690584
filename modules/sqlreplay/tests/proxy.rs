//! The proxy between a client and a server: what passes, and what is recorded of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlreplay::clock::Clock;
use sqlreplay::decoding::Settings;
use sqlreplay::protocol::Protocol;
use sqlreplay::proxy::{Shared, Tls, Totals, serve};
use sqlreplay::recording::record::{EndedBy, Header, Message, Outcome, Record};
use sqlreplay::recording::{Micros, Reader, Writer};
use tokio::sync::watch;

const STARTUP: &[u8] = b"\0\0\0\x12\0\x03\0\0user\0app\0\0";
const LOGIN: &[u8] = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x07key!Z\0\0\0\x05I";
const CANCEL: &[u8] = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07key!";
const QUERY: &[u8] = b"Q\0\0\0\x0dSELECT 1\0";
const ANSWER: &[u8] = b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// A server that lets everybody in, and answers each of its messages in the same way. It answers no cancel.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            std::thread::spawn(move || answer(socket.unwrap()));
        }
    });
    address
}

fn answer(mut socket: TcpStream) {
    let mut first = vec![0; STARTUP.len()];
    if socket.read(&mut first).unwrap_or(0) != STARTUP.len() {
        return;
    }
    socket.write_all(LOGIN).unwrap();
    let (mut head, mut rest) = ([0; TERMINATE.len()], [0; QUERY.len() - TERMINATE.len()]);
    // What is no query ends the session.
    while socket.read_exact(&mut head).is_ok() && head[0] == b'Q' && socket.read_exact(&mut rest).is_ok() {
        if socket.write_all(ANSWER).is_err() {
            return;
        }
    }
}

/// Records what `clients` do, and returns the records with what the proxy has counted.
async fn recorded(path: &Path, clients: impl FnOnce(SocketAddr) + Send + 'static) -> (Vec<Record>, Totals) {
    recorded_of(path, server(), Settings::default(), clients).await
}

async fn recorded_of(
    path: &Path,
    server: SocketAddr,
    settings: Settings,
    clients: impl FnOnce(SocketAddr) + Send + 'static,
) -> (Vec<Record>, Totals) {
    let header = Header {
        format: 1,
        protocol: "postgres".into(),
        source: "proxy".into(),
        listen: None,
        server: None,
        tool: "t".into(),
        started: "s".into(),
    };
    let (writer, sink) = Writer::open(path, header, None, false).unwrap();
    let clock = Clock::start(Micros(0));
    let shared = Arc::new(Shared::new(server.to_string(), Tls::Refuse, settings, clock, sink, 0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(serve(listener, Arc::clone(&shared), stopped));
    tokio::task::spawn_blocking(move || clients(address)).await.unwrap();
    stop.send(true).unwrap();
    serving.await.unwrap().unwrap();
    let _ = writer.finish();
    let mut reader = Reader::open(path).unwrap();
    let mut records = Vec::new();
    while let Some((_, record)) = reader.next().unwrap() {
        records.push(record);
    }
    (records, shared.counters.totals())
}

fn connect(proxy: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(proxy).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(STARTUP).unwrap();
    hear(&mut client, LOGIN);
    client
}

fn hear(client: &mut TcpStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    client.read_exact(&mut heard).unwrap();
    assert_eq!(heard, expected);
}

fn ask(client: &mut TcpStream) {
    client.write_all(QUERY).unwrap();
    hear(client, ANSWER);
}

/// What became of the sessions: their statements with complete answers, cancels, and ends.
fn summary(records: &[Record]) -> (usize, usize, Vec<EndedBy>) {
    let is_whole = |record: &&Record| {
        matches!(record, Record::Statement(it) if matches!(it.messages[..], [Message::Query(_)])
            && matches!(it.answer[..], [Outcome::Done { rows: 1, .. }]) && it.took.is_some())
    };
    let ends = records.iter().filter_map(|record| match record {
        Record::End(end) => Some(end.by),
        _ => None,
    });
    let cancels = records.iter().filter(|record| matches!(record, Record::Cancel(_))).count();
    (records.iter().filter(is_whole).count(), cancels, ends.collect())
}

#[tokio::test]
async fn all_statements_of_many_clients_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let clients = |proxy: SocketAddr| {
        let client = move || {
            let mut client = connect(proxy);
            (0..200).for_each(|_| ask(&mut client));
            client.write_all(TERMINATE).unwrap();
            // The server closes.
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        };
        let all: Vec<_> = (0..5).map(|_| std::thread::spawn(client)).collect();
        all.into_iter().for_each(|it| it.join().unwrap());
    };
    let (records, totals) = recorded(&folder.path().join("a.jsonl"), clients).await;
    assert_eq!(summary(&records), (1000, 0, vec![EndedBy::Terminate; 5]));
    assert_eq!((totals.sessions, totals.statements, totals.open, totals.lost), (5, 1000, 0, 0));
}

#[tokio::test]
async fn a_cancel_belongs_to_its_session_and_what_is_open_at_the_end_ends() {
    let folder = tempfile::tempdir().unwrap();
    let clients = |proxy: SocketAddr| {
        let mut client = connect(proxy);
        ask(&mut client);
        let mut cancel = TcpStream::connect(proxy).unwrap();
        cancel.write_all(CANCEL).unwrap();
        assert_eq!(cancel.read(&mut [0]).unwrap(), 0);
        let mut stranger = TcpStream::connect(proxy).unwrap();
        stranger.write_all(&[&CANCEL[..15], b"?"].concat()).unwrap();
        assert_eq!(stranger.read(&mut [0]).unwrap(), 0);
        ask(&mut client);
        // It stays open.
        std::mem::forget(client);
    };
    let (records, totals) = recorded(&folder.path().join("a.jsonl"), clients).await;
    assert_eq!(summary(&records), (2, 1, vec![EndedBy::Recorder]));
    assert_eq!((totals.sessions, totals.statements), (1, 2));
}

#[tokio::test]
async fn bytes_that_are_no_session_hurt_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let clients = |proxy: SocketAddr| {
        let mut client = connect(proxy);
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x00\xff\x01", b"\0\0\0\x08\0\x03\0\0"] {
            let mut stranger = TcpStream::connect(proxy).unwrap();
            stranger.write_all(bytes).unwrap();
            let _ = stranger.shutdown(std::net::Shutdown::Write);
            let _ = stranger.read(&mut [0]);
        }
        ask(&mut client);
        // A message that is none: the server hears it, the recording of this session ends.
        client.write_all(b"?\xff\xff\xff\xff").unwrap();
        let _ = client.shutdown(std::net::Shutdown::Write);
        let _ = client.read(&mut [0]);
        let mut other = connect(proxy);
        ask(&mut other);
    };
    let (records, totals) = recorded(&folder.path().join("a.jsonl"), clients).await;
    assert_eq!(summary(&records).0, 2, "{records:?}");
    assert!(totals.unrecorded >= 2, "{totals:?}");
    let reasons: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Skipped(skipped) => Some(skipped.reason.as_str()),
            _ => None,
        })
        .collect();
    assert!(
        reasons.iter().any(|reason| reason.starts_with("the rest of the session: client")),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn a_connection_that_only_the_recorder_finds_unreadable_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let _ = socket.write_all(b"\x05\0\0\0hello");
            let _ = socket.read(&mut [0]);
        }
    });
    let clients = |proxy: SocketAddr| {
        for _ in 0..2 {
            let mut client = TcpStream::connect(proxy).unwrap();
            client.read_exact(&mut [0; 9]).unwrap();
        }
    };
    let settings = Settings { protocol: Protocol::Mysql, ..Settings::default() };
    let (records, totals) = recorded_of(&folder.path().join("a.jsonl"), server, settings, clients).await;
    let skipped = records.iter().filter(|record| matches!(record, Record::Skipped(_))).count();
    assert_eq!((skipped, totals.unrecorded), (2, 2), "{records:?}");
}
