//! The command line.

mod record;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Records SQL sessions, shows them and replays them.
#[derive(Debug, Parser)]
#[command(name = "sqlreplay", version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record the sessions of clients that connect through this proxy
    Record(record::Arguments),
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

/// Exit status: what was asked for could not be done.
const COULD_NOT: u8 = 1;

/// Exit status: the command line is wrong.
const USAGE: u8 = 2;

/// Runs the command, and returns the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Record(arguments) => record::run(arguments),
    };
    match result {
        Ok(status) => status,
        Err(Failure::Usage(text)) => {
            eprintln!("sqlreplay: {text}");
            ExitCode::from(USAGE)
        }
        Err(Failure::Other(text)) => {
            eprintln!("sqlreplay: {text}");
            ExitCode::from(COULD_NOT)
        }
    }
}
