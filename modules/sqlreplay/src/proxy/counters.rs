//! What the proxy counts for people.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Of all connections.
#[derive(Debug, Default)]
pub struct Counters {
    open: AtomicU64,
    sessions: AtomicU64,
    statements: AtomicU64,
    refused_tls: AtomicU64,
    unrecorded: AtomicU64,
    unreachable: AtomicU64,
    lost: AtomicU64,
    problem: Mutex<Option<String>>,
}

/// The counts at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Sessions that are open.
    pub open: u64,
    /// Sessions since the start.
    pub sessions: u64,
    /// Statements that were sent.
    pub statements: u64,
    /// Clients that asked for TLS and were told that there is none.
    pub refused_tls: u64,
    /// Connections of which nothing was recorded.
    pub unrecorded: u64,
    /// Connections for which the server could not be reached.
    pub unreachable: u64,
    /// Sessions of which the rest was not recorded, because the recorder was too slow.
    pub lost: u64,
}

impl Counters {
    /// The counts.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            open: self.open.load(Relaxed),
            sessions: self.sessions.load(Relaxed),
            statements: self.statements.load(Relaxed),
            refused_tls: self.refused_tls.load(Relaxed),
            unrecorded: self.unrecorded.load(Relaxed),
            unreachable: self.unreachable.load(Relaxed),
            lost: self.lost.load(Relaxed),
        }
    }

    /// A problem that the user should hear of: the last one that was not told yet.
    pub fn take_problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Begins a session, and returns how many there were.
    pub(super) fn begin(&self) -> u64 {
        self.open.fetch_add(1, Relaxed);
        self.sessions.fetch_add(1, Relaxed) + 1
    }

    pub(super) fn end(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    pub(super) fn statements(&self, count: u64) {
        self.statements.fetch_add(count, Relaxed);
    }

    pub(super) fn unrecorded(&self) {
        self.unrecorded.fetch_add(1, Relaxed);
    }

    pub(super) fn refused_tls(&self) {
        if self.refused_tls.fetch_add(1, Relaxed) == 0 {
            self.tell(
                "a client asks for TLS and is told that there is none; with sslmode=require it will give up. \
                 Use sslmode=prefer or disable, or --tls pass (then it is not recorded)"
                    .to_owned(),
            );
        }
    }

    pub(super) fn unreachable(&self, upstream: &str, problem: &io::Error) {
        self.unreachable.fetch_add(1, Relaxed);
        self.tell(format!("cannot connect to the server {upstream}: {problem}"));
    }

    pub(super) fn lost(&self) {
        if self.lost.fetch_add(1, Relaxed) == 0 {
            self.tell(
                "the recorder is too slow: the rest of a session is not recorded. Clients are served as before"
                    .to_owned(),
            );
        }
    }

    pub(super) fn accept_failed(&self, problem: &io::Error) {
        self.tell(format!("cannot accept connections: {problem} (more open files: ulimit -n)"));
    }

    fn tell(&self, problem: String) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
    }
}
