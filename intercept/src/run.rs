//! From the configuration to the running daemon, and its end.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use common_os::process::rights::Needs;
use common_os::process::start::{Process, StartError};
use common_os::process::stats_file::{StatsFile, StatsFileError};
use thiserror::Error;

use crate::cli::Config;
use crate::driver::{Driver, listen_hint};

/// Why intercept ended other than by a signal: one line with a hint.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// `--stats-json` cannot be used.
    #[error(transparent)]
    Stats(#[from] StatsFileError),
    /// The control port cannot be opened.
    #[error("cannot listen on {address}: {source}; {}", listen_hint(source))]
    Listen {
        /// The address and port.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
}

impl RunError {
    /// The command line names something that does not exist, or a filter that does not compile.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Start(error) if error.is_usage())
    }
}

/// Runs intercept until a signal ends it; returns its exit code.
///
/// # Errors
/// [`RunError`], before the daemon has left the terminal wherever that is possible.
pub fn run(config: &Config) -> Result<ExitCode, RunError> {
    let mut process = Process::start(&config.process)?;
    let mut driver = Driver::open(config)?;
    process.give_up_rights(Needs {
        written: config.stats_json.clone().into_iter().collect(),
        ..Needs::default()
    })?;
    if let Some(path) = config.stats_json.clone() {
        driver.report_to(StatsFile::open(path)?);
    }
    log::info!("intercept {} listens on {}", env!("CARGO_PKG_VERSION"), driver.address());
    if config.keys.is_none() {
        log::warn!(
            "no key: whoever is on the way between the hosts can read and change what passes, and any host that reaches this port \
             may ask for answers; make a key with intercept --new-key FILE, and give it to both programs with --key-file FILE"
        );
    }
    if config.tun.is_some() && config.keys.is_none() {
        log::warn!(
            "--without-key: any host that reaches this port can send packets to the test servers, in the name of any address of --net"
        );
    }
    process.detach()?;
    let ended = driver.run(&mut process).map_err(StartError::system("wait for events"));
    process.remove_pid_file();
    ended?;
    Ok(ExitCode::SUCCESS)
}
