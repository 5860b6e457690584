//! Sessions against a scripted test server: what is said again on a new connection, and what is left out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod driver;

use std::collections::BTreeMap;

use driver::{Driven, resp};
use module_kit::secret::SecretSource;
use module_kit::{AnswerPayload, FailureKind, Loss, Protocol};
use tcpcopy_redis::{Redis, Settings};

fn redis() -> Redis {
    Redis::new(&Settings::default()).unwrap()
}

fn with_password(user: &str, password: &str) -> Redis {
    let users = BTreeMap::from([(user.to_owned(), SecretSource::Plain(password.to_owned().into()))]);
    Redis::new(&Settings { users }).unwrap()
}

fn lines(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| resp(line)).collect()
}

/// All of the answers is asked for.
fn is_all(session: &Driven) -> bool {
    session.mode() == AnswerPayload::All
}

/// A session from its start, with one connection, on which this was said and answered with OK.
fn after(commands: &[&str]) -> Driven {
    let mut session = Driven::new(&redis(), true);
    assert_eq!(session.connected(), "");
    say(&mut session, commands);
    assert!(session.is_ready() && session.fates().left_out.is_empty());
    session
}

/// This is said and answered with OK.
fn say(session: &mut Driven, commands: &[&str]) {
    for command in commands {
        let said = session.client(resp(command));
        match session.mark_answer() {
            None => assert_eq!(said, *command),
            Some(answer) => drop(session.answer(&answer)),
        }
        session.answer("+OK\r\n");
        session.answer("+OK\r\n");
    }
}

fn counter(redis: &Redis, group: &str, name: &str) -> u64 {
    let report = redis.report();
    let group = report.groups.iter().find(|it| it.name == group);
    group.and_then(|it| it.counters.iter().find(|(it, _)| it == name)).map_or(0, |(_, count)| *count)
}

#[test]
fn commands_pass_and_answers_are_not_asked_for() {
    let mut session = after(&["SET a 1"]);
    assert!(!is_all(&session));
    assert_eq!(session.client(b"get a\r\n"), "get a\\r\\n");
    assert_eq!(session.client(lines(&["SET a 1", "INCR b"])), "SET a 1; INCR b");
    assert_eq!(session.connected(), "", "nothing is to be said again");
    assert!(session.is_ready());
    assert_eq!(session.client(resp("SET a 1")), "SET a 1");
}

#[test]
fn what_was_set_is_said_again_before_the_client_goes_on() {
    let mut session = after(&[
        "AUTH app secret",
        "HELLO 3",
        "SELECT 3",
        "CLIENT SETNAME me",
        "CLIENT NO-EVICT on",
        "SET a 1",
    ]);
    assert_eq!(
        session.connected(),
        "AUTH app secret; HELLO 3; SELECT 3; CLIENT SETNAME me; CLIENT NO-EVICT on"
    );
    assert_eq!((session.mode(), session.is_ready()), (AnswerPayload::All, false));
    assert_eq!(session.client(resp("SET b 1")), "", "it waits");
    assert_eq!(session.answer("+OK\r\n%1\r\n+server\r\n+redis\r\n+OK\r\n+OK\r\n"), "");
    assert_eq!(session.answer("+OK\r\n"), "SET b 1");
    assert!(session.is_ready() && !is_all(&session));
}

#[test]
fn hello_sets_all_that_it_names() {
    let mut session = after(&["HELLO 3 AUTH app secret SETNAME me", "SELECT 2"]);
    assert_eq!(session.connected(), "AUTH app secret; HELLO 3; SELECT 2; CLIENT SETNAME me");
    let mut session = after(&["AUTH secret", "SELECT 2", "RESET", "AUTH other"]);
    assert_eq!(session.connected(), "AUTH other");
}

#[test]
fn without_its_login_or_database_nothing_follows() {
    for (said, answer, kind) in [
        ("AUTH wrong", "-WRONGPASS invalid username-password pair\r\n", FailureKind::LoginFailed),
        ("SELECT 99", "-ERR DB index is out of range\r\n", FailureKind::Unsupported),
        ("SELECT 1", "-NOAUTH Authentication required.\r\n", FailureKind::LoginFailed),
        ("HELLO 3 AUTH app wrong", "-WRONGPASS invalid\r\n", FailureKind::LoginFailed),
        ("GET a", "-NOAUTH Authentication required.\r\n", FailureKind::LoginFailed),
    ] {
        let mut session = Driven::new(&redis(), true);
        session.connected();
        assert_eq!(session.client(resp(said)), said);
        if said != "GET a" {
            assert_eq!(session.client(resp("SET a 1")), "", "{said}: it waits");
        }
        session.answer(answer);
        assert_eq!(session.failure().unwrap().kind, kind, "{said}");
        assert!(!session.sent().contains("SET"), "{said}");
    }
}

#[test]
fn a_pipelined_setup_goes_on_as_it_is_answered() {
    let mut session = Driven::new(&redis(), true);
    session.connected();
    assert_eq!(session.client(lines(&["AUTH a", "SELECT 3", "SET a 1", "SET b 1"])), "AUTH a");
    assert_eq!(session.answer("+OK\r\n"), "SELECT 3");
    assert_eq!(session.answer("+OK\r\n"), "SET a 1; SET b 1");
    assert_eq!(session.mode(), AnswerPayload::All);
    session.answer("+OK\r\n+OK\r\n");
    assert!(!is_all(&session));
}

#[test]
fn a_test_server_without_password_lets_everybody_in() {
    let mut session = Driven::new(&redis(), true);
    session.connected();
    session.client(lines(&["AUTH secret", "SET a 1"]));
    let answer = "-ERR AUTH <password> called without any password configured for the default user.\r\n";
    assert_eq!(session.answer(answer), "SET a 1");
}

#[test]
fn a_server_that_cannot_take_the_connection_is_tried_again() {
    let mut session = after(&["SELECT 3"]);
    session.connected();
    session.answer("-LOADING Redis is loading the dataset in memory\r\n");
    assert_eq!((session.refused(), session.failure()), (1, None));
}

#[test]
fn the_test_server_has_other_passwords() {
    let redis = with_password("default", "test");
    let mut session = Driven::new(&redis, true);
    session.connected();
    assert_eq!(session.client(resp("AUTH online")), "AUTH test");
    session.answer("+OK\r\n");
    assert_eq!(session.connected(), "AUTH test");
    let redis = with_password("app", "test");
    let mut session = Driven::new(&redis, true);
    session.connected();
    assert_eq!(session.client(resp("HELLO 3 AUTH app online SETNAME x")), "HELLO 3 AUTH app test SETNAME x");
    session.answer("+OK\r\n");
    assert_eq!(session.client(resp("AUTH online")), "AUTH online", "another user");
    assert_eq!(counter(&redis, "sessions", "password_replaced"), 1);
}

#[test]
fn a_cut_transaction_is_left_out_to_its_end() {
    let mut session = after(&["SELECT 3", "MULTI", "SET a 1"]);
    assert!(session.is_tentative());
    session.connected();
    session.answer("+OK\r\n");
    assert_eq!(session.client(lines(&["SET b 1", "EXEC", "SET c 1"])), "SET c 1");
    assert_eq!(session.left_out(), [(Loss::StateLost, "SET b 1; EXEC".to_owned())]);
    assert!(!session.is_tentative());
}

#[test]
fn a_transaction_whose_keys_are_no_longer_watched_is_left_out() {
    let mut session = after(&["WATCH k", "GET k"]);
    session.connected();
    assert_eq!(session.client(lines(&["GET k", "MULTI", "SET k 2", "EXEC", "SET c 1"])), "GET k; SET c 1");
    assert_eq!(session.left_out(), [(Loss::StateLost, "MULTI; SET k 2; EXEC".to_owned())]);
    let mut session = after(&["WATCH k"]);
    session.connected();
    let freed = ["UNWATCH", "MULTI", "SET k 2", "EXEC"];
    assert_eq!(session.client(lines(&freed)), freed.join("; "));
}

#[test]
fn a_database_chosen_in_a_transaction_is_not_trusted() {
    let mut session = after(&["MULTI", "SELECT 5", "EXEC"]);
    assert_eq!(session.client(resp("SET a 1")), "");
    session.connected();
    assert_eq!(session.client(resp("SET b 1")), "");
    assert_eq!(session.left_out(), [(Loss::StateUnknown, "SET a 1; SET b 1".to_owned())]);
    let mut session = after(&["SELECT 3", "MULTI", "SELECT 5", "DISCARD"]);
    assert_eq!(session.connected(), "SELECT 3");
    // In one that is lost, the test server does not even hear of it.
    let mut session = after(&["MULTI", "SELECT 5"]);
    session.connected();
    assert_eq!(session.client(lines(&["SET x 1", "EXEC", "SET a 1"])), "");
    assert_eq!(
        session.left_out(),
        [(Loss::StateLost, "SET x 1; EXEC".to_owned()), (Loss::StateUnknown, "SET a 1".to_owned())]
    );
}

#[test]
fn subscriptions_are_said_again() {
    let mut session = after(&["SUBSCRIBE a b", "PSUBSCRIBE p*", "UNSUBSCRIBE a"]);
    assert_eq!(session.connected(), "SUBSCRIBE b; PSUBSCRIBE p*");
    assert!(session.is_ready() && !is_all(&session));
    let mut session = after(&["SUBSCRIBE a b", "UNSUBSCRIBE"]);
    assert_eq!(session.connected(), "");
    let mut session = after(&["CLIENT REPLY OFF", "SELECT 2"]);
    assert_eq!(session.connected(), "SELECT 2");
    assert_eq!(session.answer("+OK\r\n"), "CLIENT REPLY OFF");
    assert!(session.is_ready());
}

#[test]
fn a_command_cut_by_the_loss_of_its_connection_is_left_out() {
    let mut session = after(&["SET x 1"]);
    let long = resp("SET key abcdefghijklmnop");
    session.client(&long[..30]);
    session.connected();
    let mut rest = long[30..].to_vec();
    rest.extend(resp("SET y 1"));
    assert_eq!(session.client(rest), "SET y 1");
    let left_out: usize = session.fates().left_out.iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(left_out, long.len() - 30);
}

#[test]
fn what_is_lost_while_the_server_is_away_still_counts() {
    let mut session = after(&["SELECT 3"]);
    session.lost(lines(&["SELECT 5", "SET a 1", "MULTI", "SET b 1"]));
    assert_eq!(session.connected(), "SELECT 5");
    session.answer("+OK\r\n");
    assert_eq!(session.client(lines(&["SET c 1", "EXEC", "SET d 1"])), "SET d 1");
    // Its rest is no command.
    session.lost(&resp("SET key value")[..28]);
    session.connected();
    session.answer("+OK\r\n");
    let rest = [&resp("SET key value")[28..], &resp("SET e 1")].concat();
    assert_eq!(session.client(rest), "SET e 1");
}

#[test]
fn behind_a_gap_nothing_is_written_until_the_database_is_known() {
    let mut session = after(&["SELECT 3", "SET a 1"]);
    session.gap();
    assert_eq!(session.connected(), "");
    assert!(session.is_ready(), "turns follow, and are left out");
    assert_eq!(session.client(b"no command\r\n*1\r\n"), "");
    assert_eq!(session.client(lines(&["SET b 1", "FLUSHDB"])), "");
    assert_eq!(session.client(lines(&["SELECT 4", "SET c 1"])), "SELECT 4");
    assert_eq!(session.answer("+OK\r\n"), "SET c 1");
    assert!(session.fates().left_out.iter().all(|(loss, _)| *loss == Loss::StateUnknown));
}

#[test]
fn a_late_session_writes_nothing_until_its_database_is_known() {
    let redis = redis();
    let mut session = Driven::new(&redis, false);
    session.connected();
    assert_eq!(session.client(lines(&["SET a 1", "AUTH secret", "SET b 1"])), "");
    assert_eq!(session.client(lines(&["SELECT 0", "SET c 1"])), "AUTH secret");
    assert_eq!(session.answer("+OK\r\n"), "SET c 1");
    assert_eq!(session.left_out(), [(Loss::StateUnknown, "SET a 1; SET b 1".to_owned())]);
    assert_eq!(counter(&redis, "commands_left_out", "state_unknown"), 2);
    // It was in a transaction all the time.
    assert_eq!(session.client(lines(&["EXEC", "SET d 1"])), "EXEC");
}

#[test]
fn what_is_no_resp_passes_on_its_first_connection_only() {
    let mut session = Driven::new(&redis(), true);
    session.connected();
    assert_eq!(session.client(b"\x00\x01binary"), "\\x00\\x01binary");
    assert_eq!(session.client(b"*2\r\n"), "*2\\r\\n");
    session.connected();
    assert_eq!(session.client(b"more"), "");
    assert_eq!(session.fates().left_out, [(Loss::StateLost, b"more".to_vec())]);
    let mut session = Driven::new(&redis(), true);
    session.connected();
    session.client(b"\x16\x03\x01\x02\x00\x01");
    assert_eq!(session.failure().unwrap().kind, FailureKind::Tls);
}

#[test]
fn long_values_pass_without_being_held() {
    let mut session = after(&["SET x 1"]);
    let value = vec![b'v'; 1 << 20];
    session.client(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n");
    for piece in value.chunks(1000) {
        session.client(piece);
        assert_eq!(session.held(), 0);
    }
    session.client([&b"\r\n"[..], &resp("SELECT 4")].concat());
    assert_eq!(session.connected(), "SELECT 4");
    assert!(session.memory() < 4096);
}

const OUT_OF_RANGE: &str = "-ERR DB index is out of range\r\n";

#[test]
fn a_database_that_is_chosen_later_must_be_accepted_first() {
    let redis = redis();
    let mut session = Driven::new(&redis, true);
    session.connected();
    say(&mut session, &["SET a 1", "SET b 1"]);
    assert_eq!(session.client(lines(&["GET a", "SELECT 5", "SET c 1"])), "GET a; PING MARK; SELECT 5");
    // The answer to what came before.
    assert_eq!(session.answer("$8\r\ntcpcopy:\r\n"), "");
    let mark = session.mark_answer().unwrap();
    assert_eq!(session.answer(&mark[..9]), "");
    assert_eq!(session.answer(&mark[9..]), "");
    assert_eq!(session.answer("+OK\r\n"), "SET c 1");
    assert_eq!(session.connected(), "SELECT 5");
    // Whoever comes later need not wait.
    let mut session = Driven::new(&redis, true);
    session.connected();
    say(&mut session, &["SET a 1", "SET b 1", "SELECT 5", "SET c 1", "SELECT 5"]);
    // Back to the first.
    assert_eq!(session.client(resp("SELECT 0")), "PING MARK; SELECT 0");
    let answer = session.mark_answer().unwrap() + OUT_OF_RANGE;
    session.answer(&answer);
    assert_eq!(session.client(resp("SET d 1")), "");
    assert_eq!(session.failure().unwrap().kind, FailureKind::Unsupported);
    assert_eq!(counter(&redis, "server_errors", "ERR"), 1);
}

/// The answer to the first command is none to the second.
#[test]
fn what_is_said_right_behind_the_first_command_must_be_accepted_all_the_same() {
    let redis = redis();
    let mut session = Driven::new(&redis, true);
    session.connected();
    let said = session.client(lines(&["GET a", "SELECT 99", "SET a 1"]));
    assert_eq!(session.answer("$-1\r\n"), "", "after {said}");
    let answer = session.mark_answer().unwrap() + OUT_OF_RANGE;
    assert_eq!(session.answer(&answer), "");
    assert_eq!(session.failure().unwrap().kind, FailureKind::Unsupported);
    // Nobody else relies on it.
    let mut session = Driven::new(&redis, true);
    session.connected();
    say(&mut session, &["SET a 1", "SET b 1"]);
    assert_eq!(session.client(lines(&["SELECT 99", "SET c 1"])), "PING MARK; SELECT 99");
}

/// Where the test server wants a login first, it does not answer the mark.
#[test]
fn a_login_behind_a_command_that_needs_one_is_not_waited_for_in_vain() {
    let mut session = Driven::new(&redis(), true);
    session.connected();
    session.client(lines(&["GET a", "AUTH secret", "SET a 1"]));
    session.answer("-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n+OK\r\n");
    assert_eq!(session.failure().unwrap().kind, FailureKind::LoginFailed);
}

#[test]
fn a_login_that_comes_later_must_be_accepted_first() {
    let redis = with_password("app", "test");
    let mut session = Driven::new(&redis, true);
    session.connected();
    say(&mut session, &["SELECT 3", "SET a 1"]);
    assert_eq!(session.client(lines(&["AUTH app online", "SET b 1"])), "PING MARK; AUTH app test; SELECT 3");
    let answer = session.mark_answer().unwrap() + "+OK\r\n+OK\r\n";
    assert_eq!(session.answer(&answer), "SET b 1");
}

#[test]
fn what_both_servers_refuse_changes_nothing() {
    for before in [&["SELECT 3"][..], &["SELECT 3", "SET a 1", "SET b 1"]] {
        for online_first in [true, false] {
            let mut session = after(before);
            session.client(resp("SELECT 99"));
            if online_first {
                session.online_error(OUT_OF_RANGE);
            }
            let mark = session.mark_answer().unwrap_or_default();
            session.answer(&(mark + OUT_OF_RANGE));
            if !online_first {
                session.online_error(OUT_OF_RANGE);
            }
            assert_eq!(session.client(resp("SET c 1")), "SET c 1");
            assert_eq!(session.connected(), "SELECT 3");
        }
    }
    let mut session = after(&[]);
    session.client(resp("AUTH wrong"));
    session.answer("-WRONGPASS invalid username-password pair\r\n");
    session.online_error("-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_eq!(session.client(resp("AUTH right")), "AUTH right");
    session.answer("+OK\r\n");
    assert_eq!(session.connected(), "AUTH right");
}

#[test]
fn what_the_online_server_alone_refuses_is_taken_back() {
    for before in [&["SELECT 3"][..], &["SELECT 3", "SET a 1", "SET b 1"]] {
        let mut session = after(before);
        session.client(resp("SELECT 99"));
        let mark = session.mark_answer().unwrap_or_default();
        session.answer(&(mark + "+OK\r\n"));
        session.online_error(OUT_OF_RANGE);
        assert_eq!(session.client(resp("SET c 1")), "PING MARK; SELECT 3");
        let answer = session.mark_answer().unwrap() + "+OK\r\n";
        assert_eq!(session.answer(&answer), "SET c 1");
    }
    let mut session = after(&["SET a 1"]);
    session.client(resp("HELLO 3"));
    session.online_error("-ERR unknown command 'HELLO'\r\n");
    assert_eq!(session.client(resp("SET c 1")), "HELLO 2; PING MARK; SELECT 0");
    let mut session = after(&["AUTH secret"]);
    session.online_error("-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_eq!(session.client(resp("SET c 1")), "");
    assert_eq!(session.failure().unwrap().kind, FailureKind::LoginFailedOnline);
}

/// New servers refuse such numbers, old ones do not.
#[test]
fn a_database_whose_number_is_odd_is_not_known() {
    for odd in ["05", "+5"] {
        let mut session = after(&["SELECT 3", "SET a 1"]);
        let select = format!("SELECT {odd}");
        assert_eq!(session.client(lines(&["GET a", &select, "SET b 1"])), format!("GET a; {select}"));
        assert_eq!(session.left_out(), [(Loss::StateUnknown, "SET b 1".to_owned())]);
        assert_eq!(session.connected(), "");
    }
    let mut session = after(&["SELECT 3", "SET a 1"]);
    assert_eq!(session.client(lines(&["SELECT five", "SET b 1"])), "SELECT five; SET b 1");
    assert_eq!(session.connected(), "SELECT 3", "no server takes that for a number");
}

/// Servers before 6.2 do not know it.
#[test]
fn a_reset_that_the_online_server_does_not_know_changes_nothing() {
    let mut session = after(&["AUTH app secret", "SELECT 3", "SUBSCRIBE a", "SET b 1"]);
    session.client(resp("RESET"));
    session.online_error("-ERR unknown command `reset`, with args beginning with: \r\n");
    assert_eq!(session.client(resp("SET c 1")), "PING MARK; AUTH app secret; SELECT 3");
    let answer = session.mark_answer().unwrap() + "+OK\r\n+OK\r\n";
    assert_eq!(session.answer(&answer), "SUBSCRIBE a; SET c 1");
    assert_eq!(session.connected(), "AUTH app secret; SELECT 3");
}

/// What was pipelined behind it has gone to the wrong place, but nothing else does.
#[test]
fn what_the_online_server_alone_refuses_of_a_pipeline_is_taken_back() {
    let mut session = after(&["SELECT 3", "SET a 1", "SET b 1"]);
    assert_eq!(session.client(lines(&["SELECT 99", "SET c 1"])), "PING MARK; SELECT 99");
    let answer = session.mark_answer().unwrap() + "+OK\r\n";
    assert_eq!(session.answer(&answer), "SET c 1");
    session.online_error(OUT_OF_RANGE);
    assert_eq!(session.client(resp("SET d 1")), "PING MARK; SELECT 3");
    let answer = session.mark_answer().unwrap() + "+OK\r\n";
    assert_eq!(session.answer(&answer), "SET d 1");
}

#[test]
fn an_error_that_answers_something_else_takes_nothing_back() {
    let mut session = after(&["SELECT 3"]);
    session.online_error("-WRONGTYPE Operation against a key\r\n");
    assert_eq!(session.client(resp("MOVE a 99")), "MOVE a 99");
    session.answer("+OK\r\n");
    session.online_error(OUT_OF_RANGE);
    assert_eq!(session.client(resp("SET c 1")), "SET c 1");
    assert_eq!(session.connected(), "SELECT 3");
}

#[test]
fn where_the_client_wants_no_answers_the_servers_are_asked_for() {
    let mut session = after(&["CLIENT REPLY OFF", "SET a 1"]);
    assert_eq!(session.client(lines(&["SELECT 5", "SET b 1"])), "CLIENT REPLY ON; PING MARK; SELECT 5");
    let answer = format!("+OK\r\n{}+OK\r\n", session.mark_answer().unwrap());
    assert_eq!(session.answer(&answer), "CLIENT REPLY OFF; SET b 1");
    let mut session = after(&["SET a 1", "CLIENT REPLY SKIP"]);
    assert_eq!(session.client(resp("SELECT 5")), "CLIENT REPLY ON; PING MARK; SELECT 5");
}

#[test]
fn errors_of_both_servers_are_counted() {
    let redis = redis();
    let mut session = Driven::new(&redis, true);
    session.connected();
    say(&mut session, &["SET a 1", "SET b 1"]);
    for answer in
        ["-WRONGTYPE Operation against a key\r\n", "$5\r\n-ERR \r\n", "-OOM command not allowed\r\n"]
    {
        session.client(resp("INCR c"));
        session.answer(answer);
        session.online_error("-WRONGTYPE Operation against a key\r\n");
    }
    assert_eq!(counter(&redis, "server_errors", "WRONGTYPE"), 1);
    assert_eq!(counter(&redis, "server_errors", "OOM"), 1);
    assert_eq!(counter(&redis, "online_errors", "WRONGTYPE"), 3);
}

#[test]
fn a_late_session_whose_select_the_online_server_refuses_stays_unknown() {
    for test in ["+OK\r\n", OUT_OF_RANGE] {
        let mut session = Driven::new(&redis(), false);
        session.connected();
        assert_eq!(session.client(resp("SELECT 99")), "SELECT 99");
        session.answer(test);
        session.online_error(OUT_OF_RANGE);
        assert_eq!(session.client(resp("SET a 1")), "", "{test}");
        assert_eq!(session.left_out(), [(Loss::StateUnknown, "SET a 1".to_owned())]);
        assert_eq!(session.client(resp("SELECT 3")), "PING MARK; SELECT 3");
        let answer = session.mark_answer().unwrap() + "+OK\r\n";
        assert_eq!(session.answer(&answer), "");
        assert_eq!(session.client(resp("SET b 1")), "SET b 1");
    }
}
