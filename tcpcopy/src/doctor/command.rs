//! The command line: that of tcpcopy, and `--json`.

use std::ffi::OsString;

use common_os::command_line::Invocation;
use thiserror::Error;

use crate::cli::{self, Config, UsageError};

const HELP: &str = "\
Checks the way of the packets from the clients to the test server and back, hop by hop, and names the first hop that fails

Usage: tcpcopy doctor -x TRANSFER,... -s IP,... [OPTIONS]

Give it the flags with which tcpcopy is to run, see tcpcopy -h. Flags without a meaning here have no effect.

      --json  Print the result as JSON
  -h, --help  Print this help

Exit status: 0 if nothing is wrong, 1 if a hop fails, 2 if the command line cannot be used.
Example: tcpcopy doctor -x 80-10.0.0.17:8080 -s 10.0.0.18 -i eth0
";

/// What is to be examined.
pub struct Options {
    /// The settings with which tcpcopy is to run.
    pub config: Config,
    /// The result is printed as JSON.
    pub json: bool,
}

/// A command line that cannot be used: one line with a hint.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CommandError {
    /// tcpcopy could not use it either.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Nothing is captured, so there is no way to check.
    #[error("capture files have no way to check; leave --offline, or the file of -i, out")]
    Offline,
    /// A probe would be a request to the UDP service.
    #[error("--udp: only the way of TCP services can be checked; see docs/OPERATIONS.md for UDP")]
    Datagrams,
}

/// Reads the command line, program name and the word `doctor` included.
///
/// # Errors
/// [`CommandError`].
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation<Options>, CommandError> {
    let (flags, others): (Vec<_>, Vec<_>) = args
        .into_iter()
        .enumerate()
        .filter(|(index, _)| *index != 1)
        .map(|(_, arg)| arg)
        .partition(|arg| arg == "--json");
    if others.iter().any(|arg| arg == "-h" || arg == "--help") {
        return Ok(Invocation::Print(HELP.to_owned()));
    }
    let config = match cli::parse(others)? {
        Invocation::Run(config) => config,
        Invocation::Print(text) => return Ok(Invocation::Print(text)),
    };
    if config.offline.is_some() {
        return Err(CommandError::Offline);
    }
    if config.datagram_rate.is_some() {
        return Err(CommandError::Datagrams);
    }
    Ok(Invocation::Run(Options { config, json: !flags.is_empty() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &[&str]) -> Result<Invocation<Options>, CommandError> {
        let line = ["tcpcopy", "doctor", "-x", "80-10.0.0.17:80", "-s", "10.0.0.18"].iter().chain(more);
        parse(line.map(OsString::from))
    }

    #[test]
    fn it_takes_the_flags_of_tcpcopy() {
        for (more, json) in [(&["-i", "eth0", "-d"][..], false), (&["--json", "-C", "2"], true)] {
            let Ok(Invocation::Run(options)) = read(more) else { panic!("{more:?} is refused") };
            assert_eq!(options.json, json);
        }
        assert!(matches!(read(&["-h"]), Ok(Invocation::Print(text)) if text == HELP));
    }

    #[test]
    fn what_has_no_way_is_refused() {
        for (more, part) in [
            (&["--offline", "f"][..], "leave --offline"),
            (&["--udp", "-i", "eth0"], "--udp: only"),
            (&["--nonsense"], "'--nonsense'"),
        ] {
            let error = read(more).err().unwrap().to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
    }
}
