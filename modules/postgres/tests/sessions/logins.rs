//! Logins at the test server.

use std::time::Duration;

use module_kit::{Failure, FailureKind};
use postgres_wire::login::server::{Rule, Verifier};
use postgres_wire::opening::Opening;
use tcpcopy_postgres::{Postgres, Settings};

use crate::support::{Session, backend, count, password, plain, protocol, query, startup};

fn opening(opening: Opening<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    opening.write(&mut bytes);
    bytes
}

fn scram(password: &[u8]) -> Rule {
    Rule::Scram { verifier: Verifier::new(password, b"0123456789abcdef", 4096), nonce: [9; 18] }
}

/// Lets the module derive its keys. Returns how many steps it took.
fn derive(session: &mut Session<'_>) -> usize {
    let mut steps = 0;
    while session.driver.calls_again_in() == Some(Duration::ZERO) {
        let sent = session.driver.pass_time(Duration::ZERO);
        session.serve(sent);
        steps += 1;
    }
    steps
}

#[test]
fn the_login_is_replaced_and_messages_wait_for_its_end() {
    let protocol = protocol();
    let mut session = Session::new(&protocol, true).with(scram(b"theirs"));
    session.connected();
    session.client(&opening(Opening::GssEnc));
    session.client(&opening(Opening::Ssl));
    assert!(session.driver.sent.is_empty(), "the online server has said no");
    session.client(&startup("app"));
    assert!(
        session.client(&[password(), password()].concat()).is_empty(),
        "whatever the online server asked"
    );
    assert!(session.client(&query("SELECT 1")).is_empty(), "it waits");
    // 4096 iterations, cut into four steps; three events have made one each.
    assert_eq!(derive(&mut session), 1);
    assert_eq!(session.got, ["SELECT 1"]);
    assert_eq!((session.left_out(), session.driver.failure), (vec![], None));
    assert_eq!(session.count("logins", "accepted_scram"), 1);
    assert_eq!(session.count("sessions", "encryption_refused_online"), 1);
    // The next session finds the keys.
    let mut session = Session::new(&protocol, true).with(scram(b"theirs"));
    session.connected();
    session.client(&startup("app"));
    assert_eq!((derive(&mut session), session.client(&query("SELECT 2"))), (0, vec!["SELECT 2".to_owned()]));
    assert_eq!((session.count("sessions", "scram_keys_derived"), session.count("messages", "query")), (1, 2));
}

#[test]
fn one_byte_a_segment_is_sufficient() {
    let protocol = protocol();
    let mut session = Session::new(&protocol, true).with(Rule::Md5 {
        password: b"theirs".to_vec().into(),
        user: b"app".to_vec(),
        salt: [1, 2, 3, 4],
    });
    session.connected();
    let stream = [opening(Opening::Ssl), startup("app"), password(), query("SELECT 1")].concat();
    let got: Vec<_> = stream.iter().flat_map(|byte| session.client(&[*byte])).collect();
    assert_eq!((got, session.driver.failure), (vec!["SELECT 1".to_owned()], None));
    assert_eq!(session.count("logins", "accepted_md5"), 1);
}

fn failure(kind: FailureKind, reason: &'static str) -> Option<Failure> {
    Some(Failure { kind, reason })
}

#[test]
fn what_cannot_be_copied_ends_with_its_reason() {
    let encrypted = failure(FailureKind::Tls, "the session is encrypted");
    let garbage = failure(FailureKind::OutOfStep, "the client's bytes are not PostgreSQL's protocol");
    let old = failure(FailureKind::Unsupported, "the client's bytes are not PostgreSQL's protocol");
    let replica = b"\0\0\0\x23\0\x03\0\0user\0app\0replication\0true\0\0";
    for (bytes, expected) in [
        (&[&opening(Opening::Ssl)[..], b"\x16\x03\x01"].concat()[..], encrypted),
        (b"\x16\x03\x01", encrypted),
        (&[&opening(Opening::GssEnc)[..], b"\0\0\x02\x20\x60\x82"].concat(), encrypted),
        (b"GET / HTTP/1.1\r\n", garbage),
        (b"\0\0\0\x28\0\x02\0\0", old),
        (replica, failure(FailureKind::Unsupported, "replication connections are not copied")),
        (&[&startup("app")[..], b"GET /"].concat(), garbage),
    ] {
        let protocol = protocol();
        let mut session = Session::new(&protocol, true);
        session.connected();
        session.client(bytes);
        assert_eq!(session.driver.failure, expected, "{bytes:?}");
    }
}

#[test]
fn a_login_that_fails_is_counted_by_method() {
    let failed = failure(FailureKind::LoginFailed, "the login at the test server failed");
    let clear = Rule::Cleartext(b"theirs".to_vec().into());
    for (user, rule, counter) in [
        ("app", scram(b"other"), "refused_scram"),
        ("nobody", scram(b"other"), "refused_scram"),
        ("app", clear, "refused_cleartext"),
    ] {
        let protocol = protocol();
        let mut session = Session::new(&protocol, true).with(rule);
        session.connected();
        session.client(&startup(user));
        derive(&mut session);
        assert_eq!((session.driver.failure, session.count("logins", counter)), (failed, 1), "{user}");
    }
}

#[test]
fn a_server_without_room_is_tried_again() {
    let protocol = protocol();
    let mut session = Session::new(&protocol, true);
    session.answers = false;
    session.connected();
    session.client(&startup("app"));
    session.answer(&backend(postgres_wire::backend::Backend::ErrorResponse(
        b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0",
    )));
    assert_eq!((session.driver.refused, session.driver.failure), (1, None));
    assert_eq!(session.count("refused_connections", "53300"), 1);
    session.driver.drop_client(&query("SELECT 1"));
    session.answers = true;
    session.connected();
    assert_eq!(session.client(&query("SELECT 2")), ["SELECT 2"]);
}

#[test]
fn users_and_databases_may_have_other_names() {
    let mut settings = Settings::default();
    settings.users.insert("app@shop".to_owned(), plain("theirs"));
    settings.user_names.insert("app".to_owned(), "app2".to_owned());
    settings.database_names.insert("shop".to_owned(), "shop2".to_owned());
    let protocol = Postgres::new(&settings).unwrap();
    let mut session = Session::new(&protocol, true).with(Rule::Md5 {
        password: b"theirs".to_vec().into(),
        user: b"app2".to_vec(),
        salt: [1, 2, 3, 4],
    });
    session.connected();
    session.client(&startup("app"));
    let sent = String::from_utf8_lossy(&session.driver.sent).into_owned();
    assert!(sent.contains("user\0app2\0database\0shop2\0\0"), "{sent}");
    assert_eq!(count(&protocol, "logins", "accepted_md5"), 1);
}
