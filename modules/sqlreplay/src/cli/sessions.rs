//! `sqlreplay sessions`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::inspect::sessions::Sessions;

/// What `sessions` is asked for.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The recording
    file: PathBuf,
    /// As JSON: a list of objects
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let sessions = Sessions::read(&arguments.file)?;
    if arguments.json {
        let all: Vec<_> = sessions.sessions.values().collect();
        super::print(&format!("{}\n", serde_json::to_string_pretty(&all)?))?;
    } else {
        super::print(&format!("{}\n", sessions.table()))?;
    }
    for (reason, count) in &sessions.skipped {
        eprintln!("not recorded: {reason} ({count})");
    }
    if sessions.is_torn {
        eprintln!("the last line is torn, and was skipped");
    }
    Ok(ExitCode::SUCCESS)
}
