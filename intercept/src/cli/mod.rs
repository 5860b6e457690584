//! The command line: raw arguments, then one validated [`Config`]; nothing else reaches the driver.

mod config;
mod error;
mod raw;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use common_os::command_line::{Ignored, Unsupported};

pub use config::Config;
pub use error::UsageError;

use raw::RawArgs;

/// What the user asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Capture and route.
    Run(Config),
    /// Print this text (`-h`, `-v`) and leave.
    Print(String),
}

/// Reads the command line, program name included.
///
/// # Errors
/// [`UsageError`], one line with the cure.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Invocation::Print(error.render().to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    refuse_unsupported(&matches)?;
    let raw = RawArgs::from_arg_matches(&matches)?;
    let ignored = Ignored::given(&raw::IGNORED, &matches);
    Ok(Invocation::Run(Config { ignored, ..Config::validate(raw)? }))
}

/// The derived command, and the reference's flags that are refused or ignored.
fn command() -> clap::Command {
    let others = raw::UNSUPPORTED.iter().map(Unsupported::argument);
    let others = others.chain(raw::IGNORED.iter().map(Ignored::argument));
    // A fixed width: the help is the same on every terminal.
    RawArgs::command().args(others).term_width(100)
}

/// A flag that would be ignored would capture something else than what was asked for.
fn refuse_unsupported(matches: &ArgMatches) -> Result<(), UsageError> {
    match Unsupported::refusal(&raw::UNSUPPORTED, matches) {
        Some(refusal) => Err(UsageError::Unsupported(refusal)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common_os::command_line::Value;
    use proptest::prelude::*;
    use std::path::{Path, absolute};

    fn parsed(line: &[&str]) -> Result<Invocation, UsageError> {
        parse(std::iter::once("intercept").chain(line.iter().copied()).map(OsString::from))
    }

    fn config(line: &[&str]) -> Config {
        let Ok(Invocation::Run(config)) = parsed(line) else { panic!("{line:?} is refused") };
        config
    }

    #[test]
    fn help_is_as_expected() {
        let Ok(Invocation::Print(help)) = parsed(&["-h"]) else { panic!("-h is no help") };
        assert_eq!(help, include_str!("../../tests/expected/help.txt"));
    }

    #[test]
    fn version_names_program_and_version() {
        let Ok(Invocation::Print(version)) = parsed(&["-v"]) else { panic!("-v is no version") };
        assert_eq!(version, format!("intercept {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn nothing_given_means_everything() {
        let config = config(&[]);
        assert_eq!(config.interfaces, [""; 0]);
        assert_eq!((config.filter, config.workers, config.bind, config.port), (None, 1, None, 36524));
        assert_eq!((config.log_file, config.pid_file, config.daemon), (None, None, false));
        assert_eq!(config.ignored, []);
    }

    #[test]
    fn other_ways_to_say_the_same() {
        assert_eq!(config(&["-i", "any"]).interfaces, [""; 0]);
        assert_eq!(config(&["-b", "[::1]"]).bind, Some("::1".parse().unwrap()));
    }

    #[test]
    fn flags_are_understood() {
        let config = config(&[
            "-i", "eth0,lo", "-i", "eth1", "-F", "tcp", "-C", "4", "-p", "1", "-b", "::1", "-l", "log", "-P",
            "/pid", "-d",
        ]);
        assert_eq!(config.interfaces, ["eth0", "lo", "eth1"]);
        assert_eq!((config.filter.as_deref(), config.workers), (Some("tcp"), 4));
        assert_eq!((config.bind, config.port), (Some("::1".parse().unwrap()), 1));
        assert_eq!(config.log_file, Some(absolute("log").unwrap()));
        assert_eq!(config.pid_file.as_deref(), Some(Path::new("/pid")));
        assert!(config.daemon);
    }

    #[test]
    fn every_unsupported_flag_is_refused_with_and_without_value() {
        for flag in raw::UNSUPPORTED {
            let name = format!("-{}", flag.id);
            let with_value = if flag.value == Value::None { "-d" } else { "3" };
            for line in [&[&name[..]][..], &[&name, with_value]] {
                let error = parsed(line).unwrap_err().to_string();
                let expected = format!("{name} ({}) is not supported yet; leave it out", flag.meaning);
                assert_eq!(error, expected);
            }
        }
    }

    #[test]
    fn flags_without_an_effect_here_are_named() {
        let config = config(&["-n", "16", "-s", "65536"]);
        let said: Vec<_> = config.ignored.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2);
        assert!(said[0].starts_with("-n (number of combined packets) has no effect: "), "{}", said[0]);
        assert!(said[1].starts_with("-s (table size) has no effect: "), "{}", said[1]);
    }

    #[test]
    fn what_is_wrong_is_one_line_that_names_it() {
        let cases: [(&[&str], &str); 18] = [
            (&["-i", "eth0,,lo"], "-i: '': an empty name"),
            (&["-i", "eth0,lo,eth0"], "-i: 'eth0': given twice"),
            (&["-b", "localhost\n"], "-b: 'localhost\\n' is no IP address"),
            (&["-i", "eth0,any"], "-i: 'any': stands for all"),
            (&["-b", "10.0.0.1:80"], "-b: '10.0.0.1:80' is no IP address"),
            (&["-C", "0"], "'0' for '-C <WORKERS>': give a whole number from 1 to 64"),
            (&["-C", "65"], "'65' for '-C <WORKERS>'"),
            (&["-p", "0"], "'0' for '-p <PORT>': give a whole number from 1 to 65535"),
            (&["-p", "-1"], "'-1' for '-p <PORT>'"),
            (&["-p", "65536"], "'65536' for '-p <PORT>'"),
            (&["-F"], "'-F <FILTER>'"),
            (&["-F", ""], "-F: the filter is empty"),
            (&["-F", " \t"], "-F: the filter is empty"),
            (&["-c", "file"], "'file' belongs to no flag"),
            (&["-Z"], "'-Z'"),
            (&["stray"], "'stray' belongs to no flag"),
            (&["-i", "eth0,", "lo"], "'lo' belongs to no flag"),
            (&["-l", "f", "-P", "./f"], "-l and -P name the same file"),
        ];
        for (line, part) in cases {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(';') && !error.contains('\n'), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn any_words_are_a_configuration_or_one_line(words in prop::collection::vec(any::<String>(), 0..4)) {
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            if let Err(error) = parsed(&words) {
                prop_assert!(!error.to_string().chars().any(char::is_control), "{}", error);
            }
        }
    }
}
