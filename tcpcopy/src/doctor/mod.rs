//! `tcpcopy doctor`: checks the way of the packets hop by hop, and names the first hop that fails.
//!
//! `examine` asks this host's kernel, `probing` talks to intercept and to the test servers. Both only collect [`facts`]. What
//! follows from them (`judge`) and what is printed (`report`) is free of I/O.

mod check;
mod clients;
mod command;
mod examine;
mod facts;
mod judge;
mod probing;
mod report;
mod sockets;
mod source;

use std::io::{self, Write};
use std::process::ExitCode;

use common_os::process::rights::{AccountError, RightsError};
use thiserror::Error;

pub use command::{CommandError, Options, parse};

use crate::driver::watch;

/// Why the doctor cannot examine: one line with a hint.
#[derive(Debug, Error)]
pub enum DoctorError {
    /// `--user` cannot be used.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Rights cannot be given up.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// The services are elsewhere, and the command line does not suit that.
    #[error("-x: a service is not on this host, so its packets are those of a mirror; {0}")]
    Mirrored(&'static str),
    /// The operating system refuses something that it normally grants.
    #[error("cannot wait for events: {0}; check the limits of this process (ulimit -a)")]
    Events(#[from] io::Error),
}

impl DoctorError {
    /// The command line names something that does not exist.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Account(_) | Self::Mirrored(_))
    }
}

/// Examines and prints; the exit code is 1 if a fault was found.
///
/// # Errors
/// [`DoctorError`].
pub fn run(options: &Options) -> Result<ExitCode, DoctorError> {
    let config = &options.config;
    let clock = common_os::clock::Clock::start();
    let facts = examine::examine(config, clock)?;
    let checks = judge::judge(&facts, &watch::setup(config, clock));
    let text = if options.json { report::json(&checks) } else { report::text(&checks) };
    // If this fails, the reader has closed the pipe: it has read enough.
    let _ = io::stdout().write_all(text.as_bytes());
    let is_faulty = check::first_fault(&checks).is_some();
    Ok(if is_faulty { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
