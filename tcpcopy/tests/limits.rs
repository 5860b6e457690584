//! Memory is limited: idle sessions make room for others, and turns are bounded.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::wire::Flags;
use rig::Rig;
use tcpcopy::ledger::DropReason;

/// Sessions that fit.
const ROOM: u16 = 100;
const SESSION_BYTES: u64 = 1536;

/// With room for that many.
fn full() -> Rig {
    Rig::with_memory(u64::from(ROOM) * SESSION_BYTES)
}

fn evicted(rig: &Rig) -> u64 {
    rig.ledger().sessions.incomplete.get(DropReason::Evicted)
}

#[test]
fn what_a_forged_segment_has_left_goes_before_an_idle_client() {
    let mut rig = full();
    rig.connect(0);
    rig.data(0, 1);
    rig.answer();
    rig.after(Duration::from_millis(100));
    for forged in 1..=ROOM {
        rig.data(forged, 5000);
        rig.answer();
    }
    assert_eq!((rig.ledger().sessions.active, rig.ledger().bytes.pending), (u64::from(ROOM) + 1, 0));

    rig.connect(1000);
    assert_eq!(evicted(&rig), 0, "a moment ago is not long enough");
    rig.after(Duration::from_secs(2));
    (1001..1051).for_each(|newcomer| rig.connect(newcomer));
    rig.answer();
    assert_eq!((evicted(&rig), rig.ledger().sessions.active), (50, u64::from(ROOM) + 1));

    let (joined, replayed) = (rig.ledger().sessions.joined, rig.ledger().bytes.replayed);
    rig.data(0, 2);
    rig.answer();
    assert_eq!(rig.ledger().sessions.joined, joined, "the idle client's session goes on");
    assert_eq!(rig.ledger().bytes.replayed, replayed + 1);
    assert!(rig.ledger().balances());
}

#[test]
fn of_idle_clients_the_one_goes_that_has_been_idle_longest() {
    let mut rig = full();
    for client in 0..=ROOM {
        rig.connect(client);
        rig.data(client, 1);
        rig.answer();
        rig.after(Duration::from_millis(10));
    }
    // The first client has sent something since.
    rig.data(0, 2);
    rig.answer();
    rig.after(Duration::from_secs(2));
    rig.connect(1000);
    rig.answer();
    assert_eq!(evicted(&rig), 1);
    rig.data(0, 3);
    rig.data(2, 2);
    rig.answer();
    assert_eq!(rig.ledger().sessions.joined, 0);
    rig.after(Duration::from_secs(2));
    rig.data(1, 2);
    rig.answer();
    assert_eq!((evicted(&rig), rig.ledger().sessions.joined), (2, 1), "it was the second");
    assert!(rig.ledger().balances());
}

#[test]
fn who_has_something_to_do_stays() {
    let mut rig = full();
    (0..ROOM).for_each(|client| rig.data(client, 5000));
    rig.after(Duration::from_secs(2));
    rig.connect(1000);
    rig.connect(1001);
    let sessions = &rig.ledger().sessions;
    assert_eq!((evicted(&rig), sessions.incomplete.get(DropReason::MemoryLimit)), (0, 2));
    assert!(rig.ledger().balances());
}

/// For three times as many sessions as there will be: half of the limit is more than their memory.
fn with_much_to_say() -> Rig {
    let mut rig = Rig::with_memory(3 * u64::from(ROOM) * SESSION_BYTES);
    for client in 0..ROOM {
        rig.connect(client);
        rig.data(client, 1);
    }
    rig.answer();
    rig.after(Duration::from_secs(2));
    rig
}

/// A client sends this many bytes, and the test server does not acknowledge them.
fn upload(rig: &mut Rig, client: u16, bytes: u32) {
    rig.connect(client);
    for said in (0..bytes).step_by(1000) {
        rig.say(client, 1 + said, Flags::ACK, &[b'x'; 1000]);
    }
}

fn shed(rig: &Rig) -> u64 {
    rig.ledger().bytes.dropped.get(DropReason::MemoryLimit)
}

#[test]
fn an_upload_that_stalls_goes_before_idle_sessions_once_it_takes_half_of_the_memory() {
    let mut rig = with_much_to_say();
    upload(&mut rig, 1000, 350_000);
    assert_eq!((shed(&rig), rig.ledger().bytes.pending), (0, 350_000), "there is room for it");
    (2000..2060).for_each(|newcomer| rig.connect(newcomer));
    assert_eq!((evicted(&rig), shed(&rig)), (0, 350_000));
    assert_eq!(rig.ledger().sessions.active, u64::from(ROOM) + 61);
    assert!(rig.ledger().balances());
}

#[test]
fn an_upload_of_less_than_half_of_the_memory_goes_on_and_idle_sessions_make_room() {
    let mut rig = with_much_to_say();
    upload(&mut rig, 1000, 200_000);
    (2000..2060).for_each(|newcomer| rig.connect(newcomer));
    assert_eq!((evicted(&rig), shed(&rig)), (0, 0), "there is room");
    (3000..3020).for_each(|newcomer| rig.connect(newcomer));
    assert!((1..=20).contains(&evicted(&rig)), "{} of the idle ones", evicted(&rig));
    assert_eq!((shed(&rig), rig.ledger().bytes.pending), (0, 200_000));
    assert!(rig.ledger().balances());
}

/// A search for the largest sessions visits all: that must not happen for each new session.
#[test]
fn so_much_is_given_up_at_once_that_the_next_newcomers_find_room() {
    let mut rig = with_much_to_say();
    (1000..1040).for_each(|client| upload(&mut rig, client, 6000));
    assert_eq!((evicted(&rig), shed(&rig)), (0, 0), "there is room for them");
    let mut newcomers = 2000..2090;
    while shed(&rig) == 0 {
        rig.connect(newcomers.next().expect("it fills up"));
    }
    let limit = 3 * u64::from(ROOM) * SESSION_BYTES;
    let at_once = shed(&rig);
    assert!((limit / 16..limit / 8 + 6000).contains(&at_once), "{at_once} bytes");
    newcomers.take(usize::from(ROOM) / 4).for_each(|newcomer| rig.connect(newcomer));
    assert_eq!((evicted(&rig), shed(&rig)), (0, at_once));
    assert!(rig.ledger().balances());
}

/// The test server is slow: 5000 turns of one byte wait, each with some hundred bytes of memory.
#[test]
fn turns_take_more_memory_than_their_bytes() {
    let mut rig = Rig::with_memory(256 << 10);
    rig.connect(0);
    rig.answer();
    (0..5000).for_each(|turn| rig.say_after(0, 1 + turn, turn, Flags::ACK | Flags::PSH, b"x"));
    let ledger = rig.ledger();
    assert_eq!(ledger.sessions.active, 1, "it stays, and is not copied");
    assert_eq!(ledger.bytes.dropped.get(DropReason::MemoryLimit), 5000);
    assert_eq!((ledger.bytes.pending, ledger.turns.memory), (0, 0));
    assert!(ledger.balances());
}
