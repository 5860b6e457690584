//! The validated configuration.

use std::net::IpAddr;
use std::path::{PathBuf, absolute};

use super::error::{UsageError, shown};
use super::raw::RawArgs;

/// What the user asks for, checked as far as that goes without touching the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Interfaces to capture on; empty for all (`-i`).
    pub interfaces: Vec<String>,
    /// pcap filter; without it the filter is derived from the targets that are announced (`-F`).
    pub filter: Option<String>,
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
}

impl Config {
    pub(super) fn validate(raw: RawArgs) -> Result<Self, UsageError> {
        let (log_file, pid_file) = (file("-l", raw.log_file)?, file("-P", raw.pid_file)?);
        if log_file.is_some() && log_file == pid_file {
            return Err(UsageError::SameFile);
        }
        Ok(Self {
            interfaces: interfaces(&raw.interfaces)?,
            filter: raw.filter,
            bind: raw.bind.as_deref().map(address).transpose()?,
            port: raw.port,
            log_file,
            pid_file,
            daemon: raw.daemon,
        })
    }
}

/// Whether an interface exists is known when it is opened. Given twice, its packets would be captured twice.
fn interfaces(lists: &[String]) -> Result<Vec<String>, UsageError> {
    let mut names: Vec<String> = Vec::new();
    for name in lists.iter().flat_map(|list| list.split(',')).map(str::trim) {
        let problem = match name {
            "" => Some("is no name"),
            _ if names.iter().any(|other| other == name) => Some("is there twice"),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(UsageError::Interface { piece: shown(name), problem });
        }
        names.push(name.into());
    }
    // libpcap's name for all of them.
    if !names.iter().any(|name| name == "any") {
        return Ok(names);
    }
    match names.len() {
        1 => Ok(Vec::new()),
        _ => Err(UsageError::Interface {
            piece: "any".into(),
            problem: "stands for all interfaces and cannot be joined with others",
        }),
    }
}

/// IPv6 addresses may stand in brackets, as everywhere else.
fn address(text: &str) -> Result<IpAddr, UsageError> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| UsageError::Bind(shown(text)))
}

fn file(flag: &'static str, path: Option<PathBuf>) -> Result<Option<PathBuf>, UsageError> {
    let Some(path) = path else { return Ok(None) };
    absolute(&path).map(Some).map_err(|error| UsageError::Path {
        flag,
        path: shown(&path.display().to_string()),
        problem: error.to_string(),
    })
}
