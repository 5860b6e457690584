//! Sessions that were there before tcpcopy.

use module_kit::{FailureKind, Loss};
use postgres_wire::frontend::Frontend;
use tcpcopy_postgres::{Postgres, Settings};

use crate::support::{Session, execute, message, parse, password, protocol, query, startup};

#[test]
fn a_joined_session_logs_in_with_the_default() {
    let protocol = protocol();
    let mut session = Session::new(&protocol, false);
    session.connected();
    assert_eq!(session.client(&query("SELECT 1")), ["SELECT 1"]);
    let sent = String::from_utf8_lossy(&session.driver.sent).into_owned();
    assert!(sent.contains("user\0app\0database\0shop\0\0"), "{sent}");
    assert_eq!(session.count("sessions", "joined_with_default_login"), 1);
    // A statement that was prepared before is not known, nor what follows it; one that is prepared now is.
    assert_eq!(session.client(&execute("old")), Vec::<String>::new());
    assert_eq!(
        session.client(&[parse("new", "SELECT 2"), execute("new")].concat()),
        ["parse SELECT 2", "bind new", "execute", "sync"]
    );
    assert_eq!(session.left_out(), [(Loss::StateUnknown, execute("old").len())]);
    // Bind, Execute.
    assert_eq!(session.count("left_out", "unknown_statement"), 2);
}

#[test]
fn bytes_that_begin_no_message_are_left_out() {
    let protocol = protocol();
    let mut session = Session::new(&protocol, false);
    session.connected();
    assert!(session.client(b"12345\tabc\n").is_empty());
    assert!(session.client(b"Better not a Bind").is_empty());
    assert_eq!(session.client(&query("SELECT 1")), ["SELECT 1"]);
    assert_eq!(session.left_out(), [(Loss::StateUnknown, 27)]);
}

#[test]
fn a_login_that_is_seen_to_its_end_is_replaced() {
    let protocol = protocol();
    let mut session = Session::new(&protocol, false);
    session.connected();
    session.client(&password());
    assert_eq!(session.client(&query("SELECT 1")), ["SELECT 1"]);
    let mut session = Session::new(&protocol, false);
    session.connected();
    session.client(&startup("app"));
    assert_eq!(session.client(&[password(), query("SELECT 2")].concat()), ["SELECT 2"]);
    assert_eq!(session.count("sessions", "joined_with_default_login"), 1);
}

#[test]
fn without_a_default_a_joined_session_is_lost() {
    let protocol = Postgres::new(&Settings::default()).unwrap();
    let mut session = Session::new(&protocol, false);
    session.connected();
    session.client(&query("SELECT 1"));
    assert_eq!(session.driver.failure.map(|it| it.kind), Some(FailureKind::LoginFailed));
}

#[test]
fn a_gap_in_the_clients_bytes_is_survived() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.client(&[parse("s", "SELECT 1"), message(Frontend::Sync)].concat());
    session.driver.gap();
    session.connected();
    assert_eq!(session.client(&execute("s")), ["parse SELECT 1", "bind s", "execute", "sync"]);
    assert!(session.client(&execute("missed")).is_empty());
    assert_eq!(session.client(&query("SELECT 2")), ["SELECT 2"]);
}
