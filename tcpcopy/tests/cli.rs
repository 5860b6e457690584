//! The real binary with command lines that it cannot run: exit codes and one line of error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::{Command, Output};

const GOOD: [&str; 4] = ["-x", "80-10.0.0.17:8080", "-s", "10.0.0.18"];

/// tcpcopy without any privilege, whoever runs the tests: an empty bounding set leaves root none after the exec.
fn unprivileged() -> Command {
    let binary = env!("CARGO_BIN_EXE_tcpcopy");
    if !nix::unistd::geteuid().is_root() {
        return Command::new(binary);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", binary]);
    command
}

fn run(arguments: &[&str]) -> Output {
    unprivileged().args(arguments).output().unwrap()
}

/// The only line of standard error of a run that must end with `code`.
fn complaint(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let line = text.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n') && line.starts_with("tcpcopy: "), "{arguments:?}: {text}");
    line.to_owned()
}

fn with_good<'a>(more: &[&'a str]) -> Vec<&'a str> {
    GOOD.iter().chain(more).copied().collect()
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (flag, start) in [
        ("-h", "Copies live TCP"),
        ("--help", "Copies live TCP"),
        ("-v", "tcpcopy "),
        ("-V", "tcpcopy "),
        ("--version", "tcpcopy "),
    ] {
        let output = run(&[flag]);
        assert_eq!(output.status.code(), Some(0), "{flag}");
        assert!(output.stderr.is_empty(), "{flag}");
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(start), "{flag}");
    }
}

#[test]
fn errors_of_the_command_line_exit_with_2() {
    for (arguments, expected) in [
        (&[][..], "nothing to copy"),
        (&["-x", "80-10.0.0.17:8080"], "no intercept given"),
        (&["-x", "80:10.0.0.17", "-s", "10.0.0.18"], "-x: '80:10.0.0.17': no '-'"),
        (&["-x", "10.0.0.17:80-10.0.0.17:80", "-s", "10.0.0.18"], "to itself"),
        (&["-x", "80-10.0.0.17:8080", "-s", "assistant"], "-s: 'assistant'"),
        (&["-s", "10.0.0.18", "-n", "0"], "give a whole number from 1 to 1023"),
        (&["--no-such-flag"], "--no-such-flag"),
        (
            &with_good(&["--protocol", "80=mysql", "--config", "/dev/null"]),
            "--config /dev/null: it is no regular file",
        ),
        (&with_good(&["--config", "/dev/null"]), "--config: no service of -x has a protocol module"),
        (&with_good(&["--protocol", "81=mysql"]), "port 81 is no online service of -x"),
        (&with_good(&["--watch-answers"]), "--watch-answers"),
        (&["-x"], "value is required"),
        (&["-t", "soon"], "-t"),
        (&with_good(&["-i", "no-such-if"]), "there is no network interface 'no-such-if'"),
        (&with_good(&["-i", "no\nif"]), "no\\nif"),
        (
            &with_good(&["-i", "traffic.pcap"]),
            "-i: cannot read capture file 'traffic.pcap': No such file or directory",
        ),
        (&with_good(&["-i", "/dev/null"]), "capture file '/dev/null' is empty"),
        (&with_good(&["-i", "/bin/sh"]), "'/bin/sh' is no capture file"),
        (&with_good(&["-a", "10"]), "-a is for capture files"),
        (&with_good(&["-i", "lo,traffic.pcap"]), "'lo' is no file, 'traffic.pcap' is one"),
        (&with_good(&["-F", "tcp und port 80"]), "-F: filter 'tcp und port 80' does not compile"),
    ] {
        let line = complaint(arguments, 2);
        assert!(line.contains(expected), "{expected}: {line}");
    }
}

#[test]
fn errors_of_the_system_exit_with_1() {
    for (more, expected) in [
        (&["-l", "/proc/none/log"][..], "/proc/none/log"),
        (&[], "no permission to capture packets: run with sudo"),
    ] {
        let line = complaint(&with_good(more), 1);
        assert!(line.contains(expected), "{expected}: {line}");
    }
}

#[test]
fn a_daemon_that_cannot_start_reports_in_the_foreground() {
    let line = complaint(&with_good(&["-d", "-i", "no-such-if"]), 2);
    assert!(line.contains("no-such-if"), "{line}");
}

#[test]
fn a_flag_without_an_effect_is_only_logged() {
    let output = run(&with_good(&["-U", "128", "-i", "lo"]));
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((output.status.code(), lines.len()), (Some(1), 2), "{text}");
    assert!(lines[0].contains("WARN") && lines[0].contains("-U (session pool size) has no effect"), "{text}");
    assert!(lines[1].contains("no permission to capture packets"), "{text}");
}

#[test]
fn the_doctor_takes_the_same_flags_and_exits_with_1_for_a_fault() {
    let help = run(&["doctor", "-h"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().starts_with("Checks the way of the packets"));

    let refused = run(&[&["doctor"][..], &with_good(&["--udp", "-i", "lo"])].concat());
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().starts_with("tcpcopy doctor: --udp: "));

    let output = run(&["doctor", "--json", "-x", "80-127.0.0.1:1", "-s", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["fault"], "rights");
}
