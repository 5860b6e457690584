//! The command line: raw arguments, then one validated [`Config`]; nothing else reaches the driver.

mod config;
mod error;
mod raw;
mod tun;

use std::ffi::OsString;

use clap::{ArgMatches, CommandFactory, FromArgMatches};
use common_os::command_line::{Ignored, Invocation, Unsupported};
use common_os::key_file;

pub use config::Config;
pub use error::UsageError;

use raw::RawArgs;

/// Reads the command line, program name included. `--new-key` is carried out here.
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
    let raw = RawArgs::from_arg_matches(&matches)?;
    match &raw.new_key {
        Some(path) => Ok(Invocation::Print(key_file::create(path)?)),
        None => Ok(Invocation::Run(Config::validate(raw, ignored)?)),
    }
}

/// The derived command, with the flags that are refused or ignored.
fn command() -> clap::Command {
    let others = raw::UNSUPPORTED.iter().map(Unsupported::argument);
    let others = others.chain(raw::IGNORED.iter().map(Ignored::argument));
    // A fixed width: the help is the same on every terminal.
    RawArgs::command().args(others).term_width(100)
}

/// If such a flag were ignored, intercept would capture something other than what the user asked for.
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
    use common_os::process::start::ProcessOptions;
    use proptest::prelude::*;
    use std::path::{Path, absolute};

    fn parsed(line: &[&str]) -> Result<Invocation<Config>, UsageError> {
        parse(std::iter::once("intercept").chain(line.iter().copied()).map(OsString::from))
    }

    fn config(line: &[&str]) -> Config {
        let Ok(Invocation::Run(config)) = parsed(line) else { panic!("{line:?} is refused") };
        config
    }

    #[test]
    fn libpcap_does_not_capture_what_this_host_sends() {
        assert!(config(&["--pcap-capture"]).pcap_capture);
        let error = parsed(&["--pcap-capture", "--loopback"]).err().unwrap().to_string();
        assert!(error.starts_with("--loopback: --pcap-capture captures what this host receives"), "{error}");
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
        assert_eq!((config.filter, config.bind, config.port), (None, None, 36524));
        assert!(config.keys.is_none() && config.stats_json.is_none());
        assert_eq!(config.process, ProcessOptions::default());
    }

    #[test]
    fn a_key_is_made_and_read_and_nothing_is_made_beside_other_flags() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let name = path.to_str().unwrap();
        let missing = parsed(&["--key-file", name]).unwrap_err().to_string();
        assert!(missing.starts_with("--key-file: '") && missing.contains("No such file"), "{missing}");
        assert!(parsed(&["--new-key", name, "-p", "1"]).is_err() && !path.exists());
        assert!(matches!(parsed(&["--new-key", name]), Ok(Invocation::Print(_))));
        assert!(parsed(&["--new-key", name]).unwrap_err().to_string().contains("never overwritten"));
        assert!(config(&["--key-file", name]).keys.is_some() && config(&[]).keys.is_none());
    }

    #[test]
    fn values_have_equivalent_forms() {
        assert_eq!(config(&["-i", "any"]).interfaces, [""; 0]);
        assert_eq!(config(&["-b", "[::1]"]).bind, Some("::1".parse().unwrap()));
    }

    #[test]
    fn flags_are_understood() {
        let config = config(&[
            "-i", "eth0,lo", "-i", "eth1", "-F", "tcp", "-C", "1", "-p", "1", "-b", "::1", "-l", "log", "-P",
            "/pid", "-d",
        ]);
        assert_eq!(config.interfaces, ["eth0", "lo", "eth1"]);
        assert_eq!(config.filter.as_deref(), Some("tcp"));
        assert_eq!((config.bind, config.port), (Some("::1".parse().unwrap()), 1));
        let ProcessOptions { log_file, pid_file, background, .. } = config.process;
        assert_eq!(log_file, Some(absolute("log").unwrap()));
        assert_eq!(pid_file.as_deref(), Some(Path::new("/pid")));
        assert!(background);
    }

    #[test]
    fn every_unsupported_flag_is_refused_with_and_without_value() {
        for flag in raw::UNSUPPORTED {
            let name = format!("-{}", flag.id);
            let with_value = if flag.value == Value::None { "-d" } else { "3" };
            for line in [&[&name[..]][..], &[&name, with_value]] {
                let error = parsed(line).unwrap_err().to_string();
                let expected = format!("{name} ({}) is not supported; leave it out", flag.meaning);
                assert_eq!(error, expected);
            }
        }
    }

    #[test]
    fn flags_without_an_effect_here_are_named() {
        let config = config(&["-n", "16", "-s", "65536"]);
        let lines: Vec<_> = config.process.ignored.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("-n (number of combined packets) has no effect: "), "{}", lines[0]);
        assert!(lines[1].starts_with("-s (table size) has no effect: "), "{}", lines[1]);
    }

    #[test]
    fn errors_are_one_line_that_names_the_value() {
        let cases: [(&[&str], &str); 17] = [
            (&["-i", "eth0,,lo"], "-i: '': an empty name"),
            (&["-i", "eth0,lo,eth0"], "-i: 'eth0': given twice"),
            (&["-b", "localhost\n"], "-b: 'localhost\\n' is no IP address"),
            (&["-i", "eth0,any"], "-i: 'any': stands for all"),
            (&["-b", "10.0.0.1:80"], "-b: '10.0.0.1:80' is no IP address"),
            (&["-C", "2"], "-C (several threads; one thread serves all workers of tcpcopy) is not supported"),
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
            (&["-l", "f", "-P", "./f"], "-l and -P both name '"),
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
