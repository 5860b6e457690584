//! A turn whose connection is lost: if the test server cannot have acted on it, it is sent again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::wire::Flags;
use rig::Rig;
use tcpcopy::ledger::DropReason;

fn connected() -> Rig {
    let mut rig = Rig::with_memory(1 << 30);
    // The head start of the link is over.
    rig.after(Duration::from_millis(20));
    rig.connect(0);
    rig.answer();
    rig
}

/// A client whose turn is under way when the test server closes its idle connection; `last` is its last segment.
fn met_by_an_idle_close(last: Flags) -> Rig {
    let mut rig = connected();
    rig.say(0, 1, last, b"x");
    rig.lose();
    rig.close(0);
    rig.lose();
    rig.reset(0);
    rig
}

#[test]
fn a_turn_that_meets_an_idle_close_is_said_again() {
    let mut rig = met_by_an_idle_close(Flags::ACK | Flags::PSH);
    assert_eq!(rig.ledger().bytes.pending, 1);
    rig.answer();
    assert_eq!((rig.ledger().tcp.reconnected, rig.ledger().bytes.replayed), (1, 1));
    assert!(rig.ledger().balances());
}

#[test]
fn a_last_turn_that_meets_an_idle_close_is_said_again() {
    let mut rig = met_by_an_idle_close(Flags::ACK | Flags::PSH | Flags::FIN);
    assert_eq!(rig.ledger().bytes.pending, 1);
    rig.answer();
    assert_eq!((rig.ledger().tcp.reconnected, rig.ledger().bytes.replayed), (1, 1));
    rig.after(Duration::from_secs(1));
    rig.answer();
    rig.close(0);
    rig.after(Duration::from_secs(2));
    assert_eq!(rig.ledger().sessions.replayed, 1, "whole");
    assert!(rig.ledger().balances());
}

/// The turn may have been answered, and the connection closed, without our receiving any of that.
#[test]
fn a_last_turn_of_which_the_test_server_knows_nothing_is_not_said_again() {
    let mut rig = connected();
    rig.say(0, 1, Flags::ACK | Flags::PSH | Flags::FIN, b"x");
    rig.lose();
    rig.reset(0);
    assert_eq!(rig.ledger().bytes.dropped.get(DropReason::ClosedByServer), 1);
    rig.answer();
    assert_eq!(rig.ledger().tcp.reconnected, 0);
    assert!(rig.ledger().balances());
}

/// A request that crashes a server must not do so for ever.
#[test]
fn a_last_turn_that_breaks_a_second_connection_is_dropped() {
    let mut rig = met_by_an_idle_close(Flags::ACK | Flags::PSH | Flags::FIN);
    rig.accept();
    rig.reset(0);
    let bytes = &rig.ledger().bytes;
    assert_eq!((bytes.dropped.get(DropReason::ClosedByServer), bytes.pending), (1, 0));
    rig.after(Duration::from_secs(2));
    assert!(rig.engine.is_empty(), "nothing is left to be done");
    assert!(rig.ledger().balances());
}

/// A test server is back: sessions with nothing to send do nothing about it.
#[test]
fn a_test_server_that_is_back_is_not_told_by_idle_sessions() {
    const IDLE: u16 = 100;
    let mut rig = connected();
    (1..=IDLE).for_each(|client| rig.connect(client));
    rig.answer();
    rig.after(Duration::from_secs(5));
    rig.answer();
    rig.data(0, 1);
    rig.data(1, 1);
    rig.lose();
    rig.after(Duration::from_secs(1));
    rig.lose();
    // The second client's bytes are to be sent again at once.
    rig.hear(0, 0, Flags::ACK | Flags::PSH, b"x");
    for _ in 0..20 {
        rig.after(Duration::from_millis(10));
        rig.engine.flush(rig.now, &mut rig.wire);
    }
    assert!((2..10).contains(&rig.wire.sent()), "{} packets", rig.wire.sent());
}
