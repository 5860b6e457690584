//! Plays a recording's sessions to a server: a connection for each session.

mod check;
mod codec;
mod compare;
mod feed;
mod incoming;
mod link;
mod login;
mod mysql;
mod options;
mod order;
mod outgoing;
mod player;
mod postgres;
mod prepared;
mod selection;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::Notify;

pub use self::check::{Overview, check};
pub use self::login::{LoginError, PasswordSource, Target};
pub use self::options::{ConnectMap, Options};
use crate::clock::Clock;
use crate::recording::{Micros, ReadError};
use crate::report::Report;

/// Why nothing was replayed: one line with the cure.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The recording.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The server.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// A thread could not be started, or has failed.
    #[error("cannot go on: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    /// The recording's first time, which is due at once.
    first: Micros,
    clock: Clock,
    report: Mutex<Report>,
    /// Statements that were played or left, for the progress.
    pub(crate) done: AtomicU64,
    is_stopped: AtomicBool,
    stopped: Notify,
    keys: login::KeyCache,
}

impl Shared {
    pub(crate) fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When what was recorded at this time is due, by the clock; at once if the speed is 0.
    fn due(&self, at: Micros) -> Micros {
        if self.options.speed > 0.0 {
            Micros((at.since(self.first).0 as f64 / self.options.speed) as u64)
        } else {
            Micros(0)
        }
    }

    /// Ends the replay before its time.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Relaxed);
        self.stopped.notify_waiters();
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Relaxed)
    }
}

/// A replay that is ready to run.
pub struct Replay {
    pub(crate) shared: Arc<Shared>,
    path: std::path::PathBuf,
}

impl Replay {
    /// Prepares to play what `overview` has found in the recording.
    ///
    /// # Errors
    ///
    /// If the server does not let the sessions' users in.
    pub async fn prepare(
        path: &std::path::Path,
        options: Options,
        overview: &Overview,
    ) -> Result<Self, ReplayError> {
        let keys = login::KeyCache::default();
        for (user, database) in &overview.logins {
            login::probe(&options, user, database, &keys).await?;
        }
        let shared = Shared {
            first: overview.first.unwrap_or_default(),
            clock: Clock::start(Micros(0)),
            report: Mutex::default(),
            done: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
            stopped: Notify::new(),
            keys,
            options,
        };
        Ok(Self { shared: Arc::new(shared), path: path.to_owned() })
    }

    /// Plays it to its end.
    ///
    /// # Errors
    ///
    /// If the recording cannot be read any more.
    pub async fn run(self) -> Result<Report, ReplayError> {
        let times = self.shared.options.repeat;
        for _ in 0..times {
            if self.shared.is_stopped() {
                break;
            }
            // Each round begins at the time 0 of a clock of its own.
            let round =
                Arc::new(feed::Round { shared: Arc::clone(&self.shared), start: self.shared.clock.now() });
            feed::feed(&self.path, round).await?;
        }
        let mut report = std::mem::take(&mut *self.shared.report());
        report.span = self.shared.clock.now();
        Ok(report)
    }
}
