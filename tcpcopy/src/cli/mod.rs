//! The command line: raw arguments, then one validated [`Config`]; nothing else reaches the driver.

pub(crate) mod address;
mod clients;
mod config;
mod config_file;
mod datagrams;
mod error;
mod link;
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
    refuse_users(&matches)?;
    let ignored = Ignored::given(&raw::IGNORED, &matches);
    Ok(Invocation::Run(Config::validate(&RawArgs::from_arg_matches(&matches)?, ignored)?))
}

/// The derived command, with the flags that are refused or ignored.
fn command() -> clap::Command {
    let refused = raw::USERS.iter().map(Unsupported::argument);
    let others = refused.chain(raw::IGNORED.iter().map(Ignored::argument));
    // A fixed width: the help is the same on every terminal.
    let command = RawArgs::command().args(others).term_width(100);
    // A negative number must be reported as a wrong value, not as an unknown flag.
    command
        .mut_args(|arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg })
}

/// Passwords on a command line are visible to everybody.
fn refuse_users(matches: &ArgMatches) -> Result<(), UsageError> {
    match Unsupported::refusal(&raw::USERS, matches) {
        Some(_) => Err(UsageError::Users),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::settings::Shaping;

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
    fn flags_of_multiplying_and_shaping_reach_the_engine() {
        let good = ["-x", "80-10.0.0.1:80", "-s", "10.0.0.2", "-C", "2"];
        let more = [
            "-n",
            "3",
            "-r",
            "30",
            "-g",
            "-f",
            "1",
            "-c",
            "10.1.0.x",
            "-H",
            "10.1.1.1",
            "--limit-sessions",
            "50",
        ];
        let line: Vec<&str> = good.into_iter().chain(more).collect();
        let Ok(Invocation::Run(config)) = run(&line) else { panic!("they are refused") };
        let engine = config.engine(1, 7, 0);
        let worker = engine.multiplying.worker;
        assert_eq!((engine.multiplying.copies, worker.index, worker.count), (3, 1, 2));
        assert_eq!(engine.multiplying.instance.unwrap().number(), 1);
        let Shaping { percent, step, sessions_a_second } = engine.shaping;
        assert_eq!((percent, step), (30, Some(Duration::from_secs(1))));
        assert_eq!(sessions_a_second.unwrap().get(), 50);
    }

    #[test]
    fn shares_out_of_range_are_refused() {
        let good = ["-x", "80-10.0.0.1:80", "-s", "10.0.0.2"];
        for more in [["-r", "0"], ["-r", "101"], ["-r", "0.5"], ["--limit-sessions", "0"]] {
            let line: Vec<&str> = good.into_iter().chain(more).collect();
            let error = run(&line).err().unwrap().to_string();
            assert!(error.contains("give a whole number from 1"), "{more:?}: {error}");
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
            (&["--on-reconnect", "x"], "'x' for '--on-reconnect <HOW>': give resume or drop"),
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
