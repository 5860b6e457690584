//! The validated settings of a run.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::text::shown;
use common_noise::key::Key;
use common_os::command_line::{Ignored, files, filter, interfaces};
use common_os::io::output::Output;
use common_os::key_file;
use common_os::process::start::ProcessOptions;
use module_kit::Protocol;

use crate::offline::Offline;
use crate::report::Percentage;
use crate::settings::{EngineConfig, Multiplying, Shaping, Transfer, WorkerShare};

use super::UsageError;
use super::address::endpoint_or_default;
use super::clients;
use super::datagrams;
use super::link;
use super::offline;
use super::protocol::{ProtocolOptions, attach};
use super::raw::RawArgs;
use super::reconnect;
use super::transfer::{links, refuse_loops, transfers};
use super::tunnel;

/// Headers without options (RFC 791, RFC 8200, RFC 9293), which do not count towards the MSS (RFC 6691 section 2).
const HEADERS_V4: u16 = 20 + 20;
const HEADERS_V6: u16 = 40 + 20;

/// Smallest part of `-m` for each worker: one session may hold some hundred KB for a moment.
const WORKER_MEMORY_MB: u64 = 1;

/// `-g` adds one percent in this time.
const RAMP_STEP: Duration = Duration::from_secs(1);

/// The settings of a run, checked as far as that is possible without the system.
pub struct Config {
    /// Services and their targets (`-x`), at least one.
    pub transfers: Vec<Transfer>,
    /// How often each session is copied, and from which client addresses (`-n`, `-c`, `-H`, `-f`).
    pub multiplying: Multiplying,
    /// Which sessions are copied (`-r`, `-g`, `--limit-sessions`).
    pub shaping: Shaping,
    /// Where intercept runs (`-s`), at least one.
    pub intercepts: Vec<Endpoint>,
    /// The key that the intercepts must have, too (`--key-file`).
    pub key: Option<Key>,
    /// Threads that share the work (`-C`).
    pub workers: u16,
    /// Capture interfaces (`-i`); empty for all.
    pub interfaces: Vec<String>,
    /// The capture files to replay instead of a live capture (`-i`, `--offline`, `-a`, `-I`, `-T`).
    pub offline: Option<Offline>,
    /// Where copies leave this host (`-o`, and the MAC addresses of `-x`).
    pub output: Output,
    /// Copies go over the control connection (`--tunnel`).
    pub tunnel: bool,
    /// libpcap captures (`--pcap-capture`).
    pub pcap_capture: bool,
    /// Tunnels are taken off captured packets (`--decap`).
    pub decapsulates: bool,
    /// The user's own capture filter (`-F`).
    pub filter: Option<String>,
    /// Capture buffer of each interface in bytes (`-B`).
    pub buffer_bytes: usize,
    /// Limit of the captured bytes of a packet (`-S`).
    pub snap: usize,
    /// Largest segment to IPv4 and to IPv6 targets, in bytes (`-M`, `-D`).
    pub mss: (u16, u16),
    /// Limit of client payload in memory, in bytes (`-m`).
    pub memory_limit: u64,
    /// `-t`.
    pub session_timeout: Duration,
    /// `-k`.
    pub keepalive_timeout: Duration,
    /// Turned off by `-W`.
    pub wait_for_answers: bool,
    /// Only sessions that are seen from their SYN (`-O`).
    pub only_from_syn: bool,
    /// Datagrams in a second; UDP is copied instead of TCP (`--udp`, `--udp-rate`).
    pub datagram_rate: Option<u32>,
    /// `-L`: continue when no intercept can be reached.
    pub alone: bool,
    /// `-l`, `--log-format`, `-P`, `--user` and `-d`.
    pub process: ProcessOptions,
    /// `--stats-json`, absolute.
    pub stats_json: Option<PathBuf>,
    /// `--map-log`, absolute.
    pub map_log: Option<PathBuf>,
    /// `--fail-below`.
    pub fail_below: Option<Percentage>,
}

impl Config {
    /// `ignored` are the flags that were given but have no effect.
    pub(super) fn validate(raw: &RawArgs, ignored: Vec<Ignored>) -> Result<Self, UsageError> {
        let mss = |headers: u16| (raw.mtu - headers).min(raw.mss.unwrap_or(u16::MAX));
        let megabytes = |mb: u64| mb * 1024 * 1024;
        let [log_file, pid_file, stats_json, map_log] = files([
            ("-l", raw.log_file.as_deref()),
            ("-P", raw.pid_file.as_deref()),
            ("--stats-json", raw.stats_json.as_deref()),
            ("--map-log", raw.map_log.as_deref()),
        ])?;
        let interfaces = interfaces(&raw.interfaces)
            .map_err(|(piece, problem)| UsageError::Interface { piece, problem })?;
        let datagram_rate = datagrams::rate(raw)?;
        let (interfaces, offline) = offline::sources(raw, interfaces)?;
        if datagram_rate.is_some() && offline.is_some() {
            return Err(UsageError::NotUdp {
                flag: "-i FILE",
                reason: "capture files are replayed to TCP services only",
            });
        }
        if datagram_rate.is_some() && interfaces.is_empty() {
            return Err(UsageError::UdpInterface);
        }
        let mut transfers = transfers(&raw.transfers)?;
        if offline.is_none() {
            refuse_loops(&transfers)?;
        }
        link::check(raw, &transfers, offline.is_none())?;
        let config = raw.config.as_deref();
        let options = ProtocolOptions {
            protocols: &raw.protocols,
            config,
            copy_accounts: raw.copy_accounts,
            on_lost_state: raw.on_lost_state,
        };
        let derived_filter = match datagram_rate {
            Some(_) => {
                datagrams::refuse_several(&transfers)?;
                Some(datagrams::filter(&transfers))
            }
            None => {
                attach(&mut transfers, &options)?;
                None
            }
        };
        if offline.is_some() {
            offline::refuse_queries(&transfers)?;
        }
        reconnect::apply(&mut transfers, raw.on_reconnect, &raw.stateless)?;
        if raw.memory_mb < u64::from(raw.workers) * WORKER_MEMORY_MB {
            return Err(UsageError::Memory { megabytes: raw.memory_mb, workers: raw.workers });
        }
        let intercepts = intercepts(&raw.intercepts, raw.port)?;
        let output =
            Output { interface: raw.output.clone(), links: links(&raw.transfers)?, by_pcap: raw.pcap_send };
        tunnel::check(raw, &transfers, &intercepts, &output)?;
        let multiplying = clients::multiplying(raw, &transfers)?;
        let shaping = Shaping {
            percent: raw.percent,
            step: raw.gradually.then_some(RAMP_STEP),
            sessions_a_second: raw.sessions_a_second.and_then(NonZeroU32::new),
        };
        Ok(Self {
            transfers,
            multiplying,
            shaping,
            map_log,
            intercepts,
            key: raw.key_file.as_deref().map(key_file::read).transpose()?.map(|keys| keys.first().clone()),
            workers: raw.workers,
            interfaces,
            offline,
            output,
            tunnel: raw.tunnel,
            pcap_capture: raw.pcap_capture,
            decapsulates: raw.decap,
            filter: filter(raw.filter.as_deref())?.or(derived_filter),
            buffer_bytes: usize::try_from(megabytes(raw.buffer_mb)).unwrap_or(usize::MAX),
            snap: usize::try_from(raw.snap).unwrap_or(usize::MAX),
            mss: (mss(HEADERS_V4), mss(HEADERS_V6)),
            memory_limit: megabytes(raw.memory_mb),
            session_timeout: Duration::from_secs(raw.session_seconds.into()),
            keepalive_timeout: Duration::from_secs(raw.keepalive_seconds.into()),
            wait_for_answers: !raw.no_wait,
            only_from_syn: raw.only_from_syn,
            datagram_rate,
            alone: raw.alone,
            process: ProcessOptions {
                log_file,
                pid_file,
                log_format: raw.log_format,
                user: raw.user.clone(),
                background: raw.background,
                ignored,
            },
            stats_json,
            fail_below: raw.fail_below,
        })
    }

    /// The settings of the engine of worker `index`; `seed` and `timestamp_origin` as in [`EngineConfig`].
    #[must_use]
    pub fn engine(&self, index: u16, seed: u64, timestamp_origin: u32) -> EngineConfig {
        let worker = WorkerShare { index, count: self.workers };
        EngineConfig {
            transfers: self.transfers.clone(),
            multiplying: Multiplying { worker, ..self.multiplying.clone() },
            shaping: self.shaping,
            sees_copies: self.offline.is_none(),
            only_from_syn: self.only_from_syn,
            wait_for_answers: self.wait_for_answers,
            mss_v4: self.mss.0,
            mss_v6: self.mss.1,
            memory_limit: self.memory_limit / u64::from(self.workers),
            session_timeout: self.session_timeout,
            keepalive_timeout: self.keepalive_timeout,
            seed,
            timestamp_origin,
        }
    }

    /// The protocols in use, each once: the counters of several services are reported together.
    #[must_use]
    pub fn protocols(&self) -> Vec<Arc<dyn Protocol>> {
        let mut protocols: Vec<Arc<dyn Protocol>> = Vec::new();
        for protocol in self.transfers.iter().filter_map(|transfer| transfer.protocol.as_ref()) {
            if !protocols.iter().any(|known| known.name() == protocol.name()) {
                protocols.push(Arc::clone(protocol));
            }
        }
        protocols
    }

    /// The test servers, each once.
    #[must_use]
    pub fn targets(&self) -> Vec<Endpoint> {
        let mut targets: Vec<Endpoint> = self.transfers.iter().map(|transfer| transfer.target).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }
}

fn intercepts(values: &[String], default_port: u16) -> Result<Vec<Endpoint>, UsageError> {
    let mut read = Vec::new();
    for piece in pieces(values) {
        let wrong = |problem| UsageError::Intercept { piece: shown(piece, 80), problem };
        let intercept = endpoint_or_default(piece, default_port).map_err(wrong)?;
        if read.contains(&intercept) {
            return Err(wrong("given twice".to_owned()));
        }
        read.push(intercept);
    }
    if read.is_empty() { Err(UsageError::NoIntercept) } else { Ok(read) }
}

fn pieces(values: &[String]) -> impl Iterator<Item = &str> {
    values.iter().flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    /// The settings of a minimal command line followed by `more`.
    fn config(more: &[&str]) -> Result<Config, UsageError> {
        let line = ["tcpcopy", "-x", "80-10.0.0.17:8080", "-s", "10.0.0.18"].iter().chain(more);
        Config::validate(&RawArgs::try_parse_from(line)?, Vec::new())
    }

    #[test]
    fn defaults() {
        let config = config(&[]).unwrap();
        assert_eq!(config.intercepts, ["10.0.0.18:36524".parse::<std::net::SocketAddr>().unwrap().into()]);
        assert_eq!(config.mss, (1460, 1440));
        assert_eq!(config.memory_limit, 1 << 30);
        assert_eq!((config.workers, config.buffer_bytes), (1, 64 << 20));
        assert_eq!(config.snap, 262_144);
        assert_eq!(config.session_timeout, Duration::from_secs(600));
        assert_eq!(config.keepalive_timeout, Duration::from_secs(7200));
        assert!(config.wait_for_answers && !config.alone);
        assert_eq!(config.process, ProcessOptions::default());
        assert!(config.interfaces.is_empty() && config.filter.is_none() && config.stats_json.is_none());
    }

    #[test]
    fn datagrams_have_a_filter_and_no_modules() {
        let udp = config(&["--udp", "-i", "eth0", "-x", "10.0.0.16:3306-10.0.0.17:3306"]).unwrap();
        assert!(udp.datagram_rate.is_some() && udp.protocols().is_empty());
        let expected = "(udp dst port 80) or (udp dst port 3306 and dst host 10.0.0.16)";
        assert_eq!(udp.filter.unwrap(), expected);
        assert_eq!(config(&["--udp", "-i", "eth0", "-F", "udp"]).unwrap().filter.unwrap(), "udp");
        let error = config(&["--udp", "-i", "a.pcap"]).err().unwrap().to_string();
        assert!(error.starts_with("-i FILE has no meaning with --udp"), "{error}");
        for everywhere in [&["--udp"][..], &["--udp", "-i", "any"]] {
            let error = config(everywhere).err().unwrap().to_string();
            assert!(error.starts_with("--udp needs -i: "), "{error}");
        }
        let error = config(&["--udp", "-i", "eth0", "-x", "80-10.0.0.27:80"]).err().unwrap().to_string();
        assert!(error.starts_with("a second target of one service"), "{error}");
    }

    #[test]
    fn a_key_file_is_read_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let name = path.to_str().unwrap();
        let missing = config(&["--key-file", name]).err().unwrap().to_string();
        assert!(missing.starts_with("--key-file: '") && missing.contains("No such file"), "{missing}");
        key_file::create(&path).unwrap();
        assert!(config(&["--key-file", name]).unwrap().key.is_some() && config(&[]).unwrap().key.is_none());
    }

    #[test]
    fn a_protocol_of_several_services_has_one_report() {
        let config = config(&["-x", "3306-10.0.0.17:3306,3307-10.0.0.17:3306", "--protocol", "3307=mysql"]);
        let names: Vec<_> = config.unwrap().protocols().iter().map(|protocol| protocol.name()).collect();
        assert_eq!(names, ["mysql"]);
    }

    #[test]
    fn workers_share_the_memory() {
        let config = config(&["-C", "4", "-m", "100"]).unwrap();
        assert_eq!(config.workers, 4);
        assert_eq!(config.engine(0, 0, 0).memory_limit, 25 << 20);
    }

    #[test]
    fn each_worker_has_memory_to_work_with() {
        let error = config(&["-m", "63", "-C", "64"]).err().unwrap().to_string();
        assert_eq!(
            error,
            "-m 63: each of the 64 workers of -C gets an equal part and needs 1 MB; give -m 64 or more, or fewer workers"
        );
        for enough in [["-m", "64", "-C", "64"], ["-m", "1", "-C", "1"]] {
            assert!(config(&enough).is_ok(), "{enough:?}");
        }
    }

    #[test]
    fn mtu_and_mss_limit_both_families() {
        for (flags, expected) in [
            (&["-M", "9000"][..], (8960, 8940)),
            (&["-M", "1280"], (1240, 1220)),
            (&["-D", "1000"], (1000, 1000)),
            (&["-D", "1450"], (1450, 1440)),
            (&["-D", "9000"], (1460, 1440)),
            (&["-M", "9000", "-D", "8950"], (8950, 8940)),
        ] {
            assert_eq!(config(flags).unwrap().mss, expected, "{flags:?}");
        }
    }

    #[test]
    fn intercepts_take_the_port_of_p_where_they_name_none() {
        let config = config(&["-s", "10.0.0.19:1,::1", "-p", "7"]).unwrap();
        let shown: Vec<String> = config.intercepts.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.0.0.18:7", "10.0.0.19:1", "[::1]:7"]);
    }

    #[test]
    fn interfaces_are_listed_once() {
        assert_eq!(config(&["-i", "eth0,lo", "-i", "eth1"]).unwrap().interfaces, ["eth0", "lo", "eth1"]);
        assert!(config(&["-i", "any"]).unwrap().interfaces.is_empty());
        for (value, problem) in
            [("eth0,eth0", "given twice"), ("eth0,", "empty name"), ("any,eth0", "all interfaces")]
        {
            let error = config(&["-i", value]).err().unwrap().to_string();
            assert!(error.contains(problem), "{value}: {error}");
        }
    }

    #[test]
    fn relative_file_names_become_absolute() {
        let config = config(&["-l", "log", "-P", "/run/pid", "--stats-json", "stats"]).unwrap();
        assert!(config.process.log_file.unwrap().is_absolute());
        assert_eq!(config.process.pid_file.unwrap(), Path::new("/run/pid"));
        assert!(config.stats_json.unwrap().is_absolute());
    }

    #[test]
    fn each_file_has_one_use() {
        for (flags, expected) in [
            (["-l", "/f", "-P", "/f"], "-l and -P both name '/f'"),
            (["--stats-json", "f", "-P", "./f"], "-P and --stats-json both name"),
        ] {
            let error = config(&flags).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn missing_and_wrong_values_are_named() {
        let parse = |line: &[&str]| {
            let raw = RawArgs::try_parse_from(std::iter::once(&"tcpcopy").chain(line)).unwrap();
            Config::validate(&raw, Vec::new()).err().unwrap()
        };
        assert_eq!(parse(&["-s", "10.0.0.18"]), UsageError::NoTransfer);
        assert_eq!(parse(&["-x", "80-10.0.0.17:8080"]), UsageError::NoIntercept);
        let error = config(&["-s", "assistant"]).err().unwrap().to_string();
        assert!(error.starts_with("-s: 'assistant': "), "{error}");
        for empty in ["", "  "] {
            let error = config(&["-F", empty]).err().unwrap().to_string();
            assert!(error.starts_with("-F: the filter is empty; "), "{error}");
        }
        let error = config(&["-s", "10.0.0.18"]).err().unwrap().to_string();
        assert!(error.contains("given twice"), "{error}");
    }
}
