//! The account of clients' bytes: late bytes that were given up as missing are not taken for duplicates.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::wire::Flags;
use rig::Rig;
use tcpcopy::ledger::DropReason;

const DATA: Flags = Flags(Flags::ACK.0 | Flags::PSH.0);

/// Longer than the wait for missing bytes.
const LONG: Duration = Duration::from_secs(2);

fn connected() -> Rig {
    let mut rig = Rig::with_memory(1 << 30);
    rig.connect(0);
    rig.answer();
    rig
}

fn lost(rig: &Rig) -> u64 {
    rig.ledger().bytes.dropped.get(DropReason::CaptureGap)
}

#[test]
fn what_comes_after_it_was_given_up_is_dropped_and_no_duplicate() {
    let mut rig = connected();
    rig.say(0, 101, DATA, &[b'b'; 100]);
    rig.answer();
    rig.after(LONG);
    assert_eq!((rig.ledger().gaps.bytes, lost(&rig)), (100, 100));

    rig.say(0, 1, DATA, &[b'a'; 60]);
    rig.say(0, 41, DATA, &[b'a'; 100]);
    rig.answer();
    let bytes = &rig.ledger().bytes;
    assert_eq!((bytes.captured, bytes.duplicate, lost(&rig)), (260, 60, 200), "{bytes:#?}");
    assert_eq!(rig.ledger().gaps.bytes, 0, "all was captured in the end");

    rig.say_after(0, 201, 10, DATA, b"the next turn");
    rig.answer();
    assert_eq!(rig.ledger().bytes.replayed, 13, "{:#?}", rig.ledger());
}

/// The kernel dropped packets, perhaps the last ones of a session.
#[test]
fn a_session_whose_end_was_dropped_is_not_complete() {
    for (ended, dropped_after) in [(false, true), (true, true), (false, false)] {
        let mut rig = connected();
        if !dropped_after {
            rig.engine.capture_lost(rig.now);
            rig.after(Duration::from_millis(1));
        }
        rig.say(0, 1, DATA, b"a command");
        rig.answer();
        rig.after(Duration::from_millis(1));
        if ended {
            rig.say(0, 10, Flags::FIN | Flags::ACK, b"");
            rig.answer();
        }
        if dropped_after {
            rig.engine.capture_lost(rig.now);
        }
        rig.engine.drain(rig.now, &mut rig.wire);
        rig.answer();
        rig.close(0);
        rig.after(Duration::from_secs(10));
        let sessions = &rig.ledger().sessions;
        let incomplete = u64::from(!ended && dropped_after);
        assert_eq!(sessions.incomplete.get(DropReason::CaptureGap), incomplete, "{sessions:?}");
        assert_eq!((sessions.replayed, sessions.seen), (1 - incomplete, 1), "{sessions:?}");
    }
}

#[test]
fn a_forged_segment_far_ahead_does_not_end_the_copy_of_a_session() {
    let mut rig = connected();
    rig.say(0, 1, DATA, b"first");
    rig.answer();
    rig.say(0, 60 << 20, DATA, b"forged");
    rig.after(LONG);
    for turn in 0..100 {
        rig.say_after(0, 6 + 10 * turn, 10 * (turn + 1), DATA, b"0123456789");
        rig.answer();
    }
    let bytes = &rig.ledger().bytes;
    assert_eq!((bytes.duplicate, bytes.captured), (0, 5 + 6 + 1000), "{bytes:#?}");
    assert!(lost(&rig) <= 6 + 10 * 17, "{bytes:#?}");
    assert_eq!(bytes.replayed + bytes.pending + lost(&rig), bytes.captured);
    // The forged segment counts; the gap before it was none.
    assert_eq!((rig.ledger().client_bytes(), rig.ledger().gaps.bytes), (bytes.captured, 0));
}

#[test]
fn what_was_captured_and_cut_is_said_once() {
    let mut rig = connected();
    for _ in 0..2 {
        // Truncated by the snap length, and retransmitted by the client.
        rig.say_cut(0, 1, 1000, 100);
    }
    rig.say_after(0, 1001, 10, DATA, b"the next turn");
    rig.answer();
    rig.after(LONG);
    rig.answer();
    let (bytes, gaps) = (&rig.ledger().bytes, &rig.ledger().gaps);
    assert_eq!((bytes.captured, bytes.dropped.get(DropReason::Truncated)), (213, 200), "{bytes:#?}");
    assert_eq!((gaps.bytes, gaps.captured), (1000, 200));
    assert_eq!(rig.ledger().client_bytes(), 1013);
    assert!(!rig.ledger().is_whole());
}

#[test]
fn what_a_client_says_behind_a_forged_end_is_dropped_and_no_duplicate() {
    for end in [Flags::FIN | Flags::ACK, Flags::RST | Flags::ACK] {
        let mut rig = connected();
        rig.say(0, 60 << 20, end, &[]);
        rig.answer();
        rig.after(LONG);
        for turn in 0..10 {
            rig.say_after(0, 1 + 10 * turn, 10 * turn, DATA, b"0123456789");
            rig.answer();
        }
        let bytes = &rig.ledger().bytes;
        assert_eq!((bytes.duplicate, bytes.replayed + lost(&rig)), (0, 100), "{bytes:#?}");
    }
}

/// Age of the oldest waiting turn, in seconds, and number of waiting turns.
fn waiting(rig: &Rig) -> (u64, u64) {
    let turns = rig.ledger().at(rig.now).turns;
    (turns.oldest_waiting_seconds.0, turns.waiting.total())
}

#[test]
fn a_turn_that_waits_is_as_old_as_its_capture() {
    let mut rig = connected();
    rig.say(0, 1, DATA, b"first");
    rig.answer();
    assert_eq!(waiting(&rig), (0, 0));
    // Its client has read an answer that does not come.
    rig.say_after(0, 6, 1000, DATA, b"second");
    rig.answer();
    rig.after(Duration::from_secs(3));
    let (age, turns) = waiting(&rig);
    assert!((2..=3).contains(&age) && turns == 1, "{age} {turns}");
    rig.after(Duration::from_secs(10));
    rig.answer();
    let turns = &rig.ledger().turns;
    assert_eq!((waiting(&rig), turns.timed_out, turns.late), ((0, 0), 1, 1), "{turns:?}");
    assert_eq!(turns.longest_wait_ms.0, 13_000);
}

#[test]
fn round_trips_are_measured_on_both_sides() {
    let mut rig = Rig::with_memory(1 << 30);
    rig.connect(0);
    rig.now = rig.now + Duration::from_millis(20);
    rig.answer();
    rig.after(Duration::from_millis(30));
    rig.say(0, 1, DATA, b"first");
    rig.after(Duration::from_millis(500));
    rig.say(0, 6, DATA, b"more");
    let ledger = rig.ledger();
    assert_eq!(ledger.tcp.round_trip_us.micros(), 20_000);
    assert_eq!(ledger.sessions.client_round_trip_us.micros(), 50_000);
}

#[test]
fn a_session_joined_in_mid_stream_is_taken_up() {
    let mut rig = Rig::with_memory(1 << 30);
    rig.after(LONG);
    rig.say(0, 1000, DATA, b"hello");
    rig.answer();
    let tcp = &rig.ledger().tcp;
    assert_eq!((tcp.connected, tcp.joined, tcp.reconnected), (1, 1, 0));
}
