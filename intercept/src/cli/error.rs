//! What can be wrong with a command line, each in one line with its cure.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use thiserror::Error;

/// Why the command line cannot be used. What the user wrote is escaped, so that it stays one line.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UsageError {
    /// The argument parser refused it.
    #[error("{0}; see intercept -h")]
    Arguments(String),
    /// A word that is no flag and no value of one.
    #[error("'{0}' belongs to no flag: lists are written without spaces, A,B; see intercept -h")]
    Stray(String),
    /// A flag of TCPCopy 1.x that is not there yet.
    #[error("-{flag} is not supported yet ({meaning}); leave it out")]
    Unsupported {
        /// Its letter.
        flag: &'static str,
        /// What it would do.
        meaning: &'static str,
    },
    /// A piece of `-i` is empty, or given twice.
    #[error("-i: '{piece}' {problem}; the form is NAME,NAME, as in eth0,lo")]
    Interface {
        /// The piece between commas.
        piece: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// `-b` is no address.
    #[error("-b: '{0}' is no IP address; name one of this host, as in -b 10.0.0.18; the port goes to -p")]
    Bind(String),
    /// A file name that cannot be made absolute.
    #[error("{flag}: cannot use '{path}' as a file name: {problem}; give an absolute path")]
    Path {
        /// The flag.
        flag: &'static str,
        /// The name given.
        path: String,
        /// The operating system's message.
        problem: String,
    },
    /// Each would destroy what the other writes.
    #[error("-l and -P name the same file; give each a file of its own")]
    SameFile,
}

impl From<clap::Error> for UsageError {
    /// The first line says what is wrong; the rest is usage and tips, which the help tells better.
    fn from(error: clap::Error) -> Self {
        if let (ErrorKind::UnknownArgument, Some(ContextValue::String(word))) =
            (error.kind(), error.get(ContextKind::InvalidArg))
            && (word == "-" || !word.starts_with('-'))
        {
            return Self::Stray(shown(word));
        }
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or_default();
        Self::Arguments(shown(line.strip_prefix("error: ").unwrap_or(line)))
    }
}

/// The text of an error with control characters escaped: what a user wrote may be part of it, and it stays one line.
#[must_use]
pub fn one_line(error: &dyn std::error::Error) -> String {
    escaped(error.to_string().chars())
}

/// What the user wrote, fit for one line: control characters escaped, cut where it gets long.
pub(super) fn shown(text: &str) -> String {
    const LIMIT: usize = 200;
    let mut shown = escaped(text.chars().take(LIMIT));
    if text.chars().nth(LIMIT).is_some() {
        shown.push_str("...");
    }
    shown
}

fn escaped(text: impl Iterator<Item = char>) -> String {
    text.flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] }).collect()
}
