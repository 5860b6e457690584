//! The module against a real server: `TCPCOPY_MYSQL_SERVER=host:port TCPCOPY_MYSQL_USER=user=password cargo test -p
//! tcpcopy-mysql --test live -- --ignored`. The user needs no rights.
//!
//! A client that gives a worthless login prepares statements, loses its connection to the test server, and goes on.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "the example has a use for all of it")]

#[path = "../examples/mirror.rs"]
mod mirror;

use std::net::ToSocketAddrs;

use module_kit::{Protocol, Report};

use crate::mirror::{Replay, protocol};

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    [&length.to_le_bytes()[..3], &[sequence], payload].concat()
}

/// A response to some greeting, with an answer that is good for nothing.
fn hello(user: &str) -> Vec<u8> {
    // 4.1, transactions, secure connection, methods by name.
    let mut payload = 0x0008_a201_u32.to_le_bytes().to_vec();
    payload.extend_from_slice(&[0, 0, 0, 1, 45]);
    payload.extend_from_slice(&[0; 23]);
    payload.extend_from_slice(user.as_bytes());
    payload.push(0);
    payload.push(20);
    payload.extend_from_slice(&[7; 20]);
    payload.extend_from_slice(b"mysql_native_password\0");
    packet(1, &payload)
}

fn execute(id: u32) -> Vec<u8> {
    packet(0, &[&[0x17][..], &id.to_le_bytes(), &[0, 1, 0, 0, 0]].concat())
}

fn count(report: &Report, group: &str, name: &str) -> u64 {
    let group = report.groups.iter().find(|it| it.name == group);
    let counter = group.and_then(|group| group.counters.iter().find(|(it, _)| it == name));
    counter.map_or(0, |(_, count)| *count)
}

#[test]
#[ignore = "needs a server"]
fn a_login_and_a_rebuilt_connection() {
    let server = std::env::var("TCPCOPY_MYSQL_SERVER").unwrap();
    let user = std::env::var("TCPCOPY_MYSQL_USER").unwrap();
    let server = server.to_socket_addrs().unwrap().next().unwrap();
    let (user, password) = user.split_once('=').unwrap();
    let protocol = protocol(&[(user, password)]).unwrap();
    let mut replay = Replay::new(&protocol, server, server, true);
    let answered = |replay: &Replay| replay.driven.ready && replay.driven.complete;
    replay.connect().unwrap();
    replay.client(&hello(user)).unwrap();
    replay.run_until(answered).unwrap();
    assert_eq!(replay.driven.failure, None);

    // The second of three statements is wrong.
    for text in ["DO 1", "nonsense", "DO 2"] {
        replay.driven.complete = false;
        replay.client(&packet(0, &[b"\x16", text.as_bytes()].concat())).unwrap();
        replay.run_until(answered).unwrap();
    }
    for _ in 0..2 {
        for id in [1, 3] {
            replay.driven.complete = false;
            replay.client(&execute(id)).unwrap();
            replay.run_until(answered).unwrap();
        }
        replay.connect().unwrap();
        replay.run_until(answered).unwrap();
    }
    replay.client(&execute(2)).unwrap();
    assert_eq!(replay.driven.failure, None);
    assert_eq!(replay.driven.held(), 0);

    let report = protocol.report();
    assert_eq!(count(&report, "commands", "stmt_execute"), 4);
    assert_eq!(count(&report, "left_out", "failed_statement"), 1);
    assert_eq!(count(&report, "sessions", "prepared_again"), 6);
    // The wrong statement, three times; no EXECUTE failed.
    assert_eq!(count(&report, "server_errors", "1064"), 3);
    assert_eq!(count(&report, "server_errors", "1243"), 0);
    let logins = report.groups.iter().find(|group| group.name == "logins").unwrap();
    assert_eq!(logins.counters.iter().map(|(_, count)| count).sum::<u64>(), 3);
}
