//! The real binary with command lines that need no privilege.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn intercept(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_intercept")).args(arguments).output().unwrap()
}

/// Runs intercept and expects one line on standard error that contains all parts, and this exit code.
fn refused(arguments: &[&str], code: i32, parts: &[&str]) {
    let output = intercept(arguments);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {line}");
    assert!(line.starts_with("intercept: ") && line.ends_with('\n') && line.lines().count() == 1, "{line:?}");
    for part in parts {
        assert!(line.contains(part), "no '{part}' in {line:?}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn usage_errors_are_one_line_and_exit_with_2() {
    refused(&["-D", "a-b", "-q"], 2, &["-D (", "and -q (", "are not supported", "leave them out"]);
    refused(&["-C", "2"], 2, &["-C (", "is not supported"]);
    refused(&["-F", "tcp and and"], 2, &["-F: ", "'tcp and and'"]);
    refused(&["-i", "ic-none"], 2, &["'ic-none'", "lo"]);
    refused(&["-i", "answers.pcap"], 2, &["'answers.pcap' is a file", "lo"]);
    refused(&["-b", "nowhere"], 2, &["-b: 'nowhere'"]);
    refused(&["-i", ""], 2, &["-i: ''"]);
    refused(&["--what"], 2, &["--what", "intercept -h"]);
    refused(
        &["start", "--interface", "eth0"],
        2,
        &["'start' belongs to no flag", "SIGTERM", "did you mean -i?"],
    );
    refused(&["--user", "root"], 2, &["--user: 'root' is root"]);
    refused(&["--user", "no-such-user"], 2, &["no user 'no-such-user'", "useradd"]);
}

#[test]
fn errors_of_the_system_are_one_line_and_exit_with_1() {
    refused(&["-l", "/proc/none/log"], 1, &["/proc/none/log", "-l"]);
    refused(&["-P", "/proc/none/pid"], 1, &["/proc/none/pid", "-P"]);
}

#[test]
fn help_and_version_are_printed() {
    for (flag, start) in [("-h", "Captures the answers"), ("-v", "intercept "), ("-V", "intercept ")] {
        let output = intercept(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(start));
        assert!(output.stderr.is_empty());
    }
}
