//! Logins that a test server refuses, and those within a session.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod driver;
mod script;

use crate::script::*;

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
fn a_login_that_is_refused_for_the_user_ends_the_session() {
    let mut run = Run::new(true);
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.driven.answer(&greeting(USUAL));
    run.driven.answer(&packet(2, b"\xff\x15\x04#28000Access denied"));
    assert!(run.driven.failure.is_some());
    assert_eq!((run.driven.refused, run.count("refused_connections", "1045")), (0, 0));
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
