//! Cases that arbitrary input has found.

use common_core::wire::{Flags, Options, Seq};
use tcpcopy::ledger::DropReason;

use crate::rig::{Near, Op, World};
use crate::run_watched;

/// A segment of the first client.
fn segment(seq: Near, seen: Near, flags: u8, length: usize) -> Op {
    Op::Client { tuple: 0, seq, seen, flags, length, cut: 0 }
}

fn answer(length: u32) -> Op {
    Op::Serve { tuple: 0, length, window: u16::MAX, last: 39 }
}

fn started() -> World {
    let mut world = World::new(true);
    world.all(&[Op::LinkUp, Op::Syn { tuple: 0, isn: Near::Any(1000) }, answer(0), Op::Flush]);
    world
}

/// A sequence number whose payload looks like TLS.
const TLS: u32 = 40_037;

#[test]
fn a_session_given_up_while_it_waits_does_not_hang_the_engine() {
    let ops = [
        Op::LinkUp,
        Op::Syn { tuple: 0, isn: Near::Any(1000) },
        answer(0),
        segment(Near::At, Near::At, 0x18, 10),
        // The port is used again before the test server has answered; TLS is abandoned at once.
        Op::Syn { tuple: 0, isn: Near::Any(TLS - 1) },
        segment(Near::At, Near::At, 0x18, 10),
        segment(Near::At, Near::At, 0x11, 0),
        Op::Pass { micros: 1_500_000, late: false },
    ];
    run_watched(&ops, true, true);
}

#[test]
fn a_session_given_up_while_it_waits_is_not_replayed() {
    let mut world = started();
    world.step(&segment(Near::At, Near::At, 0x18, 10));
    world.step(&Op::Syn { tuple: 0, isn: Near::Any(500_000_000) });
    for _ in 0..5 {
        world.step(&segment(Near::At, Near::At, 0x18, 65_000));
    }
    assert_eq!(world.engine.ledger().bytes.dropped.get(DropReason::MemoryLimit), 325_010);
    world.all(&[segment(Near::At, Near::At, 0x18, 10), answer(0), answer(0)]);
    assert_eq!(world.engine.ledger().bytes.dropped.get(DropReason::MemoryLimit), 325_020);
}

#[test]
fn what_a_client_says_while_its_copy_is_closed_is_accounted_for() {
    let ops = [
        Op::LinkUp,
        Op::Syn { tuple: 0, isn: Near::Any(1000) },
        answer(0),
        segment(Near::At, Near::At, 0x18, 10),
        answer(0),
        // Silent for longer than the keep-alive time-out: our FIN is out, the server does not close.
        Op::Pass { micros: 61_000_000, late: false },
        segment(Near::At, Near::Off(10), 0x18, 1000),
    ];
    run_watched(&ops, true, false);
}

#[test]
fn a_copy_with_nothing_to_say_ends_without_a_link() {
    let ops = [Op::LinkUp, segment(Near::At, Near::At, 0x10, 1), Op::LinkDown];
    run_watched(&ops, true, false);
}

#[test]
fn a_second_gap_leaves_the_turns_before_the_first_alone() {
    let mut world = started();
    // One turn is released, the next waits for the answer to it, and the third is cut twice.
    world.all(&[segment(Near::At, Near::At, 0x18, 100), segment(Near::At, Near::Off(10), 0x18, 100)]);
    world.step(&segment(Near::At, Near::Off(10), 0x18, 100));
    for _ in 0..2 {
        world.clients[0].next = world.clients[0].next + 100;
        world.step(&segment(Near::At, Near::At, 0x18, 100));
    }
    world.step(&Op::Pass { micros: 3_100_000, late: false });
    assert_eq!((world.engine.ledger().gaps.count, world.engine.ledger().turns.dropped), (2, 1));
}

#[test]
fn a_late_fin_of_the_connection_before_ends_nothing() {
    let mut world = started();
    world.all(&[segment(Near::At, Near::At, 0x18, 100), Op::Flush]);
    world.step(&segment(Near::Off(-50_000), Near::At, 0x11, 0));
    world.all(&[answer(10), Op::Flush, segment(Near::At, Near::Off(10), 0x18, 100), Op::Flush]);
    let peer = &world.network.peers[&world.clients[0].flow];
    assert_eq!((peer.stream.len(), peer.fin), (200, None));
}

#[test]
fn a_challenge_to_our_reset_is_answered() {
    let mut world = started();
    world.all(&[segment(Near::At, Near::At, 0x18, 1000), Op::Flush]);
    // Given up with 1000 bytes in flight, none of which the server has received.
    for gap in 1..7 {
        world.step(&segment(Near::Off(gap * 65_000), Near::At, 0x18, 60_000));
    }
    let flow = world.clients[0].flow;
    let (seq, ack) =
        (world.network.peers[&flow].acknowledged.unwrap(), world.network.peers[&flow].next() - 1000);
    assert!(world.network.reset_at == Some(ack), "no reset that the server takes");
    world.network.reset_at = None;
    world.answer(&flow, (seq, ack + 500), Flags::ACK, 100, 0, Options::default());
    assert_eq!(world.network.reset_at, Some(ack + 500));
}

#[test]
fn late_segments_of_the_connection_before_do_not_use_up_the_tries() {
    let mut world = World::new(true);
    world.all(&[
        Op::LinkUp,
        Op::Syn { tuple: 0, isn: Near::Any(1000) },
        segment(Near::At, Near::At, 0x18, 100),
    ]);
    let flow = world.clients[0].flow;
    for late in 0..20 {
        world.answer(&flow, (Seq(7000 + late * 1000), Seq(9)), Flags::ACK, 100, 1000, Options::default());
    }
    assert_eq!(world.engine.ledger().tcp.syn_retries, 0);
    world.step(&Op::Pass { micros: 2_100_000, late: false });
    assert_eq!(world.engine.ledger().bytes.pending, 100);
}

#[test]
fn what_comes_after_the_end_is_no_duplicate() {
    let mut world = started();
    world.all(&[segment(Near::At, Near::At, 0x18, 100), answer(10)]);
    world.all(&[segment(Near::At, Near::Off(10), 0x11, 0), Op::Flush]);
    world.step(&Op::Serve { tuple: 0, length: 0, window: 100, last: 0 });
    world.step(&segment(Near::Off(2000), Near::Off(10), 0x18, 100));
    assert_eq!(world.engine.ledger().bytes.duplicate, 0);
}
