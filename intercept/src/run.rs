//! From the configuration to the running daemon, and its end.

use std::io;
use std::path::Path;

use common_os::process::daemon::{self, PidFile, PidFileError};
use common_os::process::limits;
use common_os::process::logging::{self, LogError};
use common_os::process::privileges;
use common_os::process::signals::Signals;
use log::LevelFilter;
use thiserror::Error;

use crate::cli::Config;
use crate::driver::{Crew, StartError};

/// Why intercept ends other than by a signal. Each is one line for the user.
#[derive(Debug, Error)]
pub enum RunError {
    /// The log cannot be written.
    #[error("{0}")]
    Log(#[from] LogError),
    /// The PID file cannot be had.
    #[error("{0}")]
    PidFile(#[from] PidFileError),
    /// A socket cannot be had.
    #[error("{0}")]
    Start(#[from] StartError),
    /// The process cannot be made what was asked for.
    #[error("cannot {action}: {source}; check the limits of this process (ulimit -a) and the kernel's log")]
    Process {
        /// What was to be done.
        action: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
}

impl RunError {
    /// The command line asks for what cannot be: no such interface, no such filter.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Start(StartError::Filter(_)) => true,
            Self::Start(StartError::Capture(error)) => error.is_usage(),
            _ => false,
        }
    }
}

/// Runs intercept until a signal ends it.
///
/// # Errors
/// [`RunError`], before the daemon has left the terminal wherever that can be.
pub fn run(config: &Config) -> Result<(), RunError> {
    let failed = |action| move |source| RunError::Process { action, source };
    // Before anything is opened and any thread is started: what follows belongs to the process that stays.
    let starting =
        config.daemon.then(daemon::daemonize).transpose().map_err(failed("start in the background"))?;
    let signals = Signals::take(config.daemon).map_err(failed("take over signals"))?;
    // Dropped last: whatever is said at the end is written.
    let _log = logging::init(config.log_file.as_deref(), LevelFilter::Info)?;
    config.ignored.iter().for_each(|flag| log::warn!("{flag}"));
    limits::raise_open_files().map_err(failed("raise the limit of open files"))?;
    let _pid_file = config.pid_file.as_deref().map(PidFile::create).transpose()?;
    let crew = Crew::open(config)?;
    let directories: Vec<_> = config.pid_file.as_deref().and_then(Path::parent).into_iter().collect();
    privileges::drop_all_but(&[], &directories).map_err(failed("give privileges up"))?;
    log::info!("intercept {} listens on {}", env!("CARGO_PKG_VERSION"), crew.address());
    if let Some(starting) = starting {
        if config.log_file.is_none() {
            log::warn!("-d without -l: nothing is logged from here on");
        }
        logging::flush();
        starting.detach().map_err(failed("leave the terminal"))?;
    }
    crew.run(signals).map_err(failed("wait for events"))
}
