//! Segments towards the assistant that the test server did not send (RFC 5961).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::wire::Flags;
use rig::Rig;

/// A client whose copy is open, and has sent a byte.
fn connected() -> Rig {
    let mut rig = Rig::with_memory(1 << 30);
    rig.connect(0);
    rig.answer();
    rig.data(0, 1);
    rig.answer();
    rig.lose();
    rig
}

/// A stranger needs 513 guesses for a number in the window, which used to be enough.
#[test]
fn resets_all_over_the_window_reset_nothing() {
    let mut rig = connected();
    for guess in 0..=512 {
        rig.hear(0, 1 + guess * 16_384, Flags::RST, &[]);
        rig.hear(0, 1 + guess * 16_384, Flags::RST | Flags::ACK, &[]);
    }
    rig.hear(0, u32::MAX, Flags::RST, &[]);
    assert_eq!(rig.ledger().tcp.received_unbelieved, 1027);
    assert_eq!((rig.wire.sent(), rig.wire.count(Flags::RST)), (1, 0), "one challenge");
    rig.lose();
    rig.data(0, 2);
    rig.answer();
    assert_eq!((rig.ledger().bytes.replayed, rig.ledger().tcp.connected), (2, 1));
}

/// The server answers the challenge with the right number.
#[test]
fn a_reset_that_overtook_an_answer_is_asked_for_again() {
    let mut rig = connected();
    rig.hear(0, 100, Flags::RST, &[]);
    assert_eq!((rig.wire.sent(), rig.ledger().tcp.challenges_sent), (1, 1));
    rig.hear(0, 0, Flags::RST, &[]);
    rig.say_after(0, 2, 5, Flags::ACK | Flags::PSH, b"x");
    rig.answer();
    assert_eq!(rig.ledger().tcp.reconnected, 1);
}

#[test]
fn challenges_are_some_apart() {
    let mut rig = connected();
    for _ in 0..100 {
        rig.hear(0, 100, Flags::RST, &[]);
        rig.after(Duration::from_millis(10));
    }
    assert_eq!(rig.ledger().tcp.challenges_sent, 5);
}

#[test]
fn a_syn_on_an_open_connection_is_challenged() {
    let mut rig = connected();
    rig.hear(0, 5, Flags::SYN, &[]);
    assert_eq!((rig.wire.sent(), rig.ledger().tcp.challenges_sent), (1, 1));
    assert_eq!(rig.ledger().tcp.connected, 1);
}

/// RFC 5961 section 5: data must acknowledge what was sent.
#[test]
fn answers_that_acknowledge_what_was_not_sent_are_not_believed() {
    let mut rig = connected();
    for wrong in [1, 1 << 20, 1 << 31, 3 << 30] {
        rig.hear_late(0, 0, wrong, b"forged");
        rig.hear_late(0, 0, wrong.wrapping_neg(), b"forged");
    }
    assert_eq!(rig.ledger().tcp.answer_bytes, 6, "one byte less is an overtaken segment");
    assert_eq!(rig.ledger().tcp.received_unbelieved, 7);
}
