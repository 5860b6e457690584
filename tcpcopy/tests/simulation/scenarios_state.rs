//! Scenarios of connection state (docs/CONNECTION_STATE.md), and of test servers that go and come back.

use std::time::Duration;

use tcpcopy::ledger::DropReason;
use tcpcopy::settings::OnReconnect;

use crate::client::ClientPlan;
use crate::network::PathPlan;
use crate::run::run;
use crate::scenario::{Expect, Misread, Scenario};
use crate::server::{AppPlan, Misreading};
use crate::speech::{Preamble, Speech};

const APP: AppPlan = AppPlan::BASE;
const BASE: Scenario = Scenario::BASE;

/// The losses of a stream that may go on, by servers that close.
const CLOSED: &[DropReason] = &[DropReason::ClosedByServer];
/// The losses of a stream that may not.
const LOST: &[DropReason] = &[DropReason::ClosedByServer, DropReason::StateLost];

/// Clients of HTTP/1, whose sessions last.
const HTTP: ClientPlan = ClientPlan {
    speech: Speech::Http,
    turns: (3, 8),
    pause: (0, 100_000),
    ends: [6, 1, 1, 1, 1],
    request: 5_000,
    ..ClientPlan::BASE
};
/// The same, each turn one request, and nothing else.
const TURNS: ClientPlan = ClientPlan { pipeline: 0, other_answers: 0, ..HTTP };
const HTTP2: ClientPlan = ClientPlan { speech: Speech::Http2, set: 100, ..HTTP };
const REDIS: ClientPlan = ClientPlan { speech: Speech::Redis, set: 100, ..HTTP };
/// A server closes because it does not understand, or because its client has closed: both look alike.
const UNKNOWN: ClientPlan =
    ClientPlan { speech: Speech::Plain, set_first: 1000, ends: [6, 0, 0, 0, 1], close: 0, ..HTTP };
const AMID: ClientPlan =
    ClientPlan { begin: JOINED, join_amid: 700, request: 20_000, ends: [6, 0, 0, 0, 1], close: 0, ..HTTP };

/// Servers that close connections in every way.
const CLOSING: AppPlan = AppPlan { idle_close: 50_000, close: 300, reset: 500, close_within: 10_000, ..APP };

/// All is read, and has its original meaning.
const RIGHT: Expect = Expect { misread: Misread::Never, ..BASE.expect };

const fn some(floor: u64, reasons: &'static [DropReason]) -> Expect {
    Expect { misread: Misread::Never, ..Expect::partial(floor, 12, reasons) }
}

const fn trials(floor: u64, reasons: &'static [DropReason]) -> Expect {
    Expect { misread: Misread::Trials, ..some(floor, reasons) }
}

const fn unseen(floor: u64, reasons: &'static [DropReason]) -> Expect {
    Expect { misread: Misread::Unseen, ..some(floor, reasons) }
}

/// A scenario as a test of its name, with recognition of state; other fields are as in [`Scenario::BASE`].
macro_rules! scenarios {
    ($($(#[doc = $text:literal])* $name:ident { $($field:ident: $value:expr),* $(,)? })*) => {
        $($(#[doc = $text])*
        #[test]
        fn $name() {
            run(&Scenario {
                $($field: $value,)*
                ..Scenario { on_reconnect: OnReconnect::Recognise, expect: RIGHT, ..Scenario::named(concat!("scenarios_state::", stringify!($name))) }
            });
        })*
    };
}

scenarios! {
    /// A stateless protocol goes on after any turn.
    http_idle_close {
        clients: HTTP,
        app: AppPlan { idle_close: 30_000, ..APP },
    }
    http_closed {
        clients: HTTP,
        app: CLOSING,
        expect: some(300, CLOSED),
    }
    http_closed_pipelined {
        clients: ClientPlan { pipeline: 600, late: 10, again: 50, ..HTTP },
        app: CLOSING,
        expect: some(0, LOST),
    }
    /// Some requests log their connection in.
    http_logins {
        clients: ClientPlan { set: 150, ..HTTP },
        app: CLOSING,
        expect: some(0, LOST),
    }
    /// Bodies are turns of their own, and some servers refuse them.
    http_asks {
        clients: ClientPlan { asks: 500, ..TURNS },
        app: AppPlan { no_leave: 300, ..CLOSING },
        expect: some(0, LOST),
    }
    http2_closed {
        clients: HTTP2,
        app: CLOSING,
        expect: some(0, LOST),
    }
    redis_closed {
        clients: REDIS,
        app: CLOSING,
        expect: some(0, LOST),
    }
    redis_closed_pipelined {
        clients: ClientPlan { creep: 500, pipeline: 600, late: 10, again: 50, ..REDIS },
        app: CLOSING,
        expect: some(0, LOST),
    }
    /// A server that closes when it does not understand: three connections show that it keeps state.
    unknown_closed {
        clients: UNKNOWN,
        app: AppPlan { misreading: Misreading::Close, ..CLOSING },
        expect: trials(0, LOST),
    }
    unknown_closed_with_words {
        clients: UNKNOWN,
        app: AppPlan { misreading: Misreading::ErrorAndClose, ..CLOSING },
        expect: trials(0, LOST),
    }
    /// A server that only reports errors, or not even that: nobody can tell.
    unknown_complains {
        clients: UNKNOWN,
        app: AppPlan { misreading: Misreading::Error, ..CLOSING },
        expect: unseen(0, LOST),
    }
    /// Nothing is sent in another state if that is forbidden.
    unknown_dropped {
        clients: UNKNOWN,
        app: CLOSING,
        on_reconnect: OnReconnect::Drop,
        expect: some(0, LOST),
    }
    /// An unknown protocol without state goes on.
    unknown_stateless {
        clients: ClientPlan { set_first: 0, pause: (0, 4_000_000), ..UNKNOWN },
        app: AppPlan { idle_close: 2_000_000, ..APP },
        expect: some(300, &[DropReason::StateLost]),
    }
    preamble {
        clients: ClientPlan { preamble: Preamble::Proxy, ..TURNS },
    }
    preamble_closed {
        clients: ClientPlan { preamble: Preamble::Proxy, ..HTTP },
        app: CLOSING,
        expect: some(300, CLOSED),
    }
    preamble_pipelined {
        clients: ClientPlan { preamble: Preamble::Proxy, pipeline: 600, late: 10, again: 50, tiny: 500, ..HTTP },
        app: CLOSING,
        expect: some(0, LOST),
    }
    preamble_redis {
        clients: ClientPlan { preamble: Preamble::Proxy, ..REDIS },
        app: CLOSING,
        expect: some(0, LOST),
    }
    preamble_unknown {
        clients: ClientPlan { preamble: Preamble::Proxy, ..UNKNOWN },
        app: AppPlan { misreading: Misreading::Close, ..CLOSING },
        expect: trials(0, LOST),
    }
}

/// Sessions that are older than tcpcopy.
const LATE: &[DropReason] =
    &[DropReason::ClosedByServer, DropReason::StateLost, DropReason::StateUnknown, DropReason::JoinedMidTurn];
const JOINED: u64 = 300_000;

scenarios! {
    late_http {
        clients: ClientPlan { begin: JOINED, join: 1000, ..HTTP },
    }
    late_http_amid {
        clients: AMID,
        app: CLOSING,
        expect: trials(0, LATE),
    }
    late_http2 {
        clients: ClientPlan { begin: JOINED, join: 700, ..HTTP2 },
        app: CLOSING,
        expect: some(0, LATE),
    }
    late_redis {
        clients: ClientPlan { begin: JOINED, join: 700, ..REDIS },
        app: CLOSING,
        expect: some(0, LATE),
    }
    late_redis_amid {
        clients: ClientPlan { speech: Speech::Redis, set: 100, ..AMID },
        app: CLOSING,
        expect: trials(0, LATE),
    }
    late_unknown {
        clients: ClientPlan { begin: JOINED, join: 500, join_amid: 200, ..UNKNOWN },
        app: AppPlan { misreading: Misreading::ErrorAndClose, ..APP },
        expect: trials(0, LATE),
    }
}

/// Clients that go on for half a minute.
const POOL: ClientPlan =
    ClientPlan { pause: (0, 2_000_000), turns: (15, 25), ends: [6, 0, 0, 0, 1], ..TURNS };

const PATIENCE: Duration = Duration::from_secs(4);

const fn back(reasons: &'static [DropReason]) -> Expect {
    Expect { resumes: true, within: Duration::from_secs(120), ..some(100, reasons) }
}

scenarios! {
    frozen {
        clients: POOL,
        app: AppPlan { frozen: Some((3_000_000, 12_000_000)), ..APP },
        session_timeout: PATIENCE,
        expect: back(&[DropReason::NoAnswer, DropReason::ClosedByServer]),
    }
    unreachable {
        clients: POOL,
        unreachable: Some((3_000_000, 12_000_000)),
        session_timeout: PATIENCE,
        expect: back(&[DropReason::NoAnswer, DropReason::ClosedByServer]),
    }
    frozen_until_memory_is_full {
        clients: ClientPlan { request: 100_000, sessions: 20, ..POOL },
        app: AppPlan { frozen: Some((3_000_000, 12_000_000)), ..APP },
        memory_limit: 300_000,
        expect: back(&[DropReason::MemoryLimit, DropReason::NoAnswer, DropReason::ClosedByServer]),
    }
    down_and_back {
        clients: POOL,
        outage: Some((3_000_000, 12_000_000)),
        session_timeout: PATIENCE,
        expect: back(&[DropReason::Refused, DropReason::ClosedByServer]),
    }
}

/// Clients whose SYN carries the beginning of their first turn.
const FAST: ClientPlan = ClientPlan { fast_open: 1000, turns: (1, 6), ends: [6, 1, 1, 1, 0], ..HTTP };

scenarios! {
    fast_open {
        clients: FAST,
    }
    /// The SYN-ACK is not captured: the client's next segment tells how much the server accepted.
    fast_open_unheard {
        clients: ClientPlan { syn_ack_lost: 500, ..FAST },
    }
    fast_open_one_shot {
        clients: ClientPlan { sessions: 60, turns: (1, 1), request: 500, pure_acks: true, syn_ack_lost: 300, ..FAST },
    }
    fast_open_port_reuse {
        clients: ClientPlan { sessions: 6, reuse: 700, pure_acks: true, syn_ack_lost: 100, ..FAST },
    }
    fast_open_twice {
        clients: ClientPlan { pure_acks: true, late: 20, again: 100, pause: (4_000, 20_000), ..FAST },
        capture: PathPlan { duplicate: 50, jitter: 100, ..BASE.capture },
    }
    fast_open_preamble {
        clients: ClientPlan { preamble: Preamble::Proxy, syn_ack_lost: 300, ..FAST },
    }
}
