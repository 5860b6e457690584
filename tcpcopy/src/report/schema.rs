//! The data of a report; its serialised form is `--stats-json`, whose fields docs/OPERATIONS.md describes.

use std::collections::BTreeMap;
use std::io;

use common_os::io::CaptureCounters;
use nix::errno::Errno;
use serde::{Serialize, Serializer};

use super::{FindingStats, ProtocolStats, Recent, WorkerSummary};
use crate::ledger::{Ledger, TargetCounts};
use crate::mirror::MirrorStats;
use crate::offline::FileStats;

/// The state of a run at one moment.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// Version of this program.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Whether the ledger's sums hold in every worker.
    pub balanced: bool,
    /// Bytes that clients are known to have sent, each counted once: see [`Ledger::client_bytes`].
    pub client_bytes: u64,
    /// The last 30 seconds.
    pub recent: Recent,
    /// The faults of this run, the latest last; those that are over included.
    pub findings: Vec<FindingStats>,
    /// The sum of the workers' ledgers.
    pub ledger: &'a Ledger,
    /// The kernel's side of the capture.
    pub capture: CaptureStats,
    /// The reading of capture files, if they are replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<FileStats>,
    /// The outcome of packets sent.
    pub inject: &'a InjectStats,
    /// The intercepts, in the order of `-s`. The control connections of several workers to one intercept are merged.
    pub intercepts: Vec<InterceptStats>,
    /// The test servers, in the order of `-x`.
    pub targets: Vec<TargetStats>,
    /// The services of `-x`.
    pub services: Vec<Service>,
    /// Counters of the protocol modules in use.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "by_name")]
    pub protocols: Vec<ProtocolStats>,
    /// Each worker's part, if there are several workers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<WorkerSummary>,
    /// Losses of the log and of `--stats-json` itself.
    pub output: OutputStats,
}

fn by_name<S: Serializer>(all: &[ProtocolStats], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(all.iter().map(|protocol| (protocol.name, protocol)))
}

/// A test server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetStats {
    /// Its address and port.
    pub target: String,
    /// What was sent to it and what came back.
    #[serde(flatten)]
    pub counts: TargetCounts,
}

/// A service of `-x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its port on the online host.
    pub port: u16,
    /// The protocol module of its sessions; `None` copies them unchanged.
    pub protocol: Option<&'static str>,
    /// The module for the protocol that usually has this port.
    #[serde(skip)]
    pub module: Option<&'static str>,
    /// tcpcopy queries the online server about sessions that are older than tcpcopy.
    #[serde(skip)]
    pub is_queried: bool,
}

/// The kernel's side of the capture: packets of all interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CaptureStats {
    /// Packets that passed the filter, dropped ones included.
    pub kernel_received: u64,
    /// Packets that passed the filter and were dropped because the buffer (`-B`) was full.
    pub kernel_dropped: u64,
    /// Packets left in the buffer at the end.
    pub unread: u64,
    /// What became of packets before the engine got them, if something else than the capture tells their direction.
    #[serde(flatten)]
    pub mirror: Option<MirrorStats>,
}

impl CaptureStats {
    /// Adds the counters of one socket.
    pub fn add(&mut self, counters: CaptureCounters) {
        self.kernel_received += counters.received;
        self.kernel_dropped += counters.dropped;
    }
}

/// The outcome of packets sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct InjectStats {
    /// Packets that the kernel accepted.
    pub sent: u64,
    /// Packets that the kernel refused, by error.
    pub failed: Failures,
}

/// Failed sends by the operating system's error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failures(BTreeMap<i32, u64>);

impl Failures {
    /// Counts `packets` that failed with `error`.
    pub fn add(&mut self, error: &io::Error, packets: u64) {
        *self.0.entry(error.raw_os_error().unwrap_or(0)).or_default() += packets;
    }

    /// Adds another worker's failures.
    pub(super) fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|(errno, count)| *self.0.entry(*errno).or_default() += count);
    }

    /// The sum over all errors.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Each error that occurred: its symbol (as in errno(3)), its description, its count.
    pub fn occurred(&self) -> impl Iterator<Item = (String, &'static str, u64)> + '_ {
        self.0.iter().map(|(&raw, &count)| {
            let errno = Errno::from_raw(raw);
            (format!("{errno:?}"), errno.desc(), count)
        })
    }
}

impl Serialize for Failures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.occurred().map(|(symbol, _, count)| (symbol, count)))
    }
}

/// An intercept and the control connection to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct InterceptStats {
    /// The address that intercept listens on.
    pub address: String,
    /// The control connection is established.
    pub connected: bool,
    /// How many times it was established.
    pub connects: u64,
    /// How many times an established one was lost.
    pub disconnects: u64,
    /// The reason of the last failure or loss.
    pub last_error: Option<String>,
    /// The host of another tcpcopy that announces the same flows, if intercept has told of one.
    pub shared_with: Option<String>,
    /// Messages with counters received.
    #[serde(skip)]
    pub reports: u64,
    /// The last counters that intercept sent.
    pub statistics: Option<InterceptCounters>,
}

/// Counters of an intercept for all its control connections, since its first message to this tcpcopy.
pub use common_core::control::Statistics as InterceptCounters;

/// Losses of the log and of `--stats-json` itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct OutputStats {
    /// Log lines that could not be written.
    pub log_lines_lost: u64,
    /// Lines of `--map-log` that could not be written.
    pub map_lines_lost: u64,
    /// Seconds without a report in `--stats-json` because the previous one was still being written.
    pub statistics_skipped: u64,
}

#[cfg(test)]
impl<'a> Report<'a> {
    /// A report of these figures and nothing else.
    pub(super) fn of(ledger: &'a Ledger, inject: &'a InjectStats) -> Self {
        Self {
            version: "1.2.3",
            uptime_seconds: 5,
            balanced: ledger.balances(),
            client_bytes: ledger.client_bytes(),
            recent: Recent::default(),
            findings: Vec::new(),
            ledger,
            capture: CaptureStats::default(),
            files: None,
            inject,
            intercepts: Vec::new(),
            targets: Vec::new(),
            services: Vec::new(),
            protocols: Vec::new(),
            workers: Vec::new(),
            output: OutputStats::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::DropReason;

    #[test]
    fn json_has_the_promised_top_level_and_names_errors() {
        let ledger = Ledger::default();
        let mut inject = InjectStats { sent: 7, failed: Failures::default() };
        for errno in [Errno::EPERM, Errno::ENOBUFS, Errno::EPERM] {
            inject.failed.add(&io::Error::from(errno), 1);
        }
        let report = Report {
            capture: CaptureStats { kernel_received: 3, kernel_dropped: 1, ..CaptureStats::default() },
            intercepts: vec![InterceptStats {
                address: "10.0.0.18:36524".to_owned(),
                ..InterceptStats::default()
            }],
            services: vec![Service { port: 80, protocol: None, module: None, is_queried: false }],
            ..Report::of(&ledger, &inject)
        };
        let json = serde_json::to_value(&report).unwrap();
        let mut keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        keys.sort();
        let promised = [
            "balanced",
            "capture",
            "client_bytes",
            "findings",
            "inject",
            "intercepts",
            "ledger",
            "output",
            "recent",
            "services",
            "targets",
            "uptime_seconds",
            "version",
        ];
        assert_eq!(keys, promised);
        assert_eq!(json["services"], serde_json::json!([{"port": 80, "protocol": null}]));
        assert_eq!(json["balanced"], true);
        assert_eq!(json["inject"], serde_json::json!({"sent": 7, "failed": {"EPERM": 2, "ENOBUFS": 1}}));
        assert_eq!(
            json["capture"],
            serde_json::json!({"kernel_received": 3, "kernel_dropped": 1, "unread": 0})
        );
        assert_eq!(json["intercepts"][0]["statistics"], serde_json::Value::Null);
        assert_eq!(json["ledger"]["bytes"]["dropped"]["capture_gap"], 0);
    }

    /// The manual has a row for each group of the ledger, and names every field and every reason.
    #[test]
    fn every_field_is_documented() {
        let manual = include_str!("../../../docs/OPERATIONS.md");
        let schema = manual.split_once("\n## --stats-json\n").unwrap().1.split_once("\n## ").unwrap().0;
        let (ledger, inject) = (Ledger::default(), InjectStats::default());
        let intercept =
            InterceptStats { statistics: Some(InterceptCounters::default()), ..InterceptStats::default() };
        let report = Report {
            intercepts: vec![intercept],
            services: vec![Service { port: 80, protocol: None, module: None, is_queried: false }],
            protocols: vec![ProtocolStats { name: "mysql", groups: Vec::new() }],
            workers: vec![(&crate::report::WorkerStats::default()).into()],
            files: Some(FileStats::default()),
            capture: CaptureStats { mirror: Some(MirrorStats::default()), ..CaptureStats::default() },
            targets: vec![TargetStats { target: String::new(), counts: TargetCounts::default() }],
            findings: vec![FindingStats {
                name: "refused",
                concerns: Some(String::new()),
                present: true,
                begun: String::new(),
                seconds: 0,
                evidence: String::new(),
                line: String::new(),
            }],
            ..Report::of(&ledger, &inject)
        };
        let json = serde_json::to_value(&report).unwrap();
        check_documented(schema, &json);
        for group in json["ledger"].as_object().unwrap().keys() {
            assert!(schema.contains(&format!("| `ledger.{group}` |")), "{group}");
        }
        let reasons = include_str!("../../../docs/ARCHITECTURE.md");
        for reason in DropReason::ALL {
            assert!(reasons.contains(&format!("\n| `{}` |", reason.name())), "{}", reason.name());
        }
    }

    /// Maps by reason and by protocol have keys of their own documentation.
    fn check_documented(schema: &str, json: &serde_json::Value) {
        match json {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    let is_group = schema.contains(&format!("`ledger.{name}`"));
                    let named = ["", "[]"].iter().any(|end| schema.contains(&format!("`{name}{end}`")));
                    assert!(named || is_group || name == "ledger", "{name} is not documented");
                    if !["dropped", "incomplete", "protocols"].contains(&name.as_str()) {
                        check_documented(schema, value);
                    }
                }
            }
            serde_json::Value::Array(values) => {
                values.iter().for_each(|value| check_documented(schema, value));
            }
            _ => {}
        }
    }
}
