//! A scenario: everything that the seed does not decide.

use std::time::Duration;

use tcpcopy::ledger::DropReason;
use tcpcopy::settings::OnReconnect;

use crate::client::ClientPlan;
use crate::network::PathPlan;
use crate::server::{AppPlan, StackPlan};
use crate::strangers::StrangerPlan;

/// The end of a run, once the clients are silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The engine learns that nothing more will come.
    Drain,
    /// The engine learns nothing: its sessions must end by themselves.
    Expire,
    /// The engine is stopped at this time, in microseconds, while the clients go on.
    Abort(u64),
}

/// The requests that the test server may receive in another state than the online server was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misread {
    Never,
    /// On three connections to each target, until the trials have failed; these requests are not replayed.
    Trials,
    /// Any: the protocol is unknown, and the test server does not show that state matters.
    Unseen,
}

/// The rules for the end, besides those that always hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expect {
    /// Nothing is dropped, and all captured bytes were read.
    pub(crate) whole: bool,
    /// Nothing is sent twice by either side, and nothing comes later than necessary.
    pub(crate) clean: bool,
    /// The only reasons for dropping that may occur.
    pub(crate) reasons: &'static [DropReason],
    /// Replayed bytes per thousand captured ones, at least.
    pub(crate) floor: u64,
    /// Longest time from the clients' last segment to its arrival at the server.
    pub(crate) lag: Duration,
    /// Longest time from the clients' last segment to the engine's last packet.
    pub(crate) within: Duration,
    pub(crate) misread: Misread,
    /// All that is sent after the test server's return is read.
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
    /// The same for the online server's answers.
    pub(crate) online: PathPlan,
    /// From the engine to the test server.
    pub(crate) inject: PathPlan,
    /// From the test server to the intercepts.
    pub(crate) answer: PathPlan,
    /// Of the control links; they lose nothing while they are up.
    pub(crate) link: PathPlan,
    pub(crate) intercepts: usize,
    /// Every answer passes one of the intercepts, instead of all.
    pub(crate) shared: bool,
    /// When the intercepts are first there.
    pub(crate) link_from: u64,
    /// How often a control link is cut while the clients talk.
    pub(crate) cuts: u32,
    /// How long a cut lasts.
    pub(crate) cut_for: (u64, u64),
    /// When the test service is down.
    pub(crate) outage: Option<(u64, u64)>,
    /// When nothing reaches the test server, or comes from it.
    pub(crate) unreachable: Option<(u64, u64)>,
    /// When tcpcopy is killed and started again.
    pub(crate) restart_at: Option<u64>,
    /// The intercepts are started again with it, and remember nothing.
    pub(crate) intercepts_restart: bool,
    /// Intercepts and tcpcopy have a key.
    pub(crate) keyed: bool,
    pub(crate) wait_for_answers: bool,
    pub(crate) memory_limit: u64,
    pub(crate) session_timeout: Duration,
    pub(crate) keepalive_timeout: Duration,
    /// Captured packets that are truncated.
    pub(crate) truncated: u32,
    /// Captured packets followed by one of no session.
    pub(crate) noise: u32,
    /// What strangers send to the online server.
    pub(crate) strangers: StrangerPlan,
    /// Answers followed by one that the server never sent.
    pub(crate) forged: u32,
    /// Injected packets that are captured again.
    pub(crate) own_seen: u32,
    /// The setting for sessions that need a new connection in mid-stream.
    pub(crate) on_reconnect: OnReconnect,
    /// The toy protocol is used, and its module has this password.
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
        intercepts_restart: false,
        keyed: false,
        wait_for_answers: true,
        memory_limit: 1 << 30,
        session_timeout: Duration::from_secs(60),
        keepalive_timeout: Duration::from_secs(600),
        truncated: 0,
        noise: 0,
        strangers: StrangerPlan { segments: 0, syns: 0 },
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
    /// Bytes may be dropped, for these reasons; `per_mille` of them arrive, within this many seconds.
    pub(crate) const fn partial(floor: u64, seconds: u64, reasons: &'static [DropReason]) -> Self {
        let lag = Duration::from_secs(seconds);
        Self { whole: false, clean: false, reasons, floor, lag, ..Scenario::BASE.expect }
    }
}
