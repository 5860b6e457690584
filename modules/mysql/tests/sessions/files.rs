//! LOAD DATA LOCAL: whose packets are a file's, and who gets it.

use module_kit::{OnlineService, begins_with_any};
use tcpcopy_mysql::Mysql;

use crate::support::*;

const LOAD: &str = "LOAD DATA LOCAL INFILE '/f' INTO TABLE t";

#[test]
fn a_file_goes_to_a_server_that_asks_for_it() {
    let file = [packet(2, b"1\n"), packet(3, b"2\n"), packet(4, b"")].concat();
    let mut run = Run::logged_in(USUAL | LOCAL_FILES, USUAL | LOCAL_FILES);
    run.driven.client(&query(LOAD));
    run.take_complete();
    assert_eq!(run.driven.client(&file), b"", "nobody has asked yet");
    assert_eq!(run.driven.answer(&packet(1, b"\xfb/f")), file);
    assert!(!run.take_complete(), "its end is to be answered");
    assert_eq!(run.driven.answer(&ok(5, 0)), b"");
    assert!(run.take_complete());
    assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"));
}

#[test]
fn a_file_that_is_not_asked_for_is_swallowed() {
    let file = [packet(2, b"1\n"), packet(3, b"")].concat();
    let mut run = Run::logged_in(USUAL | LOCAL_FILES, USUAL | LOCAL_FILES);
    run.driven.client(&query(LOAD));
    assert_eq!(run.driven.answer(&error(1146, "there is no table")), b"");
    assert_eq!(run.driven.client(&[file.clone(), query("DO 1")].concat()), query("DO 1"));
    assert_eq!((run.left_out(), run.count("left_out", "file")), (file.len(), 1));
}

#[test]
fn a_file_that_there_is_not_is_an_empty_one() {
    let mut run = Run::logged_in(USUAL | LOCAL_FILES, USUAL | LOCAL_FILES);
    run.driven.client(&query(LOAD));
    run.driven.answer(&packet(1, b"\xfb/f"));
    // The online server has not asked for it.
    assert_eq!(run.driven.client(&query("DO 1")), [packet(2, b""), query("DO 1")].concat());
}

/// Text that would be executed if it were taken for a command.
const EVIL: &[u8] = b"\x03DELETE FROM accounts";

/// Bytes of a packet of a file.
const PACKET: usize = 25;

/// A file in so many packets, the first with this id, whose contents look like commands.
fn file(first: u8, packets: usize) -> Vec<u8> {
    let ids = (0..packets).map(|at| first.wrapping_add(at as u8));
    let mut bytes: Vec<u8> = ids.flat_map(|id| packet(id, EVIL)).collect();
    bytes.extend(packet(first.wrapping_add(packets as u8), b""));
    bytes
}

fn request(sequence: u8) -> Vec<u8> {
    packet(sequence, b"\xfb/f")
}

/// A session that has said LOAD DATA LOCAL.
fn loading() -> Run {
    let mut run = Run::logged_in(USUAL | LOCAL_FILES, USUAL | LOCAL_FILES);
    assert_eq!(run.driven.client(&query(LOAD)), query(LOAD));
    run
}

#[test]
fn the_ids_of_a_long_file_begin_at_0_again() {
    for packets in [1, 252, 253, 254, 255, 256, 1000] {
        let file = file(2, packets);
        for piece in [1, 5, 1000, file.len()] {
            let mut run = loading();
            run.driven.answer(&request(1));
            let sent: Vec<u8> = file.chunks(piece).flat_map(|bytes| run.driven.client(bytes)).collect();
            assert!(sent == file, "{packets} packets, {piece} bytes at a time");
            assert_eq!(run.driven.held(), 0);
            run.driven.answer(&ok(1, 0));
            assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"));
            assert_eq!((run.left_out(), run.count("commands", "query")), (0, 2));
        }
    }
}

#[test]
fn nothing_of_a_file_that_is_refused_is_executed() {
    for packets in [253, 254, 255, 1000] {
        let file = file(2, packets);
        for piece in [1, 6, 1000, file.len()] {
            let mut run = loading();
            run.driven.answer(&error(4166, "the server does not take local files"));
            let sent: Vec<u8> = file.chunks(piece).flat_map(|bytes| run.driven.client(bytes)).collect();
            assert_eq!(
                (sent, run.left_out()),
                (Vec::new(), file.len()),
                "{packets} packets, {piece} at a time"
            );
            assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"));
            assert_eq!((run.count("left_out", "file"), run.count("left_out", "out_of_step")), (1, 0));
        }
    }
}

#[test]
fn a_server_that_asks_late_gets_the_file_and_what_is_behind_it() {
    let said = [file(2, 300), query("DO 1")].concat();
    let mut run = loading();
    for piece in said.chunks(1000) {
        assert_eq!(run.driven.client(piece), b"");
    }
    assert!(run.driven.answer(&request(1)) == said);
    assert_eq!((run.driven.held(), run.left_out()), (0, 0));
    // It refuses late.
    let mut run = loading();
    assert_eq!(run.driven.client(&said), b"");
    assert_eq!(run.driven.answer(&error(4166, "no local files")), query("DO 1"));
    assert_eq!(run.count("left_out", "file"), 1);
}

#[test]
fn no_more_of_a_file_is_held_than_must_be() {
    let block = packet(2, &vec![b'x'; 4 << 20]);
    let mut run = loading();
    let mut longest = 0;
    for at in 0..8 {
        let mut block = block.clone();
        block[3] = 2 + at;
        run.driven.client(&block);
        longest = longest.max(run.driven.held());
    }
    assert!(longest < 17 << 20, "{longest}");
    assert_eq!(run.count("left_out", "file"), 1);
    run.driven.client(&packet(10, b""));
    // It asks when the file is gone: it gets an empty one, and no command is taken for the file.
    assert_eq!(run.driven.client(&query("DO 1")), b"");
    assert_eq!(run.driven.answer(&request(1)), [packet(2, b""), query("DO 1")].concat());
}

#[test]
fn a_command_is_no_file_for_a_server_that_wants_one() {
    // The online server has refused the file, whether that was captured or not.
    for refusal in [error(4166, "no local files"), Vec::new()] {
        let mut run = loading();
        run.driven.online(0, &refusal);
        assert_eq!(run.driven.client(&query("INSERT INTO t VALUES (1)")), b"", "the test server may ask");
        let sent = run.driven.answer(&request(1));
        assert_eq!(sent, [packet(2, b""), query("INSERT INTO t VALUES (1)")].concat());
        run.take_complete();
        run.driven.answer(&ok(3, 0));
        assert!(!run.take_complete(), "that was the answer to the file");
        run.driven.answer(&ok(1, 0));
        assert!(run.take_complete());
    }
    // Both refuse.
    let mut run = loading();
    run.driven.client(&query("DO 1"));
    assert_eq!(run.driven.answer(&error(4166, "no local files")), query("DO 1"));
    assert_eq!((run.left_out(), run.driven.held()), (0, 0));
    // In one turn.
    let mut run = Run::logged_in(USUAL | LOCAL_FILES, USUAL | LOCAL_FILES);
    assert_eq!(run.driven.client(&[query(LOAD), query("DO 1")].concat()), query(LOAD));
    assert_eq!(run.driven.answer(&request(1)), [packet(2, b""), query("DO 1")].concat());
}

#[test]
fn an_empty_file_is_a_file() {
    let mut run = loading();
    run.driven.answer(&request(1));
    let said = [packet(2, b""), query("DO 1")].concat();
    for byte in &said[..4] {
        run.driven.client(&[*byte]);
    }
    assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"));
    assert_eq!(run.driven.fates.passed, [query(LOAD), said].concat());
    // And one that the test server does not want.
    let mut run = loading();
    run.driven.answer(&error(1146, "no table"));
    assert_eq!(run.driven.client(&[packet(2, b""), query("DO 1")].concat()), query("DO 1"));
}

#[test]
fn packets_of_16_megabytes_are_joined() {
    const CHUNK: usize = 0xFF_FFFF;
    let full = packet(2, &vec![b'x'; CHUNK]);
    let said = [&full[..], &packet(3, b""), &packet(4, EVIL), &packet(5, b"")].concat();
    let mut run = loading();
    run.driven.answer(&request(1));
    let sent: Vec<u8> = said.chunks(3 << 20).flat_map(|bytes| run.driven.client(bytes)).collect();
    assert!(sent == said && run.driven.held() == 0);
    run.driven.answer(&ok(6, 0));
    assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"));
}

#[test]
fn a_lost_connection_takes_its_file_with_it() {
    let file = file(2, 300);
    for cut in [4, 5, 26, 1000, PACKET * 254, PACKET * 254 + 4, file.len() - 1] {
        let mut run = loading();
        run.driven.answer(&request(1));
        run.driven.client(&file[..cut]);
        run.driven.connected();
        run.driven.client(&file[cut..]);
        run.greet(USUAL | LOCAL_FILES);
        assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"), "{cut}");
        let held = if cut % PACKET < 4 { cut % PACKET } else { 0 };
        let passed = [&query(LOAD)[..], &file[..cut - held], &query("DO 1")].concat();
        assert!(run.driven.fates.passed == passed, "{cut}");
        assert_eq!(run.left_out(), file.len() - cut + held);
    }
}

#[test]
fn a_file_that_is_dropped_is_followed_to_its_end() {
    let file = file(2, 300);
    for cut in [4, 5, 1000, PACKET * 254, PACKET * 254 + 4] {
        // The test server is away. The file comes in two turns.
        let mut run = Run::logged_in(USUAL | LOCAL_FILES, USUAL | LOCAL_FILES);
        run.driven.drop_client(&query(LOAD));
        run.driven.drop_client(&file[..cut]);
        run.driven.drop_client(&file[cut..]);
        run.driven.drop_client(&init_db("db2"));
        run.driven.connected();
        assert_eq!(run.driven.client(&query("DO 1")), b"");
        run.driven.answer(&greeting(USUAL));
        assert_eq!(run.driven.answer(&ok(2, 0)), init_db("db2"), "{cut}");
        assert_eq!(run.driven.answer(&ok(1, 0)), query("DO 1"));
        // It comes back in the middle of the file.
        let mut run = Run::logged_in(USUAL | LOCAL_FILES, USUAL | LOCAL_FILES);
        run.driven.drop_client(&query(LOAD));
        run.driven.drop_client(&file[..cut]);
        run.driven.connected();
        run.driven.client(&file[cut..]);
        run.greet(USUAL);
        let sent = run.driven.client(&query("DO 1"));
        assert_eq!(sent, query("DO 1"), "{cut}");
        assert_eq!(run.count("commands", "query"), 1);
    }
}

#[test]
fn after_a_gap_in_a_file_commands_begin_with_a_turn_behind_it() {
    let file = file(2, 300);
    // A turn behind the file.
    let mut run = loading();
    run.driven.answer(&request(1));
    run.driven.client(&file[..1000]);
    run.driven.gap();
    run.driven.connected();
    run.driven.client(&query("DO 1"));
    run.greet(USUAL);
    assert!(run.driven.sent.ends_with(&query("DO 1")));
    // The online server has reported its progress, so that a turn begins in the middle of the file: at any packet.
    for packets in [1, 200, 253, 254, 255] {
        let mut run = loading();
        run.driven.answer(&request(1));
        run.driven.client(&file[..1000]);
        run.driven.gap();
        run.driven.online(0, &packet(1, b"\xff\xff\xff\x01\x01\x01\0\0\0\x04Copy"));
        run.driven.connected();
        for piece in file[PACKET * packets..].chunks(700) {
            run.driven.client(piece);
        }
        run.greet(USUAL);
        run.driven.client(&query("DO 1"));
        assert_eq!(run.count("commands", "query"), 2, "{packets}");
        assert!(run.driven.sent.ends_with(&query("DO 1")), "{packets}");
    }
}

#[test]
fn a_session_that_is_joined_in_a_file_executes_nothing_of_it() {
    let file = file(2, 600);
    for piece in [25, 26, 700, file.len()] {
        let mut run = Run::new(false);
        run.driven.connected();
        for bytes in file.chunks(piece) {
            run.driven.client(bytes);
        }
        run.greet(USUAL);
        assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"));
        assert_eq!((run.left_out(), run.count("commands", "query")), (file.len(), 1), "{piece}");
    }
}

#[test]
fn the_end_of_a_file_behind_a_gap_is_not_held() {
    for sequence in [0, 1, 255] {
        let mut run = loading();
        run.driven.answer(&request(1));
        run.driven.client(&file(2, 3)[..30]);
        run.driven.gap();
        run.driven.connected();
        run.driven.client(&packet(sequence, b""));
        run.greet(USUAL);
        assert_eq!((run.driven.held(), run.driven.failure), (0, None), "{sequence}");
        assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"), "{sequence}");
    }
}

#[test]
fn requests_are_captured() {
    let prefixes = Mysql::new(&settings()).unwrap().answers();
    for sequence in [1, 2, 100, 255] {
        for name in [&b"\xfb/f"[..], &[&[0xFB][..], &[b'x'; 500]].concat()] {
            assert!(begins_with_any(&packet(sequence, name), prefixes), "{sequence}");
        }
    }
}
/// Two files in a packet with other statements.
const SEVERAL: &str =
    "SELECT 1; LOAD DATA LOCAL INFILE '/f' INTO TABLE t; LOAD DATA LOCAL INFILE '/g' INTO TABLE t; SELECT 2";

#[test]
fn a_file_of_one_of_several_statements_gets_the_ids_that_the_test_server_expects() {
    const MORE: u8 = 8;
    let rows = |last: u8| [packet(1, b"\x01"), packet(last, b"\xfe\0\0\x0a\0")].concat();
    // The online server asks at id 255, the test server at id 7: the first packet has the id 0.
    for (captured, online, test) in [(true, 255, 7), (true, 7, 255), (false, 5, 5), (false, 5, 9)] {
        let mut run = Run::logged_in(USUAL | LOCAL_FILES, USUAL | LOCAL_FILES);
        assert_eq!(run.driven.client(&query(SEVERAL)), query(SEVERAL));
        if captured {
            run.driven.online(100, &request(online));
        }
        run.driven.answer(&rows(test - 1));
        run.driven.answer(&request(test));
        let first = online.wrapping_add(1);
        let sent = run.driven.client(&file(first, 300));
        assert!(sent == file(test.wrapping_add(1), 300), "{online} {test}");
        // The next.
        run.driven.answer(&ok(test.wrapping_add(46), MORE));
        let next = file(first.wrapping_add(50), 3);
        assert_eq!(run.driven.client(&next), b"", "it has not asked yet");
        let asked = test.wrapping_add(47);
        assert_eq!(run.driven.answer(&packet(asked, b"\xfb/g")), file(asked.wrapping_add(1), 3));
        run.driven.answer(&ok(200, MORE));
        assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"));
        assert_eq!((run.left_out(), run.driven.held()), (0, 0));
    }
}

#[test]
fn a_row_that_begins_with_null_is_no_request() {
    let mut run = Run::logged_in(USUAL | LOCAL_FILES, USUAL | LOCAL_FILES);
    run.driven.client(&query(SEVERAL));
    run.driven.answer(&packet(1, b"\x02"));
    run.driven.answer(&packet(5, b"\xfb\x02no"));
    assert_eq!(run.driven.client(&file(9, 3)), b"", "it has not asked");
    assert_eq!(run.driven.answer(&request(7)), file(8, 3));
}
