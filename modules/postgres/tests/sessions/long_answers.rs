//! Answers of which only the ends are there.

use module_kit::AnswerPayload;
use postgres_wire::backend::{Backend, TransactionStatus};
use postgres_wire::frontend::Frontend;
use proptest::prelude::*;

use crate::support::{Session, backend, error, execute, message, parse, protocol, query, ready};

/// DataRow messages with a value of each of these lengths.
fn rows(lengths: &[usize], filling: &[u8]) -> Vec<u8> {
    let row = |length: usize| {
        let value: Vec<u8> = filling.iter().copied().cycle().take(length).collect();
        let value_length = (length as u32).to_be_bytes();
        [b"D", &(length as u32 + 10).to_be_bytes()[..], b"\0\x01", &value_length, &value].concat()
    };
    lengths.iter().flat_map(|length| row(*length)).collect()
}

fn complete(tag: &[u8]) -> Vec<u8> {
    backend(Backend::CommandComplete(tag))
}

/// A session whose test server is this file.
fn session(protocol: &tcpcopy_postgres::Postgres) -> Session<'_> {
    let mut session = Session::logged_in(protocol);
    session.answers = false;
    assert!(matches!(session.driver.mode(), AnswerPayload::Ends { .. }));
    session
}

#[test]
fn the_end_of_a_long_answer_lets_the_client_go_on() {
    let protocol = protocol();
    let mut session = session(&protocol);
    let mut answered = session.driver.answered;
    let idle = ready(TransactionStatus::Idle);
    let many = rows(&[30; 500], b"x");
    let long = rows(&[20_000], b"y");
    for answer in [
        vec![[&many[..], &complete(b"SELECT 500"), &idle].concat()],
        vec![many.clone(), many.clone(), [complete(b"SELECT 1000"), idle.clone()].concat()],
        vec![long[..9000].to_vec(), [&long[9000..], &complete(b"SELECT 1"), &idle].concat()],
        vec![long[..9000].to_vec(), long[9000..].to_vec(), [complete(b"SELECT 1"), idle.clone()].concat()],
        vec![[&many[..300], &many[300..], &complete(b"SELECT 500"), &idle].concat()],
        vec![[&complete(b"SELECT 0")[..], &idle].concat()],
    ] {
        session.client(&query("SELECT 1"));
        assert!(session.driver.awaits_answered);
        for segment in answer {
            assert_eq!(session.driver.answered, answered);
            session.answer(&segment);
        }
        answered += 1;
        assert_eq!((session.driver.answered, session.driver.failure), (answered, None));
    }
}

#[test]
fn an_error_after_rows_is_counted_once_and_takes_the_transaction_back() {
    let protocol = protocol();
    let mut session = session(&protocol);
    let fields = b"SERROR\0VERROR\0C22012\0Mdivision by zero\0Fint.c\0L846\0Rint4div\0\0";
    let failed = [backend(Backend::ErrorResponse(fields)), ready(TransactionStatus::Idle)].concat();
    session.client(&query("SET a.b = 1; SELECT 1"));
    session.answer(&[&rows(&[30; 500], b"x")[..], &failed].concat());
    let long_text = format!("SERROR\0VERROR\0C23505\0M{}\0Fint.c\0L846\0Rint4div\0\0", "x".repeat(5000));
    session.client(&query("SELECT 2"));
    session.answer(
        &[backend(Backend::ErrorResponse(long_text.as_bytes())), ready(TransactionStatus::Idle)].concat(),
    );
    assert_eq!((session.count("server_errors", "22012"), session.count("server_errors", "23505")), (1, 1));
    session.answers = true;
    session.connected();
    assert_eq!(session.client(&query("SELECT 3")), ["SELECT 3"], "the setting was rolled back");
}

#[test]
fn a_statement_is_prepared_although_its_confirmation_was_not_seen() {
    let protocol = protocol();
    let mut session = session(&protocol);
    let done = [complete(b"SELECT 500"), ready(TransactionStatus::Idle)].concat();
    session.client(&[parse("s", "SELECT 1"), execute("s")].concat());
    session.answer(&[&rows(&[30; 500], b"x")[..], b"1\0\0\0\x04", &done].concat());
    assert_eq!(session.client(&execute("s")), ["bind s", "execute", "sync"]);
    session.answer(&done);
    // After an error it may be there or not.
    session.client(&[parse("t", "SELECT 1"), execute("t")].concat());
    let failed = [error("22012"), ready(TransactionStatus::Idle)].concat();
    session.answer(&[&rows(&[30; 500], b"x")[..], &rows(&[1], b"x"), &failed].concat());
    assert_eq!(session.client(&execute("t")), ["bind t", "execute", "sync"]);
}

#[test]
fn after_a_long_answer_with_an_error_a_statement_is_closed_and_prepared() {
    let protocol = protocol();
    let mut session = session(&protocol);
    let fields = b"SERROR\0VERROR\0C22012\0Mdivision by zero\0Fint.c\0L846\0Rint4div\0\0";
    let failed = [backend(Backend::ErrorResponse(fields)), ready(TransactionStatus::Idle)].concat();
    session.client(&[parse("t", "SELECT 1"), execute("t")].concat());
    session.answer(&[&rows(&[30; 500], b"x")[..], &failed].concat());
    assert_eq!(session.client(&execute("t")), ["close", "parse SELECT 1", "bind t", "execute", "sync"]);
}

#[test]
fn a_copy_after_rows_gets_its_data() {
    let protocol = protocol();
    let mut session = session(&protocol);
    session.client(&query("SELECT 1; COPY t FROM STDIN"));
    let answered = session.driver.answered;
    let start = b"G\0\0\0\x09\0\0\x01\0\0";
    session.answer(&[&rows(&[30; 500], b"x")[..], &complete(b"SELECT 500"), start].concat());
    assert_eq!(session.driver.answered, answered + 1);
    let data = [message(Frontend::CopyData(b"1\n")), message(Frontend::CopyDone)].concat();
    assert_eq!(session.client(&data), ["copydata", "copydone"]);
}

#[test]
fn of_a_client_that_does_not_wait_each_message_is_needed() {
    let protocol = protocol();
    let mut session = session(&protocol);
    session.client(&[execute("s"), execute("s")].concat());
    assert_eq!(session.driver.mode(), AnswerPayload::All);
    let mut session = self::session(&protocol);
    session.client(&[parse("s", "SELECT 1"), message(Frontend::Flush)].concat());
    assert_eq!(session.driver.mode(), AnswerPayload::All);
    session.answers = true;
    session.connected();
    assert_eq!(session.driver.mode(), AnswerPayload::All, "that is the client's way");
}

/// The server has received all of it long before it answers.
#[test]
fn a_client_that_goes_on_during_a_long_answer_gets_no_answer_too_early() {
    let protocol = protocol();
    let [done, start] = [complete(b"SELECT 500"), b"G\0\0\0\x09\0\0\x01\0\0".to_vec()];
    let idle = ready(TransactionStatus::Idle);
    let failed = [error("22012"), idle.clone()].concat();
    let refused = [error("22012"), idle.clone()].concat();
    let all_answers = [
        vec![[&done[..], &idle].concat(), [&done[..], &idle].concat(), failed.clone()],
        vec![[&done[..], &idle, &done, &idle].concat(), failed.clone()],
        vec![[&done[..], &idle, &done, &idle, &failed].concat()],
        vec![[&done[..], &idle].concat(), refused, [&done[..], &idle].concat()],
        vec![done, idle.clone(), [complete(b"SELECT 500"), idle].concat(), failed],
    ];
    for (before, answers) in all_answers.into_iter().enumerate() {
        let mut session = session(&protocol);
        session.client(&query("SELECT 1"));
        // The place is lost in them.
        session.answer(&rows(&[30; 500], b"x"));
        session.client(&[query("SELECT 2"), query("SELECT 3"), query("COPY t FROM STDIN")].concat());
        assert_eq!(session.driver.mode(), AnswerPayload::All);
        let data = [message(Frontend::CopyData(b"1\n")), message(Frontend::CopyDone)].concat();
        assert_eq!(session.client(&data), [""; 0]);
        for segment in answers {
            assert_eq!(session.answer(&segment), [""; 0], "the data wait");
        }
        assert_eq!(session.answer(&start), ["copydata", "copydone"]);
        assert_eq!(session.count("server_errors", "22012"), before as u64 + 1);
    }
}

#[test]
fn an_end_is_seen_although_a_notification_follows() {
    let protocol = protocol();
    let mut session = session(&protocol);
    let answered = session.driver.answered;
    let end = [complete(b"SELECT 500"), ready(TransactionStatus::Idle)].concat();
    session.client(&query("SELECT 1"));
    let notification = b"A\0\0\0\x0a\0\0\0\x01x\0";
    session.answer(&[&rows(&[30; 500], b"x")[..], &end, notification, notification].concat());
    assert_eq!((session.driver.answered, session.driver.failure), (answered + 1, None));
}

#[test]
fn data_that_look_like_an_end_do_no_lasting_harm() {
    let protocol = protocol();
    let mut session = session(&protocol);
    let done = [complete(b"SELECT 1"), ready(TransactionStatus::Idle)].concat();
    session.client(&query("SELECT 1"));
    let row = rows(&[30_000], b"Z\0\0\0\x05I");
    let head = row.len() - 30_000;
    session.answer(&row[..head + 6000]);
    session.answer(&[&row[head + 6000..], &done].concat());
    for _ in 0..3 {
        let answered = session.driver.answered;
        session.client(&query("SELECT 2"));
        session.answer(&done);
        assert_eq!((session.driver.answered, session.driver.failure), (answered + 1, None));
    }
}

proptest! {
    /// Whatever answers consist of, and however they are cut into segments, each is seen to end.
    #[test]
    fn each_answer_ends_with_its_last_segment(
        answers in prop::collection::vec(
            (prop::collection::vec(0..3000_usize, 0..30), prop::collection::vec(1..9000_usize, 1..4), any::<bool>()),
            1..12,
        ),
    ) {
        let protocol = protocol();
        let mut session = session(&protocol);
        for (lengths, cuts, is_open) in answers {
            // A server sends what fills its buffer, and at last what is left.
            let status = if is_open { TransactionStatus::Open } else { TransactionStatus::Idle };
            let answer = [rows(&lengths, b"some text "), complete(b"SELECT 1"), ready(status)].concat();
            session.client(&query("SELECT 1"));
            let answered = session.driver.answered;
            let (mut rest, mut cuts) = (&answer[..], cuts.iter().cycle());
            while !rest.is_empty() {
                prop_assert_eq!(session.driver.answered, answered);
                let length = cuts.next().copied().unwrap_or(1).min(rest.len());
                session.answer(&rest[..length]);
                rest = &rest[length..];
            }
            prop_assert_eq!((session.driver.answered, session.driver.failure), (answered + 1, None));
            prop_assert_eq!(session.driver.module().is_tentative(), is_open);
        }
    }
}
