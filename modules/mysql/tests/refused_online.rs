//! Clients whom the online server refuses: what they say then is not said with the passwords that are known here.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod driver;
mod script;

use common_core::payload_prefix::begins_with_any;
use module_kit::{FailureKind, OnlineService};
use tcpcopy_mysql::Mysql;

use crate::script::*;

const DENIED: &[u8] = b"\xff\x15\x04#28000Access denied for user 'known'@'10.0.0.1' (using password: YES)";

fn drop_table() -> Vec<u8> {
    query("DROP TABLE customers")
}

/// A session whose online server has greeted, and whose client then says `said`; the test server lets it in.
fn let_in_by_the_test_server(said: &[u8]) -> Run {
    let mut run = Run::new(true);
    run.driven.online(0, &greeting(USUAL));
    run.driven.connected();
    run.driven.client(said);
    assert!(!run.driven.answer(&greeting(USUAL)).is_empty(), "a login is due");
    run
}

/// Nothing that the client says goes to the test server any more, for the online server has refused it.
fn assert_refused(run: &mut Run) {
    assert_eq!(run.driven.client(&drop_table()), b"");
    assert_eq!(run.driven.failure.map(|failure| failure.kind), Some(FailureKind::LoginFailedOnline));
    assert_eq!(run.count("commands", "query"), 0);
}

#[test]
fn a_client_that_is_refused_online_says_nothing_to_the_test_server() {
    // At once, behind another method, before a greeting, and as a server says it that does not know the client yet.
    for answers in [
        &[packet(2, DENIED)][..],
        &[packet(2, b"\xfemysql_native_password\0nonce"), packet(4, DENIED)],
        &[packet(2, b"\x01\x04"), packet(4, b"\x01key"), packet(6, DENIED)],
        &[packet(2, b"\xff\x13\x04Bad handshake")],
        &[[packet(2, b"\x01\x03"), packet(3, DENIED)].concat()],
    ] {
        let mut run = let_in_by_the_test_server(&hello_of(KNOWN, USUAL));
        run.driven.answer(&ok(2, 0));
        for answer in answers {
            run.driven.online(0, answer);
        }
        assert_refused(&mut run);
    }
    let mut early = Run::new(true);
    early.driven.online(0, &early_error(1040, "Too many connections"));
    early.driven.connected();
    early.driven.client(&hello_of(KNOWN, USUAL));
    early.driven.answer(&greeting(USUAL));
    assert_refused(&mut early);
}

#[test]
fn the_refusal_may_come_before_the_test_server_is_that_far() {
    let mut run = let_in_by_the_test_server(&hello_of(KNOWN, USUAL));
    run.driven.online(0, &packet(2, DENIED));
    assert_refused(&mut run);
    // The test server could not be reached at first.
    let mut run = Run::new(true);
    run.driven.online(0, &greeting(USUAL));
    run.driven.lost(&hello_of(KNOWN, USUAL));
    run.driven.online(0, &packet(2, DENIED));
    run.driven.connected();
    assert_refused(&mut run);
}

#[test]
fn a_client_that_does_not_wait_for_the_online_server_is_made_to() {
    let both = [hello_of(KNOWN, USUAL), drop_table()].concat();
    let mut refused = let_in_by_the_test_server(&both);
    assert_eq!(refused.driven.answer(&ok(2, 0)), b"", "the online server has not let it in");
    refused.driven.online(0, &packet(2, DENIED));
    assert_refused(&mut refused);
    // It wants another method first: that is no answer yet. Nor is it one that its rest was not captured.
    let mut asked = let_in_by_the_test_server(&both);
    assert_eq!(asked.driven.answer(&ok(2, 0)), b"");
    asked.driven.online(0, &packet(2, &[&b"\xfesha256_password\0"[..], &[b'x'; 300]].concat())[..128]);
    assert_eq!(asked.driven.client(b""), b"");
    asked.driven.online(4 + 17 + 300 - 128, b"");
    assert_eq!(asked.driven.client(b""), b"");
    // It lets it in.
    let mut accepted = let_in_by_the_test_server(&both);
    assert_eq!(accepted.driven.answer(&ok(2, 0)), b"");
    accepted.driven.online(0, &ok(2, 0));
    assert_eq!(accepted.driven.client(b""), drop_table());
    // Compressed, nobody can tell.
    let both = [hello_of(KNOWN, USUAL | COMPRESS), drop_table()].concat();
    let mut compressed = let_in_by_the_test_server(&both);
    assert_eq!(compressed.driven.answer(&ok(2, 0)), b"");
    compressed.driven.online(0, &packet(2, DENIED));
    assert_refused(&mut compressed);
}

#[test]
fn where_the_online_servers_answer_is_not_captured_nothing_waits_for_it() {
    let mut unheard = Run::logged_in(USUAL, USUAL);
    assert_eq!(unheard.driven.client(&drop_table()), drop_table());
    // An error of a command is none of the login.
    unheard.driven.online(0, &error(1146, "no such table"));
    assert_eq!(unheard.driven.failure, None);
    let mut lost = let_in_by_the_test_server(&hello_of(KNOWN, USUAL));
    lost.driven.answer(&ok(2, 0));
    lost.driven.online(11, b"");
    assert_eq!(lost.driven.client(&drop_table()), drop_table());
    lost.driven.online(0, &error(1146, "no such table"));
    assert_eq!(lost.driven.failure, None);
}

/// COM_CHANGE_USER to the user whose password is known.
fn change() -> Vec<u8> {
    command(0x11, &[KNOWN.as_bytes(), b"\0\0\0"].concat())
}

/// A session that has a login behind it on both sides.
fn logged_in() -> Run {
    let mut run = let_in_by_the_test_server(&hello(USUAL));
    run.driven.answer(&ok(2, 0));
    run.driven.online(0, &ok(2, 0));
    run
}

/// The test server lets the client become another user.
fn changed(run: &mut Run) {
    assert_eq!(run.driven.answer(&ok(1, 0)).get(4), Some(&0x11));
    run.driven.answer(&ok(2, 0));
    assert_eq!(run.driven.failure, None);
}

#[test]
fn who_may_not_become_another_user_online_does_not_become_it_here() {
    for refusal in [&[packet(1, DENIED)][..], &[packet(1, b"\xfeed25519\0nonce"), packet(3, DENIED)]] {
        let mut run = logged_in();
        run.driven.client(&change());
        changed(&mut run);
        for answer in refusal {
            run.driven.online(0, answer);
        }
        assert_refused(&mut run);
    }
    // Without waiting for the answer.
    let mut run = logged_in();
    run.driven.client(&[change(), drop_table()].concat());
    changed(&mut run);
    assert_eq!(run.driven.client(b""), b"");
    run.driven.online(0, &packet(1, DENIED));
    assert_refused(&mut run);
    // What is answered before the change is said here.
    let mut run = logged_in();
    run.driven.client(&init_db("shop"));
    assert_eq!(run.driven.client(&change()), b"", "the test server has not answered");
    run.driven.online(0, &packet(1, DENIED));
    run.driven.answer(&ok(1, 0));
    assert_refused(&mut run);
}

#[test]
fn who_becomes_another_user_goes_on() {
    let mut run = logged_in();
    run.driven.client(&change());
    changed(&mut run);
    run.driven.online(11, b"");
    assert_eq!(run.driven.client(&drop_table()), drop_table());
    // It was joined: what the online server answers is not known to be captured.
    let mut joined = Run::new(false);
    joined.driven.connected();
    joined.driven.client(&init_db("shop"));
    joined.greet(USUAL);
    joined.driven.answer(&ok(1, 0));
    joined.driven.client(&[change(), drop_table()].concat());
    assert_eq!(joined.driven.answer(&ok(1, 0)).get(4), Some(&0x11));
    assert_eq!(joined.driven.answer(&ok(2, 0)), drop_table());
}

#[test]
fn answers_to_logins_are_captured_and_those_to_commands_are_not() {
    let prefixes = Mysql::new(&settings()).unwrap().answers();
    let want = |payload: &[u8]| begins_with_any(payload, prefixes);
    for sequence in 0..20 {
        assert!(want(&packet(sequence, DENIED)), "{sequence}");
    }
    for payload in
        [&b"\xfemysql_native_password\0"[..], b"\x01\x03", b"\x01\x04", &[1; 452], &[0; 7], &[0; 300]]
    {
        assert!(want(&packet(2, payload)), "{payload:?}");
        assert!(want(&packet(4, payload)), "{payload:?}");
    }
    assert!(want(&packet(1, b"\xfemysql_native_password\0")));
    assert!(want(&packet(1, b"\x01\x03")));
    for usual in [ok(1, 0), packet(1, b"\x01"), packet(1, b"\x0a"), b"some rows of a result".to_vec()] {
        assert!(!want(&usual), "{usual:?}");
    }
}
