//! Rare events in sessions whose servers are played here.

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

use crate::support::*;

#[test]
fn what_is_prepared_while_the_server_is_down_is_prepared_later() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.driven.drop_client(&[prepare("SELECT ?"), query("USE other")].concat());
    run.driven.online(0, &prepared(1, 1, 1));
    run.driven.connected();
    run.driven.client(&execute(1));
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.answer(&ok(2, 0)), prepare("SELECT ?"));
    let answer = [prepared(7, 0, 1), packet(2, b"a definition"), packet(3, b"\xfe\0\0\x02\0")].concat();
    assert_eq!(run.driven.answer(&answer), init_db("other"));
    assert_eq!(run.driven.answer(&ok(1, 0)), execute(7));
    assert_eq!(run.count("left_out", "unknown_statement"), 0);
}

#[test]
fn what_is_closed_while_the_server_is_down_is_not_prepared_later() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.driven.drop_client(&prepare("SELECT ?"));
    run.driven.online(0, &prepared(1, 1, 1));
    run.driven.drop_client(&command(0x19, &[1, 0, 0, 0]));
    run.driven.connected();
    run.driven.client(&query("DO 1"));
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.answer(&ok(2, 0)), query("DO 1"));
    assert_eq!(run.count("sessions", "prepared_again"), 0);
}

/// An EXECUTE of the statement 1 with a number, a text that was sent before, and a query attribute n = "v".
fn execute_with_attribute() -> Vec<u8> {
    let head = [1, 0, 0, 0, 8, 1, 0, 0, 0, 3, 0, 1];
    let types = [LONG, 0, 0, TEXT, 0, 0, TEXT, 0, 1, b'n'];
    command(0x17, &[&head[..], &types, &[42, 0, 0, 0], b"\x01v"].concat())
}

fn long_data(id: u8, parameter: u8, value: &[u8]) -> Vec<u8> {
    command(0x18, &[&[id, 0, 0, 0, parameter, 0], value].concat())
}

#[test]
fn attributes_are_taken_out_where_values_were_sent_before() {
    let mut run = Run::logged_in(USUAL | ATTRIBUTES, USUAL);
    run.prepared("INSERT INTO t VALUES (?, ?)", 1, 2);
    for _ in 0..2 {
        assert_eq!(run.driven.client(&long_data(1, 1, b"text")), long_data(1, 1, b"text"));
        let plain = [&[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, LONG, 0, TEXT, 0][..], &[42, 0, 0, 0]].concat();
        let sent = run.driven.client(&execute_with_attribute());
        assert_eq!(sent.escape_ascii().to_string(), command(0x17, &plain).escape_ascii().to_string());
        run.driven.answer(&ok(1, 0));
    }
    assert_eq!(run.count("sessions", "query_attributes_left_out"), 2);
}

#[test]
fn types_are_said_again_where_attributes_are_taken_out() {
    let counted = |id: u8, bound: &[u8], value: u8| {
        command(0x17, &[&[id, 0, 0, 0, 8, 1, 0, 0, 0, 1, 0], bound, &[value, 0, 0, 0]].concat())
    };
    let plain = |id: u8, bound: &[u8], value: u8| {
        command(0x17, &[&[id, 0, 0, 0, 0, 1, 0, 0, 0, 0], bound, &[value, 0, 0, 0]].concat())
    };
    let (named, bound) = ([1, LONG, 0, 0], [1, LONG, 0]);
    let mut run = Run::logged_in(USUAL | ATTRIBUTES, USUAL);
    run.driven.client(&command(3, b"\0\x01DO 1"));
    run.driven.answer(&ok(1, 0));
    run.prepared("INSERT INTO t VALUES (?)", 1, 1);
    assert_eq!(run.driven.client(&counted(1, &named, 42)), plain(1, &bound, 42));
    run.driven.answer(&ok(1, 0));
    assert_eq!(run.driven.client(&counted(1, &[0], 43)), plain(1, &[0], 43));
    run.driven.answer(&ok(1, 0));
    run.driven.connected();
    run.driven.client(&counted(1, &[0], 44));
    run.greet(USUAL);
    let definition = [packet(2, b"a definition"), packet(3, b"\xfe\0\0\x02\0")].concat();
    let answer = [prepared(9, 0, 1), definition].concat();
    assert_eq!(run.driven.answer(&answer), plain(9, &bound, 44), "it is another connection");
    run.driven.answer(&ok(1, 0));
    assert_eq!(run.driven.client(&counted(1, &[0], 45)), plain(9, &[0], 45));
    run.driven.answer(&ok(1, 0));
    assert_eq!(run.count("sessions", "types_again"), 1);
    // Another server there, which knows attributes: names are wanted, and were not kept.
    run.driven.connected();
    run.driven.client(&counted(1, &[0], 46));
    run.greet(USUAL | ATTRIBUTES);
    run.driven.answer(&answer);
    assert_eq!((run.driven.held(), run.count("left_out", "unreadable")), (0, 1));
}

#[test]
fn types_that_are_said_in_what_is_lost_are_said_again() {
    const SHORT: u8 = 2;
    let values = |id: u8, bound: &[u8], value: &[u8]| {
        command(0x17, &[&[id, 0, 0, 0, 0, 1, 0, 0, 0, 0], bound, value].concat())
    };
    let definition = [packet(2, b"a definition"), packet(3, b"\xfe\0\0\x02\0")].concat();
    let mut run = Run::logged_in(USUAL, USUAL);
    run.prepared("INSERT INTO t VALUES (?)", 1, 1);
    run.driven.client(&values(1, &[1, LONG, 0], &[42, 0, 0, 0]));
    run.driven.answer(&ok(1, 0));
    // Captured, and late; the connection stands.
    run.driven.drop_client(&values(1, &[1, SHORT, 0], &[43, 0]));
    assert_eq!(run.driven.client(&values(1, &[0], &[44, 0])), values(1, &[1, SHORT, 0], &[44, 0]));
    run.driven.answer(&ok(1, 0));
    assert_eq!(run.driven.client(&values(1, &[0], &[45, 0])), values(1, &[0], &[45, 0]));
    run.driven.answer(&ok(1, 0));
    // An EXECUTE that is left out for its values binds types, too.
    run.driven.drop_client(&long_data(1, 0, b"text"));
    assert_eq!(run.driven.client(&values(1, &[1, TEXT, 0], &[])), b"");
    assert_eq!((run.driven.held(), run.count("left_out", "lost_long_data")), (0, 1));
    assert_eq!(run.driven.client(&values(1, &[0], b"\x01v")), values(1, &[1, TEXT, 0], b"\x01v"));
    run.driven.answer(&ok(1, 0));
    // Of one that was prepared while the server was down.
    run.driven.drop_client(&prepare("UPDATE t SET a = ?"));
    run.driven.online(0, &prepared(2, 0, 1));
    run.driven.drop_client(&values(2, &[1, SHORT, 0], &[46, 0]));
    run.driven.connected();
    run.driven.client(&values(2, &[0], &[47, 0]));
    run.greet(USUAL);
    run.driven.answer(&[prepared(1, 0, 1), definition.clone()].concat());
    let sent = run.driven.answer(&[prepared(5, 0, 1), definition].concat());
    assert_eq!(sent, values(5, &[1, SHORT, 0], &[47, 0]));
}

#[test]
fn what_wants_values_that_went_to_a_lost_connection_is_left_out() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.prepared("INSERT INTO t VALUES (?)", 1, 1);
    run.driven.client(&long_data(1, 0, b"text"));
    run.driven.connected();
    let bound = command(0x17, &[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, TEXT, 0]);
    run.driven.client(&bound);
    run.greet(USUAL);
    run.driven
        .answer(&[prepared(1, 0, 1), packet(2, b"a definition"), packet(3, b"\xfe\0\0\x02\0")].concat());
    assert_eq!((run.driven.held(), run.count("left_out", "lost_long_data")), (0, 1));
    // The next is whole.
    run.driven.client(&long_data(1, 0, b"text"));
    assert_eq!(run.driven.client(&bound), bound);
}

#[test]
fn a_transaction_that_is_cut_is_counted_once_and_others_are_not() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.prepared("COMMIT", 1, 0);
    run.driven.client(&query("BEGIN"));
    run.driven.answer(&ok(1, IN_TRANSACTION));
    // The connection is lost, the statement is prepared again, the client sends COMMIT.
    run.driven.drop_client(&query("INSERT INTO t VALUES (1)"));
    run.driven.connected();
    run.driven.client(&execute(1));
    run.greet(USUAL);
    run.driven.answer(&prepared(1, 0, 0));
    assert_eq!(run.driven.held(), 0);
    run.driven.answer(&ok(1, 0));
    assert_eq!(run.count("sessions", "transaction_cut"), 1);
    assert_eq!(run.count("sessions", "transaction_start_missed"), 0);
    // A BEGIN was never captured; a known statement is the end.
    run.driven.gap();
    run.driven.connected();
    run.driven.client(&execute(1));
    run.greet(USUAL);
    run.driven.answer(&prepared(1, 0, 0));
    assert_eq!(run.count("sessions", "transaction_cut"), 1);
    assert_eq!(run.count("sessions", "transaction_start_missed"), 1);
}

#[test]
fn a_transaction_that_was_open_at_a_join_shows_at_its_end() {
    let mut run = Run::new(false);
    run.driven.connected();
    run.driven.client(&query("UPDATE t SET a = 1"));
    run.greet(USUAL);
    run.driven.answer(&ok(1, 0));
    for (text, status, missed) in
        [("commit", 0, 1), ("begin", IN_TRANSACTION, 1), ("ROLLBACK", 0, 1), ("COMMIT", 0, 1)]
    {
        run.driven.client(&query(text));
        run.driven.answer(&ok(1, status));
        assert_eq!(run.count("sessions", "transaction_start_missed"), missed, "{text}");
    }
}

/// A compressed packet that is not compressed: short ones are not.
fn bare(packet: &[u8]) -> Vec<u8> {
    let length = packet.len() as u32;
    [&length.to_le_bytes()[..3], &[0, 0, 0, 0], packet].concat()
}

#[test]
fn what_is_inflated_counts_as_memory_until_it_is_sent() {
    // Of a longer text the beginning is read.
    const LENGTH: usize = 3_000_000;
    let mut run = Run::logged_in(USUAL | COMPRESS, USUAL);
    run.driven.client(&bare(&query("SELECT 1")));
    let before = run.memory();
    let statement = packet(0, &[&b"\x16"[..], &[b'x'; LENGTH]].concat());
    let first = &statement[..LENGTH / 2];
    assert_eq!(run.driven.client(&bare(first)), b"", "it waits for the answer to the query");
    let held = run.memory() - before;
    // The query's memory is used again.
    assert!((first.len() - 64..2 * LENGTH).contains(&held), "{held} bytes are held");
    let sent = run.driven.answer(&ok(1, 0));
    assert_eq!(sent.len(), first.len());
    assert!(run.memory() < before + 8192);
}

#[test]
fn a_row_that_looks_like_a_greeting_is_none() {
    let mut run = Run::new(true);
    run.driven.online(0, &greeting_of(7, USUAL));
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.driven.online(0, &ok(2, 0));
    run.greet(USUAL);
    run.driven.client(&query("SELECT what, nobody, knows"));
    run.driven.answer(&packet(1, b"\x01"));
    // A long result counts its packets from 0 again.
    run.driven.online(4000, &greeting_of(8, USUAL));
    assert_eq!(run.driven.client(&query("KILL 8")), b"");
    run.driven.client(&query("KILL 7"));
    assert_eq!(run.driven.pass_time(SECOND), query("KILL 42"));
    let mut joined = Run::new(false);
    joined.driven.connected();
    joined.driven.online(0, &greeting_of(8, USUAL));
    joined.driven.client(&query("DO 1"));
    joined.greet(USUAL);
    joined.driven.answer(&ok(1, 0));
    assert_eq!(joined.driven.client(&query("KILL 8")), b"");
}

#[test]
fn a_kill_is_for_a_connection_of_the_same_service() {
    let mut first = Run::new(true);
    let mut second = first.of_another_service();
    let mut third = second.of_another_service();
    for (run, online, test) in [(&mut first, 7, 42), (&mut second, 7, 43), (&mut third, 8, 44)] {
        run.driven.online(0, &greeting_of(online, USUAL));
        run.driven.connected();
        run.driven.client(&hello(USUAL));
        run.driven.online(0, &ok(2, 0));
        run.greet_as(&greeting_of(test, USUAL));
    }
    first.driven.client(&query("KILL 7"));
    assert_eq!(first.driven.pass_time(SECOND), query("KILL 42"));
    second.driven.client(&command(0x0C, &[7, 0, 0, 0]));
    assert_eq!(second.driven.pass_time(SECOND), command(0x0C, &[43, 0, 0, 0]));
    assert_eq!(third.driven.client(&query("KILL 7")), b"", "of a service where there is none");
    assert_eq!((first.count("sessions", "kill_mapped"), third.count("left_out", "kill")), (2, 1));
}

#[test]
fn what_is_compressed_is_learned_from_when_it_is_lost() {
    for decided in [true, false] {
        let mut run = Run::logged_in(USUAL | COMPRESS, USUAL);
        if decided {
            run.driven.client(&bare(&query("DO 1")));
            run.driven.answer(&ok(1, 0));
        }
        run.driven.drop_client(&bare(&[prepare("SELECT 1"), query("USE other")].concat()));
        // Half of one tells nothing.
        run.driven.drop_client(&bare(&query("USE none"))[..12]);
        run.driven.connected();
        run.driven.client(&bare(&query("DO 2")));
        run.driven.answer(&greeting(USUAL));
        assert_eq!(run.driven.answer(&ok(2, 0)), prepare("SELECT 1"), "{decided}");
        assert_eq!(run.driven.answer(&prepared(1, 0, 0)), init_db("other"));
        assert_eq!(run.driven.answer(&ok(1, 0)), query("DO 2"));
        assert_eq!(run.count("sessions", "compressed_client"), 1);
    }
}

#[test]
fn the_statement_prepared_last_is_executed_once_its_own_id_is_known() {
    // MariaDB online, whose first id is not known; a test server that knows no -1.
    let mut run = Run::new(true);
    run.driven.online(0, &greeting(USUAL & !1));
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.driven.online(0, &ok(2, 0));
    run.greet(USUAL);
    assert_eq!(run.driven.client(&[prepare("SELECT 1"), execute_last()].concat()), prepare("SELECT 1"));
    assert_eq!(run.driven.answer(&prepared(5, 0, 0)), execute(5));
    run.driven.answer(&ok(1, 0));
    run.driven.online(0, &prepared(70, 0, 0));
    assert_eq!(run.driven.client(&execute(70)), execute(5), "it has an id, too");
    run.driven.answer(&ok(1, 0));
    assert_eq!(run.driven.client(&execute_last()), execute(5), "and is still the last");
    run.driven.answer(&ok(1, 0));
    // The next fails on the test server, or is closed: the one before is not the last.
    assert_eq!(run.driven.client(&[prepare("SELECT 3"), execute_last()].concat()), prepare("SELECT 3"));
    assert_eq!(run.driven.answer(&error(1295, "not supported")), b"");
    assert_eq!((run.driven.held(), run.count("left_out", "failed_statement")), (0, 1));
    let close = |id: u32| command(0x19, &id.to_le_bytes());
    let lost = run.left_out();
    assert_eq!(run.driven.client(&close(LAST)), b"", "there is none to close");
    assert_eq!((run.driven.held(), run.left_out()), (0, lost));
    run.prepared("SELECT 2", 7, 0);
    assert_eq!(run.driven.client(&close(LAST)), close(7));
    assert_eq!(run.driven.client(&execute_last()), b"");
    assert_eq!((run.driven.held(), run.count("left_out", "unknown_statement")), (0, 1));
    assert_eq!(run.driven.client(&execute(70)), execute(5), "others are what they were");
}

#[test]
fn the_statement_prepared_last_is_the_last_on_a_new_connection_and_none_behind_a_loss() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.prepared("SELECT 1", 1, 0);
    run.prepared("SELECT 2", 2, 0);
    run.driven.connected();
    run.driven.client(&execute_last());
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.answer(&ok(2, 0)), prepare("SELECT 1"));
    assert_eq!(run.driven.answer(&prepared(8, 0, 0)), prepare("SELECT 2"));
    assert_eq!(run.driven.answer(&prepared(9, 0, 0)), execute(9));
    run.driven.answer(&ok(1, 0));
    run.driven.drop_client(&prepare("SELECT 3")[..8]);
    assert_eq!(run.driven.client(&execute_last()), b"");
    assert_eq!((run.driven.held(), run.count("left_out", "unknown_statement")), (0, 1));
}

#[test]
fn the_statement_prepared_last_is_known_to_mariadb() {
    let mut run = Run::logged_in(USUAL, USUAL & !1);
    let direct = [prepare("SELECT 1"), execute_last()].concat();
    assert_eq!(run.driven.client(&direct), direct);
    run.driven.answer(&[prepared(5, 0, 0), ok(1, 0)].concat());
    assert_eq!(run.driven.client(&execute_last()), execute(5));
    run.driven.answer(&ok(1, 0));
    // Both servers refuse the next, and what executes it.
    assert_eq!(run.driven.client(&direct), direct);
    run.driven.answer(&[error(1146, "no table"), error(1243, "unknown statement")].concat()[..16]);
    run.driven.answer(&error(1243, "unknown statement"));
    assert_eq!(run.driven.client(&prepare("SELECT 2")), prepare("SELECT 2"));
    run.driven.answer(&prepared(7, 0, 0));
    assert_eq!(run.driven.client(&execute(3)), execute(7), "ids are in step");
    assert_eq!(run.count("sessions", "statement_id_assumed"), 0);
}

#[test]
fn types_that_were_said_before_the_answer_are_said_again_on_a_new_connection() {
    let values = |id: &[u8; 4], types: &[u8], value: u8| {
        command(0x17, &[&id[..], &[0, 1, 0, 0, 0, 0], types, &[value, 0, 0, 0]].concat())
    };
    let bound = [1, LONG, 0];
    let first = values(&LAST.to_le_bytes(), &bound, 42);
    // Answered before the connection is lost, or not.
    for answered in [true, false] {
        let mut run = Run::new(true);
        run.driven.online(0, &greeting(USUAL & !1));
        run.driven.connected();
        run.driven.client(&hello(USUAL));
        run.driven.online(0, &ok(2, 0));
        run.greet(USUAL & !1);
        assert_eq!(run.driven.client(&prepare("DO ?")), prepare("DO ?"));
        assert_eq!(run.driven.client(&first[..12]), b"");
        assert_eq!(run.driven.client(&first[12..]), first);
        run.driven.online(0, &prepared(70, 0, 1));
        let definition = [packet(2, b"a definition"), packet(3, b"\xfe\0\0\x02\0")].concat();
        if answered {
            run.driven.answer(&[prepared(5, 0, 1), definition.clone()].concat());
            run.driven.answer(&ok(1, 0));
            let later = values(&[70, 0, 0, 0], &[0], 43);
            assert_eq!(run.driven.client(&later), values(&[5, 0, 0, 0], &[0], 43), "it knows them");
            run.driven.answer(&ok(1, 0));
        }
        run.driven.connected();
        run.driven.client(&values(&[70, 0, 0, 0], &[0], 44));
        run.driven.answer(&greeting(USUAL & !1));
        assert_eq!(run.driven.answer(&ok(2, 0)), prepare("DO ?"));
        let sent = run.driven.answer(&[prepared(9, 0, 1), definition].concat());
        assert_eq!(sent, values(&[9, 0, 0, 0], &bound, 44), "{answered}");
        assert_eq!((run.count("sessions", "types_again"), run.count("left_out", "unknown_types")), (1, 0));
    }
}
