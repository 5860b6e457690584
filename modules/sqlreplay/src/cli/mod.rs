//! The command line.

mod captured;
mod convert;
mod my_cnf;
mod record;
mod replay;
mod sessions;
mod show;
mod sniffed;

use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Parser, Subcommand};
use common_core::text::shown;

/// Records SQL sessions, shows them and replays them.
#[derive(Debug, Parser)]
#[command(name = "sqlreplay", version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record the sessions of clients that connect through this proxy, or of captured packets
    Record(record::Arguments),
    /// List the sessions of a recording
    Sessions(sessions::Arguments),
    /// Show the statements of a recording, with parameters and results
    Show(show::Arguments),
    /// Convert a recording to YAML and back, or from other tools' formats
    Convert(convert::Arguments),
    /// Play a recording to a server, and report what differs
    Replay(replay::Arguments),
}

/// Why a command ended without doing what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// It could not be done.
    Other(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.to_string())
    }
}

/// A session as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionName {
    /// By the client's port.
    Port(u16),
    /// By its number.
    Number(u64),
}

impl FromStr for SessionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix('#').map(|number| number.parse().map(Self::Number));
        number.unwrap_or_else(|| text.parse().map(Self::Port)).map_err(|_| {
            format!("{text:?} is neither the port of a client nor the number of a session: 54752 or #1")
        })
    }
}

impl SessionName {
    /// Whether one of the names is that of this session; no names mean all.
    pub(crate) fn any(names: &[Self], number: u64, client: &str) -> bool {
        names.is_empty()
            || names.iter().any(|name| match name {
                Self::Port(port) => crate::inspect::port(client) == Some(*port),
                Self::Number(it) => *it == number,
            })
    }
}

/// Prints to the standard output. A reader that has enough (`head`) ends the program, without a complaint.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(problem) if problem.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => Ok(result?),
    }
}

/// Exit status: what was asked for could not be done.
const COULD_NOT: u8 = 1;

/// Exit status: the command line is wrong.
const USAGE: u8 = 2;

/// The longest error, in characters: it may quote a file, which anybody may have written.
const ERROR_MAX: usize = 1000;

/// Runs the command, and returns the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Record(arguments) => record::run(arguments),
        Command::Sessions(arguments) => sessions::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Convert(arguments) => convert::run(arguments),
        Command::Replay(arguments) => replay::run(&arguments),
    };
    match result {
        Ok(status) => status,
        Err(Failure::Usage(text)) => {
            eprintln!("sqlreplay: {}", shown(&text, ERROR_MAX));
            ExitCode::from(USAGE)
        }
        Err(Failure::Other(text)) => {
            eprintln!("sqlreplay: {}", shown(&text, ERROR_MAX));
            ExitCode::from(COULD_NOT)
        }
    }
}
