//! The driver: sockets, clock, signals and files around the engine.

mod captures;
mod event_loop;
mod wire;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::Path;
use std::time::Duration;

use common::flow::Endpoint;
use common::io::bpf::FilterError;
use common::io::injector::Injector;
use common::io::{OpenError, interfaces};
use common::process::daemon::{PidFile, PidFileError, daemonize};
use common::process::logging::{self, LogError};
use common::process::privileges::drop_all_but;
use common::process::signals::Signals;
use common::time::{Clock, Time};
use log::LevelFilter;
use thiserror::Error;

use captures::{Captures, warn_of_local_targets};
use event_loop::{EventLoop, FIRST_CAPTURE};
use wire::Wire;

use crate::cli::Config;
use crate::engine::Engine;
use crate::link::Links;
use crate::report::{StatsFile, StatsFileError};

/// How long the intercepts may take to come up at the start.
const START_LIMIT: Duration = Duration::from_secs(3);

/// Why tcpcopy cannot run: one line with the cure.
#[derive(Debug, Error)]
pub enum StartError {
    /// `-l` cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// `-F` does not compile.
    #[error("-F: {0}")]
    Filter(#[from] FilterError),
    /// A socket cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// `-P` cannot be used.
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    /// `--stats-json` cannot be used.
    #[error(transparent)]
    Stats(#[from] StatsFileError),
    /// An intercept of `-s` cannot be reached.
    #[error("intercept at {address}: {problem}; {cure}")]
    Intercept {
        /// Where it should be.
        address: Endpoint,
        /// What is wrong.
        problem: String,
        /// What the user can do.
        cure: &'static str,
    },
    /// The operating system refuses something that it never should.
    #[error("cannot {action}: {source}; check the limits of this process (ulimit -a) and the kernel's log")]
    System {
        /// What was to be done.
        action: &'static str,
        /// Its error.
        source: io::Error,
    },
}

impl StartError {
    fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

/// Runs tcpcopy until a signal ends it.
///
/// # Errors
/// [`StartError`]: it could not start, or its event loop failed.
pub fn run(config: &Config) -> Result<(), StartError> {
    // All that can fail does so while the user's terminal is still there to show it.
    let daemon = config.daemon.then(daemonize).transpose().map_err(StartError::system("start a daemon"))?;
    logging::init(config.log_file.as_deref(), LevelFilter::Info)?;
    let signals = Signals::take(config.daemon).map_err(StartError::system("take signals over"))?;

    let captures = Captures::open(config, FIRST_CAPTURE)?;
    let wire = Wire::new(Injector::open(config.targets().iter().map(|target| target.ip))?);
    warn_of_local_targets(config, &interfaces::local_addresses());
    let pid_file = config.pid_file.as_deref().map(PidFile::create).transpose()?;
    drop_privileges(config)?;

    let clock = Clock::start();
    let first_link = FIRST_CAPTURE + captures.count();
    let links = Links::new(&config.intercepts, config.targets(), first_link, Time::ZERO, config.alone);
    let engine = Engine::new(config.engine(random(), timestamp_origin()), Time::ZERO);
    let stats = config.stats_json.clone().map(StatsFile::open).transpose()?;
    let mut event_loop = EventLoop::new(clock, signals, captures, links, engine, wire, stats)
        .map_err(StartError::system("make an event loop"))?;
    if !config.alone {
        event_loop.connect(START_LIMIT)?;
    }
    if let Some(daemon) = daemon {
        if config.log_file.is_none() {
            log::warn!("-d without -l: nothing is logged from here on, not even the report at the end");
        }
        daemon.detach().map_err(StartError::system("leave the terminal"))?;
    }
    let result = event_loop.run();
    drop(pid_file);
    result.inspect_err(|error| log::error!("{error}"))
}

/// Every socket that needs a privilege is open by now.
fn drop_privileges(config: &Config) -> Result<(), StartError> {
    let files = [&config.pid_file, &config.stats_json];
    let directories: Vec<&Path> = files.into_iter().flatten().filter_map(|path| path.parent()).collect();
    let kept = drop_all_but(&[], &directories).map_err(StartError::system("give privileges up"))?;
    log::debug!("privileges kept: {kept:?}");
    Ok(())
}

/// A number that nobody can foresee: the standard library's hash keys are random.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The wall clock in milliseconds; it wraps, as TCP timestamps do.
fn timestamp_origin() -> u32 {
    u32::try_from(Clock::unix_millis() & u64::from(u32::MAX)).unwrap_or_default()
}
