//! The scenarios, a test each.

use std::time::Duration;

use tcpcopy::ledger::DropReason;

use crate::client::ClientPlan;
use crate::network::PathPlan;
use crate::run::run;
use crate::scenario::{Ending, Expect, Scenario};
use crate::server::{AppPlan, StackPlan};
use crate::strangers::StrangerPlan;
use crate::toy::BEGINNINGS;

const CLIENTS: ClientPlan = ClientPlan::BASE;
const STACK: StackPlan = StackPlan::BASE;
const APP: AppPlan = AppPlan::BASE;
const BASE: Scenario = Scenario::BASE;
const WHOLE: Expect = Scenario::BASE.expect;
const CLEAN: Expect = Expect { clean: true, within: Duration::from_secs(2), ..WHOLE };

/// Everything arrives, within this many seconds.
const fn late(seconds: u64) -> Expect {
    Expect { lag: Duration::from_secs(seconds), ..WHOLE }
}

const PASSWORD: u64 = 77;

/// Clients of the toy protocol; the answers to them are captured.
const WATCHED: ClientPlan = ClientPlan { greeting: 40, turns: (1, 6), answers_seen: BEGINNINGS, ..CLIENTS };

/// A scenario as a test of its name; other fields are as in [`Scenario::BASE`].
macro_rules! scenarios {
    ($($(#[doc = $text:literal])* $name:ident { $($field:ident: $value:expr),* $(,)? })*) => {
        $($(#[doc = $text])*
        #[test]
        fn $name() {
            run(&Scenario { $($field: $value,)* ..Scenario::named(concat!("scenarios::", stringify!($name))) });
        })*
    };
}

scenarios! {
    /// Nothing goes wrong: nothing is sent twice, nothing waits longer than it must.
    quiet {
        clients: ClientPlan { other_answers: 0, pipeline: 0, ..CLIENTS },
        expect: CLEAN,
    }
    /// A connection for each request, as without keep-alive.
    one_shot {
        clients: ClientPlan { sessions: 60, turns: (1, 1), close: 500, request: 500, pure_acks: true, ..CLIENTS },
        expect: CLEAN,
    }
    /// Clients that connect and send nothing.
    connect_only {
        clients: ClientPlan { sessions: 40, turns: (0, 1), ends: [3, 0, 0, 1, 1], request: 500, ..CLIENTS },
        expect: CLEAN,
    }
    /// Requests far larger than any window.
    uploads {
        clients: ClientPlan { sessions: 4, turns: (1, 2), request: 1_000_000, answer: 300, jumbo: 700, tiny: 0, ..CLIENTS },
        expect: CLEAN,
    }
    /// Answers far larger than any window.
    downloads {
        clients: ClientPlan { sessions: 4, turns: (1, 3), request: 300, answer: 2_000_000, ..CLIENTS },
        expect: CLEAN,
    }
    /// The server speaks first.
    greeting {
        clients: ClientPlan { greeting: 90, other_answers: 0, pipeline: 0, ..CLIENTS },
        app: AppPlan { greeting: 90, think: (1_000, 30_000), ..APP },
        expect: CLEAN,
    }
    /// Clients that do not wait for the whole answer before they send again.
    pipelined {
        clients: ClientPlan { creep: 1000, pipeline: 600, other_answers: 0, ..CLIENTS },
        // The first client of an unknown server finds out where its answers end.
        expect: late(2),
    }
    /// Clients that send their FIN before they have the answer.
    half_close {
        clients: ClientPlan { ends: [0, 1, 1, 0, 0], other_answers: 0, pipeline: 0, ..CLIENTS },
        app: AppPlan { think: (10, 50_000), ..APP },
        expect: Expect { lag: Duration::from_secs(1), ..CLEAN },
    }
    /// Clients that think for minutes.
    idle {
        clients: ClientPlan { pause: (0, 200_000_000), other_answers: 0, pipeline: 0, ..CLIENTS },
        expect: CLEAN,
    }
    /// Turns are sent as they come.
    no_wait {
        wait_for_answers: false,
        expect: CLEAN,
    }
    /// Clients that retransmit, with and without a reason.
    client_retransmits {
        clients: ClientPlan { late: 30, again: 300, ..CLIENTS },
    }
    loss_to_the_server {
        inject: PathPlan { loss: 20, ..BASE.inject },
        expect: late(3),
    }
    loss_of_answers {
        answer: PathPlan { loss: 20, ..BASE.answer },
        expect: late(3),
    }
    heavy_loss {
        inject: PathPlan { loss: 150, ..BASE.inject },
        answer: PathPlan { loss: 150, ..BASE.answer },
        expect: late(60),
    }
    loss_of_captured_packets {
        capture: PathPlan { loss: 10, ..BASE.capture },
        expect: Expect::partial(200, 4, &[DropReason::CaptureGap, DropReason::JoinedMidTurn]),
    }
    reordering {
        capture: PathPlan { reorder: 100, jitter: 100, ..BASE.capture },
        inject: PathPlan { reorder: 100, jitter: 300, ..BASE.inject },
        answer: PathPlan { reorder: 100, jitter: 300, ..BASE.answer },
        clients: ClientPlan { pause: (4_000, 20_000), ..CLIENTS },
    }
    duplication {
        capture: PathPlan { duplicate: 100, ..BASE.capture },
        inject: PathPlan { duplicate: 100, ..BASE.inject },
        answer: PathPlan { duplicate: 100, ..BASE.answer },
        clients: ClientPlan { pause: (4_000, 20_000), ..CLIENTS },
    }
    /// A test server on another continent.
    long_way {
        inject: PathPlan { delay: 100_000, jitter: 20_000, ..BASE.inject },
        answer: PathPlan { delay: 100_000, jitter: 20_000, ..BASE.answer },
        expect: late(10),
    }
    /// Answers overtake their routes: the control link is slow.
    slow_link {
        link: PathPlan { delay: 1_000, jitter: 30_000, ..BASE.link },
    }
    /// Connections that are older than tcpcopy.
    late_join {
        clients: ClientPlan { begin: 300_000, join: 1000, turns: (2, 10), ..CLIENTS },
    }
    /// Connections that are older than tcpcopy, amid large requests.
    late_join_amid_a_turn {
        clients: ClientPlan { join_amid: 1000, turns: (3, 10), begin: 300_000, ..CLIENTS },
        expect: Expect::partial(300, 12, &[DropReason::JoinedMidTurn, DropReason::ClosedByServer]),
    }
    /// tcpcopy is killed and started again: its old connections are still there, on the test server.
    restart {
        clients: ClientPlan { turns: (4, 10), pause: (5_000, 50_000), ..CLIENTS },
        restart_at: Some(200_000),
        expect: Expect::partial(100, 12, &[DropReason::JoinedMidTurn, DropReason::NoAnswer]),
    }
    /// The intercept is started again, too, and remembers nothing: the test server holds connections that are nobody's.
    restart_of_both {
        clients: ClientPlan { turns: (4, 10), pause: (5_000, 50_000), ..CLIENTS },
        restart_at: Some(200_000),
        intercepts_restart: true,
        expect: Expect::partial(100, 12, &[DropReason::JoinedMidTurn]),
    }
    /// The same with a key: they are reset.
    restart_of_both_with_a_key {
        clients: ClientPlan { turns: (4, 10), pause: (5_000, 50_000), ..CLIENTS },
        restart_at: Some(200_000),
        intercepts_restart: true,
        keyed: true,
        expect: Expect::partial(100, 12, &[DropReason::JoinedMidTurn]),
    }
    /// The test server closes and resets at random.
    early_close {
        app: AppPlan { close: 600, reset: 300, ..APP },
        expect: Expect::partial(100, 1, &[DropReason::ClosedByServer]),
    }
    /// The test server closes idle connections sooner than the online server.
    idle_close {
        app: AppPlan { idle_close: 30_000, ..APP },
        clients: ClientPlan { pause: (0, 100_000), turns: (3, 8), ..CLIENTS },
    }
    /// The same, but the engine learns it late: turns go to connections that are closed, and are sent again.
    idle_close_heard_late {
        app: AppPlan { idle_close: 30_000, ..APP },
        clients: ClientPlan { pause: (0, 100_000), turns: (3, 8), ..CLIENTS },
        answer: PathPlan { delay: 15_000, ..BASE.answer },
    }
    /// No service listens at first.
    refused_then_up {
        clients: ClientPlan { sessions: 30, arrivals: 600_000, ..CLIENTS },
        outage: Some((0, 200_000)),
        expect: Expect::partial(100, 1, &[DropReason::Refused]),
    }
    /// The test server is restarted under load.
    outage {
        clients: ClientPlan { sessions: 30, arrivals: 400_000, turns: (3, 8), ..CLIENTS },
        outage: Some((150_000, 250_000)),
        expect: Expect::partial(100, 1, &[DropReason::Refused, DropReason::ClosedByServer]),
    }
    /// Control links break, and come back.
    link_cuts {
        clients: ClientPlan { sessions: 20, arrivals: 500_000, ..CLIENTS },
        cuts: 3,
        cut_for: (1_000, 2_000_000),
        expect: late(10),
    }
    /// Intercept is started after the clients.
    no_link_at_first {
        clients: ClientPlan { sessions: 20, other_answers: 0, pipeline: 0, ..CLIENTS },
        link_from: 500_000,
        expect: late(3),
    }
    /// Two intercepts see a part of the answers each.
    two_intercepts {
        intercepts: 2,
        shared: true,
        link: PathPlan { delay: 60, jitter: 200, ..BASE.link },
        // What an intercept sees before its first proof is lost to tcpcopy, and the server repeats it.
        expect: late(3),
    }
    /// Two intercepts see all answers, and their links are cut in turns.
    two_intercepts_repeat {
        intercepts: 2,
        cuts: 4,
        cut_for: (1_000, 300_000),
        expect: late(2),
    }
    /// Ports are used again at once.
    port_reuse {
        clients: ClientPlan { sessions: 6, turns: (1, 3), reuse: 750, ends: [4, 1, 1, 3, 1], ..CLIENTS },
    }
    /// The same, with a test server that lags.
    port_reuse_lagging {
        clients: ClientPlan { sessions: 6, turns: (1, 3), reuse: 750, ends: [4, 1, 1, 3, 1], ..CLIENTS },
        app: AppPlan { think: (1_000, 80_000), ..APP },
        expect: late(5),
    }
    /// Answers come in bursts, among them late ones of finished connections.
    port_reuse_bursts {
        clients: ClientPlan { sessions: 6, turns: (1, 2), reuse: 960, pause: (0, 100), ends: [1, 0, 0, 0, 0], ..CLIENTS },
        link: PathPlan { delay: 60, jitter: 300_000, ..BASE.link },
        expect: late(120),
    }
    /// Small buffers that are read slowly: windows close.
    zero_window {
        clients: ClientPlan { sessions: 6, turns: (1, 4), ..CLIENTS },
        stack: StackPlan { buffer: (100, 5_000), ..STACK },
        app: AppPlan { slow: 1000, ..APP },
        expect: late(60),
    }
    zero_window_with_loss {
        clients: ClientPlan { sessions: 6, turns: (1, 4), request: 8_000, ..CLIENTS },
        stack: StackPlan { buffer: (100, 5_000), ..STACK },
        app: AppPlan { slow: 1000, ..APP },
        inject: PathPlan { loss: 50, ..BASE.inject },
        answer: PathPlan { loss: 50, ..BASE.answer },
        expect: late(60),
    }
    /// A stack of the eighties.
    no_options {
        stack: StackPlan { mss: None, window_scale: false, timestamps: false, ..STACK },
        clients: ClientPlan { other_answers: 0, pipeline: 0, ..CLIENTS },
        expect: CLEAN,
    }
    small_mss_with_loss {
        stack: StackPlan { mss: Some(88), buffer: (2_000, 20_000), ..STACK },
        inject: PathPlan { loss: 10, ..BASE.inject },
        expect: late(3),
    }
    slow_server {
        app: AppPlan { think: (20_000, 400_000), ..APP },
        clients: ClientPlan { other_answers: 0, pipeline: 0, ..CLIENTS },
        expect: Expect { lag: Duration::from_secs(5), ..CLEAN },
    }
    /// Some requests are never answered: the next turns wait for a bounded time.
    silent_server {
        app: AppPlan { silent: 300, ..APP },
        expect: late(30),
    }
    /// The memory limit is exceeded: sessions are given up.
    memory_limit {
        clients: ClientPlan { sessions: 20, arrivals: 20_000, request: 200_000, ..CLIENTS },
        app: AppPlan { think: (50_000, 300_000), ..APP },
        memory_limit: 300_000,
        expect: Expect::partial(50, 10, &[DropReason::MemoryLimit, DropReason::JoinedMidTurn]),
    }
    /// The accept queue is full now and then, and the SYN queue is short.
    accept_queue_full {
        stack: StackPlan { accept_queue_full: 400, backlog: 16, ..STACK },
        clients: ClientPlan { sessions: 40, arrivals: 5_000, turns: (1, 2), ..CLIENTS },
        expect: late(15),
    }
    /// Captured packets are truncated by a snap length.
    truncated {
        truncated: 20,
        expect: Expect::partial(300, 4, &[DropReason::Truncated, DropReason::CaptureGap]),
    }
    /// Many captured packets belong to no session.
    noise {
        noise: 300,
        own_seen: 1000,
        clients: ClientPlan { other_answers: 0, pure_acks: true, ..CLIENTS },
        expect: CLEAN,
    }
    /// Answers that the server never sent: only an end and a balanced account can be promised.
    forged_answers {
        forged: 100,
        expect: Expect {
            within: Duration::from_secs(300),
            ..Expect::partial(0, 300, &[
                DropReason::ClosedByServer,
                DropReason::NoAnswer,
                DropReason::Refused,
                DropReason::CaptureGap,
            ])
        },
    }
    /// Forged requests of connections that the online server does not know: it resets them, and none is replayed.
    forged_segments {
        strangers: StrangerPlan { segments: 300, syns: 0 },
        expect: Expect { reasons: &[DropReason::RejectedOnline], floor: 0, ..WHOLE },
    }
    /// SYNs that nobody completes: none becomes a connection of the test server.
    syn_flood {
        clients: ClientPlan { arrivals: 2_000_000, ..CLIENTS },
        strangers: StrangerPlan { segments: 50, syns: 200 },
        expect: Expect { reasons: &[DropReason::RejectedOnline, DropReason::NeverEstablished], floor: 0, ..WHOLE },
    }
    /// The online server resets connections at their end: all that it had taken before is replayed.
    online_resets {
        clients: ClientPlan { online_resets: 600, reuse: 300, ..CLIENTS },
    }
    /// The online server repeats SYN-ACKs, and the clients speak later.
    syn_acks_again {
        clients: ClientPlan { syn_ack_again: 700, pause: (1_100_000, 3_000_000), turns: (1, 4), ..CLIENTS },
    }
    /// Sessions end by themselves, also those whose client has vanished.
    expiry {
        clients: ClientPlan { ends: [1, 0, 0, 0, 3], ..CLIENTS },
        keepalive_timeout: Duration::from_secs(5),
        ending: Ending::Expire,
        expect: Expect { within: Duration::from_secs(12), ..WHOLE },
    }
    /// tcpcopy is stopped under load.
    abort {
        clients: ClientPlan { turns: (3, 10), ..CLIENTS },
        ending: Ending::Abort(120_000),
        expect: Expect::partial(0, 0, &[DropReason::Shutdown]),
    }
    /// A server-first login with a nonce: the module's own replaces the captured one.
    login {
        clients: ClientPlan { greeting: 40, other_answers: 0, turns: (1, 5), ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD),
        expect: Expect { floor: 0, ..WHOLE },
    }
    /// The same with lost packets.
    login_with_loss {
        clients: ClientPlan { greeting: 40, turns: (1, 5), ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD),
        inject: PathPlan { loss: 30, ..BASE.inject },
        answer: PathPlan { loss: 30, reorder: 50, ..BASE.answer },
        expect: Expect { floor: 0, ..late(40) },
    }
    /// The same with a server that closes idle connections: each new connection needs a login.
    login_again {
        clients: ClientPlan { greeting: 40, pause: (0, 100_000), turns: (3, 8), ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), idle_close: 30_000, ..APP },
        module: Some(PASSWORD),
        expect: Expect::partial(500, 1, &[DropReason::ClosedByServer]),
    }
    /// The same for connections older than tcpcopy.
    login_late_join {
        clients: ClientPlan { begin: 300_000, greeting: 40, join: 1000, turns: (3, 8), ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD),
    }
    /// The module knows another password than the server.
    login_denied {
        clients: ClientPlan { greeting: 40, ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD + 1),
        expect: Expect::partial(0, 1, &[DropReason::LoginFailed]),
    }
    /// A test server that takes seconds to greet, and to accept a login: no answer timeout may shorten because of that.
    login_slow {
        clients: ClientPlan { greeting: 40, other_answers: 0, pipeline: 0, turns: (1, 3), ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), think: (3_000_000, 4_000_000), ..APP },
        module: Some(PASSWORD),
        expect: Expect { floor: 0, ..late(30) },
    }
    /// The same with turns that do not wait for answers: they wait for the login nevertheless.
    login_no_wait {
        clients: ClientPlan { greeting: 40, turns: (1, 5), ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), think: (10, 50_000), ..APP },
        module: Some(PASSWORD),
        wait_for_answers: false,
        expect: Expect { floor: 0, ..WHOLE },
    }
    /// The same, with many released turns when the test server resets: none of them is sent before the next login.
    login_no_wait_reset {
        clients: ClientPlan { greeting: 40, turns: (3, 8), ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), close: 700, close_within: 20_000, reset: 1000, ..APP },
        module: Some(PASSWORD),
        wait_for_answers: false,
        expect: Expect::partial(0, 30, &[DropReason::ClosedByServer]),
    }
    /// The test server closes, or resets, before it has accepted a login: each time the session waits a while.
    login_cut_off {
        clients: ClientPlan { greeting: 40, turns: (2, 6), pause: (0, 300_000), ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), close: 700, close_within: 17, reset: 500, ..APP },
        module: Some(PASSWORD),
        expect: Expect::partial(0, 2, &[DropReason::ClosedByServer]),
    }
    /// The test server accepts connections only to report that it has no room: the session tries again as after a
    /// refusal.
    login_refused {
        clients: ClientPlan { greeting: 40, turns: (4, 10), pause: (0, 800_000), ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), busy: 400, ..APP },
        module: Some(PASSWORD),
        expect: Expect::partial(100, 1, &[DropReason::Refused]),
    }
    /// The test server is down for a while: sessions log in again afterwards.
    login_outage {
        clients: ClientPlan { greeting: 40, turns: (6, 12), pause: (0, 1_000_000), ..CLIENTS },
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD),
        outage: Some((150_000, 400_000)),
        expect: Expect::partial(100, 12, &[DropReason::ClosedByServer, DropReason::Refused]),
    }
    /// The module observes the online server's answers.
    watch {
        clients: ClientPlan { reuse: 300, ..WATCHED },
        app: AppPlan { password: Some(PASSWORD), think: (10, 50_000), ..APP },
        module: Some(PASSWORD),
        expect: Expect { floor: 0, ..late(3) },
    }
    /// The same with clients that do not wait for all of an answer, not even the login's: their next bytes may look
    /// like an answer to something.
    watch_pipelined {
        clients: ClientPlan { creep: 1000, pipeline: 600, late: 10, again: 50, ..WATCHED },
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD),
        expect: Expect { floor: 0, ..late(8) },
    }
    /// The same with a module that wants only segments that begin in a certain way.
    watch_beginnings {
        clients: ClientPlan { reuse: 300, late: 10, ..WATCHED },
        app: AppPlan { password: Some(PASSWORD), think: (10, 50_000), ..APP },
        module: Some(PASSWORD),
        online: PathPlan { duplicate: 200, ..BASE.online },
        expect: Expect { floor: 0, ..late(3) },
    }
    /// The same with lost captures, and clients that do not wait for all of an answer: of the apparent turns, five wait
    /// in vain for 6.7 s together (5 s, then a quarter each time), each from a delayed acknowledgement on (40 ms); one
    /// may have waited 250 ms before.
    watch_beginnings_loss {
        clients: ClientPlan { creep: 500, pipeline: 600, ..WATCHED },
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD),
        online: PathPlan { loss: 200, reorder: 50, jitter: 100, duplicate: 50, ..BASE.online },
        expect: Expect { floor: 0, ..late(8) },
    }
    /// The same with captured answers that overtake each other, and come twice.
    watch_reordering {
        clients: ClientPlan { pause: (4_000, 20_000), ..WATCHED },
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD),
        online: PathPlan { reorder: 100, jitter: 100, duplicate: 50, ..BASE.online },
        expect: Expect { floor: 0, ..late(3) },
    }
    /// The same with answers that are never captured.
    watch_loss {
        clients: WATCHED,
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD),
        online: PathPlan { loss: 100, reorder: 50, jitter: 100, ..BASE.online },
        expect: Expect { floor: 0, ..late(3) },
    }
    /// The same with answers of both servers captured in large segments, of which the module asks for the first bytes.
    watch_jumbo {
        clients: ClientPlan { answer: 300_000, ..WATCHED },
        stack: StackPlan { jumbo: true, ..STACK },
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD),
        answer: PathPlan { loss: 10, reorder: 10, ..BASE.answer },
        expect: Expect { floor: 0, ..late(40) },
    }
    /// The same with a test server that is down for a while.
    watch_outage {
        clients: ClientPlan { turns: (6, 12), pause: (0, 1_000_000), ..WATCHED },
        app: AppPlan { password: Some(PASSWORD), ..APP },
        module: Some(PASSWORD),
        outage: Some((150_000, 400_000)),
        expect: Expect::partial(100, 12, &[DropReason::ClosedByServer, DropReason::Refused]),
    }
    /// The same with connections older than tcpcopy, and a test server that closes idle ones.
    watch_late_join {
        clients: ClientPlan { begin: 300_000, join: 500, turns: (3, 8), pause: (0, 100_000), ..WATCHED },
        app: AppPlan { password: Some(PASSWORD), idle_close: 30_000, ..APP },
        module: Some(PASSWORD),
        expect: Expect::partial(500, 1, &[DropReason::ClosedByServer]),
    }
    everything {
        clients: ClientPlan {
            creep: 200, late: 10, again: 50, join: 100, join_amid: 50, reuse: 200, pause: (0, 60_000), ..CLIENTS
        },
        stack: StackPlan { buffer: (500, 200_000), accept_queue_full: 50, ..STACK },
        app: AppPlan { think: (10, 50_000), silent: 20, idle_close: 400_000, close: 100, reset: 500, slow: 300, ..APP },
        capture: PathPlan { loss: 2, reorder: 10, duplicate: 10, jitter: 50, ..BASE.capture },
        inject: PathPlan { loss: 20, reorder: 20, duplicate: 20, jitter: 500, ..BASE.inject },
        answer: PathPlan { loss: 20, reorder: 20, duplicate: 20, jitter: 500, ..BASE.answer },
        link: PathPlan { delay: 60, jitter: 500, ..BASE.link },
        intercepts: 2,
        shared: true,
        cuts: 2,
        cut_for: (1_000, 500_000),
        outage: Some((300_000, 400_000)),
        own_seen: 300,
        noise: 30,
        truncated: 2,
        expect: Expect {
            within: Duration::from_secs(400),
            ..Expect::partial(0, 300, &[
                DropReason::CaptureGap,
                DropReason::JoinedMidTurn,
                DropReason::Refused,
                DropReason::NoAnswer,
                DropReason::ClosedByServer,
                DropReason::Truncated,
            ])
        },
    }
}
