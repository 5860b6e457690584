//! The command line as given; `config` validates it.

use std::path::PathBuf;

use clap::{ArgAction, Parser};
use common_core::control::DEFAULT_PORT;
use common_os::command_line::{Ignored, Unsupported, Value, whole};
use common_os::process::log_format::LogFormat;

/// Captures the answers of test servers for the tcpcopies that connect.
#[derive(Parser, Debug)]
#[command(
    name = "intercept",
    version,
    about = "Captures the answers of test servers for the tcpcopies that connect",
    override_usage = "intercept [OPTIONS]",
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = "Refused: -c -C -D -q -x. Accepted without effect: -n -s.\n\
                  Example: intercept -i eth0 -F 'tcp and src port 8080'"
)]
pub(super) struct RawArgs {
    /// Capture on these interfaces (default: all)
    #[arg(short = 'i', value_name = "NAME,...")]
    pub(super) interfaces: Vec<String>,
    /// Use this pcap filter for the capture (default: the answers of the test servers that tcpcopies announce)
    #[arg(short = 'F', value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// Capture with libpcap; only packets that this host receives
    #[arg(long = "pcap-capture")]
    pub(super) pcap_capture: bool,
    /// Accept connections of tcpcopies on this port
    #[arg(short = 'p', value_name = "PORT", default_value_t = DEFAULT_PORT, allow_negative_numbers = true, value_parser = whole::<u16>(1..=65_535))]
    pub(super) port: u16,
    /// Accept them on this address only, best an internal one (default: all)
    #[arg(short = 'b', value_name = "IP")]
    pub(super) bind: Option<String>,
    /// Serve only these test servers (default: all that tcpcopies announce)
    #[arg(long = "allow-target", value_name = "IP[:PORT],...")]
    pub(super) allow_target: Vec<String>,
    /// Also serve test servers on loopback addresses, when intercept runs on the test host
    #[arg(long = "loopback")]
    pub(super) loopback: bool,
    /// Agent mode, on the test host: receive the copies of tcpcopies that run with --tunnel, and pass them to this host through a
    /// TUN device
    #[arg(long = "tun")]
    pub(super) tun: bool,
    /// With --tun: give copied clients addresses of these otherwise unused networks, one for each family (default:
    /// 198.18.0.0/15)
    #[arg(long = "net", value_name = "NETWORK,...")]
    pub(super) nets: Vec<String>,
    /// With --tun: accept tcpcopies without a key; anybody who reaches the port can then send packets to the test servers
    #[arg(long = "without-key")]
    pub(super) without_key: bool,
    /// Serve tcpcopies that run with --udp: capture the answers of UDP servers instead of TCP servers
    #[arg(long = "udp", conflicts_with_all = ["tun", "pcap_capture"])]
    pub(super) udp: bool,
    /// Encrypt the connections to tcpcopies, and accept only those that have the key in this file
    #[arg(long = "key-file", value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// Create a file with a new key for --key-file, and exit
    #[arg(long = "new-key", value_name = "FILE", exclusive = true)]
    pub(super) new_key: Option<PathBuf>,
    /// Write the log to this file
    #[arg(short = 'l', value_name = "FILE")]
    pub(super) log_file: Option<PathBuf>,
    /// Format of the log
    #[arg(long = "log-format", value_name = "FORM", value_enum, default_value_t)]
    pub(super) log_format: LogFormat,
    /// Write the process id to this file
    #[arg(short = 'P', value_name = "FILE")]
    pub(super) pid_file: Option<PathBuf>,
    /// Run as this user once all sockets are open (default: nobody, if started by root)
    #[arg(long = "user", value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Write the statistics to this file as JSON, every second and at the end
    #[arg(long = "stats-json", value_name = "FILE")]
    pub(super) stats_json: Option<PathBuf>,
    /// Run in the background
    #[arg(short = 'd')]
    pub(super) background: bool,
    /// Print this help
    #[arg(short = 'h', long = "help", action = ArgAction::HelpShort)]
    help: (),
    /// Print the version
    #[arg(short = 'v', visible_short_alias = 'V', long = "version", action = ArgAction::Version)]
    version: (),
}

/// Flags that this build refuses: those of TCPCopy 1.x's intercept, and `-C`, which tcpcopy has.
pub(super) const UNSUPPORTED: [Unsupported; 5] = [
    Unsupported { id: "c", meaning: "protection of connections", value: Value::None },
    Unsupported {
        id: "C",
        meaning: "several threads; one thread serves all workers of tcpcopy",
        value: Value::Usual("1"),
    },
    Unsupported { id: "D", meaning: "targets seen under another address", value: Value::Any },
    Unsupported { id: "q", meaning: "netfilter queue", value: Value::Any },
    Unsupported { id: "x", meaning: "addresses passed through the firewall", value: Value::Any },
];

/// Flags of TCPCopy 1.x's intercept that have no effect in this build.
pub(super) const IGNORED: [Ignored; 2] = [
    Ignored {
        id: "n",
        meaning: "number of combined packets",
        instead: "answers captured in one round are sent together",
    },
    Ignored { id: "s", meaning: "table size", instead: "tables grow as needed, up to 1 048 576 flows" },
];
