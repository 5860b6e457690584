//! Statements that must not run on the test server, alone and among others.

use std::time::Duration;

use module_kit::testing::Driver;

use crate::support::*;

/// The statement of a query that must not run, and how it is counted.
const FORBIDDEN: &[(&str, &str)] = &[
    ("KILL 7", "kill"),
    ("SHUTDOWN", "shutdown"),
    ("RESTART", "shutdown"),
    ("CREATE USER u", "accounts"),
    ("GRANT SELECT ON *.* TO u", "accounts"),
    ("SET PASSWORD = 'x'", "accounts"),
    ("FLUSH PRIVILEGES", "accounts"),
    ("ALTER USER u IDENTIFIED BY 'x'", "accounts"),
    ("UPDATE mysql.user SET Host = '%'", "accounts"),
    ("EXECUTE IMMEDIATE 'SHUTDOWN'", "shutdown"),
    ("PREPARE s FROM 'KILL 7'", "kill"),
    ("PREPARE s FROM 'DROP USER u'", "accounts"),
    ("EXECUTE IMMEDIATE CONCAT('SHUT', 'DOWN')", "shutdown"),
    ("EXECUTE IMMEDIATE 'EXECUTE IMMEDIATE ''SHUTDOWN'''", "shutdown"),
    ("PREPARE s FROM @unknown", "unreadable_sql"),
];

/// A client whose login says that it may send several statements, between two MariaDB servers.
fn session() -> Run {
    Run::logged_in(USUAL & !1, USUAL & !1)
}

/// The same bytes, each statement that is forbidden by one that does nothing.
fn nothing(length: usize) -> String {
    format!("{:length$}", "DO 0")
}

#[test]
fn a_statement_that_must_not_run_is_left_out() {
    for (text, reason) in FORBIDDEN {
        for said in [
            (*text).to_owned(),
            format!("/* {} */ {text}", "comment ".repeat(100)),
            format!("-- a line\n{text}"),
            format!("{text}; "),
        ] {
            let mut run = session();
            assert_eq!(run.driven.client(&query(&said)), b"", "{said}");
            assert_eq!((run.driven.held(), run.left_out()), (0, query(&said).len()), "{said}");
            assert_eq!(run.count("left_out", reason), 1, "{said}");
            assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"), "{said}");
        }
    }
}

#[test]
fn of_several_statements_only_that_one_is_left_out() {
    for (text, reason) in FORBIDDEN.iter().filter(|(_, reason)| *reason != "unreadable_sql") {
        let said = query(&format!("INSERT INTO t VALUES (1);{text}; SELECT ';'"));
        let mut instead = nothing(text.len());
        let is_data = ["UPDATE", "PREPARE"].iter().any(|word| text.starts_with(word));
        if *reason == "accounts" && !is_data {
            // In production such a statement ends a transaction.
            instead.replace_range(.."COMMIT".len(), "COMMIT");
        }
        let sent = query(&format!("INSERT INTO t VALUES (1);{instead}; SELECT ';'"));
        for piece in [1, 9, said.len()] {
            let mut run = session();
            let got: Vec<u8> = said.chunks(piece).flat_map(|bytes| run.driven.client(bytes)).collect();
            assert_eq!(got, sent, "{text}");
            assert_eq!((run.driven.held(), run.left_out()), (0, text.len()), "{text}");
            assert_eq!(run.count("left_out", reason), 1, "{text}");
        }
    }
    // What cannot be read is left out with all around it.
    let mut run = session();
    let said = query("DO 1; PREPARE s FROM @unknown");
    assert_eq!(run.driven.client(&said), b"");
    assert_eq!(run.count("left_out", "unreadable_sql"), 1);
}

#[test]
fn executable_comments_are_no_comments() {
    let mut run = session();
    for text in
        ["/*!50000 KILL 7 */", "/*! SHUTDOWN */", "/*M!90000 SHUTDOWN */", "/*!50000 FLUSH */ PRIVILEGES"]
    {
        assert_eq!(run.driven.client(&query(text)), b"", "{text}");
    }
    assert_eq!((run.count("left_out", "kill"), run.count("left_out", "shutdown")), (1, 2));
    assert_eq!(run.count("left_out", "accounts"), 1);
    for text in ["SELECT 'KILL 7'", "SELECT 1 /* KILL 7 */", "SELECT `SHUTDOWN` FROM t", "SHOW GRANTS"] {
        assert_eq!(run.driven.client(&query(text)), query(text), "{text}");
        run.driven.answer(&ok(1, 0));
    }
}

#[test]
fn what_must_not_run_is_not_prepared() {
    for (text, reason) in
        FORBIDDEN.iter().filter(|(text, _)| !text.starts_with("EXECUTE") && !text.starts_with("PREPARE"))
    {
        let mut run = session();
        let said = format!("/* {} */ {text}", "x".repeat(70_000));
        assert_eq!(run.driven.client(&prepare(&said)), b"", "{text}");
        run.driven.online(0, &prepared(1, 0, 0));
        assert_eq!(run.driven.client(&execute(1)), b"", "{text}");
        assert_eq!((run.driven.held(), run.count("left_out", reason)), (0, 1), "{text}");
        assert_eq!(run.count("left_out", "failed_statement"), 1, "{text}");
    }
}

#[test]
fn accounts_are_changed_if_the_user_wants_that() {
    let mut settings = settings();
    settings.copy_accounts = true;
    let mut run = Run::with(&settings);
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.greet(USUAL);
    for text in ["CREATE USER u", "FLUSH PRIVILEGES"] {
        assert_eq!(run.driven.client(&query(text)), b"", "production may refuse it");
        assert_eq!(run.driven.pass_time(SECOND), query(text));
        run.driven.answer(&ok(1, 0));
    }
    assert_eq!(run.driven.client(&query("CREATE USER v")), b"");
    assert_eq!(run.driven.online(0, &error(1227, "access denied")), b"");
    assert_eq!((run.driven.held(), run.count("left_out", "refused_online")), (0, 1));
    assert!(lines_with("accounts").is_empty());
}

#[test]
fn one_line_says_that_accounts_are_not_copied() {
    let mut run = session();
    for text in ["CREATE USER u", "FLUSH PRIVILEGES"] {
        run.driven.client(&query(text));
    }
    for kinds in [0x01, 0x21, 0x04] {
        run.driven.client(&command(0x07, &[kinds]));
    }
    assert_eq!((run.count("left_out", "accounts"), run.count("commands", "refresh")), (4, 1));
    assert_eq!(lines_with("--copy-accounts").len(), 1);
}

const SECOND: Duration = Duration::from_secs(1);

/// Two sessions: the first is the victim, whose online id is 7; its copy has the id 42.
fn victim_and_killer() -> (Run, Driver) {
    let mut run = Run::new(true);
    run.driven.online(0, &greeting_of(7, USUAL));
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.greet(USUAL);
    run.driven.online(0, &ok(2, 0));
    let victim = run.again();
    run.driven.online(0, &greeting_of(8, USUAL));
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.greet_as(&greeting_of(43, USUAL));
    run.driven.online(0, &ok(2, 0));
    (run, victim)
}

#[test]
fn a_kill_that_production_refused_kills_nobody() {
    for said in [query("KILL 7"), query("SELECT 1; KILL 7"), command(0x0C, &[7, 0, 0, 0])] {
        let (mut run, _victim) = victim_and_killer();
        assert_eq!(run.driven.client(&said), b"");
        let sent = run.driven.online(0, &error(1095, "You are not owner of thread 7"));
        let expected = if said == query("SELECT 1; KILL 7") { query("SELECT 1;DO 0   ") } else { Vec::new() };
        assert_eq!(sent, expected);
        assert_eq!((run.driven.held(), run.count("left_out", "refused_online")), (0, 1));
    }
}

#[test]
fn a_kill_that_production_accepted_is_sent_soon() {
    let expected = [query("KILL 42"), query("SELECT 1; KILL 42 ; SELECT 2"), command(0x0C, &[42, 0, 0, 0])];
    let said = [query("KILL 7"), query("SELECT 1; KILL 7 ; SELECT 2"), command(0x0C, &[7, 0, 0, 0])];
    for (said, expected) in said.iter().zip(&expected) {
        let (mut run, _victim) = victim_and_killer();
        assert_eq!(run.driven.client(said), b"");
        assert_eq!(run.driven.pass_time(SECOND), *expected);
        assert_eq!((run.driven.held(), run.count("sessions", "kill_mapped")), (0, 1));
    }
}

/// CLIENT_MULTI_STATEMENTS.
const SEVERAL: u32 = 1 << 16;

/// A query in as many packets as it takes.
fn long_query(text: &str) -> Vec<u8> {
    let payload = [b"\x03", text.as_bytes()].concat();
    let mut bytes: Vec<u8> =
        (0..).zip(payload.chunks(0xFF_FFFF)).flat_map(|(id, chunk)| packet(id, chunk)).collect();
    if payload.len().is_multiple_of(0xFF_FFFF) {
        bytes.extend(packet((payload.len() / 0xFF_FFFF) as u8, b""));
    }
    bytes
}

#[test]
fn of_a_text_that_is_too_long_the_beginning_decides() {
    let comment = |length: usize| format!("/*{}*/", "x".repeat(length));
    let data = |length: usize| format!("INSERT INTO t VALUES ('{}')", "x".repeat(length));
    const MB: usize = 1 << 20;
    for (capabilities, text, left_out) in [
        (USUAL & !SEVERAL, data(2 * MB), None),
        (USUAL & !SEVERAL, format!("{} KILL 7", comment(2 * MB)), Some("unreadable_sql")),
        (USUAL & !SEVERAL, format!("KILL 7 {}", comment(2 * MB)), Some("unreadable_sql")),
        (USUAL & !SEVERAL, format!("DROP USER u {}", comment(2 * MB)), Some("accounts")),
        (USUAL, data(2 * MB), None),
        (USUAL, format!("{} KILL 7", comment(2 * MB)), Some("kill")),
        (USUAL, format!("{}; KILL 7", data(2 * MB)), Some("kill")),
        (USUAL, data(17 * MB), None),
        (USUAL, format!("{} KILL 7", comment(17 * MB)), Some("unreadable_sql")),
        (USUAL, format!("DO 1; {}", data(17 * MB)), Some("unreadable_sql")),
    ] {
        let mut run = Run::logged_in(capabilities, USUAL);
        let said = long_query(&text);
        let shown = format!("{:?}, {} bytes", &text[..20], text.len());
        let sent: Vec<u8> = said.chunks(3 << 20).flat_map(|piece| run.driven.client(piece)).collect();
        match left_out {
            None => assert!(sent == said, "{shown}"),
            Some(reason) => {
                assert_eq!(run.count("left_out", reason), 1, "{shown}");
                assert!(!String::from_utf8_lossy(&sent).contains("KILL"), "{shown}");
            }
        }
        assert_eq!((run.driven.held(), run.driven.failure), (0, None), "{shown}");
        run.driven.answer(&ok(1, 0));
        assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"), "{shown}");
    }
}

#[test]
fn statements_are_found_behind_query_attributes() {
    // One attribute: a string n = "v".
    let attributes = b"\x01\x01\x00\x01\xfe\x00\x01n\x01v";
    let with = |attributes: &[u8], text: &str| command(3, &[attributes, text.as_bytes()].concat());
    for knows in [true, false] {
        let mut run = Run::new(true);
        run.driven.online(0, &greeting(USUAL | ATTRIBUTES));
        run.driven.connected();
        run.driven.client(&hello(USUAL | ATTRIBUTES));
        run.driven.online(0, &ok(2, 0));
        run.greet(if knows { USUAL | ATTRIBUTES } else { USUAL });
        let said = with(attributes, "SELECT 1;SHUTDOWN");
        let before: &[u8] = if knows { attributes } else { &[b' '; 10] };
        let sent: Vec<u8> = said.iter().flat_map(|byte| run.driven.client(&[*byte])).collect();
        assert_eq!(sent, with(before, "SELECT 1;DO 0    "), "{knows}");
        assert_eq!(run.driven.client(&with(attributes, "SHUTDOWN")), b"");
        assert_eq!(run.count("left_out", "shutdown"), 2);
    }
}

#[test]
fn a_database_that_is_used_among_others_is_that_of_the_next_connection() {
    for text in
        ["SELECT 1; USE db2", &format!("/* {} */ USE db2", "long ".repeat(1000)), "USE `db2` ; SELECT 1"]
    {
        let mut run = session();
        assert_eq!(run.driven.client(&query(text)), query(text));
        run.driven.answer(&ok(1, 0));
        run.driven.connected();
        run.driven.client(&query("DO 1"));
        run.driven.answer(&greeting(USUAL & !1));
        assert_eq!(run.driven.answer(&ok(2, 0)), init_db("db2"), "{text}");
        assert_eq!(run.driven.answer(&ok(1, 0)), query("DO 1"));
    }
}

#[test]
fn what_is_executed_is_what_the_statements_before_have_made() {
    for (before, text, reason) in [
        ("SET @q = 'SELECT 1'", "SET @q = 'SHUTDOWN'; PREPARE s FROM @q; EXECUTE s", "shutdown"),
        ("SET @q = 'SELECT 1'", "SET @q = CONCAT('KILL ', 7); EXECUTE IMMEDIATE @q", "kill"),
        ("PREPARE s FROM 'SELECT 1'", "PREPARE s FROM 'KILL 7'; EXECUTE s", "kill"),
        ("SET @q = 'SELECT 1'", "SELECT 'SHUTDOWN' INTO @q; PREPARE s FROM @q; EXECUTE s", "unreadable_sql"),
    ] {
        let mut run = session();
        assert_eq!(run.driven.client(&query(before)), query(before));
        run.driven.answer(&ok(1, 0));
        let sent = run.driven.client(&query(text));
        let executes = String::from_utf8_lossy(&sent).contains("EXECUTE");
        assert!(!executes && run.count("left_out", reason) > 0, "{text}: {}", String::from_utf8_lossy(&sent));
    }
    // What is harmless runs, in one packet or in several.
    let text = "SET @q = CONCAT('SELECT ', 1); PREPARE s FROM @q; EXECUTE s; DEALLOCATE PREPARE s";
    let mut run = session();
    assert_eq!(run.driven.client(&query(text)), query(text));
    run.driven.answer(&ok(1, 0));
    for text in text.split("; ") {
        assert_eq!(run.driven.client(&query(text)), query(text));
        run.driven.answer(&ok(1, 0));
    }
}

#[test]
fn what_concerns_all_of_the_server_waits_for_production() {
    for text in
        ["SET GLOBAL read_only = 1", "SET @@global.max_connections = 1", "FLUSH TABLES WITH READ LOCK"]
    {
        let mut run = session();
        assert_eq!(run.driven.client(&query(text)), b"", "{text}");
        assert_eq!(run.driven.online(0, &error(1227, "access denied")), b"", "{text}");
        assert_eq!((run.driven.held(), run.count("left_out", "refused_online")), (0, 1), "{text}");
        assert_eq!(run.driven.client(&query(text)), b"", "{text}");
        assert_eq!(run.driven.pass_time(SECOND), query(text));
        run.driven.answer(&ok(1, 0));
        assert_eq!(
            run.driven.client(&query("SET SESSION wait_timeout = 1")),
            query("SET SESSION wait_timeout = 1")
        );
    }
}

#[test]
fn an_account_statement_that_is_left_out_ends_the_transaction_as_it_did_in_production() {
    let mut run = session();
    for text in ["BEGIN", "INSERT INTO t VALUES (1)"] {
        assert_eq!(run.driven.client(&query(text)), query(text));
        run.driven.answer(&ok(1, 3));
    }
    assert_eq!(run.driven.client(&query("GRANT SELECT ON t TO u")), query("COMMIT"));
    run.driven.answer(&ok(1, 2));
    assert_eq!(run.driven.client(&query("ROLLBACK")), query("ROLLBACK"));
    run.driven.answer(&ok(1, 2));
    assert_eq!(run.driven.client(&query("GRANT SELECT ON t TO u")), b"", "none is open");
    assert_eq!(run.count("left_out", "accounts"), 2);
}

#[test]
fn a_begin_that_the_test_server_cannot_prepare_is_sent_as_a_text() {
    let mut run = session();
    assert_eq!(run.driven.client(&prepare("BEGIN")), prepare("BEGIN"));
    run.driven.online(0, &prepared(1, 0, 0));
    run.driven.answer(&error(1295, "This command is not supported in the prepared statement protocol yet"));
    assert_eq!(run.driven.client(&execute(1)), query("BEGIN"));
    run.driven.answer(&ok(1, 3));
    assert_eq!(run.driven.client(&query("INSERT INTO t VALUES (1)")), query("INSERT INTO t VALUES (1)"));
    assert_eq!((run.left_out(), run.count("left_out", "failed_statement")), (0, 0));
}
