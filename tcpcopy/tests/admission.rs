//! Whom to copy: what the online server rejects or never establishes does not reach the test server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::wire::Flags;
use rig::Rig;
use tcpcopy::ledger::DropReason;

const DATA: Flags = Flags(Flags::ACK.0 | Flags::PSH.0);
const SYN_ACK: Flags = Flags(Flags::SYN.0 | Flags::ACK.0);
const RST_ACK: Flags = Flags(Flags::RST.0 | Flags::ACK.0);
const FIN: Flags = Flags(Flags::FIN.0 | Flags::ACK.0);

/// The online server's initial sequence number in these tests: `say` acknowledges the number after it.
const ONLINE_ISN: u32 = 0;

fn rig() -> Rig {
    Rig::with_memory(1 << 30)
}

/// A client has sent its SYN, the online server its SYN-ACK, and the test server its own.
fn accepted() -> Rig {
    let mut rig = rig();
    rig.connect(0);
    rig.online_says(0, ONLINE_ISN, 1, SYN_ACK, &[]);
    rig.accept();
    rig.engine.flush(rig.now, &mut rig.wire);
    rig
}

/// So many seconds pass.
fn later(rig: &mut Rig, seconds: u32) {
    (0..seconds * 4).for_each(|_| rig.after(Duration::from_millis(250)));
}

fn sessions(rig: &Rig, reason: DropReason) -> u64 {
    assert!(rig.ledger().balances());
    rig.ledger().sessions.incomplete.get(reason)
}

#[test]
fn forged_data_is_not_copied() {
    let mut rig = rig();
    for client in 0..1000 {
        rig.forge(client, 5000, 77, b"forged");
        rig.online_says(client, 77, 0, Flags::RST, &[]);
    }
    rig.after(Duration::from_secs(1));
    assert_eq!(rig.wire.sent(), 0);
    assert_eq!(sessions(&rig, DropReason::RejectedOnline), 1000);
    assert_eq!(rig.ledger().bytes.dropped.get(DropReason::RejectedOnline), 6000);
    assert!(rig.engine.is_empty() && rig.ledger().is_whole());
}

/// Only the number that the segment acknowledged tells that it was rejected.
#[test]
fn a_reset_of_another_connection_rejects_nothing() {
    let mut rig = rig();
    rig.forge(0, 5000, 77, b"GET / HTTP/1.1\r\n\r\n");
    rig.online_says(0, 78, 0, Flags::RST, &[]);
    rig.online_says(0, 77, 0, RST_ACK, &[]);
    rig.after(Duration::from_millis(5));
    assert_eq!((rig.ledger().sessions.joined, sessions(&rig, DropReason::RejectedOnline)), (1, 0));
    assert_eq!(rig.wire.count(Flags::SYN), 1);
}

#[test]
fn a_late_verdict_ends_the_copy() {
    let mut rig = rig();
    rig.forge(0, 5000, 77, b"GET / HTTP/1.1\r\n\r\n");
    rig.after(Duration::from_millis(5));
    rig.accept();
    rig.online_says(0, 77, 0, Flags::RST, &[]);
    assert_eq!(rig.wire.count(Flags::RST), 1);
    assert_eq!(sessions(&rig, DropReason::RejectedOnline), 0, "it is remembered for a second");
    later(&mut rig, 2);
    assert_eq!(sessions(&rig, DropReason::RejectedOnline), 1);
}

#[test]
fn a_syn_that_is_refused_is_not_copied() {
    let mut rig = rig();
    rig.connect(0);
    rig.online_says(0, 0, 1, RST_ACK, &[]);
    later(&mut rig, 2);
    assert_eq!((rig.wire.count(Flags::RST), sessions(&rig, DropReason::RejectedOnline)), (1, 1));
}

#[test]
fn the_first_data_completes_the_handshake() {
    let mut rig = accepted();
    assert_eq!(rig.wire.sent(), 0, "the acknowledgement is withheld");
    rig.data(0, 1);
    rig.engine.flush(rig.now, &mut rig.wire);
    assert_eq!((rig.wire.sent(), rig.wire.payload.len()), (1, 1), "the data carries it");
}

#[test]
fn a_silent_client_is_there_if_its_syn_ack_is_not_repeated() {
    let mut rig = accepted();
    rig.after(Duration::from_millis(1100));
    assert_eq!(rig.wire.count(Flags::ACK), 0);
    rig.after(Duration::from_millis(200));
    rig.engine.flush(rig.now, &mut rig.wire);
    assert_eq!((rig.wire.sent(), rig.wire.count(Flags::ACK), rig.wire.count(Flags::RST)), (1, 1, 0));
    rig.say(0, 1, FIN, &[]);
    rig.answer();
    rig.close(0);
    rig.answer();
    later(&mut rig, 3);
    assert_eq!((rig.ledger().sessions.without_data, rig.ledger().sessions.replayed), (1, 0));
}

#[test]
fn a_syn_that_nobody_completes_costs_a_half_open_connection_for_a_second() {
    let mut rig = accepted();
    rig.after(Duration::from_secs(1));
    rig.online_says(0, ONLINE_ISN, 1, SYN_ACK, &[]);
    assert_eq!((rig.wire.sent(), rig.wire.count(Flags::RST)), (1, 1));
    later(&mut rig, 2);
    rig.online_says(0, ONLINE_ISN, 1, SYN_ACK, &[]);
    later(&mut rig, 2);
    assert_eq!(sessions(&rig, DropReason::NeverEstablished), 1);
    assert_eq!((rig.wire.count(Flags::ACK), rig.ledger().is_whole()), (1, true), "the reset has an ACK, too");
    assert!(rig.engine.is_empty());
}

/// The acknowledgement of the SYN-ACK was lost.
#[test]
fn a_client_that_comes_late_is_copied_all_the_same() {
    let mut rig = accepted();
    rig.after(Duration::from_secs(1));
    rig.online_says(0, ONLINE_ISN, 1, SYN_ACK, &[]);
    rig.lose();
    rig.after(Duration::from_millis(500));
    rig.data(0, 1);
    rig.answer();
    assert_eq!((rig.ledger().bytes.replayed, rig.ledger().sessions.joined), (1, 0));
    assert_eq!(rig.ledger().tcp.reconnected, 0, "it is the session's first connection");
}

/// A server with a full queue sends SYN cookies, and repeats none.
#[test]
fn silence_of_many_proves_nothing() {
    let mut rig = rig();
    for client in 0..300 {
        rig.connect(client);
        rig.online_says(client, ONLINE_ISN, 1, SYN_ACK, &[]);
    }
    rig.accept();
    rig.after(Duration::from_secs(3));
    rig.engine.flush(rig.now, &mut rig.wire);
    assert_eq!((rig.wire.count(Flags::RST), rig.wire.sent()), (300, 300));
    rig.lose();
    rig.data(7, 1);
    rig.answer();
    assert_eq!(rig.ledger().bytes.replayed, 1, "data is a proof");
    later(&mut rig, 70);
    assert_eq!(sessions(&rig, DropReason::NeverEstablished), 299);
}

/// A host that did not ask for the SYN-ACK resets it.
#[test]
fn the_reset_of_a_host_that_never_asked_ends_its_copy() {
    let mut rig = accepted();
    rig.say(0, 1, Flags::RST, &[]);
    later(&mut rig, 2);
    assert_eq!((rig.wire.count(Flags::RST), sessions(&rig, DropReason::NeverEstablished)), (1, 1));
}

#[test]
fn a_guessed_acknowledgement_waits_for_the_verdict() {
    let mut rig = accepted();
    rig.say_after(0, 1, 1000, DATA, b"forged");
    rig.engine.flush(rig.now, &mut rig.wire);
    assert_eq!(rig.wire.payload.len(), 0);
    rig.online_says(0, 1001, 0, Flags::RST, &[]);
    later(&mut rig, 2);
    assert_eq!((rig.wire.payload.len(), sessions(&rig, DropReason::RejectedOnline)), (0, 1));
}

#[test]
fn a_service_that_speaks_first_is_copied_after_the_verdict() {
    let mut rig = accepted();
    rig.say_after(0, 1, 10, DATA, b"hello");
    rig.after(Duration::from_millis(2));
    rig.answer();
    rig.hear(0, 0, DATA, &[b'a'; 10]);
    rig.answer();
    assert_eq!(rig.ledger().bytes.replayed, 5);
}

#[test]
fn a_connection_that_the_online_server_resets_ends_with_what_it_accepted() {
    let mut rig = accepted();
    rig.data(0, 1);
    rig.answer();
    rig.hear(0, 0, DATA, &[b'a'; 10]);
    rig.say_after(0, 2, 10, DATA, b"last");
    rig.online_says(0, 11, 6, RST_ACK, &[]);
    rig.answer();
    later(&mut rig, 2);
    assert_eq!((rig.ledger().bytes.replayed, rig.ledger().sessions.replayed), (5, 1));
    assert!(rig.engine.is_empty());
}

#[test]
fn only_connections_from_their_syn_on_are_copied_if_wanted() {
    let mut rig = Rig::only_from_syn();
    rig.data(0, 5000);
    rig.connect(1);
    rig.data(1, 1);
    rig.answer();
    assert_eq!(rig.ledger().bytes.dropped.get(DropReason::BegunBefore), 1);
    assert_eq!((rig.ledger().bytes.replayed, rig.ledger().sessions.seen), (1, 1));
}
