//! What can be wrong with a command line, each in one line with its cure.

use common_os::command_line::{Complaint, EmptyFilter};
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
    /// Flags of TCPCopy 1.x that are not there yet.
    #[error("{0}")]
    Unsupported(String),
    /// A piece of `-i` is empty, or given twice.
    #[error("-i: '{piece}': {problem}; the form is NAME,NAME, as in eth0,lo")]
    Interface {
        /// The piece between commas.
        piece: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// `-F` with nothing in it.
    #[error("{0}")]
    Filter(#[from] EmptyFilter),
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
    fn from(error: clap::Error) -> Self {
        match Complaint::from(&error) {
            Complaint::Stray(word) => Self::Stray(word),
            Complaint::Arguments(line) => Self::Arguments(line),
        }
    }
}
