//! What can be wrong with a command line, each in one line with its cure.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use thiserror::Error;

/// Why the command line cannot be used. Parts that the user wrote are escaped, so that it stays one line.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UsageError {
    /// The argument parser refused it.
    #[error("{0}; see tcpcopy -h")]
    Arguments(String),
    /// A word that is no flag and no value of one.
    #[error("'{0}' belongs to no flag: lists are written without spaces, A,B; see tcpcopy -h")]
    Stray(String),
    /// A flag of TCPCopy 1.x that is not there yet.
    #[error("-{flag} is not supported yet ({meaning}); leave it out")]
    Unsupported {
        /// Its letter.
        flag: &'static str,
        /// What it would do.
        meaning: &'static str,
    },
    /// No `-x`.
    #[error("nothing to copy: say what and where to with -x [IP:]PORT-IP:PORT, as in -x 80-10.0.0.17:8080")]
    NoTransfer,
    /// No `-s`.
    #[error("no intercept given: name the host where it runs with -s IP[:PORT], as in -s 10.0.0.18")]
    NoIntercept,
    /// A piece of `-x` cannot be read.
    #[error(
        "-x: '{piece}': {problem}; the form is [IP:]PORT-IP:PORT, as in 80-10.0.0.17:8080 or [2001:db8::1]:80-[2001:db8::2]:80"
    )]
    Transfer {
        /// The piece between commas.
        piece: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A MAC address in `-x`.
    #[error(
        "-x: '{piece}': MAC addresses ('@') are not supported yet; leave them out: the kernel's routes decide"
    )]
    Mac {
        /// The piece between commas.
        piece: String,
    },
    /// A transfer that would send the copy to the service that it comes from.
    #[error("-x: '{piece}' copies the online service to itself; name the test server after the '-'")]
    ToItself {
        /// The piece between commas.
        piece: String,
    },
    /// A client keeps its address: it cannot change its family.
    #[error("-x: '{piece}' mixes IPv4 and IPv6; name both servers by addresses of one family")]
    Families {
        /// The piece between commas.
        piece: String,
    },
    /// Two transfers for one service.
    #[error(
        "-x: '{piece}' never applies, '{earlier}' before it covers the same service; give each service one target, special cases first"
    )]
    Covered {
        /// The piece that would be ignored.
        piece: String,
        /// The one that takes its packets.
        earlier: String,
    },
    /// A piece of `-s` cannot be read.
    #[error("-s: '{piece}': {problem}; the form is IP[:PORT], as in 10.0.0.18 or [2001:db8::18]:36524")]
    Intercept {
        /// The piece between commas.
        piece: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A piece of `-i` cannot be used.
    #[error("-i: '{piece}': {problem}; the form is NAME,NAME, as in eth0,lo")]
    Interface {
        /// The piece between commas.
        piece: String,
        /// What is wrong with it.
        problem: &'static str,
    },
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
    /// Two flags name one file.
    #[error("{first} and {second} both name '{path}'; give each a file of its own")]
    SameFile {
        /// The first flag.
        first: &'static str,
        /// The second flag.
        second: &'static str,
        /// The file.
        path: String,
    },
}

impl From<clap::Error> for UsageError {
    /// The first line says what is wrong; the rest is usage and tips, which the help tells better.
    fn from(error: clap::Error) -> Self {
        if let (ErrorKind::UnknownArgument, Some(ContextValue::String(word))) =
            (error.kind(), error.get(ContextKind::InvalidArg))
            && (word == "-" || !word.starts_with('-'))
        {
            return Self::Stray(shown(word, 80));
        }
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or_default();
        Self::Arguments(shown(line.strip_prefix("error: ").unwrap_or(line), 200))
    }
}

/// The text of an error with control characters escaped: what a user wrote may be part of it, and it stays one line.
#[must_use]
pub fn one_line(error: &dyn std::error::Error) -> String {
    escaped(error.to_string().chars())
}

/// What the user wrote, fit for one line: control characters escaped, cut at `limit` characters.
pub(super) fn shown(text: &str, limit: usize) -> String {
    let mut shown = escaped(text.chars().take(limit));
    if text.chars().nth(limit).is_some() {
        shown.push_str("...");
    }
    shown
}

fn escaped(text: impl Iterator<Item = char>) -> String {
    text.flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] }).collect()
}
