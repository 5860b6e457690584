//! The engine reports correctly whether anything waits for the test server: if not, answers are read later.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::wire::Flags;
use rig::Rig;

fn rig() -> Rig {
    Rig::with_memory(1 << 30)
}

#[test]
fn a_turn_that_was_sent_waits_for_nothing_and_the_next_one_for_its_answer() {
    let mut rig = rig();
    assert!(!rig.engine.awaits_answers());
    rig.connect(0);
    assert!(rig.engine.awaits_answers(), "the handshake is to be finished");
    rig.answer();
    assert!(!rig.engine.awaits_answers());

    rig.data(0, 1);
    rig.engine.flush(rig.now, &mut rig.wire);
    assert!(!rig.engine.awaits_answers(), "it is on its way");
    rig.say_after(0, 2, 10, Flags::ACK | Flags::PSH, b"x");
    rig.engine.flush(rig.now, &mut rig.wire);
    assert!(rig.engine.awaits_answers(), "the next turn goes when ten bytes were answered");

    // The answers never come: the turn is released in the end.
    rig.answer();
    assert!(rig.engine.awaits_answers());
    rig.after(Duration::from_secs(10));
    rig.answer();
    assert_eq!(rig.ledger().turns.timed_out, 1);
    assert!(!rig.engine.awaits_answers());
}

#[test]
fn an_end_waits_for_what_comes_before_it() {
    let mut rig = rig();
    rig.connect(0);
    rig.answer();
    rig.data(0, 1);
    rig.say_after(0, 2, 10, Flags::ACK | Flags::FIN, &[]);
    rig.engine.flush(rig.now, &mut rig.wire);
    assert!(rig.engine.awaits_answers());
    rig.answer();
    rig.after(Duration::from_secs(10));
    rig.answer();
    assert!(!rig.engine.awaits_answers(), "our FIN was sent");
}

#[test]
fn a_session_waits_for_the_one_before_it_and_none_waits_once_it_has_gone() {
    let mut rig = rig();
    rig.connect(0);
    rig.answer();
    rig.say(0, 1 << 20, Flags::SYN, &[]);
    rig.engine.flush(rig.now, &mut rig.wire);
    assert!(rig.engine.awaits_answers(), "the first has to end");
    rig.engine.abort(rig.now, &mut rig.wire);
    assert!(rig.engine.is_empty() && !rig.engine.awaits_answers());
}
