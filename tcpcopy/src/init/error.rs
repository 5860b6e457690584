//! Why `tcpcopy init` prints no plan: each error is one line with the cure.

use std::io;

use common_os::command_line::ParseError;
use thiserror::Error;

/// Why there is no plan. Parts that the user wrote are escaped, so that it stays one line.
#[derive(Debug, Error)]
pub(super) enum InitError {
    /// The argument parser refused it.
    #[error("{0}; see tcpcopy init -h")]
    Arguments(String),
    /// An answer is missing, and nobody can be asked.
    #[error("{flag} is missing, the {what}; see tcpcopy init -h")]
    Missing {
        /// The flag with its value.
        flag: &'static str,
        /// Its meaning.
        what: &'static str,
    },
    /// A flag contradicts another one.
    #[error("{flag}: {problem}")]
    Refused {
        /// The flag.
        flag: &'static str,
        /// Why it cannot be used, and what to do.
        problem: String,
    },
    /// The end of the input before the last answer.
    #[error("the input ended before the last question; nothing was changed")]
    InputEnded,
    /// The terminal cannot be used.
    #[error("cannot ask: {0}; give the answers as flags, see tcpcopy init -h")]
    Terminal(#[from] io::Error),
}

impl From<ParseError> for InitError {
    fn from(ParseError(line): ParseError) -> Self {
        Self::Arguments(line)
    }
}

impl From<clap::Error> for InitError {
    fn from(error: clap::Error) -> Self {
        ParseError::from(&error).into()
    }
}
