//! The common part of both command lines: flags that are refused or ignored, numbers, names of interfaces and files, and
//! errors that stay one line whatever the user has written.

use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use common_core::text::shown;
use thiserror::Error;

use crate::unknown_words;

/// The meaning of a command line.
#[derive(Debug)]
pub enum Invocation<C> {
    /// Run with this configuration.
    Run(C),
    /// Print this text (`-h`, `-v`) and exit.
    Print(String),
}

impl Invocation<ArgMatches> {
    /// Parses a command line, program name included.
    ///
    /// # Errors
    /// [`ParseError`] names all unknown words, or the first other problem.
    pub fn parse(command: &Command, args: impl IntoIterator<Item = OsString>) -> Result<Self, ParseError> {
        let args: Vec<OsString> = args.into_iter().collect();
        match command.clone().try_get_matches_from(&args) {
            Ok(matches) => Ok(Self::Run(matches)),
            Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                Ok(Self::Print(error.render().to_string()))
            }
            Err(error) => Err(match unknown_words::explain(command, args, &error) {
                Some(line) => ParseError(line),
                None => ParseError::from(&error),
            }),
        }
    }
}

/// A flag of TCPCopy 1.x that is refused: if it were ignored, the result would not be what the user asked for.
#[derive(Debug, Clone, Copy)]
pub struct Unsupported {
    /// Its letter.
    pub id: &'static str,
    /// Its effect in TCPCopy 1.x.
    pub meaning: &'static str,
    /// Its value.
    pub value: Value,
}

/// The value of a flag that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// It has none.
    None,
    /// Any value.
    Any,
    /// Any value but this one, which asks for the usual behaviour and is accepted.
    Usual(&'static str),
}

impl Unsupported {
    /// The flag for the parser, which accepts it with and without its value, so that it can be refused here.
    #[must_use]
    pub fn argument(&self) -> Arg {
        match self.value {
            Value::None => hidden(self.id).action(ArgAction::Count),
            Value::Any | Value::Usual(_) => hidden(self.id).num_args(0..=1),
        }
    }

    fn is_wanted(&self, matches: &ArgMatches) -> bool {
        let given = matches.value_source(self.id) == Some(ValueSource::CommandLine);
        let Value::Usual(usual) = self.value else { return given };
        let mut values = matches.get_occurrences::<String>(self.id).into_iter().flatten();
        given && !values.all(|values| values.eq([usual]))
    }

    /// One line about those of `flags` that were given, if any were.
    #[must_use]
    pub fn refusal(flags: &[Self], matches: &ArgMatches) -> Option<String> {
        let given: Vec<_> = flags.iter().filter(|flag| flag.is_wanted(matches)).collect();
        let named: Vec<_> = given.iter().map(|flag| format!("-{} ({})", flag.id, flag.meaning)).collect();
        match &named[..] {
            [] => None,
            [one] => Some(format!("{one} is not supported; leave it out")),
            [all @ .., last] => {
                Some(format!("{} and {last} are not supported; leave them out", all.join(", ")))
            }
        }
    }
}

/// A flag of TCPCopy 1.x that has no effect here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignored {
    /// Its letter.
    pub id: &'static str,
    /// Its meaning in TCPCopy 1.x.
    pub meaning: &'static str,
    /// What this program does instead.
    pub instead: &'static str,
}

impl Ignored {
    /// The flag and its value, for the parser.
    #[must_use]
    pub fn argument(&self) -> Arg {
        hidden(self.id).num_args(1)
    }

    /// Those of `flags` that were given.
    #[must_use]
    pub fn given(flags: &[Self], matches: &ArgMatches) -> Vec<Self> {
        flags.iter().filter(|flag| matches.contains_id(flag.id)).copied().collect()
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-{} ({}) has no effect: {}", self.id, self.meaning, self.instead)
    }
}

/// A flag that the help does not list; it may be repeated.
fn hidden(id: &'static str) -> Arg {
    Arg::new(id).short(id.chars().next().unwrap_or('?')).action(ArgAction::Append).hide(true)
}

/// A parser of whole numbers in `range`. Its error names the range.
pub fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("give a whole number from {} to {}", range.start(), range.end()))
    }
}

/// Reads `-F`. An empty filter passes everything, which no user intends.
///
/// # Errors
/// The filter is empty.
pub fn filter(value: Option<&str>) -> Result<Option<String>, EmptyFilter> {
    match value {
        Some(text) if text.trim().is_empty() => Err(EmptyFilter),
        text => Ok(text.map(str::to_owned)),
    }
}

/// An empty `-F`, as results from an unset variable of the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("-F: the filter is empty; write one, as in -F 'tcp port 8080', or leave -F out")]
pub struct EmptyFilter;

/// Reads all values of `-i`, which are lists separated by commas. An empty result stands for all interfaces.
///
/// # Errors
/// The piece that cannot be used, and why.
pub fn interfaces(values: &[String]) -> Result<Vec<String>, (String, &'static str)> {
    let mut names: Vec<String> = Vec::new();
    for name in values.iter().flat_map(|value| value.split(',')).map(str::trim) {
        if name.is_empty() {
            return Err((shown(name, 80), "an empty name"));
        }
        // Two sockets on one interface would see every packet twice.
        if names.iter().any(|known| known == name) {
            return Err((shown(name, 80), "given twice"));
        }
        names.push(name.to_owned());
    }
    // "any" is libpcap's name for all of them.
    match &names[..] {
        [name] if name == "any" => Ok(Vec::new()),
        names if names.iter().any(|name| name == "any") => {
            Err(("any".to_owned(), "stands for all interfaces and cannot be joined with others"))
        }
        _ => Ok(names),
    }
}

/// Why a file that a flag names cannot be used: one line with a hint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileError {
    /// A file name that cannot be made absolute.
    #[error("{flag}: cannot use '{path}' as a file name: {reason}; give an absolute path")]
    Path {
        /// The flag.
        flag: &'static str,
        /// The name given.
        path: String,
        /// The operating system's message.
        reason: String,
    },
    /// Two flags name the same file, so each would destroy the contents of the other.
    #[error("{first} and {second} both name '{path}'; give each a file of its own")]
    Same {
        /// The first flag.
        first: &'static str,
        /// The second flag.
        second: &'static str,
        /// The file.
        path: String,
    },
}

/// Reads the file names of several flags. They become absolute, because a daemon may change its directory, and must all be
/// different.
///
/// # Errors
/// [`FileError`].
pub fn files<const N: usize>(
    flags: [(&'static str, Option<&Path>); N],
) -> Result<[Option<PathBuf>; N], FileError> {
    let mut paths = [const { None::<PathBuf> }; N];
    for (index, (flag, path)) in flags.into_iter().enumerate() {
        let Some(path) = path else { continue };
        let shown_path = |path: &Path| shown(&path.to_string_lossy(), 80);
        let absolute = std::path::absolute(path).map_err(|error| FileError::Path {
            flag,
            path: shown_path(path),
            reason: error.to_string(),
        })?;
        if let Some(earlier) = paths.iter().position(|earlier| earlier.as_ref() == Some(&absolute)) {
            let path = shown_path(&absolute);
            return Err(FileError::Same { first: flags[earlier].0, second: flag, path });
        }
        paths[index] = Some(absolute);
    }
    Ok(paths)
}

/// An error of the argument parser, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(pub String);

impl From<&clap::Error> for ParseError {
    /// The first line says what is wrong; the rest is usage and tips, which the help shows.
    fn from(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or_default();
        let line = line.strip_prefix("error: ").unwrap_or(line);
        // clap names them on a line of their own.
        let values = match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(values)) if !values.is_empty() => {
                format!(": give {}", values.join(" or "))
            }
            _ => String::new(),
        };
        Self(shown(&format!("{line}{values}"), 200))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_in_their_range() {
        let read = whole::<u16>(5..=100_000);
        for (text, number) in [("5", Some(5)), ("65535", Some(65535)), ("007", Some(7))] {
            assert_eq!(read(text).ok(), number, "{text}");
        }
        for text in ["4", "65536", "100001", "-5", "5.0", "5k", "", " 5", "99999999999999999999999"] {
            assert_eq!(read(text), Err("give a whole number from 5 to 100000".to_owned()), "{text}");
        }
    }

    #[test]
    fn interfaces_each_once_or_all() {
        let read = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            interfaces(&values)
        };
        assert_eq!(read(&["eth0, lo", "eth1"]).unwrap(), ["eth0", "lo", "eth1"]);
        assert_eq!(read(&["any"]).unwrap(), [""; 0]);
        assert_eq!(read(&[]).unwrap(), [""; 0]);
        for (value, piece) in [("eth0,,lo", ""), ("eth0,lo,eth0", "eth0"), ("eth0,any", "any")] {
            assert_eq!(read(&[value]).unwrap_err().0, piece, "{value}");
        }
    }
}
