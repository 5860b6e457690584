//! Commands of all kinds, and what they are answered, between servers that are played here.

use module_kit::AnswerPayload;
use module_kit::FailureKind;

use crate::support::*;

/// The longest payload of a packet: another one follows.
const CHUNK: usize = 0xFF_FFFF;

/// A payload in as many packets as it takes.
fn packets(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (sequence, chunk) in (0..).zip(payload.chunks(CHUNK)) {
        bytes.extend(packet(sequence, chunk));
    }
    if payload.len().is_multiple_of(CHUNK) {
        bytes.extend(packet((payload.len() / CHUNK) as u8, &[]));
    }
    bytes
}

/// A command in pieces, as it is captured. Returns what was sent.
fn client_in_pieces(run: &mut Run, bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(3 << 20).flat_map(|piece| run.driven.client(piece)).collect()
}

fn execute_text(id: u8, bound: &[u8], value: &[u8]) -> Vec<u8> {
    let length = [0xFD, value.len() as u8, (value.len() >> 8) as u8, (value.len() >> 16) as u8];
    [&[0x17, id, 0, 0, 0, 0, 1, 0, 0, 0, 0], bound, &length, value].concat()
}

/// The head of an EXECUTE with bound types has 15 bytes, and a long value four more.
const BOUND: &[u8] = &[1, TEXT, 0];
const HEAD: usize = 18;

#[test]
fn packets_of_16_megabytes_are_one_command() {
    for length in [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
        let mut run = Run::logged_in(USUAL, USUAL);
        run.prepared("INSERT INTO t VALUES (?)", 7, 1);
        let text = packets(&[&b"\x03SELECT '"[..], &vec![b'x'; length - 9], b"'"].concat());
        assert!(client_in_pieces(&mut run, &text) == text, "a text of {length}");
        run.driven.answer(&ok(2, 0));
        // The statement has another id there; the next is unknown.
        let value = vec![b'x'; length - HEAD];
        let said = packets(&execute_text(1, BOUND, &value));
        assert!(
            client_in_pieces(&mut run, &said) == packets(&execute_text(7, BOUND, &value)),
            "an EXECUTE of {length}"
        );
        run.driven.answer(&ok(2, 0));
        let lost = packets(&execute_text(9, BOUND, &value));
        assert_eq!(client_in_pieces(&mut run, &lost), b"");
        assert_eq!((run.left_out(), run.driven.held()), (lost.len(), 0), "{length}");
        let long = packets(&[&[0x18, 1, 0, 0, 0, 0, 0], &value[..], b"12345678901"].concat());
        let sent = client_in_pieces(&mut run, &long);
        assert!(sent[5] == 7 && sent[6..] == long[6..], "long data of {length}");
        assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"));
        assert_eq!(run.count("left_out", "unknown_statement"), 1);
        assert_eq!(run.count("commands", "other") + run.count("left_out", "out_of_step"), 0);
    }
}

#[test]
fn types_are_learned_from_executions_of_16_megabytes_and_cannot_be_put_into_them() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.prepared("INSERT INTO t VALUES (?)", 1, 1);
    let value = vec![b'x'; CHUNK];
    client_in_pieces(&mut run, &packets(&execute_text(1, BOUND, &value)));
    run.driven.answer(&ok(2, 0));
    let short = |bound: &[u8]| packet(0, &execute_text(1, bound, b"short"));
    assert_eq!(run.driven.client(&short(&[0])), short(&[0]), "it knows them");
    run.driven.answer(&ok(1, 0));
    run.driven.connected();
    client_in_pieces(&mut run, &packets(&execute_text(1, &[0], &value)));
    run.greet(USUAL);
    let definition = [packet(2, b"a definition"), packet(3, b"\xfe\0\0\x02\0")].concat();
    assert_eq!(run.driven.answer(&[prepared(1, 0, 1), definition].concat()), b"");
    assert_eq!((run.driven.held(), run.count("left_out", "unreadable")), (0, 1));
    assert_eq!(run.driven.client(&short(&[0])), short(BOUND), "the next has room for them");
}

#[test]
fn all_that_names_a_statement_has_its_number_translated() {
    let mut run = Run::logged_in(USUAL, USUAL & !1);
    run.prepared("SELECT a FROM t WHERE b = ?", 7, 1);
    let with =
        |command_byte: u8, id: u8, rest: &[u8]| command(command_byte, &[&[id, 0, 0, 0], rest].concat());
    let cursor = [1, 1, 0, 0, 0, 0, 1, LONG, 0, 42, 0, 0, 0];
    for (byte, rest) in
        [(0x17, &cursor[..]), (0x1C, &[100, 0, 0, 0]), (0x1A, &[]), (0x18, b"\0\0text"), (0x19, &[])]
    {
        assert_eq!(run.driven.client(&with(byte, 1, rest)), with(byte, 7, rest), "{byte:x}");
        run.driven.answer(&ok(1, 0));
    }
    for name in ["stmt_execute", "stmt_fetch", "stmt_reset", "stmt_send_long_data", "stmt_close"] {
        assert_eq!(run.count("commands", name), 1, "{name}");
    }
    // It is closed.
    assert_eq!(run.driven.client(&with(0x1C, 1, &[1, 0, 0, 0])), b"");
    assert_eq!(run.count("left_out", "unknown_statement"), 1);
}

#[test]
fn a_bulk_execution_is_for_servers_that_know_it() {
    let bulk = |id: u8| command(0xFA, &[id, 0, 0, 0, 128, 0, LONG, 0, 0, 42, 0, 0, 0]);
    // MariaDB's clients send extended capabilities where others send filler bytes.
    let mut hello = hello(USUAL & !1);
    hello[4 + 28] = 1 << 2;
    let mut knowing = greeting(USUAL & !1);
    let extended = 4 + 1 + 6 + 4 + 9 + 8 + 6;
    knowing[extended] = 1 << 2;
    for (greeting, sent, left_out) in [(knowing, bulk(7), 0), (greeting(USUAL), Vec::new(), 1)] {
        let mut run = Run::new(true);
        run.driven.connected();
        run.driven.client(&hello);
        run.greet_as(&greeting);
        run.prepared("INSERT INTO t VALUES (?)", 7, 1);
        assert_eq!(run.driven.client(&bulk(1)), sent);
        assert_eq!((run.driven.held(), run.count("left_out", "bulk_execute")), (0, left_out));
    }
}

#[test]
fn an_answer_is_complete_when_all_its_results_are_here() {
    const MORE: u8 = 8;
    let mut run = Run::logged_in(USUAL, USUAL);
    let several = query("INSERT INTO t VALUES (1); SELECT 1; INSERT INTO t VALUES (2)");
    for (answers, complete) in [
        (vec![ok(1, MORE)], false),
        (vec![ok(1, MORE), packet(2, b"\x01")], false),
        (vec![packet(1, b"\x01"), packet(2, b"a row")], false),
        (vec![ok(1, 0)], true),
        (vec![error(1064, "wrong")], true),
    ] {
        assert_eq!(run.driven.client(&several), several);
        run.take_complete();
        for answer in &answers {
            run.driven.answer(answer);
        }
        assert_eq!(run.take_complete(), complete, "{answers:?}");
    }
    // An error after the first of them.
    run.driven.client(&several);
    run.driven.answer(&[ok(1, MORE), error(1064, "wrong")].concat());
    assert_eq!(run.count("server_errors", "1064"), 2);
}

#[test]
fn no_more_is_read_than_must_be() {
    let mut run = Run::new(true);
    run.driven.connected();
    assert_eq!(run.driven.mode(), AnswerPayload::All);
    run.driven.client(&hello(USUAL));
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.mode(), AnswerPayload::All);
    run.driven.answer(&ok(2, 0));
    assert_eq!(run.driven.mode(), AnswerPayload::Ends { head: 25, tail: 11 });
    run.prepared("SELECT 1", 1, 0);
    run.driven.client(&query("SELECT 1"));
    run.driven.answer(&packet(1, b"\x01"));
    assert_eq!(run.driven.mode(), AnswerPayload::Ends { head: 25, tail: 11 });
    run.driven.connected();
    assert_eq!(run.driven.mode(), AnswerPayload::All, "of a new connection");
}

#[test]
fn no_command_is_sent_before_the_end_of_the_login() {
    let mut run = Run::new(true);
    run.driven.connected();
    let said = [hello(USUAL), query("DO 1")].concat();
    let mut sent = Vec::new();
    for byte in &said {
        sent.extend(run.driven.client(&[*byte]));
    }
    assert_eq!(sent, b"", "the server speaks first");
    let greeting = greeting(USUAL);
    let (last, before) = greeting.split_last().unwrap();
    for byte in before {
        assert_eq!(run.driven.answer(&[*byte]), b"");
    }
    assert!(!run.driven.answer(&[*last]).is_empty() && !run.driven.is_ready());
    // Another method first: its answer is no end.
    assert_eq!(run.driven.answer(&packet(2, b"\xfemysql_native_password\0nonce")), packet(3, b""));
    let accepted = ok(4, 0);
    let (last, before) = accepted.split_last().unwrap();
    for byte in before {
        assert_eq!((run.driven.answer(&[*byte]), run.driven.is_ready()), (Vec::new(), false));
    }
    assert_eq!(run.driven.answer(&[*last]), query("DO 1"));
    assert!(run.driven.is_ready() && run.driven.failure.is_none());
}

#[test]
fn a_reset_of_the_connection_ends_statements_on_both_sides() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.prepared("SELECT 1", 1, 0);
    let reset = command(0x1F, &[]);
    assert_eq!(run.driven.client(&reset), reset);
    run.driven.answer(&ok(1, 0));
    assert_eq!(run.driven.client(&execute(1)), b"");
    run.prepared("SELECT 2", 2, 0);
    assert_eq!(run.driven.client(&execute(2)), execute(2));
    run.driven.answer(&ok(1, 0));
    run.driven.connected();
    run.driven.client(&execute(2));
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.answer(&ok(2, 0)), reset, "the variables have the server's values");
    assert_eq!(run.driven.answer(&ok(1, 0)), prepare("SELECT 2"), "the other is not prepared again");
    assert_eq!(run.driven.answer(&prepared(1, 0, 0)), execute(1));
    assert_eq!(run.count("left_out", "unknown_statement"), 1);
}

#[test]
fn what_must_not_be_executed_is_not_prepared() {
    let mut run = Run::logged_in(USUAL, USUAL);
    for (said, online) in [(prepare("KILL ?"), 1), (prepare("shutdown"), 2), (prepare("/* x */ KILL 7"), 3)] {
        assert_eq!(run.driven.client(&said), b"");
        run.driven.online(0, &prepared(online, 0, 1));
        assert_eq!(run.driven.client(&execute(online)), b"");
    }
    assert_eq!(run.driven.client(&execute_last()), b"");
    assert_eq!((run.driven.held(), run.driven.failure), (0, None));
    assert_eq!((run.count("left_out", "kill"), run.count("left_out", "shutdown")), (2, 1));
    assert_eq!(run.count("left_out", "failed_statement"), 4);
    // The next is the first there, by order, too.
    let said = [prepare("KILLS"), execute(4), query("DO 1")].concat();
    assert_eq!(run.driven.client(&said), prepare("KILLS"));
    assert_eq!(run.driven.answer(&packet(9, b"not to be told")), [execute(1), query("DO 1")].concat());
    run.driven.answer(&ok(1, 0));
    // Nor on a new connection, however long the text is.
    run.driven.drop_client(&prepare("KILL 9"));
    run.driven.connected();
    let long = prepare(&format!("KILL {}7", " ".repeat(70_000)));
    run.driven.client(&long);
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.answer(&ok(2, 0)), prepare("KILLS"));
    assert_eq!(run.driven.answer(&prepared(1, 0, 0)), b"");
    assert_eq!((run.driven.held(), run.count("left_out", "kill")), (0, 3));
}

#[test]
fn what_must_not_be_copied_is_not() {
    let mut run = Run::logged_in(USUAL, USUAL);
    for said in [query("SHUTDOWN"), command(0x08, &[0])] {
        assert_eq!(run.driven.client(&said), b"");
    }
    assert_eq!((run.driven.held(), run.count("left_out", "shutdown")), (0, 2));
    assert_eq!(run.driven.failure, None);
    for byte in [0x12, 0x13, 0x15, 0x1E, 0x20, 0x21] {
        let mut run = Run::logged_in(USUAL, USUAL);
        assert_eq!(run.driven.client(&command(byte, &[0; 20])), b"");
        assert_eq!(run.driven.failure.map(|it| it.kind), Some(FailureKind::Unsupported), "{byte:x}");
        assert_eq!(run.count("left_out", "replication"), 1);
    }
}

#[test]
fn an_empty_packet_after_a_gap_is_no_command() {
    for sequence in [0, 1, 255] {
        let mut run = Run::logged_in(USUAL, USUAL);
        run.driven.gap();
        run.driven.connected();
        run.greet(USUAL);
        let next = query("SELECT 1");
        let sent = run.driven.client(&[packet(sequence, b""), next.clone()].concat());
        assert!(sent.is_empty() || sent == next, "sequence id {sequence}: {sent:?}");
        assert_eq!((run.driven.failure, run.driven.held()), (None, 0), "sequence id {sequence}");
        assert_eq!(run.driven.client(&next), next, "sequence id {sequence}");
    }
}

#[test]
fn the_end_of_a_result_is_seen_in_its_last_bytes() {
    // Two columns and a row; the definitions end with a packet that looks like the end of the result.
    let columns = [packet(1, b"\x02"), packet(2, b"def 1"), packet(3, b"def 2")].concat();
    let (row, eof) = (packet(5, &[b'r'; 300]), |sequence| packet(sequence, b"\xfe\0\0\x02\0"));
    let mut run = Run::logged_in(USUAL, USUAL);
    run.take_complete();
    run.driven.client(&query("SELECT a, b FROM t"));
    assert!(run.driven.awaits_answered);
    run.driven.answer(&[&columns[..], &eof(4)].concat());
    assert!(run.driven.awaits_answered && !run.take_complete(), "rows follow");
    run.driven.answer(&row);
    assert!(!run.take_complete());
    run.driven.answer(&eof(6));
    assert!(run.take_complete() && !run.driven.awaits_answered);
    // In one segment, and with another result behind it.
    run.driven.client(&query("CALL p()"));
    run.driven.answer(&[&columns[..], &eof(4), &row, &packet(6, b"\xfe\0\0\x0a\0")].concat());
    assert!(!run.take_complete());
    run.driven.answer(&ok(7, 0));
    assert!(run.take_complete());
    // The answer to a PREPARE has no end of a known form.
    run.driven.client(&prepare("SELECT ?"));
    assert!(!run.driven.awaits_answered);
}
