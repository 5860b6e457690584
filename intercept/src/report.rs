//! intercept's account: one log line every 30 s, the report at the end, and `--stats-json`, whose fields docs/OPERATIONS.md
//! describes.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use common_core::control::Statistics;
use serde::{Serialize, Serializer};

/// The state of a run at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) version: &'static str,
    pub(crate) uptime_seconds: u64,
    /// Peers must have a key.
    pub(crate) key: bool,
    /// Open control connections.
    pub(crate) connections: usize,
    pub(crate) routes: usize,
    pub(crate) targets: usize,
    pub(crate) total: Counters,
    pub(crate) recent: Recent,
    pub(crate) hosts: Vec<HostReport>,
    /// The device of `--tun`.
    pub(crate) tunnel: Option<TunnelReport>,
    pub(crate) output: OutputStats,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters(pub(crate) Statistics);

/// What has happened in the last seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    pub(crate) seconds: u64,
    pub(crate) since: Statistics,
    pub(crate) until: Statistics,
}

/// The device of `--tun`.
#[derive(Debug, Serialize)]
pub(crate) struct TunnelReport {
    /// Its name.
    pub(crate) device: String,
    pub(crate) networks: Vec<String>,
    /// Packets of copies that the kernel has taken. A long one counts once.
    pub(crate) written: u64,
    /// Packets that may not pass.
    pub(crate) rejected: u64,
    /// Packets that the kernel has not taken.
    pub(crate) failed: u64,
}

/// One host.
#[derive(Debug, Serialize)]
pub(crate) struct HostReport {
    /// Its address, or its network of IPv6.
    pub(crate) address: String,
    /// It has copied before, or proved the key.
    pub(crate) known: bool,
    /// How many times it was cut off.
    pub(crate) cut_off: u64,
    /// Its connections, those that are gone included.
    pub(crate) accepted: u64,
    pub(crate) answers: u64,
    pub(crate) overflowed: u64,
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Its open connections.
    pub(crate) connections: Vec<ConnReport>,
}

/// An open control connection.
#[derive(Debug, Serialize)]
pub(crate) struct ConnReport {
    pub(crate) address: String,
    pub(crate) seconds: u64,
    /// It has proved the key.
    pub(crate) key: bool,
    pub(crate) answers: u64,
    pub(crate) overflowed: u64,
    pub(crate) queued_bytes: usize,
}

/// Losses of the log and of `--stats-json` itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct OutputStats {
    pub(crate) log_lines_lost: u64,
    pub(crate) statistics_skipped: u64,
}

impl Serialize for Counters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Statistics::NAMES.into_iter().zip(self.0.to_array()))
    }
}

impl Serialize for Recent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = Statistics::NAMES.into_iter().zip(self.counts());
        serializer.collect_map([("seconds", self.seconds)].into_iter().chain(counts))
    }
}

impl Recent {
    fn counts(&self) -> [u64; Statistics::COUNT] {
        let (mut counts, since) = (self.until.to_array(), self.since.to_array());
        counts.iter_mut().zip(since).for_each(|(count, before)| *count = count.saturating_sub(before));
        counts
    }

    /// Nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts().iter().all(|count| *count == 0)
    }
}

/// The line of a running intercept: the total, and the last seconds beside it.
pub(crate) struct Short<'r>(pub(crate) &'r Report);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report { connections, routes, total, recent, .. } = self.0;
        let Statistics { captured, forwarded, .. } = total.0;
        write!(
            f,
            "captured {captured} packets, forwarded {forwarded} answers; in the last {} s: ",
            recent.seconds
        )?;
        let counts = Statistics::NAMES.into_iter().zip(recent.counts()).filter(|(_, count)| *count > 0);
        let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {count}")).collect();
        write!(f, "{}", if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") })?;
        write!(f, "; {connections} connections, {routes} routes")
    }
}

/// Hosts that the report lists; the file of `--stats-json` has all.
const LISTED: usize = 20;

/// The report at the end, and for SIGUSR1: a line, and one for each host.
pub(crate) struct Complete<'r>(pub(crate) &'r Report);

impl Display for Complete<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report { connections, routes, total, hosts, tunnel, output, .. } = self.0;
        let Statistics { captured, kernel_dropped, unreadable, unrouted, forwarded, overflowed, .. } =
            total.0;
        write!(
            f,
            "captured {captured} packets (dropped by the kernel: {kernel_dropped}, unreadable: {unreadable}), \
             forwarded {forwarded} answers (without route: {unrouted}, queue full: {overflowed}); \
             {connections} connections, {routes} routes"
        )?;
        if let Some(TunnelReport { device, written, rejected, failed, .. }) = tunnel {
            write!(f, "; {device}: {written} packets written, {rejected} rejected, {failed} failed")?;
        }
        if output.log_lines_lost > 0 {
            write!(f, "; {} log lines lost", output.log_lines_lost)?;
        }
        hosts.iter().take(LISTED).try_for_each(|host| write!(f, "\n  {host}"))?;
        match hosts.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} other hosts"),
        }
    }
}

impl Display for HostReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { address, accepted, answers, overflowed, connections, refused, cut_off, .. } = self;
        write!(f, "host {address}: {} connections of {accepted} open, answers {answers}", connections.len())?;
        if *overflowed > 0 {
            write!(f, ", overflowed {overflowed}")?;
        }
        refused.iter().try_for_each(|(reason, count)| write!(f, ", refused {reason} {count}"))?;
        if *cut_off > 0 {
            write!(f, ", cut off {cut_off}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let until = Statistics { captured: 10, forwarded: 7, ..Statistics::default() };
        let since = Statistics { captured: 4, forwarded: 7, ..Statistics::default() };
        Report {
            version: "1.2.3",
            uptime_seconds: 60,
            key: true,
            connections: 1,
            routes: 2,
            targets: 1,
            total: Counters(until),
            recent: Recent { seconds: 30, since, until },
            hosts: vec![HostReport {
                address: "10.0.0.16".to_owned(),
                known: true,
                cut_off: 1,
                accepted: 3,
                answers: 7,
                overflowed: 2,
                refused: BTreeMap::from([("no_hello", 1)]),
                connections: vec![ConnReport {
                    address: "10.0.0.16:40000".to_owned(),
                    seconds: 9,
                    key: true,
                    answers: 5,
                    overflowed: 2,
                    queued_bytes: 0,
                }],
            }],
            tunnel: Some(TunnelReport {
                device: "tcpcopy0".to_owned(),
                networks: vec!["198.18.0.0/15".to_owned()],
                written: 3,
                rejected: 1,
                failed: 0,
            }),
            output: OutputStats::default(),
        }
    }

    #[test]
    fn the_line_has_the_last_seconds_beside_the_total() {
        assert_eq!(
            Short(&report()).to_string(),
            "captured 10 packets, forwarded 7 answers; in the last 30 s: captured 6; 1 connections, 2 routes"
        );
        assert!(!report().recent.is_empty() && Recent::default().is_empty());
    }

    #[test]
    fn the_report_has_a_line_for_each_host() {
        let text = Complete(&report()).to_string();
        assert!(text.contains("forwarded 7 answers (without route: 0, queue full: 0)"), "{text}");
        assert!(text.contains("; tcpcopy0: 3 packets written, 1 rejected, 0 failed\n"), "{text}");
        let host = "\n  host 10.0.0.16: 1 connections of 3 open, answers 7, overflowed 2, refused no_hello 1, cut off 1";
        assert!(text.ends_with(host), "{text}");
        let mut many = report();
        for _ in 0..LISTED {
            many.hosts.extend(report().hosts);
        }
        let text = Complete(&many).to_string();
        assert!(text.lines().count() == LISTED + 2 && text.ends_with("and 1 other hosts"), "{text}");
    }

    /// Every field and counter is described.
    #[test]
    fn the_manual_names_all_fields() {
        let manual = include_str!("../../docs/OPERATIONS.md");
        let chapter =
            manual.split_once("## --stats-json of intercept").unwrap().1.split_once("\n## ").unwrap().0;
        let json = serde_json::to_value(report()).unwrap();
        let mut names: Vec<&str> = Statistics::NAMES.to_vec();
        for object in
            [&json, &json["hosts"][0], &json["hosts"][0]["connections"][0], &json["tunnel"], &json["output"]]
        {
            names.extend(object.as_object().unwrap().keys().map(String::as_str));
        }
        let missing: Vec<_> = names.iter().filter(|name| !chapter.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(json["recent"]["captured"], 6);
        assert_eq!(json["total"]["captured"], 10);
    }
}
