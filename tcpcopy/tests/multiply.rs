//! Sessions that are copied several times, from other addresses, to several targets, or not at all.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::wire::Flags;
use tcpcopy::ledger::DropReason;
use tcpcopy::settings::{AddressPool, EngineConfig, Instance, Multiplying, Shaping};

mod rig;

use rig::Rig;

const DATA: Flags = Flags(0x18);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn pool(first: &str, last: &str) -> AddressPool {
    let mut pool = AddressPool::default();
    pool.add(ip(first), ip(last));
    pool
}

fn copying(multiplying: Multiplying) -> Rig {
    Rig::changed(|config| EngineConfig { multiplying, ..config })
}

fn shaped(shaping: Shaping) -> Rig {
    Rig::changed(|config| EngineConfig { shaping, ..config })
}

/// A client with one request, which ends its connection.
fn one_request(rig: &mut Rig, client: u16) {
    rig.connect(client);
    rig.answer();
    rig.say(client, 1, DATA, b"request!");
    rig.answer();
    rig.say(client, 9, Flags::FIN | Flags::ACK, b"");
    rig.answer();
}

/// All sessions are over.
fn end(rig: &mut Rig) {
    rig.engine.drain(rig.now, &mut rig.wire);
    for _ in 0..30 {
        rig.answer();
        rig.after(Duration::from_secs(1));
    }
    if !rig.engine.is_empty() {
        rig.engine.abort(rig.now, &mut rig.wire);
    }
    assert!(rig.engine.is_empty() && rig.ledger().balances(), "{:?}", rig.ledger());
}

#[test]
fn each_session_is_copied_as_often_as_wanted() {
    let mut rig = copying(Multiplying { copies: 7, ..Multiplying::default() });
    (0..10).for_each(|client| one_request(&mut rig, client));
    end(&mut rig);
    assert_eq!(rig.wire.payload.len(), 7 * 10 * 8);
    let sessions = &rig.ledger().sessions;
    assert_eq!((sessions.seen, rig.ledger().bytes.captured), (70, 560));
    assert_eq!(rig.ledger().packets.captured, 30, "a packet counts once");
    let copies: BTreeSet<Endpoint> =
        rig.wire.beginnings.iter().map(|beginning| beginning.copy.client).collect();
    assert_eq!(copies.len(), 70, "no two copies have the same endpoint");
    for beginning in &rig.wire.beginnings {
        assert_eq!(beginning.copy.client.ip, beginning.client.ip);
    }
    let own = rig.wire.beginnings.iter().filter(|beginning| beginning.copy.client == beginning.client);
    assert_eq!(own.count(), 10, "one copy of each keeps the port");
}

#[test]
fn copies_have_the_wanted_addresses() {
    let addresses = pool("10.9.0.1", "10.9.0.4");
    let mut rig = copying(Multiplying { addresses: addresses.clone(), ..Multiplying::default() });
    (0..200).for_each(|client| rig.connect(client));
    let copies: BTreeSet<Endpoint> =
        rig.wire.beginnings.iter().map(|beginning| beginning.copy.client).collect();
    assert_eq!(copies.len(), 200);
    assert!(copies.iter().all(|copy| addresses.contains(copy.ip)));
    let used: BTreeSet<IpAddr> = copies.iter().map(|copy| copy.ip).collect();
    assert_eq!(used.len(), 4);
    end(&mut rig);
}

#[test]
fn a_session_joined_in_mid_stream_has_all_copies() {
    let mut rig = copying(Multiplying { copies: 3, ..Multiplying::default() });
    rig.forge(1, 1000, 1, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(rig.ledger().sessions.seen, 0, "it waits for the online server's verdict");
    rig.after(Duration::from_millis(5));
    rig.answer();
    assert_eq!((rig.ledger().sessions.seen, rig.ledger().sessions.joined), (3, 3));
    assert_eq!(rig.wire.payload.len(), 3 * 18);
    end(&mut rig);
}

#[test]
fn a_rejected_session_has_no_copy() {
    let mut rig = copying(Multiplying { copies: 3, ..Multiplying::default() });
    rig.forge(1, 1000, 7, b"forged");
    rig.online_says(1, 7, 0, Flags::RST, b"");
    rig.after(Duration::from_secs(1));
    assert!(rig.wire.beginnings.is_empty());
    assert_eq!(rig.ledger().bytes.dropped.get(DropReason::RejectedOnline), 6);
    end(&mut rig);
}

#[test]
fn a_reset_of_the_online_server_ends_all_copies() {
    let mut rig = copying(Multiplying { copies: 3, ..Multiplying::default() });
    rig.connect(1);
    rig.answer();
    // It refuses the connection.
    rig.online_says(1, 0, 1, Flags::RST | Flags::ACK, b"");
    end(&mut rig);
    assert_eq!(rig.ledger().sessions.incomplete.get(DropReason::RejectedOnline), 3);
}

#[test]
fn the_same_client_may_come_again() {
    let mut rig = copying(Multiplying { copies: 2, ..Multiplying::default() });
    for _ in 0..5 {
        rig.connect(1);
        rig.answer();
        rig.say(1, 1, DATA, b"request!");
        rig.answer();
        rig.say(1, 9, Flags::RST | Flags::ACK, b"");
        rig.answer();
        for _ in 0..10 {
            rig.after(Duration::from_secs(10));
        }
    }
    end(&mut rig);
    assert_eq!(rig.wire.payload.len(), 5 * 2 * 8);
    assert_eq!(rig.ledger().sessions.seen, 10);
    let copies: BTreeSet<Endpoint> =
        rig.wire.beginnings.iter().map(|beginning| beginning.copy.client).collect();
    assert!(copies.len() <= 6, "the first copy is always the same: {copies:?}");
}

#[test]
fn copies_without_a_port_are_counted() {
    let addresses = pool("10.9.0.1", "10.9.0.1");
    let instance = Instance::new(15);
    let mut rig = copying(Multiplying { copies: 1000, addresses, instance, ..Multiplying::default() });
    (0..5).for_each(|client| rig.connect(client));
    assert_eq!(rig.wire.beginnings.len(), 4032);
    rig.say(4, 1, DATA, b"12345");
    let ledger = rig.ledger();
    assert_eq!(ledger.sessions.incomplete.get(DropReason::NoFreePort), 968);
    assert_eq!(ledger.bytes.dropped.get(DropReason::NoFreePort), 968 * 5);
    assert_eq!((ledger.sessions.seen, ledger.bytes.captured), (5000, 5000));
    end(&mut rig);
}

#[test]
fn all_targets_of_a_service_get_each_session() {
    let mut rig = Rig::changed(|mut config| {
        let mut second = config.transfers[0].clone();
        second.target = Endpoint::new(ip("10.0.0.3"), 8080);
        config.transfers.push(second);
        config
    });
    (0..4).for_each(|client| rig.connect(client));
    let beginnings = &rig.wire.beginnings;
    assert_eq!(beginnings.len(), 8);
    for pair in beginnings.chunks(2) {
        assert!(pair[0].copy.client == pair[1].copy.client && pair[0].copy.server != pair[1].copy.server);
        assert_eq!(pair[0].copy.client, pair[0].client, "the client keeps its endpoint");
    }
    assert_eq!(rig.wire.count(Flags::SYN), 8);
    end(&mut rig);
}

#[test]
fn two_services_with_one_target_do_not_collide() {
    let both = |multiplying: Multiplying| {
        let mut rig = Rig::changed(|mut config| {
            let mut second = config.transfers[0].clone();
            second.online_port = 81;
            config.transfers.push(second);
            EngineConfig { multiplying, ..config }
        });
        rig.connect(1);
        rig.connect_to(1, 81);
        let collisions = rig.ledger().sessions.incomplete.get(DropReason::AddressCollision);
        end(&mut rig);
        collisions
    };
    assert_eq!(both(Multiplying::default()), 1);
    assert_eq!(both(Multiplying { instance: Instance::new(0), ..Multiplying::default() }), 0);
}

#[test]
fn sessions_that_are_not_chosen_are_no_loss() {
    let mut rig = shaped(Shaping { percent: 30, ..Shaping::default() });
    (0..1000).for_each(|client| one_request(&mut rig, client));
    end(&mut rig);
    let copied = rig.wire.beginnings.len();
    assert!(copied.abs_diff(300) <= 10, "{copied} of 1000");
    let ledger = rig.ledger();
    assert_eq!(ledger.sessions.incomplete.get(DropReason::NotChosen), 1000 - copied as u64);
    assert_eq!(ledger.bytes.dropped.get(DropReason::NotChosen), 8 * (1000 - copied as u64));
    assert_eq!(rig.wire.payload.len(), 8 * copied, "whole sessions are chosen");
    assert_eq!(ledger.client_bytes(), 8 * copied as u64, "they are not in the percentage");
}

#[test]
fn the_ramp_joins_long_sessions_when_it_reaches_them() {
    let mut rig = shaped(Shaping { step: Some(Duration::from_secs(1)), ..Shaping::default() });
    (0..100).for_each(|client| rig.connect(client));
    let early = rig.wire.beginnings.len();
    assert!(early.abs_diff(10) <= 2, "{early} of 100 after 10 s");
    rig.after(Duration::from_secs(60));
    rig.answer();
    for client in 0..100 {
        rig.say(client, 1, DATA, b"GET / HTTP/1.1\r\n\r\n");
    }
    rig.after(Duration::from_millis(5));
    let later = rig.wire.beginnings.len();
    assert!(later.abs_diff(70) <= 2, "{later} of 100 after 70 s");
    end(&mut rig);
}

#[test]
fn sessions_beyond_the_limit_are_counted_and_not_joined() {
    let mut rig = shaped(Shaping { sessions_a_second: NonZeroU32::new(1), ..Shaping::default() });
    (0..20).for_each(|client| one_request(&mut rig, client));
    end(&mut rig);
    assert_eq!(rig.wire.beginnings.len(), 1, "nothing was saved up");
    assert_eq!(rig.ledger().sessions.incomplete.get(DropReason::RateLimit), 19);
    assert_eq!(rig.ledger().bytes.dropped.get(DropReason::RateLimit), 19 * 8);
    assert_eq!(rig.wire.payload.len(), 8);
}
