//! A scenario: everything that is not left to the seed.

use std::time::Duration;

use tcpcopy::ledger::DropReason;
use tcpcopy::settings::OnReconnect;

use crate::client::ClientPlan;
use crate::network::PathPlan;
use crate::server::{AppPlan, StackPlan};

/// How a run ends once the clients have fallen silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The engine is told that nothing more will come.
    Drain,
    /// The engine is told nothing: its sessions must end by themselves.
    Expire,
    /// The engine is stopped at this time, in microseconds, while the clients go on.
    Abort(u64),
}

/// What requests may be said to a test server in another state than the online server was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misread {
    Never,
    /// On three connections to each target, until it is known that it keeps something for them; they are not replayed.
    Trials,
    /// Any: the protocol is unknown, and the test server does not show that it matters.
    Unseen,
}

/// What must hold at the end, besides what must always hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expect {
    /// Nothing is dropped, and everything that was captured has been read.
    pub(crate) whole: bool,
    /// Nothing is sent twice, by either side, and nothing comes later than it could.
    pub(crate) clean: bool,
    /// The only reasons for dropping that may occur.
    pub(crate) reasons: &'static [DropReason],
    /// Of a thousand captured bytes, so many at least are replayed.
    pub(crate) floor: u64,
    /// From the last word of the clients to its arrival at the server at most.
    pub(crate) lag: Duration,
    /// From the last word of the clients to the last of the engine at most.
    pub(crate) within: Duration,
    pub(crate) misread: Misread,
    /// What is said after the test server has come back is read.
    pub(crate) resumes: bool,
}

/// One scenario. Rates per thousand, times in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) clients: ClientPlan,
    pub(crate) stack: StackPlan,
    pub(crate) app: AppPlan,
    /// From the online host's wire to the engine: a loss here is a packet that was never captured.
    pub(crate) capture: PathPlan,
    /// The same for what the online server answers.
    pub(crate) online: PathPlan,
    /// From the engine to the test server.
    pub(crate) inject: PathPlan,
    /// From the test server to the intercepts.
    pub(crate) answer: PathPlan,
    /// Of the control links; they lose nothing while they stand.
    pub(crate) link: PathPlan,
    pub(crate) intercepts: usize,
    /// Every answer passes one of the intercepts, instead of each.
    pub(crate) shared: bool,
    /// When the intercepts are first there.
    pub(crate) link_from: u64,
    /// How often a control link is cut while the clients talk.
    pub(crate) cuts: u32,
    /// How long a cut lasts.
    pub(crate) cut_for: (u64, u64),
    /// When the test service is down.
    pub(crate) outage: Option<(u64, u64)>,
    /// When nothing reaches the test server, nor comes from it.
    pub(crate) unreachable: Option<(u64, u64)>,
    /// When tcpcopy is killed and started again.
    pub(crate) restart_at: Option<u64>,
    pub(crate) wait_for_answers: bool,
    pub(crate) memory_limit: u64,
    pub(crate) session_timeout: Duration,
    pub(crate) keepalive_timeout: Duration,
    /// Captured packets that are cut short.
    pub(crate) truncated: u32,
    /// Captured packets followed by one that is nobody's.
    pub(crate) noise: u32,
    /// Answers followed by one that the server never gave.
    pub(crate) forged: u32,
    /// Injected packets that are captured again.
    pub(crate) own_seen: u32,
    /// What becomes of sessions that need a new connection in mid-stream.
    pub(crate) on_reconnect: OnReconnect,
    /// The toy protocol is spoken, and its module is given this password.
    pub(crate) module: Option<u64>,
    pub(crate) ending: Ending,
    pub(crate) expect: Expect,
}

impl Scenario {
    /// A network without faults, a server without quirks.
    pub(crate) const BASE: Self = Self {
        name: "",
        clients: ClientPlan::BASE,
        stack: StackPlan::BASE,
        app: AppPlan::BASE,
        capture: PathPlan { delay: 10, jitter: 0, reorder: 0, loss: 0, duplicate: 0 },
        online: PathPlan { delay: 10, jitter: 0, reorder: 0, loss: 0, duplicate: 0 },
        inject: PathPlan { delay: 100, jitter: 0, reorder: 0, loss: 0, duplicate: 0 },
        answer: PathPlan { delay: 100, jitter: 0, reorder: 0, loss: 0, duplicate: 0 },
        link: PathPlan { delay: 60, jitter: 0, reorder: 0, loss: 0, duplicate: 0 },
        intercepts: 1,
        shared: false,
        link_from: 0,
        cuts: 0,
        cut_for: (0, 0),
        outage: None,
        unreachable: None,
        restart_at: None,
        wait_for_answers: true,
        memory_limit: 1 << 30,
        session_timeout: Duration::from_secs(60),
        keepalive_timeout: Duration::from_secs(600),
        truncated: 0,
        noise: 0,
        forged: 0,
        own_seen: 0,
        on_reconnect: OnReconnect::Resume,
        module: None,
        ending: Ending::Drain,
        expect: Expect {
            whole: true,
            clean: false,
            reasons: &[],
            floor: 1000,
            lag: Duration::from_secs(1),
            within: Duration::from_secs(60),
            misread: Misread::Unseen,
            resumes: false,
        },
    };

    /// The test's name without its file's.
    pub(crate) fn short_name(&self) -> &'static str {
        self.name.rsplit("::").next().unwrap_or_default()
    }

    pub(crate) const fn named(name: &'static str) -> Self {
        Self { name, ..Self::BASE }
    }
}

impl Expect {
    /// Some of it may be dropped, for these reasons; so many of a thousand bytes arrive, in so many seconds.
    pub(crate) const fn partial(floor: u64, seconds: u64, reasons: &'static [DropReason]) -> Self {
        let lag = Duration::from_secs(seconds);
        Self { whole: false, clean: false, reasons, floor, lag, ..Scenario::BASE.expect }
    }
}
