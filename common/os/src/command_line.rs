//! What the command lines of both daemons have in common: flags refused or ignored, numbers, names of interfaces, and complaints
//! that stay one line whatever the user wrote.

use std::fmt;
use std::ops::RangeInclusive;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};
use common_core::text::shown;
use thiserror::Error;

/// A flag of TCPCopy 1.x that is refused: ignored, something else would happen than what was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Unsupported {
    /// Its letter.
    pub id: &'static str,
    /// What it would do.
    pub meaning: &'static str,
    /// What belongs to it.
    pub value: Value,
}

/// What belongs to a flag that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    None,
    /// A value.
    Any,
    /// A value, of which this one asks for what is done anyway: it is accepted.
    Usual(&'static str),
}

impl Unsupported {
    /// The flag; one that wants a value is refused without it, too.
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

    /// One line about all of `flags` that were given; none if none was.
    #[must_use]
    pub fn refusal(flags: &[Self], matches: &ArgMatches) -> Option<String> {
        let given: Vec<_> = flags.iter().filter(|flag| flag.is_wanted(matches)).collect();
        let named: Vec<_> = given.iter().map(|flag| format!("-{} ({})", flag.id, flag.meaning)).collect();
        match &named[..] {
            [] => None,
            [one] => Some(format!("{one} is not supported yet; leave it out")),
            [all @ .., last] => {
                Some(format!("{} and {last} are not supported yet; leave them out", all.join(", ")))
            }
        }
    }
}

/// A flag of TCPCopy 1.x for which there is nothing to do here: without it the same happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignored {
    /// Its letter.
    pub id: &'static str,
    /// What it would set.
    pub meaning: &'static str,
    /// What is done instead.
    pub instead: &'static str,
}

impl Ignored {
    /// The flag and its value.
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

/// A reader of whole numbers in `range`, whose complaint names the range.
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

/// Reads `-F`. An empty filter passes everything, which nobody means who writes one.
///
/// # Errors
/// There is nothing in it.
pub fn filter(value: Option<&str>) -> Result<Option<String>, EmptyFilter> {
    match value {
        Some(text) if text.trim().is_empty() => Err(EmptyFilter),
        text => Ok(text.map(str::to_owned)),
    }
}

/// A `-F` with nothing in it, as a variable of the shell leaves it that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("-F: the filter is empty; write one, as in -F 'tcp port 8080', or leave -F out")]
pub struct EmptyFilter;

/// Reads all values of `-i`, each a list by comma. None stands for all interfaces.
///
/// # Errors
/// The piece that cannot be used, and what is wrong with it.
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
    // libpcap's name for all of them.
    match &names[..] {
        [name] if name == "any" => Ok(Vec::new()),
        names if names.iter().any(|name| name == "any") => {
            Err(("any".to_owned(), "stands for all interfaces and cannot be joined with others"))
        }
        _ => Ok(names),
    }
}

/// What the argument parser finds wrong, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// A word that is no flag and no value of one.
    Stray(String),
    /// Anything else.
    Arguments(String),
}

impl From<&clap::Error> for Complaint {
    /// The first line says what is wrong; the rest is usage and tips, which the help tells better.
    fn from(error: &clap::Error) -> Self {
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
