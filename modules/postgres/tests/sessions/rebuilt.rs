//! New connections: they get the state that the client believes in.

use module_kit::Loss;
use postgres_wire::backend::{Backend, TransactionStatus};
use postgres_wire::frontend::Frontend;

use crate::support::{
    Session, backend, error, execute, message, parse, password, protocol, query, ready, startup,
};

/// The client says this, and then the connection is lost.
fn lost_after(session: &mut Session<'_>, texts: &[&str]) {
    for text in texts {
        session.client(&query(text));
    }
    session.got.clear();
    session.connected();
}

#[test]
fn what_is_set_is_said_again_and_the_client_waits_for_it() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.refuses.push("nonsense");
    lost_after(
        &mut session,
        &[
            "SET search_path TO a",
            "SET nonsense = 1",
            "BEGIN",
            "SET x.y = 1",
            "ROLLBACK",
            "BEGIN",
            "SET ROLE r",
            "COMMIT",
            "LISTEN ch",
            "SELECT set_config('app.user', '7', false)",
        ],
    );
    assert_eq!(
        session.got,
        [
            "SET search_path TO a",
            "SET ROLE r",
            "LISTEN \"ch\"",
            "SELECT pg_catalog.set_config('app.user', '7', false)",
        ]
    );
    assert!(session.driver.is_ready());
    assert_eq!((session.count("sessions", "said_again"), session.left_out()), (4, vec![]));
    assert_eq!(session.driver.states_lost, 0);
    // The client goes on when it is accepted.
    session.answers = false;
    session.connected();
    assert!(session.client(&query("SELECT 1")).is_empty() && !session.driver.is_ready());
}

#[test]
fn a_setting_that_is_refused_is_lost() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.client(&query("SET ROLE r"));
    session.refuses.push("ROLE");
    session.connected();
    assert!(session.driver.is_ready());
    assert!(session.client(&query("SELECT 1")).is_empty(), "it would run as somebody else");
    assert_eq!(
        (session.count("state_lost", "setting"), session.count("sessions", "said_again_refused")),
        (1, 1)
    );
    assert_eq!(session.client(&query("RESET ROLE")), ["RESET ROLE"]);
    assert_eq!(session.client(&query("SELECT 2")), ["SELECT 2"]);
    assert_eq!(session.left_out(), [(Loss::StateLost, query("SELECT 1").len())]);
}

#[test]
fn nothing_of_a_lost_transaction_runs() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    lost_after(&mut session, &["BEGIN", "INSERT INTO t VALUES (1)"]);
    let lost =
        ["INSERT INTO t VALUES (2)", "SET x.y = 1", "SAVEPOINT s", "ROLLBACK TO s", "SET x.z = 1", "COMMIT"];
    for text in lost {
        assert!(session.client(&query(text)).is_empty(), "{text}");
    }
    let bytes = lost.iter().map(|text| query(text).len()).sum();
    assert_eq!(
        (session.left_out(), session.count("state_lost", "transaction")),
        (vec![(Loss::StateLost, bytes)], 1)
    );
    // The client has committed its settings.
    assert_eq!(session.client(&query("SELECT 1")), ["SET x.y = 1", "SET x.z = 1", "SELECT 1"]);
}

#[test]
fn a_transaction_whose_end_was_not_answered_is_lost_and_over() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.client(&query("BEGIN"));
    session.answers = false;
    session.client(&query("COMMIT"));
    session.answers = true;
    session.connected();
    assert_eq!(session.client(&query("SELECT 1")), ["SELECT 1"]);
    assert_eq!(session.count("state_lost", "transaction"), 1);
    assert_eq!(session.driver.states_lost, 1);
}

#[test]
fn a_transaction_is_followed_in_the_extended_protocol() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    for (name, text) in [("b", "BEGIN"), ("u", "UPDATE t SET x = 1"), ("c", "COMMIT")] {
        session.client(&[parse(name, text), message(Frontend::Sync)].concat());
    }
    session.client(&execute("b"));
    session.connected();
    assert!(session.client(&execute("u")).is_empty());
    let pipeline = [parse("n", "SELECT 1"), execute("c")].concat();
    assert!(session.client(&pipeline).is_empty());
    assert_eq!(session.left_out(), [(Loss::StateLost, execute("u").len() + pipeline.len())]);
    // The next one is whole, and its statements are prepared when they are needed.
    assert_eq!(session.client(&execute("b")), ["parse BEGIN", "bind b", "execute", "sync"]);
    assert_eq!(session.client(&execute("n")), ["parse SELECT 1", "bind n", "execute", "sync"]);
    assert_eq!(session.client(&execute("n")), ["bind n", "execute", "sync"]);
    let [bytes] = &session.left_out()[..] else { panic!("more was left out: {:?}", session.left_out()) };
    assert_eq!(bytes.0, Loss::StateLost);
    drop(session);
    assert_eq!(crate::support::count(&protocol, "sessions", "prepared_again"), 2);
}

#[test]
fn a_statement_that_could_not_be_prepared_is_prepared_when_it_is_used() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.refuses.push("missing");
    session.client(&[parse("s", "SELECT missing"), message(Frontend::Sync)].concat());
    assert_eq!(session.client(&execute("s")), ["parse SELECT missing", "bind s", "execute", "sync"]);
    session.refuses.clear();
    assert_eq!(session.client(&execute("s")), ["parse SELECT missing", "bind s", "execute", "sync"]);
    assert_eq!(session.client(&execute("s")), ["bind s", "execute", "sync"]);
    // SQL may drop it, too.
    session.client(&query("DEALLOCATE ALL"));
    assert_eq!(session.client(&execute("s")), ["bind s", "execute", "sync"], "as the client has it");
}

#[test]
fn the_rest_of_what_another_connection_got_is_left_out() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.answers = false;
    let long = query(&"x".repeat(100_000));
    session.client(&long[..70_000]);
    session.answers = true;
    session.connected();
    assert_eq!(session.client(&[&long[70_000..], &query("SELECT 1")[..]].concat()), ["SELECT 1"]);
    assert_eq!(session.left_out(), [(Loss::StateLost, long.len() - 70_000)]);
    // A sequence of messages, too.
    session.client(&[parse("", "SELECT 2"), message(Frontend::Flush)].concat());
    session.connected();
    assert!(session.client(&execute("")).is_empty());
    assert_eq!(session.client(&query("SELECT 3")), ["SELECT 3"]);
}

#[test]
fn what_depends_on_a_lost_temporary_table_is_left_out() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    lost_after(&mut session, &["CREATE TEMP TABLE tt (x int)"]);
    assert!(session.client(&query("INSERT INTO tt VALUES (1)")).is_empty());
    assert_eq!(session.client(&query("SELECT 'tt'")), ["SELECT 'tt'"]);
    session.client(&[parse("s", "SELECT * FROM \"tt\""), message(Frontend::Sync)].concat());
    assert_eq!(session.client(&execute("s")), Vec::<String>::new());
    assert_eq!(session.client(&query("CREATE TEMP TABLE tt (x int)")), ["CREATE TEMP TABLE tt (x int)"]);
    assert_eq!(session.client(&execute("s")), ["bind s", "execute", "sync"]);
    assert_eq!(session.count("state_lost", "temporary_table"), 1);
}

#[test]
fn what_the_client_says_while_the_test_server_is_away_is_learned() {
    let protocol = protocol();
    let mut session = Session::new(&protocol, true);
    session.driver.drop_client(b"\0\0\0\x08\x04\xd2\x16\x2f");
    session.driver.drop_client(&startup("app"));
    session.driver.drop_client(&[password(), query("SET a.b = 1")].concat());
    session.driver.drop_client(&[parse("s", "SELECT 1"), message(Frontend::Sync)].concat());
    session.connected();
    assert_eq!(session.got, ["SET a.b = 1"]);
    assert_eq!(session.client(&execute("s")), ["parse SELECT 1", "bind s", "execute", "sync"]);
    session.driver.drop_client(&query("BEGIN"));
    assert!(session.client(&query("INSERT INTO t VALUES (1)")).is_empty());
    assert!(session.client(&query("COMMIT")).is_empty());
    assert_eq!(session.client(&query("SELECT 2")), ["SELECT 2"]);
    assert_eq!(session.count("state_lost", "transaction"), 1);
}

#[test]
fn a_transaction_is_tentative_until_it_ends() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.client(&query("BEGIN"));
    assert!(session.driver.module().is_tentative());
    session.client(&query("COMMIT"));
    assert!(!session.driver.module().is_tentative());
}

#[test]
fn an_error_in_a_cycle_takes_its_settings_back() {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.answers = false;
    session.client(&query("SET a = 1; SELECT 1/0"));
    session.answer(
        &[backend(Backend::CommandComplete(b"SET")), error("22012"), ready(TransactionStatus::Idle)].concat(),
    );
    session.answers = true;
    session.connected();
    assert!(session.got.is_empty());
}
