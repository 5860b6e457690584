//! Sessions whose servers are played here: what real ones do seldom.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod driver;

use std::net::{IpAddr, Ipv4Addr};

use common::flow::{Endpoint, Flow};
use common::module::Protocol;
use tcpcopy_mysql::{Mysql, Settings};

use crate::driver::Driven;

/// 4.1, transactions, secure connection, methods by name, several statements and results.
const USUAL: u32 = 0x000f_a201;

/// CLIENT_COMPRESS, CLIENT_QUERY_ATTRIBUTES.
const COMPRESS: u32 = 0x20;
const ATTRIBUTES: u32 = 1 << 27;

/// The type of a number, of a text.
const LONG: u8 = 3;
const TEXT: u8 = 0xFD;

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    [&length.to_le_bytes()[..3], &[sequence], payload].concat()
}

/// What a client with these capabilities says to some greeting.
fn hello(capabilities: u32) -> Vec<u8> {
    let mut payload = capabilities.to_le_bytes().to_vec();
    payload.extend_from_slice(&[0, 0, 0, 1, 45]);
    payload.extend_from_slice(&[0; 23]);
    payload.extend_from_slice(b"app\0\0mysql_native_password\0");
    packet(1, &payload)
}

/// The greeting of a server with these capabilities.
fn greeting(capabilities: u32) -> Vec<u8> {
    greeting_of(42, capabilities)
}

/// The greeting of a server that calls the connection `id`.
fn greeting_of(id: u8, capabilities: u32) -> Vec<u8> {
    let [a, b, c, d] = capabilities.to_le_bytes();
    let mut payload = [b"\x0a9.7.4\0", &[id, 0, 0, 0][..], b"nonce678\0"].concat();
    payload.extend_from_slice(&[a, b, 0x21, 2, 0, c, d, 0x15]);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"901234567890\0mysql_native_password\0");
    packet(0, &payload)
}

const IN_TRANSACTION: u8 = 1;

fn ok(sequence: u8, status: u8) -> Vec<u8> {
    packet(sequence, &[0, 0, 0, 2 | status, 0, 0, 0])
}

/// A PREPARE has got this id.
fn prepared(id: u8, columns: u8, parameters: u8) -> Vec<u8> {
    packet(1, &[0, id, 0, 0, 0, columns, 0, parameters, 0, 0, 0, 0])
}

fn command(byte: u8, rest: &[u8]) -> Vec<u8> {
    packet(0, &[&[byte], rest].concat())
}

fn query(text: &str) -> Vec<u8> {
    command(3, text.as_bytes())
}

fn prepare(text: &str) -> Vec<u8> {
    command(0x16, text.as_bytes())
}

fn execute(id: u8) -> Vec<u8> {
    command(0x17, &[id, 0, 0, 0, 0, 1, 0, 0, 0])
}

struct Run {
    protocol: Mysql,
    driven: Driven,
}

impl Run {
    fn new(from_start: bool) -> Self {
        let settings = Settings {
            default: Some(tcpcopy_mysql::DefaultLogin {
                user: "app".to_owned(),
                password: None,
                database: String::new(),
            }),
            ..Settings::default()
        };
        let protocol = Mysql::new(&settings, false).unwrap();
        let end = |port| Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let flow = Flow { client: end(40_000), server: end(3306) };
        let driven = Driven::new(protocol.module(&flow, from_start));
        Self { protocol, driven }
    }

    /// A session whose login is done.
    fn logged_in(client: u32, server: u32) -> Self {
        let mut run = Self::new(true);
        run.driven.connected();
        run.driven.client(&hello(client));
        run.greet(server);
        run
    }

    /// The test server greets, and accepts the login.
    fn greet(&mut self, server: u32) {
        assert!(!self.driven.answer(&greeting(server)).is_empty(), "a login is due");
        self.driven.answer(&ok(2, 0));
        assert_eq!(self.driven.failure, None);
    }

    fn count(&self, group: &str, name: &str) -> u64 {
        let groups = self.protocol.report().groups;
        let counters = groups.into_iter().filter(|it| it.name == group).flat_map(|group| group.counters);
        counters.filter(|(it, _)| it == name).map(|(_, count)| count).sum()
    }

    /// The client prepares a statement, which gets this id.
    fn prepared(&mut self, text: &str, id: u8, parameters: u8) {
        assert_eq!(self.driven.client(&prepare(text)), prepare(text));
        self.driven.answer(&prepared(id, 0, parameters));
    }
}

/// An error as a server says it before it knows the client: without an SQL state.
fn early_error(code: u16, text: &str) -> Vec<u8> {
    packet(0, &[&[0xFF][..], &code.to_le_bytes(), text.as_bytes()].concat())
}

#[test]
fn a_connection_that_is_refused_is_tried_again_with_the_same_login() {
    let mut run = Run::new(true);
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.driven.answer(&early_error(1040, "Too many connections"));
    assert_eq!((run.driven.refused, run.driven.failure), (1, None));
    run.driven.connected();
    // MySQL lets one in, and says it after the login.
    run.driven.answer(&greeting(USUAL));
    run.driven.answer(&packet(2, b"\xff\x10\x04#08004Too many connections"));
    assert_eq!((run.driven.refused, run.driven.failure), (2, None));
    assert_eq!(run.driven.connected(), b"");
    run.greet(USUAL);
    assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"));
    assert_eq!(run.count("refused_connections", "1040"), 2);
    assert_eq!(run.count("logins", "refused_mysql_native_password"), 0);
}

#[test]
fn who_the_client_is_can_be_learned_from_a_login_that_is_lost() {
    let mut run = Run::new(true);
    run.driven.connected();
    run.driven.answer(&early_error(1130, "Host is not allowed to connect"));
    assert_eq!(run.driven.refused, 1);
    run.driven.lost(&hello(USUAL));
    run.driven.connected();
    run.driven.client(&query("DO 1"));
    run.greet(USUAL);
    assert_eq!(run.driven.held(), 0);
    assert_eq!(run.count("sessions", "joined_with_default_login"), 0);
    assert_eq!(run.count("commands", "query"), 1);
}

#[test]
fn what_is_prepared_while_the_server_is_down_is_prepared_later() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.driven.lost(&[prepare("SELECT ?"), query("USE other")].concat());
    run.driven.online(0, &prepared(1, 1, 1));
    run.driven.connected();
    run.driven.client(&execute(1));
    let sent = run.driven.answer(&greeting(USUAL));
    assert!(sent.windows(6).any(|window| window == b"other\0"), "{}", sent.escape_ascii());
    assert_eq!(run.driven.answer(&ok(2, 0)), prepare("SELECT ?"));
    let answer = [prepared(7, 0, 1), packet(2, b"a definition"), packet(3, b"\xfe\0\0\x02\0")].concat();
    assert_eq!(run.driven.answer(&answer), execute(7));
    assert_eq!(run.count("left_out", "unknown_statement"), 0);
}

#[test]
fn what_is_closed_while_the_server_is_down_is_not_prepared_later() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.driven.lost(&prepare("SELECT ?"));
    run.driven.online(0, &prepared(1, 1, 1));
    run.driven.lost(&command(0x19, &[1, 0, 0, 0]));
    run.driven.connected();
    run.driven.client(&query("DO 1"));
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.answer(&ok(2, 0)), query("DO 1"));
    assert_eq!(run.count("sessions", "prepared_again"), 0);
}

#[test]
fn a_database_whose_name_no_server_takes_is_not_remembered() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.driven.lost(&[query("USE other"), command(0x02, &[b'x'; 257])].concat());
    run.driven.connected();
    run.driven.client(&query("DO 1"));
    let sent = run.driven.answer(&greeting(USUAL));
    assert!(sent.windows(6).any(|window| window == b"other\0"), "{}", sent.escape_ascii());
}

#[test]
fn a_login_that_is_refused_for_the_user_ends_the_session() {
    let mut run = Run::new(true);
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.driven.answer(&greeting(USUAL));
    run.driven.answer(&packet(2, b"\xff\x15\x04#28000Access denied"));
    assert!(run.driven.failure.is_some());
    assert_eq!((run.driven.refused, run.count("refused_connections", "1045")), (0, 0));
}

/// An EXECUTE of the statement 1 with a number, a text that was sent before, and a query attribute n = "v".
fn execute_with_attribute() -> Vec<u8> {
    let head = [1, 0, 0, 0, 8, 1, 0, 0, 0, 3, 0, 1];
    let types = [LONG, 0, 0, TEXT, 0, 0, TEXT, 0, 1, b'n'];
    command(0x17, &[&head[..], &types, &[42, 0, 0, 0], b"\x01v"].concat())
}

fn long_data(id: u8, parameter: u8, value: &[u8]) -> Vec<u8> {
    command(0x18, &[&[id, 0, 0, 0, parameter, 0], value].concat())
}

#[test]
fn attributes_are_taken_out_where_values_were_sent_before() {
    let mut run = Run::logged_in(USUAL | ATTRIBUTES, USUAL);
    run.prepared("INSERT INTO t VALUES (?, ?)", 1, 2);
    for _ in 0..2 {
        assert_eq!(run.driven.client(&long_data(1, 1, b"text")), long_data(1, 1, b"text"));
        let plain = [&[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, LONG, 0, TEXT, 0][..], &[42, 0, 0, 0]].concat();
        let sent = run.driven.client(&execute_with_attribute());
        assert_eq!(sent.escape_ascii().to_string(), command(0x17, &plain).escape_ascii().to_string());
        run.driven.answer(&ok(1, 0));
    }
    assert_eq!(run.count("sessions", "query_attributes_left_out"), 2);
}

#[test]
fn a_change_of_user_waits_for_the_end_of_what_is_answered() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.driven.client(&query("SELECT a FROM long"));
    run.driven.answer(&packet(1, b"\x01"));
    let change = command(0x11, b"other\0\0\0");
    assert_eq!(run.driven.client(&change), command(0x0e, &[]), "a ping first");
    assert_eq!(run.driven.answer(&packet(9, b"\x03row")), b"");
    let sent = run.driven.answer(&[packet(10, b"\xfe\0\0\x02\0"), ok(1, 0)].concat());
    assert_eq!(sent.get(4), Some(&0x11), "{}", sent.escape_ascii());
    run.driven.answer(&ok(2, 0));
    assert_eq!((run.driven.failure, run.driven.held()), (None, 0));
    assert_eq!(run.count("logins", "without_password_mysql_native_password"), 2);
}

#[test]
fn what_wants_values_that_went_to_a_lost_connection_is_left_out() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.prepared("INSERT INTO t VALUES (?)", 1, 1);
    run.driven.client(&long_data(1, 0, b"text"));
    run.driven.connected();
    let bound = command(0x17, &[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, TEXT, 0]);
    run.driven.client(&bound);
    run.greet(USUAL);
    run.driven
        .answer(&[prepared(1, 0, 1), packet(2, b"a definition"), packet(3, b"\xfe\0\0\x02\0")].concat());
    assert_eq!((run.driven.held(), run.count("left_out", "lost_long_data")), (0, 1));
    // The next is whole.
    run.driven.client(&long_data(1, 0, b"text"));
    assert_eq!(run.driven.client(&bound), bound);
}

#[test]
fn a_transaction_that_is_cut_is_counted_once_and_others_are_not() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.prepared("COMMIT", 1, 0);
    run.driven.client(&query("BEGIN"));
    run.driven.answer(&ok(1, IN_TRANSACTION));
    // The connection is lost, the statement is prepared again, the client says COMMIT.
    run.driven.lost(&query("DO 1"));
    run.driven.connected();
    run.driven.client(&execute(1));
    run.greet(USUAL);
    run.driven.answer(&prepared(1, 0, 0));
    assert_eq!(run.driven.held(), 0);
    run.driven.answer(&ok(1, 0));
    assert_eq!(run.count("sessions", "transaction_cut"), 1);
    assert_eq!(run.count("sessions", "transaction_start_missed"), 0);
    // A BEGIN is lost; the end is said by a statement that is known.
    run.driven.lost(&query("BEGIN"));
    run.driven.connected();
    run.driven.client(&execute(1));
    run.greet(USUAL);
    run.driven.answer(&prepared(1, 0, 0));
    assert_eq!(run.count("sessions", "transaction_cut"), 1);
    assert_eq!(run.count("sessions", "transaction_start_missed"), 1);
}

#[test]
fn a_transaction_that_was_open_at_a_join_shows_at_its_end() {
    let mut run = Run::new(false);
    run.driven.connected();
    run.driven.client(&query("UPDATE t SET a = 1"));
    run.greet(USUAL);
    run.driven.answer(&ok(1, 0));
    for (text, status, missed) in
        [("commit", 0, 1), ("begin", IN_TRANSACTION, 1), ("ROLLBACK", 0, 1), ("COMMIT", 0, 1)]
    {
        run.driven.client(&query(text));
        run.driven.answer(&ok(1, status));
        assert_eq!(run.count("sessions", "transaction_start_missed"), missed, "{text}");
    }
}

/// A compressed packet that is not compressed: short ones are not.
fn bare(packet: &[u8]) -> Vec<u8> {
    let length = packet.len() as u32;
    [&length.to_le_bytes()[..3], &[0, 0, 0, 0], packet].concat()
}

#[test]
fn what_is_inflated_counts_as_memory_until_it_is_sent() {
    const LENGTH: usize = 300_000;
    let mut run = Run::logged_in(USUAL | COMPRESS, USUAL);
    let before = run.driven.memory();
    let statement = packet(0, &[&b"\x16"[..], &[b'x'; LENGTH]].concat());
    let first = &statement[..LENGTH / 2];
    run.driven.client(&bare(&query("SELECT 1")));
    assert_eq!(run.driven.client(&bare(first)), b"", "it waits for the answer to the query");
    let held = run.driven.memory() - before;
    assert!((first.len()..2 * LENGTH).contains(&held), "{held} bytes are held");
    let sent = run.driven.answer(&ok(1, 0));
    assert_eq!(sent.len(), first.len());
    assert!(run.driven.memory() < before + 8192);
}

#[test]
fn a_row_that_looks_like_a_greeting_is_none() {
    let mut run = Run::new(true);
    run.driven.online(0, &greeting_of(7, USUAL));
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.greet(USUAL);
    run.driven.client(&query("SELECT what, nobody, knows"));
    run.driven.answer(&packet(1, b"\x01"));
    // A long result counts its packets from 0 again.
    run.driven.online(4000, &greeting_of(8, USUAL));
    assert_eq!(run.driven.client(&query("KILL 8")), b"");
    assert_eq!(run.driven.client(&query("KILL 7")), query("KILL 42"));
    let mut joined = Run::new(false);
    joined.driven.connected();
    joined.driven.online(0, &greeting_of(8, USUAL));
    joined.driven.client(&query("DO 1"));
    joined.greet(USUAL);
    joined.driven.answer(&ok(1, 0));
    assert_eq!(joined.driven.client(&query("KILL 8")), b"");
}
