//! The validated configuration.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use common_core::network::Networks;
use common_core::text::shown;
use common_noise::key::Keys;
use common_os::command_line::{Ignored, files, filter, interfaces};
use common_os::key_file;
use common_os::process::start::ProcessOptions;

use super::error::UsageError;
use super::raw::RawArgs;
use super::tun;
use crate::router::{AllowedTarget, TargetPolicy};

/// The settings of a run, checked as far as that is possible without the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Interfaces to capture on; empty for all (`-i`).
    pub interfaces: Vec<String>,
    /// pcap filter; if absent, the filter is derived from the announced targets (`-F`).
    pub filter: Option<String>,
    /// libpcap captures (`--pcap-capture`).
    pub pcap_capture: bool,
    /// Address to listen on; if absent, all addresses (`-b`).
    pub bind: Option<IpAddr>,
    /// TCP port to listen on (`-p`).
    pub port: u16,
    /// Which targets are served (`--allow-target`, `--loopback`, `--udp`).
    pub targets: TargetPolicy,
    /// The networks of copied clients, if copies enter this host by a TUN device (`--tun`, `--net`).
    pub tun: Option<Networks>,
    /// The keys that tcpcopies may have; if absent, they need none (`--key-file`).
    pub keys: Option<Arc<Keys>>,
    /// `--stats-json`, absolute.
    pub stats_json: Option<PathBuf>,
    /// `-l`, `--log-format`, `-P`, `--user` and `-d`.
    pub process: ProcessOptions,
}

impl Config {
    /// `ignored` are the flags that were given but have no effect.
    pub(super) fn validate(raw: RawArgs, ignored: Vec<Ignored>) -> Result<Self, UsageError> {
        let [log_file, pid_file, stats_json] = files([
            ("-l", raw.log_file.as_deref()),
            ("-P", raw.pid_file.as_deref()),
            ("--stats-json", raw.stats_json.as_deref()),
        ])?;
        let interfaces = interfaces(&raw.interfaces)
            .map_err(|(piece, problem)| UsageError::Interface { piece, problem })?;
        let tun = tun::networks(&raw, &interfaces)?;
        if raw.pcap_capture && raw.loopback {
            return Err(UsageError::PcapLoopback);
        }
        if raw.udp && interfaces.is_empty() {
            return Err(UsageError::UdpInterface);
        }
        Ok(Self {
            interfaces,
            tun,
            filter: filter(raw.filter.as_deref())?,
            pcap_capture: raw.pcap_capture,
            bind: raw.bind.as_deref().map(address).transpose()?,
            port: raw.port,
            stats_json,
            targets: TargetPolicy {
                loopback: raw.loopback,
                datagrams: raw.udp,
                allowed: allowed_targets(&raw.allow_target)?,
            },
            process: ProcessOptions {
                log_file,
                pid_file,
                log_format: raw.log_format,
                user: raw.user,
                background: raw.background,
                ignored,
            },
            keys: raw.key_file.as_deref().map(key_file::read).transpose()?,
        })
    }
}

/// Reads the values of `--allow-target`, which are lists separated by commas.
fn allowed_targets(values: &[String]) -> Result<Option<Vec<AllowedTarget>>, UsageError> {
    let pieces = values.iter().flat_map(|value| value.split(',')).map(str::trim);
    let read: Vec<_> = pieces.map(allowed_target).collect::<Result<_, _>>()?;
    Ok((!read.is_empty()).then_some(read))
}

fn allowed_target(piece: &str) -> Result<AllowedTarget, UsageError> {
    match (piece.parse::<SocketAddr>(), address(piece)) {
        (Ok(endpoint), _) if endpoint.port() != 0 => {
            Ok(AllowedTarget { ip: endpoint.ip(), port: Some(endpoint.port()) })
        }
        (Err(_), Ok(ip)) => Ok(AllowedTarget { ip, port: None }),
        _ => Err(UsageError::AllowedTarget(shown(piece, 80))),
    }
}

/// Reads an IP address; an IPv6 address may be in brackets.
fn address(text: &str) -> Result<IpAddr, UsageError> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| UsageError::Bind(shown(text, 200)))
}
