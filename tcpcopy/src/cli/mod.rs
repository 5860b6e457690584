//! The command line: raw arguments, then one validated [`Config`]; nothing else reaches the driver.

mod address;
mod config;
mod config_file;
mod error;
mod offline;
mod protocol;
mod raw;
mod reconnect;
mod transfer;
mod tunnel;

use std::ffi::OsString;

use clap::{ArgMatches, CommandFactory, FromArgMatches};
use common_os::command_line::{Ignored, Invocation, Unsupported};

pub use config::Config;
pub use error::UsageError;

use raw::RawArgs;

/// Reads the command line, program name included.
///
/// # Errors
/// [`UsageError`], one line with a hint.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation<Config>, UsageError> {
    let matches = match Invocation::parse(&command(), args)? {
        Invocation::Run(matches) => matches,
        Invocation::Print(text) => return Ok(Invocation::Print(text)),
    };
    refuse_unsupported(&matches)?;
    let ignored = Ignored::given(&raw::IGNORED, &matches);
    Ok(Invocation::Run(Config::validate(&RawArgs::from_arg_matches(&matches)?, ignored)?))
}

/// The derived command, with the flags that are refused or ignored.
fn command() -> clap::Command {
    let refused = raw::UNSUPPORTED.iter().chain(&raw::USERS).map(Unsupported::argument);
    let others = refused.chain(raw::IGNORED.iter().map(Ignored::argument));
    // A fixed width: the help is the same on every terminal.
    let command = RawArgs::command().args(others).term_width(100);
    // A negative number must be reported as a wrong value, not as an unknown flag.
    command
        .mut_args(|arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg })
}

/// If such a flag were ignored, tcpcopy would copy something other than what the user asked for.
fn refuse_unsupported(matches: &ArgMatches) -> Result<(), UsageError> {
    if Unsupported::refusal(&raw::USERS, matches).is_some() {
        return Err(UsageError::Users);
    }
    match Unsupported::refusal(&raw::UNSUPPORTED, matches) {
        Some(refusal) => Err(UsageError::Unsupported(refusal)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common_os::command_line::Value;

    fn run(line: &[&str]) -> Result<Invocation<Config>, UsageError> {
        parse(std::iter::once("tcpcopy").chain(line.iter().copied()).map(OsString::from))
    }

    #[test]
    fn help_is_as_expected() {
        let Ok(Invocation::Print(help)) = run(&["-h"]) else { panic!("-h is no help") };
        assert_eq!(help, include_str!("../../tests/expected/help.txt"));
    }

    #[test]
    fn version_names_program_and_version() {
        let Ok(Invocation::Print(version)) = run(&["-v"]) else { panic!("-v is no version") };
        assert_eq!(version, format!("tcpcopy {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn every_unsupported_flag_is_refused_with_and_without_value() {
        for flag in raw::UNSUPPORTED {
            let with_value = if flag.value == Value::None { "-L" } else { "3" };
            for tail in [&[][..], &[with_value]] {
                let name = format!("-{}", flag.id);
                let line: Vec<&str> = ["-x", "80-10.0.0.1:80", "-s", "10.0.0.2", &name]
                    .into_iter()
                    .chain(tail.iter().copied())
                    .collect();
                let error = run(&line).err().unwrap().to_string();
                let expected = format!("{name} ({}) is not supported yet; leave it out", flag.meaning);
                assert_eq!(error, expected);
            }
        }
    }

    #[test]
    fn all_refused_flags_are_named_at_once() {
        let error = run(&["-r", "50", "-n", "2", "-c", "x"]).err().unwrap().to_string();
        let expected = "-c (other client addresses), -n (several copies of the traffic) and \
                        -r (percentage of the sessions) are not supported yet; leave them out";
        assert_eq!(error, expected);
    }

    #[test]
    fn flags_that_ask_for_the_usual_are_accepted() {
        let good = ["-x", "80-10.0.0.1:80", "-s", "10.0.0.2"];
        let with = |more: &[&str]| run(&good.iter().chain(more).copied().collect::<Vec<_>>());
        for more in [&["-r", "100"][..], &["-n1"], &["-n", "1", "-r", "100", "-n", "1"]] {
            assert!(with(more).is_ok(), "{more:?}");
        }
        let refused: [(&[&str], &str); 6] = [
            (&["-r", "50"], "-r (percentage of the sessions) is"),
            (&["-r", "99", "-n", "1"], "-r (percentage of the sessions) is"),
            (&["-n", "2"], "-n (several copies of the traffic) is"),
            (&["-n", "1", "-n", "2"], "-n (several copies of the traffic) is"),
            (&["-n"], "-n (several copies of the traffic) is"),
            (&["-n", "1", "-n"], "-n (several copies of the traffic) is"),
        ];
        for (more, expected) in refused {
            let error = with(more).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{more:?}: {error}");
        }
    }

    #[test]
    fn flags_without_an_effect_here_are_named_once() {
        let line = ["-x", "80-10.0.0.1:80", "-s", "10.0.0.2", "-U", "128", "-R", "20", "-U", "64"];
        let Ok(Invocation::Run(config)) = run(&line) else { panic!("they are refused") };
        let lines: Vec<_> = config.process.ignored.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("-R (default round-trip time) has no effect: "), "{}", lines[0]);
        assert!(lines[1].starts_with("-U (session pool size) has no effect: "), "{}", lines[1]);
    }

    #[test]
    fn users_belong_in_a_file_and_are_not_shown() {
        for users in [&["-u", "root@secret"][..], &["-uroot@secret,app@secret"], &["-u"]] {
            let line: Vec<&str> =
                ["-x", "3306-10.0.0.1:3306", "-s", "10.0.0.2"].iter().chain(users).copied().collect();
            let error = run(&line).err().unwrap();
            assert_eq!(error, UsageError::Users);
            let error = error.to_string();
            assert!(error.contains("--config FILE") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn errors_of_the_parser_are_one_line() {
        for (line, part) in [
            (&["--nonsense"][..], "'--nonsense'"),
            (&["-x"], "value is required"),
            (&["-B", "many"], "'many' for '-B <MB>': give a whole number from 1 to 1023"),
            (&["-C", "0"], "'0' for '-C <WORKERS>': give a whole number from 1 to 64"),
            (&["-M", "-1"], "'-1' for '-M <BYTES>': give a whole number from 576 to 65535"),
            (&["-F", "a", "-F", "b"], "multiple times"),
            (&["stray\n"], "'stray\\n' belongs to no flag"),
            (&["-x", "80", "-", "10.0.0.17:80"], "'-' belongs to no flag"),
        ] {
            let error = run(line).err().unwrap().to_string();
            assert!(!error.contains('\n') && error.ends_with("; see tcpcopy -h"), "{error:?}");
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
