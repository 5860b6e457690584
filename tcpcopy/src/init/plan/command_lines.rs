//! The command lines of both programs.

use common_core::flow::Endpoint;

use super::super::answers::Protocol;
use super::super::mode::Way;
use super::super::setup::Setup;
use super::words::Words;

/// The key of both programs, on each host where one of them runs.
pub(super) const KEY: &str = "/run/tcpcopy-init.key";

/// The file of `--config`, on the host of tcpcopy.
pub(super) const CONFIG: &str = "/run/tcpcopy-init.toml";

/// What the daemons write. It belongs to the user that they become.
pub(super) const DIRECTORY: &str = "/run/tcpcopy-init";

/// An IPv6 network of copied clients in agent mode; IPv4 has a default.
pub(super) const NET_V6: &str = "fd00:1::/64";

/// A file of a daemon.
pub(super) fn file(program: &str, end: &str) -> String {
    format!("{DIRECTORY}/{program}.{end}")
}

/// intercept in the background.
pub(super) fn intercept(setup: &Setup) -> Words {
    let words = Words::new(&["intercept"]);
    let words = match setup.choice.way {
        Way::Routes(assistant) => words.flag("-b", assistant),
        Way::Tunnel => words
            .and(&["--tun"])
            .flag_if("--net", setup.test.ip.is_ipv6().then_some(NET_V6))
            .flag("-b", setup.test.ip),
    };
    in_background(words.flag("--allow-target", setup.test).flag("--key-file", KEY), "intercept")
}

/// tcpcopy in the background.
pub(super) fn tcpcopy(setup: &Setup) -> Words {
    in_background(copy(setup, &["tcpcopy"]), "tcpcopy")
}

/// tcpcopy with the capture file, in the foreground: it ends by itself.
pub(super) fn replay(setup: &Setup) -> Words {
    copy(setup, &["tcpcopy"]).flag_if("--offline", setup.capture_file.as_ref())
}

/// The checks, with the flags of the copy.
pub(super) fn doctor(setup: &Setup) -> Words {
    copy(setup, &["tcpcopy", "doctor"])
}

/// Whether the service has a module that must know passwords of the test server.
pub(super) fn has_passwords(setup: &Setup) -> bool {
    matches!(setup.protocol.name(), "mysql" | "postgres")
}

fn copy(setup: &Setup, program: &[&str]) -> Words {
    let transfer = match (&setup.capture_file, setup.online) {
        // The file may contain other services on the port.
        (Some(_), Some(online)) => format!("{}-{}", Endpoint::new(online, setup.port), setup.test),
        _ => format!("{}-{}", setup.port, setup.test),
    };
    let words = Words::new(program).flag("-x", transfer);
    let words = match setup.choice.way {
        Way::Routes(assistant) => words.flag("-s", in_brackets(assistant)),
        Way::Tunnel => words.flag("-s", in_brackets(setup.test.ip)).and(&["--tunnel"]),
    };
    let is_usual = setup.protocol == Protocol::usual(setup.port);
    words
        .flag_if("-i", setup.interface.as_ref())
        .flag_if("--protocol", (!is_usual).then(|| format!("{}={}", setup.port, setup.protocol.name())))
        .flag_if("--config", has_passwords(setup).then_some(CONFIG))
        .flag("--key-file", KEY)
}

fn in_background(words: Words, program: &str) -> Words {
    words
        .and(&["-d"])
        .flag("-l", file(program, "log"))
        .flag("-P", file(program, "pid"))
        .flag("--stats-json", file(program, "json"))
}

/// An address as `-s` and `scp` take it.
pub(super) fn in_brackets(ip: std::net::IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}
