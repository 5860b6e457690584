//! The database that a client is in, where servers do not agree, or are down.

use crate::support::*;

#[test]
fn a_database_whose_name_no_server_takes_is_not_remembered() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.driven.drop_client(&[query("USE other"), command(0x02, &[b'x'; 257])].concat());
    run.driven.connected();
    run.driven.client(&query("DO 1"));
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.answer(&ok(2, 0)), init_db("other"));
}

#[test]
fn a_database_that_a_server_refuses_is_not_remembered() {
    let long = query(&format!("USE {}", "x".repeat(300)));
    for (said, code) in [(query("USE gone"), 1049), (init_db("gone"), 1044), (long, 1059)] {
        let mut run = Run::logged_in(USUAL, USUAL);
        for (said, answer) in [(init_db("shop"), ok(1, 0)), (said.clone(), error(code, "no"))] {
            assert_eq!(run.driven.client(&said), said);
            run.driven.answer(&answer);
        }
        // The online server refuses it while the test server is down.
        run.driven.drop_client(&said);
        run.driven.online(0, &error(code, "no"));
        run.driven.connected();
        run.driven.client(&query("DO 1"));
        run.driven.answer(&greeting(USUAL));
        assert_eq!(run.driven.answer(&ok(2, 0)), init_db("shop"));
        assert_eq!(run.driven.answer(&ok(1, 0)), query("DO 1"));
    }
}

#[test]
fn a_new_connection_goes_on_without_a_database_that_is_refused() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.driven.client(&query("USE `shop`"));
    run.driven.answer(&ok(1, 0));
    for times in 1..=2 {
        run.driven.connected();
        run.driven.client(&query("DO 1"));
        let sent = run.driven.answer(&greeting(USUAL));
        assert!(!sent.windows(4).any(|window| window == b"shop"), "{}", sent.escape_ascii());
        assert_eq!(run.driven.answer(&ok(2, 0)), init_db("shop"));
        assert_eq!(run.driven.answer(&error(1049, "Unknown database 'shop'")), query("DO 1"));
        assert_eq!((run.driven.failure, run.count("sessions", "database_refused")), (None, times));
    }
    let lines = lines_with("into database \"shop\"");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("1049: Unknown database") && lines[0].contains("create it"), "{lines:?}");
}

#[test]
fn a_database_that_a_first_login_cannot_have_is_told() {
    let mut run = Run::new(true);
    run.driven.connected();
    run.driven.client(&hello_of("newcomer", USUAL));
    run.driven.answer(&greeting(USUAL));
    run.driven.answer(&packet(2, b"\xff\x19\x04#42000Unknown database 'shop'"));
    assert!(run.driven.failure.is_some());
    let lines = lines_with("\"newcomer\"");
    assert!(matches!(&lines[..], [line] if line.contains("create the database there")), "{lines:?}");
}

#[test]
fn a_database_is_seen_behind_query_attributes() {
    let mut run = Run::logged_in(USUAL | ATTRIBUTES, USUAL);
    let said = |text: &str| command(3, &[b"\x01\x01\0\x01\xfd\0\x01n\x01v", text.as_bytes()].concat());
    run.driven.drop_client(&said("USE other"));
    run.driven.connected();
    run.driven.client(&said("DO 1"));
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.answer(&ok(2, 0)), init_db("other"));
}
