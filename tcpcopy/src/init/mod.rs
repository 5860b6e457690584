//! `tcpcopy init`: says which mode fits, and prints the commands that set up each host and undo it.
//!
//! It changes nothing itself. What decides is free of I/O: [`mode`] chooses, [`plan`] writes the commands. [`setup`] collects what
//! they need, from the flags or from a [`dialogue`].

mod answers;
mod args;
mod dialogue;
mod error;
mod mode;
mod plan;
mod setup;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use common_core::text::one_line;
use common_os::command_line::Invocation;
use common_os::io::interfaces;

use args::Given;
use dialogue::Dialogue;
use error::InitError;

/// Exit code of a command line that cannot be used, as of the daemons.
const USAGE: u8 = 2;

/// Runs the command. `args` is what follows the word `init`.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (printed, code) = match text(args) {
        Ok(text) => (io::stdout().write_all(text.as_bytes()), ExitCode::SUCCESS),
        Err(error) => (writeln!(io::stderr(), "tcpcopy init: {}", one_line(&error)), ExitCode::from(USAGE)),
    };
    // If this fails, the reader has closed the pipe: it has read enough.
    drop(printed);
    code
}

/// What is printed: the help or the plan.
fn text(args: impl IntoIterator<Item = OsString>) -> Result<String, InitError> {
    let words = std::iter::once(OsString::from("tcpcopy init")).chain(args);
    let matches = match Invocation::parse(&Given::command().term_width(100), words)? {
        Invocation::Run(matches) => matches,
        Invocation::Print(text) => return Ok(text),
    };
    let given = Given::from_arg_matches(&matches)?;
    let setup = if given.yes || !io::stdin().is_terminal() {
        setup::complete(given, &[], None)?
    } else {
        // The plan alone goes to standard output, so that it can go into a file.
        let (mut input, mut output) = (io::stdin().lock(), io::stderr());
        let mut dialogue = Dialogue::new(&mut input, &mut output);
        setup::complete(given, &interfaces::local_addresses(), Some(&mut dialogue))?
    };
    Ok(plan::text(&setup))
}
