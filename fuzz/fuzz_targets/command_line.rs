//! The command lines: any words are taken or refused, in one line that fits a terminal; nothing is opened by reading.

#![no_main]

use std::ffi::OsString;

use common_os::command_line::Invocation;
use libfuzzer_sys::fuzz_target;

// The first byte chooses what the words stand behind, so that the parsers of the values are reached at once.
fuzz_target!(|input: (u8, String)| {
    let (form, text) = input;
    let words: Vec<&str> = match form % 4 {
        0 => ["-x", &text, "-s", "10.0.0.9"].to_vec(),
        1 => ["-x", "80-10.0.0.8:80", "-s", &text].to_vec(),
        2 => ["-x", "80-10.0.0.8:80", "-s", "10.0.0.9"].into_iter().chain(text.split(' ')).collect(),
        _ => text.split(' ').collect(),
    };
    let line =
        |program: &'static str| std::iter::once(program).chain(words.iter().copied()).map(OsString::from);
    match tcpcopy::cli::parse(line("tcpcopy")) {
        Ok(Invocation::Run(config)) => {
            assert!(!config.transfers.is_empty() && !config.intercepts.is_empty());
            let families = |t: &tcpcopy::settings::Transfer| {
                t.online_ip.is_none_or(|ip| ip.is_ipv4() == t.target.ip.is_ipv4())
            };
            assert!(config.transfers.iter().all(families));
            assert!(config.transfers.iter().all(|t| t.online_port > 0 && t.target.port > 0));
            assert!(config.intercepts.iter().all(|intercept| intercept.port > 0));
        }
        Ok(Invocation::Print(_)) => {}
        Err(error) => plain(&error.to_string()),
    }
    if let Err(error) = intercept::cli::parse(line("intercept")) {
        plain(&error.to_string());
    }
});

fn plain(error: &str) {
    assert!(!error.is_empty());
    assert!(!error.chars().any(char::is_control), "no plain line: {error:?}");
}
