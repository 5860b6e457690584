//! The command line as given; `config` validates it.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Parser};
use common_core::control::DEFAULT_PORT;
use common_os::command_line::{Ignored, Unsupported, Value, whole};
use common_os::process::log_format::LogFormat;

use super::protocol::LostState;
use super::reconnect::Choice;
use crate::report::Percentage;
use crate::settings::Instance;

/// Limit of `-C`.
const MAX_WORKERS: u64 = 64;

/// Copies live TCP sessions from this host to a test server.
///
/// Every client connection to the online service is played again, by a TCP client of its own, against the test
/// server. The answers of the test server must be routed to the host where intercept runs.
#[derive(Parser, Debug)]
#[command(
    name = "tcpcopy",
    version,
    about = "Copies live TCP sessions from this host to a test server",
    override_usage = "tcpcopy -x TRANSFER,... -s IP,... [OPTIONS]",
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = "Accepted without effect: -R -U.\n\
                  Example: tcpcopy -x 80-10.0.0.17:8080 -s 10.0.0.18 -i eth0\n\
                  The commands that set up all hosts: tcpcopy init\n\
                  Where packets stop: tcpcopy doctor, with the same flags"
)]
pub(super) struct RawArgs {
    /// What to copy and where to: [IP:]PORT-IP:PORT,... with IPv6 addresses in brackets. [IP:]PORT@MAC-IP:PORT@MAC sends
    /// Ethernet frames from the first MAC address to the second
    #[arg(short = 'x', value_name = "TRANSFER,...")]
    pub(super) transfers: Vec<String>,
    /// Where intercept runs: IP[:PORT],...
    #[arg(short = 's', value_name = "IP,...")]
    pub(super) intercepts: Vec<String>,
    /// Intercept's port where -s names none
    #[arg(short = 'p', value_name = "PORT", default_value_t = DEFAULT_PORT, value_parser = whole::<u16>(1..=65_535))]
    pub(super) port: u16,
    /// Share the work among this many threads
    #[arg(short = 'C', value_name = "WORKERS", default_value_t = 1, value_parser = whole::<u16>(1..=MAX_WORKERS))]
    pub(super) workers: u16,
    /// Capture on these interfaces (default: all), or replay these capture files
    #[arg(short = 'i', value_name = "NAME,...")]
    pub(super) interfaces: Vec<String>,
    /// Replay a capture file (pcap or pcapng, also gzip or zstd) instead of live traffic; - is standard input
    #[arg(long = "offline", value_name = "FILE")]
    pub(super) offline: Vec<PathBuf>,
    /// Capture files: replay this many times faster than recorded
    #[arg(short = 'a', value_name = "N", value_parser = whole::<u32>(1..=1_000_000))]
    pub(super) speed: Option<u32>,
    /// Capture files: shorten longer pauses to this, in milliseconds of recorded time
    #[arg(short = 'I', value_name = "MS", value_parser = whole::<u32>(0..=u64::from(u32::MAX)))]
    pub(super) longest_gap_ms: Option<u32>,
    /// Capture files: replay this many times, each time with other client ports
    #[arg(short = 'T', value_name = "N", value_parser = whole::<u32>(1..=60_000))]
    pub(super) repeats: Option<u32>,
    /// Copy each session this many times, from additional ports of its client, or of the addresses of -c
    #[arg(short = 'n', value_name = "N", default_value_t = 1, value_parser = whole::<u16>(1..=1023))]
    pub(super) copies: u16,
    /// Copy from these client addresses instead of the clients' own: IP, 62.135.200.x or a network, 10.1.0.0/24,...
    #[arg(short = 'c', value_name = "ADDRESS,...")]
    pub(super) client_addresses: Vec<String>,
    /// Use this address for the copies of clients on loopback addresses
    #[arg(short = 'H', value_name = "IP")]
    pub(super) loopback_address: Option<String>,
    /// Number of this instance, 0 to 15, if several tcpcopies copy the same clients to one test server: each uses its own
    /// client ports
    #[arg(short = 'f', value_name = "INSTANCE", value_parser = whole::<u8>(0..=u64::from(Instance::COUNT) - 1))]
    pub(super) instance: Option<u8>,
    /// Copy this percentage of the sessions
    #[arg(short = 'r', value_name = "PERCENT", default_value_t = 100, value_parser = whole::<u8>(1..=100))]
    pub(super) percent: u8,
    /// Ramp up: start at none of the sessions, and copy one percent more of them each second
    #[arg(short = 'g')]
    pub(super) gradually: bool,
    /// Copy at most this many new sessions per second
    #[arg(long = "limit-sessions", value_name = "N", value_parser = whole::<u32>(1..=10_000_000))]
    pub(super) sessions_a_second: Option<u32>,
    /// Log to this file, one line for each session, the addresses and ports of the client and of its copy
    #[arg(long = "map-log", value_name = "FILE")]
    pub(super) map_log: Option<PathBuf>,
    /// Send copies on this interface
    #[arg(short = 'o', value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) output: Option<String>,
    /// Send copies over the connection to intercept, which runs on the test host with --tun: no packet has a foreign address, no
    /// route is needed
    #[arg(long = "tunnel")]
    pub(super) tunnel: bool,
    /// Capture with libpcap
    #[arg(long = "pcap-capture")]
    pub(super) pcap_capture: bool,
    /// Send copies with libpcap, on the interface of -o
    #[arg(long = "pcap-send")]
    pub(super) pcap_send: bool,
    /// Decapsulate VXLAN, Geneve, GRE and ERSPAN; packets that are captured twice count once
    #[arg(long = "decap")]
    pub(super) decap: bool,
    /// Use this pcap filter for the capture, instead of the one that -x implies
    #[arg(short = 'F', value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// Capture buffer of each interface, in MB; the kernel uses up to 2.2 times as much memory
    #[arg(short = 'B', value_name = "MB", default_value_t = 64, value_parser = whole::<u64>(1..=1023))]
    pub(super) buffer_mb: u64,
    /// Capture at most this many bytes of a packet
    #[arg(short = 'S', value_name = "BYTES", default_value_t = 262_144, value_parser = whole::<u32>(128..=262_144))]
    pub(super) snap: u32,
    /// Largest packet sent to the test server, in bytes
    #[arg(short = 'M', value_name = "BYTES", default_value_t = 1500, value_parser = whole::<u16>(576..=65_535))]
    pub(super) mtu: u16,
    /// Largest TCP payload of a packet to the test server, in bytes (default: what -M allows)
    #[arg(short = 'D', value_name = "BYTES", value_parser = whole::<u16>(64..=65_535))]
    pub(super) mss: Option<u16>,
    /// Keep at most this much client payload in memory, in MB; beyond it, the sessions that hold most are dropped
    #[arg(short = 'm', value_name = "MB", default_value_t = 1024, value_parser = whole::<u64>(1..=1_048_576))]
    pub(super) memory_mb: u64,
    /// Drop the pending data of a session after this time without progress
    #[arg(short = 't', value_name = "SECONDS", default_value_t = 600, value_parser = whole::<u32>(1..=u64::from(u32::MAX)))]
    pub(super) session_seconds: u32,
    /// Forget an idle session after this time
    #[arg(short = 'k', value_name = "SECONDS", default_value_t = 7200, value_parser = whole::<u32>(1..=u64::from(u32::MAX)))]
    pub(super) keepalive_seconds: u32,
    /// Do not wait for the test server's answers between requests
    #[arg(short = 'W')]
    pub(super) no_wait: bool,
    /// Copy only connections that are opened while tcpcopy runs
    #[arg(short = 'O')]
    pub(super) only_from_syn: bool,
    /// Copy UDP services instead of TCP services; intercept needs --udp, too
    #[arg(long = "udp")]
    pub(super) udp: bool,
    /// UDP: copy at most this many datagrams per second (default: 50000)
    #[arg(long = "udp-rate", value_name = "N", value_parser = whole::<u32>(1..=10_000_000))]
    pub(super) udp_rate: Option<u32>,
    /// Start, and go on, also while intercept cannot be reached
    #[arg(short = 'L')]
    pub(super) alone: bool,
    /// Encrypt the connection to intercept, and accept only intercepts that have the key in this file
    #[arg(long = "key-file", value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
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
    /// Run in the background
    #[arg(short = 'd')]
    pub(super) background: bool,
    /// Write the statistics to this file as JSON, every second and at the end
    #[arg(long = "stats-json", value_name = "FILE")]
    pub(super) stats_json: Option<PathBuf>,
    /// Exit with code 3 if less than this percentage of the clients' payload was replayed
    #[arg(long = "fail-below", value_name = "PERCENT", allow_negative_numbers = true)]
    pub(super) fail_below: Option<Percentage>,
    /// Protocol of an online service: PORT=mysql, postgres, redis or none (default: mysql for 3306, postgres for 5432, redis
    /// for 6379)
    #[arg(long = "protocol", value_name = "PORT=NAME")]
    pub(super) protocols: Vec<String>,
    /// Read users and passwords of the test server from this file (TOML, mode 600)
    #[arg(long = "config", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// MySQL: also copy statements that change accounts
    #[arg(long = "copy-accounts")]
    pub(super) copy_accounts: bool,
    /// MySQL: run or drop statements that depend on state lost with a connection, such as a transaction or a temporary table
    /// (default: drop)
    #[arg(long = "on-lost-state", value_name = "HOW", value_enum)]
    pub(super) on_lost_state: Option<LostState>,
    /// Sessions whose connection breaks, or that began before tcpcopy: resume them at the next request, or drop the rest
    /// (default: as their protocol allows)
    #[arg(long = "on-reconnect", value_name = "HOW", value_enum)]
    pub(super) on_reconnect: Option<Choice>,
    /// Online services that keep no state for a connection, so that a session may continue on a new one
    #[arg(long = "stateless", value_name = "PORT,...")]
    pub(super) stateless: Vec<String>,
    /// Print this help
    #[arg(short = 'h', long = "help", action = ArgAction::HelpShort)]
    help: (),
    /// Print the version
    #[arg(short = 'v', visible_short_alias = 'V', long = "version", action = ArgAction::Version)]
    version: (),
}

/// A flag of TCPCopy 1.x built for MySQL, which is refused with a message of its own.
pub(super) const USERS: [Unsupported; 1] =
    [Unsupported { id: "u", meaning: "users and passwords of the test server", value: Value::Any }];

/// Flags of TCPCopy 1.x that have no effect in this build.
pub(super) const IGNORED: [Ignored; 2] = [
    Ignored {
        id: "R",
        meaning: "default round-trip time",
        instead: "round trips are measured on each connection",
    },
    Ignored {
        id: "U",
        meaning: "session pool size",
        instead: "sessions take memory as they need it, and -m limits all of it",
    },
];
