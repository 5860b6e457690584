//! The state of a connection: what a new one is told, and what is lost with the old one.

use module_kit::Loss;
use tcpcopy_mysql::{OnLostState, Settings};

use crate::support::*;

/// The client says this, and the servers accept it. Nothing of the online server's answer is captured.
fn say(run: &mut Run, text: &str) {
    say_in(run, text, 0);
}

/// The same, and the test server is in a transaction then.
fn say_in_transaction(run: &mut Run, text: &str) {
    say_in(run, text, IN_TRANSACTION);
}

fn say_in(run: &mut Run, text: &str, status: u8) {
    let mut sent = run.driven.client(&query(text));
    if sent.is_empty() {
        // It waits for production's refusal.
        sent = run.driven.pass_time(std::time::Duration::from_secs(1));
    }
    assert_eq!(shown(&sent), text, "it is sent");
    run.driven.answer(&ok(1, status));
    run.driven.online(11, b"");
}

/// The client says this, and it is left out.
fn is_left_out(run: &mut Run, text: &str) {
    let (before, lost) = (run.driven.fates.left_out.len(), run.left_out());
    assert_eq!(shown(&run.driven.client(&query(text))), "", "{text} is left out");
    assert_eq!((run.driven.held(), run.left_out() - lost), (0, query(text).len()), "{text}");
    let (loss, _) = run.driven.fates.left_out.last().unwrap();
    assert_eq!(*loss, Loss::StateLost, "{text}, behind {before} others");
}

/// What a command says.
fn shown(command: &[u8]) -> String {
    match command.get(4..) {
        Some([3, text @ ..]) => String::from_utf8_lossy(text).into_owned(),
        Some([2, name @ ..]) => format!("database {}", String::from_utf8_lossy(name)),
        Some([0x16, text @ ..]) => format!("prepare {}", String::from_utf8_lossy(text)),
        Some([0x1B, option, ..]) => format!("option {option}"),
        Some([0x1F]) => "reset".to_owned(),
        _ => command.escape_ascii().to_string(),
    }
}

/// The connection breaks, and the client goes on with `next`. Returns what the new connection is told before that. All of it
/// is accepted; the statements get ids from 1 on.
fn broken(run: &mut Run, next: &[u8]) -> Vec<String> {
    broken_with(run, next, |_| ok(1, 0)).0
}

/// The same, with the answers to everything but PREPAREs. Returns also what is sent at last.
fn broken_with(run: &mut Run, next: &[u8], answer: impl Fn(&str) -> Vec<u8>) -> (Vec<String>, Vec<u8>) {
    run.driven.connected();
    run.driven.client(next);
    run.driven.answer(&greeting(USUAL));
    let mut sent = run.driven.answer(&ok(2, 0));
    let (mut told, mut prepares) = (Vec::new(), 0);
    while !run.driven.is_ready() {
        let said = shown(&sent);
        prepares += u8::from(said.starts_with("prepare"));
        let answer = if said.starts_with("prepare") { prepared(prepares, 0, 0) } else { answer(&said) };
        told.push(said);
        sent = run.driven.answer(&answer);
    }
    assert_eq!(run.driven.failure, None);
    (told, sent)
}

fn logged_in() -> Run {
    Run::logged_in(USUAL, USUAL)
}

#[test]
fn what_was_said_is_said_again_in_order() {
    let mut run = logged_in();
    say(&mut run, "SET NAMES latin1");
    say(&mut run, "USE first");
    say(&mut run, "SET sql_mode = 'ANSI_QUOTES'");
    run.prepared("INSERT INTO t VALUES (\"a\")", 1, 0);
    say(&mut run, "SET sql_mode = ''");
    run.driven.client(&init_db("second"));
    run.driven.answer(&ok(1, 0));
    run.prepared("INSERT INTO t VALUES (2)", 2, 0);
    say(&mut run, "SET @a = 1, @@session.time_zone = '+02:00'");
    say(&mut run, "SET GLOBAL max_connections = 7");
    say(&mut run, "SET @a = 2");
    say(&mut run, "PREPARE s FROM 'SELECT 1'");
    run.driven.client(&command(0x1B, &[1, 0]));
    run.driven.answer(&packet(1, b"\xfe\0\0\x02\0"));
    for _ in 0..2 {
        let told = broken(&mut run, &query("DO 1"));
        let expected = [
            "SET NAMES latin1",
            "database first",
            "SET sql_mode = 'ANSI_QUOTES'",
            "prepare INSERT INTO t VALUES (\"a\")",
            "SET sql_mode = ''",
            "database second",
            "prepare INSERT INTO t VALUES (2)",
            "SET @a = 1, @@session.time_zone = '+02:00'",
            "SET @a = 2",
            "PREPARE s FROM 'SELECT 1'",
            "option 1",
        ];
        assert_eq!(told, expected);
        run.driven.answer(&ok(1, 0));
    }
    assert_eq!((run.driven.states_lost, run.left_out()), (0, 0));
    assert_eq!(run.count("sessions", "prepared_again"), 4);
    // What is closed is not needed any more, and neither is what it was prepared with.
    run.driven.client(&command(0x19, &[1, 0, 0, 0]));
    say(&mut run, "SET sql_mode = 'STRICT_ALL_TABLES'");
    say(&mut run, "DEALLOCATE PREPARE s");
    say(&mut run, "SET @a = 3, time_zone = 'SYSTEM'");
    let told = broken(&mut run, &query("DO 1"));
    let last = ["SET sql_mode = 'STRICT_ALL_TABLES'", "SET @a = 3, time_zone = 'SYSTEM'"];
    assert_eq!(told[told.len() - 2..], last);
    assert!(!told.contains(&"PREPARE s FROM 'SELECT 1'".to_owned()), "{told:?}");
}

#[test]
fn a_value_that_only_depends_on_variables_is_said_again() {
    let mut run = logged_in();
    let lines = [
        "SET SESSION sql_mode = (SELECT REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', ''))",
        "SET SESSION group_concat_max_len = 4 * 1024 * 1024",
        "SET @a := IF(1 > 0, 'x', 'y'), @@lc_time_names = 'de_DE'",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET CHARACTER SET latin1",
        "SET ROLE NONE",
        "SET SESSION wait_timeout = DEFAULT",
    ];
    lines.iter().for_each(|line| say(&mut run, line));
    say(&mut run, "INSERT INTO t VALUES (\"a\")");
    assert_eq!(broken(&mut run, &query("INSERT INTO t VALUES (\"b\")")), lines);
    assert_eq!((run.driven.states_lost, run.left_out()), (0, 0));
}

#[test]
fn what_an_import_has_switched_off_stays_off() {
    let mut run = logged_in();
    let lines = [
        "/*!40101 SET NAMES utf8mb4 */",
        "/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */",
        "/*!40103 SET TIME_ZONE='+00:00' */",
        "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */",
        "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
    ];
    lines.iter().for_each(|line| say(&mut run, line));
    say(&mut run, "INSERT INTO t VALUES (0)");
    assert_eq!(broken(&mut run, &query("INSERT INTO t VALUES (1)")), lines);
    run.driven.answer(&ok(1, 0));
    let ends = ["/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */", "/*!40101 SET SQL_MODE=@OLD_SQL_MODE */"];
    ends.iter().for_each(|line| say(&mut run, line));
    let told = broken(&mut run, &query("DO 1"));
    assert_eq!(told.iter().rev().take(2).rev().collect::<Vec<_>>(), ends.iter().collect::<Vec<_>>());
    assert_eq!((run.driven.states_lost, run.left_out()), (0, 0));
}

/// A kind of state that is lost.
struct Lost {
    kind: &'static str,
    /// What has made it.
    made: &'static [&'static str],
    /// What does not run meanwhile.
    depends: &'static [&'static str],
    /// What runs all the same.
    runs: &'static [&'static str],
    /// What ends it, and does not run.
    end: &'static [&'static str],
    /// What runs then.
    after: &'static str,
}

const LOST: &[Lost] = &[
    Lost {
        kind: "transaction",
        made: &["BEGIN", "INSERT INTO t VALUES (1)"],
        depends: &["INSERT INTO t VALUES (2)", "SELECT 1", "SAVEPOINT a", "ROLLBACK TO a"],
        runs: &["SET NAMES latin1", "USE other", "SET @a = 1"],
        end: &["COMMIT"],
        after: "INSERT INTO t VALUES (3)",
    },
    Lost {
        kind: "transaction",
        made: &["START TRANSACTION", "UPDATE t SET a = 1"],
        depends: &["DELETE FROM t"],
        runs: &[],
        end: &[],
        after: "COMMIT AND CHAIN",
    },
    Lost {
        kind: "transaction",
        made: &["BEGIN", "DELETE FROM t"],
        depends: &["DELETE FROM t"],
        runs: &[],
        end: &[],
        after: "CREATE TABLE u (a INT)",
    },
    Lost {
        kind: "transaction",
        made: &["BEGIN", "DELETE FROM t"],
        depends: &["DELETE FROM t"],
        runs: &[],
        end: &[],
        after: "BEGIN",
    },
    Lost {
        kind: "transaction",
        made: &["SET autocommit = 0", "DELETE FROM t"],
        depends: &["DELETE FROM t"],
        runs: &[],
        end: &["ROLLBACK"],
        after: "DELETE FROM t",
    },
    Lost {
        kind: "transaction",
        made: &["SET autocommit = OFF", "DELETE FROM t"],
        depends: &["DELETE FROM t"],
        runs: &["SET autocommit = 1"],
        end: &[],
        after: "DELETE FROM t",
    },
    Lost {
        kind: "temporary_table",
        made: &[
            "CREATE TEMPORARY TABLE Tmp (a INT)",
            "CREATE TEMPORARY TABLE other (a INT)",
            "DROP TABLE other",
        ],
        depends: &[
            "DELETE FROM tmp",
            "INSERT INTO x SELECT * FROM shop.`tmp`",
            "CREATE TEMPORARY TABLE IF NOT EXISTS tmp (a INT)",
            "UPDATE x JOIN TMP USING (a) SET x.b = 1",
        ],
        runs: &["DELETE FROM tmp2", "DELETE FROM other", "INSERT INTO t VALUES ('tmp')", "BEGIN", "COMMIT"],
        end: &["DROP TABLE tmp"],
        after: "DELETE FROM tmp",
    },
    Lost {
        kind: "temporary_table",
        made: &["CREATE TEMPORARY TABLE tmp (a INT)"],
        depends: &["DELETE FROM tmp"],
        runs: &["CREATE OR REPLACE TEMPORARY TABLE tmp (a INT)"],
        end: &[],
        after: "DELETE FROM tmp",
    },
    Lost {
        kind: "temporary_table",
        made: &["CREATE TEMPORARY TABLE a (a INT)", "ALTER TABLE a RENAME TO b"],
        depends: &["DELETE FROM b"],
        runs: &["DELETE FROM a"],
        end: &["DROP TEMPORARY TABLE IF EXISTS b"],
        after: "DELETE FROM b",
    },
    Lost {
        kind: "table_lock",
        made: &["LOCK TABLES t WRITE"],
        depends: &["INSERT INTO t VALUES (1)", "SELECT 1"],
        runs: &["SET @a = 1"],
        end: &["UNLOCK TABLES"],
        after: "INSERT INTO t VALUES (1)",
    },
    Lost {
        kind: "table_lock",
        made: &["LOCK TABLES t WRITE"],
        depends: &["INSERT INTO t VALUES (1)"],
        runs: &["LOCK TABLES u READ"],
        end: &[],
        after: "SELECT * FROM u",
    },
    Lost {
        kind: "table_lock",
        made: &["FLUSH TABLES WITH READ LOCK"],
        depends: &["SELECT 1"],
        runs: &[],
        end: &["UNLOCK TABLES"],
        after: "SELECT 1",
    },
    Lost {
        kind: "user_lock",
        made: &["SELECT GET_LOCK('a', 10)"],
        depends: &["INSERT INTO t VALUES (1)"],
        runs: &["SET @a = 1"],
        end: &["SELECT RELEASE_LOCK('a')"],
        after: "INSERT INTO t VALUES (1)",
    },
    Lost {
        kind: "user_lock",
        made: &["SELECT GET_LOCK('a', 10), GET_LOCK(CONCAT('b', 1), 1)"],
        depends: &["SELECT RELEASE_LOCK('c')", "INSERT INTO t VALUES (1)"],
        runs: &[],
        end: &["DO RELEASE_ALL_LOCKS()"],
        after: "INSERT INTO t VALUES (1)",
    },
    Lost {
        kind: "xa",
        made: &["XA START 'x'", "INSERT INTO t VALUES (1)"],
        depends: &["INSERT INTO t VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"],
        runs: &[],
        end: &["XA COMMIT 'x'"],
        after: "INSERT INTO t VALUES (1)",
    },
    Lost {
        kind: "handler",
        made: &["HANDLER t OPEN AS h"],
        depends: &["HANDLER h READ FIRST"],
        runs: &["INSERT INTO t VALUES (1)"],
        end: &["HANDLER h CLOSE"],
        after: "SELECT 1",
    },
    Lost {
        kind: "user_variable",
        made: &["SELECT @a := MAX(a) FROM t", "SELECT b INTO @B FROM t"],
        depends: &[
            "INSERT INTO t VALUES (@A)",
            "SET @c = @b",
            "INSERT INTO t VALUES (@c)",
            "SELECT @a := @a + 1",
        ],
        runs: &["INSERT INTO t VALUES (1)", "SET @a = 5", "SELECT 1 INTO @b", "SET @c = 3"],
        end: &[],
        after: "INSERT INTO t VALUES (@a, @b, @c)",
    },
    Lost {
        kind: "user_variable",
        made: &["SET @a = (SELECT MAX(a) FROM t)", "CALL p(@b)"],
        depends: &["INSERT INTO t VALUES (@a)", "INSERT INTO t VALUES (@b)", "CALL p(@b)"],
        runs: &["SET @a = NULL, @b = 0x00"],
        end: &[],
        after: "CALL p(@b)",
    },
    Lost {
        kind: "session_variable",
        made: &["SET @@session.sql_select_limit = (SELECT 1 FROM t)"],
        depends: &["SELECT 1"],
        runs: &["SET NAMES latin1", "SET sql_select_limit = 10"],
        end: &[],
        after: "SELECT 1",
    },
    Lost {
        kind: "prepared",
        made: &["SELECT @a := 'SELECT 1'", "SET @b = 'SELECT 2'"],
        depends: &["SELECT @a"],
        runs: &["PREPARE t FROM @b", "EXECUTE t"],
        end: &[],
        after: "SELECT 1",
    },
];

fn make(run: &mut Run, kind: &str, made: &[&str]) {
    let is_transaction = |text: &&str| matches!(kind, "transaction" | "xa") && !text.starts_with("SET");
    for text in made {
        if is_transaction(text) { say_in_transaction(run, text) } else { say(run, text) }
    }
}

#[test]
fn what_depends_on_lost_state_does_not_run_until_the_state_is_known_again() {
    for Lost { kind, made, depends, runs, end, after } in LOST.iter().filter(|lost| lost.kind != "prepared") {
        let mut run = logged_in();
        make(&mut run, kind, made);
        assert_eq!(run.count("state_lost", kind), 0);
        broken(&mut run, b"\x01\0\0\0\x0e");
        run.driven.answer(&ok(1, 0));
        assert_eq!((run.count("state_lost", kind), run.driven.states_lost), (1, 1), "{made:?}");
        for text in *depends {
            is_left_out(&mut run, text);
        }
        let left_out = depends.len() + end.len();
        for text in *runs {
            say(&mut run, text);
        }
        for text in *end {
            is_left_out(&mut run, text);
        }
        assert_eq!(run.count("left_out", "state_lost"), left_out as u64, "{made:?}");
        say(&mut run, after);
        // Nothing of it is left.
        let before = run.count("state_lost", kind);
        say(&mut run, "COMMIT");
        if *kind != "user_variable" && *kind != "table_lock" && !after.contains("GET_LOCK") {
            broken(&mut run, &query("DO 1"));
        }
        let temporary_again = runs.iter().any(|text| text.contains("REPLACE"));
        assert_eq!(run.count("state_lost", kind), before + u64::from(temporary_again), "{made:?}");
    }
}

#[test]
fn what_depends_on_lost_state_runs_if_that_is_wanted() {
    for Lost { kind, made, depends, .. } in LOST.iter().filter(|lost| lost.kind != "prepared") {
        let mut run = Run::with(&Settings { on_lost_state: OnLostState::Run, ..settings() });
        run.driven.connected();
        run.driven.client(&hello(USUAL));
        run.greet(USUAL);
        make(&mut run, kind, made);
        broken(&mut run, b"\x01\0\0\0\x0e");
        run.driven.answer(&ok(1, 0));
        depends.iter().for_each(|text| say(&mut run, text));
        assert_eq!((run.left_out(), run.driven.states_lost), (0, 1), "the session is not whole");
        assert_eq!((run.count("state_lost", kind), run.count("left_out", "state_lost")), (1, 0));
    }
}

#[test]
fn a_session_without_such_state_is_whole() {
    let mut run = logged_in();
    for text in [
        "SET @a = 1",
        "SET autocommit = 0",
        "INSERT INTO t VALUES (1)",
        "COMMIT",
        "CREATE TEMPORARY TABLE tmp (a INT)",
        "DROP TEMPORARY TABLE tmp",
        "SELECT @b := 1",
        "SET @b = 2",
        "LOCK TABLES t READ",
        "UNLOCK TABLES",
        "SELECT GET_LOCK('a', 1)",
        "SELECT RELEASE_LOCK('A')",
        "HANDLER t OPEN",
        "HANDLER t CLOSE",
        "XA START 'a'",
        "XA END 'a'",
        "XA ROLLBACK 'a'",
    ] {
        say(&mut run, text);
    }
    let told = broken(&mut run, &query("DO 1"));
    assert_eq!(told, ["SET @a = 1", "SET autocommit = 0", "SET @b = 2"]);
    assert_eq!((run.driven.states_lost, run.left_out()), (0, 0));
}

#[test]
fn an_xa_transaction_that_is_prepared_outlives_its_connection() {
    let mut run = logged_in();
    for text in ["XA START 'x'", "INSERT INTO t VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"] {
        assert_eq!(shown(&run.driven.client(&query(text))), text);
        run.driven.answer(&ok(1, IN_TRANSACTION));
    }
    assert!(broken(&mut run, &query("XA COMMIT 'x'")).is_empty());
    assert_eq!((run.driven.states_lost, run.left_out()), (0, 0));
}

#[test]
fn a_transaction_that_has_only_read_is_begun_again() {
    for (begin, reads) in [
        ("BEGIN", &["SELECT 1", "SELECT 2"][..]),
        ("START TRANSACTION READ ONLY", &[]),
        ("BEGIN", &["SHOW TABLES"]),
    ] {
        let mut run = logged_in();
        say(&mut run, "SET @a = 1");
        say(&mut run, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
        assert_eq!(shown(&run.driven.client(&query(begin))), begin);
        run.driven.answer(&ok(1, IN_TRANSACTION));
        for text in reads {
            assert_eq!(shown(&run.driven.client(&query(text))), *text);
            run.driven.answer(&packet(1, b"\x01"));
        }
        assert!(!run.driven.module().is_tentative());
        let told = broken(&mut run, &query("INSERT INTO t VALUES (1)"));
        assert_eq!(told, ["SET @a = 1", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", begin]);
        assert!(run.driven.module().is_tentative(), "it has written");
        assert_eq!((run.driven.states_lost, run.left_out()), (0, 0));
        run.driven.answer(&ok(1, IN_TRANSACTION));
        assert_eq!(shown(&run.driven.client(&query("COMMIT"))), "COMMIT");
        assert!(!run.driven.module().is_tentative());
        run.driven.answer(&ok(1, 0));
        assert_eq!(broken(&mut run, &query("DO 1")), ["SET @a = 1"]);
    }
}

#[test]
fn what_is_for_the_next_statement_only_is_not_said_for_a_later_one() {
    let mut run = logged_in();
    say(&mut run, "SET insert_id = 7");
    assert_eq!(broken(&mut run, &query("INSERT INTO t VALUES (NULL)")), ["SET insert_id = 7"]);
    run.driven.answer(&ok(1, 0));
    assert!(broken(&mut run, &query("INSERT INTO t VALUES (NULL)")).is_empty());
}

#[test]
fn the_last_id_is_that_of_the_test_server() {
    let inserted = |id: u8| packet(1, &[0, 1, id, 2, 0, 0, 0]);
    let mut run = logged_in();
    run.driven.client(&query("INSERT INTO t VALUES (NULL)"));
    run.driven.answer(&inserted(42));
    say(&mut run, "UPDATE t SET a = 1");
    let insert = "INSERT INTO u VALUES (LAST_INSERT_ID())";
    assert_eq!(broken(&mut run, &query(insert)), ["SET last_insert_id = 42"]);
    run.driven.answer(&inserted(43));
    say(&mut run, "SET last_insert_id = 7");
    assert_eq!(broken(&mut run, &query(insert)), ["SET last_insert_id = 7"]);
    run.driven.answer(&inserted(44));
    // An id that is far in an answer, and answers without one.
    run.driven.client(&query("INSERT INTO t SELECT * FROM u"));
    run.driven.answer(&packet(1, b"\0\xfd\0\0\x01\xfe\x01\0\0\0\x01\0\0\0\x02\0\0\0"));
    run.driven.client(&query("INSERT INTO t VALUES (NULL)"));
    run.driven.answer(&error(1062, "twice"));
    say(&mut run, "SET @a = 1");
    let told = broken(&mut run, &query("SELECT 1"));
    assert_eq!(told, ["SET @a = 1", "SET last_insert_id = 4294967297"]);
    run.driven.answer(&packet(1, b"\x01"));
    // Its answer is not seen.
    run.driven.client(&query("INSERT INTO t VALUES (NULL)"));
    broken(&mut run, &query("SELECT 1"));
    run.driven.answer(&packet(1, b"\x01"));
    assert_eq!((run.count("state_lost", "last_insert_id"), run.driven.states_lost), (1, 0));
    is_left_out(&mut run, insert);
    run.driven.client(&query("INSERT INTO t VALUES (NULL)"));
    run.driven.answer(&inserted(45));
    say(&mut run, insert);
    // What the client means is the id of a lost statement.
    run.driven.drop_client(&query("INSERT INTO t VALUES (NULL)"));
    broken(&mut run, &query("SELECT 1"));
    run.driven.answer(&packet(1, b"\x01"));
    is_left_out(&mut run, insert);
}

#[test]
fn the_last_id_of_a_command_is_that_of_its_last_statement() {
    const MORE_RESULTS: u8 = 8;
    let mut run = logged_in();
    run.driven.client(&query("SET insert_id = 7; INSERT INTO t VALUES (NULL)"));
    run.driven.answer(&ok(1, MORE_RESULTS));
    broken(&mut run, &query("SELECT 1"));
    assert_eq!(run.count("state_lost", "last_insert_id"), 1);
    run.driven.answer(&packet(1, b"\x01"));
    is_left_out(&mut run, "INSERT INTO u VALUES (LAST_INSERT_ID())");
}

#[test]
fn what_a_statement_has_left_is_gone_with_its_connection() {
    let mut run = logged_in();
    say(&mut run, "UPDATE t SET a = 1");
    say(&mut run, "INSERT INTO log VALUES (ROW_COUNT())");
    say(&mut run, "UPDATE t SET a = 1");
    run.driven.connected();
    is_left_out_later(&mut run, "INSERT INTO log VALUES (ROW_COUNT())");
    say(&mut run, "UPDATE t SET a = 1");
    say(&mut run, "INSERT INTO log VALUES (ROW_COUNT())");
}

/// The connection is a new one, and has nothing to be told.
fn is_left_out_later(run: &mut Run, text: &str) {
    run.driven.client(&query(text));
    run.driven.answer(&greeting(USUAL));
    assert_eq!(shown(&run.driven.answer(&ok(2, 0))), "");
    assert_eq!(run.left_out(), query(text).len());
}

#[test]
fn a_change_that_a_server_refuses_is_none() {
    let no = |code| error(code, "no");
    for by_production in [false, true] {
        let mut run = logged_in();
        say(&mut run, "SET @a = 1");
        say(&mut run, "SET sql_mode = 'ANSI_QUOTES'");
        for text in ["SET sql_mode = 'nonsense'", "SET @a = 2, b = 3", "PREPARE s FROM 'no SQL'"] {
            run.driven.client(&query(text));
            if by_production {
                run.driven.answer(&ok(1, 0));
                run.driven.online(0, &no(1064));
            } else {
                run.driven.answer(&no(1064));
                run.driven.online(11, b"");
            }
        }
        for text in ["CREATE TEMPORARY TABLE t (a INT)", "LOCK TABLES t WRITE", "SELECT @a := 1"] {
            run.driven.client(&query(text));
            run.driven.answer(&ok(1, 0));
            run.driven.online(0, &no(1142));
        }
        let told = broken(&mut run, &query("DELETE FROM t"));
        assert_eq!(told, ["SET @a = 1", "SET sql_mode = 'ANSI_QUOTES'"], "by production: {by_production}");
        assert_eq!((run.driven.states_lost, run.left_out()), (0, 0));
    }
}

#[test]
fn what_only_the_test_server_refuses_is_lost() {
    let mut run = logged_in();
    for text in ["CREATE TEMPORARY TABLE tmp (a INT) ENGINE = MyISAM", "SELECT a INTO @a FROM missing"] {
        assert_eq!(shown(&run.driven.client(&query(text))), text);
        run.driven.answer(&error(1286, "no"));
        run.driven.online(11, b"");
    }
    is_left_out(&mut run, "DELETE FROM tmp");
    is_left_out(&mut run, "INSERT INTO t VALUES (@a)");
    say(&mut run, "INSERT INTO t VALUES (1)");
    // Production has refused it, too.
    let text = "CREATE TEMPORARY TABLE other (a INT)";
    assert_eq!(shown(&run.driven.client(&query(text))), text);
    run.driven.answer(&error(1286, "no"));
    run.driven.online(0, &error(1050, "it exists"));
    say(&mut run, "DELETE FROM other");
}

#[test]
fn state_that_a_new_connection_does_not_accept_is_lost() {
    let mut run = logged_in();
    say(&mut run, "SET @a = f()");
    say(&mut run, "SET time_zone = 'Europe/Berlin'");
    say(&mut run, "PREPARE s FROM 'SELECT * FROM t'");
    let refuse = |said: &str| if said.starts_with("PREPARE") { error(1146, "no t") } else { ok(1, 0) };
    broken_with(&mut run, &query("SELECT 1"), refuse);
    run.driven.answer(&packet(1, b"\x01"));
    is_left_out(&mut run, "EXECUTE s");
    assert_eq!((run.count("state_lost", "prepared"), run.count("state_lost", "user_variable")), (1, 1));
    is_left_out(&mut run, "DEALLOCATE PREPARE s");
    let refuse = |said: &str| if said.contains("time_zone") { error(1298, "unknown") } else { ok(1, 0) };
    let (_, sent) = broken_with(&mut run, &query("SELECT 1"), refuse);
    assert_eq!((shown(&sent), run.count("state_lost", "session_variable")), (String::new(), 1));
}

#[test]
fn a_reset_and_a_change_of_user_end_all_state() {
    let mut run = logged_in();
    for text in ["SET @a = 1", "USE shop", "CREATE TEMPORARY TABLE t (a INT)", "LOCK TABLES t READ", "BEGIN"]
    {
        say(&mut run, text);
    }
    say(&mut run, "INSERT INTO t VALUES (1)");
    run.driven.client(&command(0x1F, &[]));
    run.driven.answer(&ok(1, 0));
    say(&mut run, "SET @b = 1");
    assert_eq!(broken(&mut run, &query("DELETE FROM t")), ["reset", "database shop", "SET @b = 1"]);
    assert_eq!((run.driven.states_lost, run.left_out()), (0, 0));
    run.driven.answer(&ok(1, 0));
    // Lost state, too.
    say_in_transaction(&mut run, "BEGIN");
    say_in_transaction(&mut run, "INSERT INTO t VALUES (1)");
    broken(&mut run, &command(0x1F, &[]));
    run.driven.answer(&ok(1, 0));
    assert_eq!(run.count("state_lost", "transaction"), 1);
    say(&mut run, "INSERT INTO t VALUES (1)");
    // Another user.
    let other = command(0x11, b"other\0\0next\0\x2d\0mysql_native_password\0");
    run.driven.client(&other);
    run.driven.answer(&ok(1, 0));
    run.driven.answer(&ok(1, 0));
    say(&mut run, "SET @c = 1");
    assert_eq!(broken(&mut run, &query("DO 1")), ["database next", "SET @c = 1"]);
}

#[test]
fn what_is_said_while_the_server_is_down_counts() {
    let mut run = logged_in();
    run.driven.drop_client(&query("SET @a = 1; USE shop; SET NAMES latin1"));
    run.driven
        .drop_client(&[query("PREPARE s FROM 'DO 1'"), query("CREATE TEMPORARY TABLE t (a INT)")].concat());
    let told = broken(&mut run, &query("SELECT 1"));
    assert_eq!(told, ["SET @a = 1", "database shop", " SET NAMES latin1", "PREPARE s FROM 'DO 1'"]);
    run.driven.answer(&packet(1, b"\x01"));
    is_left_out(&mut run, "DELETE FROM t");
    run.driven.drop_client(&query("DROP TABLE t"));
    broken(&mut run, &query("DELETE FROM t"));
    run.driven.answer(&ok(1, 0));
    let left_out = run.left_out();
    // The beginning of a transaction.
    run.driven.drop_client(&query("BEGIN"));
    broken(&mut run, &query("INSERT INTO t VALUES (1)"));
    assert!(run.left_out() > left_out);
    is_left_out(&mut run, "COMMIT");
    say(&mut run, "INSERT INTO t VALUES (1)");
    assert_eq!(run.count("sessions", "transaction_start_missed"), 0);
}

#[test]
fn of_several_statements_only_those_are_left_out_that_depend() {
    let mut run = logged_in();
    say(&mut run, "CREATE TEMPORARY TABLE tmp (a INT)");
    broken(&mut run, &query("SELECT 1"));
    run.driven.answer(&packet(1, b"\x01"));
    let sent = run.driven.client(&query("SET @a = 1;DELETE FROM tmp; DELETE FROM t"));
    assert_eq!(shown(&sent), "SET @a = 1;DO 0           ; DELETE FROM t");
    assert_eq!(run.driven.fates.left_out, [(Loss::StateLost, b"DELETE FROM tmp".to_vec())]);
    run.driven.answer(&ok(1, 0));
    // The loss ends in between.
    let sent = run.driven.client(&query("DROP TABLE tmp; DELETE FROM tmp"));
    assert_eq!(shown(&sent), "DO 0          ; DELETE FROM tmp");
}

#[test]
fn prepared_statements_have_effects_when_they_are_executed() {
    let mut run = logged_in();
    for (id, text) in
        ["BEGIN", "INSERT INTO t VALUES (1)", "COMMIT", "DELETE FROM tmp", "SET @a = 1"].iter().enumerate()
    {
        run.prepared(text, id as u8 + 1, 0);
    }
    let told_before = 5;
    for id in [1, 2] {
        assert_eq!(run.driven.client(&execute(id)), execute(id));
        run.driven.answer(&ok(1, IN_TRANSACTION));
    }
    assert!(run.driven.module().is_tentative());
    broken(&mut run, &execute(2));
    assert_eq!(run.left_out(), execute(2).len());
    assert_eq!((run.count("state_lost", "transaction"), run.count("sessions", "transaction_cut")), (1, 1));
    for (id, sent) in [(2, false), (5, true), (3, false), (2, true)] {
        let bytes = if sent { execute(id) } else { Vec::new() };
        assert_eq!(run.driven.client(&execute(id)), bytes, "{id}");
        if sent {
            run.driven.answer(&ok(1, 0));
        }
    }
    say(&mut run, "CREATE TEMPORARY TABLE tmp (a INT)");
    let told = broken(&mut run, &execute(4));
    assert_eq!((told.len(), &told[told.len() - 1][..]), (told_before + 1, "SET @a = 1"));
    assert_eq!(run.count("left_out", "state_lost"), 4);
    say(&mut run, "CREATE OR REPLACE TEMPORARY TABLE tmp (a INT)");
    assert_eq!(run.driven.client(&execute(4)), execute(4));
}

/// MySQL 9: COALESCE(@a, 0) of a text is 0, if it was a number when the statement was prepared.
#[test]
fn what_was_prepared_with_user_variables_is_lost_with_its_connection() {
    let mut run = logged_in();
    run.prepared("SELECT COALESCE(@a, 0)", 1, 0);
    run.prepared("SELECT 1", 2, 0);
    say(&mut run, "PREPARE s FROM 'INSERT INTO t SELECT @a'");
    say(&mut run, "PREPARE d FROM 'SELECT 2'");
    let told = broken(&mut run, &execute(2));
    assert_eq!(told, ["prepare SELECT 1", "PREPARE d FROM 'SELECT 2'"]);
    run.driven.answer(&ok(1, 0));
    assert_eq!((run.count("state_lost", "prepared"), run.driven.states_lost), (1, 1));
    is_left_out(&mut run, "EXECUTE s");
    let before = run.left_out();
    assert_eq!(run.driven.client(&execute(1)), b"");
    assert_eq!(run.left_out() - before, execute(1).len());
    assert_eq!(run.driven.fates.left_out.last().map(|(loss, _)| *loss), Some(Loss::StateLost));
    say(&mut run, "EXECUTE d");
}

#[test]
fn statements_that_sql_has_prepared_have_effects_when_they_are_executed() {
    let mut run = logged_in();
    say(&mut run, "SET @text = 'CREATE TEMPORARY TABLE tmp (a INT)'");
    say(&mut run, "PREPARE s FROM @text");
    say(&mut run, "SET @text = 'DELETE FROM tmp'");
    say(&mut run, "PREPARE d FROM @text");
    say(&mut run, "EXECUTE s");
    say(&mut run, "EXECUTE d");
    say(&mut run, "EXECUTE IMMEDIATE 'SET @x = 5'");
    let told = broken(&mut run, &query("SELECT 1"));
    assert_eq!(told.len(), 5, "{told:?}");
    assert_eq!(told[4], "SET @x = 5");
    run.driven.answer(&packet(1, b"\x01"));
    assert_eq!(run.count("state_lost", "temporary_table"), 1);
    is_left_out(&mut run, "EXECUTE d");
    is_left_out(&mut run, "EXECUTE IMMEDIATE 'DELETE FROM tmp'");
    is_left_out(&mut run, "EXECUTE IMMEDIATE @text");
    // Production has it still, and refuses another.
    is_left_out(&mut run, "EXECUTE s");
    is_left_out(&mut run, "DROP TABLE tmp");
    say(&mut run, "EXECUTE s");
    say(&mut run, "EXECUTE d");
}

#[test]
fn a_temporary_table_that_is_lost_is_made_again_only_where_production_replaces_it() {
    let mut run = logged_in();
    say(&mut run, "CREATE TEMPORARY TABLE tmp (a INT)");
    assert!(broken(&mut run, &query("SELECT 1")).is_empty());
    run.driven.answer(&packet(1, b"\x01"));
    is_left_out(&mut run, "CREATE TEMPORARY TABLE tmp AS SELECT REPLACE('a', 'b', 'c')");
    is_left_out(&mut run, "CREATE TEMPORARY TABLE IF NOT EXISTS tmp (a INT)");
    is_left_out(&mut run, "INSERT INTO tmp VALUES (1)");
    say(&mut run, "CREATE OR REPLACE TEMPORARY TABLE tmp (a INT)");
    say(&mut run, "INSERT INTO tmp VALUES (1)");
}

#[test]
fn what_is_too_much_to_keep_is_lost_by_its_name() {
    let mut run = logged_in();
    say(&mut run, &format!("SET @long = '{}'", "x".repeat(70_000)));
    say(&mut run, "SET @short = 1");
    assert_eq!(broken(&mut run, &query("SELECT 1")), ["SET @short = 1"]);
    run.driven.answer(&packet(1, b"\x01"));
    assert_eq!((run.count("state_lost", "user_variable"), run.driven.states_lost), (1, 1));
    is_left_out(&mut run, "INSERT INTO t VALUES (@long)");
    say(&mut run, "INSERT INTO t VALUES (@short)");
    say(&mut run, "SET @long = 'short'");
    say(&mut run, "INSERT INTO t VALUES (@long)");
    for name in 0..1000 {
        say(&mut run, &format!("SET @v{name} = 1"));
        say(&mut run, "SET @n = @n + 1");
    }
    assert!(run.memory() < 200_000, "{}", run.memory());
    let told = broken(&mut run, &query("SELECT 1"));
    assert!(told.len() < 300, "{}", told.len());
    run.driven.answer(&packet(1, b"\x01"));
    is_left_out(&mut run, "INSERT INTO t VALUES (@v999)");
    is_left_out(&mut run, "INSERT INTO t VALUES (@n)");
    say(&mut run, "INSERT INTO t VALUES (1)");
}

#[test]
fn the_modes_of_the_session_decide_how_its_sql_is_read() {
    let mut run = logged_in();
    say(&mut run, "SET @old = @@sql_mode, sql_mode = 'ANSI_QUOTES'");
    say(&mut run, "CREATE TEMPORARY TABLE \"tmp\" (a INT)");
    broken(&mut run, &query("SELECT 1"));
    run.driven.answer(&packet(1, b"\x01"));
    is_left_out(&mut run, "DELETE FROM \"tmp\"");
    for off in ["SET sql_mode = ''", "SET sql_mode = DEFAULT", "SET sql_mode = @old", "SET @@sql_mode = 0"] {
        say(&mut run, "SET sql_mode = 'ANSI_QUOTES'");
        is_left_out(&mut run, "DELETE FROM \"tmp\"");
        say(&mut run, off);
        say(&mut run, "INSERT INTO t VALUES (\"tmp\")");
        say(&mut run, "INSERT INTO t VALUES (\"it's\", 'a\\'b')");
    }
    say(&mut run, "SET sql_mode = CONCAT(@@sql_mode, ',ANSI')");
    is_left_out(&mut run, "DELETE FROM \"tmp\"");
}

#[test]
fn a_deadlock_in_production_ends_a_lost_transaction() {
    let mut run = logged_in();
    say_in_transaction(&mut run, "BEGIN");
    say_in_transaction(&mut run, "INSERT INTO t VALUES (1)");
    broken(&mut run, &query("INSERT INTO t VALUES (2)"));
    is_left_out(&mut run, "INSERT INTO t VALUES (3)");
    run.driven.online(0, &error(1213, "deadlock"));
    say(&mut run, "INSERT INTO t VALUES (4)");
}

#[test]
fn state_may_have_ended_in_what_was_not_captured() {
    let mut run = logged_in();
    say(&mut run, "LOCK TABLES t READ");
    say(&mut run, "CREATE TEMPORARY TABLE tmp (a INT)");
    say_in_transaction(&mut run, "BEGIN");
    say_in_transaction(&mut run, "INSERT INTO t VALUES (1)");
    run.driven.gap();
    broken(&mut run, &query("SELECT 1"));
    run.driven.answer(&packet(1, b"\x01"));
    assert_eq!(
        (run.count("sessions", "transaction_cut"), run.count("state_lost", "temporary_table")),
        (1, 1)
    );
    say(&mut run, "INSERT INTO t VALUES (1)");
    is_left_out(&mut run, "INSERT INTO tmp VALUES (1)");
    say(&mut run, "COMMIT");
    assert_eq!(run.count("sessions", "transaction_start_missed"), 1);
}

/// Pieces of sessions that make, use and lose state, in any order.
const SOUP: &[&str] = &[
    "BEGIN",
    "COMMIT",
    "ROLLBACK AND CHAIN",
    "SAVEPOINT a",
    "INSERT INTO t VALUES (@a, @b)",
    "SELECT @a := @a + 1",
    "SET @a = 1, @b = @a",
    "SET @b = CONCAT(@b, 'x')",
    "SET autocommit = 0",
    "SET autocommit = DEFAULT",
    "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
    "SET sql_mode = ''",
    "CREATE TEMPORARY TABLE a (a INT)",
    "ALTER TABLE a RENAME TO b",
    "DROP TABLE IF EXISTS a, b",
    "INSERT INTO \"a\" SELECT * FROM b",
    "LOCK TABLES a READ",
    "UNLOCK TABLES",
    "DO GET_LOCK('a', 1)",
    "DO RELEASE_LOCK('a')",
    "XA START 'x'",
    "XA PREPARE 'x'",
    "XA ROLLBACK 'x'",
    "HANDLER a OPEN",
    "HANDLER a CLOSE",
    "PREPARE s FROM 'INSERT INTO a VALUES (?)'",
    "PREPARE s FROM @b",
    "EXECUTE s USING @a",
    "DEALLOCATE PREPARE s",
    "SET @a = 1; INSERT INTO a VALUES (@a);COMMIT",
    "USE d",
    "INSERT INTO t VALUES (LAST_INSERT_ID(), ROW_COUNT())",
];

#[test]
fn whatever_the_order_every_command_is_sent_or_counted_and_memory_is_bounded() {
    let mut random = 1_u64;
    let mut pick = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for _ in 0..60 {
        let mut run = logged_in();
        let (mut said, mut is_up) = (0, true);
        for _ in 0..300 {
            let text = query(SOUP[pick(SOUP.len())]);
            match pick(20) {
                0 => {
                    run.driven.drop_client(&text);
                    is_up = false;
                    continue;
                }
                1 => is_up = false,
                2 => {
                    run.driven.gap();
                    is_up = false;
                }
                _ => {}
            }
            said += text.len();
            let sent = match is_up {
                true => run.driven.client(&text),
                false => broken_with(&mut run, &text, |_| ok(1, 0)).1,
            };
            is_up = true;
            assert_eq!((run.driven.held(), run.driven.failure), (0, None), "{}", text.escape_ascii());
            if !sent.is_empty() {
                run.driven.answer(&if pick(8) == 0 { error(1064, "no") } else { ok(1, pick(2) as u8) });
            }
            if pick(8) == 0 {
                run.driven.online(0, &error(1064, "no"))
            } else {
                run.driven.online(11, b"")
            };
            let fates = &run.driven.fates;
            assert_eq!(fates.passed.len() + fates.replaced.len() + run.left_out(), said + hello(USUAL).len());
        }
        assert!(run.memory() < 100_000, "{}", run.memory());
    }
}

#[test]
fn which_of_several_statements_were_executed_is_not_known_without_the_end_of_their_answer() {
    let mut run = logged_in();
    say(&mut run, "USE other");
    // The first has a result; the error of the second stands behind it in the segment, and is not seen.
    let several = query("SELECT 1; USE nowhere; USE shop");
    assert_eq!(run.driven.client(&several), several);
    run.driven.answer(
        &[
            packet(1, b"\x01"),
            packet(2, &[b'd'; 30]),
            packet(3, b"\xff\x19\x04#42000Unknown database 'nowhere'"),
        ]
        .concat(),
    );
    say(&mut run, "INSERT INTO t VALUES (1)");
    broken(&mut run, &query("INSERT INTO t VALUES (2)"));
    assert_eq!((run.count("state_lost", "session_variable"), run.driven.states_lost), (1, 1));
    is_left_out(&mut run, "INSERT INTO t VALUES (3)");
    say(&mut run, "USE shop");
    say(&mut run, "INSERT INTO t VALUES (4)");
}

#[test]
fn several_statements_whose_answer_ends_well_were_all_executed() {
    let mut run = logged_in();
    let several = query("SELECT 1; USE shop; SET @a = 1");
    assert_eq!(run.driven.client(&several), several);
    run.driven.answer(&[packet(1, b"\x01"), packet(2, &[b'd'; 30]), packet(3, b"\xfe\0\0\x0a\0")].concat());
    run.driven.answer(&[ok(4, 10), ok(5, 2)].concat());
    let told = broken(&mut run, &query("SELECT 1"));
    assert_eq!(told, ["database shop", " SET @a = 1"]);
    assert_eq!(run.driven.states_lost, 0);
}

#[test]
fn who_has_dropped_the_own_database_is_in_none() {
    let mut run = logged_in();
    for text in ["CREATE DATABASE gone", "USE gone", "DROP DATABASE gone"] {
        say(&mut run, text);
    }
    broken(&mut run, &query("SELECT 1"));
    assert_eq!(run.driven.states_lost, 1);
    is_left_out(&mut run, "INSERT INTO said VALUES (1)");
    say(&mut run, "USE shop");
    say(&mut run, "INSERT INTO said VALUES (1)");
}
