//! New connections in the middle of a stream: what may go on, what must be sent first, and what does not count as
//! replayed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::wire::Flags;
use rig::Rig;
use tcpcopy::ledger::DropReason;
use tcpcopy::settings::OnReconnect;

const DATA: Flags = Flags(Flags::ACK.0 | Flags::PSH.0);
const FIN: Flags = Flags(Flags::ACK.0 | Flags::FIN.0);
const SYN_ACK: Flags = Flags(Flags::ACK.0 | Flags::SYN.0);

/// Longer than a session waits after a refusal.
const A_WHILE: Duration = Duration::from_secs(2);

fn rig() -> Rig {
    let mut rig = Rig::with_on_reconnect(OnReconnect::Recognise);
    rig.after(Duration::from_millis(20));
    rig
}

/// A client that sends `turns`, each after 10 more bytes of answer; the test server answers all but the last with 10
/// bytes.
fn conversation(turns: &[&[u8]]) -> Rig {
    let mut rig = rig();
    rig.connect(0);
    rig.answer();
    let (mut seq, mut seen) = (1, 0);
    for (index, turn) in turns.iter().enumerate() {
        rig.say_after(0, seq, seen, DATA, turn);
        seq += turn.len() as u32;
        rig.answer();
        if index + 1 < turns.len() {
            rig.hear(0, seen, DATA, &[b'a'; 10]);
            seen += 10;
        }
    }
    rig
}

fn dropped(rig: &Rig, reason: DropReason) -> u64 {
    assert!(rig.ledger().balances());
    rig.ledger().bytes.dropped.get(reason)
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
const FRAME: &[u8] = b"\x81\x85\x01\x02\x03\x04hello";

#[test]
fn a_request_goes_on_on_a_new_connection() {
    let mut rig = conversation(&[GET, GET]);
    rig.hear(0, 10, DATA, b"0123456789");
    rig.hear(0, 20, Flags::RST, &[]);
    rig.say_after(0, 1 + 2 * GET.len() as u32, 20, DATA, GET);
    rig.answer();
    assert_eq!(rig.ledger().tcp.reconnected, 1);
    assert_eq!(rig.ledger().bytes.replayed, 3 * GET.len() as u64);
}

#[test]
fn an_upgraded_stream_ends_with_its_connection() {
    let mut rig = conversation(&[UPGRADE, FRAME]);
    rig.hear(0, 10, DATA, b"0123456789");
    rig.hear(0, 20, Flags::RST, &[]);
    let frame = FRAME.len() as u64;
    for turn in 1..4 {
        rig.say_after(0, 1 + UPGRADE.len() as u32 + turn * frame as u32, 10 + 10 * turn, DATA, FRAME);
        rig.answer();
        rig.after(A_WHILE);
    }
    assert_eq!((rig.ledger().tcp.connected, rig.ledger().tcp.reconnected), (1, 0));
    assert_eq!(dropped(&rig, DropReason::StateLost), 3 * frame);
    rig.say_after(0, 1 + UPGRADE.len() as u32 + 4 * frame as u32, 50, FIN, &[]);
    rig.after(A_WHILE);
    assert_eq!(rig.ledger().sessions.incomplete.get(DropReason::StateLost), 1);
    assert_eq!(rig.ledger().sessions.replayed, 0);
}

#[test]
fn an_upgraded_stream_that_is_joined_late_is_not_copied() {
    let mut rig = rig();
    rig.after(Duration::from_secs(1));
    for turn in 0..3 {
        rig.say_after(0, 1 + turn * FRAME.len() as u32, 10 * turn, DATA, FRAME);
        rig.answer();
    }
    assert_eq!(rig.ledger().tcp.connected, 0);
    assert_eq!(dropped(&rig, DropReason::StateUnknown), 3 * FRAME.len() as u64);
}

/// A server that answers `Expect: 100-continue` with 417 and closes.
#[test]
fn a_body_is_not_the_start_of_a_connection() {
    const HEADER: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let mut rig = conversation(&[GET, HEADER]);
    rig.hear(0, 10, DATA | Flags::FIN, b"417 no....");
    let said = (GET.len() + HEADER.len()) as u32;
    rig.say_after(0, 1 + said, 20, DATA, b"body");
    rig.answer();
    rig.say_after(0, 5 + said, 40, DATA, GET);
    rig.answer();
    rig.after(A_WHILE);
    rig.answer();
    assert_eq!(dropped(&rig, DropReason::StateLost), 4);
    assert_eq!(rig.ledger().bytes.replayed, u64::from(said) + GET.len() as u64);
    assert!(!rig.wire.payload.windows(4).any(|bytes| bytes == b"body"));
}

#[test]
fn three_connections_tell_that_a_server_makes_nothing_of_unknown_streams() {
    let mut rig = rig();
    rig.after(Duration::from_secs(1));
    const UNKNOWN: &[u8] = b"\xf3\x9b\xc1\xe7\x8d\xb2\xfa\x99\xd3\xe1";
    for client in 0..10 {
        rig.say_after(client, 1, 10, DATA, UNKNOWN);
        rig.answer();
    }
    // Turns this short may be incomplete.
    rig.after(Duration::from_millis(100));
    rig.answer();
    assert_eq!(rig.ledger().tcp.connected, 3, "the others wait");
    for client in 0..3 {
        rig.reset(client);
        rig.say_after(client, 1 + UNKNOWN.len() as u32, 20, DATA, UNKNOWN);
    }
    for _ in 0..20 {
        rig.after(Duration::from_millis(500));
        rig.answer();
    }
    assert_eq!(rig.ledger().tcp.connected, 3);
    // The bytes of the first three were acknowledged, but meant something else to the test server.
    assert_eq!(dropped(&rig, DropReason::StateUnknown), 13 * UNKNOWN.len() as u64);
    assert_eq!(rig.ledger().bytes.replayed, 0);
}

/// As in SSH: the greeting looks like an answer, and so does the error message.
#[test]
fn a_server_that_greets_complains_and_closes_has_answered_nothing() {
    const UNKNOWN: &[u8] = b"\xf3\x9b\xc1\xe7\x8d\xb2\xfa\x99\xd3\xe1";
    let mut rig = rig();
    rig.after(Duration::from_secs(1));
    for client in 0..5 {
        rig.say_after(client, 1, 10, DATA, UNKNOWN);
        // A turn this short may be incomplete.
        rig.after(Duration::from_millis(100));
        rig.answer();
        if client < 3 {
            rig.hear(client, 0, DATA, b"greeting..");
        }
        rig.say_after(client, 11, 20, DATA, UNKNOWN);
        rig.answer();
        if client < 3 {
            rig.hear(client, 10, DATA | Flags::FIN, b"complaint.");
        }
        rig.say_after(client, 21, 30, DATA, UNKNOWN);
        rig.answer();
    }
    assert_eq!(rig.ledger().tcp.connected, 3);
    assert_eq!(rig.ledger().bytes.replayed, 0);
    assert_eq!(dropped(&rig, DropReason::StateUnknown), 15 * UNKNOWN.len() as u64);
}

/// Anybody can make a test server close: forgers, or an operator who restarts it.
#[test]
fn trials_that_have_failed_are_not_the_last_word() {
    let mut rig = rig();
    rig.after(Duration::from_secs(1));
    for client in 0..4 {
        rig.say_after(client, 1, 10, DATA, GET);
        rig.answer();
        if client < 3 {
            rig.hear(client, 0, Flags::FIN, &[]);
            rig.answer();
        }
    }
    assert_eq!((rig.ledger().tcp.connected, rig.ledger().bytes.replayed), (3, 0));
    rig.after(Duration::from_secs(61));
    for client in 4..7 {
        rig.say_after(client, 1, 10, DATA, GET);
        rig.answer();
        if client == 4 {
            rig.hear(client, 0, DATA, b"0123456789");
        }
    }
    assert_eq!((rig.ledger().tcp.connected, rig.ledger().bytes.replayed), (6, 3 * GET.len() as u64));
}

/// Sessions that never end, perhaps forged ones.
#[test]
fn trials_that_hang_do_not_keep_others_waiting_for_ever() {
    const UNKNOWN: &[u8] = b"\xf3\x9b\xc1\xe7\x8d\xb2\xfa\x99\xd3\xe1";
    let mut rig = rig();
    rig.after(Duration::from_secs(1));
    for client in 0..4 {
        rig.say_after(client, 1, 10, DATA, UNKNOWN);
        rig.after(Duration::from_millis(100));
        rig.answer();
    }
    assert_eq!(rig.ledger().tcp.connected, 3);
    (0..61).for_each(|_| rig.after(Duration::from_secs(1)));
    for turn in 0..4 {
        rig.say_after(9, 1 + 10 * turn, 10 + 10 * turn, DATA, UNKNOWN);
        rig.after(Duration::from_millis(100));
        rig.answer();
        rig.hear(9, 10 * turn, DATA, b"0123456789");
    }
    rig.say_after(10, 1, 10, DATA, UNKNOWN);
    rig.after(Duration::from_millis(100));
    rig.answer();
    assert_eq!(rig.ledger().tcp.connected, 5, "it has passed");
}

/// Unanswered bytes of a connection before the trial are taken back beside those of the trial.
#[test]
fn a_failed_trial_has_replayed_nothing_whatever_broke_before_it() {
    const UNKNOWN: &[u8] = b"\xf3\x9b\xc1\xe7\x8d\xb2\xfa\x99\xd3\xe1";
    let mut rig = rig();
    rig.connect(0);
    rig.answer();
    rig.say(0, 1, DATA, UNKNOWN);
    rig.answer();
    rig.close(0);
    // A gap: the next turn has no acknowledged bytes.
    rig.say_after(0, 21, 10, DATA, UNKNOWN);
    rig.after(A_WHILE);
    rig.say_after(0, 31, 20, DATA, UNKNOWN);
    rig.after(Duration::from_millis(100));
    rig.answer();
    rig.hear(0, 0, DATA, b"greeting..");
    rig.say_after(0, 41, 30, DATA, UNKNOWN);
    rig.answer();
    assert_eq!((rig.ledger().tcp.connected, rig.ledger().bytes.replayed), (2, 20));
    rig.hear(0, 10, DATA | Flags::FIN, b"complaint.");
    rig.say_after(0, 51, 40, DATA, UNKNOWN);
    rig.answer();
    assert_eq!(rig.ledger().bytes.replayed, 0);
    assert_eq!(dropped(&rig, DropReason::StateLost), 30);
}

/// A server that waits for the end of a line, which never comes.
#[test]
fn a_trial_that_shows_nothing_has_replayed_nothing() {
    const UNKNOWN: &[u8] = b"\xf3\x9b\xc1\xe7\x8d\xb2\xfa\x99\xd3\xe1";
    let mut rig = rig();
    rig.after(Duration::from_secs(1));
    for turn in 0..3 {
        rig.say_after(0, 1 + 10 * turn, 10 + 10 * turn, DATA, UNKNOWN);
        rig.answer();
        for _ in 0..8 {
            rig.after(Duration::from_secs(1));
            rig.answer();
        }
    }
    rig.say_after(0, 31, 40, FIN, &[]);
    rig.answer();
    rig.after(A_WHILE);
    rig.answer();
    rig.close(0);
    rig.after(A_WHILE);
    assert_eq!(rig.ledger().tcp.connected, 1);
    assert_eq!(dropped(&rig, DropReason::StateUnknown), 3 * UNKNOWN.len() as u64);
    assert_eq!((rig.ledger().sessions.replayed, rig.ledger().bytes.replayed), (0, 0));
}

#[test]
fn a_turn_that_is_met_by_a_close_is_not_replayed() {
    let mut rig = conversation(&[GET, GET]);
    rig.close(0);
    rig.lose();
    let before = rig.ledger().bytes.replayed;
    rig.hear(0, 10, Flags::FIN | Flags::ACK, &[]);
    rig.say_after(0, 1 + 2 * GET.len() as u32, 20, DATA, GET);
    rig.answer();
    rig.answer();
    assert_eq!(before, 2 * GET.len() as u64);
    assert_eq!(dropped(&rig, DropReason::ClosedByServer), GET.len() as u64);
    assert_eq!(rig.ledger().turns.cut_off, 1);
}

#[test]
fn nobody_misses_an_answer_that_the_client_never_had() {
    let mut rig = conversation(&[GET, GET]);
    rig.say_after(0, 1 + 2 * GET.len() as u32, 10, FIN, &[]);
    rig.answer();
    rig.reset(0);
    rig.after(A_WHILE);
    assert_eq!(dropped(&rig, DropReason::ClosedByServer), 0);
    assert_eq!(rig.ledger().bytes.replayed, 2 * GET.len() as u64);
}

#[test]
fn what_was_given_up_is_taken_up_again() {
    let mut rig = conversation(&[GET, GET]);
    rig.hear(0, 10, DATA, b"0123456789");
    rig.say_after(0, 1 + 2 * GET.len() as u32, 20, DATA, GET);
    rig.lose();
    // The session timeout of the rig.
    for _ in 0..700 {
        rig.after(Duration::from_secs(1));
        rig.lose();
    }
    assert_eq!(dropped(&rig, DropReason::NoAnswer), GET.len() as u64);
    assert_eq!(rig.ledger().sessions.active, 1);
    rig.say_after(0, 1 + 3 * GET.len() as u32, 30, DATA, GET);
    rig.answer();
    assert_eq!(rig.ledger().bytes.replayed, 3 * GET.len() as u64);
}

#[test]
fn a_preamble_is_said_first_on_each_connection() {
    const PROXY: &[u8] = b"PROXY TCP4 10.1.0.1 10.0.0.1 1024 80\r\n";
    for cut in [5, PROXY.len()] {
        let mut rig = rig();
        rig.connect(0);
        rig.answer();
        rig.say(0, 1, DATA, &PROXY[..cut]);
        rig.say(0, 1 + cut as u32, DATA, &[&PROXY[cut..], GET].concat());
        rig.answer();
        rig.hear(0, 0, DATA, b"0123456789");
        rig.hear(0, 10, Flags::RST, &[]);
        let said = (PROXY.len() + GET.len()) as u32;
        rig.say_after(0, 1 + said, 10, DATA, GET);
        rig.answer();
        assert_eq!(rig.wire.payload, [PROXY, GET, PROXY, GET].concat());
        assert_eq!(rig.ledger().bytes.replayed, u64::from(said) + GET.len() as u64);
        // A client that was joined late has sent it before.
        rig.after(A_WHILE);
        rig.say_after(1, 1, 10, DATA, GET);
        rig.answer();
        assert_eq!(dropped(&rig, DropReason::StateUnknown), GET.len() as u64);
    }
}

/// Anybody can send such bytes to a service without a proxy in front of it.
#[test]
fn one_preamble_among_plain_sessions_keeps_no_late_session_out() {
    let mut rig = rig();
    for client in 0..4 {
        rig.connect(client);
        rig.answer();
        let said = if client < 3 { GET } else { b"PROXY UNKNOWN\r\n" };
        rig.say(client, 1, DATA, said);
        rig.answer();
        rig.hear(client, 0, DATA, b"0123456789");
    }
    let before = rig.ledger().bytes.replayed;
    rig.after(A_WHILE);
    rig.say_after(4, 1, 10, DATA, GET);
    rig.answer();
    assert_eq!(dropped(&rig, DropReason::StateUnknown), 0);
    assert_eq!(rig.ledger().bytes.replayed - before, GET.len() as u64);
}

/// The rest of its turn is a turn, which waits as others do.
#[test]
fn what_follows_a_preamble_waits_as_a_turn() {
    let mut rig = rig();
    for client in 0..2 {
        rig.connect(client);
        rig.online_says(client, 0, 1, SYN_ACK, &[]);
    }
    rig.answer();
    // It waits for a greeting.
    rig.say_after(1, 1, 50, DATA, b"login");
    assert_eq!(rig.ledger().turns.waiting.total(), 1);
    rig.say(0, 1, DATA, b"PROXY UNKNOWN\r\n");
    rig.say(0, 16, DATA, GET);
    assert_eq!(rig.ledger().turns.waiting.total(), 1);
}

#[test]
fn a_preamble_alone_is_no_turn() {
    let mut rig = rig();
    rig.connect(0);
    rig.online_says(0, 0, 1, SYN_ACK, &[]);
    rig.answer();
    rig.say(0, 1, DATA, b"PROXY UNKNOWN\r\n");
    rig.answer();
    rig.hear(0, 0, DATA, b"greeting..");
    rig.say_after(0, 16, 10, DATA, b"login");
    rig.answer();
    assert_eq!(rig.ledger().bytes.replayed, 20);
    assert_eq!((rig.ledger().turns.at_once, rig.ledger().turns.seen), (2, 2), "{:#?}", rig.ledger().turns);
}

#[test]
fn what_a_syn_carries_is_replayed_if_the_service_took_it() {
    let length = GET.len() as u32;
    for (taken, said_again) in [(length, false), (0, true)] {
        let mut rig = rig();
        rig.say(0, 0, Flags::SYN, GET);
        rig.online_says(0, 0, 1 + taken, SYN_ACK, &[]);
        if said_again {
            rig.say(0, 1, DATA, GET);
        }
        rig.answer();
        rig.hear(0, 0, DATA, b"0123456789");
        rig.say_after(0, 1 + length, 10, DATA, GET);
        rig.answer();
        assert_eq!(rig.wire.payload, [GET, GET].concat(), "{taken} bytes taken");
        assert_eq!(rig.ledger().bytes.captured, 2 * u64::from(length));
        assert_eq!((rig.ledger().gaps.count, rig.ledger().bytes.duplicate), (0, 0));
        assert_eq!(rig.ledger().turns.answered, 1);
    }
}

#[test]
fn without_the_syn_ack_what_comes_next_tells_whether_the_service_took_the_data_of_the_syn() {
    let length = GET.len() as u32;
    for (seq, flags, bytes, replayed) in
        [(1 + length, DATA, GET, 2), (1 + length, FIN, &[][..], 1), (1, DATA, GET, 1), (1, FIN, &[], 0)]
    {
        let mut rig = rig();
        rig.say(0, 0, Flags::SYN, GET);
        rig.answer();
        rig.say_after(0, seq, 10, flags, bytes);
        rig.answer();
        rig.hear(0, 0, DATA, b"0123456789");
        rig.after(A_WHILE);
        rig.answer();
        assert_eq!(rig.ledger().bytes.replayed, replayed * u64::from(length), "{seq} {flags:?}");
        assert_eq!(rig.ledger().gaps.count, 0);
        assert!(rig.ledger().balances());
    }
}
