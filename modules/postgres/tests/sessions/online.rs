//! The online server decides who is copied.

use module_kit::{FailureKind, OnlineService, begins_with_any};
use postgres_wire::backend::{Authentication, Backend};

use crate::support::{Session, auth_ok, backend, count, error, password, protocol, query, startup};

fn asks() -> Vec<u8> {
    backend(Backend::Authentication(Authentication::Sasl(b"SCRAM-SHA-256\0\0")))
}

#[test]
fn a_client_that_the_online_server_refuses_is_not_copied() {
    let protocol = protocol();
    let mut session = Session::new(&protocol, true);
    session.connected();
    session.client(&startup("app"));
    session.driver.online(0, &asks());
    session.client(&password());
    assert!(session.client(&query("SELECT 1")).is_empty(), "it did not wait for the online server's answer");
    session.driver.online(0, &error("28P01"));
    assert_eq!(session.driver.failure.map(|it| it.kind), Some(FailureKind::LoginFailedOnline));
    assert!(session.got.is_empty());
    assert_eq!(count(&protocol, "online_errors", "28P01"), 1);
}

#[test]
fn a_client_that_is_let_in_goes_on() {
    let protocol = protocol();
    for answer in [Some(auth_ok()), None] {
        let mut session = Session::new(&protocol, true);
        session.connected();
        session.client(b"\0\0\0\x08\x04\xd2\x16\x2f");
        session.client(&startup("app"));
        // The one byte that was not captured refused TLS.
        session.driver.online(1, &asks());
        assert!(session.client(&[password(), query("SELECT 1")].concat()).is_empty());
        let sent = match answer {
            Some(answer) => session.driver.online(0, &answer),
            // The answer was not captured.
            None => {
                session.driver.online(300, &[]);
                session.driver.client(&[])
            }
        };
        session.serve(sent);
        assert_eq!(session.got, ["SELECT 1"]);
        session.driver.online(7, &error("42P01"));
        assert_eq!(session.driver.failure, None);
    }
    assert_eq!(count(&protocol, "online_errors", "42P01"), 2);
}

#[test]
fn without_captured_answers_nothing_waits() {
    let protocol = protocol();
    let mut session = Session::new(&protocol, true);
    session.connected();
    session.client(&startup("app"));
    assert_eq!(session.client(&[password(), query("SELECT 1")].concat()), ["SELECT 1"]);
}

#[test]
fn the_segments_that_matter_are_captured() {
    let protocol = protocol();
    let wanted = |segment: &[u8]| begins_with_any(segment, protocol.answers());
    let complete = |messages: &[Backend<'_>]| messages.iter().flat_map(|it| backend(*it)).collect::<Vec<_>>();
    let parsed = complete(&[Backend::ParseComplete]);
    let bound = complete(&[Backend::ParseComplete, Backend::BindComplete]);
    for segment in [
        asks(),
        auth_ok(),
        error("42601"),
        [parsed.clone(), error("42601")].concat(),
        [bound.clone(), error("23505")].concat(),
        [complete(&[Backend::BindComplete, Backend::NoData]), error("23505")].concat(),
    ] {
        assert!(wanted(&segment), "{segment:?}");
        let mut session = Session::new(&protocol, true);
        session.connected();
        session.driver.online(0, &segment);
    }
    assert_eq!(
        (count(&protocol, "online_errors", "23505"), count(&protocol, "online_errors", "42601")),
        (2, 2)
    );
    for segment in [
        &parsed[..],
        &bound,
        b"T\0\0\0\x07\0\x01",
        b"D\0\0\0\x07\0\x01",
        b"Z\0\0\0\x05I",
        b"E\0\0\0\x09rows\0",
    ] {
        assert!(!wanted(segment), "{segment:?}");
    }
}
