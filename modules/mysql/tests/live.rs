//! The module against a real server: `TCPCOPY_MYSQL_SERVER=host:port TCPCOPY_MYSQL_USER=user=password cargo test -p
//! tcpcopy-mysql --test live -- --ignored`. The user needs no rights.
//!
//! `a_question` asks the server about its connections, and prints the conversation as `tests/questions` keeps it: the user
//! needs PROCESS, and SELECT on `performance_schema`.
//!
//! A client that gives a worthless login prepares statements, loses its connection to the test server, and goes on.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "the example has a use for all of it")]

#[path = "../examples/mirror.rs"]
mod mirror;
#[path = "sessions/support/packets.rs"]
mod packets;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};

use module_kit::{OnlineService, Protocol, Report};
use tcpcopy_mysql::{Mysql, OnlineServer, SecretSource, Settings};

use crate::mirror::{Replay, protocol};
use crate::packets::{execute_as, packet, prepare};

/// A response to a greeting, with a worthless answer.
fn hello(user: &str) -> Vec<u8> {
    // 4.1, transactions, secure connection, methods by name.
    let fixed = [&0x0008_a201_u32.to_le_bytes()[..], &[0, 0, 0, 1, 45], &[0; 23]].concat();
    let answer = [&[20][..], &[7; 20]].concat();
    packet(1, &[&fixed[..], user.as_bytes(), b"\0", &answer, b"mysql_native_password\0"].concat())
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
    let answered = |replay: &Replay| replay.driven.is_ready() && replay.is_complete();
    replay.connect().unwrap();
    replay.client(&hello(user)).unwrap();
    replay.run_until(answered).unwrap();
    assert_eq!(replay.driven.failure, None);

    // The second of three statements is wrong.
    for text in ["DO 1", "nonsense", "DO 2"] {
        replay.forget_complete();
        replay.client(&prepare(text)).unwrap();
        replay.run_until(answered).unwrap();
    }
    for _ in 0..2 {
        for id in [1, 3] {
            replay.forget_complete();
            replay.client(&execute_as(id)).unwrap();
            replay.run_until(answered).unwrap();
        }
        replay.connect().unwrap();
        replay.run_until(answered).unwrap();
    }
    replay.client(&execute_as(2)).unwrap();
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

#[test]
#[ignore = "needs a server"]
fn a_question() {
    let server = std::env::var("TCPCOPY_MYSQL_SERVER").unwrap();
    let user = std::env::var("TCPCOPY_MYSQL_USER").unwrap();
    let (user, password) = user.split_once('=').unwrap();
    let settings = OnlineServer {
        address: server.to_socket_addrs().unwrap().next(),
        user: user.to_owned(),
        password: Some(SecretSource::Plain(password.to_owned().into())),
        public_key: None,
        timeout: None,
    };
    let usual = settings.address.unwrap().into();
    let protocol = Mysql::new(&Settings::default()).unwrap().for_service(Some(&settings), usual).unwrap();
    let query = protocol.query().unwrap();
    let mut stream = TcpStream::connect(SocketAddr::from(query.address())).unwrap();
    stream.set_read_timeout(Some(query.time_limit())).unwrap();
    let mut conversation = query.begin(1);
    let mut buffer = vec![0; 64 << 10];
    println!("user {user} {password}");
    loop {
        let to_send = conversation.to_send();
        if !to_send.is_empty() {
            println!("sent {}", to_send.escape_ascii());
            stream.write_all(&to_send).unwrap();
        }
        let length = stream.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "the server ends the conversation");
        println!("answer {}", buffer[..length].escape_ascii());
        if conversation.receive(&buffer[..length]).unwrap() {
            return;
        }
    }
}
