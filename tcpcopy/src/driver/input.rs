//! Where a worker's packets come from: capture sockets, or files.

use std::io;

use common_core::time::Time;
use common_os::io::Captured;
use mio::{Registry, Token};

use super::captures::Captures;
use super::replay::Replay;
use crate::engine::Load;
use crate::offline::FileStats;
use crate::report::CaptureStats;

/// The source of a worker's packets.
pub(super) enum Input {
    Live(Captures),
    Files(Box<Replay>),
}

impl Input {
    /// The number of tokens that it takes.
    pub(super) fn tokens(&self) -> usize {
        match self {
            Self::Live(captures) => captures.count(),
            Self::Files(_) => 1,
        }
    }

    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Live(captures) => captures.register(registry),
            Self::Files(replay) => replay.register(registry),
        }
    }

    /// Notes an event; false if the token is of something else.
    pub(super) fn handle_event(&mut self, token: Token) -> bool {
        match self {
            Self::Live(captures) => captures.handle_event(token),
            Self::Files(replay) => replay.handle_event(token),
        }
    }

    /// Takes the time and the load of the sessions, for which only files can wait.
    pub(super) fn observe(&mut self, now: Time, load: impl FnOnce() -> Load) {
        if let Self::Files(replay) = self {
            replay.observe(now, load());
        }
    }

    /// There may be packets that no event will report.
    pub(super) fn any_ready(&self) -> bool {
        match self {
            Self::Live(captures) => captures.any_ready(),
            Self::Files(replay) => replay.any_ready(),
        }
    }

    /// When there may be packets that no event reports.
    pub(super) fn poll_timeout(&self) -> Time {
        match self {
            Self::Live(_) => Time::NEVER,
            Self::Files(replay) => replay.poll_timeout(),
        }
    }

    /// Passes at most `budget` packets of each source to `sink`; returns how many there were.
    pub(super) fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(Captured<'_>)) -> usize {
        match self {
            Self::Live(captures) => captures.receive(budget, sink),
            Self::Files(replay) => replay.receive(budget, sink),
        }
    }

    /// No packet will come any more.
    pub(super) fn is_read(&self) -> bool {
        match self {
            Self::Live(_) => false,
            Self::Files(replay) => replay.is_read(),
        }
    }

    /// Reads the counters.
    pub(super) fn tick(&mut self) -> CaptureStats {
        match self {
            Self::Live(captures) => captures.tick(),
            Self::Files(_) => CaptureStats::default(),
        }
    }

    /// Packets that came, at the last [`Self::tick`].
    pub(super) fn received(&self, stats: &CaptureStats) -> u64 {
        match self {
            Self::Live(_) => stats.kernel_received,
            Self::Files(replay) => replay.handed_over(),
        }
    }

    /// Stops; packets that are queued can still be read.
    pub(super) fn stop(&mut self) {
        match self {
            Self::Live(captures) => captures.stop(),
            Self::Files(replay) => replay.stop(),
        }
    }

    /// Counts the packets that are still queued after [`Self::stop`] and will not be read.
    pub(super) fn discard(&mut self) {
        if let Self::Live(captures) = self {
            captures.discard();
        }
    }

    /// The account of capture files, if they are replayed.
    pub(super) fn file_stats(&self) -> Option<FileStats> {
        match self {
            Self::Live(_) => None,
            Self::Files(replay) => Some(replay.stats()),
        }
    }
}
