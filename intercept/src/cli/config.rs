//! The validated configuration.

use std::net::IpAddr;
use std::path::{PathBuf, absolute};

use common_core::text::shown;
use common_os::command_line::{Ignored, filter, interfaces};

use super::error::UsageError;
use super::raw::RawArgs;

/// What the user asks for, checked as far as that goes without touching the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Interfaces to capture on; empty for all (`-i`).
    pub interfaces: Vec<String>,
    /// pcap filter; without it the filter is derived from the targets that are announced (`-F`).
    pub filter: Option<String>,
    /// Threads that share the work (`-C`).
    pub workers: u16,
    /// Address to listen on; all of them without it (`-b`).
    pub bind: Option<IpAddr>,
    /// TCP port to listen on (`-p`).
    pub port: u16,
    /// File that the log is appended to, an absolute path; standard error without it (`-l`).
    pub log_file: Option<PathBuf>,
    /// File for the process id, an absolute path (`-P`).
    pub pid_file: Option<PathBuf>,
    /// Run in the background (`-d`).
    pub daemon: bool,
    /// Flags that were given and have no effect.
    pub ignored: Vec<Ignored>,
}

impl Config {
    pub(super) fn validate(raw: RawArgs) -> Result<Self, UsageError> {
        let (log_file, pid_file) = (file("-l", raw.log_file)?, file("-P", raw.pid_file)?);
        if log_file.is_some() && log_file == pid_file {
            return Err(UsageError::SameFile);
        }
        Ok(Self {
            interfaces: interfaces(&raw.interfaces)
                .map_err(|(piece, problem)| UsageError::Interface { piece, problem })?,
            filter: filter(raw.filter.as_deref())?,
            workers: raw.workers,
            bind: raw.bind.as_deref().map(address).transpose()?,
            port: raw.port,
            log_file,
            pid_file,
            daemon: raw.daemon,
            ignored: Vec::new(),
        })
    }
}

/// IPv6 addresses may stand in brackets, as everywhere else.
fn address(text: &str) -> Result<IpAddr, UsageError> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| UsageError::Bind(shown(text, 200)))
}

fn file(flag: &'static str, path: Option<PathBuf>) -> Result<Option<PathBuf>, UsageError> {
    let Some(path) = path else { return Ok(None) };
    absolute(&path).map(Some).map_err(|error| UsageError::Path {
        flag,
        path: shown(&path.display().to_string(), 200),
        problem: error.to_string(),
    })
}
