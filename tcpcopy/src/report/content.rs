//! What is reported: the engine's ledger and the counters of everything around it.

use std::collections::BTreeMap;
use std::io;

use common_core::control::Statistics;
use common_os::io::CaptureCounters;
use nix::errno::Errno;
use serde::{Serialize, Serializer};

use super::{ProtocolAccount, WorkerAccount};
use crate::ledger::Ledger;

/// Everything that is known about a run, at one moment; its serialised form is `--stats-json`.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// Version of this program.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Whether the ledger's sums hold.
    pub balanced: bool,
    /// Bytes that clients are known to have said: what the replayed ones are a part of. See [`Ledger::said`].
    pub said: u64,
    /// The account of all engines together.
    pub ledger: &'a Ledger,
    /// The kernel's side of the capture.
    pub capture: CaptureAccount,
    /// What became of the packets sent.
    pub inject: &'a InjectAccount,
    /// The links to the intercepts, in the order of `-s`; those of several workers to one intercept are one.
    pub links: Vec<LinkAccount>,
    /// The services that are copied.
    pub services: Vec<Service>,
    /// What the protocol modules in use have counted.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "by_name")]
    pub protocols: Vec<ProtocolAccount>,
    /// The share of each worker, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<WorkerAccount>,
    /// What the user was not told.
    pub output: OutputAccount,
}

fn by_name<S: Serializer>(all: &[ProtocolAccount], serializer: S) -> Result<S::Ok, S::Error> {
    ProtocolAccount::by_name(all, serializer)
}

/// A service of `-x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its port on the online host.
    pub port: u16,
    /// The protocol module of its sessions; none copies them as they are.
    pub protocol: Option<&'static str>,
    /// The module that there is for what usually listens on the port.
    #[serde(skip)]
    pub module: Option<&'static str>,
    /// The online server is asked about sessions that are older than tcpcopy.
    #[serde(skip)]
    pub is_asked: bool,
}

/// The kernel's side of the capture, all interfaces together, in packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CaptureAccount {
    /// Passed the filter.
    pub kernel_received: u64,
    /// Passed the filter and were dropped: the buffer (`-B`) was full.
    pub kernel_dropped: u64,
    /// Left in the buffer at the end.
    pub unread: u64,
}

/// What could not be written as fast as it came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct OutputAccount {
    /// Lines that the log did not take.
    pub log_lines_lost: u64,
    /// Seconds of which `--stats-json` holds no account, for an earlier one was still being written.
    pub statistics_skipped: u64,
}

impl CaptureAccount {
    /// Adds the counters of one socket.
    pub fn add(&mut self, counters: CaptureCounters) {
        self.kernel_received += counters.received;
        self.kernel_dropped += counters.dropped;
    }
}

/// What became of the packets sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct InjectAccount {
    /// Taken by the kernel.
    pub sent: u64,
    /// Refused by the kernel, by error.
    pub failed: Failures,
}

/// Failed sends by the operating system's error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failures(BTreeMap<i32, u64>);

impl Failures {
    /// Counts so many packets.
    pub fn add(&mut self, error: &io::Error, packets: u64) {
        *self.0.entry(error.raw_os_error().unwrap_or(0)).or_default() += packets;
    }

    /// Adds those of another.
    pub(super) fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|(errno, count)| *self.0.entry(*errno).or_default() += count);
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Each error that occurred: its symbol (as in errno(3)), what it means, how often.
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

/// One link to an intercept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LinkAccount {
    /// Where that intercept listens.
    pub intercept: String,
    /// The link stands.
    pub up: bool,
    /// How often it came up.
    pub connects: u64,
    /// How often it was lost after it had come up.
    pub lost: u64,
    /// Why it is down or was lost last; none if it never was.
    pub last_problem: Option<String>,
    /// What that intercept said of itself last.
    pub statistics: Option<InterceptAccount>,
}

/// Counters of an intercept, all its links together, since they were first heard on this one: see [`Statistics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct InterceptAccount {
    /// Packets from its capture sockets.
    pub captured: u64,
    /// Packets that its kernel dropped.
    pub kernel_dropped: u64,
    /// No readable TCP segments.
    pub unreadable: u64,
    /// Segments of flows that no tcpcopy had announced.
    pub unrouted: u64,
    /// Answers sent on.
    pub forwarded: u64,
    /// Answers dropped since a link was too far behind.
    pub overflowed: u64,
}

impl From<Statistics> for InterceptAccount {
    fn from(from: Statistics) -> Self {
        let Statistics { captured, kernel_dropped, unreadable, unrouted, forwarded, overflowed } = from;
        Self { captured, kernel_dropped, unreadable, unrouted, forwarded, overflowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::DropReason;

    #[test]
    fn json_has_the_promised_top_level_and_names_errors() {
        let ledger = Ledger::default();
        let mut inject = InjectAccount { sent: 7, failed: Failures::default() };
        for errno in [Errno::EPERM, Errno::ENOBUFS, Errno::EPERM] {
            inject.failed.add(&io::Error::from(errno), 1);
        }
        let account = Report {
            version: "1.2.3",
            uptime_seconds: 5,
            balanced: ledger.balances(),
            said: 0,
            ledger: &ledger,
            capture: CaptureAccount { kernel_received: 3, kernel_dropped: 1, unread: 0 },
            inject: &inject,
            links: vec![LinkAccount { intercept: "10.0.0.18:36524".to_owned(), ..LinkAccount::default() }],
            services: vec![Service { port: 80, protocol: None, module: None, is_asked: false }],
            protocols: Vec::new(),
            workers: Vec::new(),
            output: OutputAccount::default(),
        };
        let json = serde_json::to_value(&account).unwrap();
        let mut keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        keys.sort();
        let promised = [
            "balanced",
            "capture",
            "inject",
            "ledger",
            "links",
            "output",
            "said",
            "services",
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
        assert_eq!(json["links"][0]["statistics"], serde_json::Value::Null);
        assert_eq!(json["ledger"]["bytes"]["dropped"]["capture_gap"], 0);
    }

    /// The manual names every field of the ledger, and every reason.
    #[test]
    fn every_counter_is_explained() {
        let manual = include_str!("../../../docs/OPERATIONS.md");
        let ledger = serde_json::to_value(Ledger::default()).unwrap();
        for (group, fields) in ledger.as_object().unwrap() {
            assert!(manual.contains(&format!("| `ledger.{group}` |")), "{group}");
            for field in fields.as_object().unwrap().keys() {
                // Of several that begin alike only the first is written out.
                let short = field.strip_prefix("answers").unwrap_or(field);
                let named = [field, short].iter().any(|name| manual.contains(&format!("`{name}`")));
                assert!(named, "{group}.{field}");
            }
        }
        let reasons = include_str!("../../../docs/ARCHITECTURE.md");
        for reason in DropReason::ALL {
            assert!(reasons.contains(&format!("\n| `{}` |", reason.name())), "{}", reason.name());
        }
    }
}
