//! COPY where the servers differ, pipelines, and the pace.

use module_kit::Loss;
use postgres_wire::backend::{Backend, TransactionStatus};
use postgres_wire::frontend::Frontend;

use crate::support::{Session, backend, describe, error, execute, message, parse, protocol, query, ready};

fn data() -> Vec<u8> {
    [message(Frontend::CopyData(b"1\t2\n")), message(Frontend::CopyDone)].concat()
}

#[test]
fn data_pass_where_the_test_server_takes_them() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    let answered = session.driver.answered;
    assert_eq!(session.client(&query("COPY t FROM STDIN")), ["COPY t FROM STDIN"]);
    assert_eq!(session.driver.answered, answered + 1, "the data are due");
    assert_eq!(session.client(&data()), ["copydata", "copydone"]);
    assert_eq!((session.driver.answered, session.left_out()), (answered + 2, vec![]));
}

#[test]
fn data_of_a_refused_copy_are_left_out() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.refuses.push("COPY");
    session.client(&query("COPY t FROM STDIN"));
    assert!(session.client(&data()).is_empty());
    assert_eq!(session.left_out(), [(Loss::LeftOut, data().len())]);
    assert_eq!((session.count("left_out", "copy_refused"), session.count("server_errors", "42601")), (1, 1));
    assert_eq!(session.client(&query("SELECT 1")), ["SELECT 1"]);
}

#[test]
fn data_wait_until_the_test_server_has_said_whether_it_takes_them() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.answers = false;
    session.client(&query("COPY t FROM STDIN"));
    assert!(session.client(&data()).is_empty());
    assert_eq!(session.driver.held(), data().len());
    session.answer(&error("42P01"));
    assert_eq!((session.driver.held(), session.left_out()), (0, vec![(Loss::LeftOut, data().len())]));
    session.answer(&ready(TransactionStatus::Idle));
    assert_eq!(session.client(&query("SELECT 1")), ["SELECT 1"]);
}

#[test]
fn a_copy_that_only_the_test_server_takes_is_ended() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.client(&query("COPY t FROM STDIN"));
    assert_eq!(session.client(&query("SELECT 1")), ["copyfail", "SELECT 1"]);
    assert_eq!(session.count("sessions", "copy_ended"), 1);
    // In the extended protocol the server has skipped the client's Sync.
    session.answers = false;
    session.client(&[parse("", "COPY t FROM STDIN"), execute("")].concat());
    session.answer(b"1\0\0\0\x042\0\0\0\x04G\0\0\0\x07\0\0\0");
    assert_eq!(session.client(&query("SELECT 2")), ["copyfail", "sync", "SELECT 2"]);
    let answered = session.driver.answered;
    session.answer(&[error("57014"), ready(TransactionStatus::Idle)].concat());
    assert_eq!(session.driver.answered, answered, "the SELECT is not answered");
    session
        .answer(&[backend(Backend::CommandComplete(b"SELECT 1")), ready(TransactionStatus::Idle)].concat());
    assert_eq!(session.driver.answered, answered + 1);
}

#[test]
fn data_in_the_extended_protocol_end_with_a_sync_of_their_own() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.answers = false;
    session.client(&[parse("", "COPY t FROM STDIN"), execute("")].concat());
    let answered = session.driver.answered;
    session.answer(b"1\0\0\0\x042\0\0\0\x04G\0\0\0\x07\0\0\0");
    assert_eq!(session.driver.answered, answered + 1);
    assert_eq!(session.client(&[data(), message(Frontend::Sync)].concat()), ["copydata", "copydone", "sync"]);
    session.answer(&backend(Backend::CommandComplete(b"COPY 1")));
    assert_eq!(session.driver.answered, answered + 1);
    session.answer(&ready(TransactionStatus::Idle));
    assert_eq!(session.driver.answered, answered + 2);
}

#[test]
fn a_pipeline_is_answered_with_its_last_cycle() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.answers = false;
    let answered = session.driver.answered;
    session.client(&[parse("s", "SELECT 1"), execute("s"), execute("s")].concat());
    let cycle = [
        &b"2\0\0\0\x04"[..],
        &backend(Backend::CommandComplete(b"SELECT 1")),
        &ready(TransactionStatus::Idle),
    ];
    session.answer(&[b"1\0\0\0\x04", &cycle.concat()[..]].concat());
    assert_eq!(session.driver.answered, answered);
    // A message of another session is no answer.
    session.answer(&backend(Backend::Notification { pid: 1, channel: b"c", payload: b"" }));
    session.answer(&cycle.concat());
    assert_eq!(session.driver.answered, answered + 1);
}

#[test]
fn a_flush_is_answered_by_what_comes_before_it() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    let answered = session.driver.answered;
    session.client(&[parse("s", "SELECT 1"), describe("s"), message(Frontend::Flush)].concat());
    assert_eq!(session.driver.answered, answered + 1);
    session.refuses.push("bad");
    session.client(&[parse("t", "bad"), describe("t"), message(Frontend::Flush)].concat());
    assert_eq!(session.driver.answered, answered + 2, "the server skips the rest");
    session.client(&message(Frontend::Sync));
    assert_eq!(session.driver.answered, answered + 3);
}
