//! Answers of up to nearly 4 GiB: sequence numbers go round between two turns.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::wire::Flags;
use rig::Rig;

const DATA: Flags = Flags(Flags::ACK.0 | Flags::PSH.0);

/// Bytes of a piece of an answer.
const PIECE: u64 = 4 << 20;

/// The test server sends what it says from byte `from` up to byte `to`.
fn hear(rig: &mut Rig, from: u64, to: u64) {
    for at in (from..to).step_by(PIECE as usize) {
        rig.hear_length(0, at, PIECE.min(to - at) as u32);
    }
}

/// A client says seven turns, each when it has read `length` more bytes. None goes before its answer has come.
fn seven_turns(length: u32) {
    let mut rig = Rig::with_memory(1 << 30);
    rig.connect(0);
    rig.answer();
    for turn in 0..7_u32 {
        rig.say_after(0, 1 + turn, turn.wrapping_mul(length), DATA, b"x");
    }
    rig.answer();
    for turn in 0..6_u64 {
        let begins = turn * u64::from(length);
        let (most, end) = (begins + u64::from(length) * 3 / 4, begins + u64::from(length));
        hear(&mut rig, begins, most);
        assert_eq!(rig.wire.payload.len() as u64, turn + 1, "of {length}: the next turn waits");
        hear(&mut rig, most, end);
        rig.answer();
        rig.after(Duration::from_secs(1));
        rig.answer();
        assert_eq!(rig.wire.payload.len() as u64, turn + 2, "of {length}: the answer is whole");
    }
    let turns = &rig.ledger().turns;
    assert_eq!((turns.released(), turns.answered, turns.timed_out), (7, 6, 0), "{turns:?}");
    assert_eq!(rig.ledger().tcp.answer_bytes, 6 * u64::from(length));
}

#[test]
fn long_answers_keep_their_turns() {
    for length in [1 << 20, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, 3 << 30, u32::MAX - (64 << 20)] {
        seven_turns(length);
    }
}
