//! What can be wrong with a command line, each in one line with its cure.

use thiserror::Error;

/// Why the command line cannot be used. What the user wrote is escaped, so that it stays one line.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UsageError {
    /// The argument parser refused it.
    #[error("{0}; see intercept -h")]
    Arguments(String),
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
    #[error("-b: '{0}' is no IP address; name one of this host, as in -b 10.0.0.18")]
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
}

impl From<clap::Error> for UsageError {
    /// The first line says what is wrong; the rest is usage and tips, which the help tells better.
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or_default();
        Self::Arguments(shown(line.strip_prefix("error: ").unwrap_or(line)))
    }
}

/// What the user wrote, fit for one line: control characters escaped, cut where it gets long.
pub(super) fn shown(text: &str) -> String {
    const LIMIT: usize = 200;
    let start = text.chars().take(LIMIT);
    let mut shown: String =
        start.flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] }).collect();
    if text.chars().nth(LIMIT).is_some() {
        shown.push_str("...");
    }
    shown
}
