//! CancelRequests, which carry the online server's key of another connection.

use std::time::Duration;

use module_kit::testing::Driver;
use module_kit::{Endpoint, Flow, Loss, Protocol};
use postgres_wire::backend::{Backend, TransactionStatus};
use postgres_wire::opening::Opening;
use tcpcopy_postgres::Postgres;

use crate::support::{Session, auth_ok, backend, count, error, password, protocol, query, ready, startup};

const KEY: &[u8] = &[7; 256];

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A session whose test server answers when it is told to. Online it has this process, and [`KEY`].
fn victim(protocol: &Postgres, pid: u32) -> Session<'_> {
    let mut session = Session::new(protocol, true);
    session.connected();
    session.client(&startup("app"));
    session.client(&password());
    let settings = (0..20).flat_map(|_| backend(Backend::ParameterStatus { name: b"name", value: b"value" }));
    let end = [
        auth_ok(),
        settings.collect(),
        backend(Backend::BackendKeyData { pid, key: KEY }),
        ready(TransactionStatus::Idle),
    ];
    session.driver.online(0, &end.concat());
    session.answers = false;
    session
}

fn request(pid: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    Opening::Cancel { pid, key: KEY }.write(&mut bytes);
    bytes
}

/// The test server's key of each connection is 1, 2, 3, 4 of process 1.
fn mapped() -> Vec<u8> {
    let mut bytes = Vec::new();
    Opening::Cancel { pid: 1, key: &[1, 2, 3, 4] }.write(&mut bytes);
    bytes
}

/// A connection of a CancelRequest, `age` after the beginning.
fn canceller(protocol: &Postgres, age: Duration) -> Driver {
    let end = |port| Endpoint::new(std::net::Ipv4Addr::LOCALHOST.into(), port);
    let flow = Flow { client: end(50_000), server: end(5432) };
    let mut driver = Driver::new(protocol.module(&flow, true));
    driver.pass_time(age);
    driver
}

/// What the canceller sends within so many milliseconds.
fn sends(driver: &mut Driver, milliseconds: u64) -> Vec<u8> {
    (0..milliseconds).flat_map(|_| driver.pass_time(Duration::from_millis(1))).collect()
}

#[test]
fn the_statement_that_was_cancelled_online_is_cancelled() {
    let protocol = protocol();
    let mut victim = victim(&protocol, 9);
    victim.client(&query("SELECT pg_sleep(9)"));
    victim.driver.pass_time(milliseconds(1000));
    let mut canceller = canceller(&protocol, milliseconds(1000));
    canceller.connected();
    // A client may ask for TLS before.
    canceller.turn(b"\0\0\0\x08\x04\xd2\x16\x2f");
    assert!(canceller.turn(&request(9)).is_empty(), "what another thread has captured is read first");
    assert_eq!(sends(&mut canceller, 20), mapped());
    assert_eq!((canceller.held(), count(&protocol, "sessions", "cancel_mapped")), (0, 1));
    // What the client says next waits until the request has reached the server. Nothing falls due behind it.
    let answered = victim.driver.answered;
    victim.answer(&[error("57014"), ready(TransactionStatus::Idle)].concat());
    assert!(victim.client(&query("SELECT 1")).is_empty());
    assert!(victim.driver.pass_time(milliseconds(10)).is_empty());
    assert_eq!(victim.driver.answered, answered);
    drop(canceller);
    assert_eq!(victim.driver.pass_time(milliseconds(10)), query("SELECT 1"));
    assert!(victim.left_out().is_empty());
}

#[test]
fn a_cancel_waits_until_the_copy_is_where_its_victim_was() {
    let protocol = protocol();
    let mut victim = victim(&protocol, 9);
    // Captured at 1 ms, and due at 701 ms; cancelled at 300 ms.
    victim.client(&query("SELECT 0"));
    victim.driver.pass_time(milliseconds(1));
    victim.driver.turn_captured(&query("SELECT pg_sleep(9)"));
    let mut canceller = canceller(&protocol, milliseconds(300));
    canceller.connected();
    canceller.turn(&request(9));
    assert!(sends(&mut canceller, 400).is_empty());
    victim.driver.pass_time(milliseconds(700));
    victim.answer(&ready(TransactionStatus::Idle));
    assert!(sends(&mut canceller, 250).is_empty(), "it ran longer online");
    assert_eq!(sends(&mut canceller, 60), mapped());
}

/// The engine lets a turn go when an answer takes very long.
#[test]
fn a_statement_that_waits_in_the_test_server_is_not_under_way() {
    let protocol = protocol();
    let mut victim = victim(&protocol, 9);
    victim.client(&query("SELECT 1"));
    victim.driver.pass_time(milliseconds(100));
    victim.client(&query("SELECT pg_sleep(9)"));
    let mut canceller = canceller(&protocol, milliseconds(300));
    canceller.connected();
    canceller.turn(&request(9));
    assert!(sends(&mut canceller, 500).is_empty(), "SELECT 1 would be cancelled");
    victim.driver.pass_time(milliseconds(700));
    victim.answer(&ready(TransactionStatus::Idle));
    assert!(sends(&mut canceller, 150).is_empty());
    assert_eq!(sends(&mut canceller, 100), mapped());
    // What is executed first was cancelled, and something that the client said after that waits behind it.
    victim.answer(&ready(TransactionStatus::Idle));
    drop(canceller);
    victim.driver.pass_time(milliseconds(200));
    victim.client(&query("SELECT pg_sleep(8)"));
    let mut canceller = self::canceller(&protocol, milliseconds(1400));
    canceller.turn_captured(&request(9));
    victim.driver.pass_time(milliseconds(500));
    victim.client(&query("SELECT 2"));
    canceller.connected();
    assert_eq!(sends(&mut canceller, 600), mapped());
}

#[test]
fn a_cancel_whose_victim_is_behind_for_long_is_left_out() {
    let protocol = protocol();
    let mut victim = victim(&protocol, 9);
    victim.client(&query("SELECT 0"));
    victim.driver.turn_captured(&query("SELECT pg_sleep(9)"));
    let mut canceller = canceller(&protocol, milliseconds(300));
    canceller.connected();
    canceller.turn(&request(9));
    assert!(sends(&mut canceller, 5100).is_empty());
    assert_eq!(canceller.fates.left_out, [(Loss::LeftOut, request(9))]);
    assert_eq!(count(&protocol, "left_out", "cancel_victim_behind"), 1);
}

#[test]
fn a_cancel_never_hits_another_statement() {
    let protocol = protocol();
    let mut victim = victim(&protocol, 9);
    victim.client(&query("SELECT 1"));
    let mut canceller = canceller(&protocol, milliseconds(500));
    canceller.turn_captured(&request(9));
    // The copy has executed the statement for longer than it ran online until it was cancelled.
    victim.driver.pass_time(milliseconds(800));
    victim.answer(&ready(TransactionStatus::Idle));
    canceller.pass_time(milliseconds(500));
    canceller.connected();
    assert!(sends(&mut canceller, 100).is_empty());
    assert_eq!((canceller.held(), count(&protocol, "left_out", "cancel_late")), (0, 1));
    // The next one is under way.
    victim.client(&query("SELECT 2"));
    let mut canceller = self::canceller(&protocol, milliseconds(700));
    canceller.turn_captured(&request(9));
    canceller.pass_time(milliseconds(500));
    canceller.connected();
    assert!(sends(&mut canceller, 100).is_empty());
    assert_eq!(count(&protocol, "left_out", "cancel_late"), 2);
}

#[test]
fn a_cancel_of_an_idle_victim_does_nothing() {
    let protocol = protocol();
    for is_told in [false, true] {
        let mut victim = victim(&protocol, 9);
        victim.client(&query("SELECT 1"));
        victim.answer(&ready(TransactionStatus::Idle));
        let mut canceller = canceller(&protocol, milliseconds(500));
        canceller.connected();
        canceller.turn(&request(9));
        if is_told {
            // It was not idle online.
            victim.driver.pass_time(milliseconds(520));
            victim.driver.online(7, &error("57014"));
        }
        assert!(sends(&mut canceller, 300).is_empty());
        assert_eq!(canceller.fates.left_out.is_empty(), !is_told);
    }
    assert_eq!(
        (count(&protocol, "sessions", "cancel_of_idle"), count(&protocol, "left_out", "cancel_late")),
        (1, 1)
    );
}

#[test]
fn a_cancel_without_a_copy_is_left_out() {
    let protocol = protocol();
    let mut victim = victim(&protocol, 9);
    victim.client(&query("SELECT pg_sleep(9)"));
    let wrong = {
        let mut bytes = Vec::new();
        Opening::Cancel { pid: 9, key: &[1; 256] }.write(&mut bytes);
        bytes
    };
    drop(self::victim(&protocol, 10));
    for request in [wrong, request(10), request(11)] {
        let mut canceller = canceller(&protocol, milliseconds(500));
        canceller.connected();
        assert!(canceller.turn(&request).is_empty());
        assert_eq!(canceller.fates.left_out, [(Loss::LeftOut, request)]);
    }
    assert_eq!(count(&protocol, "left_out", "cancel_unknown"), 3);
}
