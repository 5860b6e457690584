//! Whatever the number of sessions, no call of the engine takes long: the driver has other sources to serve.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::flow::Flow;
use common_core::wire::Flags;
use module_kit::{Actions, Missing, Module, Protocol, Ready, ServerData};
use rig::Rig;

const SESSIONS: u16 = 5000;
/// Packets that one call may send.
const FEW: usize = 1500;
/// The least number of calls to send one packet for each session.
const CALLS: usize = SESSIONS as usize / FEW;

/// Clients that have begun to connect, each with a SYN sent to the test server.
fn connecting() -> Rig {
    let mut rig = Rig::with_memory(1 << 30);
    connect_all(&mut rig);
    assert_eq!(rig.wire.count(Flags::SYN), usize::from(SESSIONS));
    // The head start of the link is over; there is nothing to resume.
    until_done(&mut rig, Duration::from_millis(20));
    rig
}

fn connect_all(rig: &mut Rig) {
    (0..SESSIONS).for_each(|client| rig.connect(client));
}

/// Lets time pass, and calls the engine as long as it asks for that. Returns the number of calls in which something was
/// sent.
fn until_done(rig: &mut Rig, time: Duration) -> usize {
    let mut calls = 0;
    rig.now = rig.now + time;
    while rig.engine.poll_timeout() <= rig.now {
        let before = rig.wire.sent();
        rig.after(Duration::ZERO);
        let sent = rig.wire.sent() - before;
        assert!(sent <= FEW, "{sent} packets in one call");
        calls += usize::from(sent > 0);
    }
    calls
}

#[test]
fn the_end_of_many_sessions_is_begun_a_part_at_a_time() {
    let mut rig = connecting();
    (0..SESSIONS).for_each(|client| rig.data(client, 1));
    rig.answer();
    rig.engine.drain(rig.now, &mut rig.wire);
    assert!((1..=FEW).contains(&rig.wire.count(Flags::FIN)), "the first part at once");
    assert!(until_done(&mut rig, Duration::ZERO) >= CALLS);
    assert_eq!(rig.wire.count(Flags::FIN), usize::from(SESSIONS));
    assert!(rig.ledger().balances());
}

#[test]
fn timers_that_expire_together_are_done_with_a_part_at_a_time() {
    let mut rig = connecting();
    rig.lose();
    assert!(until_done(&mut rig, Duration::from_secs(1)) > CALLS);
    assert_eq!(rig.wire.count(Flags::SYN), usize::from(SESSIONS), "each SYN was sent again");
}

#[test]
fn sessions_that_waited_for_a_link_go_on_a_part_at_a_time() {
    let mut rig = Rig::without_link();
    connect_all(&mut rig);
    assert_eq!(rig.wire.sent(), 0, "nobody would report an answer");
    let mut rig = rig.link_up();
    assert!(until_done(&mut rig, Duration::from_millis(20)) >= CALLS);
    assert_eq!(rig.wire.count(Flags::SYN), usize::from(SESSIONS));
}

/// Any number of SYNs for one four-tuple: the sessions that wait there take memory, too.
#[test]
fn sessions_that_wait_are_within_the_memory_limit() {
    let room = 64;
    let mut rig = Rig::with_memory(room * 1536);
    for number in 0..500 {
        rig.say(0, number << 16, Flags::SYN, &[]);
        let active = rig.ledger().sessions.active;
        assert!(active <= room + 1, "{active} sessions");
    }
    assert_eq!(rig.ledger().sessions.seen, 500, "each is in the account");
    assert!(rig.ledger().balances());
}

/// The data of SYNs waits for the online server's SYN-ACK, and forgers can send any amount of it.
#[test]
fn what_syns_carry_is_within_the_memory_limit() {
    const LIMIT: u64 = 1 << 20;
    let mut rig = Rig::with_memory(LIMIT);
    for client in 0..500 {
        rig.say(client, 0, Flags::SYN, &[b'x'; 10_000]);
        let ledger = rig.ledger();
        let memory = ledger.turns.memory + ledger.bytes.pending + ledger.sessions.active * 1536;
        assert!(memory <= LIMIT + 10_000 + 1536, "{memory} bytes");
        assert!(ledger.turns.memory > 0 && ledger.balances());
    }
    rig.engine.abort(rig.now, &mut rig.wire);
    assert_eq!(rig.ledger().turns.memory, 0);
    assert!(rig.ledger().balances());
}

/// Stores all bytes of the test server.
struct Hoarder(Vec<u8>);

impl Module for Hoarder {
    fn connected(&mut self, actions: &mut Actions) -> Ready {
        actions.answers(AnswerPayload::All);
        Ready::WhenSaid
    }

    fn client(&mut self, _: &[u8], _: &mut Actions) {}

    fn answer(&mut self, data: ServerData<'_>, _: &mut Actions) {
        self.0.extend_from_slice(data.bytes);
    }

    fn missed(&mut self, _: Missing<'_>) {}

    fn memory(&self) -> usize {
        self.0.capacity()
    }
}

struct Hoarders;

impl Protocol for Hoarders {
    fn name(&self) -> &'static str {
        "hoarder"
    }

    fn module(&self, _: &Flow, _: bool) -> Box<dyn Module> {
        Box::new(Hoarder(Vec::new()))
    }
}

/// Clients are silent; the test server fills the memory.
#[test]
fn what_modules_keep_of_answers_is_within_the_memory_limit() {
    const LIMIT: u64 = 1 << 20;
    const CLIENTS: u16 = 20;
    let mut rig = Rig::with_memory_and_protocol(LIMIT, Hoarders);
    (0..CLIENTS).for_each(|client| rig.connect(client));
    rig.accept();
    for round in 0..100 {
        for client in 0..CLIENTS {
            rig.hear(client, round * 1000, Flags::ACK, &[b'x'; 1000]);
            let memory = rig.ledger().modules.memory;
            assert!(memory <= LIMIT, "{memory} bytes after {round} rounds");
        }
    }
    assert!(rig.ledger().modules.memory > 0, "nothing was kept");
    assert!(rig.ledger().balances());
}
